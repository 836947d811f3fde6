//! `MultiHeadAttention` and `GroupQueryAttention`: attention of several heads between projections of
//! queries, keys and values.
//!
//! Keras computes in one of two ways, which differ for queries that may attend to nothing: as a whole, where
//! such a query sees the mean of all values, or step by step, where it sees zeros. It goes step by step when
//! there is a rate of dropout, when the weights are asked for, and over more than one axis.

mod code;

use std::num::NonZeroUsize;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{BoolStore, DType};

use super::attention::offsets;
use super::dropout::{Dropout, check_rate};
use super::einsum_dense::{EinsumDense, EinsumDenseConfig};
use super::softmax::masked_softmax;
use super::spatial::check_elements;
use super::support::flag;
use crate::activation::Activation;
use crate::codegen::{Code, Place};
use crate::config::{Axes, PerAxis, resolve_axis};
use crate::constraint::Constraint;
use crate::einsum::{einsum, einsum_shape};
use crate::error::{Error, Result};
use crate::initializer::{Initializer, Seed};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::regularizer::Regularizer;
use crate::value::{Binary, Value};

/// What stands for minus infinity where Keras computes attention as a whole.
const MASKED: f32 = -0.7 * f32::MAX;

/// Declares a config with the keys that both kinds have, and those of one.
macro_rules! heads {
    ($class:literal, $config:ident, { $($own:tt)* }) => {
        crate::layer_config! {
            #[doc = concat!("Config of `", $class, "`.")]
            pub struct $config {
                $($own)*
                /// The share of weights dropped in training.
                dropout: f64 = 0.0,
                /// Whether the projections have a bias.
                use_bias: bool = true,
                /// Whether a projection of the queries gates what the heads give.
                use_gate: bool = false,
                /// How far from a query its keys may be, itself included.
                sliding_window: Option<NonZeroUsize> = None,
                /// Whether Keras takes a fused kernel, which computes the same.
                flash_attention: Option<bool> = None,
                /// For Keras' own random numbers.
                seed: Seed = Seed::default(),
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
            }
        }
    };
}

heads!("MultiHeadAttention", MultiHeadAttentionConfig, {
    /// The number of heads.
    num_heads: NonZeroUsize,
    /// The size of a query and of a key of one head.
    key_dim: NonZeroUsize,
    /// The size of a value of one head; null for that of a key.
    value_dim: Option<NonZeroUsize> = None,
    /// The last axes of the output; null for that of the queries.
    output_shape: Option<PerAxis> = None,
    /// The axes that queries attend over; null for all between the batch and the features.
    attention_axes: Option<Axes> = None,
});

heads!("GroupQueryAttention", GroupQueryAttentionConfig, {
    /// The size of a query, a key and a value of one head.
    head_dim: NonZeroUsize,
    /// The number of heads.
    num_query_heads: NonZeroUsize,
    /// The number of heads with keys and values of their own; as many queries each share them.
    num_key_value_heads: NonZeroUsize,
});

/// What a config says of its projections.
macro_rules! rules {
    ($config:expr) => {
        Rules {
            initializers: [$config.kernel_initializer.clone(), $config.bias_initializer.clone()],
            regularizers: [$config.kernel_regularizer.clone(), $config.bias_regularizer.clone()],
            constraints: [$config.kernel_constraint.clone(), $config.bias_constraint.clone()],
        }
    };
}

impl MultiHeadAttentionConfig {
    fn settings(&self) -> Result<Settings> {
        let output = match &self.output_shape {
            None => Vec::new(),
            Some(PerAxis::One(size)) => {
                PerAxis::One(*size).positive(1).map_err(|error| error.at("output_shape"))?
            }
            Some(PerAxis::Each(sizes)) => PerAxis::Each(sizes.clone())
                .positive(sizes.len())
                .map_err(|error| error.at("output_shape"))?,
        };
        Ok(Settings {
            is_grouped: false,
            heads: self.num_heads.get(),
            key_heads: self.num_heads.get(),
            key_dim: self.key_dim.get(),
            value_dim: self.value_dim.unwrap_or(self.key_dim).get(),
            output,
            axes: self.attention_axes.as_ref().map(|axes| match axes {
                Axes::One(axis) => vec![*axis],
                Axes::Many(axes) => axes.clone(),
            }),
            window: self.sliding_window.map(NonZeroUsize::get),
            dropout: self.dropout,
            use_bias: self.use_bias,
            use_gate: self.use_gate,
            rules: rules!(self),
        })
    }
}

