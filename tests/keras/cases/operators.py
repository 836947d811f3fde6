"""Operations that Python operators put into a functional graph."""

from keras import layers as L
from keras import ops

from harness import family
from judge import np

case = family("ops")
PAIR = [(5, 7), (5, 7)]
CONSTANTS = np.linspace(-1.0, 1.0, 7, dtype="float32")

case("add", x=PAIR, graph=lambda x, y: x + y)
case("subtract", x=PAIR, graph=lambda x, y: x - y)
case("multiply", x=PAIR, graph=lambda x, y: x * y)
case("divide", x=PAIR, graph=lambda x, y: x / (L.Activation("softplus")(y) + 0.5))
case("negative", x=(5, 7), graph=lambda x: -x)
case("add_number", x=(5, 7), graph=lambda x: x + 1.5)
case("number_minus", x=(5, 7), graph=lambda x: 1 - x)
case("multiply_number", x=(5, 7), graph=lambda x: x * 2)
case("number_times", x=(5, 7), graph=lambda x: 0.5 * x)
case("divide_number", x=(5, 7), graph=lambda x: x / 4)
case("number_over", x=(5, 7), graph=lambda x: 2.0 / (L.ReLU()(x) + 1))
case("add_array", x=(5, 7), graph=lambda x: x + CONSTANTS)
case("multiply_array", x=(5, 7), graph=lambda x: x * CONSTANTS)
case("broadcast", x=[(5, 7), (7,)], graph=lambda x, y: L.Reshape((1, 7))(y) * x - 0.5)
case("same_tensor", x=(5, 7), graph=lambda x: x * x + x)
case("residual", x=(7,), graph=lambda x: L.Dense(2)(x + L.Dense(7, "tanh")(x)))
case("gate", x=(7,), graph=lambda x: [g := L.Dense(7, "sigmoid")(x), g * x + (1 - g) * L.Dense(7)(x)][1])
case("chain", x=PAIR, graph=lambda x, y: -((x + y) * 2 - y) / 3)
case("compare", x=PAIR, graph=lambda x, y: [x > y, x >= 0, x < y, x <= 0.5, ops.equal(x, x * 1)])
