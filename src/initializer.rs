//! The classes of `keras.initializers`: what a fresh variable holds.
//!
//! The distributions are those of Keras. The numbers are not: Keras draws from another generator.

mod code;
mod window;

use burn::tensor::TensorData;
use nalgebra::DMatrix;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal, Uniform};
use serde_json::Value as Json;

use crate::config::{Array, Described, Field, Object, Reader, classes, resolve_axis};
use crate::error::{Error, Result};
pub use window::Window;

/// What a fresh variable holds: an object of `keras.initializers`, by name or with its settings.
///
/// ```
/// use burn_keras::initializer::{Initializer, TruncatedNormal};
///
/// let by_name = Initializer::from("he_normal");
/// let with_settings = Initializer::from(TruncatedNormal { stddev: 0.02, ..TruncatedNormal::default() });
/// ```
pub type Initializer = Described<AnyInitializer>;

/// The seed of a random initializer: an integer, a `SeedGenerator`, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seed(Json);

impl Seed {
    /// The number, unless there is none.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let number = |json: &Json| json.as_u64().or_else(|| json.as_i64().map(i64::cast_unsigned));
        number(&self.0).or_else(|| number(Object::of(&self.0)?.config.get("seed")?))
    }
}

impl From<u64> for Seed {
    fn from(seed: u64) -> Self {
        Self(seed.into())
    }
}

impl Field for Seed {
    const EXPECTED: &'static str = "an integer";

    fn read(json: &Json, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self(json.clone()))
    }

    fn write(&self) -> Json {
        self.0.clone()
    }
}

crate::keywords! {
    /// By which number of connections the variance is divided.
    pub enum FanMode {
        /// Those that lead into a unit.
        FanIn = "fan_in",
        /// Those that lead out of a unit.
        FanOut = "fan_out",
        /// The mean of both.
        FanAvg = "fan_avg",
    }
}

crate::keywords! {
    /// From which distribution numbers are drawn.
    pub enum Draw {
        /// Uniform around zero.
        Uniform = "uniform",
        /// Normal, less what is beyond two standard deviations; wider by as much as that takes away.
        TruncatedNormal = "truncated_normal",
        /// Normal.
        UntruncatedNormal = "untruncated_normal",
        /// Another name of the truncated one.
        Normal = "normal",
    }
}

crate::keywords! {
    /// Which part of a Fourier transform.
    pub enum Side {
        /// Cosines.
        Real = "real",
        /// Sines.
        Imag = "imag",
    }
}

crate::keywords! {
    /// By what a window is divided.
    pub enum Scaling {
        /// The root of the sum of its squares.
        Density = "density",
        /// The sum of its magnitudes.
        Spectrum = "spectrum",
    }
}

crate::config! {
    /// Zero everywhere.
    pub struct Zeros {}
}

crate::config! {
    /// One everywhere.
    pub struct Ones {}
}

crate::config! {
    /// The same number everywhere, or an array that broadcasts to the variable.
    pub struct Constant {
        /// What it is.
        value: Array = Array::number(0.0),
    }
}

crate::config! {
    /// The identity matrix, for variables of rank 2.
    pub struct Identity {
        /// The diagonal.
        gain: f64 = 1.0,
    }
}

crate::config! {
    /// Numbers of a normal distribution.
    pub struct RandomNormal {
        /// Its mean.
        mean: f64 = 0.0,
        /// Its standard deviation.
        stddev: f64 = 0.05,
        /// What makes the numbers repeat.
        seed: Seed = Seed::default(),
    }
}

crate::config! {
    /// Numbers of a normal distribution, without those beyond two standard deviations.
    pub struct TruncatedNormal {
        /// Its mean.
        mean: f64 = 0.0,
        /// Its standard deviation, before anything is left out.
        stddev: f64 = 0.05,
        /// What makes the numbers repeat.
        seed: Seed = Seed::default(),
    }
}

crate::config! {
    /// Numbers of a uniform distribution.
    pub struct RandomUniform {
        /// Its lower end.
        minval: f64 = -0.05,
        /// Its upper end.
        maxval: f64 = 0.05,
        /// What makes the numbers repeat.
        seed: Seed = Seed::default(),
    }
}

