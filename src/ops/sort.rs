//! Operations that sort, or look for places among sorted numbers.

use burn::tensor::{DType, TensorData};

use super::kit::{device, operand, promote};
use super::pattern::{Along, Pattern, bits, index, operations, same};
use super::sorting::{Order, argsort, gather, numbers, order};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Value, burn_dtype};

operations! { ROWS["x"]:
    Argpartition {
        /// How many elements are certainly below the others.
        kth: i64,
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = Some(-1),
    } = |config| {
        let kth = config.kth;
        Partition(kth, Along { result: index, ..Along::new(config.axis, same, Box::new(move |x| partition(x, kth))) })
    };
    /// Equal elements stay in order, NaN comes last.
    Argsort {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = Some(-1),
    } = |config| Along {
        result: index,
        ..Along::new(config.axis, same, Box::new(|x| Ok(argsort(&x, Order::Lowest)?.into())))
    };
    /// NaN comes last.
    Sort {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = Some(-1),
    } = |config| Along::new(config.axis, same, Box::new(|x| gather(x.clone(), argsort(&x, Order::Lowest)?)));
    /// The highest along the last axis and where they are; the first of equals comes first.
    TopK {
        /// How many.
        k: usize,
        /// Whether they must be sorted; they are in any case.
        sorted: bool = true,
    } = |config| Top { k: config.k };
}

/// See [`Argpartition`].
struct Partition(i64, Along);

impl Pattern for Partition {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let outputs = self.1.outputs(args)?;
        for spec in outputs.leaves() {
            let axis = resolve_axis(self.1.axis.unwrap_or(0), spec.rank())?;
            if let Some(size) = spec.shape[axis] {
                resolve_axis(self.0, size).map_err(|_| {
                    Error::config(format_args!("{} is out of range for {size} elements", self.0)).at("kth")
                })?;
            }
        }
        Ok(outputs)
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        self.1.call(args)
    }
}

/// The lowest in their order, then the places of the rest.
fn partition(x: Value, kth: i64) -> Result<Value> {
    let size = x.shape().get(1).copied().unwrap_or(0);
    let first = resolve_axis(kth, size)?.saturating_add(1);
    // As JAX does it.
    let sorted = numbers(&argsort(&x, Order::HighestNegated)?.into())?;
    let mut places: Vec<i64> = Vec::new();
    for row in sorted.chunks(size.max(1)) {
        let row: Vec<i64> = row.iter().map(|at| *at as i64).collect();
        let (lowest, rest) = row.split_at(first.min(row.len()));
        let mut rest = rest.to_vec();
        rest.sort_unstable();
        places.extend(lowest.iter().chain(&rest));
    }
    Value::from_data(TensorData::new(places, x.shape()), &x.device())
}

/// See [`TopK`].
struct Top {
    k: usize,
}

impl Pattern for Top {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, "x", None)?;
        let mut values = Spec::new(x.operand.shape, promote(&[x.kind])?);
        match values.shape.last_mut() {
            None => return Err(Error::config("expected an axis to take the highest of")),
            Some(Some(size)) if *size < self.k => {
                return Err(Error::config(format_args!("{} of {size} elements", self.k)).at("k"));
            }
            Some(size) => *size = Some(self.k),
        }
        let places = values.with_dtype(Dtype::Int32);
        Ok(Tree::list([values, places]))
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand.with_mask(None);
        let (dtype, mut shape) = (x.dtype(), x.shape());
        let size = shape.pop().unwrap_or(1);
        let rows = x.reshape(&[shape.iter().product(), size])?;
        let places = Value::from(argsort(&rows, Order::Highest)?).narrow(1, 0, self.k)?;
        let highest = gather(rows, places.clone().int::<2>()?)?;
        shape.push(self.k);
        let highest = highest.reshape(&shape)?.cast(dtype)?;
        Ok(Tree::list([highest, places.reshape(&shape)?.cast(burn_dtype(Dtype::Int32)?)?]))
    }
}

operations! { IN_TOP["targets", "predictions"]:
    InTopK {
        /// How many.
        k: i64,
    } = |config| AmongTop { k: config.k };
}

/// See [`InTopK`].
struct AmongTop {
    k: i64,
}

