"""Layers that join several inputs."""

from keras import layers as L

from harness import family
from judge import np

case = family("merge")

PAIRWISE = {
    "add": L.Add,
    "subtract": L.Subtract,
    "multiply": L.Multiply,
    "average": L.Average,
    "maximum": L.Maximum,
    "minimum": L.Minimum,
}

for name, kind in PAIRWISE.items():
    case(name, x=[(5, 7), (5, 7)], graph=lambda x, y, k=kind: k()([x, y]))
    case(f"{name}_broadcast", x=[(5, 1), (1, 7)], graph=lambda x, y, k=kind: k()([x, y]))
    case(f"{name}_ranks", x=[(3, 5, 7), (7,)], graph=lambda x, y, k=kind: k()([x, y]))
    case(f"{name}_ranks_middle", x=[(7,), (3, 5, 7)], graph=lambda x, y, k=kind: k()([x, y]))
    case(f"{name}_of_dense", x=[(5,), (3,)], graph=lambda x, y, k=kind: k()([L.Dense(4)(x), L.Dense(4)(y)]))
    if kind is not L.Subtract:
        case(f"{name}_three", x=[(5,), (5,), (5,)], graph=lambda x, y, z, k=kind: k()([x, y, z]))
        case(f"{name}_three_broadcast", x=[(3, 5), (1, 5), (3, 1)], graph=lambda x, y, z, k=kind: k()([x, y, z]))
    case(f"{name}_same_tensor", x=(5,), graph=lambda x, k=kind: k()([x, x]))

case("concatenate", x=[(5,), (3,)], graph=lambda x, y: L.Concatenate()([x, y]))
case("concatenate_axis1", x=[(5, 3), (2, 3)], graph=lambda x, y: L.Concatenate(axis=1)([x, y]))
case("concatenate_axis2", x=[(3, 5, 2), (3, 4, 2)], graph=lambda x, y: L.Concatenate(axis=2)([x, y]))
case("concatenate_axis_minus2", x=[(3, 5, 2), (3, 4, 2)], graph=lambda x, y: L.Concatenate(axis=-2)([x, y]))
case("concatenate_three", x=[(5, 3), (5, 1), (5, 2)], graph=lambda x, y, z: L.Concatenate(axis=-1)([x, y, z]))
case("concatenate_same", x=(5, 3), graph=lambda x: L.Concatenate(axis=1)([x, x, x]))

case("dot", x=[(5,), (5,)], graph=lambda x, y: L.Dot(axes=1)([x, y]))
case("dot_normalize", x=[(5,), (5,)], graph=lambda x, y: L.Dot(axes=-1, normalize=True)([x, y]))
case("dot_matrices", x=[(5, 3), (3, 7)], graph=lambda x, y: L.Dot(axes=(2, 1))([x, y]))
case("dot_axis1", x=[(5, 3), (5, 7)], graph=lambda x, y: L.Dot(axes=1)([x, y]))
case("dot_axis2", x=[(5, 3), (7, 3)], graph=lambda x, y: L.Dot(axes=2)([x, y]))
case("dot_axes_12", x=[(5, 3), (7, 5)], graph=lambda x, y: L.Dot(axes=(1, 2))([x, y]))
case("dot_axes_negative", x=[(5, 3), (3, 7)], graph=lambda x, y: L.Dot(axes=(-1, -2))([x, y]))
case("dot_matrix_vector", x=[(5, 3), (3,)], graph=lambda x, y: L.Dot(axes=(2, 1))([x, y]))
case("dot_vector_matrix", x=[(5,), (5, 3)], graph=lambda x, y: L.Dot(axes=(1, 1))([x, y]))
case("dot_rank4", x=[(2, 5, 3), (3, 7)], graph=lambda x, y: L.Dot(axes=(3, 1))([x, y]))
case("dot_rank4_both", x=[(2, 5, 3), (4, 3, 2)], graph=lambda x, y: L.Dot(axes=(3, 2))([x, y]))
case("dot_matrices_normalize", x=[(5, 3), (7, 3)], graph=lambda x, y: L.Dot(axes=2, normalize=True)([x, y]))
case("dot_attention", x=[(5, 3), (7, 3)], graph=lambda x, y: L.Dot(axes=(2, 1))([L.Softmax()(L.Dot(axes=2)([x, y])), y]))

IDS = {"dtype": "int32", "ints": 3}


def masked(tensor, width=4):
    return L.Embedding(3, width, mask_zero=True)(tensor)


for name, kind in PAIRWISE.items():
    case(f"{name}_masked_lstm", x=[(5,), (5,)], graph=lambda x, y, k=kind: L.LSTM(3)(k()([masked(x), masked(y)])), **IDS)

def one_masked(join):
    """Joins a masked sequence with one that has no mask, then runs an LSTM over time."""

    def graph(x, y):
        free = L.Embedding(3, 4)(y)
        return L.LSTM(3, return_sequences=True)(join([masked(x), free]))

    return graph


case("add_one_masked_lstm", x=[(5,), (5,)], graph=one_masked(lambda pair: L.Add()(pair)), **IDS)
case("multiply_one_masked_lstm", x=[(5,), (5,)], graph=one_masked(lambda pair: L.Multiply()(pair)), **IDS)
case("concatenate_one_masked_lstm", x=[(5,), (5,)], graph=one_masked(lambda pair: L.Concatenate()(pair)), **IDS)
case("concatenate_one_masked_time_lstm", x=[(5,), (3,)], graph=one_masked(lambda pair: L.Concatenate(axis=1)(pair)), **IDS)
case("concatenate_masked_lstm", x=[(5,), (5,)], graph=lambda x, y: L.LSTM(3)(L.Concatenate()([masked(x), masked(y, 2)])), **IDS)
case("concatenate_masked_time_lstm", x=[(5,), (3,)], graph=lambda x, y: L.LSTM(3)(L.Concatenate(axis=1)([masked(x), masked(y)])), **IDS)
case("add_three_masked_lstm", x=[(5,), (5,), (5,)], graph=lambda x, y, z: L.GRU(3)(L.Add()([masked(x), masked(y), masked(z)])), **IDS)
case("add_masking_layers", x=[(5, 3), (5, 3)], masked=True, graph=lambda x, y: L.LSTM(3)(L.Add()([L.Masking()(x), L.Masking(0.5)(y)])))
case("dot_masked", x=[(5,), (5,)], graph=lambda x, y: L.Dot(axes=2)([masked(x), masked(y)]), **IDS)
case("concatenate_masked_average", x=[(5,), (5,)], graph=lambda x, y: L.GlobalAveragePooling1D()(L.Concatenate(axis=1)([masked(x), masked(y)])), **IDS)
case("bidirectional_of_added_masks", x=[(5,), (5,)], graph=lambda x, y: L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Average()([masked(x), masked(y)])), **IDS)
TABLE = np.linspace(-1, 2, 20, dtype="float32").reshape(1, 5, 4)
case("add_array", x=(5, 4), graph=lambda x: L.Add()([x, TABLE]))
case("multiply_array", x=(5, 4), graph=lambda x: L.Dense(3)(L.Multiply()([x, TABLE])))
case("subtract_integer_array", x=(5, 4), graph=lambda x: L.Subtract()([x, np.arange(20, dtype="int32").reshape(1, 5, 4)]), **IDS)
case("add_array_masked", x=(5,), graph=lambda x: L.LSTM(3)(L.Add()([masked(x), TABLE])), **IDS)
