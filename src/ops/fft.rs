//! Fourier transforms, of pairs of a real and an imaginary part.

use burn::tensor::TensorData;

use super::form::{Form, Picks, moving};
use crate::by_rank;
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::limits::Limits;
use crate::value::dft::{check_length, fft, fit, ifft, irfft, rfft};
use crate::value::{Binary, Value};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<FFT>(),
    row::<FFT2>(),
    row::<IFFT2>(),
    row::<RFFT>(),
    row::<IRFFT>(),
    row::<STFT>(),
    row::<ISTFT>(),
    row::<ExtractSequences>(),
];

/// Floats with at least so many axes.
fn floats(spec: &Spec, axes: usize) -> Result<()> {
    match spec.dtype == Dtype::Float32 && spec.rank() >= axes {
        true => Ok(()),
        false => Err(Error::unsupported(format_args!("a transform of {spec} of {}", spec.dtype))),
    }
}

/// The two parts of a complex operand.
fn parts<T: Form>(args: &Args<T>) -> Result<[T; 2]> {
    match args.inputs().as_slice() {
        &[real, imag] if real.sizes() == imag.sizes() => Ok([real.clone(), imag.clone()]),
        _ => Err(Error::config("expected a pair of tensors of one shape").at("x")),
    }
}

fn complex(args: &Args<Spec>, axes: usize) -> Result<Spec> {
    let [real, imag] = parts(args)?;
    floats(&real, axes)?;
    floats(&imag, axes)?;
    Ok(real)
}

/// The length of an axis, if it is known, as one that can be transformed.
fn transformable(length: Option<usize>) -> Result<()> {
    length.map_or(Ok(()), check_length)
}

/// The transform over the last axis, or its inverse.
fn transform([real, imag]: [Value; 2], inverse: bool) -> Result<[Value; 2]> {
    let rank = real.rank();
    by_rank!(rank, D => {
        let (real, imag) = (real.float::<D>()?, imag.float::<D>()?);
        let (real, imag) = if inverse { ifft(real, imag) } else { fft(real, imag) };
        [real.into(), imag.into()]
    })
}

/// Transforms over the last axis, and perhaps the one before.
macro_rules! transforms {
    ($($(#[$meta:meta])* $name:ident($axes:literal, $inverse:literal);)+) => {$(
        crate::config! {
            $(#[$meta])*
            pub struct $name {}
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let x = complex(args, $axes)?;
                x.shape.iter().rev().take($axes).try_for_each(|length| transformable(*length))?;
                Ok(Tree::list([x.clone(), x]))
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let [real, imag] = parts(&args)?;
                let rank = real.rank();
                let mut result = [real, imag];
                for _ in 0..$axes {
                    let [real, imag] = transform(result, $inverse)?;
                    // Twice, and both axes are in their place again.
                    result = match $axes {
                        1 => [real, imag],
                        _ => [real.moved(rank - 1, rank - 2)?, imag.moved(rank - 1, rank - 2)?],
                    };
                }
                Ok(Tree::list(result))
            }
        }
    )+};
}

transforms! {
    /// The operation `FFT`: the Fourier transform over the last axis.
    FFT(1, false);
    /// The operation `FFT2`: the Fourier transform over the last two axes.
    FFT2(2, false);
    /// The operation `IFFT2`: the inverse Fourier transform over the last two axes.
    IFFT2(2, true);
}

/// The last axis with `length` entries.
fn with_last(x: &Spec, length: Option<usize>) -> Spec {
    let mut shape = x.shape.clone();
    shape.pop();
    shape.push(length);
    Spec::new(shape, x.dtype)
}

/// The transform of real numbers, as [`RFFT`] gives it.
fn real_transform(x: Value, length: usize) -> Result<Tree<Value>> {
    check_length(length)?;
    by_rank!(x.rank(), D => {
        let (real, imag) = rfft(fit(x.float::<D>()?, length));
        Tree::list([Value::from(real), Value::from(imag)])
    })
}

/// The real numbers that a transform is of, `length` of them.
fn real_inverse([real, imag]: [Value; 2], length: usize) -> Result<Value> {
    check_length(length)?;
    by_rank!(real.rank(), D => {
        let bins = |x: Value| Ok::<_, Error>(fit(x.float::<D>()?, length / 2 + 1));
        Value::from(irfft(bins(real)?, bins(imag)?, length))
    })
}

crate::config! {
    /// The operation `RFFT`: the Fourier transform of real numbers over the last axis.
    pub struct RFFT {
        /// How many numbers: the axis is cut off or filled up with zeros.
        fft_length: Option<usize> = None,
    }
}

impl Function for RFFT {
    const CLASSES: &'static [&'static str] = &["RFFT"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?;
        floats(x, 1)?;
        let length = self.fft_length.or(x.shape[x.rank() - 1]);
        transformable(length).map_err(|error| error.at("fft_length"))?;
        let bins = with_last(x, length.map(|length| length / 2 + 1));
        Ok(Tree::list([bins.clone(), bins]))
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let length = self.fft_length.or(x.shape().last().copied()).unwrap_or(0);
        real_transform(x, length)
    }
}

