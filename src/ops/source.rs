//! Operations that move elements, as Rust source: what is written once for shapes and for values gives that, too.

use burn::tensor::Device;

use super::form::{Form, Picks, Sizes};
use super::kit::{Constant, Operand};
use crate::codegen::{Code, Layout, Place, array};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::Binary;

/// An axis of a size that is not known is asked what an operation takes of one that is larger than any.
const ANY: usize = 1 << 40;
/// Places that far from one of its ends are told by it.
const NEAR: usize = 1 << 20;
/// More places than this are not looked at one by one.
const MOST: usize = 1 << 16;

/// A Rust expression that binds tighter than any operator, and what it gives.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    spec: Spec,
    text: String,
    uses: Vec<&'static str>,
}

/// The source of what an operation makes of its operands.
///
/// A value without axes is none: Burn has no such tensors.
pub(crate) fn code(
    place: &Place<'_>,
    run: impl FnOnce(Args<Source>) -> Result<Tree<Source>>,
) -> Option<Code> {
    let mut operands = 0;
    let args = place.args.try_map(&mut |spec| {
        operands += 1;
        Source::new(spec.clone(), format!("{{{}}}", operands - 1), Vec::new())
    });
    let Ok(Tree::Leaf(source)) = run(args.ok()?) else { return None };
    let once = (0..operands).all(|at| source.text.matches(&format!("{{{at}}}")).count() == 1);
    let code = Code::function(source.text, Layout::Keras);
    once.then(|| source.uses.into_iter().fold(code, Code::using))
}

/// What makes one element type of another: a method, or nothing.
pub(crate) fn cast(from: Dtype, to: Dtype) -> Option<&'static str> {
    use Dtype::{Bool, Float32, Int32};
    match (from, to) {
        (from, to) if from == to => Some(""),
        (Float32 | Bool, Int32) => Some(".int()"),
        (Int32 | Bool, Float32) => Some(".float()"),
        (Float32 | Int32, Bool) => Some(".bool()"),
        _ => None,
    }
}

/// Which axes a shape has more than another, when these are of size 1, or may be.
fn added(fewer: &Sizes, more: &[Option<usize>]) -> Option<Vec<usize>> {
    let (mut axes, mut at) = (Vec::new(), 0);
    for (axis, size) in more.iter().enumerate() {
        match fewer.get(at) {
            Some(own) if own == size => at += 1,
            _ if *size == Some(1) => axes.push(axis),
            _ => return None,
        }
    }
    (at == fewer.len()).then_some(axes)
}

fn cannot() -> Error {
    Error::unsupported("as one expression of Burn")
}

impl Source {
    fn new(spec: Spec, text: String, uses: Vec<&'static str>) -> Result<Self> {
        match spec.rank() > 0 && spec.dtype != Dtype::String {
            true => Ok(Self { spec, text, uses }),
            false => Err(cannot()),
        }
    }

    /// The result of a method, given how its spec comes about.
    fn then(self, spec: Result<Spec>, method: impl std::fmt::Display) -> Result<Self> {
        Self::new(spec?, format!("{}{method}", self.text), self.uses)
    }

    /// Both operands of a method that Burn has for equal ranks and types.
    fn with(mut self, other: Self, method: &str, spec: Result<Spec>) -> Result<Self> {
        if self.spec.rank() != other.spec.rank() || self.spec.dtype != other.spec.dtype {
            return Err(cannot());
        }
        self.uses.extend(other.uses);
        let argument = other.text;
        Self { uses: self.uses, ..self }.then(spec, format_args!(".{method}({argument})"))
    }

    /// The sizes of a reshape, of which Burn finds one that is not known.
    fn reshape(&self, sizes: &[Option<usize>]) -> Option<String> {
        let written = sizes.iter().map(|size| match size {
            Some(size) => i64::try_from(*size).ok().filter(|size| *size > 0),
            None => Some(-1),
        });
        let written = written.collect::<Option<Vec<_>>>()?;
        let open = written.iter().filter(|size| **size == -1).count();
        (open <= 1).then(|| array(&written))
    }

