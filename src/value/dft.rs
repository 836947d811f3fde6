//! The discrete Fourier transform over the last axis, in real arithmetic and matrix products, so that
//! it runs on any backend, for any length, and gradients flow.

use std::f64::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};

/// Up to this length one product with the whole matrix beats splitting.
const DIRECT: usize = 64;

/// The largest prime factor of a length: what cannot be split takes a matrix of that size.
const LARGEST_PRIME: usize = 2048;

/// A complex tensor `[rows, length]`: real and imaginary part.
type Complex = (Tensor<2>, Tensor<2>);

/// Refuses lengths that [`fft`] and the others cannot do.
///
/// # Errors
/// When it is 0, or has a prime factor above 2048.
pub(crate) fn check_length(length: usize) -> Result<()> {
    let mut rest = length;
    let primes = (2..=LARGEST_PRIME).take_while(|prime| prime * prime <= length);
    for prime in primes {
        while rest > 0 && rest.is_multiple_of(prime) {
            rest /= prime;
        }
    }
    match rest {
        1..=LARGEST_PRIME => Ok(()),
        _ => Err(Error::unsupported(format_args!("a Fourier transform of the length {length}"))),
    }
}

/// The transform of a complex tensor, given by its parts.
#[allow(dead_code, reason = "for the operations of Fourier transforms")]
pub(crate) fn fft<const D: usize>(real: Tensor<D>, imag: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    on_rows(real, Some(imag), -1.0)
}

/// The inverse of [`fft`].
#[allow(dead_code, reason = "for the operations of Fourier transforms")]
pub(crate) fn ifft<const D: usize>(real: Tensor<D>, imag: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let scale = 1.0 / real.dims()[D - 1].max(1) as f64;
    let (real, imag) = on_rows(real, Some(imag), 1.0);
    (real * scale, imag * scale)
}

/// The transform of a real tensor: of its `n` frequencies the first `n / 2 + 1`, which say it all.
pub(crate) fn rfft<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    let bins = x.dims()[D - 1] / 2 + 1;
    let (real, imag) = on_rows(x, None, -1.0);
    (real.narrow(D as isize - 1, 0, bins), imag.narrow(D as isize - 1, 0, bins))
}

/// The inverse of [`rfft`], of `length` entries; `real` and `imag` have `length / 2 + 1`.
#[allow(dead_code, reason = "for the operations of Fourier transforms")]
pub(crate) fn irfft<const D: usize>(real: Tensor<D>, imag: Tensor<D>, length: usize) -> Tensor<D> {
    let axis = D as isize - 1;
    // The others are those between the first and the middle, conjugate and from behind.
    let mirrored = (length - 1) / 2;
    let mirror = |x: Tensor<D>| x.narrow(axis, 1, mirrored).flip([axis]);
    let (real, imag) = match mirrored {
        0 => (real, imag),
        _ => (
            Tensor::cat(vec![real.clone(), mirror(real)], axis),
            Tensor::cat(vec![imag.clone(), -mirror(imag)], axis),
        ),
    };
    ifft(real, imag).0
}

/// The last axis with `length` entries: cut off, or filled up with zeros.
#[allow(dead_code, reason = "for the operations of Fourier transforms")]
pub(crate) fn fit<const D: usize>(x: Tensor<D>, length: usize) -> Tensor<D> {
    let size = x.dims()[D - 1];
    if size >= length {
        return x.narrow(D as isize - 1, 0, length);
    }
    let mut pads = [(0, 0); D];
    pads[D - 1].1 = length - size;
    x.pad(pads, 0.0)
}

fn on_rows<const D: usize>(real: Tensor<D>, imag: Option<Tensor<D>>, sign: f64) -> (Tensor<D>, Tensor<D>) {
    let shape = real.dims();
    let length = shape[D - 1];
    let rows = shape[..D - 1].iter().product();
    let flat = |x: Tensor<D>| x.reshape([rows, length]);
    let (real, imag) = transform(flat(real), imag.map(flat), sign);
    (real.reshape(shape), imag.reshape(shape))
}