impl GroupQueryAttentionConfig {
    fn settings(&self) -> Result<Settings> {
        let (heads, key_heads) = (self.num_query_heads.get(), self.num_key_value_heads.get());
        if !heads.is_multiple_of(key_heads) {
            let message = format_args!("{key_heads} heads cannot serve {heads} of queries alike");
            return Err(Error::config(message).at("num_key_value_heads"));
        }
        Ok(Settings {
            is_grouped: true,
            heads,
            key_heads,
            key_dim: self.head_dim.get(),
            value_dim: self.head_dim.get(),
            output: Vec::new(),
            axes: None,
            window: self.sliding_window.map(NonZeroUsize::get),
            dropout: self.dropout,
            use_bias: self.use_bias,
            use_gate: self.use_gate,
            rules: rules!(self),
        })
    }
}

/// What both kinds have in common.
#[derive(Clone, Debug)]
struct Settings {
    is_grouped: bool,
    heads: usize,
    key_heads: usize,
    key_dim: usize,
    value_dim: usize,
    /// The last axes of the output; none for those of the queries.
    output: Vec<usize>,
    axes: Option<Vec<i64>>,
    window: Option<usize>,
    dropout: f64,
    use_bias: bool,
    use_gate: bool,
    rules: Rules,
}

/// What becomes of the kernels and biases of the projections.
#[derive(Clone, Debug)]
struct Rules {
    initializers: [Initializer; 2],
    regularizers: [Regularizer; 2],
    constraints: [Constraint; 2],
}

impl Rules {
    fn of(&self, projection: EinsumDenseConfig) -> EinsumDenseConfig {
        let [kernel_initializer, bias_initializer] = self.initializers.clone();
        let [kernel_regularizer, bias_regularizer] = self.regularizers.clone();
        let [kernel_constraint, bias_constraint] = self.constraints.clone();
        EinsumDenseConfig {
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
            ..projection
        }
    }
}

/// The arguments of a call.
struct Call<T> {
    query: T,
    value: T,
    /// Where it is not the value.
    key: Option<T>,
    query_mask: Option<T>,
    value_mask: Option<T>,
    key_mask: Option<T>,
    attention_mask: Option<T>,
    returns_weights: bool,
    is_causal: bool,
}

impl<T: Clone> Call<T> {
    fn read(args: &Args<T>) -> Result<Self> {
        let tensor = |name: &str| match args.get(name) {
            None => Ok(None),
            Some(Tree::Leaf(tensor)) => Ok(Some(tensor.clone())),
            Some(_) => Err(Error::unsupported("expected a tensor").at(name)),
        };
        let needed = |name: &str| tensor(name)?.ok_or_else(|| Error::config("expected a tensor").at(name));
        Ok(Self {
            query: needed("query")?,
            value: needed("value")?,
            key: tensor("key")?,
            query_mask: tensor("query_mask")?,
            value_mask: tensor("value_mask")?,
            key_mask: tensor("key_mask")?,
            attention_mask: tensor("attention_mask")?,
            returns_weights: flag(args, "return_attention_scores")?,
            is_causal: flag(args, "use_causal_mask")?,
        })
    }

    fn key(&self) -> &T {
        self.key.as_ref().unwrap_or(&self.value)
    }
}

/// The products of attention over some axes of `[batch, ..., heads, size]`.
#[derive(Clone, Debug)]
struct Equations {
    /// Of keys and queries: `[batch, ..., heads, queries..., keys...]`.
    scores: String,
    /// Of that and the values: `[batch, ..., heads, size]`.
    combine: String,
}

impl Equations {
    fn new(rank: usize, axes: &[usize]) -> Self {
        let letter = |at: usize| char::from(b'a'.saturating_add(at as u8));
        let query: Vec<char> = (0..rank).map(letter).collect();
        let mut key = query.clone();
        for (at, axis) in axes.iter().enumerate() {
            key[*axis] = letter(rank + at);
        }
        let others = (0..rank - 1).filter(|axis| !axes.contains(axis)).map(|axis| query[axis]);
        let own = axes.iter().map(|axis| query[*axis]);
        let scores: String = others.chain(own).chain(axes.iter().map(|axis| key[*axis])).collect();
        let (query, key) = (String::from_iter(query), String::from_iter(key));
        Self { combine: format!("{scores},{key}->{query}"), scores: format!("{key},{query}->{scores}") }
    }
}

