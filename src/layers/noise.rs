//! `GaussianNoise`, `GaussianDropout` and `AlphaDropout`: random changes in training, none otherwise.
//!
//! The random numbers are Burn's, so Keras' `seed` has no bearing on them.

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};

use super::dropout::{NoiseShape, check_rate, uniform};
use super::support::like_input;
use crate::codegen::{Code, Place, number};
use crate::error::{Error, Result};
use crate::initializer::Seed;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Weights};
use crate::map_float;
use crate::module::Training;
use crate::value::Value;

crate::layer_config! {
    /// Config of `GaussianNoise`.
    pub struct GaussianNoiseConfig {
        /// The standard deviation of the noise.
        stddev: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

crate::layer_config! {
    /// Config of `GaussianDropout`.
    pub struct GaussianDropoutConfig {
        /// The rate of a `Dropout` of the same variance.
        rate: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

crate::layer_config! {
    /// Config of `AlphaDropout`.
    pub struct AlphaDropoutConfig {
        /// The share of inputs that become SELU's negative limit.
        rate: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// The shape of what is decided at random, which broadcasts to the inputs; null in it for the
        /// size of the inputs.
        noise_shape: Option<Vec<Option<usize>>> = None,
    }
}

/// What a [`Noise`] does.
#[derive(Clone, Debug)]
enum Kind {
    /// Adds noise of a standard deviation.
    Add(f64),
    /// Multiplies by noise around 1, given the rate.
    Multiply(f64),
    /// Puts SELU's negative limit in the place of a share of the inputs.
    Alpha(f64, NoiseShape),
}

/// Changes its inputs at random in training.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct Noise {
    training: Training,
    #[module(skip)]
    kind: Kind,
}

impl Noise {
    fn new(kind: Kind) -> Self {
        Self { training: Training::default(), kind }
    }
}

/// SELU's limit at minus infinity.
const NEGATIVE_LIMIT: f64 = -1.673_263_242_354_377_2 * 1.050_700_987_355_480_5;

fn normal<const D: usize>(x: &Tensor<D>, mean: f64, deviation: f64) -> Tensor<D> {
    x.random_like(Distribution::Normal(mean, deviation))
}

impl Layer for Noise {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (Kind::Add(amount) | Kind::Multiply(amount) | Kind::Alpha(amount, _)) = self.kind;
        if amount == 0.0 || !self.training.is_on(&x.device(), cx) {
            return Ok(x.into());
        }
        if amount == 1.0 && !matches!(self.kind, Kind::Add(_)) {
            return Err(Error::unsupported("training with a rate of 1: it has no finite scale"));
        }
        let (shape, order) = (x.shape(), x.order());
        let y = map_float!(x, x => match &self.kind {
            Kind::Add(deviation) => x.clone() + normal(&x, 0.0, *deviation),
            Kind::Multiply(rate) => x.clone() * normal(&x, 1.0, (rate / (1.0 - rate)).sqrt()),
            Kind::Alpha(rate, noise) => {
                let dropped = uniform(&x, noise.stored::<D>(&shape, order)?).lower_elem(*rate);
                let scale = ((1.0 - rate) * (1.0 + rate * NEGATIVE_LIMIT.powi(2))).powf(-0.5);
                x.mask_fill(dropped, NEGATIVE_LIMIT) * scale - scale * NEGATIVE_LIMIT * *rate
            }
        });
        Ok(y?.into())
    }
}

impl LayerConfig for GaussianNoiseConfig {
    const CLASSES: &'static [&'static str] = &["GaussianNoise"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Noise;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("stddev", self.stddev)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Noise> {
        Ok(Noise::new(Kind::Add(self.stddev)))
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        const PATHS: [&str; 2] = ["burn::nn::GaussianNoise", "burn::nn::GaussianNoiseConfig"];
        place.input()?;
        Some(Code::module(PATHS, &number(self.stddev)?, place.layout).without_device())
    }
}

impl LayerConfig for GaussianDropoutConfig {
    const CLASSES: &'static [&'static str] = &["GaussianDropout"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Noise;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("rate", self.rate)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Noise> {
        Ok(Noise::new(Kind::Multiply(self.rate)))
    }
}

impl LayerConfig for AlphaDropoutConfig {
    const CLASSES: &'static [&'static str] = &["AlphaDropout"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Noise;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("rate", self.rate)?;
        NoiseShape::new(self.noise_shape.as_deref()).check(args.input()?)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Noise> {
        Ok(Noise::new(Kind::Alpha(self.rate, NoiseShape::new(self.noise_shape.as_deref()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// Mean and variance of what a layer makes of standard normal numbers.
    fn statistics(kind: Kind, training: bool) -> (f64, f64) {
        let x = Tensor::<2>::random([400, 500], Distribution::Normal(0.0, 1.0), &Device::flex());
        let cx = Context { training: Some(training) };
        let y = Noise::new(kind).call(Args::one(x.into()), &cx).unwrap().into_leaves().remove(0);
        let y = y.into_data();
        let y: Vec<f64> = y.as_slice::<f32>().unwrap().iter().map(|y| f64::from(*y)).collect();
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        (mean, y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64)
    }

    #[test]
    fn variances_are_as_designed() {
        for (kind, variance) in [
            (Kind::Add(0.5), 1.25),
            (Kind::Multiply(0.2), 1.25),
            // It keeps the mean and variance of its inputs.
            (Kind::Alpha(0.3, NoiseShape::default()), 1.0),
        ] {
            let (mean, got) = statistics(kind.clone(), true);
            assert!(mean.abs() < 0.02 && (got - variance).abs() < 0.03, "{kind:?}: {mean}, {got}");
            let (mean, got) = statistics(kind, false);
            assert!(mean.abs() < 0.02 && (got - 1.0).abs() < 0.03);
        }
    }
}
