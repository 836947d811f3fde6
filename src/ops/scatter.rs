//! Operations that take or put blocks and rows at places that may be values themselves.

use burn::tensor::{Int, Tensor};

use super::form::{Form, Picks, Sizes, one, several};
use super::index::{number, resolve, whole};
use super::kit::Constant;
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::{Binary, Compare, Value};

/// The operations of this file.
pub(super) static ROWS: &[Row] =
    &[row::<Slice>(), row::<SliceUpdate>(), row::<ScatterUpdate>(), row::<Scatter>()];

/// Where a block starts on every axis, when a graph says so.
fn known_start<T: Form>(args: &Args<T>, rank: usize) -> Result<Option<Vec<i64>>> {
    let Some(Tree::Constant(json)) = args.get("start_indices") else { return Ok(None) };
    let numbers = Constant::read(json)?.array;
    if numbers.shape() != [rank] {
        return Err(Error::config(format_args!("expected {rank} integers")).at("start_indices"));
    }
    Ok(Some(numbers.numbers().iter().map(|number| *number as i64).collect()))
}

/// Where a block starts on every axis, in a vector.
fn start<T: Form>(args: &Args<T>, rank: usize) -> Result<T> {
    let start = match args.get("start_indices") {
        Some(Tree::List(_)) => {
            let parts = several(args, "start_indices")?.into_iter().map(|part: T| part.flat());
            T::joined(parts.collect::<Result<_>>()?, 0)?
        }
        _ => one(args, "start_indices")?.operand,
    };
    whole(&start)?;
    match start.sizes().as_slice() == [Some(rank)] {
        true => Ok(start),
        false => Err(Error::config(format_args!("expected {rank} integers")).at("start_indices")),
    }
}

/// The start on one axis, moved so that a block of `length` is inside. Negative ones count from the end.
fn inside(start: &Value, axis: usize, size: usize, length: usize) -> Result<Tensor<1, Int>> {
    let last = size
        .checked_sub(length)
        .ok_or_else(|| Error::input(format_args!("{length} entries are too many for an axis of {size}")))?;
    let start = start.clone().narrow(0, axis, 1)?.int::<1>()?;
    let behind = start.clone().lower_elem(0);
    Ok(start.clone().mask_where(behind, start + size as i64).clamp(0, last as i64))
}

fn count_up(length: usize, like: &Tensor<1, Int>) -> Tensor<1, Int> {
    Tensor::arange(0..length as i64, (&like.device(), like.dtype()))
}

crate::config! {
    /// The operation `Slice`: a block of a value.
    pub struct Slice {
        /// The shape of the block; `-1` for everything from where it starts.
        shape: Vec<i64>,
    }
}

impl Slice {
    /// The size of the block on one axis.
    fn length(&self, axis: usize, size: Option<usize>, start: Option<i64>) -> Result<Option<usize>> {
        let length = match (self.shape[axis], size, start) {
            (-1, None, Some(_)) => return Ok(None),
            (-1, Some(size), Some(start)) => size as i64 - start,
            (-1, _, None) => return Err(Error::unsupported("-1 where the start is a value")),
            (length, ..) => length,
        };
        let length = usize::try_from(length).ok().filter(|length| size.is_none_or(|size| *length <= size));
        let wrong = || Error::config(format_args!("no such block on axis {axis} of {size:?}"));
        length.map(Some).ok_or_else(wrong)
    }

    fn lengths<T: Form>(&self, x: &T, start: Option<&[i64]>) -> Result<Sizes> {
        if self.shape.len() != x.axes() {
            return Err(Error::config(format_args!("expected {} sizes", x.axes())).at("shape"));
        }
        let sizes = x.sizes().into_iter().enumerate();
        let lengths = sizes.map(|(axis, size)| self.length(axis, size, start.map(|start| start[axis])));
        lengths.collect::<Result<_>>().map_err(|error| error.at("shape"))
    }
}

