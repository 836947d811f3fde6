//! `Unique`: the different elements of a value.

use burn::tensor::{DType, TensorData};

use super::kit::{operand, promote};
use super::pattern::{Pattern, operations};
use super::reduce::on_rows;
use super::sorting::{Order, argsort, numbers};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Value, burn_dtype};

operations! { ROWS["x"]:
    /// In rising order, and a fixed number of them.
    Unique {
        /// Whether they must be in order; they are in any case.
        sorted: bool = true,
        /// Whether to tell where each is for the first time.
        return_index: bool = false,
        /// Whether to tell for every element which it is.
        return_inverse: bool = false,
        /// Whether to tell how often each is there.
        return_counts: bool = false,
        /// The axis along which parts are compared, which is not done.
        axis: Option<i64> = None,
        /// How many are given, whatever the data.
        size: Option<usize> = None,
        /// What stands for those that are missing, unless the first.
        fill_value: Option<f64> = None,
    } = |config| Different(config.clone());
}

/// See [`Unique`].
struct Different(Unique);

impl Different {
    fn size(&self) -> Result<usize> {
        let data = || Error::unsupported("as many elements as the data has").at("size");
        self.0.size.ok_or_else(data)
    }

    fn tree<T>(&self, values: T, index: T, inverse: T, counts: T) -> Tree<T> {
        let Unique { return_index, return_inverse, return_counts, .. } = self.0;
        let others = [(return_index, index), (return_inverse, inverse), (return_counts, counts)];
        let others: Vec<T> = others.into_iter().filter_map(|(wanted, one)| wanted.then_some(one)).collect();
        match others.is_empty() {
            true => values.into(),
            false => Tree::list(std::iter::once(values).chain(others)),
        }
    }
}

impl Pattern for Different {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if self.0.axis.is_some() {
            return Err(Error::unsupported("different parts along an axis").at("axis"));
        }
        let x = operand(args, "x", None)?;
        let places = Spec::new(vec![Some(self.size()?)], Dtype::Int32);
        let values = places.with_dtype(promote(&[x.kind])?);
        Ok(self.tree(values, places.clone(), x.operand.with_dtype(Dtype::Int32), places))
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?;
        let dtype = burn_dtype(promote(&[x.kind])?)?;
        let x = x.operand.with_mask(None).cast(dtype)?;
        let (shape, device, size) = (x.shape(), x.device(), self.size()?);
        let count = shape.iter().product();
        let x = x.reshape(&[1, count])?;
        let (all, sorted) = (numbers(&x)?, numbers(&argsort(&x, Order::Lowest)?.into())?);
        let (mut index, mut counts, mut inverse) = (Vec::new(), Vec::<i64>::new(), vec![0_i64; count]);
        for at in sorted.into_iter().map(|at| at as usize) {
            let same = index.last().is_some_and(|last: &i64| all.get(*last as usize) == all.get(at));
            match counts.last_mut() {
                Some(count) if same => *count += 1,
                _ => {
                    index.push(at as i64);
                    counts.push(1);
                }
            }
            if let Some(which) = inverse.get_mut(at) {
                *which = index.len() as i64 - 1;
            }
        }
        let Some(first) = index.first().copied() else {
            return Err(Error::input("expected at least one element"));
        };
        let found = index.len().min(size);
        index.resize(size, first);
        counts.resize(size, 0);
        let whole = |numbers: Vec<i64>, shape: &[usize]| {
            Value::from_data(TensorData::new(numbers, shape.to_vec()), &device)?.cast(DType::I32)
        };
        let index = whole(index, &[size])?;
        let places = index.clone().int::<1>()?;
        let mut values = on_rows!(x, x => x.select(1, places)).reshape(&[size])?;
        if let Some(fill) = self.0.fill_value.filter(|_| found < size) {
            let missing = TensorData::new(vec![fill as f32; size - found], [size - found]);
            let missing = Value::from_data(missing, &device)?.cast(values.dtype())?;
            values = Value::concat(vec![values.narrow(0, 0, found)?, missing], 0)?;
        }
        let inverse = whole(inverse, &shape)?;
        Ok(self.tree(values.cast(dtype)?, index, inverse, whole(counts, &[size])?))
    }
}
