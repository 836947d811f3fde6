//! Operations that take parts of a value by their places, or put parts there.

use burn::tensor::{Int, Tensor, TensorData};

use super::form::{Form, Picks, Sizes, forming, one};
use super::kit::broadcast;
use crate::config::{Dtype, Json, Object, brief, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::{Binary, Compare, Value, burn_dtype};

/// The operations of this file.
pub(super) static ROWS: &[Row] =
    &[row::<GetItem>(), row::<Take>(), row::<TakeAlongAxis>(), row::<UnravelIndex>()];

/// One entry of a key in brackets.
enum Key {
    /// One place, negative ones counting from the end.
    Place(i64),
    /// `start:stop:step`.
    Slice([Option<i64>; 3]),
    /// `...`
    Ellipsis,
    /// `None`
    NewAxis,
}

impl Key {
    fn read(json: &Json) -> Result<Self> {
        if json.is_null() {
            return Ok(Self::NewAxis);
        }
        if let Some(place) = json.as_i64() {
            return Ok(Self::Place(place));
        }
        match Object::of(json) {
            Some(Object { class: "__ellipsis__", .. }) => Ok(Self::Ellipsis),
            Some(Object { class: "__slice__", config, .. }) => {
                let [start, stop, step] = ["start", "stop", "step"].map(|key| match config.get(key) {
                    None | Some(Json::Null) => Ok(None),
                    Some(number) => number.as_i64().map(Some).ok_or_else(|| {
                        Error::unsupported(format_args!("expected an integer, got {}", brief(number))).at(key)
                    }),
                });
                Ok(Self::Slice([start?, stop?, step?]))
            }
            _ => Err(Error::unsupported(format_args!("the key {}", brief(json)))),
        }
    }

    /// All entries of the argument `key`, of which a single one may stand without a list.
    fn read_all<T>(args: &Args<T>) -> Result<Vec<Self>> {
        match args.get("key") {
            None => Ok(vec![Self::NewAxis]),
            Some(Tree::Constant(Json::Array(keys))) => keys.iter().map(Self::read).collect(),
            Some(Tree::Constant(key)) => Self::read(key).map(|key| vec![key]),
            Some(_) => Err(Error::unsupported("tensors between brackets")),
        }
    }
}

/// The place of an entry of an axis.
fn place(place: i64, size: usize) -> Result<usize> {
    let from_front = if place < 0 { place.saturating_add(size as i64) } else { place };
    let inside = usize::try_from(from_front).ok().filter(|place| *place < size);
    inside.ok_or_else(|| Error::config(format_args!("entry {place} of an axis of {size}")))
}

/// The entries that Python's `start:stop:step` has of an axis.
fn slice(size: usize, [start, stop, step]: [Option<i64>; 3]) -> Result<Picks<'static>> {
    let (size, step) = (size as i64, step.unwrap_or(1));
    if step == 0 {
        return Err(Error::config("a step of zero"));
    }
    // Before the first entry is -1 on the way back, and 0 otherwise.
    let (lowest, highest) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let end = |given: Option<i64>, otherwise: i64| match given {
        None => otherwise,
        Some(at) if at < 0 => at.saturating_add(size).max(lowest),
        Some(at) => at.min(highest),
    };
    let (first, last) = if step < 0 { (highest, lowest) } else { (lowest, highest) };
    let (start, stop) = (end(start, first), end(stop, last));
    let span = if step < 0 { start - stop } else { stop - start };
    let length = span.max(0).unsigned_abs().div_ceil(step.unsigned_abs());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Picks::new(length, move |at| (start + step * at as i64) as usize))
}

