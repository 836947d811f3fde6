//! `Embedding`: a row of a table for every index.

use burn::module::{Module, Param};
use burn::tensor::{DType, Int, Tensor};

use crate::config::Dtype;
use crate::constraint::Constraint;
use crate::error::Result;
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
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
    }
}

impl LayerConfig for EmbeddingConfig {
    const CLASSES: &'static [&'static str] = &["Embedding"];
    const MASK: MaskRule = MaskRule::Own;

    type Layer = Embedding;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut shape = args.input()?.shape.clone();
        shape.push(Some(self.output_dim.get()));
        Ok(Spec::new(shape, Dtype::Float32).into())
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        Ok(Variables::default().trainable("embeddings", [self.input_dim.get(), self.output_dim.get()]).with(
            &self.embeddings_initializer,
            &self.embeddings_regularizer,
            &self.embeddings_constraint,
        ))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Embedding> {
        Ok(Embedding { embeddings: weights.param("embeddings")?, mask_zero: self.mask_zero })
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
        let [rows, _] = table.dims();
        let last = rows as i64 - 1;
        let negative = indices.clone().lower_elem(0);
        let wrapped = indices.clone() + rows as i64;
        let indices = indices.mask_where(negative, wrapped);
        let outside = indices.clone().lower_elem(0).bool_or(indices.clone().greater_elem(last));
        // Backends do not agree on what is outside of a table, so nothing outside is ever looked up.
        let found = table.select(0, indices.clamp(0, last));
        let shape = found.dims();
        found.mask_fill(outside.unsqueeze_dim::<2>(1).expand(shape), f32::NAN)
    }
}

impl Layer for Embedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let inputs = args.into_input()?;
        let mut shape = inputs.shape();
        let mask = match self.mask_zero {
            true => {
                let zero = Value::from(Tensor::<1, Int>::zeros([1], &inputs.device()));
                Some(inputs.clone().compare(Compare::NotEqual, zero)?)
            }
            false => None,
        };
        // As Keras: narrower types could not count the rows.
        let dtype = if inputs.dtype() == DType::I64 { DType::I64 } else { DType::I32 };
        let indices = inputs.reshape(&[shape.iter().product()])?.cast(dtype)?.int::<1>()?;
        let found = Value::from(self.forward(indices));
        shape.push(found.shape()[1]);
        Ok(found.reshape(&shape)?.with_mask(mask).into())
    }
}
