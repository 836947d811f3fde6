//! Products of vectors, matrices and tensors.

use super::form::{Form, Picks, Sizes, forming, one, pair};
use super::kit::{float_of, operands, promote};
use crate::codegen::{Code, Layout, Place};
use crate::config::{Axes, Dtype, Field, Json, Reader, resolve_axis};
use crate::einsum::{einsum, einsum_shape};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::map_float;
use crate::value::{Binary, Value};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Matmul>(),
    row::<Dot>(),
    row::<Vdot>(),
    row::<Inner>(),
    row::<Outer>(),
    row::<Tensordot>(),
    row::<Cross>(),
    row::<Einsum>(),
    row::<CDist>(),
];

/// Two operands in the type in which their product is computed, and the type that it has.
fn factors<T: Form>(args: &Args<T>, names: [&str; 2]) -> Result<(T, T, Dtype)> {
    let (a, b) = (one(args, names[0])?, one(args, names[1])?);
    let result = promote(&[a.kind, b.kind])?;
    let computed = match result {
        Dtype::Bool | Dtype::Int8 | Dtype::Int16 | Dtype::Uint8 | Dtype::Uint16 => Dtype::Int32,
        dtype => dtype,
    };
    Ok((a.operand.typed(computed)?, b.operand.typed(computed)?, result))
}

/// The product over some axes of both operands, those of the first coming first in the result.
fn contract<T: Form>(a: T, b: T, over: [&[usize]; 2]) -> Result<T> {
    let free = |x: &T, over: &[usize]| (0..x.axes()).filter(|axis| !over.contains(axis)).collect::<Vec<_>>();
    let sizes = |x: &T, axes: &[usize]| -> Sizes { axes.iter().map(|axis| x.sizes()[*axis]).collect() };
    let count =
        |sizes: &Sizes| sizes.iter().try_fold(1_usize, |count, size| Some(count.saturating_mul((*size)?)));
    let (over_a, over_b) = (over[0], over[1]);
    let (free_a, free_b) = (free(&a, over_a), free(&b, over_b));
    let (inner_a, inner_b) = (sizes(&a, over_a), sizes(&b, over_b));
    let differ = inner_a.iter().zip(&inner_b).any(|(a, b)| a.zip(*b).is_some_and(|(a, b)| a != b));
    if inner_a.len() != inner_b.len() || differ {
        return Err(Error::config(format_args!("a product over sizes {inner_a:?} and {inner_b:?}")));
    }
    let (rows, columns) = (sizes(&a, &free_a), sizes(&b, &free_b));
    let inner: Sizes = inner_a.iter().zip(&inner_b).map(|(a, b)| a.or(*b)).collect();
    let a = a.permuted(&[&free_a, over_a].concat())?.reshaped(&[count(&rows), count(&inner)])?;
    let b = b.permuted(&[over_b, &free_b].concat())?.reshaped(&[count(&inner), count(&columns)])?;
    a.times(b)?.reshaped(&[rows, columns].concat())
}

/// The last axis of an operand, or the one before it.
fn last<T: Form>(x: &T, back: usize) -> [usize; 1] {
    [x.axes().saturating_sub(back)]
}

/// The product of each element of one operand with the other, if one of them has no axes.
fn scaled<T: Form>(a: &T, b: &T) -> Option<Result<T>> {
    (a.axes() == 0 || b.axes() == 0).then(|| a.clone().combined(Binary::Multiply, b.clone()))
}

