//! `EinsumDense`: `activation(einsum(equation, inputs, kernel) + bias)`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::dense::linear_code;
use crate::activation::Activation;
use crate::codegen::{Code, Place};
use crate::config::Kept;
use crate::constraint::Constraint;
use crate::einsum::{einsum, einsum_shape};
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::{Binary, MAX_RANK, Value};

crate::layer_config! {
    /// Config of `EinsumDense`.
    pub struct EinsumDenseConfig {
        /// The product, of the inputs and the kernel: `ab,bc->ac`, `...b,bc->...c` or `ab...,bc->ac...`.
        equation: String,
        /// The shape of the output without its first axis and those that `...` stands for; null in it for
        /// sizes that the inputs have.
        output_shape: Vec<Option<usize>>,
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// The axes of the output that the bias has; without any there is no bias.
        bias_axes: Option<String> = None,
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
        /// Known from the shape of the kernel.
        gptq_unpacked_column_size: Kept = Kept::default(),
        /// The rank of a low-rank adaptation, which is part of the kernel in a file.
        lora_rank: Kept = Kept::default(),
        /// Its weight.
        lora_alpha: Kept = Kept::default(),
    }
}

/// The letters of an equation, and which end of the inputs and of the output `...` stands at.
struct Terms<'a> {
    input: &'a str,
    kernel: &'a str,
    output: &'a str,
    elided: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl<'a> Terms<'a> {
    /// Keras knows `...` in those two places only.
    fn read(equation: &'a str) -> Option<Self> {
        let (operands, output) = equation.split_once("->")?;
        let (input, kernel) = operands.split_once(',')?;
        let strip = |strip: fn(&'a str) -> Option<&'a str>| Some((strip(input)?, strip(output)?));
        let (input, output, elided) = if let Some((input, output)) = strip(|text| text.strip_prefix("...")) {
            (input, output, Some(End::Left))
        } else if let Some((input, output)) = strip(|text| text.strip_suffix("...")) {
            (input, output, Some(End::Right))
        } else {
            (input, output, None)
        };
        let least = if elided == Some(End::Right) { 2 } else { 1 };
        let are_letters =
            |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_alphabetic());
        let fits = [input, kernel, output].into_iter().all(are_letters) && input.len() >= least;
        fits.then_some(Self { input, kernel, output, elided })
    }
}

/// What the equation makes of an input.
pub(super) struct Shapes {
    pub kernel: Vec<usize>,
    pub bias: Option<Vec<usize>>,
    pub output: Vec<Option<usize>>,
    /// Which axes of the input are summed over.
    pub summed: Vec<usize>,
    /// Which axes of the kernel are summed over.
    pub kernel_summed: Vec<usize>,
    /// The kernel's sizes at the axes of the output, 1 where it has none.
    pub channels: Vec<usize>,
}

/// An equation with what follows it.
#[derive(Clone, Debug)]
pub(super) struct Equation {
    equation: String,
    activation: Activation,
    kernel_shape: Vec<usize>,
    bias_shape: Vec<usize>,
}

impl Equation {
    /// The product with a kernel whose entries are in order.
    pub(super) fn product(&self, x: Value, kernel: Value) -> Result<Value> {
        einsum(&self.equation, vec![x, kernel.reshape(&self.kernel_shape)?])
    }

    /// The output for a product.
    pub(super) fn finish(&self, y: Value, bias: Option<Tensor<1>>) -> Result<Value> {
        let y = match bias {
            Some(bias) => y.binary(Binary::Add, Value::from(bias).reshape(&self.bias_shape)?)?,
            None => y,
        };
        self.activation.apply(y)
    }
}

impl EinsumDenseConfig {
    /// A map of some axes to others, as other layers are made of.
    pub(super) fn linear(equation: &str, output_shape: Vec<Option<usize>>, bias_axes: Option<&str>) -> Self {
        Self {
            equation: equation.to_owned(),
            output_shape,
            activation: Activation::Linear,
            bias_axes: bias_axes.map(str::to_owned),
            kernel_initializer: "glorot_uniform".into(),
            bias_initializer: "zeros".into(),
            kernel_regularizer: Regularizer::none(),
            bias_regularizer: Regularizer::none(),
            activity_regularizer: Regularizer::none(),
            kernel_constraint: Constraint::none(),
            bias_constraint: Constraint::none(),
            quantization_config: Kept::default(),
            gptq_unpacked_column_size: Kept::default(),
            lora_rank: Kept::default(),
            lora_alpha: Kept::default(),
        }
    }

    pub(super) fn equation(&self, shapes: Shapes) -> Equation {
        Equation {
            equation: self.equation.clone(),
            activation: self.activation.clone(),
            kernel_shape: shapes.kernel,
            bias_shape: shapes.bias.unwrap_or_default(),
        }
    }

