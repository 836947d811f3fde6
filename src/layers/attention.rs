//! `Attention` and `AdditiveAttention`: means of values, weighted by how keys answer to queries.

use burn::module::{Module, Param};
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, BoolStore, DType, Device, Int, Tensor};

use super::dropout::{Dropout, check_rate};
use super::spatial::check_elements;
use super::support::flag;
use crate::codegen::{Code, Layout, Place};
use crate::config::Dtype;
use crate::einsum::{einsum, einsum_shape};
use crate::error::{Error, Result};
use crate::initializer::Seed;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::value::{Binary, MAX_RANK, Reduce, Value};
use crate::{by_rank, map_float};

/// Of queries and keys, and of that and values.
const SCORES: &str = "...qd,...kd->...qk";
const COMBINE: &str = "...qk,...kd->...qd";

/// What is taken off the score of a masked key.
const MASKED: f64 = 1e9;

crate::keywords! {
    /// How a key answers to a query.
    pub enum ScoreMode {
        /// With their product.
        Dot = "dot",
        /// With the sum of the hyperbolic tangents of their sum.
        Concat = "concat",
    }
}

crate::layer_config! {
    /// Config of `Attention`.
    pub struct AttentionConfig {
        /// Whether scores have a learned factor; with `concat` it is inside of the hyperbolic tangent.
        use_scale: bool = false,
        /// How a key answers to a query.
        score_mode: ScoreMode = ScoreMode::Dot,
        /// The share of weights dropped in training.
        dropout: f64 = 0.0,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

crate::layer_config! {
    /// Config of `AdditiveAttention`.
    pub struct AdditiveAttentionConfig {
        /// Whether the hyperbolic tangents have learned factors.
        use_scale: bool = true,
        /// The share of weights dropped in training.
        dropout: f64 = 0.0,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

/// How scores come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scores {
    Dot,
    Concat,
    Additive,
}

impl AttentionConfig {
    fn scores(&self) -> Scores {
        if self.score_mode == ScoreMode::Dot { Scores::Dot } else { Scores::Concat }
    }
}

impl AdditiveAttentionConfig {
    fn scores(&self) -> Scores {
        Scores::Additive
    }
}

/// Queries, values and keys; without keys of their own values serve for both.
fn inputs<T: Clone>(args: &Args<T>) -> Result<[T; 3]> {
    match args.inputs().as_slice() {
        [query, value] => Ok([(*query).clone(), (*value).clone(), (*value).clone()]),
        [query, value, key] => Ok([(*query).clone(), (*value).clone(), (*key).clone()]),
        other => Err(Error::config(format_args!(
            "expected queries, values and perhaps keys, got {} inputs",
            other.len()
        ))),
    }
}

fn outputs(args: &Args<Spec>, scores: Scores) -> Result<Tree<Spec>> {
    flag(args, "use_causal_mask")?;
    let [query, value, key] = inputs(args)?;
    let most = if scores == Scores::Dot { MAX_RANK } else { MAX_RANK - 1 };
    if [&query, &value, &key]
        .iter()
        .any(|spec| spec.rank() != query.rank() || !(3..=most).contains(&spec.rank()))
    {
        return Err(Error::unsupported(format_args!("queries {query}, values {value} and keys {key}")));
    }
    let weights = einsum_shape(SCORES, &[query.shape.clone(), key.shape.clone()])?;
    let output = einsum_shape(COMBINE, &[weights.clone(), value.shape.clone()])?;
    let inner = if scores == Scores::Dot { None } else { key.shape[key.rank() - 1] };
    check_elements("scores of attention", weights.iter().skip(1).copied().chain([inner]).flatten())?;
    let output = query.float(output);
    Ok(match flag(args, "return_attention_scores")? {
        true => Tree::list([output, query.float(weights)]),
        false => output.into(),
    })
}

macro_rules! attention {
    ($config:ident, $class:literal, variables $variables:expr) => {
        impl LayerConfig for $config {
            const CLASSES: &'static [&'static str] = &[$class];
            const ARGS: &'static [&'static str] = &["inputs", "return_attention_scores", "use_causal_mask"];
            const MASK: MaskRule = MaskRule::Own;

            type Layer = Attention;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                check_rate("dropout", self.dropout)?;
                outputs(args, self.scores())
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                let variables: fn(&Self, &Spec) -> Result<Variables> = $variables;
                let [query, ..] = inputs(args)?;
                variables(self, &query)
            }

            fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Attention> {
                Ok(Attention {
                    scale: weights.maybe("scale")?,
                    concat_score_weight: weights.maybe("concat_score_weight")?,
                    dropout: Dropout::plain(self.dropout),
                    scores: self.scores(),
                })
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                let is_plain = !self.use_scale && self.dropout == 0.0;
                product_code(place, self.scores()).filter(|_| is_plain)
            }
        }
    };
}

attention!(
    AttentionConfig,
    "Attention",
    variables | config,
    _ | {
        Ok(Variables::default()
            .trainable_if(config.use_scale, "scale", [])
            .initialized("ones")
            .trainable_if(config.score_mode == ScoreMode::Concat, "concat_score_weight", [])
            .initialized("ones"))
    }
);

attention!(
    AdditiveAttentionConfig,
    "AdditiveAttention",
    variables | config,
    query | {
        let size = query.known(query.rank().wrapping_sub(1))?;
        Ok(Variables::default().trainable_if(config.use_scale, "scale", [size]))
    }
);

