//! `ReversibleEmbedding` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Int, Tensor};
use serde_json::{Map, Value as Json};

use super::embedding::Bits;
use super::kernel::{floats, rounded_inputs};
use super::{Quantization, QuantizedEmbedding, Storage, StoredConfig};
use crate::by_rank;
use crate::config::{Borders, Dtype, Reader};
use crate::error::Result;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::embedding::Indices;
use crate::layers::reversible_embedding::{ReversibleEmbeddingConfig, capped};
use crate::layers::support::flag;
use crate::value::Value;

/// Config of a quantized `ReversibleEmbedding`: that of a plain one, and how its tables are stored.
pub type QuantizedReversibleEmbeddingConfig = StoredConfig<ReversibleEmbeddingConfig, Tables>;

/// How the tables of both ways are stored.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    bits: Bits,
    rounds_inputs: bool,
}

impl Storage for Tables {
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let quantization = Quantization::read(json, reader)?;
        let bits = reader.note(Bits::of(quantization.mode))?;
        // Unlike a kernel, and with blocks, too.
        Some(Self { bits, rounds_inputs: quantization.activations.unwrap_or(true) })
    }
}

impl LayerConfig for QuantizedReversibleEmbeddingConfig {
    const CLASSES: &'static [&'static str] = ReversibleEmbeddingConfig::CLASSES;
    const ARGS: &'static [&'static str] = ReversibleEmbeddingConfig::ARGS;
    const MASK: MaskRule = ReversibleEmbeddingConfig::MASK;
    const BORDERS: Borders = ReversibleEmbeddingConfig::BORDERS;
    const POLICY: Policy = Policy::Quantized;

    type Layer = QuantizedReversibleEmbedding;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.plain.outputs(args)
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let (rows, columns) = (self.plain.input_dim.get(), self.plain.output_dim.get());
        let table = self.storage.bits.variables(rows, columns);
        let variables = Variables::default().with_child("", "embedding", table, true);
        if self.plain.tie_weights {
            return Ok(variables);
        }
        let groups = self.storage.bits.groups(columns);
        let scales = groups.map_or(vec![rows], |groups| vec![groups, rows]);
        let variables = variables
            .fixed("reverse_embeddings", [self.storage.bits.bytes(columns), rows], Dtype::Int8)
            .fixed("reverse_scale", scales.clone(), Dtype::Float32)
            .flat();
        Ok(match groups {
            Some(_) => variables.fixed("reverse_zero", scales, Dtype::Float32).flat(),
            None => variables,
        })
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedReversibleEmbedding> {
        let ReversibleEmbeddingConfig { output_dim, tie_weights, .. } = self.plain;
        Ok(QuantizedReversibleEmbedding {
            embedding: self.storage.bits.build(output_dim.get(), false, &weights.child("embedding"))?,
            reverse_embeddings: (!tie_weights).then(|| weights.int("reverse_embeddings")).transpose()?,
            reverse_scale: weights.maybe("reverse_scale")?,
            reverse_zero: weights.maybe("reverse_zero")?,
            rounds_inputs: self.storage.rounds_inputs,
            logit_soft_cap: self.plain.logit_soft_cap,
        })
    }
}

/// A table of vectors in a few bits, and a linear map back.
///
/// # Shapes
/// - inputs: `[batch, ...]`, integers; with `reverse` `[batch, ..., output_dim]`
/// - outputs: `[batch, ..., output_dim]`; with `reverse` `[batch, ..., input_dim]`
#[derive(Module, Debug)]
pub struct QuantizedReversibleEmbedding {
    /// The table, and the group of every column on both ways.
    pub embedding: QuantizedEmbedding,
    /// `[output_dim, input_dim]` when the way back has a table of its own, two rows in one byte when there
    /// are 4 bits for each.
    pub reverse_embeddings: Option<Param<Tensor<2, Int>>>,
    /// What a column is divided by, or what the groups of its rows are multiplied with.
    pub reverse_scale: Option<Param<Tensor<1>>>,
    /// The number that stands for 0, for every group and column.
    pub reverse_zero: Option<Param<Tensor<1>>>,
    #[module(skip)]
    rounds_inputs: bool,
    #[module(skip)]
    logit_soft_cap: Option<f64>,
}

impl QuantizedReversibleEmbedding {
    /// A number for every row, of vectors in the last axis.
    #[must_use]
    pub fn reverse<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x = if self.rounds_inputs { rounded_inputs(x, &[D - 1]) } else { x };
        capped(linear(x, self.reverse_table().transpose(), None), self.logit_soft_cap)
    }

    /// The table of the way back: `[input_dim, output_dim]`.
    fn reverse_table(&self) -> Tensor<2> {
        let table = &self.embedding;
        let (Some(bytes), Some(scale)) = (&self.reverse_embeddings, &self.reverse_scale) else {
            return table.table();
        };
        let by_row =
            |param: &Param<Tensor<1>>| param.val().reshape([table.groups(), table.rows()]).transpose();
        let bytes = floats(bytes.val()).transpose();
        table.decode(bytes, by_row(scale), self.reverse_zero.as_ref().map(by_row))
    }
}

impl Layer for QuantizedReversibleEmbedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let reverse = flag(&args, "reverse")?;
        let x = args.into_input()?;
        if reverse {
            return by_rank!(x.rank(), D => Value::from(self.reverse(x.float::<D>()?)).into());
        }
        // In a few bits Keras masks nothing, whatever `mask_zero` says.
        Indices::call(x, false, |indices| self.embedding.forward(indices))
    }
}
