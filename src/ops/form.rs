//! Operations that treat every element alike, whatever it is, written once for shapes and for values.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::kit::{Operand, Typed, operand, operands, promote};
use crate::config::{Axes, Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec};
use crate::limits::Limits;
use crate::value::{Binary, MAX_RANK, Value, burn_dtype, unsupported_rank};

/// The sizes of all axes, as far as they are known.
pub(crate) type Sizes = Vec<Option<usize>>;

/// Which entries an axis of the result has, by their places on an axis of the operand.
pub(crate) struct Picks<'a> {
    pub length: usize,
    pub place: Box<dyn Fn(usize) -> usize + 'a>,
}

impl<'a> Picks<'a> {
    pub(crate) fn new(length: usize, place: impl Fn(usize) -> usize + 'a) -> Self {
        Self { length, place: Box::new(place) }
    }

    /// Neighbouring entries.
    pub(crate) fn range(start: usize, end: usize) -> Self {
        Self::new(end.saturating_sub(start), move |at| start + at)
    }
}

/// What an operation moves: a spec, and later a value.
pub(crate) trait Form: Operand {
    /// The sizes of the axes; all are known of a value.
    fn sizes(&self) -> Sizes;

    /// Another shape of as many elements.
    fn reshaped(self, sizes: &[Option<usize>]) -> Result<Self>;

    /// The axes in another order.
    fn permuted(self, axes: &[usize]) -> Result<Self>;

    /// Some entries of an axis, as `picks` says of its size.
    fn picked<'a>(self, axis: usize, picks: impl FnOnce(usize) -> Result<Picks<'a>>) -> Result<Self>;

    /// Sizes of 1 spread to others.
    fn spread(self, sizes: &[Option<usize>]) -> Result<Self>;

    /// Operands of one type beside each other.
    fn joined(parts: Vec<Self>, axis: usize) -> Result<Self>;

    /// Another element type.
    fn typed(self, dtype: Dtype) -> Result<Self>;

    /// Two operands of one type, element by element.
    fn combined(self, op: Binary, other: Self) -> Result<Self>;

    /// The matrix product of two operands of one rank and type.
    fn times(self, other: Self) -> Result<Self>;

    /// The sum along an axis, which goes.
    fn summed(self, axis: usize) -> Result<Self>;

    /// A number in place of the elements that are not to be kept, by their places on two axes.
    fn kept(self, axes: [usize; 2], keep: impl Fn(usize, usize) -> bool, otherwise: f64) -> Result<Self>;

    /// A number around the elements: so many entries before and after, for every axis.
    fn padded(self, pads: &[(usize, usize)], number: f64) -> Result<Self>;

    /// The device of the values among the operands.
    fn device(args: &Args<Self>) -> Option<Device>;

    /// The number of axes.
    fn axes(&self) -> usize {
        self.sizes().len()
    }

    /// The number of elements, if it is known.
    fn count(&self) -> Option<usize> {
        self.sizes().into_iter().try_fold(1_usize, |count, size| Some(count.saturating_mul(size?)))
    }

    /// The operand with an axis for each of its elements only.
    fn flat(self) -> Result<Self> {
        let count = self.count();
        self.reshaped(&[count])
    }

    /// A new axis of size 1.
    fn expanded(self, axis: usize) -> Result<Self> {
        let mut sizes = self.sizes();
        sizes.insert(axis.min(sizes.len()), Some(1));
        self.reshaped(&sizes)
    }

    /// The operand with axes of size 1 in front, up to a number of axes.
    fn raised(self, rank: usize) -> Result<Self> {
        let missing = rank.saturating_sub(self.axes());
        (0..missing).try_fold(self, |form, _| form.expanded(0))
    }

    /// The operand without an axis, of which one entry is left.
    fn at(self, axis: usize, place: impl FnOnce(usize) -> Result<usize>) -> Result<Self> {
        let one = self.picked(axis, |size| place(size).map(|place| Picks::range(place, place + 1)))?;
        let mut sizes = one.sizes();
        // Of an axis of any size one entry is left all the same.
        sizes.remove(axis);
        one.reshaped(&sizes)
    }

    /// One axis in another place.
    fn moved(self, from: usize, to: usize) -> Result<Self> {
        let mut axes: Vec<usize> = (0..self.axes()).collect();
        let axis = axes.remove(from);
        axes.insert(to, axis);
        self.permuted(&axes)
    }
}