impl Pattern for AmongTop {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (targets, x) = (operand(args, "targets", None)?, operand(args, "predictions", None)?);
        if bits(&[targets.kind]).is_err() || targets.operand.rank() + 1 != x.operand.rank() {
            let (targets, x) = (targets.operand, x.operand);
            return Err(Error::config(format_args!("expected one integer per row of {x}, got {targets}")));
        }
        Ok(targets.operand.with_dtype(Dtype::Bool).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let targets = operand(args, "targets", Some(&device))?.operand;
        let x = operand(args, "predictions", Some(&device))?.operand.with_mask(None);
        let shape = targets.shape();
        let size = x.shape().last().copied().unwrap_or(0);
        let rows = numbers(&x)?;
        let among = rows.chunks(size.max(1)).zip(numbers(&targets)?).map(|(row, target)| {
            // As JAX takes elements: from the end, where negative, and NaN where there is none.
            let at = if target < 0.0 { target + size as f64 } else { target };
            let inside = at >= 0.0 && at < size as f64;
            let target = if inside { row.get(at as usize).copied() } else { None };
            let target = target.filter(|x| !x.is_nan()).unwrap_or(f64::NEG_INFINITY);
            let above = row.iter().filter(|x| **x > target).count();
            i64::try_from(above).unwrap_or(i64::MAX) < self.k
        });
        let among: Vec<bool> = among.collect();
        Ok(Value::from_data(TensorData::new(among, shape), &device)?.into())
    }
}

crate::keywords! {
    /// Which of the places between equals counts.
    pub enum Side {
        /// The first.
        Left = "left",
        /// The last.
        Right = "right",
    }
}

operations! { SEARCH["sorted_sequence", "values"]:
    SearchSorted {
        /// Which of the places between equals counts.
        side: Side = Side::Left,
    } = |config| Search { sorted: "sorted_sequence", values: "values", find: match config.side {
        Side::Left => left,
        Side::Right => right,
    } };
}

operations! { DIGITIZE["x", "bins"]:
    Digitize {} = |_| Search { sorted: "bins", values: "x", find: bin };
}

operations! { IS_IN["x1", "x2"]:
    IsIn {
        /// Whether no number is there twice, which would make no difference.
        assume_unique: bool = false,
        /// Whether to ask which are not.
        invert: bool = false,
    } = |config| Membership { invert: config.invert };
}

/// The place of a number among sorted ones.
type Find = fn(&[f64], f64) -> usize;

fn left(sorted: &[f64], x: f64) -> usize {
    sorted.partition_point(|other| order(*other, x).is_lt())
}

fn right(sorted: &[f64], x: f64) -> usize {
    sorted.partition_point(|other| order(*other, x).is_le())
}

/// The place among bounds that rise or fall.
fn bin(bounds: &[f64], x: f64) -> usize {
    match (bounds.first(), bounds.last()) {
        (Some(first), Some(last)) if last < first => bounds.partition_point(|bound| order(*bound, x).is_gt()),
        _ => right(bounds, x),
    }
}

/// See [`SearchSorted`] and [`Digitize`].
struct Search {
    sorted: &'static str,
    values: &'static str,
    find: Find,
}

impl Pattern for Search {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (sorted, values) = (operand(args, self.sorted, None)?, operand(args, self.values, None)?);
        sorted.operand.expect_rank(1).map_err(|error| error.at(self.sorted))?;
        promote(&[sorted.kind, values.kind])?;
        Ok(values.operand.with_dtype(Dtype::Int32).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (sorted, values) =
            (operand(args, self.sorted, Some(&device))?, operand(args, self.values, Some(&device))?);
        let dtype = burn_dtype(promote(&[sorted.kind, values.kind])?)?;
        let shape = values.operand.shape();
        let sorted = numbers(&sorted.operand.cast(dtype)?)?;
        let places = numbers(&values.operand.with_mask(None).cast(dtype)?)?;
        let places: Vec<i64> = places.into_iter().map(|x| (self.find)(&sorted, x) as i64).collect();
        Ok(Value::from_data(TensorData::new(places, shape), &device)?.cast(DType::I32)?.into())
    }
}

/// See [`IsIn`].
struct Membership {
    invert: bool,
}

impl Pattern for Membership {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (x, among) = (operand(args, "x1", None)?, operand(args, "x2", None)?);
        promote(&[x.kind, among.kind])?;
        Ok(x.operand.with_dtype(Dtype::Bool).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (x, among) = (operand(args, "x1", Some(&device))?, operand(args, "x2", Some(&device))?);
        let dtype = burn_dtype(promote(&[x.kind, among.kind])?)?;
        let shape = x.operand.shape();
        let mut among = numbers(&among.operand.cast(dtype)?)?;
        among.sort_by(|a, b| order(*a, *b));
        let is_in = |x: f64| !x.is_nan() && among.get(left(&among, x)) == Some(&x);
        let found: Vec<bool> =
            numbers(&x.operand.cast(dtype)?)?.into_iter().map(|x| is_in(x) != self.invert).collect();
        Ok(Value::from_data(TensorData::new(found, shape), &device)?.into())
    }
}