impl Function for Slice {
    const CLASSES: &'static [&'static str] = &["Slice"];
    const ARGS: &'static [&'static str] = &["inputs", "start_indices"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?;
        let known = known_start(args, x.rank())?;
        if known.is_none() {
            start(args, x.rank())?;
        }
        Ok(Spec::new(self.lengths(x, known.as_deref())?, x.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.input()?.clone();
        let known = known_start(&args, x.rank())?;
        let lengths = self.lengths(&x, known.as_deref())?;
        let lengths = lengths.into_iter().enumerate().map(|(axis, length)| (axis, length.unwrap_or(0)));
        if let Some(starts) = known {
            return lengths
                .zip(starts)
                .try_fold(x, |x, ((axis, length), start)| {
                    x.picked(axis, |size| {
                        let from_front = if start < 0 { start.saturating_add(size as i64) } else { start };
                        let start = from_front.clamp(0, (size - length.min(size)) as i64) as usize;
                        Ok(Picks::range(start, start + length))
                    })
                })
                .map(Tree::Leaf);
        }
        let start: Value = start(&args, x.rank())?;
        let block = lengths.into_iter().try_fold(x, |x, (axis, length)| {
            let first = inside(&start, axis, x.shape()[axis], length)?;
            let places = count_up(length, &first) + first;
            x.select_along(axis, places.into())
        });
        block.map(Tree::Leaf)
    }
}

crate::config! {
    /// The operation `SliceUpdate`: a value with a block of it replaced.
    pub struct SliceUpdate {}
}

impl Function for SliceUpdate {
    const CLASSES: &'static [&'static str] = &["SliceUpdate"];
    const ARGS: &'static [&'static str] = &["inputs", "start_indices", "updates"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?;
        let block = one(args, "updates")?.operand;
        start(args, x.rank())?;
        block.expect_rank(x.rank()).map_err(|error| error.at("updates"))?;
        let larger =
            |(size, block): (&Option<usize>, &Option<usize>)| size.zip(*block).is_some_and(|(a, b)| b > a);
        if block.dtype != x.dtype || x.shape.iter().zip(&block.shape).any(larger) {
            let message =
                format_args!("expected a block of {} in {x}, got {block} of {}", x.dtype, block.dtype);
            return Err(Error::config(message).at("updates"));
        }
        Ok(x.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.input()?.clone();
        let (start, mut block): (Value, Value) = (start(&args, x.rank())?, one(&args, "updates")?.operand);
        let shape = x.shape();
        let mut mask: Option<Value> = None;
        for (axis, size) in shape.iter().enumerate() {
            let length = block.shape()[axis];
            let first = inside(&start, axis, *size, length)?;
            let places = count_up(*size, &first) - first;
            let mut along = vec![1; shape.len()];
            along[axis] = *size;
            let outside =
                places.clone().lower_elem(0).bool_or(places.clone().greater_equal_elem(length as i64));
            let outside = Value::from(outside).reshape(&along)?;
            mask = Some(match mask {
                Some(mask) => mask.or(outside)?,
                None => outside,
            });
            block = block.select_along(axis, places.clamp(0, length as i64 - 1).into())?;
        }
        match mask {
            Some(mask) => block.replace(mask.broadcast_to(&shape)?, x).map(Tree::Leaf),
            None => Ok(block.into()),
        }
    }
}

crate::keywords! {
    /// What becomes of an element and an update of it.
    pub enum Reduction {
        /// Their sum.
        Add = "add",
        /// The higher one.
        Max = "max",
        /// The lower one.
        Min = "min",
        /// Their product.
        Mul = "mul",
    }
}

/// Rows of a value with updates at some of them.
struct Rows {
    /// The number of each row among all of them, and -1 for those that do not exist.
    places: Tensor<1, Int>,
    updates: Value,
}

impl Rows {
    /// The shape of the updates of a value of shape `x`: one per place, each with the axes that places
    /// do not name.
    fn shape(x: &Sizes, places: &Sizes) -> Result<(usize, Sizes)> {
        let wrong =
            || Error::config(format_args!("expected places of {} axes at most", x.len())).at("indices");
        let (named, leading) = places.split_last().ok_or_else(wrong)?;
        let named = named.filter(|named| (1..=x.len()).contains(named)).ok_or_else(wrong)?;
        let shape = leading.iter().chain(&x[named..]).copied().collect();
        Ok((named, shape))
    }

    fn new(shape: &[usize], places: Value, updates: Value) -> Result<Self> {
        let sizes: Sizes = shape.iter().copied().map(Some).collect();
        let (named, spread) = Self::shape(&sizes, &places.sizes())?;
        let count: usize = places.shape().iter().rev().skip(1).product();
        let width: usize = shape[named..].iter().product();
        let updates = updates.spread(&spread)?.reshape(&[count, width])?;
        let places = places.reshape(&[count, named])?;
        let mut row = number(0, &places)?.broadcast_to(&[count])?;
        let mut nowhere: Option<Value> = None;
        for (axis, size) in shape.iter().take(named).enumerate() {
            let (inside, outside) = resolve(places.clone().narrow(1, axis, 1)?.reshape(&[count])?, *size)?;
            row =
                row.binary(Binary::Multiply, number(*size as i64, &inside)?)?.binary(Binary::Add, inside)?;
            nowhere = Some(match nowhere {
                Some(nowhere) => nowhere.or(outside)?,
                None => outside,
            });
        }
        if let Some(nowhere) = nowhere {
            row = row.fill(nowhere, -1.0)?;
        }
        Ok(Self { places: row.int::<1>()?, updates })
    }

