//! Operations on values of any rank. Shapes and axes are Keras' own, counted from the front.

use burn::tensor::kind::BridgeTensor;
use burn::tensor::ops::PadMode;
use burn::tensor::{Bool, DType, Int, IntDType, Tensor};

use super::{Data, Order, Value, held, on_tensor};
use crate::error::{Error, Result};
use crate::{by_rank, map_float};

/// Operations of two values, element by element, with NumPy's broadcasting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
}

/// Comparisons of two values, element by element, with NumPy's broadcasting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// Reductions over axes, which stay with size 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reduce {
    Sum,
    Mean,
    Max,
    Min,
}

/// Brings integers of two types to the wider one, since backends do not mix them.
fn same_int(left: BridgeTensor, right: BridgeTensor) -> (BridgeTensor, BridgeTensor) {
    let (left, right) = (to_int(left), to_int(right));
    let wider = if left.dtype().size() < right.dtype().size() { right.dtype() } else { left.dtype() };
    let cast = |tensor: BridgeTensor| match tensor.dtype() == wider {
        true => tensor,
        false => on_rank_one(tensor, |x: Tensor<1, Int>| x.cast(wider).into_bridge()),
    };
    (cast(left), cast(right))
}

pub(super) fn to_float(tensor: BridgeTensor) -> BridgeTensor {
    if tensor.is_int() {
        return on_rank_one(tensor, |x: Tensor<1, Int>| x.float().cast(DType::F32).into_bridge());
    }
    if tensor.is_bool() {
        return on_rank_one(tensor, |x: Tensor<1, Bool>| x.float().cast(DType::F32).into_bridge());
    }
    // As Keras casts what enters a layer to the type that the layer computes in.
    match tensor.dtype() {
        DType::F32 => tensor,
        _ => on_rank_one(tensor, |x: Tensor<1>| x.cast(DType::F32).into_bridge()),
    }
}

/// Floats without their fraction. What an integer type cannot hold becomes the nearest that it can,
/// NaN becomes zero.
fn nearest_int(x: Tensor<1>, dtype: DType) -> Tensor<1, Int> {
    let (min, max) = int_range(dtype);
    // Below 2^63 even after rounding to a float.
    let bound = 9.2e18_f32;
    let nan = x.clone().is_nan();
    let x = x.mask_fill(nan, 0.0).clamp(-bound, bound);
    x.cast(IntDType::I64).clamp(min, max).cast(dtype)
}

/// Integers of another type, less the bits that it does not have. Not every backend drops them itself.
fn wrapped_int(x: Tensor<1, Int>, dtype: DType) -> Tensor<1, Int> {
    let ((min, max), (lowest, highest)) = (int_range(dtype), int_range(x.dtype()));
    if dtype.size() == 8 || (min <= lowest && highest <= max) {
        return x.cast(dtype);
    }
    // At most 32 bits, so that nothing overflows; flipping the sign bit twice extends it.
    let (bits, sign) = (max - min, -min);
    let kept = x.cast(DType::I64).bitwise_and_scalar(bits);
    (kept.bitwise_xor_scalar(sign) - sign).cast(dtype)
}

/// The lowest and the highest number of an integer type, as far as 64 bits with a sign reach.
pub(crate) fn int_range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::I8 => (i8::MIN.into(), i8::MAX.into()),
        DType::I16 => (i16::MIN.into(), i16::MAX.into()),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::U8 => (0, u8::MAX.into()),
        DType::U16 => (0, u16::MAX.into()),
        DType::U32 => (0, u32::MAX.into()),
        DType::U64 => (0, i64::MAX),
        _ => (i64::MIN, i64::MAX),
    }
}

pub(super) fn to_int(tensor: BridgeTensor) -> BridgeTensor {
    if tensor.is_float() {
        return on_rank_one(tensor, |x: Tensor<1>| x.int().into_bridge());
    }
    if tensor.is_bool() {
        return on_rank_one(tensor, |x: Tensor<1, Bool>| x.int().into_bridge());
    }
    tensor
}

pub(super) fn to_bool(tensor: BridgeTensor) -> BridgeTensor {
    if tensor.is_float() {
        return truly_bool(on_rank_one(tensor, |x: Tensor<1>| x.not_equal_elem(0.0).into_bridge()));
    }
    if tensor.is_int() {
        return truly_bool(on_rank_one(tensor, |x: Tensor<1, Int>| x.not_equal_elem(0).into_bridge()));
    }
    tensor
}

