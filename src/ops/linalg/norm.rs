//! The operation `Norm`.

use super::{host, matrices};
use crate::config::{Axes, Dtype, Field, Json, Reader, json};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::map_float;
use crate::ops::form::{Form, in_order};
use crate::ops::kit::float_of;
use crate::value::{Reduce, Value};

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ord {
    /// Of the power of a number.
    Power(f64),
    /// The root of the sum of squares of a matrix: `fro`.
    Frobenius,
    /// The sum of the singular values of a matrix: `nuc`.
    Nuclear,
}

impl Field for Ord {
    const EXPECTED: &'static str = "a number, \"fro\" or \"nuc\"";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json.as_str() {
            Some("fro") => Some(Self::Frobenius),
            Some("nuc") => Some(Self::Nuclear),
            Some("inf") => Some(Self::Power(f64::INFINITY)),
            Some("-inf") => Some(Self::Power(f64::NEG_INFINITY)),
            _ => match json.as_f64().or_else(|| json::marked_number(json)) {
                Some(power) => Some(Self::Power(power)),
                None => crate::config::refuse(json, reader),
            },
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Power(power) => power.write(),
            Self::Frobenius => "fro".into(),
            Self::Nuclear => "nuc".into(),
        }
    }
}

crate::config! {
    /// The operation `Norm`: the length of vectors or matrices. No gradients flow through those that
    /// need singular values: `nuc`, 2 and -2 of matrices.
    pub struct Norm {
        /// Which.
        ord: Option<Ord> = None,
        /// The axis of vectors or the two of matrices; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
    }
}

impl Norm {
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        let axes = match &self.axis {
            None => (0..rank).collect(),
            Some(axes) => in_order(axes, rank).map_err(|error| error.at("axis"))?,
        };
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let fits = match axes.len() {
            1 => !matches!(self.ord, Some(Ord::Frobenius | Ord::Nuclear)),
            2 => self.ord.is_none_or(|ord| match ord {
                Ord::Power(power) => [1.0, 2.0, f64::INFINITY].contains(&power.abs()),
                _ => true,
            }),
            _ => self.ord.is_none() && self.axis.is_none() && rank > 0,
        };
        match fits && sorted.len() == axes.len() {
            true => Ok(axes),
            false => Err(Error::unsupported(format_args!("over {} axes", axes.len())).at("ord")),
        }
    }
}

/// The length of vectors along an axis, which stays with size 1.
fn vectors(x: Value, power: f64, axis: usize) -> Result<Value> {
    let sizes = map_float!(x.clone(), x => x.abs())?;
    if power == f64::INFINITY {
        return sizes.reduce(Reduce::Max, &[axis]);
    }
    if power == f64::NEG_INFINITY {
        return sizes.reduce(Reduce::Min, &[axis]);
    }
    if power == 0.0 {
        return map_float!(x, x => x.not_equal_elem(0.0).float())?.reduce(Reduce::Sum, &[axis]);
    }
    if power == 1.0 {
        return sizes.reduce(Reduce::Sum, &[axis]);
    }
    let powers = map_float!(sizes, x => x.powf_scalar(power))?.reduce(Reduce::Sum, &[axis])?;
    map_float!(powers, x => x.powf_scalar(power.recip()))
}

/// The root of the sum of squares over some axes.
fn root(x: Value, axes: &[usize]) -> Result<Value> {
    let squares = map_float!(x, x => x.clone() * x)?.reduce(Reduce::Sum, axes)?;
    map_float!(squares, x => x.sqrt())
}

/// A norm of the singular values of matrices.
fn singular(x: Value, axes: &[usize], of: impl Fn(&[f64]) -> f64) -> Result<Value> {
    let (mut shape, device) = (x.shape(), x.device());
    let mut order: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
    order.extend(axes);
    let (_, matrices) = matrices(x.permute(&order)?)?;
    let norms = matrices.into_iter().map(|matrix| of(&host::svd(matrix, false).1) as f32);
    for axis in axes {
        shape[*axis] = 1;
    }
    Value::from_data(burn::tensor::TensorData::new(norms.collect::<Vec<f32>>(), shape), &device)
}