crate::config! {
    /// Numbers whose variance is `scale` over the number of connections.
    pub struct VarianceScaling {
        /// The variance for a single connection.
        scale: f64 = 1.0,
        /// Which connections count.
        mode: FanMode = FanMode::FanIn,
        /// From which distribution the numbers are drawn.
        distribution: Draw = Draw::TruncatedNormal,
        /// What makes the numbers repeat.
        seed: Seed = Seed::default(),
        /// The axes that lead into a unit, if they are not as in a dense layer or a convolution.
        input_axes: Option<Vec<i64>> = None,
        /// The axes that lead out of a unit.
        output_axes: Option<Vec<i64>> = None,
    }
}

/// The six classes that are a [`VarianceScaling`] with fixed settings.
macro_rules! scaled {
    ($($name:ident = $scale:literal, $mode:ident, $draw:ident;)+) => {
        $(crate::config! {
            #[doc = concat!(
                "[`VarianceScaling`] by ", stringify!($scale), ", [`", stringify!($mode), "`](FanMode::",
                stringify!($mode), "), [`", stringify!($draw), "`](Draw::", stringify!($draw), ")."
            )]
            pub struct $name {
                /// What makes the numbers repeat.
                seed: Seed = Seed::default(),
                /// See [`VarianceScaling`].
                input_axes: Option<Vec<i64>> = None,
                /// See [`VarianceScaling`].
                output_axes: Option<Vec<i64>> = None,
            }
        }

        impl From<&$name> for VarianceScaling {
            fn from(given: &$name) -> Self {
                Self {
                    scale: $scale,
                    mode: FanMode::$mode,
                    distribution: Draw::$draw,
                    seed: given.seed.clone(),
                    input_axes: given.input_axes.clone(),
                    output_axes: given.output_axes.clone(),
                }
            }
        })+
    };
}

scaled! {
    GlorotUniform = 1.0, FanAvg, Uniform;
    GlorotNormal = 1.0, FanAvg, TruncatedNormal;
    HeUniform = 2.0, FanIn, Uniform;
    HeNormal = 2.0, FanIn, TruncatedNormal;
    LecunUniform = 1.0, FanIn, Uniform;
    LecunNormal = 1.0, FanIn, TruncatedNormal;
}

crate::config! {
    /// A matrix with orthonormal rows or columns, whichever are fewer; all axes but the last count as
    /// rows.
    pub struct Orthogonal {
        /// The length of the rows or columns.
        gain: f64 = 1.0,
        /// What makes the numbers repeat.
        seed: Seed = Seed::default(),
    }
}

crate::config! {
    /// The matrix of a windowed Fourier transform: `[frame, 1, frequencies]`.
    pub struct STFT {
        /// Which part of it.
        side: Side = Side::Real,
        /// The window, if any.
        window: Option<Window> = Some(Window::Hann),
        /// By what the window is divided.
        scaling: Option<Scaling> = Some(Scaling::Density),
        /// Whether the window is one period of a longer signal.
        periodic: bool = false,
    }
}

classes! {
    /// A class of `keras.initializers`.
    pub enum AnyInitializer: "initializer" of "keras.initializers" {
        Zeros | "zero",
        Ones | "one",
        Constant,
        Identity | "IdentityInitializer",
        RandomNormal | "normal",
        TruncatedNormal,
        RandomUniform | "uniform",
        VarianceScaling,
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LecunUniform,
        LecunNormal,
        Orthogonal | "OrthogonalInitializer",
        STFT | "STFTInitializer",
    }
}

impl Initializer {
    /// The numbers of a fresh variable, as 32-bit floats. Those of an initializer with a seed follow
    /// from the seed, those of any other from `rng`.
    ///
    /// # Errors
    /// When the initializer is not one of Keras, or cannot make that shape.
    pub fn sample(&self, shape: &[usize], rng: &mut dyn Rng) -> Result<TensorData> {
        // Where there is none, Keras takes this one.
        let default = AnyInitializer::GlorotUniform(GlorotUniform::default());
        let object = self.get()?.unwrap_or(&default);
        let numbers = match object.seed().and_then(Seed::number) {
            Some(seed) => object.numbers(shape, &mut StdRng::seed_from_u64(seed)),
            None => object.numbers(shape, rng),
        };
        let class = <AnyInitializer as crate::config::Class>::class(object);
        Ok(TensorData::new(numbers.map_err(|error| error.at(class))?, shape.to_vec()))
    }
}