/// Burn's comparisons of integers give booleans under the kind of integers.
pub(super) fn truly_bool(tensor: BridgeTensor) -> BridgeTensor {
    match tensor.dtype().is_bool() && !tensor.is_bool() {
        true => BridgeTensor::bool(tensor.into_parts().1),
        false => tensor,
    }
}

/// Conversions look at elements only, so the rank that the type claims does not matter.
fn on_rank_one<K: burn::tensor::kind::Basic>(
    tensor: BridgeTensor,
    convert: impl FnOnce(Tensor<1, K>) -> BridgeTensor,
) -> BridgeTensor {
    convert(Tensor::from_bridge(tensor))
}

impl Value {
    /// The value under another shape.
    ///
    /// # Errors
    /// When the number of elements differs, or a rank is not supported.
    pub fn reshape(self, shape: &[usize]) -> Result<Self> {
        let (from, to): (usize, usize) = (self.shape().iter().product(), shape.iter().product());
        if from != to {
            return Err(Error::input(format_args!("cannot reshape {:?} to {shape:?}", self.shape())));
        }
        let plain = match self.plain()?.data {
            Data::Strings(strings) => return Ok(Self::of_strings(strings.reshape(shape))),
            Data::Tensor(tensor) => tensor,
        };
        let flat = on_tensor!(plain, x => x.reshape::<1, _>([from]))?;
        if shape.is_empty() {
            return Ok(Self::from_stored(flat, Order::Scalar));
        }
        let (is_float, is_int) = (flat.is_float(), flat.is_int());
        let tensor = by_rank!(shape.len(), D => {
            let shape: [usize; D] = std::array::from_fn(|axis| shape[axis]);
            if is_float {
                Tensor::<1>::from_bridge(flat).reshape(shape).into_bridge()
            } else if is_int {
                Tensor::<1, Int>::from_bridge(flat).reshape(shape).into_bridge()
            } else {
                Tensor::<1, Bool>::from_bridge(flat).reshape(shape).into_bridge()
            }
        })?;
        Ok(Self::from_stored(tensor, Order::Plain))
    }

