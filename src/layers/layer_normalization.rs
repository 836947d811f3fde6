//! `LayerNormalization` and `RMSNormalization`: over some axes of every sample.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::support::{aligned, like_input};
use crate::codegen::{Code, Layout, Place, number};
use crate::config::Axes;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Borders, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `LayerNormalization`.
    pub struct LayerNormalizationConfig {
        /// The axes over which it normalizes.
        axis: Axes = Axes::One(-1),
        /// What is added to the variance.
        epsilon: f64 = 0.001,
        /// Whether there is a `beta`.
        center: bool = true,
        /// Whether there is a `gamma`.
        scale: bool = true,
        /// Whether to divide by the standard deviation without moving the mean to zero.
        rms_scaling: bool = false,
        /// For fresh weights.
        beta_initializer: Initializer = "zeros".into(),
        /// For fresh weights.
        gamma_initializer: Initializer = "ones".into(),
        /// For training.
        beta_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        gamma_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        beta_constraint: Constraint = Constraint::none(),
        /// For training.
        gamma_constraint: Constraint = Constraint::none(),
    }
}

/// The axes of a normalization, and the sizes of its variables.
struct Normalized {
    /// Counted from the front, in ascending order.
    axes: Vec<usize>,
    /// The shape of the variables: Keras sorts axes as they are written, negative ones first.
    sizes: Vec<usize>,
}

fn normalized(axes: &Axes, input: &Spec) -> Result<Normalized> {
    let resolved = axes.resolve(input.rank()).map_err(|error| error.at("axis"))?;
    match resolved.first() {
        None => return Err(Error::config("expected at least one axis").at("axis")),
        Some(0) => return Err(Error::unsupported("normalizing over the batch").at("axis")),
        Some(_) => {}
    }
    let mut written = match axes {
        Axes::One(axis) => vec![*axis],
        Axes::Many(axes) => axes.clone(),
    };
    written.sort_unstable();
    let sizes = written.into_iter().map(|axis| input.known(crate::config::resolve_axis(axis, input.rank())?));
    Ok(Normalized { sizes: sizes.collect::<Result<_>>()?, axes: resolved })
}

/// The size of the last axis, if it is the one that is normalized.
fn last_axis(axes: &Axes, place: &Place<'_>) -> Option<usize> {
    let input = place.input()?;
    let Normalized { axes, sizes } = normalized(axes, input).ok()?;
    sizes.first().copied().filter(|_| axes == [input.rank() - 1])
}

impl LayerConfig for LayerNormalizationConfig {
    const CLASSES: &'static [&'static str] = &["LayerNormalization"];
    const MASK: MaskRule = MaskRule::Pass;
    const BORDERS: Borders = Borders::Uncast;

    type Layer = LayerNormalization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        normalized(&self.axis, args.input()?)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let sizes = normalized(&self.axis, args.input()?)?.sizes;
        let mut variables = Variables::default();
        if self.scale || self.rms_scaling {
            variables = variables.trainable("gamma", sizes.clone()).flat().with(
                &self.gamma_initializer,
                &self.gamma_regularizer,
                &self.gamma_constraint,
            );
        }
        if self.center && !self.rms_scaling {
            variables = variables.trainable("beta", sizes).flat().with(
                &self.beta_initializer,
                &self.beta_regularizer,
                &self.beta_constraint,
            );
        }
        Ok(variables)
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<LayerNormalization> {
        let input = args.input()?;
        let axes = normalized(&self.axis, input)?.axes;
        let shape =
            (0..input.rank()).map(|axis| if axes.contains(&axis) { input.known(axis) } else { Ok(1) });
        Ok(LayerNormalization {
            gamma: weights.maybe("gamma")?,
            beta: weights.maybe("beta")?,
            shape: shape.collect::<Result<_>>()?,
            axes,
            epsilon: self.epsilon,
            rms_scaling: self.rms_scaling,
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        const PATHS: [&str; 2] = ["burn::nn::LayerNorm", "burn::nn::LayerNormConfig"];
        // Keras' `rms_scaling` divides by the deviation from the mean, other than Burn's `RmsNorm`.
        let can = self.scale && !self.rms_scaling;
        let channels = last_axis(&self.axis, place).filter(|_| can)?;
        let code = Code::module(PATHS, &channels.to_string(), Layout::Keras)
            .with("epsilon", number(self.epsilon)?, "1e-5")
            .with("bias", self.center.to_string(), "true");
        Some(code)
    }
}

/// Normalizes every sample over some of its axes: `gamma · (x - mean) / √(variance + epsilon) + beta`.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct LayerNormalization {
    /// The factors, all normalized axes in one.
    pub gamma: Option<Param<Tensor<1>>>,
    /// What is added, all normalized axes in one.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    axes: Vec<usize>,
    #[module(skip)]
    shape: Vec<usize>,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    rms_scaling: bool,
}

