//! `Add`, `Subtract`, `Multiply`, `Average`, `Maximum` and `Minimum`: several inputs, element by
//! element.
//!
//! Inputs of fewer axes get axes of size 1 after their batch; then they broadcast as in NumPy.

use crate::codegen::{Code, Place};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::{Binary, Value};

/// What is done to the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Merge {
    Add,
    Subtract,
    Multiply,
    Average,
    Maximum,
    Minimum,
}

/// The shape after the batch of two shapes after their batch.
pub(super) fn broadcast(left: &[Option<usize>], right: &[Option<usize>]) -> Option<Vec<Option<usize>>> {
    let (long, short) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let (first, last) = long.split_at(long.len() - short.len());
    let merged = last.iter().zip(short).map(|sizes| match sizes {
        (None, _) | (_, None) => Some(None),
        (Some(1), size) | (size, Some(1)) => Some(*size),
        (a, b) => (a == b).then_some(*a),
    });
    let merged = merged.collect::<Option<Vec<_>>>()?;
    Some(first.iter().copied().chain(merged).collect())
}

fn show(inputs: &[&Spec]) -> String {
    inputs.iter().map(|input| input.to_string()).collect::<Vec<_>>().join(" and ")
}

impl Merge {
    fn outputs(self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let inputs = args.inputs();
        let Some((first, others)) = inputs.split_first() else {
            return Err(Error::config("expected a list of at least one input"));
        };
        if self == Self::Subtract && inputs.len() != 2 {
            return Err(Error::config(format_args!("expected 2 inputs, got {}", inputs.len())));
        }
        if inputs.iter().any(|input| input.rank() == 0) {
            return Err(Error::config(format_args!("expected inputs with a batch, got {}", show(&inputs))));
        }
        let mut batches = inputs.iter().filter_map(|input| input.shape[0]);
        let batch = batches.next();
        if batches.any(|other| Some(other) != batch) {
            return Err(Error::config(format_args!("batches of different sizes: {}", show(&inputs))));
        }
        // A batch of 1 spreads to one that is not known yet.
        let batch = batch.filter(|batch| *batch != 1 || inputs.iter().all(|input| input.shape[0].is_some()));
        let shape = others.iter().try_fold(first.shape[1..].to_vec(), |shape, other| {
            broadcast(&shape, &other.shape[1..])
                .ok_or_else(|| Error::config(format_args!("the shapes do not broadcast: {}", show(&inputs))))
        });
        let shape = std::iter::once(batch).chain(shape?).collect();
        // Integers stay integers where the arithmetic allows it, as in Keras.
        let float = inputs.iter().find(|input| input.dtype.is_float());
        Ok(match float {
            None if self != Self::Average => Spec::new(shape, first.dtype).into(),
            None => first.float(shape).into(),
            Some(input) => input.float(shape).into(),
        })
    }

    fn call(self, args: Args<Value>) -> Result<Tree<Value>> {
        let inputs = args.into_inputs();
        let mask = merged_mask(&inputs)?;
        let rank = inputs.iter().map(Value::rank).max().unwrap_or(0);
        let count = inputs.len();
        let inputs = inputs.into_iter().map(|input| with_rank(input, rank)).collect::<Result<Vec<_>>>()?;
        let merged = match self {
            Self::Add => fold(inputs, Binary::Add)?,
            Self::Subtract => fold(inputs, Binary::Subtract)?,
            Self::Average => map_float!(fold(inputs, Binary::Add)?, x => x / count as f64)?,
            Self::Multiply => multiply(inputs)?,
            Self::Maximum => extreme(inputs, Binary::Maximum)?,
            Self::Minimum => extreme(inputs, Binary::Minimum)?,
        };
        Ok(merged.with_mask(mask).into())
    }
}

