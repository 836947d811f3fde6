//! What is known of a value before there is one.

use crate::config::Dtype;
use crate::error::{Error, Result};

/// The shape and element type of a value, before there is one. `None` is an axis of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The size of every axis, the batch first.
    pub shape: Vec<Option<usize>>,
    /// The element type.
    pub dtype: Dtype,
}

impl Spec {
    /// A spec.
    #[must_use]
    pub fn new(shape: Vec<Option<usize>>, dtype: Dtype) -> Self {
        Self { shape, dtype }
    }

    /// A batch of any size of floats, each example of this shape; `None` is an axis of any size.
    #[must_use]
    pub fn batch<S: Into<Option<usize>>>(example: impl IntoIterator<Item = S>) -> Self {
        let example = example.into_iter().map(Into::into);
        Self::new(std::iter::once(None).chain(example).collect(), Dtype::Float32)
    }

    /// The same shape with another element type.
    #[must_use]
    pub fn with_dtype(&self, dtype: Dtype) -> Self {
        Self { shape: self.shape.clone(), dtype }
    }

    /// A float result of another shape: what a layer gives for this input.
    #[must_use]
    pub fn float(&self, shape: Vec<Option<usize>>) -> Self {
        Self { shape, dtype: if self.dtype.is_float() { self.dtype } else { Dtype::Float32 } }
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The size of an axis that must be known to build a layer.
    ///
    /// # Errors
    /// When it is not known, or there is no such axis.
    pub fn known(&self, axis: usize) -> Result<usize> {
        self.shape.get(axis).copied().flatten().ok_or_else(|| {
            Error::config(format_args!("axis {axis} of the input shape {self} must have a known size"))
        })
    }

    /// Refuses an input of another rank.
    ///
    /// # Errors
    /// When the rank is another.
    pub fn expect_rank(&self, rank: usize) -> Result<()> {
        if self.rank() == rank {
            return Ok(());
        }
        Err(Error::config(format_args!("expected an input of rank {rank}, got the shape {self}")))
    }
}

impl std::fmt::Display for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(")?;
        for (axis, size) in self.shape.iter().enumerate() {
            let glue = if axis == 0 { "" } else { ", " };
            match size {
                Some(size) => write!(f, "{glue}{size}")?,
                None => write!(f, "{glue}None")?,
            }
        }
        f.write_str(")")
    }
}