    /// The method that takes some entries of an axis, if they are at equal distances.
    fn slice(&self, axis: usize, picks: &Picks<'_>) -> Option<String> {
        let size = self.spec.shape[axis];
        let end = size.unwrap_or(ANY);
        let (length, place) = (picks.length, &picks.place);
        if length == 0 || length > end {
            return None;
        }
        let (first, last) = (place(0), place(length - 1));
        let step = if length > 1 { place(1) as i64 - first as i64 } else { 1 };
        if step != -1 && !(1..NEAR as i64).contains(&step) {
            return None;
        }
        let is_at = |at: usize| place(at) as i64 == first as i64 + step * at as i64;
        let is_even = match length {
            0..=MOST => (0..length).all(is_at),
            _ => {
                size.is_none() && [2, 3, NEAR / 3, length / 2, length - 2, length - 1].into_iter().all(is_at)
            }
        };
        if !is_even || last >= end {
            return None;
        }
        if step == -1 && length == end {
            return Some(format!(".flip([{axis}])"));
        }
        let stop = last + 1;
        let whole = first == 0 && step == 1 && stop == end;
        let near = |at: usize| match (size, at) {
            (Some(_), at) | (None, at @ 0..NEAR) => Some(at.to_string()),
            (None, at) => end.checked_sub(at).filter(|back| *back < NEAR).map(|back| format!("-{back}")),
        };
        let from = if first == 0 { String::new() } else { near(first)? };
        let reaches_end = end - last <= usize::try_from(step).ok()?;
        let to = if reaches_end { String::new() } else { near(stop)? };
        Some(match step {
            _ if whole => String::new(),
            1 => format!(".slice_dim({axis}, {from}..{to})"),
            _ => format!(".slice_dim({axis}, s![{from}..{to};{step}])"),
        })
    }
}

impl Operand for Source {
    fn dtype(&self) -> Dtype {
        self.spec.dtype
    }

    fn constant(_: &Constant, _: Option<&Device>) -> Result<Self> {
        Err(cannot())
    }
}

impl Form for Source {
    fn sizes(&self) -> Sizes {
        self.spec.shape.clone()
    }

    fn reshaped(self, sizes: &[Option<usize>]) -> Result<Self> {
        if self.spec.shape == sizes {
            return Ok(self);
        }
        let (spec, rank) = (self.spec.clone().reshaped(sizes), sizes.len());
        let fewer = added(&sizes.to_vec(), &self.spec.shape);
        match (added(&self.spec.shape, sizes), fewer) {
            (Some(axes), _) => match axes.as_slice() {
                [axis] => self.then(spec, format_args!(".unsqueeze_dim::<{rank}>({axis})")),
                axes => self.then(spec, format_args!(".unsqueeze_dims::<{rank}>(&{})", array(axes))),
            },
            (None, Some(axes)) => match axes.as_slice() {
                [axis] => self.then(spec, format_args!(".squeeze_dim::<{rank}>({axis})")),
                axes => self.then(spec, format_args!(".squeeze_dims::<{rank}>(&{})", array(axes))),
            },
            (None, None) => {
                let shape = self.reshape(sizes).ok_or_else(cannot)?;
                self.then(spec, format_args!(".reshape({shape})"))
            }
        }
    }

    fn permuted(self, axes: &[usize]) -> Result<Self> {
        if axes.iter().copied().eq(0..self.spec.rank()) {
            return Ok(self);
        }
        let spec = self.spec.clone().permuted(axes);
        self.then(spec, format_args!(".permute({})", array(axes)))
    }

