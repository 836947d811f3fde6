//! Attention.

use burn::tensor::{Int, Tensor};

use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::ops::kit::{broadcast, device, maybe, operand};
use crate::value::{Binary, Value};

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[row::<DotProductAttention>()];

/// What a logit counts as where the mask is false.
const MASKED: f64 = -0.7 * f32::MAX as f64;

crate::config! {
    /// The operation `DotProductAttention`: `softmax(query · key * scale + bias) · value` for every head.
    /// Several heads of the query may share one of the key and value.
    pub struct DotProductAttention {
        /// Whether a place sees only those up to itself.
        is_causal: bool = false,
        /// How Keras computes it, not what.
        flash_attention: Option<bool> = None,
        /// A bound of the logits: not null on TPUs only.
        attn_logits_soft_cap: Option<f64> = None,
    }
}

/// `bias` and `mask` must spread to the logits whatever the number of examples is.
fn check_spread(args: &Args<Spec>, name: &str, logits: &Spec) -> Result<()> {
    let Some(given) = maybe(args, name, None)? else { return Ok(()) };
    let given = given.operand;
    let heads = logits.shape[1];
    let fits = match given.shape.as_slice() {
        [first, _, _] => *first == Some(1) || *first == heads,
        shape => matches!(shape.len(), 2 | 4),
    };
    match fits && broadcast(&[logits, &given]).is_ok_and(|shape| shape == logits.shape) {
        true => Ok(()),
        false => Err(Error::unsupported(format_args!("{given} for logits {logits}")).at(name)),
    }
}

impl Function for DotProductAttention {
    const CLASSES: &'static [&'static str] = &["DotProductAttention"];
    const ARGS: &'static [&'static str] = &["query", "key", "value", "bias", "mask", "scale"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if self.attn_logits_soft_cap.is_some() {
            return Err(Error::unsupported("computed on TPUs only").at("attn_logits_soft_cap"));
        }
        let [query, key, value] =
            [operand(args, "query", None)?, operand(args, "key", None)?, operand(args, "value", None)?]
                .map(|given| given.operand);
        for (name, spec) in [("query", &query), ("key", &key), ("value", &value)] {
            spec.expect_rank(4).map_err(|error| error.at(name))?;
            if !spec.dtype.is_float() || spec.dtype != query.dtype {
                return Err(Error::unsupported(format_args!("attention of {}", spec.dtype)).at(name));
            }
        }
        let (heads, shared) = (query.known(2)?, key.known(2)?);
        if key.shape != value.shape
            || key.known(3)? != query.known(3)?
            || shared == 0
            || !heads.is_multiple_of(shared)
        {
            return Err(Error::config(format_args!("attention of {query} to {key} and {value}")));
        }
        let logits = Spec::new(vec![query.shape[0], Some(heads), query.shape[1], key.shape[1]], query.dtype);
        check_spread(args, "bias", &logits)?;
        check_spread(args, "mask", &logits)?;
        if let Some(scale) = maybe(args, "scale", None)?.filter(|scale| scale.operand.rank() > 0) {
            return Err(
                Error::unsupported(format_args!("expected a number, got {}", scale.operand)).at("scale")
            );
        }
        Ok(query.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let take = |name: &str| operand(&args, name, Some(&device))?.operand.float::<4>();
        let (query, key, value) = (take("query")?, take("key")?, take("value")?);
        let [batch, length, heads, size] = query.dims();
        let [_, seen, shared, _] = key.dims();
        // `[batch, heads, length, size]`, each head of the key as often as it is asked.
        let spread = |x: Tensor<4>| -> Tensor<4> {
            let x: Tensor<5> = x.permute([0, 2, 1, 3]).unsqueeze_dim(2);
            x.expand([batch, shared, heads / shared, seen, size]).reshape([batch, heads, seen, size])
        };
        let (key, value) = (spread(key), spread(value));
        let logits = query.permute([0, 2, 1, 3]).matmul(key.swap_dims(2, 3));
        let mut logits = match maybe(&args, "scale", Some(&device))? {
            None => Value::from(logits / (size as f64).sqrt()),
            Some(scale) => Value::from(logits).binary(Binary::Multiply, scale.operand)?,
        };
        if let Some(bias) = maybe(&args, "bias", Some(&device))? {
            logits = logits.binary(Binary::Add, bias.operand)?;
        }
        let mut logits = logits.float::<4>()?;
        let shape = logits.dims();
        if let Some(mask) = maybe(&args, "mask", Some(&device))? {
            let mask = mask.operand.broadcast_to(&shape)?.bool::<4>()?;
            logits = logits.mask_fill(mask.bool_not(), MASKED);
        }
        if self.is_causal {
            let steps = |count: usize| Tensor::<1, Int>::arange(0..count as i64, &device);
            let later = steps(seen).reshape([1, seen]).expand([length, seen]);
            let later = later.greater(steps(length).reshape([length, 1]).expand([length, seen]));
            logits = logits.mask_fill(later.reshape([1, 1, length, seen]).expand(shape), MASKED);
        }
        let weights = burn::tensor::activation::softmax(logits, 3);
        Ok(Value::from(weights.matmul(value).permute([0, 2, 1, 3])).into())
    }
}
