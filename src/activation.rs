//! The functions of `keras.activations`.

use burn::tensor::{Tensor, activation};
use serde_json::Value as Json;

use crate::by_rank;
use crate::codegen::{Layout, Place};
use crate::config::{Dtype, Field, Object, Reader, brief};
use crate::error::{Error, Result};
use crate::layer::{Args, Child, Context, Spec};
use crate::map_float;
use crate::module::AnyLayer;
use crate::registry::nearest;
use crate::value::{Order, Value};

/// A layer in the place of an activation function: `activation=LeakyReLU(0.1)`.
#[derive(Clone, Debug)]
pub struct LayerActivation {
    child: Child,
    layer: AnyLayer,
}

impl PartialEq for LayerActivation {
    fn eq(&self, other: &Self) -> bool {
        self.child == other.child
    }
}

impl LayerActivation {
    fn class(&self) -> &'static str {
        self.child.config.class()
    }

    fn code(&self, x: &str, rank: usize, layout: Layout) -> Option<(String, Option<&'static str>)> {
        let args = &Args::one(Spec::new(vec![None; rank], Dtype::Float32));
        let code = self.child.config.code(&Place { args, layout })?;
        let is_plain = code.field.is_none() && code.takes == layout && code.gives == layout;
        let paths = code.uses.as_slice();
        let ([] | [_]) = paths else { return None };
        is_plain.then(|| (code.call.replace("{0}", x), paths.first().copied()))
    }

    fn apply(&self, value: Value) -> Result<Value> {
        let outputs = self.layer.call(Args::one(value), &Context::default())?.into_leaves();
        outputs.into_iter().next().ok_or_else(|| Error::config("the activation gives nothing"))
    }
}

/// Declares the activations: variant, Keras' name, and further names that Keras reads.
macro_rules! activations {
    ($($variant:ident = $name:literal $(| $alias:literal)*),+ $(,)?) => {
        /// A function of `keras.activations`, with Keras' own defaults.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Activation {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
            /// A layer without variables, given as an activation.
            Layer(LayerActivation),
        }

        impl Activation {
            /// The names of the functions.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Keras' name of the function, or the class of the layer.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Layer(layer) => layer.class(),
                }
            }

            /// The function of that name or alias.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

activations! {
    Celu = "celu",
    Elu = "elu",
    Exponential = "exponential",
    Gelu = "gelu",
    Glu = "glu",
    HardShrink = "hard_shrink",
    HardSigmoid = "hard_sigmoid",
    HardSilu = "hard_silu" | "hard_swish",
    HardTanh = "hard_tanh",
    LeakyRelu = "leaky_relu",
    Linear = "linear",
    LogSigmoid = "log_sigmoid",
    LogSoftmax = "log_softmax",
    Mish = "mish",
    Relu = "relu",
    Relu6 = "relu6",
    Selu = "selu",
    Sigmoid = "sigmoid",
    Silu = "silu" | "swish",
    SoftShrink = "soft_shrink",
    Softmax = "softmax",
    Softplus = "softplus",
    Softsign = "softsign",
    SparsePlus = "sparse_plus",
    SparseSigmoid = "sparse_sigmoid",
    Sparsemax = "sparsemax",
    Squareplus = "squareplus",
    Tanh = "tanh",
    TanhShrink = "tanh_shrink",
}

impl Activation {
    /// The shape that it gives: only `glu` changes it, halving the last axis.
    ///
    /// # Errors
    /// When `glu` meets an odd axis.
    pub fn output(&self, input: Spec) -> Result<Spec> {
        match self {
            Self::Layer(layer) => {
                let outputs = layer.child.config.outputs(&Args::one(input))?.into_leaves();
                return outputs
                    .into_iter()
                    .next()
                    .ok_or_else(|| Error::config("the activation gives nothing"));
            }
            Self::Glu => {}
            _ => return Ok(input),
        }
        let mut shape = input.shape.clone();
        match shape.last_mut() {
            Some(Some(size)) if *size % 2 == 0 => *size /= 2,
            Some(None) => {}
            _ => return Err(Error::config(format_args!("glu needs an even last axis, got {input}"))),
        }
        Ok(Spec { shape, ..input })
    }

