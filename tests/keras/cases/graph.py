"""Shapes a model can take: nesting, sharing, structures, order and names."""

import keras
from keras import layers as L

from archive import edit_config
from harness import family

case = family("graph")


def mlp(width, inner=4, name=None, entry=True):
    layers = [L.Dense(inner, "tanh"), L.Dense(inner, "relu")]
    return keras.Sequential([keras.Input((width,)), *layers] if entry else layers, name=name)


def block(width, name=None):
    """A functional model whose two branches have different depths."""
    x = keras.Input((width,))
    deep = L.Dense(4)(L.Dense(5, "tanh")(x))
    return keras.Model(x, L.Add()([L.Dense(4)(x), deep]), name=name)


def two_headed():
    x, y = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    total = L.Concatenate()([x, y])
    return keras.Model([x, y], [L.Dense(2, name="first")(total), L.Dense(3, name="second")(y)])


case("sequential_in_functional", x=(7,), graph=lambda x: L.Dense(2)(mlp(7)(L.Dense(7)(x))))
case("sequential_in_sequential", x=(7,), layer=lambda: [mlp(7), L.Dense(3), mlp(3), L.Dense(2)])
case("sequential_two_levels", x=(5,), layer=lambda: [keras.Sequential([keras.Input((5,)), mlp(5), L.Dense(3)]), L.Dense(2)])
case("sequential_without_entry", x=(7,), layer=lambda: [mlp(7, entry=False), L.Dense(3)])
case("functional_in_sequential", x=(7,), layer=lambda: [block(7), L.Dense(4), block(4, name="second")])
case("functional_in_functional", x=(7,), graph=lambda x: L.Dense(2)(block(7)(L.Dense(7)(x))))
case("functional_two_levels", x=(7,), graph=lambda x: outer_block()(L.Dense(7)(x)))
case("functional_is_output", x=(7,), graph=lambda x: block(7)(x))
case("nested_called_twice", x=[(7,), (7,)], graph=lambda x, y: called_twice(block(7), x, y))
case("nested_called_twice_outputs", x=[(7,), (7,)], graph=lambda x, y: [m := block(7), m(x), m(y)][1:])
case("nested_second_call_only_output", x=[(7,), (7,)], graph=lambda x, y: second_call(block(7), x, y))
case("sequential_called_twice", x=[(7,), (7,)], graph=lambda x, y: called_twice(mlp(7), x, y))
case("sequential_called_twice_outputs", x=[(7,), (7,)], graph=lambda x, y: [m := mlp(7), m(y), m(x)][1:])
case("nested_chained", x=(4,), graph=lambda x: [m := block(4), L.Dense(2)(m(m(x)))][1])
case("nested_many_outputs", x=[(4,), (3,)], graph=lambda x, y: nested_many(x, y))
case("nested_dict", x=[(4,), (3,)], graph=lambda x, y: nested_dict(x, y))

case("shared_dense", x=[(7,), (7,)], graph=lambda x, y: shared(L.Dense(4, "tanh"), x, y))
case("shared_lstm", x=[(5, 3), (5, 3)], graph=lambda x, y: shared(L.LSTM(4), x, y))
case("shared_batch_normalization", x=[(7,), (7,)], graph=lambda x, y: shared(L.BatchNormalization(), x, y))
case("shared_chain", x=(4,), graph=lambda x: [d := L.Dense(4, "tanh"), d(d(d(x)))][1])
case("shared_output_of_second_call", x=[(7,), (7,)], graph=lambda x, y: [d := L.Dense(3), d(x), d(y)][2])
case("shared_embedding_masks", x=[(5,), (5,)], dtype="int32", ints=4, graph=lambda x, y: shared_embedding(x, y))
case("siamese", x=[(9, 2), (9, 2)], graph=lambda x, y: siamese(x, y))

case("two_inputs", x=[(4,), (3,)], graph=lambda x, y: L.Dense(2)(L.Concatenate()([x, y])))
case("three_inputs_three_outputs", x=[(4,), (3,), (5,)], graph=lambda x, y, z: three_by_three(x, y, z))
case("list_of_one_input", model=lambda: list_of_one())
case("dict_inputs", model=lambda: dict_inputs())
case("dict_outputs", x=(7,), graph=lambda x: {"zeta": L.Dense(2, name="a")(x), "alpha": L.Dense(3, name="z")(x)})
case("dict_inputs_and_outputs", model=lambda: dict_both())
case("nested_structure", model=lambda: nested_structure())
case("nested_structure_outputs", x=(7,), graph=lambda x: [L.Dense(2)(x), {"b": L.Dense(3)(x), "a": [L.Dense(1)(x), x]}])
case("output_is_input", x=(7,), graph=lambda x: x)
case("output_and_input", x=(7,), graph=lambda x: [x, L.Dense(2)(x)])
case("output_twice", x=(7,), graph=lambda x: [d := L.Dense(3)(x), d])
case("output_inner_tensor", x=(7,), graph=lambda x: [d := L.Dense(3, "tanh")(x), L.Dense(2)(d)])
case("output_of_one_list", x=(7,), graph=lambda x: [L.Dense(3)(x)])
case("unused_input", x=[(7,), (3,)], graph=lambda x, y: L.Dense(2)(x))
case("inputs_in_other_order", model=lambda: other_order())
case("part_of_a_model", model=lambda: part_of_a_model())

