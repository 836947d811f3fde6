//! `STFTSpectrogram` and `MelSpectrogram`: which frequencies a signal has, over time.

use std::num::NonZeroUsize;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::{Value as Json, json};

use super::conv::convolve;
use super::spatial::{self, Padding, Windows, channel_axis, check_elements, take};
use crate::config::{Array, DataFormat, Field, Kept, Reader};
use crate::error::{Error, Result};
use crate::initializer::{Initializer, Window};
use crate::layer::{Args, Context, Function, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::value::{Value, dft};

/// `keras.backend.epsilon()`
const EPSILON: f64 = 1e-7;

crate::keywords! {
    /// What is made of the transform of every frame.
    pub enum SpectrogramMode {
        /// The logarithm of the magnitude.
        Log = "log",
        /// The magnitude.
        Magnitude = "magnitude",
        /// The power spectral density.
        Psd = "psd",
        /// The real part.
        Real = "real",
        /// The imaginary part.
        Imag = "imag",
        /// The phase.
        Angle = "angle",
        /// The real parts, then the imaginary ones.
        Stft = "stft",
    }
}

crate::layer_config! {
    /// Config of `STFTSpectrogram`.
    pub struct STFTSpectrogramConfig {
        /// What is made of the transform of every frame.
        mode: SpectrogramMode = SpectrogramMode::Log,
        /// The length of a frame.
        frame_length: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255),
        /// How far apart frames begin; by default half of their length.
        frame_step: Option<NonZeroUsize> = None,
        /// How many frequencies there would be of complex numbers; by default a power of two.
        fft_length: Option<NonZeroUsize> = None,
        /// For fresh weights.
        window: Kept = Kept(Some("hann".into())),
        /// For fresh weights.
        periodic: Kept = Kept(Some(false.into())),
        /// For fresh weights.
        scaling: Kept = Kept(Some("density".into())),
        /// What is added to both ends of the signal.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// Whether channels and frequencies have an axis each.
        expand_dims: bool = false,
    }
}

impl STFTSpectrogramConfig {
    /// The number of frequencies.
    fn frequencies(&self) -> Result<usize> {
        let frame = self.frame_length.get();
        let fft = self.fft_length.map_or_else(|| frame.next_power_of_two(), NonZeroUsize::get);
        match fft {
            1 => Err(Error::config("expected more than 1").at("fft_length")),
            _ if fft < frame => Err(Error::config("expected no less than frame_length").at("fft_length")),
            _ => Ok(fft / 2 + 1),
        }
    }

    /// What the weights are at first: the transform itself.
    fn fresh(&self, side: &str) -> Initializer {
        let (window, scaling, periodic) = (self.window.write(), self.scaling.write(), self.periodic.write());
        let config = json!({"side": side, "window": window, "scaling": scaling, "periodic": periodic});
        Initializer::of(&json!({"class_name": "STFT", "config": config}))
    }

    fn windows(&self) -> Result<Windows> {
        let size = self.frame_length.get();
        let stride = self.frame_step.map_or(size / 2, NonZeroUsize::get);
        if stride == 0 || stride > size {
            return Err(Error::config("expected from 1 to frame_length").at("frame_step"));
        }
        if self.padding == Padding::Causal {
            return Err(Error::config("expected valid or same").at("padding"));
        }
        Ok(Windows { axes: vec![spatial::Window { size, stride, dilation: 1 }], padding: self.padding })
    }
}

impl LayerConfig for STFTSpectrogramConfig {
    const CLASSES: &'static [&'static str] = &["STFTSpectrogram"];

    type Layer = STFTSpectrogram;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        input.expect_rank(3)?;
        if !input.dtype.is_float() {
            return Err(Error::config(format_args!("expected floats, got {}", input.dtype)));
        }
        let first = self.data_format == Some(DataFormat::ChannelsFirst);
        let channels = input.known(channel_axis(self.data_format, 3))?;
        let length = input.shape[if first { 2 } else { 1 }];
        let time = self.windows()?.outputs(Some(1), &[length])?.first().copied().flatten();
        let frequencies = self.frequencies()? * if self.mode == SpectrogramMode::Stft { 2 } else { 1 };
        let (batch, joined) = (input.shape[0], Some(frequencies.saturating_mul(channels)));
        Ok(input
            .float(match (self.expand_dims, first) {
                (true, false) => vec![batch, time, Some(frequencies), Some(channels)],
                (true, true) => vec![batch, Some(channels), time, Some(frequencies)],
                (false, false) => vec![batch, time, joined],
                (false, true) => vec![batch, joined, time],
            })
            .into())
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let shape = [self.frame_length.get(), 1, self.frequencies()?];
        Ok(Variables::default()
            .trainable_if(self.mode != SpectrogramMode::Imag, "real_kernel", shape)
            .with_axes([2, 1, 0])
            .initialized(self.fresh("real"))
            .trainable_if(self.mode != SpectrogramMode::Real, "imag_kernel", shape)
            .with_axes([2, 1, 0])
            .initialized(self.fresh("imag")))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<STFTSpectrogram> {
        Ok(STFTSpectrogram {
            real_kernel: weights.maybe("real_kernel")?,
            imag_kernel: weights.maybe("imag_kernel")?,
            mode: self.mode,
            windows: self.windows()?,
            data_format: self.data_format,
            expand_dims: self.expand_dims,
        })
    }
}

