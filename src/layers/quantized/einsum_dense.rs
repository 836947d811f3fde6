//! `EinsumDense` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::kernel::{floats, rounded_inputs};
use super::{Matrix, Mode, Quantization, QuantizedKernel, StoredConfig};
use crate::by_rank;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::einsum_dense::{EinsumDenseConfig, Equation, Shapes};
use crate::value::{Binary, Value};

/// Config of a quantized `EinsumDense`: that of a plain one, and how its kernel is stored.
pub type QuantizedEinsumDenseConfig = StoredConfig<EinsumDenseConfig, Quantization>;

impl QuantizedEinsumDenseConfig {
    /// The kernel as the matrix that Keras makes of it, without moving an entry.
    fn matrix(&self, shapes: &Shapes) -> Result<Matrix> {
        if self.plain.equation.contains("...") {
            // Keras fails to build it.
            return Err(Error::unsupported("a quantized product with \"...\"").at("equation"));
        }
        let kernel = &shapes.kernel;
        let count = |sizes: &[usize]| sizes.iter().fold(1_usize, |all, size| all.saturating_mul(*size));
        let (rows, columns) = match self.storage.mode {
            Mode::Int8 | Mode::Int4 { .. } => {
                let summed: Vec<usize> = shapes.kernel_summed.iter().map(|axis| kernel[*axis]).collect();
                let rows = count(&summed);
                (rows, count(kernel) / rows.max(1))
            }
            // Here the largest axis tells, whatever is summed over.
            Mode::Gptq { .. } | Mode::Awq { .. } => match kernel.as_slice() {
                [rows, columns] => (*rows, *columns),
                [first, second, third] if first >= second && first >= third => {
                    (*first, count(&[*second, *third]))
                }
                [first, second, third] => (count(&[*first, *second]), *third),
                _ => {
                    let message = format_args!("a kernel of {} axes in this quantization", kernel.len());
                    return Err(Error::unsupported(message).at("equation"));
                }
            },
        };
        Ok(Matrix { rows, columns, whole: [kernel.clone(), shapes.channels.clone()] })
    }
}

impl LayerConfig for QuantizedEinsumDenseConfig {
    const CLASSES: &'static [&'static str] = EinsumDenseConfig::CLASSES;
    const MASK: MaskRule = EinsumDenseConfig::MASK;
    const POLICY: Policy = Policy::Quantized;

    type Layer = QuantizedEinsumDense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.matrix(&self.plain.shapes(args.input()?)?)?;
        self.plain.outputs(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (plain, shapes) = (&self.plain, self.plain.shapes(args.input()?)?);
        let bias = shapes.bias.as_ref();
        Ok(self.storage.mode.variables(&self.matrix(&shapes)?, |variables| {
            variables.trainable_if(bias.is_some(), "bias", bias.cloned().unwrap_or_default()).flat().with(
                &plain.bias_initializer,
                &plain.bias_regularizer,
                &plain.bias_constraint,
            )
        }))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedEinsumDense> {
        let (mode, shapes) = (self.storage.mode, self.plain.shapes(args.input()?)?);
        let Matrix { rows, columns, .. } = self.matrix(&shapes)?;
        Ok(QuantizedEinsumDense {
            kernel: QuantizedKernel::build(mode, [rows, columns], weights)?,
            bias: weights.maybe("bias")?,
            channels: (mode == Mode::Int8).then(|| shapes.channels.clone()),
            rounded: self.storage.rounds_inputs().then(|| shapes.summed.clone()),
            equation: self.plain.equation(shapes),
        })
    }
}

/// A linear map of any axes, its kernel in a few bits.
///
/// # Shapes
/// - inputs: `[batch, ...]`, as the equation says
/// - outputs: `[batch, ...]`, as the equation says
#[derive(Module, Debug)]
pub struct QuantizedEinsumDense {
    /// The axes of the kernel as those of a matrix. In `int8` it is none: the values have the axes of the
    /// kernel, and the scales those of the output.
    pub kernel: QuantizedKernel,
    /// The axes of the bias in one.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    equation: Equation,
    /// The shape in which scales fit the output, when they are of its axes.
    #[module(skip)]
    channels: Option<Vec<usize>>,
    /// The axes of inputs that are rounded together, when they are rounded.
    #[module(skip)]
    rounded: Option<Vec<usize>>,
}

impl QuantizedEinsumDense {
    /// Applies the layer.
    ///
    /// # Errors
    /// When the value does not fit the equation.
    pub fn forward(&self, x: Value) -> Result<Value> {
        let x = match &self.rounded {
            Some(axes) => by_rank!(x.rank(), D => Value::from(rounded_inputs(x.float::<D>()?, axes)))?,
            None => x,
        };
        let y = match &self.channels {
            Some(channels) => {
                let scale = Value::from(self.kernel.scale.val()).reshape(channels)?;
                let values = Value::from(floats(self.kernel.values.val()));
                self.equation.product(x, values)?.binary(Binary::Divide, scale)?
            }
            None => self.equation.product(x, Value::from(self.kernel.float()))?,
        };
        self.equation.finish(y, self.bias.as_ref().map(Param::val))
    }
}

impl Layer for QuantizedEinsumDense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.forward(args.into_input()?)?.into())
    }
}