forming! {
    /// The operation `Matmul`: the matrix products of the last two axes, or of vectors.
    Matmul("x1", "x2") {} (_this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        if a.axes() == 0 || b.axes() == 0 {
            return Err(Error::config("expected operands with axes"));
        }
        let dtype = match [one(&args, "x1")?.operand, one(&args, "x2")?.operand].map(|x: T| x.dtype()) {
            [Dtype::Int8, Dtype::Int8] => Dtype::Int32,
            _ => dtype,
        };
        let (row, column) = (a.axes() == 1, b.axes() == 1);
        let a = if row { a.expanded(0)? } else { a };
        let b = if column { b.expanded(1)? } else { b };
        let rank = a.axes().max(b.axes());
        let product = a.raised(rank)?.times(b.raised(rank)?)?.typed(dtype)?;
        let mut sizes = product.sizes();
        if column {
            sizes.pop();
        }
        if row {
            sizes.remove(rank - 2);
        }
        product.reshaped(&sizes).map(Tree::Leaf)
    };

    /// The operation `Dot`: the product over the last axis of the first operand and the last but one of
    /// the second.
    Dot("x1", "x2") {} (_this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        let product = match scaled(&a, &b) {
            Some(product) => product,
            None => {
                let over = [last(&a, 1), last(&b, if b.axes() == 1 { 1 } else { 2 })];
                contract(a, b, [&over[0], &over[1]])
            }
        };
        product?.typed(dtype).map(Tree::Leaf)
    };

    /// The operation `Vdot`: the product over all elements.
    Vdot("x1", "x2") {} (_this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        contract(a.flat()?, b.flat()?, [&[0], &[0]])?.typed(dtype).map(Tree::Leaf)
    };

    /// The operation `Inner`: the product over the last axis of both operands.
    Inner("x1", "x2") {} (_this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        let product = match scaled(&a, &b) {
            Some(product) => product,
            None => {
                let over = [last(&a, 1), last(&b, 1)];
                contract(a, b, [&over[0], &over[1]])
            }
        };
        product?.typed(dtype).map(Tree::Leaf)
    };

    /// The operation `Outer`: the product of each element of one operand with each of the other.
    Outer("x1", "x2") {} (_this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        contract(a.flat()?, b.flat()?, [&[], &[]])?.typed(dtype).map(Tree::Leaf)
    };

    /// The operation `Tensordot`: the product over some axes of both operands.
    Tensordot("x1", "x2") {
        /// How many axes, the last of the first operand and the first of the second; or which.
        axes: Contracted = Contracted::Neighbours(2),
    } (this, args) => {
        let (a, b, dtype) = factors(&args, ["x1", "x2"])?;
        let over = this.axes.of(a.axes(), b.axes()).map_err(|error| error.at("axes"))?;
        contract(a, b, [&over[0], &over[1]])?.typed(dtype).map(Tree::Leaf)
    };

    /// The operation `Cross`: the cross products of vectors of two or three numbers.
    Cross("x1", "x2") {
        /// The axis of the vectors of the first operand.
        axisa: i64 = -1,
        /// That of the second.
        axisb: i64 = -1,
        /// That of the result.
        axisc: i64 = -1,
        /// All three of them.
        axis: Option<i64> = None,
    } (this, args) => {
        let (a, b) = pair(&args, ["x1", "x2"])?;
        let numbers = |x: T, axis: i64, key: &str| -> Result<(T, usize)> {
            let axis = resolve_axis(this.axis.unwrap_or(axis), x.axes()).map_err(|error| error.at(key))?;
            let (last, size) = (x.axes() - 1, x.sizes()[axis]);
            let x = x.moved(axis, last)?;
            let mut pads = vec![(0, 0); last + 1];
            match size {
                Some(3) => Ok((x, 3)),
                Some(2) => {
                    pads[last] = (0, 1);
                    Ok((x.padded(&pads, 0.0)?, 2))
                }
                _ => Err(Error::config("expected vectors of two or three numbers").at(key)),
            }
        };
        let ((a, size_a), (b, size_b)) = (numbers(a, this.axisa, "axisa")?, numbers(b, this.axisb, "axisb")?);
        let turned = |x: &T, by: usize| {
            x.clone().picked(x.axes() - 1, |_| Ok(Picks::new(3, move |at| (at + by) % 3)))
        };
        let right = turned(&a, 1)?.combined(Binary::Multiply, turned(&b, 2)?)?;
        let left = turned(&a, 2)?.combined(Binary::Multiply, turned(&b, 1)?)?;
        let product = right.combined(Binary::Subtract, left)?;
        let last = product.axes() - 1;
        if size_a == 2 && size_b == 2 {
            return product.at(last, |_| Ok(2)).map(Tree::Leaf);
        }
        let axis = resolve_axis(this.axis.unwrap_or(this.axisc), last + 1).map_err(|error| error.at("axisc"))?;
        product.moved(last, axis).map(Tree::Leaf)
    };
}

/// The axes of a product: how many neighbouring ones, or which of both operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contracted {
    /// The last of the first operand and as many first ones of the second.
    Neighbours(usize),
    /// These of the first and those of the second operand.
    These(Vec<Axes>),
}

impl Field for Contracted {
    const EXPECTED: &'static str = "a number of axes, or two lists of axes";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::These),
            _ => usize::read(json, reader).map(Self::Neighbours),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Neighbours(count) => count.write(),
            Self::These(axes) => axes.write(),
        }
    }
}

