"""Layers that wrap or embed, and those that Keras 3 hides or no longer has."""

import keras
from keras import layers as L
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from harness import family, np

case = family("hidden")
IDS = {"dtype": "int32", "ints": 6}


def masked(ids):
    return L.Embedding(6, 4, mask_zero=True)(ids)


def there_and_back(**options):
    def graph(ids):
        embedding = L.ReversibleEmbedding(6, 4, **options)
        x = embedding(ids)
        return [embedding(L.Dense(4)(x), reverse=True), L.LSTM(2)(L.Reshape((-1, 4))(x)) if len(x.shape) > 3 else L.LSTM(2)(x), x]

    return graph


case("reversible_tied", x=(5,), graph=there_and_back(mask_zero=True), **IDS)
case("reversible_untied", x=(None,), graph=there_and_back(tie_weights=False, reverse_dtype="float32"), **IDS)
case("reversible_capped", x=(3, 2), graph=there_and_back(logit_soft_cap=0.3), **IDS)

SPECTRAL = L.SpectralNormalization
case("spectral_dense", x=(5,), layer=lambda: SPECTRAL(L.Dense(4, activation="relu")))
case("spectral_convolutions", x=(7, 6, 3), layer=lambda: [SPECTRAL(L.Conv2D(4, 3), power_iterations=3), SPECTRAL(L.Conv2DTranspose(2, 2)), SPECTRAL(L.EinsumDense("abcd,de->abce", (None, None, 3)), trainable=False)])
case("spectral_embedding", x=(5,), layer=lambda: SPECTRAL(L.Embedding(6, 4)), **IDS)
case("spectral_drops_mask", x=(5,), layer=lambda: [L.Embedding(6, 4, mask_zero=True), SPECTRAL(L.Dense(3)), L.LSTM(2)], **IDS)