/// One of the projections: its field, its config, and what goes into it.
type Projection = (&'static str, EinsumDenseConfig, Spec);

impl Settings {
    /// The axes that queries of a rank attend over.
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(given) = &self.axes else { return Ok((1..rank - 1).collect()) };
        let axes = given.iter().map(|axis| resolve_axis(*axis, rank)).collect::<Result<Vec<_>>>();
        let axes = axes.map_err(|error| error.at("attention_axes"))?;
        let is_wrong =
            |(at, axis): (usize, &usize)| *axis == 0 || *axis == rank - 1 || axes[..at].contains(axis);
        if axes.is_empty() || axes.iter().enumerate().any(is_wrong) {
            let message = format_args!("attention over the axes {given:?} of an input of rank {rank}");
            return Err(Error::unsupported(message).at("attention_axes"));
        }
        Ok(axes)
    }

    /// The projections in the order in which Keras makes them.
    fn projections(&self, call: &Call<Spec>) -> Result<Vec<Projection>> {
        let heads = |heads: usize, size: usize, input: &Spec| {
            let bias = self.use_bias.then_some("hk");
            let config = EinsumDenseConfig::linear("...d,dhk->...hk", vec![Some(heads), Some(size)], bias);
            input.known(input.rank().wrapping_sub(1)).map(|_| (config, input.clone()))
        };
        let (query, key) =
            (heads(self.heads, self.key_dim, &call.query)?, heads(self.key_heads, self.key_dim, call.key())?);
        let value = heads(self.key_heads, self.value_dim, &call.value)?;
        let mut projections = vec![("query_dense", query.0, query.1), ("key_dense", key.0, key.1)];
        if self.use_gate {
            let (config, input) = heads(self.heads, self.value_dim, &call.query)?;
            projections.push((
                "gate_dense",
                EinsumDenseConfig { activation: Activation::Sigmoid, ..config },
                input,
            ));
        }
        projections.push(("value_dense", value.0, value.1));
        let mut combined = call.query.clone();
        let features = combined.shape.pop().flatten();
        combined.shape.extend([Some(self.heads), Some(self.value_dim)]);
        let sizes = if self.output.is_empty() {
            vec![features]
        } else {
            self.output.iter().copied().map(Some).collect()
        };
        let letters: String = ('l'..='z').take(sizes.len()).collect();
        let bias = self.use_bias.then_some(letters.as_str());
        let config = EinsumDenseConfig::linear(&format!("...hk,hk{letters}->...{letters}"), sizes, bias);
        projections.push(("output_dense", config, combined));
        Ok(projections)
    }

    /// The shape of the weights, when the arguments fit.
    fn weights(&self, call: &Call<Spec>) -> Result<Vec<Option<usize>>> {
        let (query, value, key) = (&call.query, &call.value, call.key());
        let rank = query.rank();
        if rank < 3 || value.rank() != rank || key.rank() != rank || (self.is_grouped && rank != 3) {
            return Err(Error::config(format_args!(
                "queries {query}, values {value} and keys {key} do not fit"
            )));
        }
        if self.is_grouped && query.shape[rank - 1] != value.shape[rank - 1] {
            return Err(Error::config(format_args!("queries {query} and values {value} differ in size")));
        }
        let axes = self.axes(rank)?;
        let equations = Equations::new(rank + 1, &axes);
        let projected =
            |input: &Spec, size: usize| [&input.shape[..rank - 1], &[Some(self.heads), Some(size)]].concat();
        let (keys, values) = (projected(key, self.key_dim), projected(value, self.value_dim));
        let scores = einsum_shape(&equations.scores, &[keys, projected(query, self.key_dim)])?;
        einsum_shape(&equations.combine, &[scores.clone(), values])?;
        check_elements("weights of attention", scores.iter().skip(1).copied().flatten())?;
        let banded =
            (call.is_causal || self.window.is_some()).then(|| vec![Some(1), query.shape[1], value.shape[1]]);
        let given = call.attention_mask.as_ref().map(|mask| mask.shape.clone());
        for mask in banded.into_iter().chain(given) {
            let mut aligned = mask.clone();
            aligned.splice(
                insertion(mask.len(), scores.len(), axes.len())?,
                vec![Some(1); scores.len() - mask.len()],
            );
            let fits = |(own, size): (&Option<usize>, &Option<usize>)| match (own, size) {
                (Some(own), Some(size)) => *own == 1 || own == size,
                _ => true,
            };
            if !aligned.iter().zip(&scores).all(fits) {
                return Err(Error::config(format_args!("a mask {mask:?} does not fit weights {scores:?}")));
            }
        }
        Ok(scores)
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("dropout", self.dropout)?;
        let call = Call::read(args)?;
        let weights = self.weights(&call)?;
        let mut output = None;
        for (field, config, input) in self.projections(&call)? {
            let outputs = config.outputs(&Args::one(input)).map_err(|error| error.at(field))?;
            output = outputs.into_leaves().pop();
        }
        let output = output.ok_or_else(|| Error::config("expected an output"))?;
        Ok(match call.returns_weights {
            true => Tree::list([output, call.query.float(weights)]),
            false => output.into(),
        })
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let projections = self.projections(&Call::read(args)?)?;
        projections.into_iter().try_fold(Variables::default(), |variables, (field, config, input)| {
            let is_private = self.is_grouped || field == "gate_dense";
            let group = if is_private { format!("_{field}") } else { field.to_owned() };
            let own = self.rules.of(config).variables(&Args::one(input))?;
            Ok(variables.with_child(&group, field, own, true))
        })
    }

    fn build(self, args: &Args<Spec>, weights: &Weights<'_>) -> Result<MultiHeadAttention> {
        let call = Call::read(args)?;
        let rank = call.query.rank();
        let projections = self.projections(&call)?;
        let build = |field: &str| {
            let projection = projections.iter().find(|(known, ..)| *known == field);
            let build = |(_, config, input): &Projection| {
                config.build(&Args::one(input.clone()), &mut weights.child(field))
            };
            projection.map(build).transpose()
        };
        let needed = |field: &str| build(field)?.ok_or_else(|| Error::config("expected a projection"));
        Ok(MultiHeadAttention {
            query_dense: needed("query_dense")?,
            key_dense: needed("key_dense")?,
            gate_dense: build("gate_dense")?,
            value_dense: needed("value_dense")?,
            output_dense: needed("output_dense")?,
            dropout: Dropout::plain(self.dropout),
            equations: Equations::new(rank + 1, &self.axes(rank)?),
            attended: self.axes(rank)?.len(),
            settings: self,
        })
    }
}

