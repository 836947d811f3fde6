"""Spectrograms: every mode, padding and layout; windows, bands and decibels."""

import keras
import numpy as np
from keras import layers as L

from harness import family

case = family("spectrogram")
MODES = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]


def stft(*args, **options):
    return L.STFTSpectrogram(*args, frame_length=6, frame_step=4, fft_length=8, **options)


case("stft_modes", (15, 2), graph=lambda x: [stft(mode, name=mode)(x) for mode in MODES])


def layouts(x):
    first = L.Permute((2, 1))(x)
    return [
        stft("stft", padding="same", expand_dims=True, name="last")(x),
        stft("psd", padding="same", data_format="channels_first", name="first")(first),
        stft("magnitude", expand_dims=True, data_format="channels_first", name="expanded")(first),
        L.STFTSpectrogram("real", frame_length=5, fft_length=7, padding="same", name="odd")(x),
    ]


case("stft_layouts", (13, 3), graph=layouts)
case("stft_unknown_length", (None, 1), lambda: L.STFTSpectrogram("magnitude", frame_length=3, expand_dims=True))


def fresh(model, rng, inputs):
    """The weights that Keras starts with."""
    for layer in model.layers:
        for variable in layer.weights:
            side = variable.name.split("_")[0]
            start = keras.initializers.STFT(side, layer.window, layer.scaling, layer.periodic)
            variable.assign(start(variable.shape))


case("stft_fresh", (50, 1), lambda: L.STFTSpectrogram(frame_length=16), train=fresh)
case("stft_hamming", (50, 1), lambda: L.STFTSpectrogram(
    frame_length=16, window="hamming", periodic=True, scaling="spectrum"
), train=fresh)


def mel(x):
    small = {"fft_length": 32, "sequence_stride": 11, "sampling_rate": 400, "num_mel_bins": 5}
    return [
        L.MelSpectrogram(**small, name="decibels")(x),
        L.MelSpectrogram(**small, power_to_db=False, name="power")(x),
        L.MelSpectrogram(**small, sequence_length=21, window="hamming", mag_exp=1.0, top_db=6.0, name="floor")(x),
        L.MelSpectrogram(**small, min_freq=50.0, max_freq=150, ref_power=4.0, min_power=0.5, name="band")(x),
        L.MelSpectrogram(**small, window=None, sequence_length=20, name="plain")(x),
        L.MelSpectrogram(**small, sequence_length=3, window=[0.5, 1.0, 0.25], mag_exp=1.5, name="own")(x),
    ]


case("mel", (70,), graph=mel, tolerance=3e-5, reason=(
    "the slopes of the bands are differences of large numbers: Keras, in float32, has them 3e-5 off what float64 gives"
))
case("mel_short", (5,), lambda: L.MelSpectrogram(fft_length=15, sequence_stride=20, num_mel_bins=3, sampling_rate=100))
case("mel_defaults", (4000,), lambda: L.MelSpectrogram(), batch=1)
case("mel_unknown_length", (None,), lambda: L.MelSpectrogram(
    fft_length=8, sequence_stride=2, num_mel_bins=4, sampling_rate=500, min_freq=0.0, power_to_db=False
))