impl Contracted {
    fn of(&self, a: usize, b: usize) -> Result<[Vec<usize>; 2]> {
        match self {
            Self::Neighbours(count) if *count <= a.min(b) => {
                Ok([(a - count..a).collect(), (0..*count).collect()])
            }
            Self::These(axes) => match axes.as_slice() {
                [first, second] => Ok([super::form::in_order(first, a)?, super::form::in_order(second, b)?]),
                _ => Err(Error::config("expected two lists of axes")),
            },
            Self::Neighbours(count) => {
                Err(Error::config(format_args!("operands of {a} and {b} axes have no {count} to share")))
            }
        }
    }
}

crate::config! {
    /// The operation `Einsum`: the product over axes of the same name.
    pub struct Einsum {
        /// The names of the axes of all operands and of the result.
        subscripts: String,
    }
}

impl Einsum {
    /// The operands, and the type of the result.
    fn operands<T: Form>(args: &Args<T>) -> Result<(Vec<T>, Dtype)> {
        let operands = operands(args, "*operands", T::device(args).as_ref())?;
        let kinds: Vec<_> = operands.iter().map(|operand| operand.kind).collect();
        let operands: Vec<T> = operands.into_iter().map(|operand| operand.operand).collect();
        let dtype = match operands.iter().all(|operand| operand.dtype() == Dtype::Int8) {
            true => Dtype::Int32,
            false => promote(&kinds)?,
        };
        match dtype {
            Dtype::Float32 | Dtype::Int32 => Ok((operands, dtype)),
            dtype => Err(Error::unsupported(format_args!("a product in {dtype}"))),
        }
    }
}

impl Function for Einsum {
    const CLASSES: &'static [&'static str] = &["Einsum"];
    const ARGS: &'static [&'static str] = &["*operands"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (operands, dtype) = Self::operands(args)?;
        let shapes: Vec<_> = operands.into_iter().map(|operand| operand.shape).collect();
        let shape = einsum_shape(&self.subscripts, &shapes).map_err(|error| error.at("subscripts"))?;
        Ok(Spec::new(shape, dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (operands, dtype) = Self::operands(&args)?;
        einsum(&self.subscripts, operands)?.typed(dtype).map(Tree::Leaf)
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let operands = place.args.leaves();
        let is_all = place.args.inputs().len() == operands.len()
            && operands.iter().all(|operand| operand.dtype == Dtype::Float32 && operand.rank() > 0);
        let outputs = self.outputs(place.args).ok()?;
        let [output] = outputs.leaves()[..] else { return None };
        // Burn has rules of its own for `...` and for what is not said.
        let is_plain = |char: char| char.is_ascii_alphabetic() || matches!(char, ',' | '-' | '>' | ' ');
        let is_plain = self.subscripts.chars().all(is_plain) && self.subscripts.contains("->");
        let rank = output.rank();
        if !is_all || !is_plain || rank == 0 || self.subscripts.split(',').count() != operands.len() {
            return None;
        }
        let tensors: Vec<String> = (0..operands.len()).map(|at| format!("{{{at}}}.into()")).collect();
        let call = format!("Tensor::<{rank}>::einsum({:?}, [{}])", self.subscripts, tensors.join(", "));
        Some(Code::function(call, Layout::Keras).using("burn::tensor::Tensor"))
    }
}

crate::config! {
    /// The operation `CDist`: the distance of each row of one operand from each of the other.
    pub struct CDist {}
}

impl CDist {
    /// The differences of all pairs of rows, along the last axis.
    fn differences<T: Form>(args: &Args<T>) -> Result<T> {
        let (a, b) = pair(args, ["x", "y"])?;
        if a.axes() < 2 || b.axes() < 2 || a.sizes().last() != b.sizes().last() {
            return Err(Error::config("expected rows of one size"));
        }
        let float = float_of(a.dtype());
        let (last, other) = (a.axes() - 1, b.axes() - 2);
        a.typed(float)?.expanded(last)?.combined(Binary::Subtract, b.typed(float)?.expanded(other)?)
    }
}

impl Function for CDist {
    const CLASSES: &'static [&'static str] = &["CDist"];
    const ARGS: &'static [&'static str] = &["x", "y"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut differences = Self::differences(args)?;
        differences.shape.pop();
        Ok(differences.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let differences = Self::differences(&args)?;
        let last = differences.rank() - 1;
        let squares = map_float!(differences, x => x.clone() * x)?.total(last)?;
        map_float!(squares, x => x.sqrt()).map(Tree::Leaf)
    }
}