/// Where a mask of `rank` axes lacks those that the weights have: right before the axes of queries and keys.
fn insertion(rank: usize, of_weights: usize, attended: usize) -> Result<std::ops::Range<usize>> {
    let at = rank.checked_sub(2 * attended).filter(|_| rank <= of_weights).ok_or_else(|| {
        Error::unsupported(format_args!("a mask of {rank} axes for weights of {of_weights}"))
    })?;
    Ok(at..at)
}

macro_rules! layer {
    ($config:ident, $classes:expr, group $group:expr, takes masks $takes:literal) => {
        impl LayerConfig for $config {
            const CLASSES: &'static [&'static str] = $classes;
            const ARGS: &'static [&'static str] = &[
                "query",
                "value",
                "key",
                "query_mask",
                "value_mask",
                "key_mask",
                "attention_mask",
                "return_attention_scores",
                "use_causal_mask",
            ];
            const MASK: MaskRule = MaskRule::Own;
            const TAKES_MASKS: bool = $takes;

            type Layer = MultiHeadAttention;

            fn group_name(&self) -> Option<String> {
                Some($group.to_owned())
            }

            fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
                match given.is_none() {
                    true => Ok(Regularizer::none()),
                    false => Err(Error::unsupported("an activity regularizer, which is for the projections")),
                }
            }

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.settings()?.outputs(args)
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                self.settings()?.variables(args)
            }

            fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<MultiHeadAttention> {
                self.settings()?.build(args, weights)
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                self.settings().ok()?.code(place)
            }
        }
    };
}

layer!(
    MultiHeadAttentionConfig,
    &["MultiHeadAttention"],
    group "multi_head_attention",
    takes masks true
);

// Files have the public name in the config, and the path of the Python class, which is another.
layer!(
    GroupQueryAttentionConfig,
    &["GroupQueryAttention", "GroupedQueryAttention"],
    group "grouped_query_attention",
    takes masks false
);

/// Attention of several heads: `MultiHeadAttention` or `GroupQueryAttention`.
///
/// # Shapes
/// - query: `[batch, queries..., features]`
/// - value, key: `[batch, keys..., features]`; without a key the value serves for both
/// - query mask: `[batch, queries]`; value mask, key mask: `[batch, keys]`
/// - attention mask: `[batch, heads, queries..., keys...]`, the first axes of which may be missing
/// - outputs: `[batch, queries..., features]`, with `return_attention_scores` then the weights
///   `[batch, heads, queries..., keys...]`
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// Of the queries, `[features, heads, key_dim]`.
    pub query_dense: EinsumDense,
    /// Of the keys, `[features, heads, key_dim]`.
    pub key_dense: EinsumDense,
    /// Of the queries, `[features, heads, value_dim]`.
    pub gate_dense: Option<EinsumDense>,
    /// Of the values, `[features, heads, value_dim]`.
    pub value_dense: EinsumDense,
    /// Of what the heads give, `[heads, value_dim, features]`.
    pub output_dense: EinsumDense,
    dropout: Dropout,
    #[module(skip)]
    equations: Equations,
    #[module(skip)]
    attended: usize,
    #[module(skip)]
    settings: Settings,
}