class LocallyConnected(L.Layer):
    """The locally connected layers of Keras 2, as one product with a matrix of all inputs and outputs."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", activation=None, use_bias=True, implementation=1, **options):
        super().__init__(**options)
        each = lambda number: tuple(number) if isinstance(number, (list, tuple)) else (number,) * self.axes
        self.filters, self.kernel_size, self.strides = filters, each(kernel_size), each(strides)
        self.padding, self.data_format, self.use_bias = padding, data_format, use_bias
        self.activation, self.implementation = keras.activations.get(activation), implementation

    def get_config(self):
        names = ("filters", "kernel_size", "strides", "padding", "data_format", "use_bias", "implementation")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}

    def compute_output_shape(self, shape):
        return (shape[0], *self.order(self.places(self.order(shape[1:])[0]), self.filters))

    def order(self, sizes, channels=None):
        """Axes and channels as the data format has them, or the two told apart."""
        first = self.data_format == "channels_first"
        if channels is None:
            return (tuple(sizes[1:]), sizes[0]) if first else (tuple(sizes[:-1]), sizes[-1])
        return (channels, *sizes) if first else (*sizes, channels)

    def places(self, lengths):
        sizes = zip(lengths, self.kernel_size, self.strides)
        return tuple(-(-(n - (k - 1 if self.padding == "valid" else 0)) // s) for n, k, s in sizes)

    def build(self, shape):
        lengths, channels = self.order(shape[1:])
        places = self.places(lengths)
        outputs, seen = self.order(places, self.filters), []
        before = [k // 2 if self.padding == "same" else 0 for k in self.kernel_size]
        for place in np.ndindex(*places):
            for offset in np.ndindex(*self.kernel_size):
                at = tuple(p * s + o - b for p, s, o, b in zip(place, self.strides, offset, before))
                if all(0 <= a < n for a, n in zip(at, lengths)):
                    seen += [(place, offset, at, c, f) for c in range(channels) for f in range(self.filters)]
        flat = lambda index, sizes: int(np.ravel_multi_index(index, sizes))
        ends = [(flat(self.order(p, f), outputs), flat(self.order(a, c), shape[1:])) for p, _, a, c, f in seen]
        if self.implementation == 1:
            sizes = (int(np.prod(places)), int(np.prod(self.kernel_size)) * channels, self.filters)
            inner = self.order(self.kernel_size, channels)
            numbers = [flat((flat(p, places), flat(self.order(o, c), inner), f), sizes) for p, o, _, c, f in seen]
        elif self.implementation == 2:
            sizes = (*shape[1:], *outputs)
            numbers = [flat((*self.order(a, c), *self.order(p, f)), sizes) for p, _, a, c, f in seen]
        else:
            sizes, ranks = (len(ends),), {pair: rank for rank, pair in enumerate(sorted(ends))}
            numbers = [ranks[pair] for pair in ends]
        self.table = np.full((int(np.prod(shape[1:])), int(np.prod(outputs))), int(np.prod(sizes)))
        for (output, input_), number in zip(ends, numbers):
            self.table[input_, output] = number
        self.kernel = self.add_weight(name="kernel", shape=sizes)
        self.bias = self.add_weight(name="bias", shape=(*places, self.filters)) if self.use_bias else None
        self.outputs = outputs

    def call(self, x):
        kernel = keras.ops.append(keras.ops.reshape(self.kernel, (-1,)), 0.0)
        y = keras.ops.reshape(x, (-1, self.table.shape[0])) @ keras.ops.take(kernel, self.table)
        y = keras.ops.reshape(y, (-1, *self.outputs))
        return self.activation(y if self.bias is None else y + keras.ops.reshape(self.bias, (1, *self.outputs)))


@keras.saving.register_keras_serializable()
class LocallyConnected1D(LocallyConnected):
    axes = 1


@keras.saving.register_keras_serializable()
class LocallyConnected2D(LocallyConnected):
    axes = 2


@keras.saving.register_keras_serializable()
class ThresholdedReLU(L.Layer):
    """Of Keras 2."""

    def __init__(self, theta=1.0, **options):
        super().__init__(**options)
        self.theta, self.supports_masking = theta, True

    def get_config(self):
        return {**super().get_config(), "theta": self.theta}

    def call(self, x):
        return x * keras.ops.cast(x > self.theta, x.dtype)


FIRST = {"data_format": "channels_first"}
LOCAL1 = {"valid": (3,), "strides": (2, 2), "same": (3, 2, "same"), "same_even": (4, 1, "same")}
LOCAL2 = {"valid": (2,), "window": ((3, 2), (1, 2)), "same": ((2, 3), (2, 1), "same")}

for kind, shape, forms in (LocallyConnected1D, (7, 3), LOCAL1), (LocallyConnected2D, (5, 4, 2), LOCAL2):
    for implementation in (1, 2, 3):
        def graph(x, k=kind, i=implementation, f=forms):
            fits = [form for form in f.values() if i > 1 or "same" not in form]
            x_first = L.Permute((len(x.shape) - 1, *range(1, len(x.shape) - 1)))(x)
            options = {"implementation": i}
            return [k(3, *form, activation="tanh", **options)(x) for form in fits] + [k(2, *form, use_bias=form == fits[0], **FIRST, **options)(x_first) for form in fits]

        case(f"{kind.__name__.lower()}_{implementation}", x=shape, graph=graph)

case("thresholded", x=(5,), layer=lambda: [L.Embedding(6, 4, mask_zero=True), ThresholdedReLU(0.2), L.LSTM(2)], **IDS)
case("thresholded_default", x=(5, 3), graph=lambda x: [ThresholdedReLU()(x), ThresholdedReLU(0.0)(x)])
case("thresholded_image", x=(6, 5, 2), layer=lambda: [L.Conv2D(3, 2), ThresholdedReLU(0.1), L.Conv2D(2, 1)])

case("layer_scale", x=(6, 5, 4), layer=lambda: [L.Conv2D(4, 3), LayerScale(1e-6, 4), L.Conv2D(2, 1), StochasticDepth(0.3)])
case("layer_scale_after_mask", x=(5,), graph=lambda x: [L.LSTM(2)(kind(masked(x))) for kind in (LayerScale(0.5, 4), LayerScale(0.5, 1), StochasticDepth(0.5))], **IDS)
case("layer_scale_flat", x=(5,), graph=lambda x: [LayerScale(0.5, 5)(x), StochasticDepth(0.1)(x)])
case("custom_scale", x=[(5, 6, 2), (5, 6, 2)], graph=lambda x, y: [CustomScaleLayer(scale=0.3)([x, y]), CustomScaleLayer(scale=-2.0)([L.Conv2D(2, 1)(x), L.Conv2D(2, 1)(y)])])
case("custom_scale_spread", x=[(5, 1), (5, 4)], graph=lambda x, y: CustomScaleLayer(scale=1.5)([x, y]))
case("custom_scale_after_mask", x=[(5,), (5,)], graph=lambda x, y: L.LSTM(2)(CustomScaleLayer(scale=0.5)([masked(x), masked(y)])), **IDS)
