"""Layers of attention."""

import keras
from keras import layers as L

from harness import family

case = family("attention")
IDS = {"dtype": "int32", "ints": 3}


def heads(*args, **options):
    return L.MultiHeadAttention(*args, **options)


def masked(ids, width=4):
    return L.Embedding(3, width, mask_zero=True)(ids)


def scored(layer, *tensors, **options):
    """Outputs and weights of a call."""
    return list(layer(*tensors, return_attention_scores=True, **options))


def numbers(shape, dtype="float32"):
    return keras.Input(shape, dtype=dtype)


case("heads_self", x=(5, 4), graph=lambda x: heads(2, 3)(x, x))
case("heads_keys", x=[(5, 4), (7, 3), (7, 6)], graph=lambda x, y, z: heads(3, 2, use_bias=False, output_shape=5)(x, y, z))
case("heads_causal", x=[(5, 4), (7, 4)], graph=lambda x, y: [heads(2, 3)(x, y, use_causal_mask=True), *scored(heads(2, 3, value_dim=5), x, y, use_causal_mask=True)])
case("heads_value_dim_dropout", x=(5, 4), graph=lambda x: heads(2, 3, value_dim=4, dropout=0.3, seed=1)(x, x))
case("heads_window", x=(6, 4), graph=lambda x: [heads(2, 3, sliding_window=2)(x, x), heads(2, 3, sliding_window=3, use_gate=True)(x, x, use_causal_mask=True)])
case("heads_output_axes", x=(5, 4), graph=lambda x: heads(2, 3, output_shape=(2, 3), use_gate=True)(x, x))
case("heads_free_lengths", x=[(None, 4), (None, 4)], graph=lambda x, y: heads(2, 3)(x, y))
case("heads_plane", x=(3, 2, 4), graph=lambda x: scored(heads(2, 3), x, x))
case("heads_over_one_axis", x=(3, 5, 4), graph=lambda x: [heads(2, 3, attention_axes=2)(x, x), *scored(heads(2, 3, attention_axes=(-2,)), x, x), heads(2, 3, attention_axes=(1,), use_bias=False)(x, x, use_causal_mask=True)])
case("heads_integers", x=(5, 4), dtype="int32", graph=lambda x: heads(2, 3)(x, x))


@lambda build: case("heads_attention_mask", model=build)
def _():
    x, few, some, all_ = numbers((5, 4)), numbers((5, 5), "bool"), numbers((1, 5, 5), "int32"), numbers((2, 5, 5))
    outputs = [heads(2, 3)(x, x, attention_mask=mask) for mask in (few, some, all_)]
    outputs += scored(heads(2, 3), x, x, attention_mask=all_)
    outputs += [heads(2, 3)(x, x, attention_mask=few, use_causal_mask=True)]
    return keras.Model([x, few, some, all_], outputs)


@lambda build: case("heads_named_masks", model=build)
def _():
    x, y, own, other = numbers((5, 4)), numbers((6, 4)), numbers((5,), "bool"), numbers((6,), "bool")
    outputs = [heads(2, 3)(x, y, query_mask=own), heads(2, 3)(x, y, value_mask=other)]
    outputs += scored(heads(2, 3), x, y, y, key_mask=other, query_mask=own)
    return keras.Model([x, y, own, other], outputs)


def follow(layer, ids):
    """What a layer that takes masks leaves for the layers after it."""
    x = masked(ids)
    y = layer(x, x)
    sums = L.Add()([x, y])
    return [L.LSTM(3)(x), L.LSTM(3)(y), L.LSTM(3)(sums), L.GlobalAveragePooling1D()(L.Concatenate()([x, y])), y]


case("heads_masks", x=(5,), graph=lambda x: follow(heads(2, 3), x), **IDS)
case("heads_masks_two", x=[(5,), (7,)], graph=lambda x, y: scored(heads(2, 3), masked(x), masked(y), use_causal_mask=True) + [L.GRU(3)(heads(2, 3)(masked(x), masked(y)))], **IDS)
case("heads_masks_keys", x=[(5,), (7,), (7,)], graph=lambda x, y, z: [heads(2, 3)(masked(x), masked(y), masked(z)), L.GRU(3)(heads(2, 3)(masked(x), masked(y), L.Embedding(3, 2)(z)))], **IDS)


def later_branch(ids):
    """A layer further from the output than the one that takes the mask, and one nearer."""
    x = masked(ids)
    far = L.Dense(3)(L.Dense(3)(L.LSTM(3)(x)))
    near = L.LSTM(3)(L.Dropout(0.1)(x))
    y = L.GlobalAveragePooling1D()(heads(2, 3)(x, x))
    return [L.Concatenate()([far, y]), near]


case("heads_masks_order", x=(5,), graph=later_branch, **IDS)


def group(*args, **options):
    return L.GroupQueryAttention(*args, **options)


