//! `SpectralNormalization`: a layer whose kernel, in training, is divided by its largest singular value.
//!
//! That value comes of power iterations from a vector that is kept from step to step. The kernel itself is
//! left to the optimizer, as in Keras' `fit` on JAX; outside of training the layer runs as it is.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::initializer::TruncatedNormal;
use crate::layer::{
    Args, Borders, Child, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variable, Variables, Weights,
};
use crate::module::{AnyLayer, State, Training};
use crate::value::Value;

/// `keras.backend.epsilon()`
const EPSILON: f64 = 1e-7;

crate::layer_config! {
    /// Config of `SpectralNormalization`.
    pub struct SpectralNormalizationConfig {
        /// The layer.
        layer: Child,
        /// How many iterations a step of training makes.
        power_iterations: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN,
    }
}

impl SpectralNormalizationConfig {
    /// The variables of the layer, and which of them is normalized.
    fn inner(&self, args: &Args<Spec>) -> Result<(Variables, Variable)> {
        let variables = self.layer.config.variables(&Args::one(args.input()?.clone()))?;
        let named = |name: &str| variables.iter().find(|variable| variable.param == name).cloned();
        let kernel = named("kernel").or_else(|| named("embeddings")).ok_or_else(|| {
            Error::config("expected a layer with a kernel or embeddings of its own").at("layer")
        })?;
        Ok((variables, kernel))
    }
}

impl LayerConfig for SpectralNormalizationConfig {
    const CLASSES: &'static [&'static str] = &["SpectralNormalization"];
    const MASK: MaskRule = MaskRule::Own;
    const BORDERS: Borders = Borders::Wrapper;

    type Layer = SpectralNormalization;

    fn gives_masks(&self, masked: bool) -> bool {
        self.layer.config.gives_masks(masked)
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        if input.dtype == Dtype::Bool {
            return Err(Error::unsupported("booleans in SpectralNormalization"));
        }
        match self.layer.config.outputs(&Args::one(input.clone()))? {
            Tree::Leaf(output) => Ok(output.with_dtype(input.dtype).into()),
            _ => Err(Error::unsupported("a layer with several outputs in SpectralNormalization")),
        }
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (variables, kernel) = self.inner(args)?;
        let last = kernel.shape.last().copied().unwrap_or(1);
        Ok(Variables::default()
            .with_child("layer", "layer", variables, self.layer.trainable)
            .with_copy(&format!("layer.{}", kernel.param))
            .fixed("vector_u", [1, last], Dtype::Float32)
            .initialized(TruncatedNormal { stddev: 0.02, ..TruncatedNormal::default() }))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<SpectralNormalization> {
        let vector_u = weights.state("vector_u")?;
        let mut inner = weights.child("layer").frozen_unless(self.layer.trainable);
        Ok(SpectralNormalization {
            layer: self.layer.config.build(&Args::one(args.input()?.clone()), &mut inner)?,
            vector_u,
            training: Training::default(),
            kernel: self.inner(args)?.1,
            mask: self.layer.config.mask_rule(),
            power_iterations: self.power_iterations.get(),
        })
    }
}

/// A layer with a normalized kernel.
///
/// # Shapes
/// - inputs, outputs: those of the layer; outputs are converted to the type of the inputs
#[derive(Module, Debug)]
pub struct SpectralNormalization {
    /// The layer as it is.
    pub layer: AnyLayer,
    /// `[1, last axis of the kernel]`
    pub vector_u: State<2>,
    training: Training,
    #[module(skip)]
    kernel: Variable,
    #[module(skip)]
    mask: MaskRule,
    #[module(skip)]
    power_iterations: usize,
}

/// A vector of length 1.
fn unit(vector: Tensor<2>) -> Tensor<2> {
    let length = vector.clone().square().sum().sqrt().recip().clamp_max(1.0 / EPSILON);
    vector * length.reshape([1, 1])
}

impl SpectralNormalization {
    /// The kernel with its last axis in Keras' order as columns.
    fn matrix(&self) -> Result<Tensor<2>> {
        let mut found = Kernel { wanted: &self.kernel.param, path: Vec::new(), value: None };
        self.layer.visit(&mut found);
        let value = found.value.ok_or_else(|| Error::weights("the layer has lost its kernel"))?;
        let shape = &self.kernel.shape;
        let value = match self.kernel.axes.is_empty() {
            true => value,
            false => {
                let mut back = vec![0; shape.len()];
                self.kernel.axes.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
                value.permute(&back)?
            }
        };
        let columns = shape.last().copied().unwrap_or(1);
        let rows = shape.iter().product::<usize>() / columns.max(1);
        value.reshape(&[rows, columns])?.float::<2>()
    }