/// The mean over some axes, which stay with size 1.
fn mean<const D: usize>(x: Tensor<D>, axes: &[usize]) -> Tensor<D> {
    axes.iter().fold(x, |x, axis| x.mean_dim(*axis))
}

impl Layer for LayerNormalization {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (order, rank) = (x.order(), x.rank());
        let axes: Vec<usize> = self.axes.iter().map(|axis| order.axis(rank, *axis)).collect();
        let y = map_float!(x, x => {
            let spread = |param: &Param<Tensor<1>>| order.store(param.val().reshape(aligned::<D>(&self.shape)));
            let centred = x.clone() - mean(x.clone(), &axes);
            let variance = mean(centred.clone().square(), &axes);
            let y = if self.rms_scaling { x } else { centred } * (variance + self.epsilon).sqrt().recip();
            let y = match &self.gamma {
                Some(gamma) => y * spread(gamma),
                None => y,
            };
            match &self.beta {
                Some(beta) => y + spread(beta),
                None => y,
            }
        });
        Ok(y?.into())
    }
}

crate::layer_config! {
    /// Config of `RMSNormalization`.
    pub struct RMSNormalizationConfig {
        /// The axes over which it normalizes.
        axis: Axes = Axes::One(-1),
        /// What is added to the mean square.
        epsilon: f64 = 1e-6,
    }
}

impl RMSNormalizationConfig {
    /// The axes, once it is sure that `scale` broadcasts to the inputs: Keras aligns it with the last
    /// axes, whichever ones it normalizes over.
    fn checked(&self, input: &Spec) -> Result<Normalized> {
        let normalized = normalized(&self.axis, input)?;
        let first = input.rank() - normalized.sizes.len();
        for (axis, size) in (first..).zip(&normalized.sizes) {
            if *size != 1 && input.known(axis)? != *size {
                let message = format_args!("a scale of the shape {:?}", normalized.sizes);
                return Err(Error::config(format_args!("{message} does not broadcast to {input}")).at("axis"));
            }
        }
        Ok(normalized)
    }
}

impl LayerConfig for RMSNormalizationConfig {
    const CLASSES: &'static [&'static str] = &["RMSNormalization"];

    type Layer = RMSNormalization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.checked(args.input()?)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let sizes = self.checked(args.input()?)?.sizes;
        Ok(Variables::default().trainable("scale", sizes).flat().initialized("ones"))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<RMSNormalization> {
        let Normalized { axes, sizes } = self.checked(args.input()?)?;
        Ok(RMSNormalization { scale: weights.param("scale")?, axes, shape: sizes, epsilon: self.epsilon })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        const PATHS: [&str; 2] = ["burn::nn::RmsNorm", "burn::nn::RmsNormConfig"];
        let channels = last_axis(&self.axis, place).filter(|_| self.epsilon > 0.0)?;
        let code = Code::module(PATHS, &channels.to_string(), Layout::Keras);
        Some(code.with("epsilon", number(self.epsilon)?, "1e-5"))
    }
}

/// Normalizes every sample over some of its axes: `scale · x / √(mean(x²) + epsilon)`.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct RMSNormalization {
    /// The factors, all normalized axes in one.
    pub scale: Param<Tensor<1>>,
    #[module(skip)]
    axes: Vec<usize>,
    #[module(skip)]
    shape: Vec<usize>,
    #[module(skip)]
    epsilon: f64,
}

impl Layer for RMSNormalization {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (order, rank) = (x.order(), x.rank());
        let axes: Vec<usize> = self.axes.iter().map(|axis| order.axis(rank, *axis)).collect();
        let y = map_float!(x, x => {
            let inverse = (mean(x.clone().square(), &axes) + self.epsilon).sqrt().recip();
            x * inverse * order.store(self.scale.val().reshape(aligned::<D>(&self.shape)))
        });
        Ok(y?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dtype;

    #[test]
    fn variables_have_the_axes_as_they_are_written() {
        let input = Spec::new(vec![None, Some(3), Some(4), Some(5)], Dtype::Float32);
        let both = normalized(&Axes::Many(vec![1, -1]), &input).unwrap();
        assert_eq!((both.axes, both.sizes), (vec![1, 3], vec![5, 3]));
        for axes in [vec![], vec![0], vec![1, -3], vec![4], vec![-4]] {
            assert!(normalized(&Axes::Many(axes), &input).is_err());
        }
    }

    #[test]
    fn the_scale_must_broadcast() {
        let input = Spec::new(vec![None, Some(3), Some(4)], Dtype::Float32);
        let rms = |axis| RMSNormalizationConfig { axis, epsilon: 1e-6 };
        assert!(rms(Axes::One(2)).checked(&input).is_ok());
        assert!(rms(Axes::Many(vec![2, 1])).checked(&input).is_ok());
        assert!(rms(Axes::One(1)).checked(&input).is_err());
    }
}
