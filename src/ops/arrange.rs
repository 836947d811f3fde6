//! Operations that turn, repeat and pad.

use super::form::{Form, Picks, in_order, moving};
use super::kit::Constant;
use crate::config::{Axes, Field, Json, Reader, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::{Binary, Reduce, Value};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Flip>(),
    row::<Fliplr>(),
    row::<Flipud>(),
    row::<Rot90>(),
    row::<Roll>(),
    row::<Repeat>(),
    row::<Tile>(),
    row::<Pad>(),
];

/// The operand in reverse along an axis.
fn flip<T: Form>(x: T, axis: usize) -> Result<T> {
    x.picked(axis, |size| Ok(Picks::new(size, move |at| size - 1 - at)))
}

/// The operand with its entries moved along an axis, those that fall off coming in at the other end.
fn roll<T: Form>(x: T, axis: usize, shift: i64) -> Result<T> {
    x.picked(axis, |size| {
        let start = -shift.rem_euclid(size.max(1) as i64);
        Ok(Picks::new(size, move |at| (start + at as i64).rem_euclid(size as i64) as usize))
    })
}

/// The numbers of a config that takes one or a list of them.
fn numbers(axes: &Axes) -> Vec<i64> {
    match axes {
        Axes::One(number) => vec![*number],
        Axes::Many(numbers) => numbers.clone(),
    }
}

/// The same, when none may be negative.
fn counts(axes: &Axes) -> Result<Vec<usize>> {
    let count = |number: i64| {
        usize::try_from(number)
            .map_err(|_| Error::config(format_args!("a negative number of times: {number}")))
    };
    numbers(axes).into_iter().map(count).collect()
}

moving! {
    /// The operation `Flip`: in reverse along some axes.
    Flip("x") {
        /// The axes; all without any.
        axis: Option<Axes> = None,
    } (this, x) => {
        let axes = match &this.axis {
            None => (0..x.axes()).collect(),
            Some(axes) => axes.resolve(x.axes()).map_err(|error| error.at("axis"))?,
        };
        axes.into_iter().try_fold(x, flip)
    };

    /// The operation `Fliplr`: in reverse along the second axis.
    Fliplr("x") {} (_this, x) => {
        let axis = resolve_axis(1, x.axes())?;
        flip(x, axis)
    };

    /// The operation `Flipud`: in reverse along the first axis.
    Flipud("x") {} (_this, x) => {
        let axis = resolve_axis(0, x.axes())?;
        flip(x, axis)
    };

    /// The operation `Rot90`: turned in the plane of two axes.
    Rot90("array") {
        /// How many quarters of a turn.
        k: i64 = 1,
        /// The axes; the turn is from the first towards the second.
        axes: Axes = Axes::Many(vec![0, 1]),
    } (this, x) => {
        let plane = in_order(&this.axes, x.axes()).map_err(|error| error.at("axes"))?;
        let &[first, second] = plane.as_slice() else {
            return Err(Error::config("expected two axes").at("axes"));
        };
        if first == second {
            return Err(Error::config("expected two different axes").at("axes"));
        }
        let mut swapped: Vec<usize> = (0..x.axes()).collect();
        swapped.swap(first, second);
        match this.k.rem_euclid(4) {
            1 => flip(x, second)?.permuted(&swapped),
            2 => flip(flip(x, first)?, second),
            3 => flip(x.permuted(&swapped)?, second),
            _ => Ok(x),
        }
    };

    /// The operation `Roll`: entries moved along axes, those that fall off coming in at the other end.
    Roll("x") {
        /// How far, for every axis or all of them.
        shift: Axes,
        /// The axes; without any, all elements in a row.
        axis: Option<Axes> = None,
    } (this, x) => {
        let shifts = numbers(&this.shift);
        let Some(axes) = &this.axis else {
            let (sizes, shift) = (x.sizes(), shifts.iter().fold(0_i64, |sum, shift| sum.saturating_add(*shift)));
            return roll(x.flat()?, 0, shift)?.reshaped(&sizes).map(Tree::Leaf);
        };
        let axes = in_order(axes, x.axes()).map_err(|error| error.at("axis"))?;
        if shifts.len() != axes.len() && shifts.len() != 1 && axes.len() != 1 {
            return Err(Error::config("expected as many numbers as axes").at("shift"));
        }
        let pairs = 0..shifts.len().max(axes.len());
        pairs.zip(shifts.iter().cycle()).zip(axes.iter().cycle())
            .try_fold(x, |x, ((_, shift), axis)| roll(x, *axis, *shift))
    };

    /// The operation `Repeat`: every entry several times.
    Repeat("x") {
        /// How many times, for every entry or all of them.
        repeats: Axes,
        /// The axis; without one, all elements in a row.
        axis: Option<i64> = None,
    } (this, x) => {
        let (x, axis) = match this.axis {
            None => (x.flat()?, 0),
            Some(axis) => {
                let axis = resolve_axis(axis, x.axes()).map_err(|error| error.at("axis"))?;
                (x, axis)
            }
        };
        let counts = counts(&this.repeats).map_err(|error| error.at("repeats"))?;
        if let &[count] = counts.as_slice() {
            x.picked(axis, |size| Ok(Picks::new(size.saturating_mul(count), move |at| at / count.max(1))))
        } else {
            let ends: Vec<usize> = counts.iter().scan(0_usize, |end, count| {
                *end = end.saturating_add(*count);
                Some(*end)
            }).collect();
            x.picked(axis, |size| match size == ends.len() {
                true => {
                    let length = ends.last().copied().unwrap_or(0);
                    Ok(Picks::new(length, move |at| ends.partition_point(|end| *end <= at)))
                }
                false => Err(Error::config(format_args!("expected {size} numbers, got {}", ends.len())).at("repeats")),
            })
        }
    };

    /// The operation `Tile`: the whole several times along every axis.
    Tile("x") {
        /// How many times for every axis, the last ones when there are fewer.
        repeats: Axes,
    } (this, x) => {
        let counts = counts(&this.repeats).map_err(|error| error.at("repeats"))?;
        let x = x.raised(counts.len())?;
        let first = x.axes().saturating_sub(counts.len());
        counts.into_iter().enumerate().try_fold(x, |x, (at, count)| {
            x.picked(first + at, |size| Ok(Picks::new(size.saturating_mul(count), move |at| at % size)))
        })
    };
}