impl MultiHeadAttention {
    /// Which query may attend to which key: `[batch, queries, keys]`, or what broadcasts to it.
    fn mask(&self, call: &Call<Value>) -> Result<Option<Value>> {
        let own = |value: &Value| value.mask().cloned();
        // Keras' `MultiHeadAttention` looks at the mask that the queries carry, whatever it is given.
        let is_grouped = self.settings.is_grouped;
        let query = call.query_mask.clone().filter(|_| is_grouped).or_else(|| own(&call.query));
        let value = call.value_mask.clone().or_else(|| own(&call.value));
        let key = call.key_mask.clone().or_else(|| call.key.as_ref().and_then(own));
        // Alone, numbers count as true from one half in one kind, and unless they are zero in the other.
        let bool = DType::Bool(BoolStore::Native);
        let given = call.attention_mask.clone();
        let given = given.map(|mask| if is_grouped { Ok(mask) } else { mask.cast(bool) }).transpose()?;
        let offsets = || offsets(call.query.shape()[1], call.value.shape()[1], &call.query.device());
        let masks = [
            query
                .map(|mask| {
                    let last = mask.rank();
                    mask.expand_dims(last)
                })
                .transpose()?,
            value
                .map(|mask| {
                    let last = mask.rank() - 1;
                    mask.expand_dims(last)
                })
                .transpose()?,
            key.map(|mask| {
                let last = mask.rank() - 1;
                mask.expand_dims(last)
            })
            .transpose()?,
            call.is_causal.then(|| Value::from(offsets().greater_equal_elem(0))),
            self.settings.window.map(|window| Value::from(offsets().abs().lower_elem(window as i64))),
            given,
        ];
        let mut masks = masks.into_iter().flatten();
        let Some(first) = masks.next() else { return Ok(None) };
        masks.try_fold(first, Value::and).map(Some)
    }

    /// The weights of `scores`, as a whole or step by step.
    fn weights(&self, scores: Value, mask: Option<Value>, as_a_whole: bool) -> Result<Value> {
        let rank = scores.rank();
        let mask = mask.map(|mask| {
            let mut shape = mask.shape();
            shape.splice(insertion(shape.len(), rank, self.attended)?, vec![1; rank - mask.rank()]);
            mask.reshape(&shape)
        });
        let mask = mask.transpose()?;
        if !as_a_whole {
            return masked_softmax(scores, mask, &(rank - self.attended..rank).collect::<Vec<_>>());
        }
        let shape = scores.shape();
        let mask = mask.map(|mask| mask.broadcast_to(&shape)?.bool::<4>()).transpose()?;
        let scores = scores.float::<4>()?;
        let scores = match mask {
            Some(mask) => scores.mask_fill(mask.bool_not(), MASKED),
            None => scores,
        };
        Ok(softmax(scores, 3).into())
    }
}

impl Layer for MultiHeadAttention {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let (call, settings) = (Call::read(&args)?, &self.settings);
        drop(args);
        let mask = self.mask(&call)?;
        let as_a_whole = settings.dropout == 0.0 && !call.returns_weights && call.query.rank() == 3;
        let carried = call.query.mask().cloned();
        let gate = self.gate_dense.as_ref().map(|gate| gate.forward(call.query.clone())).transpose()?;
        let repeated =
            |value: Value| value.repeat_each(call.query.rank() - 1, settings.heads / settings.key_heads);
        let key = repeated(self.key_dense.forward(call.key().clone())?)?;
        let value = repeated(self.value_dense.forward(call.value)?)?;
        let query = self.query_dense.forward(call.query)?;
        let scale = (settings.key_dim as f64).sqrt().recip();
        let query = map_float!(query, x => x * scale)?;
        let weights = self.weights(einsum(&self.equations.scores, vec![key, query])?, mask, as_a_whole)?;
        let kept = self.dropout.call(Args::one(weights.clone()), cx)?.into_leaves();
        let operands = kept.into_iter().chain([value]).collect();
        let combined = einsum(&self.equations.combine, operands)?;
        let combined = match gate {
            Some(gate) => combined.binary(Binary::Multiply, gate)?,
            None => combined,
        };
        let output = self.output_dense.forward(combined)?.with_mask(carried);
        Ok(if call.returns_weights { Tree::list([output, weights]) } else { output.into() })
    }
}