fn checked(spec: Spec) -> Result<Spec> {
    match spec.rank() <= MAX_RANK {
        true => Ok(spec),
        false => Err(unsupported_rank(spec.rank())),
    }
}

impl Form for Spec {
    fn sizes(&self) -> Sizes {
        self.shape.clone()
    }

    fn reshaped(self, sizes: &[Option<usize>]) -> Result<Self> {
        let reshaped = Self::new(sizes.to_vec(), self.dtype);
        match (self.count(), reshaped.count()) {
            (Some(from), Some(to)) if from != to => {
                Err(Error::config(format_args!("cannot reshape {self} to {reshaped}")))
            }
            _ => checked(reshaped),
        }
    }

    fn permuted(self, axes: &[usize]) -> Result<Self> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.rank()) {
            return Err(Error::config(format_args!("{axes:?} does not order the axes of {self}")));
        }
        Ok(Self::new(axes.iter().map(|axis| self.shape[*axis]).collect(), self.dtype))
    }

    fn picked<'a>(mut self, axis: usize, picks: impl FnOnce(usize) -> Result<Picks<'a>>) -> Result<Self> {
        if let Some(size) = self.shape[axis] {
            self.shape[axis] = Some(picks(size)?.length);
        }
        Ok(self)
    }

    fn spread(self, sizes: &[Option<usize>]) -> Result<Self> {
        let spread = Self::new(sizes.to_vec(), self.dtype);
        match super::kit::broadcast(&[&self, &spread])? == sizes {
            true => checked(spread),
            false => Err(Error::config(format_args!("cannot spread {self} to {spread}"))),
        }
    }

    fn joined(parts: Vec<Self>, axis: usize) -> Result<Self> {
        let mut parts = parts.into_iter();
        let Some(mut joined) = parts.next() else { return Err(Error::config("nothing to join")) };
        for part in parts {
            if part.rank() != joined.rank() {
                return Err(Error::config(format_args!("cannot join {joined} and {part}")));
            }
            for (at, size) in part.shape.iter().enumerate() {
                joined.shape[at] = match (joined.shape[at], *size) {
                    (Some(a), Some(b)) if at == axis => Some(a.saturating_add(b)),
                    _ if at == axis => None,
                    (Some(a), Some(b)) if a != b => {
                        let message = format_args!("cannot join {joined} and {part} on axis {axis}");
                        return Err(Error::config(message));
                    }
                    (a, b) => a.or(b),
                };
            }
        }
        Ok(joined)
    }

    fn typed(self, dtype: Dtype) -> Result<Self> {
        burn_dtype(dtype).map(|_| self.with_dtype(dtype))
    }

    fn combined(self, _: Binary, other: Self) -> Result<Self> {
        Ok(Self::new(super::kit::broadcast(&[&self, &other])?, self.dtype))
    }

    fn times(self, other: Self) -> Result<Self> {
        let rank = self.rank();
        if rank < 2 || other.rank() != rank {
            return Err(Error::config(format_args!("no matrix product of {self} and {other}")));
        }
        let (inner, others) = (self.shape[rank - 1], other.shape[rank - 2]);
        if inner.zip(others).is_some_and(|(a, b)| a != b) {
            return Err(Error::config(format_args!("no matrix product of {self} and {other}")));
        }
        let batch = |spec: &Self| Self::new(spec.shape[..rank - 2].to_vec(), spec.dtype);
        let mut shape = super::kit::broadcast(&[&batch(&self), &batch(&other)])?;
        shape.extend([self.shape[rank - 2], other.shape[rank - 1]]);
        Ok(Self::new(shape, self.dtype))
    }

    fn summed(mut self, axis: usize) -> Result<Self> {
        self.shape.remove(axis);
        Ok(self)
    }

    fn kept(self, _: [usize; 2], _: impl Fn(usize, usize) -> bool, _: f64) -> Result<Self> {
        Ok(self)
    }

    fn padded(mut self, pads: &[(usize, usize)], _: f64) -> Result<Self> {
        for (size, (before, after)) in self.shape.iter_mut().zip(pads) {
            *size = size.map(|size| size.saturating_add(*before).saturating_add(*after));
        }
        Ok(self)
    }

    fn device(_: &Args<Self>) -> Option<Device> {
        None
    }
}