/// The spectrum of every frame of a signal, with weights that can be trained.
///
/// # Shapes
/// - inputs: `[batch, time, channels]`, for `channels_first` `[batch, channels, time]`
/// - outputs: `[batch, frames, channels * frequencies]`, or `[batch, channels * frequencies, frames]`;
///   with `expand_dims` `[batch, frames, frequencies, channels]`, or
///   `[batch, channels, frames, frequencies]`
#[derive(Module, Debug)]
pub struct STFTSpectrogram {
    /// `[frequencies, 1, frame]`: the cosines, but for `imag`.
    pub real_kernel: Option<Param<Tensor<3>>>,
    /// `[frequencies, 1, frame]`: the sines, but for `real`.
    pub imag_kernel: Option<Param<Tensor<3>>>,
    #[module(skip)]
    mode: SpectrogramMode,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    data_format: Option<DataFormat>,
    #[module(skip)]
    expand_dims: bool,
}

impl STFTSpectrogram {
    /// One part of the spectrum, `[batch, channels, frequencies, frames]`.
    fn part(&self, signal: &Tensor<3>, kernel: Option<&Param<Tensor<3>>>) -> Result<Tensor<4>> {
        let kernel = kernel.ok_or_else(|| Error::weights("built without a kernel that its mode needs"))?;
        let [batch, channels, time] = signal.dims();
        let rows = signal.clone().reshape([batch * channels, 1, time]);
        let spectrum = convolve(rows, kernel.val(), None, &self.windows, 1)?;
        let [_, frequencies, frames] = spectrum.dims();
        Ok(spectrum.reshape([batch, channels, frequencies, frames]))
    }

    /// `[batch, channels, frequencies, frames]` for `[batch, channels, time]`.
    fn spectrum(&self, signal: &Tensor<3>) -> Result<Tensor<4>> {
        use SpectrogramMode::{Angle, Imag, Log, Magnitude, Psd, Real, Stft};
        let real = || self.part(signal, self.real_kernel.as_ref());
        let imag = || self.part(signal, self.imag_kernel.as_ref());
        let power = || Ok::<_, Error>(real()?.square() + imag()?.square());
        let magnitude = || Ok::<_, Error>(power()?.clamp_min(EPSILON).sqrt());
        Ok(match self.mode {
            Real => real()?,
            Imag => imag()?,
            Angle => imag()?.atan2(real()?),
            Stft => Tensor::cat(vec![real()?, imag()?], 2),
            Psd => {
                // The frequencies between the first and the last stand for their mirror images as well.
                let power = power()?;
                let inner = power.dims()[2] - 2;
                match inner {
                    0 => power,
                    _ => power.clone() + power.narrow(2, 1, inner).pad([(0, 0), (0, 0), (1, 1), (0, 0)], 0.0),
                }
            }
            Magnitude => magnitude()?,
            Log => magnitude()?.clamp_min(EPSILON).log(),
        })
    }
}

impl Layer for STFTSpectrogram {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let spectrum = self.spectrum(&take::<3>(args.into_input()?, self.data_format)?)?;
        let [batch, channels, frequencies, frames] = spectrum.dims();
        let first = self.data_format == Some(DataFormat::ChannelsFirst);
        Ok(match (self.expand_dims, first) {
            (true, false) => Value::from(spectrum.permute([0, 3, 2, 1])),
            (true, true) => Value::from(spectrum.permute([0, 1, 3, 2])),
            (false, first) => {
                let joined = spectrum.reshape([batch, channels * frequencies, frames]);
                Value::from(if first { joined } else { joined.swap_dims(1, 2) })
            }
        }
        .into())
    }
}

