//! `Dot`: the sum of products over one axis of each of two inputs, sample by sample.

use super::unit_normalization::normalize;
use crate::codegen::{Code, Layout, Place};
use crate::config::{Axes, Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::map_float;
use crate::value::Value;

/// `keras.backend.epsilon()`
const LEAST: f64 = 1e-7;

crate::layer_config! {
    /// `Dot`: a dot product over one axis of each input.
    ///
    /// # Shapes
    /// - inputs: two of `[batch, ...]`
    /// - outputs: `[batch, ...]`: the axes of the first without the one summed over, then those of the
    ///   second; `[batch, 1]` when none is left
    pub struct Dot {
        /// The axis of both inputs, or that of each, the batch being 0.
        axes: Axes,
        /// Whether to divide by the Euclidean norm over the axes first.
        normalize: bool = false,
    }
}

impl Dot {
    /// The axis of each input.
    fn axes(&self, left: usize, right: usize) -> Result<(usize, usize)> {
        let (a, b) = match &self.axes {
            Axes::One(axis) => (*axis, *axis),
            Axes::Many(axes) => match axes.as_slice() {
                [a, b] => (*a, *b),
                axes => return Err(Error::config(format_args!("expected two axes, got {axes:?}")).at("axes")),
            },
        };
        let axes = (resolve_axis(a, left), resolve_axis(b, right));
        let (a, b) = (axes.0.map_err(|error| error.at("axes"))?, axes.1.map_err(|error| error.at("axes"))?);
        if a == 0 || b == 0 {
            return Err(Error::config("cannot sum over the batch").at("axes"));
        }
        Ok((a, b))
    }
}

/// Every axis after the batch but one.
fn others(rank: usize, axis: usize) -> impl Iterator<Item = usize> + Clone {
    (1..rank).filter(move |at| *at != axis)
}

/// What the last axes of a dot product are: at least one.
fn at_least_one<T: Copy>(sizes: Vec<T>, one: T) -> Vec<T> {
    if sizes.is_empty() { vec![one] } else { sizes }
}

impl Function for Dot {
    const CLASSES: &'static [&'static str] = &["Dot"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let inputs = args.inputs();
        let [left, right] = inputs.as_slice() else {
            return Err(Error::config(format_args!("expected 2 inputs, got {}", inputs.len())));
        };
        if left.rank() < 2 || right.rank() < 2 {
            return Err(Error::config(format_args!("expected a rank from 2, got {left} and {right}")));
        }
        let (a, b) = self.axes(left.rank(), right.rank())?;
        let batches = left.shape[0].zip(right.shape[0]);
        if left.shape[a] != right.shape[b] || batches.is_some_and(|(a, b)| a != b) {
            let message = format_args!("cannot sum over axis {a} of {left} and axis {b} of {right}");
            return Err(Error::config(message).at("axes"));
        }
        let sizes = others(left.rank(), a).map(|at| left.shape[at]);
        let sizes = sizes.chain(others(right.rank(), b).map(|at| right.shape[at])).collect();
        // A batch of 1 spreads to one that is not known yet.
        let batch = match (left.shape[0], right.shape[0]) {
            (Some(1), None) | (None, Some(1)) => None,
            (left, right) => left.or(right),
        };
        Ok(left.float(std::iter::once(batch).chain(at_least_one(sizes, Some(1))).collect()).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let mut inputs = args.into_inputs().into_iter();
        let (Some(left), Some(right)) = (inputs.next(), inputs.next()) else {
            return Err(Error::input("expected 2 inputs"));
        };
        let (a, b) = self.axes(left.rank(), right.rank())?;
        let (left, right) = (left.plain()?, right.plain()?);
        let (left, right) = match self.normalize {
            true => (
                map_float!(left, x => normalize(x, &[a], LEAST))?,
                map_float!(right, x => normalize(x, &[b], LEAST))?,
            ),
            false => (left, right),
        };
        let (from, to) = (left.shape(), right.shape());
        let (batch, summed) = (from[0].max(to[0]), from[a]);
        if to[b] != summed || [from[0], to[0]].iter().any(|own| *own != batch && *own != 1) {
            let message = format_args!("cannot sum over axis {a} of {from:?} and axis {b} of {to:?}");
            return Err(Error::input(message));
        }
        let (rows, columns) = (others(from.len(), a), others(to.len(), b));
        let order: Vec<usize> = std::iter::once(0).chain(rows.clone()).chain([a]).collect();
        let rows: Vec<usize> = rows.map(|at| from[at]).collect();
        let size = rows.iter().product();
        let left =
            left.permute(&order)?.reshape(&[from[0], size, summed])?.broadcast_to(&[batch, size, summed])?;
        let order: Vec<usize> = [0, b].into_iter().chain(columns.clone()).collect();
        let columns: Vec<usize> = columns.map(|at| to[at]).collect();
        let size = columns.iter().product();
        let right =
            right.permute(&order)?.reshape(&[to[0], summed, size])?.broadcast_to(&[batch, summed, size])?;
        let product = Value::from(left.float::<3>()?.matmul(right.float::<3>()?));
        let sizes = at_least_one(rows.into_iter().chain(columns).collect(), 1);
        Ok(product.reshape(&std::iter::once(batch).chain(sizes).collect::<Vec<_>>())?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let inputs = place.alike()?;
        let [left, right] = inputs.as_slice() else { return None };
        let (a, b) = self.axes(left.rank(), right.rank()).ok()?;
        let call = match (left.rank(), a, b) {
            _ if self.normalize || left.dtype != Dtype::Float32 => return None,
            (2, ..) => "({0} * {1}).sum_dim(1)",
            (3, 1, 1) => "{0}.transpose().matmul({1})",
            (3, 1, 2) => "{0}.transpose().matmul({1}.transpose())",
            (3, 2, 1) => "{0}.matmul({1})",
            (3, 2, 2) => "{0}.matmul({1}.transpose())",
            _ => return None,
        };
        Some(Code::function(call, Layout::Keras))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_one_spreads() {
        let device = burn::tensor::Device::flex();
        let many = Value::from(burn::tensor::Tensor::<2>::full([3, 2], 5.0, &device));
        let one = Value::from(burn::tensor::Tensor::<3>::full([1, 2, 4], 7.0, &device));
        let args = Args::bind(&["inputs"], vec![Tree::list([many, one])], vec![]).unwrap();
        let dot = Dot { axes: Axes::One(1), normalize: false };
        let product = dot.call(args, &Context::default()).unwrap().into_leaves().remove(0);
        assert_eq!(product.shape(), [3, 4]);
        assert!(product.into_data().as_slice::<f32>().unwrap().iter().all(|x| *x == 70.0));
    }

    #[test]
    fn axes_must_match_and_leave_the_batch() {
        let (n, s) = (None, Some);
        let shape = |axes: Axes, left: &[Option<usize>], right: &[Option<usize>]| {
            let inputs = [left, right].map(|shape| Spec::new(shape.to_vec(), Dtype::Float32));
            let args = Args::bind(&["inputs"], vec![Tree::list(inputs)], vec![]).unwrap();
            let outputs = Dot { axes, normalize: false }.outputs(&args).ok()?;
            outputs.leaves().first().map(|spec| spec.shape.clone())
        };
        assert_eq!(shape(Axes::One(1), &[n, s(3)], &[n, s(3)]).unwrap(), [n, s(1)]);
        let (left, right) = ([n, s(3), s(5)], [n, s(7), s(3), s(2)]);
        assert_eq!(shape(Axes::Many(vec![1, -2]), &left, &right).unwrap(), [n, s(5), s(7), s(2)]);
        for axes in [vec![2, 2], vec![0, 0], vec![1], vec![3, 1], vec![1, 2, 3]] {
            assert!(shape(Axes::Many(axes), &left, &right).is_none());
        }
        assert!(shape(Axes::One(1), &[s(2), s(3)], &[s(4), s(3)]).is_none());
    }
}
