//! `Dense` with 8-bit floats.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::linear;
use serde_json::{Map, Value as Json};

use super::{Storage, StoredConfig};
use crate::activation::Activation;
use crate::by_rank;
use crate::config::{Dtype, Object, Reader};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::dense::DenseConfig;
use crate::value::Value;

/// The number of past maxima that a scale is made of, unless the policy says another.
const HISTORY: u64 = 1024;

/// Config of a `Dense` with 8-bit floats.
pub type Float8DenseConfig = StoredConfig<DenseConfig, History>;

impl LayerConfig for Float8DenseConfig {
    const CLASSES: &'static [&'static str] = DenseConfig::CLASSES;
    const MASK: MaskRule = DenseConfig::MASK;
    const POLICY: Policy = Policy::Float8;

    type Layer = Float8Dense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.plain.outputs(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        Ok(Float8Scales::variables(self.plain.variables(args)?, self.storage.0))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Float8Dense> {
        Ok(Float8Dense {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            scales: Float8Scales::build(weights)?,
            activation: self.plain.activation.clone(),
        })
    }
}

/// A linear map of the last axis between numbers that are rounded to 8-bit floats.
///
/// # Shapes
/// - inputs: `[batch, ..., features]`
/// - outputs: `[batch, ..., units]`
#[derive(Module, Debug)]
pub struct Float8Dense {
    /// `[features, units]`.
    pub kernel: Param<Tensor<2>>,
    /// `[units]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What numbers are divided by before they are rounded.
    pub scales: Float8Scales,
    #[module(skip)]
    activation: Activation,
}

impl Float8Dense {
    /// Applies the layer to a tensor whose last axis has the features.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(rounded_bias);
        self.activation.forward(linear(self.scales.inputs(x), self.scales.kernel(&self.kernel), bias))
    }
}

impl Layer for Float8Dense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        by_rank!(x.rank(), D => Value::from(self.forward(x.float::<D>()?)).into())
    }
}

/// The number of past maxima that the policy of a layer keeps.
#[derive(Clone, Copy, Debug)]
pub struct History(pub(super) usize);

impl Storage for History {
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let policy = json.get("dtype").and_then(Object::of).map(|object| object.config);
        let given = policy.and_then(|policy| policy.get("amax_history_length")).map(Json::as_u64);
        let source = policy.and_then(|policy| policy.get("source_name")).and_then(Json::as_str);
        if source.unwrap_or("float32") != "float32" {
            reader.push(Error::unsupported("8-bit floats from another type than float32").at("dtype"));
        }
        let history = given.unwrap_or(Some(HISTORY)).and_then(|length| u16::try_from(length).ok());
        if history.is_none() {
            reader.push(Error::config("expected amax_history_length below 65536").at("dtype"));
        }
        history.map(|history| Self(history.into()))
    }
}

/// What the numbers of a layer are divided by before they are rounded to 8-bit floats.
///
/// The scales stay as they are: what Keras updates in training is kept, not moved on.
#[derive(Module, Debug)]
pub struct Float8Scales {
    /// What inputs are divided by before they are rounded: `[1]`.
    pub inputs_scale: Param<Tensor<1>>,
    /// The largest inputs of past steps.
    pub inputs_amax_history: Param<Tensor<1>>,
    /// What the kernel is divided by before it is rounded: `[1]`.
    pub kernel_scale: Param<Tensor<1>>,
    /// The largest entries of the kernel in past steps.
    pub kernel_amax_history: Param<Tensor<1>>,
    /// What gradients are divided by before they are rounded: `[1]`.
    pub outputs_grad_scale: Param<Tensor<1>>,
    /// The largest gradients of past steps.
    pub outputs_grad_amax_history: Param<Tensor<1>>,
}

impl Float8Scales {
    /// The variables of a layer whose `own` come first. Those of the scales lie in its field `scales`.
    pub(super) fn variables(own: Variables, history: usize) -> Variables {
        [
            ("inputs_scale", "inputs_amax_history"),
            ("kernel_scale", "kernel_amax_history"),
            ("outputs_grad_scale", "outputs_grad_amax_history"),
        ]
        .into_iter()
        .fold(own, |variables, (scale, maxima)| {
            variables
                .fixed(scale, [], Dtype::Float32)
                .initialized("ones")
                .inside("scales")
                .fixed(maxima, [history], Dtype::Float32)
                .initialized("zeros")
                .inside("scales")
        })
    }

    /// Takes the variables that [`Self::variables`] declares.
    pub(super) fn build(weights: &Weights<'_>) -> Result<Self> {
        let weights = weights.child("scales");
        Ok(Self {
            inputs_scale: weights.param("inputs_scale")?,
            inputs_amax_history: weights.param("inputs_amax_history")?,
            kernel_scale: weights.param("kernel_scale")?,
            kernel_amax_history: weights.param("kernel_amax_history")?,
            outputs_grad_scale: weights.param("outputs_grad_scale")?,
            outputs_grad_amax_history: weights.param("outputs_grad_amax_history")?,
        })
    }

    /// The inputs, rounded.
    pub(super) fn inputs<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        rounded(x, self.inputs_scale.val())
    }

    /// The kernel, rounded.
    pub(super) fn kernel<const D: usize>(&self, kernel: &Param<Tensor<D>>) -> Tensor<D> {
        rounded(kernel.val(), self.kernel_scale.val())
    }
}

/// A bias as Keras rounds it for the sake of a fused kernel: to bfloat16.
pub(super) fn rounded_bias(bias: &Param<Tensor<1>>) -> Tensor<1> {
    to_bits(bias.val(), 8)
}

/// The nearest numbers that are 8-bit floats times `scale`: 4 bits, exponents from -6 to 8.
fn rounded<const D: usize>(x: Tensor<D>, scale: Tensor<1>) -> Tensor<D> {
    const LARGEST: f32 = 448.0;
    const SMALLEST: f32 = 0.015_625;
    // Steps of 2^-9, as float32 has them at this size.
    const SHIFT: f32 = 1.5 * 16384.0;
    let scale = scale.reshape([1; D]);
    let x = (x / scale.clone()).clamp(-LARGEST, LARGEST);
    let small = (x.clone() + SHIFT) - SHIFT;
    let is_small = x.clone().abs().lower_elem(SMALLEST);
    to_bits(x, 4).mask_where(is_small, small) * scale
}

/// The nearest numbers of so many significant bits. Ties go to the even one, by the rounding of the
/// float additions themselves.
fn to_bits<const D: usize>(x: Tensor<D>, bits: i32) -> Tensor<D> {
    let spread = x.clone() * (2_f32.powi(24 - bits) + 1.0);
    spread.clone() - (spread - x)
}
