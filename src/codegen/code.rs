//! What one layer is in Rust source.

use crate::activation::Activation;
use crate::config::{DataFormat, Dtype};
use crate::initializer::Initializer;
use crate::layer::{Args, Spec};
use crate::value::Order;

/// The order in which generated code holds the axes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// As Keras says: for a channels-last model `[batch, spatial..., channels]`.
    Keras,
    /// `[batch, channels, spatial...]`, although Keras says otherwise. Burn's spatial modules want it.
    ChannelsFirst,
}

impl Layout {
    /// How spatial layers of a model with channels there want their values.
    pub(crate) fn spatial(format: Option<DataFormat>) -> Self {
        if format == Some(DataFormat::ChannelsFirst) { Self::Keras } else { Self::ChannelsFirst }
    }

    /// Where an axis of a value of that rank lies, given where it is in Keras.
    pub(crate) fn axis(self, rank: usize, axis: usize) -> usize {
        match self {
            Self::Keras => axis,
            Self::ChannelsFirst => Order::ChannelsFirst.axis(rank, axis),
        }
    }
}

/// Where a layer stands when it is asked for its source.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The shapes and types that it is called with, in Keras' order of axes.
    pub args: &'a Args<Spec>,
    /// How the values that it is called with lie there. All do so, or else it is `Keras`.
    pub layout: Layout,
}

impl<'a> Place<'a> {
    /// The only tensor that the layer is called with, if it is of 32-bit floats.
    pub(crate) fn input(&self) -> Option<&'a Spec> {
        let input = self.args.input().ok()?;
        let is_alone = self.args.leaves().len() == 1;
        (is_alone && input.dtype == Dtype::Float32).then_some(input)
    }

    /// All tensors that the layer is called with, if there are any, and they are alike in type and rank.
    pub(crate) fn alike(&self) -> Option<Vec<&'a Spec>> {
        let inputs = self.args.leaves();
        let first = *inputs.first()?;
        let is_like = |input: &&Spec| input.dtype == first.dtype && input.rank() == first.rank();
        let fits = first.rank() > 0 && first.dtype != Dtype::String;
        (fits && inputs.iter().all(is_like)).then_some(inputs)
    }

    /// The only tensor that the layer is called with, whatever its type.
    pub(crate) fn alone(&self) -> Option<&'a Spec> {
        match self.alike()?.as_slice() {
            [input] if self.args.inputs().len() == 1 => Some(input),
            _ => None,
        }
    }

    /// How an input lies of a spatial layer that works in either order.
    pub(crate) fn spatial(&self, format: Option<DataFormat>) -> Layout {
        if format == Some(DataFormat::ChannelsFirst) { Layout::Keras } else { self.layout }
    }

    /// A layer without a field for an [input](Self::input) that may lie as it likes, as does its output.
    pub(crate) fn elementwise(&self, call: impl Into<String>) -> Option<Code> {
        self.input()?;
        Some(Code::function(call, self.layout))
    }
}

/// A field of the generated module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its type: `Linear`.
    pub ty: String,
    /// The expression that makes it, with fresh weights, on `device`: `LinearConfig::new(8, 4).init(device)`.
    ///
    /// If the layer has variables and is not trainable, it is to be frozen: `.freeze()`. After a mere
    /// `.no_grad()`, Burn's `BatchNorm` would normalize by the batch in training, as Keras' does not.
    pub init: String,
}

/// A layer in Rust source: a field, if it has parameters, and an expression.
///
/// Its numbers must be Keras', in training, too; a layer that cannot promise that has no code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What it keeps.
    pub field: Option<Field>,
    /// What it gives. `{0}`, `{1}`, ... are the tensors that it is called with, in Keras' flattened order, each
    /// an owned expression that stands here at most once, and binds tighter than any operator: a name, a call.
    /// `{self}` is the field.
    pub call: String,
    /// The items that both name: `burn::nn::{Linear, LinearConfig}` as `["burn::nn::Linear", "burn::nn::LinearConfig"]`.
    pub uses: Vec<&'static str>,
    /// How it wants the values that it is called with.
    pub takes: Layout,
    /// How it gives its output.
    pub gives: Layout,
}

impl Code {
    /// An expression without a field, whose output lies as its inputs do.
    pub(crate) fn function(call: impl Into<String>, layout: Layout) -> Self {
        Self { field: None, call: call.into(), uses: Vec::new(), takes: layout, gives: layout }
    }

    /// A module of burn-nn, by the paths of its type and of the config that makes it from the arguments
    /// `new`. Its output lies as its input does.
    pub(crate) fn module([module, config]: [&'static str; 2], new: &str, layout: Layout) -> Self {
        let init = format!("{}::new({new}).init(device)", name_of(config));
        let field = Some(Field { ty: name_of(module).to_owned(), init });
        Self { field, uses: vec![module, config], ..Self::function("{self}.forward({0})", layout) }
    }

    /// Sets what the config of the module has another default for: `("bias", "false", "true")`.
    pub(crate) fn with(mut self, setting: &str, value: impl Into<String>, default: &str) -> Self {
        let value = value.into();
        if let Some(Field { init, .. }) = self.field.as_mut().filter(|_| value != default) {
            let config = init.strip_suffix(".init(device)").unwrap_or(init);
            *init = format!("{config}.with_{setting}({value}).init(device)");
        }
        self
    }

    /// Lets fresh weights of that shape in Keras be drawn as Keras does, where Burn has that initializer:
    /// see [`Initializer::code`]. Modules of burn-nn draw their biases from the same one.
    pub(crate) fn initialized(
        self,
        initializer: &Initializer,
        shape: &[usize],
        fans: (usize, Option<usize>),
    ) -> Self {
        match initializer.code(shape, fans) {
            Some(code) => self.with("initializer", code, "").using("burn::nn::Initializer"),
            None => self,
        }
    }

    /// Makes the module without a device, which those without parameters do not take.
    pub(crate) fn without_device(mut self) -> Self {
        if let Some(Field { init, .. }) = &mut self.field {
            *init = init.replace(".init(device)", ".init()");
        }
        self
    }

    /// Names one more item in what it says.
    pub(crate) fn using(mut self, path: &'static str) -> Self {
        self.uses.push(path);
        self
    }

    /// Gives its output in another order than it takes its inputs.
    pub(crate) fn giving(self, gives: Layout) -> Self {
        Self { gives, ..self }
    }

    /// Applies an activation to the output, which is of that rank.
    pub(crate) fn then(mut self, activation: &Activation, rank: usize) -> Option<Self> {
        let (call, path) = activation.code(&self.call, rank, self.gives)?;
        self.uses.extend(path);
        Some(Self { call, ..self })
    }
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// A float, as Rust writes it.
pub(crate) fn number(number: f64) -> Option<String> {
    number.is_finite().then(|| format!("{number:?}"))
}

/// An array, as Rust writes it: `[1, 2]`.
pub(crate) fn array(numbers: &[impl std::fmt::Debug]) -> String {
    format!("{numbers:?}")
}

/// What burn-nn's modules want once for every spatial axis: `2` or `[2, 2]`.
pub(crate) fn per_axis(numbers: &[usize]) -> String {
    match numbers {
        [number] => number.to_string(),
        numbers => array(numbers),
    }
}