    /// The value with its axes in another order: axis `i` of the result is `axes[i]` of the value.
    ///
    /// # Errors
    /// When `axes` does not name every axis once.
    pub fn permute(self, axes: &[usize]) -> Result<Self> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.rank()) {
            return Err(Error::input(format_args!("{axes:?} does not order {} axes", self.rank())));
        }
        if self.order == Order::Scalar {
            return Ok(self);
        }
        let plain = self.plain()?.tensor()?;
        let tensor = on_tensor!(plain, x => {
            let axes: [isize; D] = std::array::from_fn(|axis| axes[axis] as isize);
            x.permute(axes)
        })?;
        Ok(Self::from_stored(tensor, Order::Plain))
    }

    /// The value with a new axis of size 1 before `axis`.
    ///
    /// # Errors
    /// When the rank gets too high.
    pub fn expand_dims(self, axis: usize) -> Result<Self> {
        let mut shape = self.shape();
        shape.insert(axis.min(shape.len()), 1);
        self.reshape(&shape)
    }

    /// The value without some axes of size 1.
    ///
    /// # Errors
    /// When one of them has another size.
    pub fn squeeze(self, axes: &[usize]) -> Result<Self> {
        let shape = self.shape();
        let kept: Vec<usize> = shape
            .iter()
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis))
            .map(|(_, size)| *size)
            .collect();
        self.reshape(&kept)
    }

    /// The value with elements of another type.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn cast(self, dtype: DType) -> Result<Self> {
        if !self.is_string() && self.dtype() == dtype {
            return Ok(self);
        }
        let dtype = held(dtype, &self.device());
        let (order, mask) = (self.order, self.mask.clone());
        let tensor = self.tensor()?;
        let tensor = if matches!(dtype, DType::Bool(_)) && tensor.is_bool() {
            tensor
        } else if dtype.is_float() {
            on_rank_one(to_float(tensor), |x: Tensor<1>| x.cast(dtype).into_bridge())
        } else if matches!(dtype, DType::Bool(_)) {
            to_bool(tensor)
        } else if tensor.is_float() {
            on_rank_one(to_float(tensor), |x: Tensor<1>| nearest_int(x, dtype).into_bridge())
        } else {
            on_rank_one(to_int(tensor), |x: Tensor<1, Int>| wrapped_int(x, dtype).into_bridge())
        };
        Ok(Self { data: Data::Tensor(tensor), order, mask })
    }

    /// A part of the value along one axis: `length` entries from `start`.
    ///
    /// # Errors
    /// When they are out of range.
    pub fn narrow(self, axis: usize, start: usize, length: usize) -> Result<Self> {
        let size = self.shape().get(axis).copied().unwrap_or(0);
        if start.checked_add(length).is_none_or(|end| end > size) {
            return Err(Error::input(format_args!(
                "{length} entries from {start} are out of an axis of {size}"
            )));
        }
        match self.data {
            Data::Strings(strings) => Ok(Self::of_strings(strings.narrow(axis, start, length))),
            // Burn would panic.
            Data::Tensor(_) if length == 0 => Err(Error::unsupported("a part without entries")),
            Data::Tensor(_) => self
                .keeping_order(axis, |tensor, axis| on_tensor!(tensor, x => x.narrow(axis, start, length))),
        }
    }

    /// The value in reverse along one axis.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn flip(self, axis: usize) -> Result<Self> {
        self.keeping_order(axis, |tensor, axis| on_tensor!(tensor, x => x.flip([axis as isize])))
    }

    /// Repeats every entry of an axis `times` times: `[a, b]` becomes `[a, a, b, b]`.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn repeat_each(self, axis: usize, times: usize) -> Result<Self> {
        if times == 1 {
            return Ok(self);
        }
        self.keeping_order(axis, |tensor, axis| {
            on_tensor!(tensor, x => {
                let mut shape = x.dims();
                let before: usize = shape[..axis].iter().product();
                let after: usize = shape[axis + 1..].iter().product();
                let entries = x.reshape([before, shape[axis], 1, after]);
                // Spreading is several times faster, but Burn cannot spread what has no entries.
                let repeated = match shape.contains(&0) {
                    true => entries.repeat_dim(2, times),
                    false => entries.expand([before, shape[axis], times, after]),
                };
                shape[axis] *= times;
                repeated.reshape(shape)
            })
        })
    }

    /// Joins values along an axis.
    ///
    /// # Errors
    /// When there is none, or their shapes differ elsewhere.
    pub fn concat(values: Vec<Self>, axis: usize) -> Result<Self> {
        let Some(first) = values.first() else { return Err(Error::input("nothing to concatenate")) };
        let (order, shape) = (first.order, first.shape());
        for value in &values {
            let other = value.shape();
            let fits = other.len() == shape.len()
                && other.iter().zip(&shape).enumerate().all(|(at, (a, b))| at == axis || a == b);
            if !fits || axis >= shape.len() {
                return Err(Error::input(format_args!(
                    "cannot concatenate {shape:?} and {other:?} on axis {axis}"
                )));
            }
        }
        if first.is_string() {
            return Self::concat_strings(values, axis);
        }
        let same_order = values.iter().all(|value| value.order == order);
        let order = if same_order { order } else { Order::Plain };
        let values: Vec<Self> =
            if same_order { values } else { values.into_iter().map(Self::plain).collect::<Result<_>>()? };
        let same_type = values.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype());
        let axis = stored_axis(order, shape.len(), axis);
        let tensors = values.into_iter().map(Self::tensor).collect::<Result<Vec<_>>>()?;
        let all_int = tensors.iter().all(BridgeTensor::is_int);
        let all_bool = tensors.iter().all(BridgeTensor::is_bool);
        let tensors = tensors.into_iter();
        let tensor = by_rank!(shape.len(), D => {
            if all_int {
                let tensors = tensors.map(Tensor::<D, Int>::from_bridge).collect();
                Tensor::cat(tensors, axis as isize).into_bridge()
            } else if all_bool {
                let tensors = tensors.map(Tensor::<D, Bool>::from_bridge).collect();
                Tensor::cat(tensors, axis as isize).into_bridge()
            } else {
                let float = |tensor| if same_type { tensor } else { to_float(tensor) };
                let tensors = tensors.map(|tensor| Tensor::<D>::from_bridge(float(tensor))).collect();
                Tensor::cat(tensors, axis as isize).into_bridge()
            }
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// Pads every axis with a constant: `pads[axis]` entries before and after. Integers stay integers,
    /// booleans become floats.
    ///
    /// # Errors
    /// When `pads` has not one entry per axis.
    pub fn pad(self, pads: &[(usize, usize)], with: f64) -> Result<Self> {
        if pads.len() != self.rank() {
            return Err(Error::input(format_args!("expected {} paddings, got {}", self.rank(), pads.len())));
        }
        if self.order == Order::Scalar {
            return Ok(self);
        }
        let mut pads = pads.to_vec();
        if self.order == Order::ChannelsFirst {
            pads[1..].rotate_right(1);
        }
        let order = self.order;
        let tensor = self.tensor()?;
        let is_int = tensor.is_int();
        let tensor = by_rank!(tensor.rank(), D => {
            let pads: [(usize, usize); D] = std::array::from_fn(|axis| pads[axis]);
            let mode = PadMode::Constant(with as f32);
            if is_int {
                Tensor::<D, Int>::from_bridge(tensor).pad(pads, mode).into_bridge()
            } else {
                Tensor::<D>::from_bridge(to_float(tensor)).pad(pads, mode).into_bridge()
            }
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// Reduces some axes, which stay with size 1. Floats only.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn reduce(self, reduce: Reduce, axes: &[usize]) -> Result<Self> {
        let axes: Vec<usize> = axes.iter().map(|axis| stored_axis(self.order, self.rank(), *axis)).collect();
        map_float!(self, x => axes.iter().fold(x, |x, axis| {
            let axis = *axis as isize;
            match reduce {
                Reduce::Sum => x.sum_dim(axis),
                Reduce::Mean => x.mean_dim(axis),
                Reduce::Max => x.max_dim(axis),
                Reduce::Min => x.min_dim(axis),
            }
        }))
    }

    /// Whether any entry along an axis is true; the axis goes.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub fn any(self, axis: usize) -> Result<Self> {
        let tensor = to_bool(self.plain()?.tensor()?);
        let any = by_rank!(tensor.rank(), D => {
            Tensor::<D, Bool>::from_bridge(tensor).any_dim(axis as isize).into_bridge()
        })?;
        Self::from_stored(any, Order::Plain).squeeze(&[axis])
    }

    /// An operation of two values. Integers stay integers unless they are divided or meet a float.
    ///
    /// # Errors
    /// When their shapes do not broadcast.
    pub fn binary(self, op: Binary, other: Self) -> Result<Self> {
        let (left, right, order) = Self::aligned(self, other)?;
        let ints = !left.is_float() && !right.is_float() && op != Binary::Divide;
        let tensor = by_rank!(left.rank(), D => {
            if ints {
                let (left, right) = same_int(left, right);
                let (a, b) = (Tensor::<D, Int>::from_bridge(left), Tensor::from_bridge(right));
                match op {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply | Binary::Divide => a * b,
                    Binary::Maximum => a.max_pair(b),
                    Binary::Minimum => a.min_pair(b),
                }
                .into_bridge()
            } else {
                let (a, b) = (Tensor::<D>::from_bridge(to_float(left)), Tensor::from_bridge(to_float(right)));
                match op {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply => a * b,
                    Binary::Divide => a / b,
                    Binary::Maximum => keeping_nan(a, b, Tensor::max_pair),
                    Binary::Minimum => keeping_nan(a, b, Tensor::min_pair),
                }
                .into_bridge()
            }
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// A comparison of two values, in booleans.
    ///
    /// # Errors
    /// When their shapes do not broadcast.
    pub fn compare(self, op: Compare, other: Self) -> Result<Self> {
        let (left, right, order) = Self::aligned(self, other)?;
        let ints = !left.is_float() && !right.is_float();
        macro_rules! compare {
            ($a:expr, $b:expr) => {
                match op {
                    Compare::Equal => $a.equal($b),
                    Compare::NotEqual => $a.not_equal($b),
                    Compare::Less => $a.lower($b),
                    Compare::LessEqual => $a.lower_equal($b),
                    Compare::Greater => $a.greater($b),
                    Compare::GreaterEqual => $a.greater_equal($b),
                }
                .into_bridge()
            };
        }
        let tensor = by_rank!(left.rank(), D => {
            if ints {
                let (left, right) = same_int(left, right);
                compare!(Tensor::<D, Int>::from_bridge(left), Tensor::from_bridge(right))
            } else {
                compare!(Tensor::<D>::from_bridge(to_float(left)), Tensor::from_bridge(to_float(right)))
            }
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// Whether both of two values are true.
    ///
    /// # Errors
    /// When their shapes do not broadcast.
    pub fn and(self, other: Self) -> Result<Self> {
        let (left, right, order) = Self::aligned(self, other)?;
        let tensor = by_rank!(left.rank(), D => {
            let (a, b) = (Tensor::<D, Bool>::from_bridge(to_bool(left)), Tensor::from_bridge(to_bool(right)));
            a.bool_and(b).into_bridge()
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// Whether either of two values is true.
    ///
    /// # Errors
    /// When their shapes do not broadcast.
    pub fn or(self, other: Self) -> Result<Self> {
        let (left, right, order) = Self::aligned(self, other)?;
        let tensor = by_rank!(left.rank(), D => {
            let (a, b) = (Tensor::<D, Bool>::from_bridge(to_bool(left)), Tensor::from_bridge(to_bool(right)));
            a.bool_or(b).into_bridge()
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// The value where `mask` is true, and `other` elsewhere, with NumPy's broadcasting. Floats only.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn select(self, mask: Self, other: Self) -> Result<Self> {
        let shape = broadcast(&broadcast(&self.shape(), &mask.shape())?, &other.shape())?;
        let mask = to_bool(mask.broadcast_to(&shape)?.tensor()?);
        let (this, other) = (self.broadcast_to(&shape)?.tensor()?, other.broadcast_to(&shape)?.tensor()?);
        let tensor = by_rank!(mask.rank(), D => {
            let this = Tensor::<D>::from_bridge(to_float(this));
            let other = Tensor::<D>::from_bridge(to_float(other));
            other.mask_where(Tensor::from_bridge(mask), this).into_bridge()
        })?;
        Ok(Self::from_stored(tensor, Order::of(&shape)))
    }

    /// The value with its sizes of 1 spread to `shape`.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    pub fn broadcast_to(self, shape: &[usize]) -> Result<Self> {
        if broadcast(&self.shape(), shape)? != shape {
            return Err(Error::input(format_args!("cannot spread {:?} to {shape:?}", self.shape())));
        }
        if shape.is_empty() {
            return Ok(self);
        }
        let tensor = self.with_rank(shape.len())?.tensor()?;
        let tensor = on_tensor!(tensor, x => {
            let shape: [usize; D] = std::array::from_fn(|axis| shape[axis]);
            x.expand(shape)
        })?;
        Ok(Self::from_stored(tensor, Order::Plain))
    }

    /// The value with leading axes of size 1 up to `rank` axes.
    fn with_rank(self, rank: usize) -> Result<Self> {
        let mut shape = self.shape();
        if shape.len() >= rank {
            return self.plain();
        }
        shape.splice(0..0, std::iter::repeat_n(1, rank - shape.len()));
        self.reshape(&shape)
    }

    /// Two values brought to one rank and one memory order.
    fn aligned(left: Self, right: Self) -> Result<(BridgeTensor, BridgeTensor, Order)> {
        broadcast(&left.shape(), &right.shape())?;
        if left.order == right.order && left.rank() == right.rank() {
            let order = left.order;
            return Ok((left.tensor()?, right.tensor()?, order));
        }
        let rank = left.rank().max(right.rank());
        Ok((left.with_rank(rank)?.tensor()?, right.with_rank(rank)?.tensor()?, Order::Plain))
    }

    /// Runs an operation along one axis on the data as it is stored.
    pub(super) fn keeping_order(
        self,
        axis: usize,
        run: impl FnOnce(BridgeTensor, usize) -> Result<BridgeTensor>,
    ) -> Result<Self> {
        let axis = stored_axis(self.order, self.rank(), axis);
        let order = self.order;
        Ok(Self::from_stored(run(self.tensor()?, axis)?, order))
    }
}

/// One of two numbers, but NaN where either is, which Burn would pass over.
fn keeping_nan<const D: usize>(
    a: Tensor<D>,
    b: Tensor<D>,
    pick: impl FnOnce(Tensor<D>, Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    let nans = a.clone().is_nan().float() + b.clone().is_nan().float();
    pick(a, b).mask_fill(nans.greater_elem(0.0), f32::NAN)
}

/// Where an axis of the shape lies in memory.
pub(super) fn stored_axis(order: Order, rank: usize, axis: usize) -> usize {
    match order {
        Order::ChannelsFirst if axis + 1 == rank => 1,
        Order::ChannelsFirst if axis > 0 => axis + 1,
        _ => axis,
    }
}

/// The shape of two shapes broadcast together.
fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>> {
    let rank = left.len().max(right.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    (0..rank)
        .map(|axis| match (size(left, axis), size(right, axis)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => Err(Error::input(format_args!("shapes {left:?} and {right:?} do not broadcast"))),
        })
        .collect()
}