    /// Applies it to a value of any rank.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn apply(&self, value: Value) -> Result<Value> {
        match self {
            Self::Linear => return Ok(value),
            Self::Layer(layer) => return layer.apply(value),
            _ => {}
        }
        if !self.works_along_an_axis() {
            return map_float!(value, x => self.elementwise(x));
        }
        let (tensor, order) = value.into_stored_float()?;
        by_rank!(tensor.rank(), D => {
            let axis = if order == Order::ChannelsFirst { 1 } else { D - 1 };
            let x = self.along(Tensor::<D>::from_bridge(tensor), axis);
            Value::from_stored(x.into_bridge(), order)
        })
    }

    /// Applies it to a tensor `[..., channels]`.
    ///
    /// # Panics
    /// When a layer in its place refuses the shape, which [`output`](Self::output) tells beforehand.
    #[must_use]
    #[expect(clippy::panic, reason = "as Burn's own operations do on shapes that do not fit")]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if let Self::Layer(layer) = self {
            return match layer.apply(x.into()).and_then(Value::float) {
                Ok(y) => y,
                Err(error) => panic!("{error}"),
            };
        }
        if self.works_along_an_axis() { self.along(x, D - 1) } else { self.elementwise(x) }
    }

    /// The Rust expression of what it makes of `x`, which is an expression that binds tighter than any
    /// operator, and the path of the item that it names. `x` gives a tensor of 32-bit floats of that rank,
    /// whose axes lie as `layout` says.
    pub(crate) fn code(
        &self,
        x: &str,
        rank: usize,
        layout: Layout,
    ) -> Option<(String, Option<&'static str>)> {
        const BURN: Option<&str> = Some("burn::tensor::activation");
        let axis = layout.axis(rank, rank.checked_sub(1)?);
        let (expression, path) = match self {
            Self::Linear => (x.to_owned(), None),
            Self::Layer(layer) => return layer.code(x, rank, layout),
            Self::Exponential => (format!("{x}.exp()"), None),
            Self::Gelu => (format!("activation::gelu({x})"), BURN),
            Self::Glu => (format!("activation::glu({x}, {axis})"), BURN),
            Self::HardShrink => (format!("activation::hard_shrink({x}, 0.5)"), BURN),
            Self::HardSigmoid => (format!("activation::hard_sigmoid({x}, 1.0 / 6.0, 0.5)"), BURN),
            Self::HardSilu => (format!("activation::hard_swish({x})"), BURN),
            Self::HardTanh => (format!("{x}.clamp(-1.0, 1.0)"), None),
            Self::LeakyRelu => (format!("activation::leaky_relu({x}, 0.2)"), BURN),
            Self::LogSigmoid => (format!("activation::log_sigmoid({x})"), BURN),
            Self::LogSoftmax => (format!("activation::log_softmax({x}, {axis})"), BURN),
            Self::Mish => (format!("activation::mish({x})"), BURN),
            Self::Relu => (format!("activation::relu({x})"), BURN),
            Self::Relu6 => (format!("activation::relu6({x})"), BURN),
            Self::Sigmoid => (format!("activation::sigmoid({x})"), BURN),
            Self::Silu => (format!("activation::silu({x})"), BURN),
            Self::SoftShrink => (format!("activation::soft_shrink({x}, 0.5)"), BURN),
            Self::Softmax => (format!("activation::softmax({x}, {axis})"), BURN),
            Self::Softplus => (format!("activation::softplus({x}, 1.0)"), BURN),
            Self::Softsign => (format!("activation::softsign({x})"), BURN),
            Self::Tanh => (format!("activation::tanh({x})"), BURN),
            Self::TanhShrink => (format!("activation::tanhshrink({x})"), BURN),
            Self::Sparsemax if axis + 1 != rank => return None,
            // Not in Burn, or not differentiable there where `e^x` is infinite.
            Self::Celu
            | Self::Elu
            | Self::Selu
            | Self::SparsePlus
            | Self::SparseSigmoid
            | Self::Sparsemax
            | Self::Squareplus => {
                (format!("Activation::{self:?}.forward({x})"), Some("burn_keras::activation::Activation"))
            }
        };
        Some((expression, path))
    }

    fn works_along_an_axis(&self) -> bool {
        matches!(self, Self::Glu | Self::LogSoftmax | Self::Softmax | Self::Sparsemax)
    }

    fn along<const D: usize>(&self, x: Tensor<D>, axis: usize) -> Tensor<D> {
        match self {
            Self::Glu => glu(x, axis),
            Self::LogSoftmax => activation::log_softmax(x, axis),
            Self::Sparsemax => sparsemax(x, axis),
            _ => activation::softmax(x, axis),
        }
    }

    fn elementwise<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Celu => celu(x, 1.0),
            Self::Elu => elu(x, 1.0),
            Self::Exponential => x.exp(),
            Self::Gelu => activation::gelu(x),
            Self::HardShrink => hard_shrink(x, 0.5),
            Self::HardSigmoid => hard_sigmoid(x),
            Self::HardSilu => x.clone() * hard_sigmoid(x),
            Self::HardTanh => x.clamp(-1.0, 1.0),
            Self::LeakyRelu => leaky_relu(x, 0.2),
            Self::LogSigmoid => activation::log_sigmoid(x),
            Self::Mish => x.clone() * activation::softplus(x, 1.0).tanh(),
            Self::Relu => activation::relu(x),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Selu => elu(x, 1.673_263_242_354_377_2) * 1.050_700_987_355_480_5,
            Self::Sigmoid => activation::sigmoid(x),
            Self::Silu => x.clone() * activation::sigmoid(x),
            Self::SoftShrink => soft_shrink(x, 0.5),
            Self::Softplus => activation::softplus(x, 1.0),
            Self::Softsign => x.clone() / (x.abs() + 1.0),
            Self::SparsePlus => {
                let large = x.clone().greater_equal_elem(1.0);
                let middle = (x.clone().clamp(-1.0, 1.0) + 1.0).square() * 0.25;
                middle.mask_where(large, x)
            }
            Self::SparseSigmoid => (x.clamp(-1.0, 1.0) + 1.0) * 0.5,
            Self::Squareplus => squareplus(x, 4.0),
            Self::Tanh => x.tanh(),
            Self::TanhShrink => x.clone() - x.tanh(),
            Self::Linear
            | Self::Glu
            | Self::LogSoftmax
            | Self::Softmax
            | Self::Sparsemax
            | Self::Layer(_) => x,
        }
    }
}

