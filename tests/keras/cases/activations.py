"""Every activation by name, and the layers that are activations."""

import keras
from keras import layers as L

from archive import edit_config
from harness import family

case = family("core")

NAMES = [
    name
    for name in dir(keras.activations)
    if not name.startswith("_")
    and name not in ("deserialize", "get", "serialize", "threshold")
]
WIDE = {"scale": 3.0}

for name in NAMES:
    case(f"activation_{name}", x=(3, 8), layer=lambda name=name: L.Activation(name), **WIDE)
    case(f"dense_{name}", x=(5,), layer=lambda name=name: L.Dense(8, activation=name))

case("lambda_threshold", x=(5, 7), layer=lambda: L.Lambda(keras.activations.threshold, arguments={"threshold": 0.3, "default_value": -1.5}))
case("activation_none", x=(7,), layer=lambda: L.Activation(None))
case("activation_function", x=(7,), layer=lambda: L.Activation(keras.activations.gelu), **WIDE)
case("activation_serialized_function", x=(5, 7), edit=lambda path: _spell_out(path), layer=lambda: L.Activation("gelu"), **WIDE)
case("dense_serialized_function", x=(7,), edit=lambda path: _spell_out(path), layer=lambda: L.Dense(5, activation="mish"))
case("dense_layer_as_activation", x=(7,), layer=lambda: L.Dense(5, activation=L.LeakyReLU(negative_slope=0.15)))
case("conv_layer_as_activation", x=(7, 3), layer=lambda: L.Conv1D(4, 3, activation=L.ReLU(max_value=0.5)))
case("activation_log_softmax_rank4", x=(3, 5, 2), layer=lambda: L.Activation("log_softmax"))

case("relu", x=(5, 7), layer=lambda: L.ReLU(), **WIDE)
case("relu_max_value", x=(5, 7), layer=lambda: L.ReLU(max_value=1.5), **WIDE)
case("relu_negative_slope", x=(5, 7), layer=lambda: L.ReLU(negative_slope=0.2), **WIDE)
case("relu_threshold", x=(5, 7), layer=lambda: L.ReLU(threshold=0.7), **WIDE)
case("relu_slope_threshold", x=(5, 7), layer=lambda: L.ReLU(negative_slope=0.3, threshold=1.1), **WIDE)
case("relu_everything", x=(5, 7), layer=lambda: L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), **WIDE)
case("relu_six", x=(5, 7), scale=9.0, layer=lambda: L.ReLU(6))
case("leaky_relu", x=(5, 7), layer=lambda: L.LeakyReLU())
case("leaky_relu_slope", x=(5, 7), layer=lambda: L.LeakyReLU(negative_slope=0.05))
case("leaky_relu_zero", x=(3, 5, 7), layer=lambda: L.LeakyReLU(negative_slope=0.0))
case("prelu", x=(5, 7), layer=lambda: L.PReLU())
case("prelu_rank2", x=(7,), layer=lambda: L.PReLU())
case("prelu_shared", x=(5, 7, 3), layer=lambda: L.PReLU(shared_axes=[1, 2]))
case("prelu_shared_first", x=(5, 7, 3), layer=lambda: L.PReLU(shared_axes=[1]))
case("prelu_shared_last", x=(5, 3), layer=lambda: L.PReLU(shared_axes=[2]))
case("elu", x=(5, 7), layer=lambda: L.ELU(), **WIDE)
case("elu_alpha", x=(5, 7), layer=lambda: L.ELU(alpha=0.3), **WIDE)
case("elu_alpha_large", x=(7,), layer=lambda: L.ELU(alpha=2.5), **WIDE)
case("softmax", x=(7,), layer=lambda: L.Softmax())
case("softmax_axis1", x=(5, 7), layer=lambda: L.Softmax(axis=1))
case("softmax_axes", x=(3, 5, 4), layer=lambda: L.Softmax(axis=[1, 2]))
case("softmax_axes_negative", x=(3, 5, 4), layer=lambda: L.Softmax(axis=[-1, -3]))
case("softmax_mask_input", model=lambda: _softmax_with_mask())
case("softmax_mask_axes", model=lambda: _softmax_with_mask(axis=[1, 2]))


def _softmax_with_mask(axis=-1):
    x = keras.Input((3, 5), name="x")
    mask = keras.Input((3, 5), dtype="bool", name="mask")
    return keras.Model([x, mask], L.Softmax(axis=axis)(x, mask=mask))


def _spell_out(path):
    """Writes the activation as the object Keras uses for plain functions."""
    def change(config):
        for layer in config["config"]["layers"]:
            name = layer["config"].get("activation")
            if isinstance(name, str):
                layer["config"]["activation"] = {
                    "module": "builtins",
                    "class_name": "function",
                    "config": name,
                    "registered_name": "function",
                }

    edit_config(path, change)