/// What a frame is multiplied with before it is transformed.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameWindow {
    /// `"hann"`
    Hann,
    /// `"hamming"`
    Hamming,
    /// Numbers, one for each entry.
    Numbers(Array),
}

impl FrameWindow {
    /// Refuses a window that is not one over `length` entries.
    fn check(&self, length: usize) -> Result<()> {
        match self {
            Self::Numbers(array) if array.shape() != [length] => Err(Error::config(format_args!(
                "expected {length} numbers, got the shape {:?}",
                array.shape()
            ))),
            _ => Ok(()),
        }
    }

    /// The numbers of a window over `length` entries.
    fn numbers(&self, length: usize) -> Vec<f32> {
        let numbers = match self {
            Self::Hann => Window::Hann.numbers(length, true),
            Self::Hamming => Window::Hamming.numbers(length, true),
            Self::Numbers(array) => array.numbers().to_vec(),
        };
        numbers.into_iter().map(|number| number as f32).collect()
    }
}

impl Field for FrameWindow {
    const EXPECTED: &'static str = "\"hann\", \"hamming\" or a list of numbers";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json.as_str() {
            Some("hann") => Some(Self::Hann),
            Some("hamming") => Some(Self::Hamming),
            Some(_) => crate::config::refuse(json, reader),
            None => Array::read(json, reader).map(Self::Numbers),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Hann => "hann".into(),
            Self::Hamming => "hamming".into(),
            Self::Numbers(array) => array.write(),
        }
    }
}

crate::layer_config! {
    /// `MelSpectrogram`: how loud a signal is over time, in bands as wide as the ear has them.
    ///
    /// With `power_to_db`, what is `top_db` below the loudest of a whole batch is raised to that.
    ///
    /// # Shapes
    /// - inputs: `[batch, time]`
    /// - outputs: `[batch, num_mel_bins, frames]`
    pub struct MelSpectrogram {
        /// The length of the transform.
        fft_length: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2047),
        /// How far apart frames begin.
        sequence_stride: NonZeroUsize = NonZeroUsize::MIN.saturating_add(511),
        /// The length of the window; by default that of the transform.
        sequence_length: Option<NonZeroUsize> = None,
        /// What a frame is multiplied with.
        window: Option<FrameWindow> = Some(FrameWindow::Hann),
        /// Entries of the signal in a second.
        sampling_rate: f64 = 16000.0,
        /// The number of bands.
        num_mel_bins: NonZeroUsize = NonZeroUsize::MIN.saturating_add(127),
        /// Where the lowest band begins.
        min_freq: f64 = 20.0,
        /// Where the highest band ends; by default at half of the sampling rate.
        max_freq: Option<f64> = None,
        /// Whether the output is in decibels.
        power_to_db: bool = true,
        /// How far below the loudest of a batch the output may go.
        top_db: f64 = 80.0,
        /// The power of the magnitude that counts.
        mag_exp: f64 = 2.0,
        /// What counts for silence.
        min_power: f64 = 1e-10,
        /// What is 0 decibels.
        ref_power: f64 = 1.0,
    }
}

impl MelSpectrogram {
    /// The length of the window.
    fn window_length(&self) -> Result<usize> {
        let length = self.sequence_length.unwrap_or(self.fft_length);
        if length > self.fft_length {
            return Err(Error::config("expected no more than fft_length").at("sequence_length"));
        }
        let checked = self.window.as_ref().map_or(Ok(()), |window| window.check(length.get()));
        checked.map(|()| length.get()).map_err(|error| error.at("window"))
    }

    /// The window, in the midst of a frame.
    fn window(&self) -> Result<Vec<f32>> {
        let (fft, length) = (self.fft_length.get(), self.window_length()?);
        let Some(window) = &self.window else { return Ok(vec![1.0; fft]) };
        let mut padded = vec![0.0; (fft - length) / 2];
        padded.extend(window.numbers(length));
        padded.resize(fft, 0.0);
        Ok(padded)
    }

    /// The number of frames of a signal.
    fn frames(&self, time: usize) -> usize {
        let fft = self.fft_length.get();
        (time + fft / 2 * 2).checked_sub(fft).map_or(0, |rest| rest / self.sequence_stride.get() + 1)
    }