/// The sizes of a value, all of which are known.
fn known(sizes: &[Option<usize>]) -> Result<Vec<usize>> {
    let known: Option<Vec<usize>> = sizes.iter().copied().collect();
    known.ok_or_else(|| Error::input("a size is not known"))
}

/// Refuses a shape that grew too large with a size that was not known before.
fn bounded(sizes: impl IntoIterator<Item = usize>) -> Result<()> {
    let count = sizes.into_iter().fold(1_u64, |count, size| count.saturating_mul(size.max(1) as u64));
    Limits::check("elements of an intermediate value", count, Limits::default().activation)
}

impl Form for Value {
    fn sizes(&self) -> Sizes {
        self.shape().into_iter().map(Some).collect()
    }

    fn reshaped(self, sizes: &[Option<usize>]) -> Result<Self> {
        let sizes = known(sizes)?;
        if self.shape() == sizes { Ok(self) } else { self.reshape(&sizes) }
    }

    fn permuted(self, axes: &[usize]) -> Result<Self> {
        self.permute(axes)
    }

    fn picked<'a>(self, axis: usize, picks: impl FnOnce(usize) -> Result<Picks<'a>>) -> Result<Self> {
        let mut shape = self.shape();
        let picks = picks(shape[axis])?;
        shape[axis] = picks.length;
        bounded(shape)?;
        let places: Vec<usize> = (0..picks.length).map(picks.place).collect();
        self.pick(axis, &places)
    }

    fn spread(self, sizes: &[Option<usize>]) -> Result<Self> {
        let sizes = known(sizes)?;
        bounded(sizes.iter().copied())?;
        self.broadcast_to(&sizes)
    }

    fn joined(parts: Vec<Self>, axis: usize) -> Result<Self> {
        Self::concat(parts, axis)
    }

    fn typed(self, dtype: Dtype) -> Result<Self> {
        self.cast(burn_dtype(dtype)?)
    }

    fn combined(self, op: Binary, other: Self) -> Result<Self> {
        let dtype = self.dtype();
        self.binary(op, other)?.cast(dtype)
    }

    fn times(self, other: Self) -> Result<Self> {
        let dtype = self.dtype();
        self.matmul(other)?.cast(dtype)
    }

    fn summed(self, axis: usize) -> Result<Self> {
        let dtype = self.dtype();
        self.total(axis)?.cast(dtype)
    }

    fn kept(self, axes: [usize; 2], keep: impl Fn(usize, usize) -> bool, otherwise: f64) -> Result<Self> {
        let mut shape = self.shape();
        let [rows, columns] = axes.map(|axis| shape[axis]);
        let drop = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let drop: Vec<bool> = drop.map(|(row, column)| !keep(row, column)).collect();
        let mask = Tensor::<2, Bool>::from_data(TensorData::new(drop, [rows, columns]), &self.device());
        let mask = if axes[0] < axes[1] { mask } else { mask.transpose() };
        let full = shape.clone();
        for (axis, size) in shape.iter_mut().enumerate() {
            *size = if axes.contains(&axis) { *size } else { 1 };
        }
        self.fill(Self::from(mask).reshape(&shape)?.broadcast_to(&full)?, otherwise)
    }

    fn padded(self, pads: &[(usize, usize)], number: f64) -> Result<Self> {
        let dtype = self.dtype();
        bounded(
            self.shape().iter().zip(pads).map(|(size, (a, b))| size.saturating_add(*a).saturating_add(*b)),
        )?;
        self.pad(pads, number)?.cast(dtype)
    }

    fn device(args: &Args<Self>) -> Option<Device> {
        args.leaves().first().map(|value| value.device())
    }
}