case("order_branches", x=(7,), graph=lambda x: order_branches(x))
case("order_late_input", x=[(7,), (3,)], graph=lambda x, y: order_late(x, y))
case("order_outputs_reversed", x=(7,), graph=lambda x: [d := L.Dense(3)(x), e := L.Dense(4)(d), L.Dense(2)(e), e, d][::-1][:3])
case("order_branches_shuffled", x=(7,), edit=lambda path: shuffle(path), graph=lambda x: order_branches(x))
case("order_late_input_shuffled", x=[(7,), (3,)], edit=lambda path: shuffle(path), graph=lambda x, y: order_late(x, y))
case("order_nested_shuffled", x=[(7,), (7,)], edit=lambda path: shuffle(path), graph=lambda x, y: called_twice(block(7), x, y))
case("order_shared_shuffled", x=[(7,), (7,)], edit=lambda path: shuffle(path), graph=lambda x, y: shared(L.Dense(4), x, y))
case("order_masked_shuffled", x=[(5,), (5,)], dtype="int32", ints=4, edit=lambda path: shuffle(path), graph=lambda x, y: shared_embedding(x, y))

case("name_with_dots", x=(7,), graph=lambda x: L.Dense(2, name="head.out")(L.Dense(3, name="block.0.dense")(x)))
case("name_unicode", x=(7,), graph=lambda x: L.Dense(2, name="出力")(L.Dense(3, name="größe é")(x)))
case("name_like_a_class", x=(7,), layer=lambda: [L.Dense(5, name="dense_1"), L.Dense(4, name="dense"), L.Dense(3, name="batch_normalization"), L.Dense(2, name="conv2d")])
case("name_with_spaces", x=(7,), layer=lambda: [L.Dense(5, name="a b:c"), L.ReLU(name="0"), L.Dense(2, name="vars")])
case("name_of_model", model=lambda: keras.Sequential([keras.Input((7,), name="entrée"), L.Dense(2)], name="modèle.v1"))
case("eleven_dense", x=(3,), layer=lambda: [L.Dense(2 + i % 3) for i in range(12)])


def outer_block():
    x = keras.Input((7,))
    inner = block(7, name="inner")
    return keras.Model(x, L.Concatenate()([inner(x), L.Dense(3)(x)]), name="outer")


def called_twice(model, x, y):
    return L.Dense(2)(L.Concatenate()([model(x), model(y)]))


def second_call(model, x, y):
    first = model(x)
    return [model(y), L.Dense(2)(first)]


def nested_many(x, y):
    first, second = two_headed()([x, y])
    return [L.Dense(2)(second), first]


def nested_dict(x, y):
    a, b = keras.Input((4,)), keras.Input((3,))
    outputs = {"sum": L.Dense(2)(L.Concatenate()([a, b])), "right": L.Dense(3)(b)}
    inner = keras.Model({"b": b, "a": a}, outputs)
    result = inner({"a": x, "b": y})
    return L.Concatenate()([result["right"], result["sum"]])


def shared(layer, x, y):
    return L.Dense(2)(L.Subtract()([layer(x), layer(y)]))


def shared_embedding(x, y):
    embedding, lstm = L.Embedding(4, 3, mask_zero=True), L.LSTM(4)
    return L.Dense(2)(L.Concatenate()([lstm(embedding(x)), lstm(embedding(y))]))


def siamese(x, y):
    tower = keras.Sequential([keras.Input((9, 2)), L.Conv1D(4, 3, activation="relu"), L.GlobalMaxPooling1D(), L.Dense(3)])
    return L.Dense(1, activation="sigmoid")(L.Dot(axes=1, normalize=True)([tower(x), tower(y)]))


def three_by_three(x, y, z):
    first = L.Dense(4, name="first")(x)
    second = L.Add(name="second")([first, L.Dense(4)(y)])
    third = L.Multiply(name="third")([second, L.Dense(4)(z)])
    return [third, first, second]


def list_of_one():
    x = keras.Input((7,), name="only")
    return keras.Model([x], L.Dense(3)(x))


def dict_inputs():
    x, y = keras.Input((4,), name="zulu"), keras.Input((3,), name="alpha")
    joined = L.Concatenate()([L.Dense(5)(x), L.Dense(2)(y)])
    return keras.Model({"zulu": x, "alpha": y}, L.Dense(2)(joined))


def dict_both():
    x, y = keras.Input((4,), name="x"), keras.Input((3,), name="y")
    outputs = {"wide": L.Dense(5)(x), "narrow": L.Dense(1)(y), "both": L.Dense(2)(L.Concatenate()([y, x]))}
    return keras.Model({"y": y, "x": x}, outputs)


def nested_structure():
    x, y, z = (keras.Input((n,), name=name) for n, name in ((4, "c"), (3, "b"), (2, "a")))
    joined = L.Concatenate()([L.Dense(2)(x), L.Dense(3)(y), L.Dense(4)(z)])
    return keras.Model([x, {"q": y, "p": z}], [{"out": L.Dense(2)(joined)}, joined])


def other_order():
    x, y = keras.Input((4,), name="made_first"), keras.Input((3,), name="made_second")
    return keras.Model([y, x], L.Concatenate()([L.Dense(2)(x), L.Dense(3)(y)]))


def part_of_a_model():
    whole = keras.Sequential([keras.Input((7,), name="x"), L.Dense(5), L.Dense(4, "tanh"), L.Dense(2)])
    return keras.Model(whole.layers[1].input, whole.layers[1].output)


def order_branches(x):
    short = L.Dense(4)(x)
    long = L.Dense(4, "tanh")(L.Dense(5)(L.Dense(6, "relu")(x)))
    middle = L.Dense(4)(L.Dense(3)(x))
    return L.Dense(2)(L.Add()([short, long, middle]))


def order_late(x, y):
    late = L.Dense(4)(y)
    early = L.Dense(4)(L.Dense(5)(L.Dense(3)(x)))
    return [L.Dense(2)(L.Add()([late, early])), L.Dense(3)(late)]


def shuffle(path):
    """Reverses the layer list: Keras itself reads the graph, never that order."""
    edit_config(path, lambda config: config["config"]["layers"].reverse())
