//! `Dense`: `activation(inputs · kernel + bias)` over the last axis.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::linear;

use crate::activation::Activation;
use crate::by_rank;
use crate::codegen::{Code, Layout, Place};
use crate::config::Kept;
use crate::constraint::Constraint;
use crate::error::Result;
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `Dense`.
    pub struct DenseConfig {
        /// Size of the last axis of the output.
        units: std::num::NonZeroUsize,
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// For fresh weights.
        kernel_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        bias_initializer: Initializer = "zeros".into(),
        /// For training.
        kernel_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        bias_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        kernel_constraint: Constraint = Constraint::none(),
        /// For training.
        bias_constraint: Constraint = Constraint::none(),
        /// What a dtype policy of few bits adds.
        quantization_config: Kept = Kept::default(),
        /// The rank of a low-rank adaptation, which is part of the kernel in a file.
        lora_rank: Kept = Kept::default(),
        /// Its weight.
        lora_alpha: Kept = Kept::default(),
    }
}

impl DenseConfig {
    /// `[features, units]`.
    pub(crate) fn kernel_shape(&self, args: &Args<Spec>) -> Result<[usize; 2]> {
        let input = args.input()?;
        Ok([input.known(input.rank().wrapping_sub(1))?, self.units.get()])
    }
}

impl LayerConfig for DenseConfig {
    const CLASSES: &'static [&'static str] = &["Dense"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Dense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let mut shape = input.shape.clone();
        input.known(input.rank().wrapping_sub(1))?;
        shape.splice(input.rank() - 1.., [Some(self.units.get())]);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        Ok(Variables::default()
            .trainable("kernel", self.kernel_shape(args)?)
            .frozen_if(self.lora_rank.is_set())
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable_if(self.use_bias, "bias", [self.units.get()])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Dense> {
        Ok(Dense {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            activation: self.activation.clone(),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let rank = place.input()?.rank();
        let kernel = self.kernel_shape(place.args).ok()?;
        let code = linear_code(kernel, self.use_bias, &self.kernel_initializer);
        let code = code.then(&self.activation, rank);
        code.filter(|_| !self.lora_rank.is_set())
    }
}

/// A linear map of the last axis as burn-nn has it, for a kernel of `[features, units]`.
pub(super) fn linear_code(kernel: [usize; 2], use_bias: bool, initializer: &Initializer) -> Code {
    let [features, units] = kernel;
    let paths = ["burn::nn::Linear", "burn::nn::LinearConfig"];
    let code = Code::module(paths, &format!("{features}, {units}"), Layout::Keras);
    let code = code.with("bias", use_bias.to_string(), "true");
    code.initialized(initializer, &kernel, (features, Some(units)))
}

/// A linear map of the last axis.
///
/// # Shapes
/// - inputs: `[batch, ..., features]`
/// - outputs: `[batch, ..., units]`
#[derive(Module, Debug)]
pub struct Dense {
    /// `[features, units]`.
    pub kernel: Param<Tensor<2>>,
    /// `[units]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    activation: Activation,
}

impl Dense {
    /// Applies the layer to a tensor whose last axis has the features.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let y = linear(x, self.kernel.val(), self.bias.as_ref().map(Param::val));
        self.activation.forward(y)
    }
}

impl Layer for Dense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        by_rank!(x.rank(), D => Value::from(self.forward(x.float::<D>()?)).into())
    }
}
