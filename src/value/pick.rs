//! Elements of a value by their places.

use burn::tensor::{DType, Int, Tensor, TensorData};

use super::{Order, Value, on_tensor};
use crate::error::{Error, Result};

impl Value {
    /// The entries of an axis at some places, in their order; a place may come up any number of times.
    ///
    /// # Errors
    /// When a place is out of range.
    pub fn pick(self, axis: usize, places: &[usize]) -> Result<Self> {
        let size = self.shape().get(axis).copied().unwrap_or(0);
        if let Some(place) = places.iter().find(|place| **place >= size) {
            return Err(Error::input(format_args!("entry {place} of an axis of {size}")));
        }
        let first = places.first().copied().unwrap_or(0);
        if places.iter().enumerate().all(|(at, place)| *place == first + at) {
            let whole = first == 0 && places.len() == size;
            return if whole { Ok(self) } else { self.narrow(axis, first, places.len()) };
        }
        if places.len() == size && places.iter().rev().enumerate().all(|(at, place)| at == *place) {
            return self.flip(axis);
        }
        let numbers: Vec<i64> = places.iter().map(|place| *place as i64).collect();
        let places = TensorData::new(numbers, [places.len()]);
        let places = Tensor::<1, Int>::from_data(places, &self.device());
        self.select_along(axis, places.into())
    }

    /// The entries of an axis at places that are a vector of integers, none of them out of range.
    ///
    /// # Errors
    /// When the places are no vector.
    pub fn select_along(self, axis: usize, places: Self) -> Result<Self> {
        let places = places.int::<1>()?;
        self.without_bool(|value| {
            value.keeping_order(axis, |tensor, axis| on_tensor!(tensor, x => x.select(axis, places)))
        })
    }

    /// Runs something that backends get wrong for booleans on integers in their place.
    fn without_bool(self, run: impl FnOnce(Self) -> Result<Self>) -> Result<Self> {
        match self.keras_dtype() == crate::config::Dtype::Bool {
            true => {
                let dtype = self.dtype();
                run(self.cast(DType::I32)?)?.cast(dtype)
            }
            false => run(self),
        }
    }

    /// For every place, the entry of an axis there. The places have the rank of the value.
    ///
    /// # Errors
    /// When the ranks differ.
    pub fn gather(self, axis: usize, places: Self) -> Result<Self> {
        self.without_bool(|value| {
            let tensor = on_tensor!(value.plain()?.tensor()?, x => x.gather(axis, places.int::<D>()?))?;
            Ok(Self::from_stored(tensor, Order::Plain))
        })
    }

    /// Puts a number wherever a mask of the same shape is true.
    ///
    /// # Errors
    /// When the ranks differ.
    pub fn fill(self, mask: Self, number: f64) -> Result<Self> {
        if self.order == Order::Scalar {
            return self.reshape(&[1])?.fill(mask.reshape(&[1])?, number)?.reshape(&[]);
        }
        let tensor = on_tensor!(self.plain()?.tensor()?, x => x.mask_fill(mask.bool::<D>()?, number))?;
        Ok(Self::from_stored(tensor, Order::Plain))
    }

    /// Another value wherever a mask is true. All have one shape, and both values one element type.
    ///
    /// # Errors
    /// When the ranks differ.
    pub fn replace(self, mask: Self, with: Self) -> Result<Self> {
        if self.order == Order::Scalar {
            let (this, mask, with) = (self.reshape(&[1])?, mask.reshape(&[1])?, with.reshape(&[1])?);
            return this.replace(mask, with)?.reshape(&[]);
        }
        let with = with.plain()?.tensor()?;
        let tensor = on_tensor!(self.plain()?.tensor()?, x => {
            x.mask_where(mask.bool::<D>()?, Tensor::from_bridge(with))
        })?;
        Ok(Self::from_stored(tensor, Order::Plain))
    }

    /// The values with other values added at some rows of them, several times where a row is named
    /// several times. All have two axes, `rows` has one.
    ///
    /// # Errors
    /// When they have others.
    pub fn add_rows(self, rows: Self, values: Self) -> Result<Self> {
        use burn::tensor::IndexingUpdateOp::Add;
        let rows = rows.int::<1>()?;
        if self.is_float() {
            return Ok(self.float::<2>()?.select_assign(0, rows, values.float::<2>()?, Add).into());
        }
        Ok(self.int::<2>()?.select_assign(0, rows, values.int::<2>()?, Add).into())
    }

    /// The matrix product over the last two axes. Both values have the same rank and element type.
    ///
    /// # Errors
    /// When their shapes do not fit.
    pub fn matmul(self, other: Self) -> Result<Self> {
        let (a, b) = (self.shape(), other.shape());
        let fits = a.len() == b.len() && a.len() >= 2 && a[a.len() - 1] == b[b.len() - 2];
        if !fits {
            return Err(Error::input(format_args!("no matrix product of {a:?} and {b:?}")));
        }
        crate::by_rank!(a.len(), D => {
            if self.is_float() {
                Self::from(self.float::<D>()?.matmul(other.float::<D>()?))
            } else {
                Self::from(self.int::<D>()?.matmul(other.int::<D>()?))
            }
        })
    }

    /// The sum along an axis, which goes. Integers stay integers.
    ///
    /// # Errors
    /// When there is no such axis.
    pub fn total(self, axis: usize) -> Result<Self> {
        let rank = self.rank();
        if axis >= rank {
            return Err(Error::input(format_args!("no axis {axis} in {rank}")));
        }
        let sum = crate::by_rank!(rank, D => {
            if self.is_float() {
                Self::from(self.float::<D>()?.sum_dim(axis))
            } else {
                Self::from(self.int::<D>()?.sum_dim(axis))
            }
        })?;
        sum.squeeze(&[axis])
    }
}
