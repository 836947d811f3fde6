//! `ReversibleEmbedding`: an embedding that also maps vectors back to a number for every row.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::linear;

use super::embedding::Indices;
use super::support::flag;
use crate::by_rank;
use crate::config::{Dtype, Kept};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Borders, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `ReversibleEmbedding`.
    pub struct ReversibleEmbeddingConfig {
        /// The number of rows.
        input_dim: std::num::NonZeroUsize,
        /// The size of a row.
        output_dim: std::num::NonZeroUsize,
        /// Whether the way back uses the same table.
        tie_weights: bool = true,
        /// Whether index 0 is masked.
        mask_zero: bool = false,
        /// The type in which the way back is computed: `float32` or null.
        reverse_dtype: Option<Dtype> = None,
        /// What the numbers on the way back stay below, by a hyperbolic tangent.
        logit_soft_cap: Option<f64> = None,
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

impl LayerConfig for ReversibleEmbeddingConfig {
    const CLASSES: &'static [&'static str] = &["ReversibleEmbedding"];
    const ARGS: &'static [&'static str] = &["inputs", "reverse"];
    const MASK: MaskRule = MaskRule::Own;
    const BORDERS: Borders = Borders::Uncast;

    type Layer = ReversibleEmbedding;

    fn gives_masks(&self, _: bool) -> bool {
        self.mask_zero
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if let Some(dtype) = self.reverse_dtype.filter(|dtype| *dtype != Dtype::Float32) {
            return Err(Error::unsupported(format_args!("a way back in {dtype}")).at("reverse_dtype"));
        }
        let mut shape = args.input()?.shape.clone();
        if flag(args, "reverse")? {
            let size = shape.pop().flatten();
            if size.is_some_and(|size| size != self.output_dim.get()) {
                let (wanted, input) = (self.output_dim, args.input()?);
                return Err(Error::config(format_args!("expected vectors of {wanted}, got {input}")));
            }
            shape.push(Some(self.input_dim.get()));
        } else {
            shape.push(Some(self.output_dim.get()));
        }
        Ok(Spec::new(shape, Dtype::Float32).into())
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        let (rows, columns) = (self.input_dim.get(), self.output_dim.get());
        Ok(Variables::default()
            .trainable("embeddings", [rows, columns])
            .frozen_if(self.lora_rank.is_set())
            .with(&self.embeddings_initializer, &self.embeddings_regularizer, &self.embeddings_constraint)
            .trainable_if(!self.tie_weights, "reverse_embeddings", [columns, rows])
            .initialized(self.embeddings_initializer.clone()))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<ReversibleEmbedding> {
        Ok(ReversibleEmbedding {
            embeddings: weights.param("embeddings")?,
            reverse_embeddings: weights.maybe("reverse_embeddings")?,
            mask_zero: self.mask_zero,
            logit_soft_cap: self.logit_soft_cap,
        })
    }
}

/// A table of vectors, and a linear map back.
///
/// # Shapes
/// - inputs: `[batch, ...]`, integers; with `reverse` `[batch, ..., output_dim]`
/// - outputs: `[batch, ..., output_dim]`; with `reverse` `[batch, ..., input_dim]`
#[derive(Module, Debug)]
pub struct ReversibleEmbedding {
    /// `[input_dim, output_dim]`
    pub embeddings: Param<Tensor<2>>,
    /// `[output_dim, input_dim]`, when the way back has a table of its own.
    pub reverse_embeddings: Option<Param<Tensor<2>>>,
    #[module(skip)]
    mask_zero: bool,
    #[module(skip)]
    logit_soft_cap: Option<f64>,
}

impl ReversibleEmbedding {
    /// A number for every row, of vectors in the last axis.
    #[must_use]
    pub fn reverse<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let back = match &self.reverse_embeddings {
            Some(back) => back.val(),
            None => self.embeddings.val().transpose(),
        };
        capped(linear(x, back, None), self.logit_soft_cap)
    }
}

/// Numbers that stay below `cap`.
pub(super) fn capped<const D: usize>(logits: Tensor<D>, cap: Option<f64>) -> Tensor<D> {
    match cap {
        Some(cap) => (logits / cap).tanh() * cap,
        None => logits,
    }
}

impl Layer for ReversibleEmbedding {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let reverse = flag(&args, "reverse")?;
        let x = args.into_input()?;
        if reverse {
            return by_rank!(x.rank(), D => Value::from(self.reverse(x.float::<D>()?)).into());
        }
        let table = self.embeddings.val();
        let rows = table.dims()[0];
        Indices::call(x, self.mask_zero, |indices| {
            Indices::new(indices, rows).look_up(|indices| table.select(0, indices))
        })
    }
}