crate::config! {
    /// The operation `IRFFT`: the real numbers that a Fourier transform is of.
    pub struct IRFFT {
        /// How many numbers.
        fft_length: Option<usize> = None,
    }
}

impl IRFFT {
    fn length(&self, bins: Option<usize>) -> Option<usize> {
        self.fft_length.or(bins.map(|bins| bins.saturating_sub(1).saturating_mul(2)))
    }
}

impl Function for IRFFT {
    const CLASSES: &'static [&'static str] = &["IRFFT"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = complex(args, 1)?;
        let length = self.length(x.shape[x.rank() - 1]);
        transformable(length).map_err(|error| error.at("fft_length"))?;
        Ok(with_last(&x, length).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = parts(&args)?;
        let length = self.length(x[0].shape().last().copied()).unwrap_or(0);
        real_inverse(x, length).map(Tree::Leaf)
    }
}

/// The parts of the last axis of `length` entries that start every `stride` entries, on a new axis.
fn sequences<T: Form>(x: T, length: usize, stride: usize) -> Result<T> {
    if length == 0 || stride == 0 || x.axes() == 0 {
        return Err(Error::config("expected an axis, and a length and a stride that are positive"));
    }
    let last = x.axes() - 1;
    let count = |size: usize| size.checked_sub(length).map_or(0, |rest| rest / stride + 1);
    let mut sizes = x.sizes();
    let size = sizes.pop().flatten();
    if size.is_some_and(|size| size < length) {
        return Err(Error::config(format_args!("{length} entries are too many for an axis of {size:?}")));
    }
    sizes.extend([size.map(count), Some(length)]);
    let picked = x.picked(last, |size| {
        let picks = count(size).saturating_mul(length);
        Ok(Picks::new(picks, move |at| at / length * stride + at % length))
    })?;
    picked.reshaped(&sizes)
}

moving! {
    /// The operation `ExtractSequences`: parts of the last axis, on a new one.
    ExtractSequences("x") {
        /// How many entries a part has.
        sequence_length: usize,
        /// How far apart they start.
        sequence_stride: usize,
    } (this, x) => sequences(x, this.sequence_length, this.sequence_stride);
}

crate::keywords! {
    /// What the parts of a signal are multiplied with.
    pub enum Taper {
        /// A raised cosine.
        Hann = "hann",
        /// A raised cosine that does not touch zero.
        Hamming = "hamming",
    }
}

/// The numbers of a window of `length` entries in the middle of `whole` ones.
fn window(taper: Option<Taper>, length: usize, whole: usize) -> Vec<f64> {
    let base = match taper {
        None => return vec![1.0; whole],
        Some(Taper::Hann) => 0.5,
        Some(Taper::Hamming) => 0.54,
    };
    let before = (whole - length) / 2;
    let entry = |at: usize| {
        let turn = std::f64::consts::TAU * at as f64 / length as f64;
        if length == 1 { 1.0 } else { base - (1.0 - base) * turn.cos() }
    };
    let inside = |at: usize| at.checked_sub(before).filter(|at| *at < length);
    (0..whole).map(|at| inside(at).map_or(0.0, entry)).collect()
}

/// A vector beside a value.
fn vector(numbers: &[f64], like: &Value) -> Result<Value> {
    let numbers: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    let count = numbers.len();
    Value::from_data(TensorData::new(numbers, [count]), &like.device())
}

/// Refuses lengths that do not fit each other.
fn check_lengths(sequence: usize, stride: usize, fft: usize) -> Result<()> {
    if sequence == 0 || stride == 0 || fft < sequence {
        let message =
            format_args!("expected positive numbers and at least {sequence}, got {fft} and {stride}");
        return Err(Error::config(message).at("fft_length"));
    }
    check_length(fft).map_err(|error| error.at("fft_length"))
}

crate::config! {
    /// The operation `STFT`: the Fourier transforms of parts of the last axis.
    pub struct STFT {
        /// How many entries the window has.
        sequence_length: usize,
        /// How far apart the parts start.
        sequence_stride: usize,
        /// How many entries a part has.
        fft_length: usize,
        /// What the parts are multiplied with.
        window: Option<Taper> = Some(Taper::Hann),
        /// Whether the parts are centred on where they would start, the axis going on in reverse.
        center: bool = true,
    }
}