impl Function for Norm {
    const CLASSES: &'static [&'static str] = &["Norm"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = args.input()?;
        let axes = self.axes(x.rank())?;
        let sizes = x.shape.iter().enumerate().filter_map(|(axis, size)| match axes.contains(&axis) {
            true => self.keepdims.then_some(Some(1)),
            false => Some(*size),
        });
        Ok(Spec::new(sizes.collect(), float_of(x.dtype)).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axes = self.axes(x.rank())?;
        let x = if x.is_float() { x } else { x.typed(Dtype::Float32)? };
        let norm = match (self.ord, axes.as_slice()) {
            (None | Some(Ord::Frobenius), axes) => root(x, axes)?,
            (Some(Ord::Power(2.0)), &[axis]) => root(x, &[axis])?,
            (Some(Ord::Power(power)), &[axis]) => vectors(x, power, axis)?,
            (Some(Ord::Nuclear), axes) => singular(x, axes, |values| values.iter().sum())?,
            (Some(Ord::Power(power)), &[rows, columns]) if power.abs() != 2.0 => {
                let (sum, other) = if power.abs() == 1.0 { (rows, columns) } else { (columns, rows) };
                let reduce = if power > 0.0 { Reduce::Max } else { Reduce::Min };
                vectors(x, 1.0, sum)?.reduce(reduce, &[other])?
            }
            (Some(Ord::Power(power)), axes) => singular(x, axes, |values| {
                let end = if power > 0.0 { values.first() } else { values.last() };
                end.copied().unwrap_or(0.0)
            })?,
        };
        if self.keepdims { Ok(norm.into()) } else { norm.squeeze(&axes).map(Tree::Leaf) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Tensor, Tolerance};

    fn norm(config: Norm, x: &Value) -> Vec<f64> {
        let args = Args::bind(&["x"], vec![Tree::Leaf(x.clone())], vec![]).unwrap();
        let spec = args.try_map(&mut |x| Ok(Spec::new(x.sizes(), Dtype::Float32))).unwrap();
        let shape = Function::outputs(&config, &spec).unwrap().leaves()[0].shape.clone();
        let norm = config.call(args, &Context::default()).unwrap().into_leaves().remove(0);
        assert_eq!(norm.sizes(), shape);
        super::super::numbers(norm).unwrap()
    }

    /// Over some axes it is what it is over all of each part; Keras itself shows the latter only.
    #[test]
    fn axes_are_norms_of_parts() {
        let device = burn::tensor::Device::flex();
        let x = Tensor::<3>::from_data([[[3.0, -1.0], [2.0, 0.5]], [[-4.0, 1.5], [0.0, 2.5]]], &device);
        let ords = [None, Some(Ord::Frobenius), Some(Ord::Nuclear)];
        let powers =
            [1.0, -1.0, 2.0, -2.0, f64::INFINITY, f64::NEG_INFINITY].map(|power| Some(Ord::Power(power)));
        for ord in ords.into_iter().chain(powers) {
            for keepdims in [false, true] {
                let config = |axis| Norm { ord, axis, keepdims };
                let matrices = Axes::Many(vec![0, 2]);
                let all = norm(config(Some(matrices)), &x.clone().into());
                let parts = [0, 1].map(|at| {
                    let part = x.clone().slice_dim(1, at..at + 1).squeeze_dim::<2>(1);
                    norm(config(None), &part.into())[0]
                });
                close(&all, &parts);
            }
            if !matches!(ord, Some(Ord::Frobenius | Ord::Nuclear)) {
                let config = |axis| Norm { ord, axis, keepdims: false };
                let all = norm(config(Some(Axes::One(-2))), &x.clone().into());
                let parts = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| {
                    let part = x.clone().slice([row..row + 1, 0..2, column..column + 1]).reshape([2]);
                    norm(config(None), &part.into())[0]
                });
                close(&all, &parts);
            }
        }
    }

    fn close(got: &[f64], expected: &[f64]) {
        let data = |numbers: &[f64]| burn::tensor::TensorData::new(numbers.to_vec(), [numbers.len()]);
        data(got).assert_approx_eq::<f64>(&data(expected), Tolerance::absolute(1e-6));
    }
}
