"""Fourier transforms of pairs of a real and an imaginary part."""

from keras import ops

from harness import family

case = family("ops_fft")

case(
    "complex",
    x=[(3, 5), (3, 5)],
    graph=lambda x, y: [*ops.fft((x, y)), *ops.fft2((x, y)), *ops.ifft2((x, y)), *ops.fft((x[0, 0], y[0, 0]))],
)
case(
    "real",
    x=[(3, 8), (3, 8)],
    graph=lambda x, y: [
        *ops.rfft(x),
        *ops.rfft(x, fft_length=5),
        *ops.rfft(x[:, 0], fft_length=11),
        ops.irfft((x, y)),
        ops.irfft((x, y), fft_length=9),
        ops.irfft((x, y), fft_length=20),
    ],
)
case(
    "sequences",
    x=(11,),
    graph=lambda x: [ops.extract_sequences(x, 4, 2), ops.extract_sequences(x, 3, 5), ops.extract_sequences(ops.cast(x * 3, "int32"), 11, 1)],
)
case(
    "stft",
    x=(20,),
    graph=lambda x: [
        *ops.stft(x, 6, 3, 8),
        *ops.stft(x, 5, 4, 9, window="hamming", center=False),
        *ops.stft(x, 8, 2, 8, window=None),
        *ops.stft(ops.expand_dims(x, 1), 7, 3, 10, center=False),
    ],
)
case(
    "istft",
    x=(20,),
    graph=lambda x: [
        ops.istft(ops.stft(x, 6, 3, 8), 6, 3, 8),
        ops.istft(ops.stft(x, 6, 3, 8), 6, 3, 8, length=15),
        ops.istft(ops.stft(x, 5, 2, 9, window="hamming", center=False), 5, 2, 9, window="hamming", center=False),
        ops.istft(ops.stft(x, 8, 2, 8, window=None), 8, 2, 8, window=None),
    ],
)