/// How many entries are added before and after, for every axis or all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    pairs: Vec<Vec<usize>>,
    json: Json,
}

impl Field for Widths {
    const EXPECTED: &'static str = "an integer, a pair of integers, or a list of pairs";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let pairs = match json {
            Json::Number(_) => vec![vec![usize::read(json, reader)?]],
            Json::Array(items) if items.iter().all(Json::is_number) => vec![Vec::read(json, reader)?],
            _ => Vec::read(json, reader)?,
        };
        Some(Self { pairs, json: json.clone() })
    }

    fn write(&self) -> Json {
        self.json.clone()
    }
}

impl Widths {
    fn of(&self, rank: usize) -> Result<Vec<(usize, usize)>> {
        let pairs = self.pairs.iter().map(|pair| match pair.as_slice() {
            [both] => Ok((*both, *both)),
            [before, after] => Ok((*before, *after)),
            _ => Err(Error::config("expected pairs of integers")),
        });
        match pairs.collect::<Result<Vec<_>>>()?.as_slice() {
            [all] => Ok(vec![*all; rank]),
            pairs if pairs.len() == rank => Ok(pairs.to_vec()),
            pairs => Err(Error::config(format_args!("expected {rank} pairs, got {}", pairs.len()))),
        }
    }
}

crate::keywords! {
    /// What a value is padded with.
    pub enum PadMode {
        /// A number.
        Constant = "constant",
        /// Anything: zeros.
        Empty = "empty",
        /// The nearest element.
        Edge = "edge",
        /// The elements in reverse, without the edge.
        Reflect = "reflect",
        /// The elements in reverse, with the edge.
        Symmetric = "symmetric",
        /// The elements from the other end.
        Wrap = "wrap",
        /// The highest element.
        Maximum = "maximum",
        /// The lowest element.
        Minimum = "minimum",
        /// The mean of the elements.
        Mean = "mean",
        /// Numbers between the edge and zero.
        LinearRamp = "linear_ramp",
    }
}

crate::config! {
    /// The operation `Pad`: more entries before and after.
    pub struct Pad {
        /// How many, for every axis or all of them.
        pad_width: Widths,
        /// What they are.
        mode: PadMode = PadMode::Constant,
    }
}

impl Pad {
    /// The number around the elements.
    fn number<T>(&self, args: &Args<T>) -> Result<f64> {
        match args.get("constant_values") {
            None => Ok(0.0),
            Some(Tree::Constant(json)) if self.mode == PadMode::Constant => {
                let number = Constant::read(json)?.array.as_number();
                // Burn takes it as a `float32`, also for integers.
                let exact = |number: &f64| number.fract() != 0.0 || number.abs() <= 16_777_216.0;
                number.filter(exact).ok_or_else(|| Error::unsupported("expected one number, not too large"))
            }
            Some(_) => Err(Error::unsupported("expected a number, with the mode \"constant\"")),
        }
        .map_err(|error| error.at("constant_values"))
    }