impl AnyInitializer {
    fn seed(&self) -> Option<&Seed> {
        match self {
            Self::Zeros(_) | Self::Ones(_) | Self::Constant(_) | Self::Identity(_) | Self::STFT(_) => None,
            Self::RandomNormal(object) => Some(&object.seed),
            Self::TruncatedNormal(object) => Some(&object.seed),
            Self::RandomUniform(object) => Some(&object.seed),
            Self::VarianceScaling(object) => Some(&object.seed),
            Self::GlorotUniform(object) => Some(&object.seed),
            Self::GlorotNormal(object) => Some(&object.seed),
            Self::HeUniform(object) => Some(&object.seed),
            Self::HeNormal(object) => Some(&object.seed),
            Self::LecunUniform(object) => Some(&object.seed),
            Self::LecunNormal(object) => Some(&object.seed),
            Self::Orthogonal(object) => Some(&object.seed),
        }
    }

    fn numbers(&self, shape: &[usize], rng: &mut dyn Rng) -> Result<Vec<f32>> {
        let count = shape.iter().product();
        match self {
            Self::Zeros(_) => Ok(vec![0.0; count]),
            Self::Ones(_) => Ok(vec![1.0; count]),
            Self::Constant(object) => broadcast(&object.value, shape),
            Self::Identity(object) => identity(object.gain, shape),
            Self::RandomNormal(object) => normal(object.mean, object.stddev, f64::INFINITY, count, rng),
            Self::TruncatedNormal(object) => normal(object.mean, object.stddev, 2.0, count, rng),
            Self::RandomUniform(object) => uniform(object.minval, object.maxval, count, rng),
            Self::VarianceScaling(object) => object.numbers(shape, rng),
            Self::GlorotUniform(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::GlorotNormal(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::HeUniform(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::HeNormal(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::LecunUniform(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::LecunNormal(object) => VarianceScaling::from(object).numbers(shape, rng),
            Self::Orthogonal(object) => orthogonal(object.gain, shape, rng),
            Self::STFT(object) => object.numbers(shape),
        }
    }
}

fn broadcast(value: &Array, shape: &[usize]) -> Result<Vec<f32>> {
    let (numbers, own) = (value.numbers(), value.shape());
    let first = shape.len().checked_sub(own.len());
    let fits = first.is_some_and(|first| own.iter().zip(&shape[first..]).all(|(a, b)| *a == 1 || a == b));
    if !fits {
        let message = format_args!("a value of the shape {own:?} does not broadcast to {shape:?}");
        return Err(Error::config(message).at("value"));
    }
    let count = shape.iter().product();
    let number = |mut at: usize| {
        let (mut from, mut stride) = (0, 1);
        for (axis, size) in shape.iter().enumerate().rev() {
            let own = (axis + own.len()).checked_sub(shape.len()).map_or(1, |axis| own[axis]);
            from += stride * (at % size).min(own - 1);
            (at, stride) = (at / size, stride * own);
        }
        numbers[from] as f32
    };
    Ok((0..count).map(number).collect())
}

fn identity(gain: f64, shape: &[usize]) -> Result<Vec<f32>> {
    let [rows, columns] = shape else {
        return Err(Error::config(format_args!("expected a variable of rank 2, got the shape {shape:?}")));
    };
    let entry = |at: usize| if at / columns == at % columns { gain as f32 } else { 0.0 };
    Ok((0..rows * columns).map(entry).collect())
}

/// Normal numbers of which none is further than `bound` standard deviations from the mean.
fn normal(mean: f64, stddev: f64, bound: f64, count: usize, rng: &mut dyn Rng) -> Result<Vec<f32>> {
    let numbers = StandardNormal.sample_iter(rng).filter(|z: &f64| z.abs() <= bound);
    Ok(numbers.take(count).map(|z| (mean + stddev * z) as f32).collect())
}

fn uniform(low: f64, high: f64, count: usize, rng: &mut dyn Rng) -> Result<Vec<f32>> {
    let range = Uniform::new_inclusive(low, high)
        .map_err(|_| Error::config(format_args!("there is nothing between {low} and {high}")))?;
    Ok(range.sample_iter(rng).take(count).map(|x: f64| x as f32).collect())
}

/// The standard deviation of a standard normal distribution without what is beyond 2 and -2.
const TRUNCATED: f64 = 0.879_625_661_034_239_8;

impl VarianceScaling {
    fn numbers(&self, shape: &[usize], rng: &mut dyn Rng) -> Result<Vec<f32>> {
        if self.scale.is_nan() || self.scale <= 0.0 {
            let message = format_args!("expected a number above zero, got {}", self.scale);
            return Err(Error::config(message).at("scale"));
        }
        let variance = self.variance(self.fans(shape)?);
        let count = shape.iter().product();
        match self.distribution {
            Draw::Uniform => {
                let limit = (3.0 * variance).sqrt();
                uniform(-limit, limit, count, rng)
            }
            Draw::TruncatedNormal | Draw::Normal => normal(0.0, variance.sqrt() / TRUNCATED, 2.0, count, rng),
            Draw::UntruncatedNormal => normal(0.0, variance.sqrt(), f64::INFINITY, count, rng),
        }
    }

    /// The variance of the numbers, if as many connections lead into a unit and out of it.
    fn variance(&self, (fan_in, fan_out): (f64, f64)) -> f64 {
        let fan = match self.mode {
            FanMode::FanIn => fan_in,
            FanMode::FanOut => fan_out,
            FanMode::FanAvg => (fan_in + fan_out) / 2.0,
        };
        self.scale / fan.max(1.0)
    }

    /// How many connections lead into a unit, and how many out of it.
    fn fans(&self, shape: &[usize]) -> Result<(f64, f64)> {
        let product = |sizes: &[usize]| sizes.iter().map(|size| *size as f64).product::<f64>();
        if let (Some(inputs), Some(outputs)) = (&self.input_axes, &self.output_axes) {
            let sizes = |axes: &[i64]| -> Result<f64> {
                let sizes = axes.iter().map(|axis| Ok(shape[resolve_axis(*axis, shape.len())?]));
                Ok(product(&sizes.collect::<Result<Vec<_>>>()?))
            };
            return Ok((sizes(inputs)?, sizes(outputs)?));
        }
        Ok(match shape {
            [] => (1.0, 1.0),
            [size] => (*size as f64, *size as f64),
            [window @ .., inputs, outputs] => {
                (product(window) * *inputs as f64, product(window) * *outputs as f64)
            }
        })
    }
}

fn orthogonal(gain: f64, shape: &[usize], rng: &mut dyn Rng) -> Result<Vec<f32>> {
    let [rows @ .., columns] = shape else { return Err(too_flat(shape)) };
    if rows.is_empty() {
        return Err(too_flat(shape));
    }
    let (rows, columns) = (rows.iter().product::<usize>(), *columns);
    let (long, short) = (rows.max(columns), rows.min(columns));
    let numbers: Vec<f64> = StandardNormal.sample_iter(rng).take(long * short).collect();
    let (mut q, r) = DMatrix::from_vec(long, short, numbers).qr().unpack();
    // Without it, the matrix would depend on how the decomposition chooses signs.
    for (mut column, diagonal) in q.column_iter_mut().zip(r.diagonal().iter()) {
        column *= gain * diagonal.signum();
    }
    // Row-major, as the variable has it; nalgebra's matrices are column-major.
    let q = if rows < columns { q } else { q.transpose() };
    Ok(q.iter().map(|x| *x as f32).collect())
}

fn too_flat(shape: &[usize]) -> Error {
    Error::config(format_args!("expected a variable of at least two axes, got the shape {shape:?}"))
}

impl STFT {
    fn numbers(&self, shape: &[usize]) -> Result<Vec<f32>> {
        let (frame, frequencies) = match *shape {
            [frame, 1, frequencies] if frequencies > 1 => (frame, frequencies),
            _ => {
                let expected = "expected the shape [frame, 1, frequencies] with at least two frequencies";
                return Err(Error::config(format_args!("{expected}, got {shape:?}")));
            }
        };
        let mut window = match &self.window {
            Some(window) => window.numbers(frame, self.periodic),
            None => vec![1.0; frame],
        };
        let divisor = match (&self.window, self.scaling) {
            (None, _) | (_, None) => 1.0,
            (_, Some(Scaling::Density)) => window.iter().map(|x| x * x).sum::<f64>().sqrt(),
            (_, Some(Scaling::Spectrum)) => window.iter().map(|x| x.abs()).sum(),
        };
        window.iter_mut().for_each(|x| *x /= divisor);
        let length = 2.0 * (frequencies - 1) as f64;
        let entry = |at: usize| {
            let (time, frequency) = (at / frequencies, at % frequencies);
            let angle = -2.0 * std::f64::consts::PI * (time * frequency) as f64 / length;
            let wave = match self.side {
                Side::Real => angle.cos(),
                Side::Imag => angle.sin(),
            };
            (wave * window[time]) as f32
        };
        Ok((0..frame * frequencies).map(entry).collect())
    }
}

#[cfg(test)]
mod tests;