/// Attention by products, of what no mask hides, in Rust source.
fn product_code(place: &Place<'_>, scores: Scores) -> Option<Code> {
    let args = place.args;
    let asks = |name: &str| flag(args, name).ok();
    let is_plain = !asks("return_attention_scores")? && !asks("use_causal_mask")?;
    let inputs = place.alike()?;
    let floats = inputs.iter().all(|input| input.dtype == Dtype::Float32);
    let last = inputs.first()?.rank().checked_sub(1)?;
    if !is_plain || !floats || scores != Scores::Dot {
        return None;
    }
    let weights = |key: &str| format!("activation::softmax(query.matmul({key}.transpose()), {last})");
    let call = match inputs.len() {
        2 => {
            let weights = weights("value.clone()");
            format!("{{ let (query, value) = ({{0}}, {{1}}); {weights}.matmul(value) }}")
        }
        3 => {
            format!("{{ let (query, value, key) = ({{0}}, {{1}}, {{2}}); {}.matmul(value) }}", weights("key"))
        }
        _ => return None,
    };
    Some(Code::function(call, Layout::Keras).using("burn::tensor::activation"))
}

/// How far each query is behind each key: `[1, queries, keys]`, not below zero where it may look back.
pub(super) fn offsets(queries: usize, keys: usize, device: &Device) -> Tensor<3, Int> {
    let places = |count: usize| Tensor::<1, Int>::arange(0..count as i64, device);
    places(queries).reshape([1, queries, 1]) - places(keys).reshape([1, 1, keys])
}

/// Attention by the product of queries and keys, or by their sum.
///
/// # Shapes
/// - inputs: queries `[batch, queries, size]`, values `[batch, keys, features]`, and perhaps keys
///   `[batch, keys, size]`
/// - masks: `[batch, queries]` and `[batch, keys]`; the output of a masked query is zero
/// - outputs: `[batch, queries, features]`, with `return_attention_scores` then the weights
///   `[batch, queries, keys]`
#[derive(Module, Debug)]
pub struct Attention {
    /// `[1]`, or in `AdditiveAttention` `[size]`.
    pub scale: Option<Param<Tensor<1>>>,
    /// `[1]`, for the scores of `concat`.
    pub concat_score_weight: Option<Param<Tensor<1>>>,
    dropout: Dropout,
    #[module(skip)]
    scores: Scores,
}

impl Attention {
    fn scores(&self, query: Value, key: Value) -> Result<Value> {
        let times = |value: Value, factor: &Option<Param<Tensor<1>>>| match factor {
            Some(factor) => value.binary(Binary::Multiply, factor.val().into()),
            None => Ok(value),
        };
        if self.scores == Scores::Dot {
            return times(einsum(SCORES, vec![query, key])?, &self.scale);
        }
        let last = query.rank();
        let sum = query.expand_dims(last - 1)?.binary(Binary::Add, key.expand_dims(last - 2)?)?;
        let answers = match self.scores {
            Scores::Additive => times(map_float!(sum, x => x.tanh())?, &self.scale)?,
            _ => map_float!(times(sum, &self.scale)?, x => x.tanh())?,
        };
        times(answers.reduce(Reduce::Sum, &[last])?.squeeze(&[last])?, &self.concat_score_weight)
    }
}

impl Layer for Attention {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let [query, value, key] = inputs(&args)?;
        let (returns_weights, is_causal) =
            (flag(&args, "return_attention_scores")?, flag(&args, "use_causal_mask")?);
        let rank = query.rank();
        if rank < 3 {
            return Err(Error::input(format_args!("expected queries of rank 3, got {:?}", query.shape())));
        }
        let causal = is_causal.then(|| {
            let offsets = offsets(query.shape()[rank - 2], key.shape()[rank - 2], &query.device());
            Value::from(offsets.greater_equal_elem(0))
        });
        let over_keys = |mask: Value| match (mask.rank(), is_causal) {
            (last, true) => mask.expand_dims(last.saturating_sub(1)),
            (2, false) => mask.expand_dims(1),
            _ => Ok(mask),
        };
        let given = value.mask().cloned().map(over_keys).transpose()?;
        let of_queries = query.mask().cloned();
        let mut scores = self.scores(query, key)?;
        if let Some(mask) = [given, causal].into_iter().flatten().map(Ok).reduce(|a, b| a?.and(b?)) {
            let bool = mask?.cast(DType::Bool(BoolStore::Native))?;
            let off = by_rank!(bool.rank(), D => {
                let masked: Tensor<D, Bool> = bool.bool::<D>()?.bool_not();
                Value::from(masked.float() * MASKED)
            })?;
            scores = scores.binary(Binary::Subtract, off)?;
        }
        let weights = map_float!(scores, x => softmax(x, rank - 1))?;
        let kept = self.dropout.call(Args::one(weights.clone()), cx)?.into_leaves();
        let mut output = einsum(COMBINE, kept.into_iter().chain([value]).collect())?;
        if let Some(mask) = &of_queries {
            let zero = Value::from(Tensor::<1>::zeros([1], &output.device()));
            output = output.select(mask.clone().expand_dims(mask.rank())?, zero)?;
        }
        let output = output.with_mask(of_queries);
        Ok(if returns_weights { Tree::list([output, weights]) } else { output.into() })
    }
}