    fn picked<'a>(mut self, axis: usize, picks: impl FnOnce(usize) -> Result<Picks<'a>>) -> Result<Self> {
        let picks = picks(self.spec.shape[axis].unwrap_or(ANY))?;
        let method = self.slice(axis, &picks).ok_or_else(cannot)?;
        if method.contains("s![") {
            self.uses.push("burn::tensor::s");
        }
        let spec = self.spec.clone().picked(axis, |_| Ok(picks));
        self.then(spec, method)
    }

    fn at(self, axis: usize, place: impl FnOnce(usize) -> Result<usize>) -> Result<Self> {
        let size = self.spec.shape[axis];
        let place = place(size.unwrap_or(ANY))?;
        let place = match (size, ANY.checked_sub(place)) {
            (None, Some(back)) if back < NEAR => format!("-{back}"),
            (None, _) if place >= NEAR => return Err(cannot()),
            _ => place.to_string(),
        };
        let mut spec = self.spec.clone();
        spec.shape.remove(axis);
        let rank = spec.rank();
        self.then(Ok(spec), format_args!(".select_dim::<{rank}>({axis}, {place})"))
    }

    fn spread(self, sizes: &[Option<usize>]) -> Result<Self> {
        if self.spec.shape == sizes {
            return Ok(self);
        }
        let missing = sizes.len().checked_sub(self.spec.rank()).ok_or_else(cannot)?;
        let written = sizes.iter().enumerate().map(|(axis, size)| {
            let own = axis.checked_sub(missing).map(|axis| self.spec.shape[axis]);
            match size {
                Some(size) if *size > 0 => i64::try_from(*size).ok(),
                None if own == Some(None) => Some(-1),
                _ => None,
            }
        });
        let shape = array(&written.collect::<Option<Vec<_>>>().ok_or_else(cannot)?);
        let spec = self.spec.clone().spread(sizes);
        self.then(spec, format_args!(".expand({shape})"))
    }

    fn joined(parts: Vec<Self>, axis: usize) -> Result<Self> {
        let spec = Spec::joined(parts.iter().map(|part| part.spec.clone()).collect(), axis)?;
        if parts.iter().any(|part| part.spec.dtype != spec.dtype) {
            return Err(cannot());
        }
        let mut uses = vec!["burn::tensor::Tensor"];
        uses.extend(parts.iter().flat_map(|part| part.uses.iter().copied()));
        let texts: Vec<_> = parts.into_iter().map(|part| part.text).collect();
        Self::new(spec, format!("Tensor::cat(vec![{}], {axis})", texts.join(", ")), uses)
    }

    fn typed(self, dtype: Dtype) -> Result<Self> {
        let method = cast(self.spec.dtype, dtype).ok_or_else(cannot)?;
        let spec = self.spec.clone().typed(dtype);
        self.then(spec, method)
    }

    fn combined(self, op: Binary, other: Self) -> Result<Self> {
        let method = match op {
            Binary::Add => "add",
            Binary::Subtract => "sub",
            Binary::Multiply => "mul",
            _ => return Err(cannot()),
        };
        let spec = self.spec.clone().combined(op, other.spec.clone());
        match self.spec.dtype {
            Dtype::Float32 => self.with(other, method, spec),
            _ => Err(cannot()),
        }
    }

    fn times(self, other: Self) -> Result<Self> {
        let spec = self.spec.clone().times(other.spec.clone());
        match self.spec.dtype {
            Dtype::Float32 => self.with(other, "matmul", spec),
            _ => Err(cannot()),
        }
    }

    fn summed(self, axis: usize) -> Result<Self> {
        let spec = self.spec.clone().summed(axis);
        let rank = self.spec.rank().saturating_sub(1);
        match self.spec.dtype {
            Dtype::Float32 => self.then(spec, format_args!(".sum_dim({axis}).squeeze_dim::<{rank}>({axis})")),
            _ => Err(cannot()),
        }
    }

    fn kept(self, _: [usize; 2], _: impl Fn(usize, usize) -> bool, _: f64) -> Result<Self> {
        Err(cannot())
    }

    fn padded(self, _: &[(usize, usize)], _: f64) -> Result<Self> {
        Err(cannot())
    }

    fn device(_: &Args<Self>) -> Option<Device> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::layer::Function;
    use crate::ops::{
        ExpandDims, GetItem, Matmul, Mean, Multiply, Repeat, Reshape, Split, Subtract, Transpose,
    };

    const ANY_SIZE: Option<usize> = None;

    /// What an operation says of tensors and constants.
    fn call<F: Function>(op: &F, tensors: &[&[Option<usize>]], constants: Vec<Json>) -> Option<String> {
        let tensors = tensors.iter().map(|shape| Tree::Leaf(Spec::new(shape.to_vec(), Dtype::Float32)));
        let positional = tensors.chain(constants.into_iter().map(Tree::Constant)).collect();
        let args = Args::bind(F::ARGS, positional, vec![]).unwrap();
        op.code(&Place { args: &args, layout: Layout::Keras }).map(|code| code.call)
    }

    #[test]
    fn shapes_as_burn_has_them() {
        let x: &[Option<usize>] = &[ANY_SIZE, Some(4), Some(6)];
        let open: &[Option<usize>] = &[ANY_SIZE, ANY_SIZE, Some(6)];
        let reshape = |shape: &[i64]| Reshape { newshape: shape.iter().copied().map(Some).collect() };
        for (got, expected) in [
            (call(&reshape(&[-1, 3, 8]), &[x], vec![]), Some("{0}.reshape([-1, 3, 8])")),
            (call(&reshape(&[-1, 4, 6, 1]), &[x], vec![]), Some("{0}.unsqueeze_dim::<4>(3)")),
            (
                call(&ExpandDims { axis: crate::config::Axes::One(1) }, &[open], vec![]),
                Some("{0}.unsqueeze_dim::<4>(1)"),
            ),
            (call(&Transpose { axes: None }, &[open], vec![]), Some("{0}.permute([2, 1, 0])")),
            (
                call(&Matmul {}, &[open, &[Some(6), Some(2)]], vec![]),
                Some("{0}.matmul({1}.unsqueeze_dim::<3>(0))"),
            ),
            // Two results, and places at no equal distances.
            (call(&Split { indices_or_sections: crate::config::Axes::One(2), axis: 1 }, &[x], vec![]), None),
            (call(&Repeat { repeats: crate::config::Axes::One(2), axis: Some(1) }, &[x], vec![]), None),
        ] {
            assert_eq!(got.as_deref(), expected);
        }
    }

    #[test]
    fn parts_of_an_axis_of_any_size() {
        let slice = |start: Json, stop: Json, step: Json| json!({"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}});
        let all = || slice(Json::Null, Json::Null, Json::Null);
        for (size, key, expected) in [
            (ANY_SIZE, json!([all(), -1]), Some("{0}.select_dim::<2>(1, -1)")),
            (Some(4), json!([all(), -1]), Some("{0}.select_dim::<2>(1, 3)")),
            (
                ANY_SIZE,
                json!([all(), slice(json!(1), json!(-2), Json::Null)]),
                Some("{0}.slice_dim(1, 1..-2)"),
            ),
            (
                ANY_SIZE,
                json!([all(), slice(json!(-3), Json::Null, Json::Null)]),
                Some("{0}.slice_dim(1, -3..)"),
            ),
            (ANY_SIZE, json!([all(), slice(Json::Null, Json::Null, json!(-1))]), Some("{0}.flip([1])")),
            (
                Some(8),
                json!([all(), slice(json!(1), Json::Null, json!(3))]),
                Some("{0}.slice_dim(1, s![1..;3])"),
            ),
            (Some(8), json!([all(), slice(json!(6), json!(1), json!(-2))]), None),
            (ANY_SIZE, json!([all(), 3_000_000]), None),
        ] {
            let got = call(&GetItem {}, &[&[ANY_SIZE, size, Some(6)]], vec![key.clone()]);
            assert_eq!(got.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn operands_meet_as_in_keras() {
        let x: &[Option<usize>] = &[ANY_SIZE, Some(4), Some(6)];
        let mean =
            |axes: &[i64]| Mean { axis: Some(crate::config::Axes::Many(axes.to_vec())), keepdims: false };
        for (got, expected) in [
            (call(&Multiply {}, &[x, &[Some(4), Some(6)]], vec![]), Some("{0} * {1}.unsqueeze::<3>()")),
            (call(&Multiply {}, &[x], vec![json!(2)]), Some("{0} * 2.0")),
            (call(&mean(&[2, 1]), &[x], vec![]), Some("{0}.mean_dims(&[1, 2]).squeeze_dims::<1>(&[1, 2])")),
            (call(&mean(&[0, 1, 2]), &[x], vec![]), None),
        ] {
            assert_eq!(got.as_deref(), expected);
        }
        let ones = Tree::Constant(json!(1));
        let args =
            Args::bind(&["x1", "x2"], vec![ones, Spec::new(x.to_vec(), Dtype::Float32).into()], vec![]);
        let code = Subtract {}.code(&Place { args: &args.unwrap(), layout: Layout::ChannelsFirst }).unwrap();
        assert_eq!((code.call.as_str(), code.gives), ("{0}.neg() + 1.0", Layout::ChannelsFirst));
    }
}
