//! `Embedding` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use serde_json::{Map, Value as Json};

use super::kernel::{floats, signed, unpack};
use super::{Mode, Quantization};
use crate::config::{Config, Dtype, Reader};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::embedding::{EmbeddingConfig, Indices};
use crate::value::Value;

/// Config of a quantized `Embedding`: that of a plain one, and how its table is stored.
#[derive(Clone, Debug)]
pub struct QuantizedEmbeddingConfig {
    embedding: EmbeddingConfig,
    /// The size of a block of columns that share a scale.
    block: Option<usize>,
    is_packed: bool,
}

impl Config for QuantizedEmbeddingConfig {
    const KEYS: &'static [&'static str] = EmbeddingConfig::KEYS;

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let quantization = reader.note(Quantization::read(json));
        let embedding = EmbeddingConfig::read(json, reader);
        let (is_packed, block) = match quantization?.mode {
            Mode::Int8 => (false, None),
            Mode::Int4 { block } => (true, block),
            Mode::Gptq { .. } | Mode::Awq { .. } => {
                reader.push(Error::unsupported("a table of vectors in this quantization").at("dtype"));
                return None;
            }
        };
        Some(Self { embedding: embedding?, block, is_packed })
    }

    fn write(&self) -> Map<String, Json> {
        self.embedding.write()
    }
}

impl LayerConfig for QuantizedEmbeddingConfig {
    const CLASSES: &'static [&'static str] = EmbeddingConfig::CLASSES;
    const MASK: MaskRule = EmbeddingConfig::MASK;
    const POLICY: Policy = Policy::Quantized;

    type Layer = QuantizedEmbedding;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.embedding.outputs(args)
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let (rows, columns) = (self.embedding.input_dim.get(), self.embedding.output_dim.get());
        let stored = if self.is_packed { columns.div_ceil(2) } else { columns };
        let groups = self.block.map(|block| columns.div_ceil(block.max(1)));
        let scales = groups.map_or(vec![rows], |groups| vec![rows, groups]);
        let variables = Variables::default()
            .fixed("embeddings", [rows, stored], Dtype::Int8)
            .fixed("scale", scales.clone(), Dtype::Float32)
            .flat();
        if groups.is_none() {
            return Ok(variables);
        }
        Ok(variables.fixed("zero", scales, Dtype::Int8).flat().fixed("group", [columns], Dtype::Float32))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedEmbedding> {
        let has_groups = self.block.is_some();
        Ok(QuantizedEmbedding {
            embeddings: weights.int("embeddings")?,
            scale: weights.param("scale")?,
            zero: has_groups.then(|| weights.int("zero")).transpose()?,
            group: weights.maybe("group")?,
            columns: self.embedding.output_dim.get(),
            is_packed: self.is_packed,
            mask_zero: self.embedding.mask_zero,
        })
    }
}

/// A table of vectors in a few bits. Only the rows that are looked up become floats.
///
/// # Shapes
/// - inputs: `[batch, ...]`, integers
/// - outputs: `[batch, ..., output_dim]`
#[derive(Module, Debug)]
pub struct QuantizedEmbedding {
    /// `[input_dim, output_dim]`, two columns in one byte when there are 4 bits for each.
    pub embeddings: Param<Tensor<2, Int>>,
    /// What a row is divided by, or what the groups of its columns are multiplied with.
    pub scale: Param<Tensor<1>>,
    /// The integer that stands for 0, for every row and group.
    pub zero: Option<Param<Tensor<1, Int>>>,
    /// The group of every column.
    pub group: Option<Param<Tensor<1>>>,
    #[module(skip)]
    columns: usize,
    #[module(skip)]
    is_packed: bool,
    #[module(skip)]
    mask_zero: bool,
}

impl QuantizedEmbedding {
    /// The rows at `indices`: `[indices, output_dim]`.
    #[must_use]
    pub fn forward(&self, indices: Tensor<1, Int>) -> Tensor<2> {
        let [rows, _] = self.embeddings.dims();
        Indices::new(indices, rows).look_up(|indices| {
            let values = floats(self.embeddings.val().select(0, indices.clone()));
            let values = if self.is_packed { signed(unpack(values, self.columns)) } else { values };
            let groups = self.scale.val().dims()[0] / rows.max(1);
            let scale = self.scale.val().reshape([rows, groups]).select(0, indices.clone());
            let (Some(zero), Some(group)) = (&self.zero, &self.group) else { return values / scale };
            let zero = floats(zero.val()).reshape([rows, groups]).select(0, indices);
            let group = group.val().int().clamp(0, groups as i64 - 1);
            (values - zero.select(1, group.clone())) * scale.select(1, group)
        })
    }
}

impl Layer for QuantizedEmbedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Indices::call(args.into_input()?, self.mask_zero, |indices| self.forward(indices))
    }
}
