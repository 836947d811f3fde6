//! Attention of several heads in Rust source.

use super::{Call, Settings};
use crate::codegen::{Code, Layout, Place, number};
use crate::config::Dtype;
use crate::layer::Spec;
use crate::ops::source::cast;

impl Settings {
    /// As burn-nn's module, where all that is said of heads agrees with its one size.
    pub(super) fn code(&self, place: &Place<'_>) -> Option<Code> {
        let call = Call::read(place.args).ok()?;
        let size = call.query.shape.last().copied().flatten()?;
        let is_like =
            |input: &Spec| input.rank() == 3 && input.dtype == Dtype::Float32 && input.shape[2] == Some(size);
        let fits = [&call.query, &call.value, call.key()].into_iter().all(is_like)
            && [self.key_dim, self.value_dim].into_iter().all(|own| own.checked_mul(self.heads) == Some(size))
            && (self.output.is_empty() || self.output == [size])
            && !self.is_grouped
            && !self.use_gate
            && self.window.is_none()
            && [&call.query_mask, &call.value_mask, &call.key_mask].into_iter().all(Option::is_none)
            && !call.returns_weights
            && self.dropout < 1.0
            // What sees nothing then sees zeros in Keras, not the mean of all.
            && (self.dropout == 0.0 || call.attention_mask.is_none());
        if !fits {
            return None;
        }
        let (given, types) = call.attention_mask.as_ref().map_or(Some((None, "")), |mask| {
            let fits = matches!(mask.rank(), 2 | 3);
            fits.then_some((Some("mask"), cast(mask.dtype, Dtype::Bool)?))
        })?;
        let key = call.key.as_ref().map(|_| "key");
        let names: Vec<&str> = ["query", "value"].into_iter().chain(key).chain(given).collect();
        let operands: Vec<String> = (0..names.len()).map(|at| format!("{{{at}}}")).collect();
        let inputs = format!("let ({}) = ({});", names.join(", "), operands.join(", "));
        let new = format!("MhaInput::new(query, {}, value)", key.unwrap_or("value.clone()"));
        // Burn's masks say what is hidden, and have all axes.
        let given = given.map(|mask| format!("{mask}{types}.bool_not().expand(shape)"));
        let causal = "Tensor::<2, Bool>::tril_mask([queries, keys], 0, &query.device()).expand(shape)";
        let hidden = match (given, call.is_causal) {
            (None, false) => None,
            (None, true) => Some(causal.to_owned()),
            (Some(given), false) => Some(given),
            (Some(given), true) => Some(format!("{given}.bool_or({causal})")),
        };
        let sizes = "let ([batch, queries, _], [_, keys, _]) = (query.dims(), value.dims()); let shape = [batch, queries, keys];";
        let call = match &hidden {
            None => format!("{{ {inputs} {{self}}.forward({new}).context }}"),
            Some(hidden) => format!(
                "{{ {inputs} {sizes} let hidden = {hidden}; {{self}}.forward({new}.mask_attn(hidden)).context }}"
            ),
        };
        let paths =
            ["burn::nn::attention::MultiHeadAttention", "burn::nn::attention::MultiHeadAttentionConfig"];
        let code = Code::module(paths, &format!("{size}, {}", self.heads), Layout::Keras)
            .using("burn::nn::attention::MhaInput")
            .with("dropout", number(self.dropout)?, "0.1");
        let code = match hidden {
            Some(_) => ["burn::tensor::Bool", "burn::tensor::Tensor"]
                .into_iter()
                .fold(code, Code::using)
                .with("min_float", "-1e38", ""),
            None => code,
        };
        let biases = ["query_bias", "key_bias", "value_bias", "output_bias"];
        let code =
            biases.into_iter().fold(code, |code, bias| code.with(bias, self.use_bias.to_string(), "true"));
        Some(Code { call, ..code })
    }
}
