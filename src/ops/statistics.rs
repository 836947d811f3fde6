//! Averages, moments and other statistics.

use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor, TensorData};

use super::kit::{Constant, device, operand, promote};
use super::pattern::{Pattern, float, operations, spec_of};
use super::reduce::{reduced, reduced_shape, rows, variance};
use crate::config::{Axes, Dtype, Kept, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::Value;

operations! { AVERAGE["x", "weights"]:
    Average {
        /// The axis; all without one.
        axis: Option<i64> = None,
    } = |config| Weighted { axis: config.axis };
}

operations! { ROWS["x"]:
    Corrcoef {} = |_| Correlation;
    /// The mean and the variance.
    Moments {
        /// The axes.
        axes: Axes,
        /// Whether they stay with size 1.
        keepdims: bool = false,
        /// Whether to ask other devices too, which is not done.
        synchronized: bool = false,
    } = |config| MeanAndVariance { axes: Some(config.axes.clone()), keepdims: config.keepdims, synchronized: config.synchronized };
}

operations! { TRAPEZOID["y"]:
    Trapezoid {
        /// Where the values are.
        x: Kept = Kept::default(),
        /// How far apart they are otherwise.
        dx: Kept = Kept::default(),
        /// The axis.
        axis: i64 = -1,
    } = |config| Area { x: config.x.clone(), dx: config.dx.clone(), axis: config.axis };
}

operations! { CORRELATE["x1", "x2"]:
    Correlate {
        /// Which places count.
        mode: Overlap = Overlap::Valid,
    } = |config| Sliding { mode: config.mode };
}

operations! { SIZES["x"]:
    Ndim {} = |_| Count { of: <[usize]>::len };
    Size {} = |_| Count { of: |shape| shape.iter().product() };
}

crate::keywords! {
    /// Where one sequence has to lie on the other.
    pub enum Overlap {
        /// Wholly.
        Valid = "valid",
        /// As often as the longer one has elements.
        Same = "same",
        /// Anyhow.
        Full = "full",
    }
}

/// See [`Average`].
struct Weighted {
    axis: Option<i64>,
}

impl Weighted {
    fn axes(&self) -> Option<Axes> {
        self.axis.map(Axes::One)
    }

    /// The weights in the shape of the values, or the one that broadcasts to it.
    fn shape(&self, x: &Spec, weights: &Spec) -> Result<Vec<Option<usize>>> {
        let fit = |a: Option<usize>, b: Option<usize>| a.is_none() || b.is_none() || a == b;
        if weights.rank() == x.rank() && x.shape.iter().zip(&weights.shape).all(|(a, b)| fit(*a, *b)) {
            return Ok(weights.shape.clone());
        }
        if let (Some(axis), [size]) = (self.axis, &weights.shape[..]) {
            let axis = resolve_axis(axis, x.rank()).map_err(|error| error.at("axis"))?;
            if fit(x.shape[axis], *size) {
                let mut shape = vec![Some(1); x.rank()];
                shape[axis] = *size;
                return Ok(shape);
            }
        }
        Err(Error::config(format_args!("weights {weights} do not fit {x}")).at("weights"))
    }
}

impl Pattern for Weighted {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, "x", None)?;
        if args.get("weights").is_some() {
            self.shape(&x.operand, &operand(args, "weights", None)?.operand)?;
        }
        Ok(Spec::new(reduced_shape(&x.operand, &self.axes(), false)?, Dtype::Float32).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let x = operand(args, "x", Some(&device))?.operand;
        if args.get("weights").is_none() {
            return Ok(reduced(x, &self.axes(), false, |x| Ok(x.float::<2>()?.mean_dim(1).into()))?.into());
        }
        let weights = operand(args, "weights", Some(&device))?.operand.with_mask(None);
        let shape = self.shape(&spec_of(&x), &spec_of(&weights))?;
        let weights = weights.reshape(&shape.into_iter().flatten().collect::<Vec<_>>())?;
        let weights = rows(weights.broadcast_to(&x.shape())?, &self.axes())?.float::<2>()?;
        let average = |x: Value| {
            let sum = (x.float::<2>()? * weights.clone()).sum_dim(1);
            Ok((sum / weights.sum_dim(1)).into())
        };
        Ok(reduced(x, &self.axes(), false, average)?.into())
    }
}

/// See [`Moments`].
struct MeanAndVariance {
    axes: Option<Axes>,
    keepdims: bool,
    synchronized: bool,
}

impl Pattern for MeanAndVariance {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if self.synchronized {
            return Err(Error::unsupported("moments of several devices").at("synchronized"));
        }
        let x = operand(args, "x", None)?;
        let shape = reduced_shape(&x.operand, &self.axes, self.keepdims).map_err(|error| error.at("axes"))?;
        let spec = Spec::new(shape, float(&[x.kind])?);
        Ok(Tree::list([spec.clone(), spec]))
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand;
        let mean = |x: Value| Ok(x.float::<2>()?.mean_dim(1).into());
        let mean = reduced(x.clone(), &self.axes, self.keepdims, mean)?;
        Ok(Tree::list([mean, reduced(x, &self.axes, self.keepdims, variance)?]))
    }
}

/// See [`Corrcoef`].
struct Correlation;

