//! `Normalization`: `(x - mean) / max(√variance, 1e-7)` with the statistics of a data set, or the
//! inverse of it.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::support::{aligned, array_tensor, like_input};
use crate::config::{Array, Axes, Dtype};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::value::Value;

/// `keras.backend.epsilon()`
const EPSILON: f64 = 1e-7;

crate::layer_config! {
    /// Config of `Normalization`.
    pub struct NormalizationConfig {
        /// The axes along which there are separate statistics; none for a single mean and variance.
        axis: Option<Axes> = Some(Axes::One(-1)),
        /// The mean, if the layer does not store it as a variable.
        mean: Option<Array> = None,
        /// The variance, if the layer does not store it as a variable.
        variance: Option<Array> = None,
        /// Whether to undo the normalization.
        invert: bool = false,
    }
}

impl NormalizationConfig {
    /// The axes with separate statistics, in ascending order.
    fn kept(&self, input: &Spec) -> Result<Vec<usize>> {
        let axes = self.axis.as_ref().map_or(Ok(Vec::new()), |axes| axes.resolve(input.rank()));
        axes.map_err(|error| error.at("axis"))
    }

    /// The shape of the variables.
    fn variable_shape(&self, input: &Spec) -> Result<Vec<usize>> {
        self.kept(input)?.into_iter().map(|axis| input.known(axis)).collect()
    }

    /// The mean and variance of the config, if it has them.
    fn given(&self) -> Result<Option<(&Array, &Array)>> {
        match (&self.mean, &self.variance) {
            (None, None) => Ok(None),
            (Some(mean), Some(variance)) if mean.shape() == variance.shape() => Ok(Some((mean, variance))),
            (Some(mean), Some(variance)) => Err(Error::config(format_args!(
                "mean and variance must have one shape, got {:?} and {:?}",
                mean.shape(),
                variance.shape()
            ))),
            _ => Err(Error::config("expected mean and variance together, got only one of them")),
        }
    }

    /// The shape of the statistics for broadcasting to the inputs.
    fn broadcast_shape(&self, input: &Spec) -> Result<Vec<usize>> {
        let kept = self.kept(input)?;
        let sizes = self.variable_shape(input)?;
        let given = self.given()?.map(|(mean, _)| mean.shape());
        let stated = given.unwrap_or(&sizes);
        let mut shape = vec![1; input.rank()];
        // A given array belongs to the last of the axes.
        for ((axis, own), size) in kept.iter().zip(&sizes).rev().zip(stated.iter().rev()) {
            if *size != 1 && size != own {
                return Err(
                    Error::config(format_args!("{size} entries for axis {axis} of {input}")).at("mean")
                );
            }
            shape[*axis] = *size;
        }
        match stated.len() > kept.len() {
            true => Err(Error::config(format_args!("{} axes for {}", stated.len(), kept.len())).at("mean")),
            false => Ok(shape),
        }
    }
}

impl LayerConfig for NormalizationConfig {
    const CLASSES: &'static [&'static str] = &["Normalization"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Normalization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.broadcast_shape(args.input()?)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        if self.given()?.is_some() {
            return Ok(Variables::default());
        }
        let shape = self.variable_shape(args.input()?)?;
        Ok(Variables::default()
            .fixed("mean", shape.clone(), Dtype::Float32)
            .flat()
            .initialized("zeros")
            .fixed("variance", shape, Dtype::Float32)
            .flat()
            .initialized("ones")
            .fixed("count", [], Dtype::Int32))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Normalization> {
        let given = self.given()?.map(|(mean, variance)| (mean.clone(), variance.clone()));
        Ok(Normalization {
            mean: weights.maybe("mean")?,
            variance: weights.maybe("variance")?,
            count: if given.is_none() { Some(weights.int("count")?) } else { None },
            given,
            shape: self.broadcast_shape(args.input()?)?,
            invert: self.invert,
        })
    }
}

/// Brings data to a mean of 0 and a variance of 1, or back.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct Normalization {
    /// The means, the axes with separate statistics in one.
    pub mean: Option<Param<Tensor<1>>>,
    /// The variances, the axes with separate statistics in one.
    pub variance: Option<Param<Tensor<1>>>,
    /// `[1]`: what Keras keeps for old files.
    pub count: Option<Param<Tensor<1, Int>>>,
    #[module(skip)]
    given: Option<(Array, Array)>,
    #[module(skip)]
    shape: Vec<usize>,
    #[module(skip)]
    invert: bool,
}

impl Normalization {
    fn statistics(&self, device: &Device) -> Result<(Tensor<1>, Tensor<1>)> {
        match (&self.mean, &self.variance, &self.given) {
            (Some(mean), Some(variance), _) => Ok((mean.val(), variance.val())),
            (_, _, Some((mean, variance))) => {
                Ok((array_tensor(mean, device), array_tensor(variance, device)))
            }
            _ => Err(Error::weights("built without a mean and a variance")),
        }
    }
}

impl Layer for Normalization {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let order = x.order();
        let (mean, variance) = self.statistics(&x.device())?;
        let y = map_float!(x, x => {
            let shape = aligned::<D>(&self.shape);
            let mean = order.store(mean.reshape(shape));
            let spread = order.store(variance.sqrt().clamp_min(EPSILON).reshape(shape));
            if self.invert { x * spread + mean } else { (x - mean) / spread }
        });
        Ok(y?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(config: NormalizationConfig, input: &[Option<usize>]) -> Option<Vec<usize>> {
        config.broadcast_shape(&Spec::new(input.to_vec(), Dtype::Float32)).ok()
    }

    fn array(json: &str) -> Option<Array> {
        let (registry, limits) = (crate::layer::Registry::new(), crate::Limits::default());
        let mut reader = crate::config::Reader::new(&registry, &limits);
        crate::config::Field::read(&serde_json::from_str(json).unwrap(), &mut reader)
    }

    #[test]
    fn statistics_belong_to_the_last_kept_axes() {
        let input = [None, Some(4), Some(3)];
        let config = |mean: &str, variance: &str| NormalizationConfig {
            axis: Some(Axes::Many(vec![-1, 1])),
            mean: array(mean),
            variance: array(variance),
            invert: false,
        };
        assert_eq!(shape(config("[1, 2, 3]", "[1, 2, 3]"), &input).unwrap(), [1, 1, 3]);
        assert_eq!(shape(config("2", "3"), &input).unwrap(), [1, 1, 1]);
        assert!(shape(config("[1, 2]", "[1, 2]"), &input).is_none());
        assert!(shape(config("[1, 2]", "1"), &input).is_none());
        assert!(shape(config("[[[1]]]", "[[[1]]]"), &input).is_none());
    }
}