forming! {
    /// The operation `GetItem`: a part of a value by a key in brackets.
    GetItem("x", "key") {} (_this, args) => {
        let keys = Key::read_all(&args).map_err(|error| error.at("key"))?;
        let mut x = args.into_input()?;
        let wanted = keys.iter().filter(|key| matches!(key, Key::Place(_) | Key::Slice(_))).count();
        let skipped = x.axes().checked_sub(wanted);
        let skipped = skipped.ok_or_else(|| Error::config("more entries than axes").at("key"))?;
        if keys.iter().filter(|key| matches!(key, Key::Ellipsis)).count() > 1 {
            return Err(Error::config("more than one ellipsis").at("key"));
        }
        let mut axis = 0;
        for key in keys {
            (x, axis) = match key {
                Key::Place(at) => (x.at(axis, |size| place(at, size)).map_err(|error| error.at("key"))?, axis),
                Key::Slice(ends) => (x.picked(axis, |size| slice(size, ends)).map_err(|error| error.at("key"))?, axis + 1),
                Key::Ellipsis => (x, axis + skipped),
                Key::NewAxis => (x.expanded(axis)?, axis + 1),
            };
        }
        Ok(Tree::Leaf(x))
    };
}

/// What JAX gives for a place that is out of range.
fn nowhere(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Bool => 1.0,
        Dtype::Int8 => f64::from(i8::MIN),
        Dtype::Int16 => f64::from(i16::MIN),
        Dtype::Int32 => f64::from(i32::MIN),
        Dtype::Int64 => i64::MIN as f64,
        Dtype::Uint8 => f64::from(u8::MAX),
        Dtype::Uint16 => f64::from(u16::MAX),
        Dtype::Uint32 | Dtype::Uint64 => f64::from(u32::MAX),
        _ => f64::NAN,
    }
}

/// A number beside a value.
pub(super) fn number(number: i64, like: &Value) -> Result<Value> {
    let data = TensorData::new(vec![number], [1]);
    Value::from_data(data, &like.device())?.reshape(&[])?.cast(like.dtype())
}

/// Places as integers from the front, and which of them are out of range. Negative ones count from the
/// end.
pub(super) fn resolve(places: Value, size: usize) -> Result<(Value, Value)> {
    let places = if places.dtype().size() < 4 { places.cast(burn_dtype(Dtype::Int32)?)? } else { places };
    let (zero, bound) = (number(0, &places)?, number(size as i64, &places)?);
    let behind = places.clone().compare(Compare::Less, zero.clone())?;
    let from_end = places.clone().binary(Binary::Add, bound.clone())?;
    let places = places.replace(behind, from_end)?;
    let low = places.clone().compare(Compare::Less, zero)?;
    let high = places.clone().compare(Compare::GreaterEqual, bound)?;
    let outside = low.or(high)?;
    Ok((places.fill(outside.clone(), 0.0)?, outside))
}

/// The type that places are given in, which are integers.
pub(super) fn whole<T: Form>(places: &T) -> Result<()> {
    match places.dtype().is_int() {
        true => Ok(()),
        false => Err(Error::unsupported(format_args!("places in {}", places.dtype())).at("indices")),
    }
}

crate::config! {
    /// The operation `Take`: entries of an axis. Those out of range are not a number, or the last one
    /// of their type, as JAX has it.
    pub struct Take {
        /// The axis; without one, all elements in a row.
        axis: Option<i64> = None,
    }
}

impl Take {
    fn axis(&self, rank: usize) -> Result<usize> {
        self.axis.map_or(Ok(0), |axis| resolve_axis(axis, rank).map_err(|error| error.at("axis")))
    }
}

impl Function for Take {
    const CLASSES: &'static [&'static str] = &["Take"];
    const ARGS: &'static [&'static str] = &["x", "indices"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (x, places) = (one(args, "x")?.operand, one(args, "indices")?.operand);
        whole(&places)?;
        let x = if self.axis.is_none() { x.flat()? } else { x };
        let axis = self.axis(x.rank())?;
        let mut shape = x.shape;
        shape.splice(axis..=axis, places.shape);
        Ok(Spec::new(shape, x.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, places): (Value, Value) = (one(&args, "x")?.operand, one(&args, "indices")?.operand);
        let x = if self.axis.is_none() { x.flat()? } else { x };
        let (axis, mut shape) = (self.axis(x.rank())?, x.shape());
        let (size, count) = (shape[axis], places.shape().iter().product());
        let (inside, outside) = resolve(places.clone(), size)?;
        shape[axis] = count;
        let mut alone = vec![1; shape.len()];
        alone[axis] = count;
        let outside = outside.reshape(&alone)?.broadcast_to(&shape)?;
        let number = nowhere(x.keras_dtype());
        let taken = x.select_along(axis, inside.reshape(&[count])?)?.fill(outside, number)?;
        shape.splice(axis..=axis, places.shape());
        taken.reshape(&shape).map(Tree::Leaf)
    }
}

