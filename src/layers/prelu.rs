//! `PReLU`: `x` above zero, `alpha · x` below, with a learned `alpha`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::batch_normalization::channels_second;
use super::support::{aligned, like_input};
use crate::codegen::{Code, Place, number};
use crate::config::Axes;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::{AnyInitializer, Initializer};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `PReLU`.
    pub struct PReLUConfig {
        /// For fresh weights.
        alpha_initializer: Initializer = "zeros".into(),
        /// For training.
        alpha_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        alpha_constraint: Constraint = Constraint::none(),
        /// The axes, the first after the batch being 1, along which `alpha` is the same.
        shared_axes: Option<Axes> = None,
    }
}

impl PReLUConfig {
    /// The shape of `alpha`: that of the input without the batch, shared axes having size 1.
    fn alpha_shape(&self, input: &Spec) -> Result<Vec<usize>> {
        let rank = input.rank().saturating_sub(1);
        let shared = match &self.shared_axes {
            None => &[][..],
            Some(Axes::One(axis)) => std::slice::from_ref(axis),
            Some(Axes::Many(axes)) => axes.as_slice(),
        };
        let mut is_shared = vec![false; rank];
        for axis in shared {
            // Keras indexes a list that lacks the batch, so that 0 is the last axis, and so on down.
            let at = if *axis > 0 { axis - 1 } else { axis - 1 + rank as i64 };
            let slot = usize::try_from(at).ok().and_then(|at| is_shared.get_mut(at));
            *slot.ok_or_else(|| {
                Error::config(format_args!("axis {axis} is out of range for {input}")).at("shared_axes")
            })? = true;
        }
        let sizes = is_shared.iter().enumerate();
        sizes.map(|(axis, shared)| if *shared { Ok(1) } else { input.known(axis + 1) }).collect()
    }
}

impl LayerConfig for PReLUConfig {
    const CLASSES: &'static [&'static str] = &["PReLU"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = PReLU;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.alpha_shape(args.input()?)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        Ok(Variables::default().trainable("alpha", self.alpha_shape(args.input()?)?).flat().with(
            &self.alpha_initializer,
            &self.alpha_regularizer,
            &self.alpha_constraint,
        ))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<PReLU> {
        Ok(PReLU { alpha: weights.param("alpha")?, shape: self.alpha_shape(args.input()?)? })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        const PATHS: [&str; 2] = ["burn::nn::PRelu", "burn::nn::PReluConfig"];
        let input = place.input()?;
        let sizes = self.alpha_shape(input).ok()?;
        let slopes: Vec<usize> = (1..input.rank()).filter(|axis| sizes.get(axis - 1) != Some(&1)).collect();
        // Burn's module has one slope, or those of the axis after the batch.
        let (count, layout) = match slopes.as_slice() {
            [] => (1, place.layout),
            [axis] => (*sizes.get(axis - 1)?, channels_second(*axis, input.rank())?),
            _ => return None,
        };
        let first = match self.alpha_initializer.get() {
            Ok(Some(AnyInitializer::Zeros(_))) => Some(0.0),
            Ok(Some(AnyInitializer::Ones(_))) => Some(1.0),
            Ok(Some(AnyInitializer::Constant(object))) => object.value.as_number(),
            _ => None,
        };
        let code = Code::module(PATHS, "", layout).with("num_parameters", count.to_string(), "1");
        Some(match first {
            Some(first) => code.with("alpha", number(first)?, "0.25"),
            None => code,
        })
    }
}

/// A rectifier with a learned slope.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct PReLU {
    /// The slopes below zero, `[...]` in one axis.
    pub alpha: Param<Tensor<1>>,
    #[module(skip)]
    shape: Vec<usize>,
}

impl Layer for PReLU {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let order = x.order();
        let y = map_float!(x, x => {
            let alpha = order.store(self.alpha.val().reshape(aligned::<D>(&self.shape)));
            relu(x.clone()) - alpha * relu(-x)
        });
        Ok(y?.into())
    }
}