/// `x` above zero, `alpha (e^x - 1)` below.
pub(crate) fn elu<const D: usize>(x: Tensor<D>, alpha: f64) -> Tensor<D> {
    let negative = (x.clone().clamp_max(0.0).exp() - 1.0) * alpha;
    activation::relu(x) + negative
}

/// `x` above zero, `alpha (e^(x / alpha) - 1)` below.
pub(crate) fn celu<const D: usize>(x: Tensor<D>, alpha: f64) -> Tensor<D> {
    let negative = ((x.clone().clamp_max(0.0) / alpha).exp() - 1.0) * alpha;
    activation::relu(x) + negative
}

/// `x` above zero, `slope x` below.
pub(crate) fn leaky_relu<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    activation::relu(x.clone()) + x.clamp_max(0.0) * slope
}

/// `x` where it is further from zero than `threshold`.
pub(crate) fn hard_shrink<const D: usize>(x: Tensor<D>, threshold: f64) -> Tensor<D> {
    let large = x.clone().abs().greater_elem(threshold);
    x.mask_fill(large.bool_not(), 0.0)
}

/// `x`, closer to zero by `threshold`.
pub(crate) fn soft_shrink<const D: usize>(x: Tensor<D>, threshold: f64) -> Tensor<D> {
    activation::relu(x.clone() - threshold) - activation::relu(-x - threshold)
}

/// `(x + sqrt(x^2 + b)) / 2`.
pub(crate) fn squareplus<const D: usize>(x: Tensor<D>, b: f64) -> Tensor<D> {
    (x.clone() + (x.square() + b).sqrt()) * 0.5
}