case("group_self", x=(5, 4), graph=lambda x: group(3, 4, 2)(x, x))
case("group_keys", x=[(5, 4), (7, 4), (7, 4)], graph=lambda x, y, z: scored(group(2, 6, 2, use_bias=False, use_gate=True), x, y, z, use_causal_mask=True))
case("group_one", x=(6, 4), graph=lambda x: [group(3, 4, 1, sliding_window=2)(x, x), group(3, 3, 3, sliding_window=2, dropout=0.2, seed=3)(x, x, use_causal_mask=True)])
case("group_causal", x=[(5, 4), (7, 4)], graph=lambda x, y: group(3, 4, 2, use_gate=True)(x, y, use_causal_mask=True))
case("group_masks", x=(5,), graph=lambda x: follow(group(3, 2, 1), x), **IDS)
case("group_masks_two", x=[(5,), (7,)], graph=lambda x, y: [L.GRU(3)(group(3, 2, 1)(masked(x), masked(y))), *scored(group(3, 2, 1), masked(x), masked(y))], **IDS)


@lambda build: case("group_attention_mask", model=build)
def _():
    x, few, all_, own = numbers((5, 4)), numbers((5, 5), "bool"), numbers((4, 5, 5)), numbers((5,), "bool")
    outputs = [group(3, 4, 2)(x, x, attention_mask=few), *scored(group(3, 4, 2), x, x, attention_mask=all_)]
    outputs += [group(3, 4, 2)(x, x, attention_mask=all_), group(3, 4, 2)(x, x, query_mask=own, value_mask=own)]
    outputs += [*scored(group(3, 4, 2), x, x, query_mask=own, key_mask=own, key=x)]
    return keras.Model([x, few, all_, own], outputs)


def dot(*tensors, call={}, **options):
    return L.Attention(**options)(list(tensors), **call)


def additive(*tensors, call={}, **options):
    return L.AdditiveAttention(**options)(list(tensors), **call)


SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}
BOTH = {**SCORES, **CAUSAL}

for name, kind in {"dot": dot, "additive": additive}.items():
    case(f"{name}", x=[(5, 4), (7, 4)], graph=lambda x, y, k=kind: [k(x, y), k(x, y, use_scale=False), k(x, y, use_scale=True)])
    case(f"{name}_keys", x=[(5, 4), (7, 3), (7, 4)], graph=lambda x, y, z, k=kind: list(k(x, y, z, call=BOTH, use_scale=True, dropout=0.3, seed=2)))
    case(f"{name}_free_lengths", x=[(None, 4), (None, 4)], graph=lambda x, y, k=kind: list(k(x, y, call=SCORES)))
    case(f"{name}_masks", x=[(5,), (7,)], graph=lambda x, y, k=kind: [k(masked(x), masked(y)), L.GRU(2)(k(masked(x), masked(y), call=CAUSAL)), *k(masked(x), L.Embedding(3, 4)(y), call=SCORES), k(L.Embedding(3, 4)(x), masked(y))], **IDS)
    case(f"{name}_four_axes", x=[(3, 5, 4), (3, 7, 4)], graph=lambda x, y, k=kind: list(k(x, y, call=BOTH)))
    case(f"{name}_integers", x=(5, 4), dtype="int32", scale=0.1, ints=2, graph=lambda x, k=kind: k(x, x, x))
    case(f"{name}_given_masks", ints=3, model=lambda k=kind: given_masks(k))

case("dot_concat", x=[(5, 4), (7, 4)], graph=lambda x, y: [dot(x, y, score_mode="concat"), *dot(x, y, score_mode="concat", use_scale=True, call=BOTH)])
case("dot_concat_masks", x=[(5,), (7,)], graph=lambda x, y: dot(masked(x), masked(y), masked(y), score_mode="concat"), **IDS)


def given_masks(kind):
    x, y, own, other = keras.Input((5,), dtype="int32"), numbers((7, 4)), numbers((5,), "bool"), numbers((7,), "bool")
    q = masked(x)
    masks = [own, other], [None, other], [own, None], [own, other, own]
    outputs = [kind(q, y, call={"mask": list(mask)}) for mask in masks]
    outputs += kind(q, y, call={"mask": [own, other], **BOTH})
    outputs += [L.LSTM(2)(kind(q, y, call={"mask": [None, other]})), L.LSTM(2)(kind(q, y, call={"mask": [own, None]}))]
    return keras.Model([x, y, own, other], outputs)


def aliases(ids):
    """Outside of training these layers give their input itself, which then has no mask either."""
    outputs = []
    for same in (L.Dropout(0.1), L.Identity(), L.Activation("linear"), L.GaussianNoise(0.1), L.ActivityRegularization(0.1)):
        x = masked(ids)
        y = heads(2, 3)(same(x), x if same.name.startswith("identity") else same(x))
        outputs += [L.LSTM(2)(L.Add()([x, y]))]
    x = masked(ids)
    y = heads(2, 3)(L.Activation("relu")(x), L.LayerNormalization()(x))
    return [*outputs, L.LSTM(2)(L.Add()([x, y]))]


case("heads_masks_aliases", x=(5,), graph=aliases, **IDS)
