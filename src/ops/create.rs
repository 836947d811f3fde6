//! Operations that make new values: filled ones, sequences, and marks of classes.

use burn::tensor::{Int, Tensor, TensorData};

use super::form::{Form, one, pair};
use super::index::whole;
use super::kit::{broadcast, float_of};
use super::source::cast;
use crate::codegen::{Code, Place};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::map_float;
use crate::value::{Binary, Compare, Value, burn_dtype};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<ZerosLike>(),
    row::<OnesLike>(),
    row::<EmptyLike>(),
    row::<FullLike>(),
    row::<Full>(),
    row::<Linspace>(),
    row::<Logspace>(),
    row::<Geomspace>(),
    row::<OneHot>(),
    row::<MultiHot>(),
];

/// `ZerosLike` and `OnesLike`.
macro_rules! filled_like {
    ($name:ident, $number:literal, $burn:literal) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`.")]
            pub struct $name {
                /// The element type, unless that of the operand.
                dtype: Option<Dtype> = None,
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = args.input()?;
                Ok(input.with_dtype(self.dtype.unwrap_or(input.dtype)).into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?;
                let dtype = match self.dtype {
                    Some(dtype) => burn_dtype(dtype)?,
                    None => x.dtype(),
                };
                let number = Tensor::<1, Int>::full([1], $number, &x.device());
                Ok(Value::from(number).broadcast_to(&x.shape())?.cast(dtype)?.into())
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                let own = place.alone()?.dtype;
                let method = cast(own, self.dtype.unwrap_or(own))?;
                let call = format!("{{0}}.{}(){method}", $burn);
                matches!(own, Dtype::Float32 | Dtype::Int32).then(|| Code::function(call, place.layout))
            }
        }
    };
}

filled_like!(ZerosLike, 0, "zeros_like");
filled_like!(OnesLike, 1, "ones_like");

super::form::moving! {
    /// The operation `EmptyLike`: zeros, as JAX has it.
    EmptyLike("x") {
        /// The element type, unless that of the operand.
        dtype: Option<Dtype> = None,
    } (this, x) => {
        let (dtype, sizes) = (this.dtype.unwrap_or(x.dtype()), x.sizes());
        let count = x.count();
        x.typed(dtype)?.reshaped(&[Some(1), count])?.kept([0, 1], |_, _| false, 0.0)?.reshaped(&sizes)
    };
}

super::form::forming! {
    /// The operation `FullLike`: one number in the shape of another value.
    FullLike("x", "fill_value") {
        /// The element type, unless that of the operand.
        dtype: Option<Dtype> = None,
    } (this, args) => {
        let x: T = one(&args, "x")?.operand;
        let number: T = one(&args, "fill_value")?.operand;
        number.typed(this.dtype.unwrap_or(x.dtype()))?.spread(&x.sizes()).map(Tree::Leaf)
    };

    /// The operation `Full`: one number in a shape.
    Full("fill_value") {
        /// The shape.
        shape: Vec<Option<usize>>,
        /// The element type.
        dtype: Option<Dtype> = None,
    } (this, args) => {
        let number: T = one(&args, "fill_value")?.operand;
        number.typed(this.dtype.unwrap_or(Dtype::Float32))?.spread(&this.shape).map(Tree::Leaf)
    };
}

/// What all sequences have in common.
struct Sequence {
    num: usize,
    endpoint: bool,
    dtype: Option<Dtype>,
    axis: i64,
}

impl Sequence {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (start, stop) = pair(args, ["start", "stop"])?;
        if self.num == 0 {
            return Err(Error::unsupported("no entries").at("num"));
        }
        let mut shape = broadcast(&[&start, &stop])?;
        let axis = resolve_axis(self.axis, shape.len() + 1).map_err(|error| error.at("axis"))?;
        shape.insert(axis, Some(self.num));
        Spec::new(shape, start.dtype).typed(self.dtype.unwrap_or(float_of(start.dtype))).map(Tree::Leaf)
    }

    fn operands(args: &Args<Value>) -> Result<(Value, Value)> {
        let (start, stop): (Value, Value) = pair(args, ["start", "stop"])?;
        let float = float_of(start.keras_dtype());
        Ok((start.typed(float)?, stop.typed(float)?))
    }

    /// Numbers at equal distances from `start` to `stop`.
    fn line(&self, start: Value, stop: Value) -> Result<Value> {
        let steps = if self.endpoint { self.num.saturating_sub(1) } else { self.num }.max(1);
        let device = start.device();
        let part = |reverse: bool| {
            let part = (0..self.num).map(|at| {
                let part = at as f64 / steps as f64;
                if reverse { 1.0 - part } else { part }
            });
            let part: Vec<f32> = part.map(|part| part as f32).collect();
            Value::from_data(TensorData::new(part, [self.num]), &device)
        };
        let (mut shape, rank) = (vec![self.num], start.rank().max(stop.rank()));
        shape.resize(rank + 1, 1);
        let start =
            start.raised(rank)?.expanded(0)?.binary(Binary::Multiply, part(true)?.reshape(&shape)?)?;
        let stop = stop.raised(rank)?.expanded(0)?.binary(Binary::Multiply, part(false)?.reshape(&shape)?)?;
        start.binary(Binary::Add, stop)
    }

    /// The numbers in their type and along their axis.
    fn finish(&self, numbers: Value) -> Result<Tree<Value>> {
        let axis = resolve_axis(self.axis, numbers.rank())?;
        let numbers = numbers.moved(0, axis)?;
        let dtype = self.dtype.unwrap_or(numbers.keras_dtype());
        let numbers = if dtype.is_int() { map_float!(numbers, x => x.floor())? } else { numbers };
        numbers.typed(dtype).map(Tree::Leaf)
    }
}

/// An operation that gives a [`Sequence`].
macro_rules! sequence {
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* } ($this:ident, $sequence:ident, $start:ident, $stop:ident) $check:block => $numbers:expr) => {
        crate::config! {
            $(#[$meta])*
            pub struct $name {
                /// How many numbers.
                num: usize = 50,
                /// Whether the last of them is `stop`.
                endpoint: bool = true,
                /// The element type.
                dtype: Option<Dtype> = None,
                /// Where the axis of the numbers is in the result.
                axis: i64 = 0,
                $($fields)*
            }
        }

        impl $name {
            fn sequence(&self) -> Sequence {
                Sequence { num: self.num, endpoint: self.endpoint, dtype: self.dtype, axis: self.axis }
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["start", "stop"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let $this = self;
                $check
                self.sequence().outputs(args)
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let ($this, $sequence) = (self, self.sequence());
                let ($start, $stop) = Sequence::operands(&args)?;
                $sequence.finish($numbers)
            }
        }
    };
}

sequence! {
    /// The operation `Linspace`: numbers at equal distances.
    Linspace {
        /// Whether the distance is given too; not supported.
        retstep: bool = false,
    } (this, sequence, start, stop) {
        if this.retstep {
            return Err(Error::unsupported("the distance as a second result").at("retstep"));
        }
    } => {
        let _ = this;
        sequence.line(start, stop)?
    }
}

sequence! {
    /// The operation `Logspace`: powers of a base whose exponents are at equal distances.
    Logspace {
        /// The base.
        base: f64 = 10.0,
    } (this, sequence, start, stop) {
        if this.base <= 0.0 {
            return Err(Error::unsupported("a base that is not positive").at("base"));
        }
    } => {
        let rate = this.base.ln();
        map_float!(sequence.line(start, stop)?, x => (x * rate).exp())?
    }
}

sequence! {
    /// The operation `Geomspace`: numbers at equal ratios. Both ends have one sign.
    Geomspace {} (this, sequence, start, stop) { let _ = this; } => {
        let _ = this;
        let sign = map_float!(start.clone(), x => x.sign())?;
        let [start, stop] = [start, stop].map(|end| map_float!(end, x => x.abs().log()));
        let numbers = map_float!(sequence.line(start?, stop?)?, x => x.exp())?;
        let rank = numbers.rank();
        numbers.binary(Binary::Multiply, sign.raised(rank - 1)?.expanded(0)?)?
    }
}

/// Where the axis of classes is among `rank` others.
fn class_axis(axis: i64, rank: usize) -> Result<usize> {
    let inserted = usize::try_from(axis).ok().filter(|axis| *axis < rank.max(1));
    let axis = if axis == -1 { Some(rank) } else { inserted };
    axis.ok_or_else(|| Error::config(format_args!("expected -1 or an axis below {rank}")).at("axis"))
}

/// Whether each place is each class.
fn marks(places: Value, classes: usize, axis: usize) -> Result<Value> {
    let places = places.typed(Dtype::Int32)?.expanded(axis)?;
    let names = Tensor::<1, Int>::arange(0..classes as i64, (&places.device(), places.dtype()));
    let mut shape = vec![1; places.rank()];
    shape[axis] = classes;
    places.compare(Compare::Equal, Value::from(names).reshape(&shape)?)
}

crate::config! {
    /// The operation `OneHot`: for every place a row that is one there and zero elsewhere.
    pub struct OneHot {
        /// How many places there are.
        num_classes: usize,
        /// Where the rows lie in the result.
        axis: i64 = -1,
        /// The element type.
        dtype: Option<Dtype> = None,
        /// Whether zeros are left out; not supported.
        sparse: bool = false,
    }
}

impl Function for OneHot {
    const CLASSES: &'static [&'static str] = &["OneHot"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let places = args.input()?;
        whole(places)?;
        if self.sparse {
            return Err(Error::unsupported("a sparse tensor").at("sparse"));
        }
        let mut shape = places.shape.clone();
        shape.insert(class_axis(self.axis, places.rank())?, Some(self.num_classes));
        Spec::new(shape, places.dtype).typed(self.dtype.unwrap_or(Dtype::Float32)).map(Tree::Leaf)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let places = args.into_input()?;
        let axis = class_axis(self.axis, places.rank())?;
        marks(places, self.num_classes, axis)?.typed(self.dtype.unwrap_or(Dtype::Float32)).map(Tree::Leaf)
    }
}

crate::config! {
    /// The operation `MultiHot`: rows that are one at several places and zero elsewhere.
    pub struct MultiHot {
        /// How many places there are.
        num_classes: usize,
        /// Where the rows lie before those of the second axis become one.
        axis: i64 = -1,
        /// The element type.
        dtype: Option<Dtype> = None,
        /// Whether zeros are left out; not supported.
        sparse: bool = false,
    }
}

impl Function for MultiHot {
    const CLASSES: &'static [&'static str] = &["MultiHot"];
    const ARGS: &'static [&'static str] = &["inputs"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let places = args.input()?;
        if self.sparse {
            return Err(Error::unsupported("a sparse tensor").at("sparse"));
        }
        let mut shape = places.shape.clone();
        shape.insert(class_axis(self.axis, places.rank())?, Some(self.num_classes));
        if places.rank() == 0 {
            return Err(Error::unsupported("of a value without axes"));
        }
        shape.remove(usize::from(places.rank() > 1));
        Spec::new(shape, places.dtype).typed(self.dtype.unwrap_or(Dtype::Float32)).map(Tree::Leaf)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let places = args.into_input()?;
        let axis = class_axis(self.axis, places.rank())?;
        let several = usize::from(places.rank() > 1);
        let marks = marks(places, self.num_classes, axis)?.any(several)?;
        marks.typed(self.dtype.unwrap_or(Dtype::Float32)).map(Tree::Leaf)
    }
}