impl Pattern for Correlation {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, "x", None)?.operand;
        let shape = match x.shape[..] {
            [_] => Vec::new(),
            [variables, _] => vec![variables, variables],
            _ => return Err(Error::config(format_args!("expected one or two axes, got {x}"))),
        };
        Ok(Spec::new(shape, Dtype::Float32).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand.with_mask(None);
        let (rank, size) = (x.rank(), x.shape().last().copied().unwrap_or(0));
        let count = if rank == 1 { 1 } else { x.shape()[0] };
        let x = x.reshape(&[count, size])?.float::<2>()?;
        let x = x.clone() - x.mean_dim(1);
        let norm = x.clone().square().sum_dim(1).sqrt();
        let x = x / norm;
        let found = Value::from(x.clone().matmul(x.transpose()).clamp(-1.0, 1.0));
        Ok(if rank == 1 { found.reshape(&[])? } else { found }.into())
    }
}

/// See [`Trapezoid`].
struct Area {
    x: Kept,
    dx: Kept,
    axis: i64,
}

impl Area {
    /// How far neighbours are apart: one number, or one for each pair of `size` elements.
    fn widths(&self, size: Option<usize>) -> Result<Vec<f64>> {
        let given = |kept: &Kept| {
            let json = kept.0.as_ref().filter(|json| !json.is_null());
            json.map(Constant::read).transpose().map(|found| found.map(|constant| constant.array))
        };
        let (name, found) = match given(&self.x).map_err(|error| error.at("x"))? {
            Some(x) if x.shape().len() == 1 => {
                ("x", x.numbers().windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>())
            }
            Some(_) => return Err(Error::unsupported("places of more than one axis").at("x")),
            None => match given(&self.dx).map_err(|error| error.at("dx"))? {
                None => return Ok(vec![1.0]),
                Some(dx) if dx.shape().len() <= 1 => ("dx", dx.numbers().to_vec()),
                Some(_) => return Err(Error::unsupported("distances of more than one axis").at("dx")),
            },
        };
        match size {
            Some(size) if found.len() != 1 && found.len() + 1 != size => {
                Err(Error::config(format_args!("{} distances between {size} elements", found.len())).at(name))
            }
            _ => Ok(found),
        }
    }
}

impl Pattern for Area {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let y = operand(args, "y", None)?;
        let axis = resolve_axis(self.axis, y.operand.rank()).map_err(|error| error.at("axis"))?;
        self.widths(y.operand.shape[axis])?;
        let shape = reduced_shape(&y.operand, &Some(Axes::One(self.axis)), false)?;
        Ok(Spec::new(shape, float(&[y.kind])?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let y = operand(args, "y", None)?.operand;
        let area = |y: Value| {
            let y = y.float::<2>()?;
            let (size, device) = (y.dims()[1], y.device());
            let widths: Vec<f32> = self.widths(Some(size))?.into_iter().map(|width| width as f32).collect();
            let count = widths.len();
            let widths = Tensor::<2>::from_data(TensorData::new(widths, [1, count]), (&device, DType::F32));
            if size < 2 {
                return Ok((y.sum_dim(1) * 0.0).into());
            }
            let sums = y.clone().narrow(1, 1, size - 1) + y.narrow(1, 0, size - 1);
            Ok(((sums * widths).sum_dim(1) * 0.5).into())
        };
        Ok(reduced(y, &Some(Axes::One(self.axis)), false, area)?.into())
    }
}

/// See [`Correlate`].
struct Sliding {
    mode: Overlap,
}

impl Pattern for Sliding {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand(args, "x1", None)?, operand(args, "x2", None)?);
        a.operand.expect_rank(1).map_err(|error| error.at("x1"))?;
        b.operand.expect_rank(1).map_err(|error| error.at("x2"))?;
        promote(&[a.kind, b.kind])?;
        let size = a.operand.shape[0].zip(b.operand.shape[0]).map(|(a, b)| match self.mode {
            Overlap::Valid => a.abs_diff(b).saturating_add(1),
            Overlap::Same => a.max(b),
            Overlap::Full => a.saturating_add(b).saturating_sub(1),
        });
        Ok(Spec::new(vec![size], Dtype::Float32).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (a, b) = (operand(args, "x1", Some(&device))?, operand(args, "x2", Some(&device))?);
        let (a, b) = (a.operand.float::<1>()?, b.operand.float::<1>()?);
        // The shorter one slides over the longer one, which turns the result around.
        let swapped = a.dims()[0] < b.dims()[0];
        let (long, short) = if swapped { (b, a) } else { (a, b) };
        let (n, m) = (long.dims()[0], short.dims()[0]);
        if m == 0 {
            return Err(Error::input("expected at least one element"));
        }
        let pads = match self.mode {
            Overlap::Valid => (0, 0),
            Overlap::Same => (m / 2, m - m / 2 - 1),
            Overlap::Full => (m - 1, m - 1),
        };
        let options = ConvOptions::new_with_padding([1], [pads], [1], 1);
        let slid = conv1d(long.reshape([1, 1, n]), short.reshape([1, 1, m]), None, options);
        let slid = Value::from(slid);
        let size = slid.shape().iter().product();
        let slid = slid.reshape(&[size])?;
        Ok(if swapped { slid.flip(0)? } else { slid }.into())
    }
}

/// See [`Ndim`] and [`Size`].
struct Count {
    of: fn(&[usize]) -> usize,
}

impl Pattern for Count {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        operand(args, "x", None)?;
        Ok(Spec::new(Vec::new(), Dtype::Int32).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand;
        let count = i32::try_from((self.of)(&x.shape())).unwrap_or(i32::MAX);
        Ok(Value::from_data(TensorData::new(vec![count], [1]), &x.device())?.reshape(&[])?.into())
    }
}
