//! Random numbers, and the numbers of a config that they are drawn from.

use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value as Json;

use crate::config::{Field, Reader, refuse};
use crate::error::{Error, Result};

/// What a random number is drawn from: between two numbers, or around zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// Between minus this and this, as far as the factor may go.
    Around(f64),
    /// Between these.
    Between(f64, f64),
}

impl Factor {
    /// The least and the largest number, for a factor that may go from `least` to `most`.
    ///
    /// # Errors
    /// When it lies outside of these.
    pub fn range(self, key: &str, least: f64, most: f64) -> Result<(f64, f64)> {
        let (low, high) = match self {
            Self::Around(number) => (-number.abs(), number.abs()),
            Self::Between(a, b) => (a.min(b), a.max(b)),
        };
        let fits = match self {
            Self::Around(number) => (least..=most).contains(&number),
            Self::Between(..) => low <= most && high >= least,
        };
        if !fits {
            let message = format_args!("expected numbers from {least} to {most}, got {low} to {high}");
            return Err(Error::config(message).at(key));
        }
        Ok(match self {
            Self::Around(_) => (low.max(least), high),
            Self::Between(..) => (low, high),
        })
    }
}

impl Field for Factor {
    const EXPECTED: &'static str = "a number or a list of two";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => match Vec::<f64>::read(json, reader)?.as_slice() {
                [a, b] => Some(Self::Between(*a, *b)),
                _ => refuse(json, reader),
            },
            _ => f64::read(json, reader).map(Self::Around),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Around(number) => number.write(),
            Self::Between(a, b) => vec![*a, *b].write(),
        }
    }

    fn source(json: &Json) -> Option<String> {
        f64::source(json).or_else(|| f64::list_source(json))
    }
}

/// A number for every image, between two.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`
/// - output: `[batch, 1, 1, 1]`
pub(super) fn uniform(images: &Tensor<4>, (low, high): (f64, f64)) -> Tensor<4> {
    let shape = [images.dims()[0], 1, 1, 1];
    let drawn = Tensor::random(shape, Distribution::Uniform(0.0, 1.0), (&images.device(), images.dtype()));
    drawn * (high - low) + low
}

/// Which images are chosen, when the probability of each is itself drawn.
///
/// # Shapes
/// - output: `[batch, 1, 1, 1]`
pub(super) fn chosen(images: &Tensor<4>, probability: (f64, f64)) -> Tensor<4, Bool> {
    uniform(images, (0.0, 1.0)).lower(uniform(images, probability))
}

/// One or minus one for every image.
///
/// # Shapes
/// - output: `[batch, 1, 1, 1]`
pub(super) fn sign(images: &Tensor<4>) -> Tensor<4> {
    let drawn = uniform(images, (0.0, 1.0));
    drawn.ones_like().mask_fill(drawn.greater_elem(0.5), -1.0)
}

/// The images, those that are chosen replaced by others.
pub(super) fn replace(images: Tensor<4>, chosen: Tensor<4, Bool>, by: Tensor<4>) -> Tensor<4> {
    let shape = images.dims();
    images.mask_where(chosen.expand(shape), by)
}

/// A generator on the host, seeded by the device: what is drawn follows from the seed of the device.
pub(super) fn generator(device: &Device) -> StdRng {
    let words = Tensor::<1>::random([8], Distribution::Uniform(0.0, 65536.0), device).int();
    let words: Vec<i64> = words.into_data().iter::<i64>().collect();
    let seed = words.iter().fold(0_u64, |seed, word| seed.rotate_left(8) ^ word.unsigned_abs());
    StdRng::seed_from_u64(seed)
}

/// Numbers of the host, one for every image.
///
/// # Shapes
/// - output: `[batch, 1, 1, 1]`
pub(super) fn per_image(numbers: Vec<f32>, device: &Device) -> Tensor<4> {
    let shape = [numbers.len(), 1, 1, 1];
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// The images in another order.
pub(super) fn reordered(images: Tensor<4>, order: &[usize]) -> Tensor<4> {
    let order: Vec<i64> = order.iter().map(|at| *at as i64).collect();
    let order = Tensor::<1, Int>::from_data(order.as_slice(), &images.device());
    images.select(0, order)
}