    /// How much of each frequency is in each band, `[frequencies, bands]`. In single precision and in
    /// Keras' order of operations, since the slopes are small differences of large numbers.
    fn bands(&self, device: &Device) -> Tensor<2> {
        let (frequencies, bands) = (self.fft_length.get() / 2 + 1, self.num_mel_bins.get());
        let mel = |hertz: f32| 1127.0 * (1.0 + hertz / 700.0).ln();
        let rate = self.sampling_rate as f32;
        let highest = self.max_freq.filter(|most| *most != 0.0);
        let highest = highest.unwrap_or_else(|| (self.sampling_rate / 2.0).trunc()) as f32;
        let (low, high) = (mel(self.min_freq as f32), mel(highest));
        let edge = |at: usize| between(low, high, at, bands + 2);
        let mut weights = vec![0.0; bands];
        for frequency in 1..frequencies {
            let here = mel(between(0.0, rate / 2.0, frequency, frequencies));
            weights.extend((0..bands).map(|band| {
                let (lower, centre, upper) = (edge(band), edge(band + 1), edge(band + 2));
                let rising = (here - lower) / (centre - lower);
                let falling = (upper - here) / (upper - centre);
                rising.min(falling).max(0.0)
            }));
        }
        Tensor::from_data(TensorData::new(weights, [frequencies, bands]), device)
    }

    fn decibels(&self, power: Tensor<3>) -> Tensor<3> {
        let reference = self.ref_power.abs().max(self.min_power).log10();
        let tenth = 10.0 / std::f64::consts::LN_10;
        let level = power.clamp_min(self.min_power).log() * tenth - 10.0 * reference;
        let floor = level.clone().max().reshape([1, 1, 1]) - self.top_db;
        let shape = level.dims();
        level.max_pair(floor.expand(shape))
    }
}

/// A number of `count` that are evenly spaced from `start` to `stop`.
fn between(start: f32, stop: f32, at: usize, count: usize) -> f32 {
    if at + 1 == count {
        return stop;
    }
    let step = at as f32 / (count - 1) as f32;
    start * (1.0 - step) + stop * step
}

/// The frames of signals whose ends are mirrored: `[batch, frames, length]` for `[batch, time]`.
fn mirrored_frames(signal: Tensor<2>, length: usize, stride: usize, frames: usize) -> Tensor<3> {
    let [batch, time] = signal.dims();
    let period = (2 * (time as i64 - 1)).max(1);
    let before = (length / 2) as i64;
    let places = (0..frames * length).map(|at| {
        let place = (at / length * stride + at % length) as i64 - before;
        let turned = place.rem_euclid(period);
        turned.min(period - turned).min(time as i64 - 1)
    });
    let places: Vec<i64> = places.collect();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [frames * length]), &signal.device());
    signal.select(1, places).reshape([batch, frames, length])
}

impl Function for MelSpectrogram {
    const CLASSES: &'static [&'static str] = &["MelSpectrogram"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        input.expect_rank(2)?;
        let (fft, bands) = (self.fft_length.get(), self.num_mel_bins.get());
        dft::check_length(fft).map_err(|error| error.at("fft_length"))?;
        check_elements("elements of the bands", [fft, bands])?;
        self.window_length()?;
        let time = input.shape[1];
        let frames = time.map(|time| self.frames(time));
        if frames == Some(0) || time == Some(0) {
            return Err(Error::config(format_args!("a signal {input} is shorter than a frame")));
        }
        check_elements("elements of the frames", [frames.unwrap_or(1), fft])?;
        Ok(input.float(vec![input.shape[0], Some(bands), frames]).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let signal = args.into_input()?.float::<2>()?;
        let (device, time, fft) = (signal.device(), signal.dims()[1], self.fft_length.get());
        let frames = if time == 0 { 0 } else { self.frames(time) };
        if frames == 0 {
            return Err(Error::input("a signal that is shorter than a frame"));
        }
        check_elements("elements of the frames", [frames, fft])?;
        let window = Tensor::<1>::from_data(TensorData::new(self.window()?, [fft]), &device);
        let framed = mirrored_frames(signal, fft, self.sequence_stride.get(), frames);
        let (real, imag) = dft::rfft(framed * window.unsqueeze::<3>());
        let magnitude = (real.square() + imag.square()).sqrt();
        let power =
            if self.mag_exp == 2.0 { magnitude.square() } else { magnitude.powf_scalar(self.mag_exp) };
        let bands = power.matmul(self.bands(&device).unsqueeze::<3>());
        let bands = if self.power_to_db { self.decibels(bands) } else { bands };
        Ok(Value::from(bands.swap_dims(1, 2)).into())
    }
}
