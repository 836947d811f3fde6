//! `Embedding`: a row of a table for every index.

use burn::module::{Module, Param};
use burn::tensor::{Bool, DType, Int, Tensor};

use crate::codegen::{Code, Layout, Place};
use crate::config::{Dtype, Kept};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::initializer::Initializer;
use crate::layer::{Args, Borders, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::{Compare, Value};

crate::layer_config! {
    /// Config of `Embedding`.
    pub struct EmbeddingConfig {
        /// The number of rows.
        input_dim: std::num::NonZeroUsize,
        /// The size of a row.
        output_dim: std::num::NonZeroUsize,
        /// Whether index 0 is masked.
        mask_zero: bool = false,
        /// For fresh weights.
        embeddings_initializer: Initializer = "uniform".into(),
        /// For training.
        embeddings_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        embeddings_constraint: Constraint = Constraint::none(),
        /// What a dtype policy of few bits adds.
        quantization_config: Kept = Kept::default(),
        /// The rank of a low-rank adaptation, which is part of the table in a file.
        lora_rank: Kept = Kept::default(),
        /// Its weight.
        lora_alpha: Kept = Kept::default(),
    }
}

impl LayerConfig for EmbeddingConfig {
    const CLASSES: &'static [&'static str] = &["Embedding"];
    const MASK: MaskRule = MaskRule::Own;
    const BORDERS: Borders = Borders::Uncast;

    type Layer = Embedding;

    fn gives_masks(&self, _: bool) -> bool {
        self.mask_zero
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut shape = args.input()?.shape.clone();
        shape.push(Some(self.output_dim.get()));
        Ok(Spec::new(shape, Dtype::Float32).into())
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        Ok(Variables::default()
            .trainable("embeddings", [self.input_dim.get(), self.output_dim.get()])
            .frozen_if(self.lora_rank.is_set())
            .with(&self.embeddings_initializer, &self.embeddings_regularizer, &self.embeddings_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Embedding> {
        Ok(Embedding { embeddings: weights.param("embeddings")?, mask_zero: self.mask_zero })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let indices = place.alone()?;
        let numbers = match indices.dtype {
            Dtype::Int32 | Dtype::Int64 => "{0}",
            Dtype::Float32 => "{0}.int()",
            _ => return None,
        };
        let call = match indices.rank() {
            1 => format!("{{self}}.forward({numbers}.unsqueeze_dim::<2>(1)).squeeze_dim::<2>(1)"),
            2 => format!("{{self}}.forward({numbers})"),
            _ => return None,
        };
        let paths = ["burn::nn::Embedding", "burn::nn::EmbeddingConfig"];
        let (rows, columns) = (self.input_dim.get(), self.output_dim.get());
        let code = Code::module(paths, &format!("{rows}, {columns}"), Layout::Keras);
        let code = code.initialized(&self.embeddings_initializer, &[rows, columns], (rows, Some(columns)));
        (!self.mask_zero && !self.lora_rank.is_set()).then_some(Code { call, ..code })
    }
}

/// A table of vectors.
///
/// A negative index counts from the end. One that is out of range gives `NaN`, as in Keras on JAX.
///
/// # Shapes
/// - inputs: `[batch, ...]`, integers
/// - outputs: `[batch, ..., output_dim]`
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[input_dim, output_dim]`
    pub embeddings: Param<Tensor<2>>,
    #[module(skip)]
    mask_zero: bool,
}

impl Embedding {
    /// The rows at `indices`: `[indices, output_dim]`.
    #[must_use]
    pub fn forward(&self, indices: Tensor<1, Int>) -> Tensor<2> {
        let table = self.embeddings.val();
        Indices::new(indices, table.dims()[0]).look_up(|indices| table.select(0, indices))
    }
}

impl Layer for Embedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Indices::call(args.into_input()?, self.mask_zero, |indices| self.forward(indices))
    }
}

/// Numbers of rows of a table.
pub(crate) struct Indices {
    inside: Tensor<1, Int>,
    outside: Tensor<1, Bool>,
}

impl Indices {
    /// Numbers of the rows of a table that has so many.
    pub(crate) fn new(indices: Tensor<1, Int>, rows: usize) -> Self {
        let last = rows as i64 - 1;
        let negative = indices.clone().lower_elem(0);
        let wrapped = indices.clone() + rows as i64;
        let indices = indices.mask_where(negative, wrapped);
        let outside = indices.clone().lower_elem(0).bool_or(indices.clone().greater_elem(last));
        // Backends do not agree on what is outside of a table, so nothing outside is ever looked up.
        Self { inside: indices.clamp(0, last), outside }
    }

    /// What `rows` finds: `[indices, columns]`, with `NaN` where there is no such row.
    pub(crate) fn look_up(self, rows: impl FnOnce(Tensor<1, Int>) -> Tensor<2>) -> Tensor<2> {
        let found = rows(self.inside);
        let shape = found.dims();
        found.mask_fill(self.outside.unsqueeze_dim::<2>(1).expand(shape), f32::NAN)
    }

    /// Replaces every number in `inputs` by its row, with a mask of those that are not 0 if wanted.
    pub(crate) fn call(
        inputs: Value,
        mask_zero: bool,
        rows: impl FnOnce(Tensor<1, Int>) -> Tensor<2>,
    ) -> Result<Tree<Value>> {
        let mut shape = inputs.shape();
        let mask = match mask_zero {
            true => {
                let zero = Value::from(Tensor::<1, Int>::zeros([1], &inputs.device()));
                Some(inputs.clone().compare(Compare::NotEqual, zero)?)
            }
            false => None,
        };
        // As Keras: narrower types could not count the rows.
        let dtype = if inputs.dtype() == DType::I64 { DType::I64 } else { DType::I32 };
        let found = Value::from(rows(inputs.reshape(&[shape.iter().product()])?.cast(dtype)?.int::<1>()?));
        shape.push(found.shape()[1]);
        Ok(found.reshape(&shape)?.with_mask(mask).into())
    }
}