impl Merge {
    /// Burn spreads sizes of 1 as Keras does, where there are as many axes.
    fn code(self, place: &Place<'_>) -> Option<Code> {
        let inputs = place.alike()?;
        if inputs.iter().any(|input| input.dtype != Dtype::Float32) {
            return None;
        }
        let operands: Vec<String> = (0..inputs.len()).map(|at| format!("{{{at}}}")).collect();
        let call = match self {
            _ if inputs.len() == 1 => "{0}".to_owned(),
            Self::Add => operands.join(" + "),
            Self::Subtract => operands.join(" - "),
            Self::Multiply => operands.join(" * "),
            Self::Average => format!("({}) / {:?}", operands.join(" + "), inputs.len() as f64),
            // Not every backend spreads where it compares.
            _ if inputs.iter().any(|input| input.shape != inputs[0].shape) => return None,
            Self::Maximum => operands.join(".max_pair(") + &")".repeat(inputs.len() - 1),
            Self::Minimum => operands.join(".min_pair(") + &")".repeat(inputs.len() - 1),
        };
        Some(Code::function(call, place.layout))
    }
}

/// The mask of the result, if all inputs have one: true where any of them is.
fn merged_mask(inputs: &[Value]) -> Result<Option<Value>> {
    let Some(masks) = inputs.iter().map(|input| input.mask().cloned()).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let mut masks = masks.into_iter();
    let Some(first) = masks.next() else { return Ok(None) };
    masks.try_fold(first, Value::or).map(Some)
}

/// The input with axes of size 1 after the batch. It loses its mask with them, as in Keras.
fn with_rank(input: Value, rank: usize) -> Result<Value> {
    if input.rank() == rank {
        return Ok(input);
    }
    let mut shape = input.shape();
    shape.splice(1..1, std::iter::repeat_n(1, rank - shape.len()));
    input.reshape(&shape)
}

fn fold(inputs: Vec<Value>, op: Binary) -> Result<Value> {
    let mut inputs = inputs.into_iter();
    let first = inputs.next().ok_or_else(|| Error::input("expected at least one input"))?;
    inputs.try_fold(first, |merged, input| merged.binary(op, input))
}

/// The mask of an input, spread to its shape.
fn spread_mask(input: &Value) -> Result<Option<Value>> {
    let spread = |mask: &Value| mask.clone().expand_dims(mask.rank())?.broadcast_to(&input.shape());
    input.mask().map(spread).transpose()
}

/// The product, in which masked entries count as 1; where all are masked it is 0.
fn multiply(inputs: Vec<Value>) -> Result<Value> {
    if inputs.iter().all(|input| input.mask().is_none()) {
        return fold(inputs, Binary::Multiply);
    }
    let masks = inputs.iter().map(spread_mask).collect::<Result<Vec<_>>>()?;
    let device = inputs.first().map(Value::device).unwrap_or_default();
    let number = |number: f32| Value::from(burn::tensor::Tensor::<1>::full([1], number, &device));
    let factors = inputs.into_iter().zip(&masks).map(|(input, mask)| match mask {
        Some(mask) => input.select(mask.clone(), number(1.0)),
        None => Ok(input),
    });
    let product = fold(factors.collect::<Result<_>>()?, Binary::Multiply)?;
    let Some(masks) = masks.into_iter().collect::<Option<Vec<_>>>() else { return Ok(product) };
    let mut masks = masks.into_iter();
    let Some(first) = masks.next() else { return Ok(product) };
    product.select(masks.try_fold(first, Value::or)?, number(0.0))
}