/// The operand of that name.
///
/// # Errors
/// When there is none.
pub(crate) fn one<T: Form>(args: &Args<T>, name: &str) -> Result<Typed<T>> {
    operand(args, name, T::device(args).as_ref())
}

/// Two operands, brought to the type that they meet in.
///
/// # Errors
/// When there is none.
pub(crate) fn pair<T: Form>(args: &Args<T>, names: [&str; 2]) -> Result<(T, T)> {
    let [a, b] = names;
    let (a, b) = (one(args, a)?, one(args, b)?);
    let dtype = promote(&[a.kind, b.kind])?;
    Ok((a.operand.typed(dtype)?, b.operand.typed(dtype)?))
}

/// Every operand of a list, brought to the type that they meet in.
///
/// # Errors
/// When there is none.
pub(crate) fn several<T: Form>(args: &Args<T>, name: &str) -> Result<Vec<T>> {
    let parts = operands(args, name, T::device(args).as_ref())?;
    let kinds: Vec<_> = parts.iter().map(|part| part.kind).collect();
    let dtype = promote(&kinds)?;
    parts.into_iter().map(|part| part.operand.typed(dtype)).collect()
}

/// The axes that a config names, counted from the front, in its own order.
///
/// # Errors
/// When one is out of range.
pub(crate) fn in_order(axes: &Axes, rank: usize) -> Result<Vec<usize>> {
    let given = match axes {
        Axes::One(axis) => std::slice::from_ref(axis),
        Axes::Many(axes) => axes,
    };
    given.iter().map(|axis| resolve_axis(*axis, rank)).collect()
}

/// Operations of one operand, which make one [`Form`] of another.
macro_rules! moving {
    ($($(#[$meta:meta])* $name:ident($arg:literal) { $($fields:tt)* } ($this:ident, $x:ident) => $body:expr;)+) => {
        $crate::ops::form::forming! {
            $($(#[$meta])* $name($arg) { $($fields)* } ($this, args) => {
                let $x = args.into_input()?;
                let result: $crate::error::Result<T> = $body;
                result.map($crate::layer::Tree::Leaf)
            };)+
        }
    };
}
pub(crate) use moving;

/// Operations that make of [`Form`]s (the type `T`) others.
macro_rules! forming {
    ($($(#[$meta:meta])* $name:ident($($arg:literal),+) { $($fields:tt)* } ($this:ident, $args:ident) => $body:expr;)+) => {$(
        $crate::config! {
            $(#[$meta])*
            pub struct $name { $($fields)* }
        }

        impl $name {
            pub(crate) fn run<T: $crate::ops::form::Form>(
                &self,
                $args: $crate::layer::Args<T>,
            ) -> $crate::error::Result<$crate::layer::Tree<T>> {
                let $this = self;
                $body
            }
        }

        impl $crate::layer::Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &[$($arg),+];
            const OPERATION: bool = true;

            fn outputs(
                &self,
                args: &$crate::layer::Args<$crate::layer::Spec>,
            ) -> $crate::error::Result<$crate::layer::Tree<$crate::layer::Spec>> {
                self.run(args.clone())
            }

            fn call(
                &self,
                args: $crate::layer::Args<$crate::value::Value>,
                _: &$crate::layer::Context,
            ) -> $crate::error::Result<$crate::layer::Tree<$crate::value::Value>> {
                self.run(args)
            }

            fn code(&self, place: &$crate::codegen::Place<'_>) -> Option<$crate::codegen::Code> {
                $crate::ops::source::code(place, |args| self.run(args))
            }
        }
    )+};
}
pub(crate) use forming;
