//! Layers that only the models of `keras.applications` have: `LayerScale` and `StochasticDepth` of ConvNeXt,
//! `CustomScaleLayer` of Inception-ResNet.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::dropout::{Dropout, NoiseShape, check_rate};
use super::merge::broadcast;
use super::support::{aligned, like_input};
use crate::config::Array;
use crate::error::{Error, Result};
use crate::initializer::Constant;
use crate::layer::{Args, Context, Function, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::value::{Binary, Value};

crate::layer_config! {
    /// Config of `LayerScale`.
    pub struct LayerScaleConfig {
        /// What fresh factors are.
        init_values: f64,
        /// The number of channels.
        projection_dim: std::num::NonZeroUsize,
    }
}

impl LayerConfig for LayerScaleConfig {
    const CLASSES: &'static [&'static str] = &["LayerScale"];

    type Layer = LayerScale;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let channels = self.projection_dim.get();
        if input.known(input.rank().wrapping_sub(1))? != channels && channels != 1 {
            let message = format_args!("{channels} factors for an input of the shape {input}");
            return Err(Error::config(message).at("projection_dim"));
        }
        like_input(args)
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let fresh = Constant { value: Array::number(self.init_values) };
        Ok(Variables::default().trainable("gamma", [self.projection_dim.get()]).initialized(fresh))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<LayerScale> {
        Ok(LayerScale { gamma: weights.param("gamma")? })
    }
}

/// Multiplies every channel by a learned factor.
///
/// # Shapes
/// - inputs: `[batch, ..., channels]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct LayerScale {
    /// `[channels]`
    pub gamma: Param<Tensor<1>>,
}

impl Layer for LayerScale {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (order, gamma) = (x.order(), self.gamma.val());
        let channels = gamma.dims();
        Ok(map_float!(x, x => x * order.store(gamma.reshape(aligned::<D>(&channels))))?.into())
    }
}

crate::layer_config! {
    /// Config of `StochasticDepth`: in training, whole examples become zero at random.
    pub struct StochasticDepthConfig {
        /// The share of examples that do.
        drop_path_rate: f64,
    }
}

impl LayerConfig for StochasticDepthConfig {
    const CLASSES: &'static [&'static str] = &["StochasticDepth"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Dropout;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("drop_path_rate", self.drop_path_rate)?;
        like_input(args)
    }

    fn build(&self, args: &Args<Spec>, _: &mut Weights<'_>) -> Result<Dropout> {
        let others = std::iter::repeat_n(Some(1), args.input()?.rank().saturating_sub(1));
        let sizes: Vec<_> = std::iter::once(None).chain(others).collect();
        Ok(Dropout::new(self.drop_path_rate, NoiseShape::new(Some(&sizes))))
    }
}

crate::layer_config! {
    /// `CustomScaleLayer`: the first input, and the second times a number.
    ///
    /// # Shapes
    /// - inputs: two of `[batch, ...]`
    /// - outputs: `[batch, ...]`
    pub struct CustomScaleLayer {
        /// The number.
        scale: f64,
    }
}

impl Function for CustomScaleLayer {
    const CLASSES: &'static [&'static str] = &["CustomScaleLayer"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        match args.inputs().as_slice() {
            [first, second] => match broadcast(&first.shape, &second.shape) {
                Some(shape) => Ok(first.float(shape).into()),
                None => Err(Error::config(format_args!("the shapes {first} and {second} do not broadcast"))),
            },
            inputs => Err(Error::config(format_args!("expected two inputs, got {}", inputs.len()))),
        }
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let mut inputs = args.into_inputs().into_iter();
        let (Some(first), Some(second)) = (inputs.next(), inputs.next()) else {
            return Err(Error::input("expected two inputs"));
        };
        Ok(first.binary(Binary::Add, map_float!(second, x => x * self.scale)?)?.into())
    }
}