/// The first half of an axis times the sigmoid of the second.
pub(crate) fn glu<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let half = x.dims()[axis] / 2;
    let gate = activation::sigmoid(x.clone().narrow(axis, half, half));
    x.narrow(axis, 0, half) * gate
}

/// The softmax over some axes together.
pub(crate) fn softmax<const D: usize>(x: Tensor<D>, axes: &[usize]) -> Tensor<D> {
    if let [axis] = axes {
        return activation::softmax(x, *axis);
    }
    let highest = axes.iter().fold(x.clone(), |x, axis| x.max_dim(*axis));
    let powers = (x - highest.detach()).exp();
    let sum = axes.iter().fold(powers.clone(), |x, axis| x.sum_dim(*axis));
    powers / sum
}

/// The logarithm of the softmax over some axes together.
pub(crate) fn log_softmax<const D: usize>(x: Tensor<D>, axes: &[usize]) -> Tensor<D> {
    let highest = axes.iter().fold(x.clone(), |x, axis| x.max_dim(*axis));
    let x = x - highest.detach();
    let sum = axes.iter().fold(x.clone().exp(), |x, axis| x.sum_dim(*axis));
    x - sum.log()
}

fn hard_sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    (x + 3.0).clamp(0.0, 6.0) / 6.0
}

/// `sparsemax` as Keras computes it. The threshold of the literature uses the last running sum of the
/// support; Keras 3.15 adds all of them, and its numbers are the reference here.
pub(crate) fn sparsemax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let size = x.dims()[axis];
    let sorted = x.clone().sort_descending(axis);
    let sums = sorted.clone().cumsum(axis);
    let mut shape = [1; D];
    shape[axis] = size;
    let counts =
        Tensor::<1, burn::tensor::Int>::arange(1..size as i64 + 1, &x.device()).float().reshape(shape);
    let outside = (sorted - (sums.clone() - 1.0) / counts).lower_equal_elem(0.0);
    let support = outside.clone().bool_not().float().sum_dim(axis);
    // As Keras has it: the running sums inside the support, summed up.
    let total = sums.mask_fill(outside, 0.0).sum_dim(axis);
    activation::relu(x - (total - 1.0) / support)
}

impl Field for Activation {
    const EXPECTED: &'static str = "the name of an activation";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let name = match (json, Object::of(json)) {
            (Json::Null, _) => return Some(Self::Linear),
            (Json::String(name), _) => name.as_str(),
            // A function that was serialized as an object: `{class_name: "function", config: "relu"}`.
            (_, None) => match json.get("class_name").and_then(Json::as_str) {
                Some("function") => json.get("config").and_then(Json::as_str).unwrap_or(""),
                _ => {
                    reader.push(Error::config(format_args!(
                        "expected {}, got {}",
                        Self::EXPECTED,
                        brief(json)
                    )));
                    return None;
                }
            },
            (_, Some(_)) => return read_layer(json, reader),
        };
        Self::from_name(name).or_else(|| {
            let hint = nearest(name, Self::NAMES.iter().copied());
            reader.push(Error::unsupported(format_args!("unknown activation {name:?}{hint}")));
            None
        })
    }

    fn write(&self) -> Json {
        match self {
            Self::Layer(layer) => layer.child.json.clone(),
            function => function.name().into(),
        }
    }

    fn source(json: &Json) -> Option<String> {
        let read = Reader::alone(|reader| Self::read(json, reader)).ok()??;
        (!matches!(read, Self::Layer(_))).then(|| format!("{:?}", read.name()))
    }
}

fn read_layer(json: &Json, reader: &mut Reader<'_>) -> Option<Activation> {
    let child = reader.registry().read_child(json, reader)?;
    match child.config.function() {
        Some(layer) => Some(Activation::Layer(LayerActivation { child, layer })),
        None => {
            let class = child.config.class();
            reader.push(Error::unsupported(format_args!("a {class} has state, and cannot be an activation")));
            None
        }
    }
}