    /// The entries of one axis, when they are all entries of the operand.
    fn picks(&self, size: usize, (before, after): (usize, usize)) -> Result<Picks<'static>> {
        let length = size.saturating_add(before).saturating_add(after);
        if size == 0 && length > 0 {
            return Err(Error::config("there is nothing to pad with").at("mode"));
        }
        let (mode, last) = (self.mode, size.saturating_sub(1));
        Ok(Picks::new(length, move |at| {
            // How far it is from the first entry.
            let away = at.abs_diff(before);
            let mirrored = |period: usize, place: usize| place.min(period.saturating_sub(place));
            match mode {
                PadMode::Wrap => (at as i64 - before as i64).rem_euclid(size as i64) as usize,
                PadMode::Reflect if last > 0 => mirrored(2 * last, away % (2 * last)),
                PadMode::Symmetric => {
                    let away = if at < before { away - 1 } else { away };
                    let place = away % (2 * size);
                    place.min(2 * size - 1 - place)
                }
                _ => at.saturating_sub(before).min(last),
            }
        }))
    }

    /// Entries that are computed from those of an axis.
    fn around(&self, x: Value, axis: usize, (before, after): (usize, usize)) -> Result<Value> {
        let reduce = match self.mode {
            PadMode::Maximum => Some(Reduce::Max),
            PadMode::Minimum => Some(Reduce::Min),
            PadMode::Mean => Some(Reduce::Mean),
            _ => None,
        };
        let side = |x: &Value, count: usize, is_before: bool| -> Result<Value> {
            let last = x.shape().get(axis).map_or(0, |size| size.saturating_sub(1));
            let edge = match reduce {
                Some(reduce) => x.clone().reduce(reduce, &[axis])?,
                None => x.clone().pick(axis, &[if is_before { 0 } else { last }])?,
            };
            let mut shape = edge.shape();
            shape[axis] = count;
            let spread = edge.broadcast_to(&shape)?;
            if reduce.is_some() {
                return Ok(spread);
            }
            let mut ramp: Vec<f32> = (0..count).map(|at| at as f32 / count as f32).collect();
            if !is_before {
                ramp.reverse();
            }
            let mut along = vec![1; shape.len()];
            along[axis] = count;
            let ramp = Value::from_data(burn::tensor::TensorData::new(ramp, along), &spread.device())?;
            spread.binary(Binary::Multiply, ramp)
        };
        let mut parts = Vec::new();
        if before > 0 {
            parts.push(side(&x, before, true)?);
        }
        let end = (after > 0).then(|| side(&x, after, false)).transpose()?;
        parts.push(x);
        parts.extend(end);
        Value::concat(parts, axis)
    }
}

impl Function for Pad {
    const CLASSES: &'static [&'static str] = &["Pad"];
    const ARGS: &'static [&'static str] = &["x", "constant_values"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        use PadMode::{Constant, Empty, LinearRamp, Maximum, Mean, Minimum};
        let input = args.input()?.clone();
        self.number(args)?;
        let pads = self.pad_width.of(input.rank()).map_err(|error| error.at("pad_width"))?;
        if matches!(self.mode, Maximum | Minimum | Mean | LinearRamp) && !input.dtype.is_float() {
            return Err(Error::unsupported(format_args!("with {}", input.dtype)).at("mode"));
        }
        if !matches!(self.mode, Constant | Empty) {
            for (size, pads) in input.shape.iter().zip(&pads).filter(|(_, pads)| **pads != (0, 0)) {
                self.picks(size.unwrap_or(1), *pads)?;
            }
        }
        input.padded(&pads, 0.0).map(Tree::Leaf)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        use PadMode::{Constant, Edge, Empty, Reflect, Symmetric, Wrap};
        let number = self.number(&args)?;
        let x = args.into_input()?;
        let pads = self.pad_width.of(x.rank())?;
        if matches!(self.mode, Constant | Empty) {
            return x.padded(&pads, number).map(Tree::Leaf);
        }
        let axes = pads.into_iter().enumerate().filter(|(_, pads)| *pads != (0, 0));
        let padded = axes.into_iter().try_fold(x, |x, (axis, pads)| match self.mode {
            Edge | Reflect | Symmetric | Wrap => x.picked(axis, |size| self.picks(size, pads)),
            _ => self.around(x, axis, pads),
        });
        padded.map(Tree::Leaf)
    }
}
