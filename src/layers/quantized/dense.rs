//! `Dense` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::linear;

use super::kernel::rounded_inputs;
use super::{Matrix, Quantization, QuantizedKernel, StoredConfig};
use crate::activation::Activation;
use crate::by_rank;
use crate::error::Result;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::dense::DenseConfig;
use crate::value::Value;

/// Config of a quantized `Dense`: that of a plain one, and how its kernel is stored.
pub type QuantizedDenseConfig = StoredConfig<DenseConfig, Quantization>;

impl LayerConfig for QuantizedDenseConfig {
    const CLASSES: &'static [&'static str] = DenseConfig::CLASSES;
    const MASK: MaskRule = DenseConfig::MASK;
    const POLICY: Policy = Policy::Quantized;

    type Layer = QuantizedDense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.plain.outputs(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let [rows, columns] = self.plain.kernel_shape(args)?;
        let plain = &self.plain;
        Ok(self.storage.mode.variables(&Matrix::new(rows, columns), |variables| {
            variables.trainable_if(plain.use_bias, "bias", [columns]).with(
                &plain.bias_initializer,
                &plain.bias_regularizer,
                &plain.bias_constraint,
            )
        }))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedDense> {
        Ok(QuantizedDense {
            kernel: QuantizedKernel::build(self.storage.mode, self.plain.kernel_shape(args)?, weights)?,
            bias: weights.maybe("bias")?,
            activation: self.plain.activation.clone(),
            rounds_inputs: self.storage.rounds_inputs(),
        })
    }
}

/// A linear map of the last axis, its kernel in a few bits.
///
/// # Shapes
/// - inputs: `[batch, ..., features]`
/// - outputs: `[batch, ..., units]`
#[derive(Module, Debug)]
pub struct QuantizedDense {
    /// `[features, units]`.
    pub kernel: QuantizedKernel,
    /// `[units]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    rounds_inputs: bool,
}

impl QuantizedDense {
    /// Applies the layer to a tensor whose last axis has the features.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = if self.rounds_inputs { rounded_inputs(x, &[D - 1]) } else { x };
        let y = linear(x, self.kernel.float(), self.bias.as_ref().map(Param::val));
        self.activation.forward(y)
    }
}

impl Layer for QuantizedDense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        by_rank!(x.rank(), D => Value::from(self.forward(x.float::<D>()?)).into())
    }
}