/// The sum over `j` of `x[j]` times a turn by `sign * j * k / length`, for every `k`.
fn transform(real: Tensor<2>, imag: Option<Tensor<2>>, sign: f64) -> Complex {
    let [rows, length] = real.dims();
    let device = real.device();
    let outer = outer_factor(length);
    if outer == 1 {
        let (cos, sin) = turns([length, length], length, sign, &device);
        return match imag {
            None => (real.clone().matmul(cos), real.matmul(sin)),
            Some(imag) => (
                real.clone().matmul(cos.clone()) - imag.clone().matmul(sin.clone()),
                real.matmul(sin) + imag.matmul(cos),
            ),
        };
    }
    // Entry `j * inner + i` of the input, frequency `l * outer + k` of the result: a transform over
    // `j`, a turn by `i * k`, and a transform over `i`.
    let inner = length / outer;
    let swap = |x: Tensor<2>, from: [usize; 2]| {
        x.reshape([rows, from[0], from[1]]).swap_dims(1, 2).reshape([rows * from[1], from[0]])
    };
    let split = |x: Tensor<2>| swap(x, [outer, inner]);
    let (real, imag) = transform(split(real), imag.map(split), sign);
    let (cos, sin) = turns([inner, outer], length, sign, &device);
    let (cos, sin) = (cos.unsqueeze::<3>(), sin.unsqueeze::<3>());
    let blocks = |x: Tensor<2>| x.reshape([rows, inner, outer]);
    let (real, imag) = (blocks(real), blocks(imag));
    let turned = real.clone() * cos.clone() - imag.clone() * sin.clone();
    let imag = real * sin + imag * cos;
    let back = |x: Tensor<3>| swap(x.reshape([rows, length]), [inner, outer]);
    let (real, imag) = transform(back(turned), Some(back(imag)), sign);
    let join = |x: Tensor<2>| swap(x.reshape([rows, length]), [outer, inner]).reshape([rows, length]);
    (join(real), join(imag))
}

/// The factor by which a length is split: the one nearest to its root; 1 for what is not split.
fn outer_factor(length: usize) -> usize {
    if length <= DIRECT {
        return 1;
    }
    (1..=length.isqrt()).rev().find(|factor| length.is_multiple_of(*factor)).unwrap_or(1)
}

/// Cosine and sine of `sign * row * column / length` turns.
fn turns(shape: [usize; 2], length: usize, sign: f64, device: &Device) -> Complex {
    let angle = |at: usize| {
        let (row, column) = ((at / shape[1]) as u64, (at % shape[1]) as u64);
        sign * TAU * (row * column % length.max(1) as u64) as f64 / length as f64
    };
    let table = |of: fn(f64) -> f64| {
        let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(|at| of(angle(at)) as f32).collect();
        Tensor::from_data(TensorData::new(numbers, shape), device)
    };
    (table(f64::cos), table(f64::sin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 + seed * 11 + at * at * 5) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn tensor(numbers: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(numbers.to_vec(), [2, numbers.len() / 2]), &Device::flex())
    }

    fn assert_close<const D: usize>(got: Tensor<D>, expected: &[f64]) {
        let got = got.into_data();
        for (got, expected) in got.as_slice::<f32>().unwrap().iter().zip(expected) {
            assert!(
                (f64::from(*got) - expected).abs() < 2e-6 * (1.0 + expected.abs()) * 10.0,
                "{got} {expected}"
            );
        }
    }

    /// By definition, in double precision.
    fn defined(real: &[f32], imag: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let length = real.len();
        let term = |k: usize, j: usize| {
            let angle = -TAU * (j * k % length) as f64 / length as f64;
            let (re, im) = (f64::from(real[j]), f64::from(imag[j]));
            (re * angle.cos() - im * angle.sin(), re * angle.sin() + im * angle.cos())
        };
        (0..length)
            .map(|k| (0..length).map(|j| term(k, j)).fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1)))
            .unzip()
    }

    #[test]
    fn lengths_of_every_kind_agree_with_the_definition_and_invert() {
        for length in [1, 2, 3, 5, 64, 67, 96, 128, 255, 270, 512] {
            check_length(length).unwrap();
            let (re, im) = (numbers(2 * length, 1), numbers(2 * length, 2));
            let (real, imag) = fft(tensor(&re), tensor(&im));
            let rows = |values: &[f32]| values.chunks(length).map(<[f32]>::to_vec).collect::<Vec<_>>();
            let (mut expected_re, mut expected_im) = (Vec::new(), Vec::new());
            for (re, im) in rows(&re).iter().zip(rows(&im)) {
                let (r, i) = defined(re, &im);
                expected_re.extend(r);
                expected_im.extend(i);
            }
            assert_close(real.clone(), &expected_re);
            assert_close(imag.clone(), &expected_im);
            let (back, _) = ifft(real, imag);
            assert_close(back, &re.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());

            let (real, imag) = rfft(tensor(&re));
            assert_eq!(real.dims(), [2, length / 2 + 1]);
            let (first, _) = defined(&re[..length], &vec![0.0; length]);
            assert_close(real.clone().narrow(0, 0, 1), &first[..=length / 2]);
            let back = irfft(real, imag, length);
            assert_close(back, &re.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lengths_that_would_take_too_large_a_matrix_are_refused() {
        for length in [1, 2039, 2048, 2039 * 2039, 1 << 40] {
            assert!(check_length(length).is_ok(), "{length}");
        }
        for length in [0, 2053, 4099, 2053 * 2, usize::MAX] {
            assert!(check_length(length).is_err(), "{length}");
        }
    }
}
