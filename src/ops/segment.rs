//! Reductions of the rows that have one number.

use std::collections::HashMap;

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::kit::{device, operand};
use super::pattern::{Pattern, Typing, bits, number, operations, same, wide};
use super::reduce::on_rows;
use super::sorting::numbers;
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Binary, Value, burn_dtype, int_range};

macro_rules! segments {
    ($($name:ident: $typing:expr => $reduce:expr;)+) => {
        operations! {
            ROWS["data", "segment_ids"]:
            $($name {
                /// How many segments there are.
                num_segments: Option<usize> = None,
                /// Whether the numbers rise, which makes no difference.
                sorted: bool = false,
            } = |config| Segments { count: config.num_segments, typing: $typing, reduce: $reduce };)+
        }
    };
}

segments! {
    SegmentMax: same => Reduce::Max;
    SegmentMin: same => Reduce::Min;
    SegmentProd: number => Reduce::Product;
    SegmentSum: number => Reduce::Sum;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reduce {
    Max,
    Min,
    Product,
    Sum,
}

impl Reduce {
    /// What a segment without rows is.
    fn nothing(self, dtype: Dtype) -> Result<f64> {
        let (min, max) = match dtype {
            Dtype::Float32 => (f64::NEG_INFINITY, f64::INFINITY),
            Dtype::Bool => (0.0, 1.0),
            dtype => {
                let (min, max) = int_range(burn_dtype(dtype)?);
                (min as f64, max as f64)
            }
        };
        Ok(match self {
            Self::Max => min,
            Self::Min => max,
            Self::Product => 1.0,
            Self::Sum => 0.0,
        })
    }

    fn join(self, a: Value, b: Value) -> Result<Value> {
        match self {
            Self::Max => a.binary(Binary::Maximum, b),
            Self::Min => a.binary(Binary::Minimum, b),
            Self::Product => a.binary(Binary::Multiply, b),
            Self::Sum => a.binary(Binary::Add, b),
        }
    }
}

/// One of the operations of this file.
struct Segments {
    count: Option<usize>,
    typing: Typing,
    reduce: Reduce,
}

impl Segments {
    fn count(&self) -> Result<usize> {
        self.count.ok_or_else(|| Error::unsupported("as many segments as the data has").at("num_segments"))
    }
}

impl Pattern for Segments {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (data, ids) = (operand(args, "data", None)?, operand(args, "segment_ids", None)?);
        bits(&[ids.kind])
            .and_then(|_| ids.operand.expect_rank(1))
            .map_err(|error| error.at("segment_ids"))?;
        let mut shape = data.operand.shape;
        match (shape.first_mut(), ids.operand.shape[0]) {
            (Some(Some(rows)), Some(ids)) if *rows != ids => {
                return Err(Error::config(format_args!("{ids} numbers for {rows} rows")).at("segment_ids"));
            }
            (Some(rows), _) => *rows = Some(self.count()?),
            (None, _) => return Err(Error::config("expected rows").at("data")),
        }
        Ok(Spec::new(shape, (self.typing)(&[data.kind])?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (data, ids) =
            (operand(args, "data", Some(&device))?, operand(args, "segment_ids", Some(&device))?);
        let dtype = (self.typing)(&[data.kind])?;
        let (count, mut shape) = (self.count()?, data.operand.shape());
        let rows = shape.first().copied().unwrap_or(0);
        shape[0] = count;
        let size = shape[1..].iter().product();
        let data = data.operand.with_mask(None).cast(burn_dtype(dtype)?)?.reshape(&[rows, size])?;
        let ids = numbers(&ids.operand)?;
        // What has no segment goes to one that is dropped.
        let ids: Vec<usize> =
            ids.into_iter().map(|id| if id < 0.0 { count } else { count.min(id as usize) }).collect();
        let reduced = match (self.reduce, data.is_float()) {
            (Reduce::Sum, true) => sum(data, &ids, count)?,
            _ => self.fold(data, &ids, count, dtype)?,
        };
        Ok(reduced.reshape(&shape)?.into())
    }
}

fn indices(indices: &[usize], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = indices.iter().map(|at| *at as i64).collect();
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), (device, DType::I64))
}

fn sum(data: Value, ids: &[usize], count: usize) -> Result<Value> {
    let data = data.float::<2>()?;
    let device = data.device();
    let sums = Tensor::<2>::zeros([count + 1, data.dims()[1]], &device);
    let sums = sums.select_assign(0, indices(ids, &device), data, IndexingUpdateOp::Add);
    Value::from(sums).narrow(0, 0, count)
}

impl Segments {
    /// Joins the first rows of all segments with the second ones, and so on.
    fn fold(&self, data: Value, ids: &[usize], count: usize, dtype: Dtype) -> Result<Value> {
        let (device, rows, storage) = (data.device(), ids.len(), data.dtype());
        let size = data.shape().get(1).copied().unwrap_or(0);
        let nothing = Tensor::<2>::full([1, size], self.reduce.nothing(dtype)?, &device);
        let nothing = Value::from(nothing).cast(storage)?;
        // The how-manieth of its segment every row is.
        let mut met: HashMap<usize, usize> = HashMap::new();
        let turns: Vec<usize> = ids
            .iter()
            .map(|id| {
                let met = met.entry(*id).or_default();
                *met += 1;
                *met - 1
            })
            .collect();
        met.remove(&count);
        let most = met.into_values().max().unwrap_or(0);
        let padded = Value::concat(vec![data, nothing.clone()], 0)?;
        let mut joined = nothing.broadcast_to(&[count, size])?;
        for turn in 0..most {
            // The row after the last stands for those of segments that have no more.
            let mut next = vec![rows; count];
            for (row, id) in ids.iter().enumerate().filter(|(row, _)| turns.get(*row) == Some(&turn)) {
                if let Some(next) = next.get_mut(*id) {
                    *next = row;
                }
            }
            let next = indices(&next, &device);
            let next = on_rows!(padded.clone(), x => x.select(0, next));
            joined = match next.is_float() {
                true => self.reduce.join(joined, next)?,
                false => {
                    let (joined, next) = (wide(joined.int::<2>()?), wide(next.int::<2>()?));
                    self.reduce.join(joined.into(), next.into())?.cast(storage)?
                }
            };
        }
        Ok(joined)
    }
}
