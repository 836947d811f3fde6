//! `ReversibleEmbedding` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::module::linear;
use burn::tensor::{Int, Tensor};
use serde_json::{Map, Value as Json};

use super::embedding::Bits;
use super::kernel::{floats, rounded_inputs};
use super::{Quantization, QuantizedEmbedding};
use crate::by_rank;
use crate::config::{Borders, Config, Dtype, Reader};
use crate::error::Result;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::embedding::Indices;
use crate::layers::reversible_embedding::{ReversibleEmbeddingConfig, capped};
use crate::layers::support::flag;
use crate::value::Value;

/// Config of a quantized `ReversibleEmbedding`: that of a plain one, and how its tables are stored.
#[derive(Clone, Debug)]
pub struct QuantizedReversibleEmbeddingConfig {
    embedding: ReversibleEmbeddingConfig,
    bits: Bits,
    rounds_inputs: bool,
}

impl Config for QuantizedReversibleEmbeddingConfig {
    const KEYS: &'static [&'static str] = ReversibleEmbeddingConfig::KEYS;

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let quantization = reader.note(Quantization::read(json));
        let bits = quantization.and_then(|quantization| reader.note(Bits::of(quantization.mode)));
        let embedding = ReversibleEmbeddingConfig::read(json, reader);
        // Unlike a kernel, and with blocks, too.
        let rounds_inputs = quantization?.activations.unwrap_or(true);
        Some(Self { embedding: embedding?, bits: bits?, rounds_inputs })
    }

    fn write(&self) -> Map<String, Json> {
        self.embedding.write()
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
        self.embedding.outputs(args)
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let (rows, columns) = (self.embedding.input_dim.get(), self.embedding.output_dim.get());
        let table = self.bits.variables(rows, columns);
        let variables = Variables::default().with_child("", "embedding", table, true);
        if self.embedding.tie_weights {
            return Ok(variables);
        }
        let groups = self.bits.groups(columns);
        let scales = groups.map_or(vec![rows], |groups| vec![groups, rows]);
        let variables = variables
            .fixed("reverse_embeddings", [self.bits.bytes(columns), rows], Dtype::Int8)
            .fixed("reverse_scale", scales.clone(), Dtype::Float32)
            .flat();
        Ok(match groups {
            Some(_) => variables.fixed("reverse_zero", scales, Dtype::Float32).flat(),
            None => variables,
        })
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedReversibleEmbedding> {
        let ReversibleEmbeddingConfig { output_dim, tie_weights, .. } = self.embedding;
        Ok(QuantizedReversibleEmbedding {
            embedding: self.bits.build(output_dim.get(), false, &weights.child("embedding"))?,
            reverse_embeddings: (!tie_weights).then(|| weights.int("reverse_embeddings")).transpose()?,
            reverse_scale: weights.maybe("reverse_scale")?,
            reverse_zero: weights.maybe("reverse_zero")?,
            rounds_inputs: self.rounds_inputs,
            logit_soft_cap: self.embedding.logit_soft_cap,
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
