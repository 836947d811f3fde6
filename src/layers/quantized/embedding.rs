//! `Embedding` in a few bits.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use serde_json::{Map, Value as Json};

use super::kernel::{floats, signed, unpack};
use super::{Mode, Quantization, Storage, StoredConfig};
use crate::config::{Dtype, Reader};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Policy, Spec, Tree, Variables, Weights};
use crate::layers::embedding::{EmbeddingConfig, Indices};
use crate::value::Value;

/// Config of a quantized `Embedding`: that of a plain one, and how its table is stored.
pub type QuantizedEmbeddingConfig = StoredConfig<EmbeddingConfig, Bits>;

/// How a table of vectors is stored.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    /// The size of a block of columns that share a scale.
    block: Option<usize>,
    is_packed: bool,
}

impl Storage for Bits {
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let quantization = Quantization::read(json, reader)?;
        reader.note(Self::of(quantization.mode))
    }
}

impl Bits {
    pub(super) fn of(mode: Mode) -> Result<Self> {
        match mode {
            Mode::Int8 => Ok(Self { block: None, is_packed: false }),
            Mode::Int4 { block } => Ok(Self { block, is_packed: true }),
            Mode::Gptq { .. } | Mode::Awq { .. } => {
                Err(Error::unsupported("a table of vectors in this quantization").at("dtype"))
            }
        }
    }

    /// How many bytes so many columns are.
    pub(super) fn bytes(self, columns: usize) -> usize {
        if self.is_packed { columns.div_ceil(2) } else { columns }
    }

    /// The number of groups of columns, when there are any.
    pub(super) fn groups(self, columns: usize) -> Option<usize> {
        self.block.map(|block| columns.div_ceil(block.max(1)))
    }

    pub(super) fn variables(self, rows: usize, columns: usize) -> Variables {
        let groups = self.groups(columns);
        let scales = groups.map_or(vec![rows], |groups| vec![rows, groups]);
        let variables = Variables::default()
            .fixed("embeddings", [rows, self.bytes(columns)], Dtype::Int8)
            .fixed("scale", scales.clone(), Dtype::Float32)
            .flat();
        if groups.is_none() {
            return variables;
        }
        variables.fixed("zero", scales, Dtype::Int8).flat().fixed("group", [columns], Dtype::Float32)
    }

    pub(super) fn build(
        self,
        columns: usize,
        mask_zero: bool,
        weights: &Weights<'_>,
    ) -> Result<QuantizedEmbedding> {
        Ok(QuantizedEmbedding {
            embeddings: weights.int("embeddings")?,
            scale: weights.param("scale")?,
            zero: self.block.is_some().then(|| weights.int("zero")).transpose()?,
            group: weights.maybe("group")?,
            columns,
            is_packed: self.is_packed,
            mask_zero,
        })
    }
}

impl LayerConfig for QuantizedEmbeddingConfig {
    const CLASSES: &'static [&'static str] = EmbeddingConfig::CLASSES;
    const MASK: MaskRule = EmbeddingConfig::MASK;
    const POLICY: Policy = Policy::Quantized;

    type Layer = QuantizedEmbedding;

    fn gives_masks(&self, masked: bool) -> bool {
        self.plain.gives_masks(masked)
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.plain.outputs(args)
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        Ok(self.storage.variables(self.plain.input_dim.get(), self.plain.output_dim.get()))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<QuantizedEmbedding> {
        self.storage.build(self.plain.output_dim.get(), self.plain.mask_zero, weights)
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
        Indices::new(indices, self.rows()).look_up(|indices| {
            let (scale, zero) = self.scale_and_zero();
            let pick = |table: Tensor<2>| table.select(0, indices.clone());
            let bytes = floats(self.embeddings.val().select(0, indices.clone()));
            self.decode(bytes, pick(scale), zero.map(pick))
        })
    }

    /// All rows: `[input_dim, output_dim]`.
    #[must_use]
    pub fn table(&self) -> Tensor<2> {
        let (scale, zero) = self.scale_and_zero();
        self.decode(floats(self.embeddings.val()), scale, zero)
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.embeddings.dims()[0]
    }

    /// The scale and the zero of every row and group.
    fn scale_and_zero(&self) -> (Tensor<2>, Option<Tensor<2>>) {
        let shape = [self.rows(), self.groups()];
        let zero = self.zero.as_ref().map(|zero| floats(zero.val()).reshape(shape));
        (self.scale.val().reshape(shape), zero)
    }

    pub(super) fn groups(&self) -> usize {
        self.scale.dims()[0] / self.rows().max(1)
    }

    /// The floats of rows that are stored as this table is.
    pub(super) fn decode(&self, bytes: Tensor<2>, scale: Tensor<2>, zero: Option<Tensor<2>>) -> Tensor<2> {
        let values = if self.is_packed { signed(unpack(bytes, self.columns)) } else { bytes };
        let (Some(zero), Some(group)) = (zero, &self.group) else { return values / scale };
        let group = group.val().int().clamp(0, self.groups() as i64 - 1);
        (values - zero.select(1, group.clone())) * scale.select(1, group)
    }
}

impl Layer for QuantizedEmbedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Indices::call(args.into_input()?, self.mask_zero, |indices| self.forward(indices))
    }
}