impl STFT {
    fn frames<T: Form>(&self, x: T) -> Result<T> {
        check_lengths(self.sequence_length, self.sequence_stride, self.fft_length)?;
        let (last, half) = (x.axes().saturating_sub(1), self.fft_length / 2);
        let padded = if self.center {
            x.picked(last, |size| match half < size {
                true => Ok(Picks::new(size + 2 * half, move |at| {
                    let place = at.abs_diff(half);
                    if place < size { place } else { 2 * (size - 1) - place }
                })),
                false => Err(Error::config(format_args!("an axis of {size} is too short")).at("center")),
            })?
        } else {
            x
        };
        sequences(padded, self.fft_length, self.sequence_stride)
    }
}

impl Function for STFT {
    const CLASSES: &'static [&'static str] = &["STFT"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?.clone();
        floats(&x, 1)?;
        let bins = with_last(&self.frames(x)?, Some(self.fft_length / 2 + 1));
        Ok(Tree::list([bins.clone(), bins]))
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let frames = self.frames(args.into_input()?)?;
        let window = window(self.window, self.sequence_length, self.fft_length);
        let window = vector(&window, &frames)?;
        real_transform(frames.binary(Binary::Multiply, window)?, self.fft_length)
    }
}

crate::config! {
    /// The operation `ISTFT`: the signal of which there are the transforms of parts.
    pub struct ISTFT {
        /// How many entries the window has.
        sequence_length: usize,
        /// How far apart the parts start.
        sequence_stride: usize,
        /// How many entries a part has.
        fft_length: usize,
        /// How many entries the signal has.
        length: Option<usize> = None,
        /// What the parts were multiplied with.
        window: Option<Taper> = Some(Taper::Hann),
        /// Whether the parts were centred on where they would start.
        center: bool = true,
    }
}

impl ISTFT {
    /// How many entries all parts span, where the signal begins among them, and how many it has.
    fn span(&self, parts: usize) -> Result<(usize, usize, usize)> {
        let span =
            parts.saturating_sub(1).saturating_mul(self.sequence_stride).saturating_add(self.fft_length);
        Limits::check("entries of a signal", span as u64, Limits::default().activation / 16)?;
        let start = if self.center { self.fft_length / 2 } else { 0 };
        let length = self.length.unwrap_or(span.saturating_sub(2 * start));
        match start.saturating_add(length) <= span && length > 0 {
            true => Ok((span, start, length)),
            false => Err(Error::unsupported(format_args!("{length} entries of {span}")).at("length")),
        }
    }

    /// Parts added up where they overlap.
    fn added(&self, parts: Value, span: usize) -> Result<Value> {
        let mut shape = parts.shape();
        let (width, count) = (shape.pop().unwrap_or(1), shape.pop().unwrap_or(1));
        let rows: usize = shape.iter().product();
        let stride = self.sequence_stride;
        let places = (0..count * width).map(|at| (at / width * stride + at % width) as i64);
        let places = TensorData::new(places.collect::<Vec<_>>(), [count * width]);
        let places = Value::from_data(places, &parts.device())?;
        let zeros = vector(&[0.0], &parts)?.broadcast_to(&[span, rows])?;
        let sum = zeros.add_rows(places, parts.reshape(&[rows, count * width])?.permute(&[1, 0])?)?;
        shape.push(span);
        sum.permute(&[1, 0])?.reshape(&shape)
    }
}

impl Function for ISTFT {
    const CLASSES: &'static [&'static str] = &["ISTFT"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_lengths(self.sequence_length, self.sequence_stride, self.fft_length)?;
        let mut x = complex(args, 2)?;
        let (bins, expected) = (x.shape.pop().flatten(), self.fft_length / 2 + 1);
        if bins.is_some_and(|bins| bins != expected) {
            return Err(
                Error::unsupported(format_args!("{bins:?} frequencies, not {expected}")).at("fft_length")
            );
        }
        let parts = x.shape[x.rank() - 1];
        let length = parts.map(|parts| self.span(parts)).transpose()?.map(|(_, _, length)| length);
        Ok(with_last(&x, length.or(self.length)).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let parts = real_inverse(parts(&args)?, self.fft_length)?;
        let (rank, count) = (parts.rank(), parts.shape()[parts.rank() - 2]);
        let (span, start, length) = self.span(count)?;
        let window = window(self.window, self.sequence_length, self.fft_length);
        let mut overlap = vec![0.0; span];
        for part in 0..count {
            for (at, number) in window.iter().enumerate() {
                overlap[part * self.sequence_stride + at] += number * number;
            }
        }
        let scale = match self.window {
            Some(_) => 1.0,
            None => self.fft_length as f64 / self.sequence_stride as f64,
        };
        let weights = overlap.iter().map(|sum| if *sum > 1e-10 { scale / sum } else { scale });
        let weights = vector(&weights.collect::<Vec<_>>(), &parts)?;
        let windowed = parts.clone().binary(Binary::Multiply, vector(&window, &parts)?)?;
        let signal = self.added(windowed, span)?.binary(Binary::Multiply, weights)?;
        signal.narrow(rank - 2, start, length).map(Tree::Leaf)
    }
}