/// The highest or lowest of the entries that are not masked.
fn extreme(inputs: Vec<Value>, op: Binary) -> Result<Value> {
    if inputs.iter().all(|input| input.mask().is_none()) {
        return fold(inputs, op);
    }
    let mut inputs = inputs.into_iter();
    let first = inputs.next().ok_or_else(|| Error::input("expected at least one input"))?;
    let (mut merged, mut merged_mask) = (first.clone().with_mask(None), spread_mask(&first)?);
    for input in inputs {
        let mask = spread_mask(&input)?;
        let mut input = input.with_mask(None);
        if let Some(mask) = &mask {
            input = input.select(mask.clone(), merged.clone())?;
        }
        if let Some(mask) = &merged_mask {
            merged = merged.select(mask.clone(), input.clone())?;
        }
        merged_mask = match (merged_mask, mask) {
            (Some(left), Some(right)) => Some(left.or(right)?),
            _ => None,
        };
        merged = merged.binary(op, input)?;
    }
    Ok(merged)
}

macro_rules! merges {
    ($($name:ident: $what:literal),+ $(,)?) => {$(
        crate::layer_config! {
            #[doc = concat!("`", stringify!($name), "`: ", $what, ".")]
            ///
            /// Keras masks the result where all inputs are masked.
            ///
            /// # Shapes
            /// - inputs: a list of `[batch, ...]`, which broadcast to each other
            /// - outputs: `[batch, ...]`
            pub struct $name {}
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const MASK: MaskRule = MaskRule::Own;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                Merge::$name.outputs(args)
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                Merge::$name.call(args)
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                Merge::$name.code(place)
            }
        }
    )+};
}

merges! {
    Add: "the sum of the inputs",
    Subtract: "the difference of two inputs",
    Multiply: "the product of the inputs; what is masked counts as 1",
    Average: "the mean of the inputs",
    Maximum: "the highest of the inputs that are not masked",
    Minimum: "the lowest of the inputs that are not masked",
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(merge: Merge, inputs: &[&[Option<usize>]]) -> Option<Vec<Option<usize>>> {
        let inputs = inputs.iter().map(|shape| Spec::new(shape.to_vec(), Dtype::Float32));
        let args = Args::bind(&["inputs"], vec![Tree::list(inputs)], vec![]).unwrap();
        let outputs = merge.outputs(&args).ok()?;
        outputs.leaves().first().map(|spec| spec.shape.clone())
    }

    #[test]
    fn a_batch_of_one_spreads() {
        let device = burn::tensor::Device::flex();
        let many = Value::from(burn::tensor::Tensor::<2>::ones([3, 2], &device));
        let one = Value::from(burn::tensor::Tensor::<2>::full([1, 2], 4.0, &device));
        let args = Args::bind(&["inputs"], vec![Tree::list([many, one])], vec![]).unwrap();
        let sum = Merge::Add.call(args).unwrap().into_leaves().remove(0);
        assert_eq!(sum.shape(), [3, 2]);
        assert!(sum.into_data().as_slice::<f32>().unwrap().iter().all(|x| *x == 5.0));
    }

    #[test]
    fn shapes_broadcast_after_the_batch() {
        let (n, s) = (None, Some);
        let add = |inputs: &[&[Option<usize>]]| shape(Merge::Add, inputs);
        assert_eq!(add(&[&[n, s(3)], &[n, s(4), s(3)]]).unwrap(), [n, s(4), s(3)]);
        assert_eq!(add(&[&[n, s(4), s(1)], &[s(2), s(1), s(3)]]).unwrap(), [s(2), s(4), s(3)]);
        assert_eq!(add(&[&[n, n], &[n, s(3)]]).unwrap(), [n, n]);
        assert_eq!(add(&[&[n, s(3)], &[s(1), s(3)]]).unwrap(), [n, s(3)]);
        assert_eq!(add(&[&[s(1), s(3)], &[s(1), s(3)]]).unwrap(), [s(1), s(3)]);
        assert!(add(&[&[n, s(4)], &[n, s(4), s(3)]]).is_none());
        assert!(add(&[&[s(2), s(4)], &[s(3), s(4)]]).is_none());
        assert!(add(&[&[s(1), s(4)], &[s(3), s(4)]]).is_none());
        assert!(add(&[]).is_none());
        assert!(shape(Merge::Subtract, &[&[n, s(4)]]).is_none());
    }
}
