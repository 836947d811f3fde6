//! `EinsumDense` with 8-bit floats.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::StoredConfig;
use super::float8::{Float8Scales, History, rounded_bias};
use crate::by_rank;
use crate::error::Result;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::einsum_dense::{EinsumDenseConfig, Equation};
use crate::value::Value;

/// Config of an `EinsumDense` with 8-bit floats.
pub type Float8EinsumDenseConfig = StoredConfig<EinsumDenseConfig, History>;

impl LayerConfig for Float8EinsumDenseConfig {
    const CLASSES: &'static [&'static str] = EinsumDenseConfig::CLASSES;
    const MASK: MaskRule = EinsumDenseConfig::MASK;
    const POLICY: Policy = Policy::Float8;

    type Layer = Float8EinsumDense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.plain.outputs(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        Ok(Float8Scales::variables(self.plain.variables(args)?, self.storage.0))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Float8EinsumDense> {
        Ok(Float8EinsumDense {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            scales: Float8Scales::build(weights)?,
            equation: self.plain.equation(self.plain.shapes(args.input()?)?),
        })
    }
}

/// A linear map of any axes between numbers that are rounded to 8-bit floats.
///
/// # Shapes
/// - inputs: `[batch, ...]`, as the equation says
/// - outputs: `[batch, ...]`, as the equation says
#[derive(Module, Debug)]
pub struct Float8EinsumDense {
    /// The axes of the kernel in one.
    pub kernel: Param<Tensor<1>>,
    /// The axes of the bias in one.
    pub bias: Option<Param<Tensor<1>>>,
    /// What numbers are divided by before they are rounded.
    pub scales: Float8Scales,
    #[module(skip)]
    equation: Equation,
}

impl Float8EinsumDense {
    /// Applies the layer.
    ///
    /// # Errors
    /// When the value does not fit the equation.
    pub fn forward(&self, x: Value) -> Result<Value> {
        let x = by_rank!(x.rank(), D => Value::from(self.scales.inputs(x.float::<D>()?)))?;
        let y = self.equation.product(x, Value::from(self.scales.kernel(&self.kernel)))?;
        self.equation.finish(y, self.bias.as_ref().map(rounded_bias))
    }
}

impl Layer for Float8EinsumDense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.forward(args.into_input()?)?.into())
    }
}