crate::config! {
    /// The operation `TakeAlongAxis`: for every place, the entry of an axis there. Those out of range
    /// are not a number, or the last one of their type, as JAX has it.
    pub struct TakeAlongAxis {
        /// The axis; without one, all elements in a row.
        axis: Option<i64> = None,
    }
}

impl TakeAlongAxis {
    fn operands<T: Form>(&self, args: &Args<T>) -> Result<(T, T, usize)> {
        let (x, places): (T, T) = (one(args, "x")?.operand, one(args, "indices")?.operand);
        whole(&places)?;
        let Some(axis) = self.axis else { return Ok((x.flat()?, places, 0)) };
        let axis = resolve_axis(axis, x.axes()).map_err(|error| error.at("axis"))?;
        Ok((x, places, axis))
    }
}

/// The shapes of a value and of places on an axis of it, spread to each other elsewhere.
fn along(x: &Spec, places: &Spec, axis: usize) -> Result<Sizes> {
    places.expect_rank(x.rank()).map_err(|error| error.at("indices"))?;
    let mut x = x.clone();
    x.shape[axis] = Some(1);
    let mut spread = broadcast(&[&x, places])?;
    spread[axis] = places.shape[axis];
    Ok(spread)
}

impl Function for TakeAlongAxis {
    const CLASSES: &'static [&'static str] = &["TakeAlongAxis"];
    const ARGS: &'static [&'static str] = &["x", "indices"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (x, places, axis) = self.operands(args)?;
        Ok(Spec::new(along(&x, &places, axis)?, x.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, places, axis): (Value, Value, usize) = self.operands(&args)?;
        let spec = |value: &Value| Spec::new(value.sizes(), value.keras_dtype());
        let mut sizes = along(&spec(&x), &spec(&places), axis)?;
        let places = places.spread(&sizes)?;
        sizes[axis] = Some(x.shape()[axis]);
        let x = x.spread(&sizes)?;
        let (inside, outside) = resolve(places, x.shape()[axis])?;
        let number = nowhere(x.keras_dtype());
        x.gather(axis, inside)?.fill(outside, number).map(Tree::Leaf)
    }
}

crate::config! {
    /// The operation `UnravelIndex`: places on every axis of a shape, of places in a row of its elements.
    pub struct UnravelIndex {
        /// The shape.
        shape: Vec<usize>,
    }
}

impl Function for UnravelIndex {
    const CLASSES: &'static [&'static str] = &["UnravelIndex"];
    const ARGS: &'static [&'static str] = &["indices"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let places = args.input()?;
        if places.dtype != Dtype::Int32 {
            return Err(Error::unsupported(format_args!("places in {}", places.dtype)).at("indices"));
        }
        let count = self.shape.iter().fold(1_usize, |count, size| count.saturating_mul(*size));
        if count == 0 || i32::try_from(count).is_err() {
            return Err(Error::unsupported(format_args!("a shape of {count} elements")).at("shape"));
        }
        Ok(Tree::list(self.shape.iter().map(|_| places.clone())))
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let places = args.into_input()?;
        let (shape, count) = (places.shape(), self.shape.iter().product::<usize>() as i64);
        let flat: Tensor<1, Int> = places.flat()?.int::<1>()?;
        // As JAX does it: places out of range are those nearest to them.
        let flat = flat.clamp(-count, count - 1);
        let behind = flat.clone().lower_elem(0);
        let mut rest = flat.clone().mask_where(behind, flat + count);
        let mut places = Vec::new();
        for size in self.shape.iter().rev() {
            let size = *size as i64;
            places.push(rest.clone().remainder_scalar(size));
            rest = rest.div_scalar(size);
        }
        let places = places.into_iter().rev().map(|places| Value::from(places).reshape(&shape));
        Ok(Tree::list(places.collect::<Result<Vec<_>>>()?))
    }
}