    /// The rows of `x` with the updates.
    fn apply(self, x: Value, reduction: Option<Reduction>) -> Result<Value> {
        let (shape, [count, width]) = (x.shape(), [self.updates.shape()[0], self.updates.shape()[1]]);
        let height = x.shape().iter().product::<usize>() / width.max(1);
        let x = x.reshape(&[height, width])?;
        if reduction == Some(Reduction::Add) {
            let nowhere = self.places.clone().lower_elem(0);
            let places = self.places.clamp_min(0);
            let mask = Value::from(nowhere).reshape(&[count, 1])?.broadcast_to(&[count, width])?;
            return x.add_rows(places.into(), self.updates.fill(mask, 0.0)?)?.reshape(&shape);
        }
        let rows = Value::from(count_up(height, &self.places));
        let updated = (0..count).try_fold(x, |x, at| {
            let here =
                rows.clone().compare(Compare::Equal, Value::from(self.places.clone().narrow(0, at, 1)))?;
            let mask = here.reshape(&[height, 1])?.broadcast_to(&[height, width])?;
            let update = self.updates.clone().narrow(0, at, 1)?.broadcast_to(&[height, width])?;
            let op = match reduction {
                Some(Reduction::Max) => Some(Binary::Maximum),
                Some(Reduction::Min) => Some(Binary::Minimum),
                Some(Reduction::Mul) => Some(Binary::Multiply),
                _ => None,
            };
            let update = match op {
                Some(op) => x.clone().combined(op, update)?,
                None => update,
            };
            x.replace(mask, update)
        });
        updated?.reshape(&shape)
    }
}

crate::config! {
    /// The operation `ScatterUpdate`: a value with some of its elements or rows updated, one after the
    /// other.
    pub struct ScatterUpdate {
        /// What becomes of the old and the new; the new alone without it.
        reduction: Option<Reduction> = None,
    }
}

impl Function for ScatterUpdate {
    const CLASSES: &'static [&'static str] = &["ScatterUpdate"];
    const ARGS: &'static [&'static str] = &["inputs", "indices", "updates"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?;
        let places = one(args, "indices")?.operand;
        whole(&places)?;
        places.expect_rank(2).map_err(|error| error.at("indices"))?;
        let (_, shape) = Rows::shape(&x.shape, &places.shape)?;
        one(args, "updates")?.operand.spread(&shape).map_err(|error| error.at("updates"))?;
        if self.reduction.is_some() && x.dtype == Dtype::Bool {
            return Err(Error::unsupported("of booleans").at("reduction"));
        }
        Ok(x.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.input()?.clone();
        let updates = one(&args, "updates")?.operand.typed(x.keras_dtype())?;
        let rows = Rows::new(&x.shape(), one(&args, "indices")?.operand, updates)?;
        rows.apply(x, self.reduction).map(Tree::Leaf)
    }
}

crate::config! {
    /// The operation `Scatter`: zeros, with values added at some places.
    pub struct Scatter {
        /// The shape of the result.
        shape: Vec<usize>,
    }
}

impl Function for Scatter {
    const CLASSES: &'static [&'static str] = &["Scatter"];
    const ARGS: &'static [&'static str] = &["indices", "values"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (places, values) = (one(args, "indices")?.operand, one(args, "values")?.operand);
        whole(&places)?;
        if values.dtype == Dtype::Bool {
            return Err(Error::unsupported("booleans").at("values"));
        }
        let sizes: Sizes = self.shape.iter().copied().map(Some).collect();
        let (_, shape) = Rows::shape(&sizes, &places.shape)?;
        values.clone().spread(&shape).map_err(|error| error.at("values"))?;
        Ok(Spec::new(sizes, values.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let values: Value = one(&args, "values")?.operand;
        let zeros = number(0, &values)?.broadcast_to(&self.shape)?;
        let rows = Rows::new(&self.shape, one(&args, "indices")?.operand, values)?;
        rows.apply(zeros, Some(Reduction::Add)).map(Tree::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_have_the_axes_that_places_do_not_name() {
        let x = vec![None, Some(4), Some(3)];
        let (named, shape) = Rows::shape(&x, &vec![Some(5), Some(2)]).unwrap();
        assert_eq!((named, shape), (2, vec![Some(5), Some(3)]));
        assert!(Rows::shape(&x, &vec![Some(5), Some(4)]).is_err());
        assert!(Rows::shape(&x, &vec![Some(5), None]).is_err());
    }
}
