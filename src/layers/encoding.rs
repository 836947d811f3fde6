//! `CategoryEncoding` and `Discretization`: vectors for numbers, and numbers for ranges.

use std::num::NonZeroUsize;

use burn::tensor::{DType, Int, Tensor};
use serde_json::Value as Json;

use super::categorical::{OutputDtype, OutputMode, refuse_sparse};
use crate::config::{Dtype, Field, Kept, Reader, refuse};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::map_float;
use crate::value::{Binary, Compare, Value};

crate::layer_config! {
    /// `CategoryEncoding`: integers as vectors of zeros and ones, or of counts.
    ///
    /// What is no integer, or not one from 0 to below `num_tokens`, leaves no trace in the output, as in Keras on JAX.
    ///
    /// # Shapes
    /// - inputs: `[batch, samples, ...]`
    /// - count_weights: as the inputs
    /// - outputs: `[batch, ..., num_tokens]`; `one_hot` keeps the samples, unless there is only one
    pub struct CategoryEncoding {
        /// Size of the vectors.
        num_tokens: NonZeroUsize,
        /// What the vectors say.
        output_mode: OutputMode = OutputMode::MultiHot,
        /// Whether the output is a sparse tensor, which is refused.
        sparse: bool = false,
        /// Element type of the output.
        dtype: OutputDtype = OutputDtype::default(),
    }
}

impl Function for CategoryEncoding {
    const CLASSES: &'static [&'static str] = &["CategoryEncoding"];
    const ARGS: &'static [&'static str] = &["inputs", "count_weights"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        refuse_sparse(self.sparse)?;
        if matches!(self.output_mode, OutputMode::Int | OutputMode::TfIdf) {
            return Err(Error::config("expected one_hot, multi_hot or count").at("output_mode"));
        }
        let input = args.input()?;
        let dtype = self.dtype.or(Dtype::Float32);
        if let Some(weights) = args.get("count_weights") {
            let same = matches!(weights, Tree::Leaf(weights) if weights.shape == input.shape);
            if self.output_mode != OutputMode::Count || !same || !dtype.is_float() {
                let message = "count_weights go with counts in floats, and have the shape of the inputs";
                return Err(Error::config(message));
            }
        }
        Ok(self.output_mode.outputs(input, self.num_tokens.get(), dtype)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let weights = match args.get("count_weights") {
            Some(Tree::Leaf(weights)) => Some(weights.clone()),
            _ => None,
        };
        let dtype = self.dtype.or(Dtype::Float32);
        let mut numbers = args.into_input()?;
        if numbers.is_float() && self.output_mode != OutputMode::MultiHot {
            // A fraction is no integer, and leaves no trace; `multi_hot` alone cuts it off.
            numbers = map_float!(numbers, x => x.clone().mask_fill(x.clone().floor().not_equal(x), -1.0))?;
        }
        let numbers = numbers.cast(DType::I64)?;
        Ok(self.output_mode.encode(numbers, self.num_tokens.get(), dtype, weights)?.into())
    }
}

/// Where ranges meet, in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundaries {
    numbers: Vec<f64>,
    /// Whether all were written as integers: then integers are compared with them as such.
    whole: bool,
}

impl Field for Boundaries {
    const EXPECTED: &'static str = "a list of numbers in ascending order";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let numbers: Vec<f64> = Vec::read(json, reader)?;
        if numbers.windows(2).any(|pair| pair[0].partial_cmp(&pair[1]).is_none_or(|order| order.is_gt())) {
            return refuse(json, reader);
        }
        let whole = json.as_array().is_some_and(|items| items.iter().all(|item| item.is_i64()));
        Some(Self { numbers, whole })
    }

    fn write(&self) -> Json {
        let numbers = self.numbers.iter();
        numbers.map(|number| if self.whole { (*number as i64).into() } else { number.write() }).collect()
    }
}

crate::layer_config! {
    /// `Discretization`: the number of the range that a value lies in.
    ///
    /// # Shapes
    /// - inputs: `[batch, samples, ...]`
    /// - outputs: as the inputs; vectors as those of [`CategoryEncoding`] in the other modes
    pub struct Discretization {
        /// Where the ranges meet: a value on a boundary belongs to the range above it.
        bin_boundaries: Option<Boundaries> = None,
        /// How many ranges were learned.
        num_bins: Option<usize> = None,
        /// For learning them.
        epsilon: Kept = Kept::default(),
        /// What the output is.
        output_mode: OutputMode = OutputMode::Int,
        /// Whether the output is a sparse tensor, which is refused.
        sparse: bool = false,
        /// Element type of the output, unless that is the number itself.
        dtype: OutputDtype = OutputDtype::default(),
    }
}

impl Discretization {
    fn boundaries(&self) -> Result<&Boundaries> {
        let missing = || Error::config("missing: the layer has not been adapted").at("bin_boundaries");
        self.bin_boundaries.as_ref().ok_or_else(missing)
    }

    fn output_dtype(&self) -> Dtype {
        if self.output_mode == OutputMode::Int { Dtype::Int32 } else { self.dtype.or(Dtype::Float32) }
    }
}

impl Function for Discretization {
    const CLASSES: &'static [&'static str] = &["Discretization"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        refuse_sparse(self.sparse)?;
        if self.output_mode == OutputMode::TfIdf {
            return Err(Error::config("expected int, one_hot, multi_hot or count").at("output_mode"));
        }
        let depth = self.boundaries()?.numbers.len() + 1;
        Ok(self.output_mode.outputs(args.input()?, depth, self.output_dtype())?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let boundaries = self.boundaries()?;
        let input = args.into_input()?;
        let whole = boundaries.whole && !input.is_float();
        let input = if whole { input.cast(DType::I64)? } else { input.cast(DType::F32)? };
        let device = input.device();
        let top = boundaries.numbers.len() as i64;
        let mut numbers = Value::from(Tensor::<1, Int>::from_data([top], (&device, DType::I32)));
        numbers = numbers.broadcast_to(&input.shape())?;
        // What is no number is below no boundary, and so in the last range.
        for boundary in &boundaries.numbers {
            let boundary = match whole {
                true => Value::from(Tensor::<1, Int>::from_data([*boundary as i64], (&device, DType::I64))),
                false => Value::from(Tensor::<1>::from_data([*boundary as f32], &device)),
            };
            let below = input.clone().compare(Compare::Less, boundary)?.cast(DType::I32)?;
            numbers = numbers.binary(Binary::Subtract, below)?;
        }
        let depth = boundaries.numbers.len() + 1;
        Ok(self.output_mode.encode(numbers, depth, self.output_dtype(), None)?.into())
    }
}