    /// The layer with its kernel divided by its largest singular value, as far as that is known.
    fn normalized(&self) -> Result<AnyLayer> {
        let matrix = self.matrix()?;
        let fixed = matrix.clone().detach();
        let old = self.vector_u.get();
        let (mut u, mut v) = (old.clone(), None);
        for _ in 0..self.power_iterations {
            let next = unit(u.matmul(fixed.clone().transpose()));
            u = unit(next.clone().matmul(fixed.clone()));
            v = Some(next);
        }
        let Some(v) = v else { return Ok(self.layer.clone()) };
        let sigma = v.matmul(matrix).matmul(u.clone().transpose());
        // A kernel of nothing but zeros stays as it is.
        let is_zero = fixed.abs().max().equal_elem(0.0);
        let sigma = sigma.mask_fill(is_zero.clone().reshape([1, 1]), 1.0);
        self.vector_u.set(u.mask_where(is_zero.reshape([1, 1]).expand(old.dims()), old));
        let mut divide = Divide { wanted: &self.kernel.param, path: Vec::new(), by: sigma.reshape([1]) };
        Ok(self.layer.clone().map(&mut divide))
    }
}

/// Finds a parameter of a layer.
struct Kernel<'a> {
    wanted: &'a str,
    path: Vec<String>,
    value: Option<Value>,
}

impl ModuleVisitor for Kernel<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.join(".") == self.wanted {
            self.value = Some(Value::from(param.val()));
        }
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// Divides a parameter of a layer.
struct Divide<'a> {
    wanted: &'a str,
    path: Vec<String>,
    by: Tensor<1>,
}

impl ModuleMapper for Divide<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.path.join(".") != self.wanted {
            return param;
        }
        param.map(|kernel| kernel / self.by.clone().reshape([1; D]))
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

impl Layer for SpectralNormalization {
    fn reset_state(&self) {
        self.layer.reset_state();
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (dtype, given) = (x.dtype(), x.mask().cloned());
        let outputs = match self.training.is_on(&x.device(), cx) {
            true => self.normalized()?.call(Args::one(x), cx)?,
            false => self.layer.call(Args::one(x), cx)?,
        };
        let output = outputs.into_leaves().into_iter().next();
        let output = output.ok_or_else(|| Error::config("the layer gives nothing"))?;
        // Only what needs no conversion keeps the mask that the layer gives.
        let mask = match self.mask {
            _ if output.dtype() != dtype => None,
            MaskRule::Own => output.mask().cloned(),
            MaskRule::Pass => given,
            MaskRule::Drop => None,
        };
        Ok(output.cast(dtype)?.with_mask(mask).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::testing::{build, read};
    use burn::tensor::{Device, Distribution};
    use serde_json::json;

    #[test]
    fn training_divides_by_the_largest_singular_value() {
        let device = Device::flex();
        for (inner, shape, size) in [
            (json!({"class_name": "Dense", "config": {"units": 3, "use_bias": false}}), &[2, 4][..], 4),
            (
                json!({"class_name": "Conv1D", "config": {"filters": 3, "kernel_size": 2, "use_bias": false}}),
                &[2, 5, 4],
                8,
            ),
        ] {
            let config = read("SpectralNormalization", &json!({"layer": inner, "power_iterations": 50}));
            let specs = Args::one(Spec::new(shape.iter().copied().map(Some).collect(), Dtype::Float32));
            let layer = build(config.as_ref(), &specs, &device).unwrap();
            let own: &SpectralNormalization = layer.downcast_ref().unwrap();
            let matrix = own.matrix().unwrap();
            assert_eq!(matrix.dims(), [size, 3]);
            let x = Tensor::<1>::random([shape.iter().product::<usize>()], Distribution::Default, &device);
            let x = Value::from(x).reshape(shape).unwrap();
            let run = |training| {
                let y = layer.call(Args::one(x.clone()), &Context { training: Some(training) }).unwrap();
                y.into_leaves().remove(0).into_data().try_to_vec::<f32>().unwrap()
            };
            let (plain, normal) = (run(false), run(true));
            let sigma = plain[0] / normal[0];
            assert!(plain.iter().zip(&normal).all(|(plain, normal)| (plain / normal - sigma).abs() < 1e-4));
            let u = own.vector_u.get();
            // The square of the singular value is what the product of the matrix by itself makes of its vector.
            let gram = matrix.clone().transpose().matmul(matrix);
            let again = (u.clone().matmul(gram) - u * (sigma * sigma)).abs().max().into_scalar::<f32>();
            assert!(again < 1e-3, "{again}");
            assert_eq!(run(false), plain);
        }
    }

    #[test]
    fn gradients_reach_the_kernel() {
        let device = Device::flex().autodiff();
        let inner = json!({"class_name": "Dense", "config": {"units": 3}});
        let config = read("SpectralNormalization", &json!({"layer": inner}));
        let specs = Args::one(Spec::new(vec![Some(2), Some(4)], Dtype::Float32));
        let layer = build(config.as_ref(), &specs, &device).unwrap();
        let x = Tensor::<2>::ones([2, 4], &device);
        let y = layer.call(Args::one(x.into()), &Context::default()).unwrap().into_leaves().remove(0);
        let gradients = y.float::<2>().unwrap().square().sum().backward();
        let own: &SpectralNormalization = layer.downcast_ref().unwrap();
        let dense: &crate::layers::Dense = own.layer.downcast_ref().unwrap();
        assert!(dense.kernel.val().grad(&gradients).is_some());
    }
}