    pub(super) fn shapes(&self, input: &Spec) -> Result<Shapes> {
        let terms = Terms::read(&self.equation).ok_or_else(|| {
            let forms = "\"ab,bc->ac\", \"...b,bc->...c\" or \"ab...,bc->ac...\"";
            Error::config(format_args!("expected the form {forms}, got {:?}", self.equation)).at("equation")
        })?;
        let elided = input.rank().checked_sub(terms.input.len());
        let elided = elided.filter(|elided| *elided == 0 || terms.elided.is_some());
        let Some(elided) = elided.filter(|_| terms.kernel.len() <= MAX_RANK) else {
            let message = format_args!("{:?} is not for an input of the shape {input}", self.equation);
            return Err(Error::config(message).at("equation"));
        };
        let declared = self.declared(&terms, input, elided)?;
        let before = if terms.elided == Some(End::Left) { elided } else { 0 };
        let of_output = |char| terms.output.find(char).map(|at| declared[before + at]);
        let of_input = |char| terms.input.find(char).map(|at| input.shape[before + at]);
        let known = |char: char| {
            of_output(char).or_else(|| of_input(char)).flatten().ok_or_else(|| {
                Error::config(format_args!("the size of the axis {char:?} is not known")).at("output_shape")
            })
        };
        let kernel = terms.kernel.chars().map(known).collect::<Result<Vec<_>>>()?;
        if let Some(char) = terms.input.chars().find(|char| {
            let sizes = (of_input(*char).flatten(), of_output(*char).flatten());
            matches!(sizes, (Some(own), Some(declared)) if own != declared)
        }) {
            let message = format_args!("the axis {char:?} of the input {input} has another size");
            return Err(Error::config(message).at("output_shape"));
        }
        let bias = match &self.bias_axes {
            None => None,
            Some(axes) => {
                let first = axes.chars().map(|char| terms.output.find(char)).collect::<Option<Vec<_>>>();
                let first = first.and_then(|places| places.into_iter().min()).ok_or_else(|| {
                    Error::config(format_args!("{axes:?} are no axes of the output")).at("bias_axes")
                })?;
                let letters = terms.output[first..].chars();
                let sizes = letters.map(|char| if axes.contains(char) { known(char) } else { Ok(1) });
                let after = if terms.elided == Some(End::Right) { elided } else { 0 };
                Some(sizes.chain(std::iter::repeat_with(|| Ok(1)).take(after)).collect::<Result<_>>()?)
            }
        };
        let given = [input.shape.clone(), kernel.iter().copied().map(Some).collect()];
        let output = einsum_shape(&self.equation, &given).map_err(|error| error.at("equation"))?;
        let is_summed = |char: &char| !terms.output.contains(*char);
        let places = |term: &str| -> Vec<usize> {
            term.chars().enumerate().filter(|(_, char)| is_summed(char)).map(|(at, _)| at).collect()
        };
        let summed = places(terms.input).into_iter().map(|at| before + at).collect();
        let mut channels = vec![1; output.len()];
        for (at, char) in terms.output.chars().enumerate() {
            if let Some(axis) = terms.kernel.find(char) {
                channels[before + at] = kernel[axis];
            }
        }
        Ok(Shapes { summed, kernel_summed: places(terms.kernel), channels, kernel, bias, output })
    }

    /// The shape of the output as far as the config says it.
    fn declared(&self, terms: &Terms<'_>, input: &Spec, elided: usize) -> Result<Vec<Option<usize>>> {
        let own = self.output_shape.iter().copied();
        let declared: Vec<Option<usize>> = match terms.elided {
            Some(End::Left) => input.shape[..elided.max(1)].iter().copied().chain(own).collect(),
            _ => {
                let after = input.shape[input.rank() - elided..].iter().copied();
                input.shape[..1].iter().copied().chain(own).chain(after).collect()
            }
        };
        if declared.len() == elided + terms.output.len() {
            return Ok(declared);
        }
        let message = format_args!("{:?} does not fit {:?}", self.output_shape, self.equation);
        Err(Error::config(message).at("output_shape"))
    }
}

impl LayerConfig for EinsumDenseConfig {
    const CLASSES: &'static [&'static str] = &["EinsumDense"];

    type Layer = EinsumDense;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let shape = self.shapes(input)?.output;
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let Shapes { kernel, bias, .. } = self.shapes(args.input()?)?;
        Ok(Variables::default()
            .trainable("kernel", kernel)
            .frozen_if(self.lora_rank.is_set())
            .flat()
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable_if(bias.is_some(), "bias", bias.unwrap_or_default())
            .flat()
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<EinsumDense> {
        Ok(EinsumDense {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            equation: self.equation(self.shapes(args.input()?)?),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let input = place.input()?;
        let (terms, shapes) = (Terms::read(&self.equation)?, self.shapes(input).ok()?);
        let [features, units] = shapes.kernel[..] else { return None };
        let (kept, summed) = terms.input.split_at(terms.input.len().checked_sub(1)?);
        let new = terms.output.strip_prefix(kept)?;
        let is_linear = terms.elided != Some(End::Right)
            && terms.kernel.strip_prefix(summed) == Some(new)
            && shapes.bias.as_ref().is_none_or(|bias| *bias == [units])
            && !self.lora_rank.is_set();
        let code = linear_code([features, units], shapes.bias.is_some(), &self.kernel_initializer);
        code.then(&self.activation, input.rank()).filter(|_| is_linear)
    }
}

/// A linear map of any axes.
///
/// # Shapes
/// - inputs: `[batch, ...]`, as the equation says
/// - outputs: `[batch, ...]`, as the equation says
#[derive(Module, Debug)]
pub struct EinsumDense {
    /// The axes of the kernel in one.
    pub kernel: Param<Tensor<1>>,
    /// The axes of the bias in one.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    equation: Equation,
}

impl EinsumDense {
    /// Applies the layer.
    ///
    /// # Errors
    /// When the value does not fit the equation.
    pub fn forward(&self, x: Value) -> Result<Value> {
        let y = self.equation.product(x, Value::from(self.kernel.val()))?;
        self.equation.finish(y, self.bias.as_ref().map(Param::val))
    }
}

impl Layer for EinsumDense {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.forward(args.into_input()?)?.into())
    }
}
