//! Einstein summation of values: `"ij,jk->ik"` for any number of operands.
//!
//! Axes with the same letter are the same axis; a size of 1 spreads to that of the others. A letter that
//! is there twice in one operand takes its diagonal, one that the result lacks is summed over. `...`
//! stands for any number of axes, aligned at the last. Without `->` the result has the axes of `...`
//! and then, in alphabetical order, the letters that are there once.

use std::collections::BTreeMap;

use burn::tensor::kind::Numeric;
use burn::tensor::{DType, Tensor};

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::value::{MAX_RANK, Value};

/// The order of multiplication is looked for in time that grows faster than the number of operands.
const MOST_OPERANDS: usize = 64;

/// What an axis is called: a letter, or its place, from the last, among those that `...` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Elided(usize),
    Letter(char),
}

type Sizes = BTreeMap<Label, Option<usize>>;

/// The result of `equation` for operands of some dtypes: floats if any are, else integers of the widest
/// type. Booleans count as integers.
///
/// # Errors
/// When the equation is none, or the operands do not fit it.
pub(crate) fn einsum(equation: &str, operands: Vec<Value>) -> Result<Value> {
    let shapes = operands.iter().map(|operand| operand.shape().into_iter().map(Some).collect());
    let plan = Plan::new(equation, &shapes.collect::<Vec<_>>())?;
    let shape: Vec<usize> = plan.shape().into_iter().flatten().collect();
    let (result, work) = dtypes(&operands);
    if plan.sizes.values().any(|size| *size == Some(0)) {
        // Either there are no entries, or each is an empty sum.
        let elements: usize = shape.iter().product();
        let zeros = operands.first().map(|first| Tensor::<1>::zeros([elements], &first.device()));
        return Value::from(zeros.ok_or_else(nothing)?).cast(result)?.reshape(&shape);
    }
    let terms = operands.into_iter().zip(&plan.operands);
    let terms = terms.map(|(value, labels)| Term::new(value.plain()?.cast(work)?, labels));
    let mut terms: Vec<Option<Term>> = terms.map(|term| term.map(Some)).collect::<Result<_>>()?;
    let mut last = None;
    for step in &plan.steps {
        let Some(next) = terms.get_mut(step.operand).and_then(Option::take) else { continue };
        let next = next.sum(|label| step.left.contains(&label) || step.needed.contains(&label))?;
        last = Some(match last {
            None => next,
            Some(term) => Term::product(term, next, &step.needed)?,
        });
    }
    let last = last.ok_or_else(nothing)?;
    let last = last.sum(|label| plan.output.contains(&label))?;
    let order: Vec<Label> = plan.output.iter().copied().filter(|label| last.labels.contains(label)).collect();
    last.in_order(&order)?.cast(result)?.reshape(&shape)
}

fn nothing() -> Error {
    Error::input("expected at least one operand")
}

/// The shape of the result for operands of some shapes.
///
/// # Errors
/// When the equation is none, the operands do not fit it, or it passes through values that are too large.
pub(crate) fn einsum_shape(equation: &str, operands: &[Vec<Option<usize>>]) -> Result<Vec<Option<usize>>> {
    Plan::new(equation, operands).map(|plan| plan.shape())
}

/// The type of the result, and that in which it is computed: Burn multiplies matrices of those only.
fn dtypes(operands: &[Value]) -> (DType, DType) {
    if operands.iter().any(Value::is_float) {
        return (DType::F32, DType::F32);
    }
    let types = operands.iter().map(Value::dtype).filter(|dtype| !dtype.is_bool());
    let result = types.reduce(|a, b| if a.size() < b.size() { b } else { a }).unwrap_or(DType::I32);
    let is_wide = matches!(result, DType::I64 | DType::U64 | DType::U32);
    (result, if is_wide { DType::I64 } else { DType::I32 })
}

/// An equation for operands of known ranks.
#[derive(Debug)]
struct Plan {
    operands: Vec<Vec<Label>>,
    output: Vec<Label>,
    sizes: Sizes,
    steps: Vec<Step>,
}

/// One operand joins the product of those before.
#[derive(Debug)]
struct Step {
    operand: usize,
    /// The labels of the product before.
    left: Vec<Label>,
    /// The labels of operands still to come, and of the result.
    needed: Vec<Label>,
}

impl Plan {
    fn new(equation: &str, shapes: &[Vec<Option<usize>>]) -> Result<Self> {
        let wrong = |message: &str| Error::config(format_args!("{message} in the equation {equation:?}"));
        let compact: String = equation.split_whitespace().collect();
        let (inputs, output) = match compact.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (compact.as_str(), None),
        };
        let inputs: Vec<&str> = inputs.split(',').collect();
        if inputs.len() != shapes.len() {
            return Err(wrong(&format!("{} operands, expected {},", shapes.len(), inputs.len())));
        }
        if shapes.len() > MOST_OPERANDS {
            return Err(Error::unsupported(format_args!("more than {MOST_OPERANDS} operands")));
        }
        let labels =
            |text: &str, rank: usize| labels(text, rank).ok_or_else(|| wrong("axes that do not fit"));
        let operands = inputs.iter().zip(shapes).map(|(text, shape)| labels(text, shape.len()));
        let operands = operands.collect::<Result<Vec<_>>>()?;
        let all = || operands.iter().flatten().copied();
        let elided = all().filter_map(elided_place).map(|place| place + 1).max().unwrap_or(0);
        let output = match output {
            Some(text) => {
                labels(text, if text.contains('.') { letters(text) + elided } else { letters(text) })?
            }
            None => {
                let mut once: Vec<Label> = all().filter(|label| elided_place(*label).is_none()).collect();
                once.sort_unstable();
                once =
                    once.chunk_by(|a, b| a == b).filter(|same| same.len() == 1).flatten().copied().collect();
                (0..elided).rev().map(Label::Elided).chain(once).collect()
            }
        };
        if output.iter().enumerate().any(|(at, label)| output[..at].contains(label)) {
            return Err(wrong("an axis of the result is there twice"));
        }
        let sizes = sizes(&operands, shapes).map_err(|message| wrong(&message))?;
        if output.iter().any(|label| !sizes.contains_key(label)) {
            return Err(wrong("an axis of the result is that of no operand"));
        }
        let steps = steps(&operands, &output, &sizes)?;
        Ok(Self { operands, output, sizes, steps })
    }

    fn shape(&self) -> Vec<Option<usize>> {
        self.output.iter().map(|label| self.sizes.get(label).copied().flatten()).collect()
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(char::is_ascii_alphabetic).count()
}

fn elided_place(label: Label) -> Option<usize> {
    match label {
        Label::Elided(place) => Some(place),
        Label::Letter(_) => None,
    }
}

/// The labels of `rank` axes; none when the text is not about so many.
fn labels(text: &str, rank: usize) -> Option<Vec<Label>> {
    let named = |text: &str| -> Option<Vec<Label>> {
        text.chars().map(|char| char.is_ascii_alphabetic().then_some(Label::Letter(char))).collect()
    };
    let Some((before, after)) = text.split_once("...") else {
        return named(text).filter(|labels| labels.len() == rank);
    };
    let (before, after) = (named(before)?, named(after)?);
    let elided = rank.checked_sub(before.len() + after.len())?;
    Some(before.into_iter().chain((0..elided).rev().map(Label::Elided)).chain(after).collect())
}

/// The size of every label, or what is wrong.
fn sizes(operands: &[Vec<Label>], shapes: &[Vec<Option<usize>>]) -> std::result::Result<Sizes, String> {
    let mut all = Sizes::new();
    for (labels, shape) in operands.iter().zip(shapes) {
        let mut own = Sizes::new();
        for (label, size) in labels.iter().zip(shape) {
            match own.insert(*label, *size) {
                Some(Some(other)) if size.is_some_and(|size| size != other) => {
                    return Err(format!("the sizes {other} and {size:?} of an axis that is there twice"));
                }
                Some(other) => own.insert(*label, size.or(other)),
                None => None,
            };
        }
        for (label, size) in own {
            let merged = match (all.get(&label).copied(), size) {
                (None | Some(Some(1)), size) => size,
                (Some(known), Some(1)) => known,
                (Some(Some(a)), Some(b)) if a != b => {
                    return Err(format!("the sizes {a} and {b} of one axis"));
                }
                (Some(known), size) => known.or(size),
            };
            all.insert(label, merged);
        }
    }
    Ok(all)
}

/// In which order the operands are multiplied: next is always the one that gives the smallest product.
fn steps(operands: &[Vec<Label>], output: &[Label], sizes: &Sizes) -> Result<Vec<Step>> {
    let elements = |labels: &[Label]| {
        let sizes = labels.iter().map(|label| sizes.get(label).copied().flatten().unwrap_or(1));
        sizes.fold(1_u64, |product, size| product.saturating_mul(size as u64))
    };
    let mut rest: Vec<usize> = (0..operands.len()).collect();
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let join = |at: usize| {
            let others = rest.iter().filter(|other| **other != at).flat_map(|other| &operands[*other]);
            let needed: Vec<Label> = others.chain(output).copied().collect();
            let mut joined: Vec<Label> = left.iter().chain(&operands[at]).copied().collect();
            joined.sort_unstable();
            joined.dedup();
            joined.retain(|label| needed.contains(label));
            (needed, joined)
        };
        let candidates = if steps.is_empty() { &rest[..1] } else { &rest[..] };
        let Some(operand) = candidates.iter().copied().min_by_key(|at| elements(&join(*at).1)) else { break };
        let (needed, joined) = join(operand);
        if rest.len() > 1 && !steps.is_empty() {
            Limits::check("elements between operands", elements(&joined), Limits::default().activation)?;
        }
        let axes = joined.iter().filter(|label| sizes.get(label).copied().flatten() != Some(1)).count();
        if axes > MAX_RANK {
            return Err(Error::unsupported(format_args!("{axes} axes between operands")));
        }
        rest.retain(|other| *other != operand);
        steps.push(Step { operand, left: std::mem::replace(&mut left, joined), needed });
    }
    Ok(steps)
}

/// A value with a name for each of its axes, none of which has size 1; a single entry has no names.
struct Term {
    value: Value,
    labels: Vec<Label>,
}

impl Term {
    /// Takes diagonals and leaves out sizes of 1.
    fn new(value: Value, labels: &[Label]) -> Result<Self> {
        let (mut value, mut labels) = (value, labels.to_vec());
        while let Some((first, second)) = twice(&labels) {
            value = diagonal(value, first, second)?;
            let label = labels.remove(second);
            labels.remove(first);
            labels.push(label);
        }
        let mut shape = value.shape();
        let mut sizes = shape.iter();
        labels.retain(|_| sizes.next() != Some(&1));
        shape.retain(|size| *size != 1);
        Self::of(value, &shape, labels)
    }

    fn of(value: Value, shape: &[usize], labels: Vec<Label>) -> Result<Self> {
        Ok(Self { value: value.reshape(if shape.is_empty() { &[1] } else { shape })?, labels })
    }

    fn sizes(&self, labels: &[Label]) -> Vec<usize> {
        let shape = self.value.shape();
        let places = labels.iter().filter_map(|label| self.labels.iter().position(|own| own == label));
        places.map(|place| shape[place]).collect()
    }

    /// The value with its axes in the order of `labels`, which are its own.
    fn in_order(self, labels: &[Label]) -> Result<Value> {
        if labels == self.labels {
            return Ok(self.value);
        }
        let places = labels.iter().filter_map(|label| self.labels.iter().position(|own| own == label));
        let places: Vec<usize> = places.collect();
        self.value.permute(&places)
    }

    /// Sums over the axes that are not kept.
    fn sum(self, keep: impl Fn(Label) -> bool) -> Result<Self> {
        let (kept, gone): (Vec<Label>, Vec<Label>) = self.labels.iter().partition(|label| keep(**label));
        if gone.is_empty() {
            return Ok(self);
        }
        let (shape, summed) = (self.sizes(&kept), self.sizes(&gone));
        let order: Vec<Label> = kept.iter().chain(&gone).copied().collect();
        let grouped = [shape.iter().product(), summed.iter().product(), 1];
        let value = self.in_order(&order)?.reshape(&grouped)?;
        let value = match value.is_float() {
            true => Value::from(value.float::<3>()?.sum_dim(1)),
            false => Value::from(value.int::<3>()?.sum_dim(1)),
        };
        Self::of(value, &shape, kept)
    }

    /// Multiplies, and sums over the axes that both have and that are not needed any more.
    fn product(left: Self, right: Self, needed: &[Label]) -> Result<Self> {
        let is_shared = |label: &&Label| left.labels.contains(label) && right.labels.contains(label);
        let (shared, own): (Vec<Label>, Vec<Label>) = left.labels.iter().partition(is_shared);
        let (batch, summed): (Vec<Label>, Vec<Label>) =
            shared.iter().partition(|label| needed.contains(label));
        let other: Vec<Label> = right.labels.iter().filter(|label| !is_shared(label)).copied().collect();
        let count = |term: &Self, labels: &[Label]| -> usize { term.sizes(labels).iter().product() };
        let (places, rows) = (count(&left, &batch), count(&left, &own));
        let (inner, columns) = (count(&left, &summed), count(&right, &other));
        let shape = [left.sizes(&batch), left.sizes(&own), right.sizes(&other)].concat();
        let labels = [batch.clone(), own.clone(), other.clone()].concat();
        let a = left.in_order(&[&batch[..], &own, &summed].concat())?.reshape(&[places, rows, inner])?;
        let b =
            right.in_order(&[&batch[..], &summed, &other].concat())?.reshape(&[places, inner, columns])?;
        let value = match a.is_float() {
            true => Value::from(matrices(a.float::<3>()?, b.float::<3>()?)),
            false => Value::from(matrices(a.int::<3>()?, b.int::<3>()?)),
        };
        Self::of(value, &shape, labels)
    }
}

/// The products of matrices; what is not quite one has a faster way.
fn matrices<K: Numeric>(a: Tensor<3, K>, b: Tensor<3, K>) -> Tensor<3, K> {
    let ([places, rows, inner], [_, _, columns]) = (a.dims(), b.dims());
    match (inner, rows * columns) {
        (1, _) => a * b,
        (_, 1) if places > 1 => (a * b.reshape([places, 1, inner])).sum_dim(2),
        _ => a.matmul(b),
    }
}

/// The places of a label that is there twice.
fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    let pairs = labels.iter().enumerate();
    pairs.filter_map(|(at, label)| Some((labels[..at].iter().position(|other| other == label)?, at))).next()
}

/// The diagonal of two axes, as the last axis.
fn diagonal(value: Value, first: usize, second: usize) -> Result<Value> {
    let mut axes: Vec<usize> = (0..value.rank()).filter(|axis| *axis != first && *axis != second).collect();
    let mut shape: Vec<usize> = axes.iter().map(|axis| value.shape()[*axis]).collect();
    let (rest, size): (usize, usize) = (shape.iter().product(), value.shape()[first]);
    axes.extend([first, second]);
    shape.push(size);
    // In rows that are longer by one the diagonal is the first column.
    let flat = value.permute(&axes)?.reshape(&[rest, size * size])?.pad(&[(0, 0), (0, size)], 0.0)?;
    flat.reshape(&[rest, size, size + 1])?.narrow(2, 0, 1)?.reshape(&shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int, TensorData};

    fn numbers(shape: &[usize], seed: f32) -> Value {
        let numbers = (0..shape.iter().product()).map(|at: usize| (at as f32 * 1.7 + seed).sin());
        Value::from_data(TensorData::new(numbers.collect::<Vec<f32>>(), shape), &Device::flex()).unwrap()
    }

    /// Every combination of indices, one after the other.
    fn naive(equation: &str, operands: &[Value]) -> (Vec<usize>, Vec<f32>) {
        let shapes: Vec<Vec<Option<usize>>> =
            operands.iter().map(|value| value.shape().into_iter().map(Some).collect()).collect();
        let plan = Plan::new(equation, &shapes).unwrap();
        let shape: Vec<usize> = plan.shape().into_iter().flatten().collect();
        let sizes: Vec<(Label, usize)> =
            plan.sizes.iter().map(|(label, size)| (*label, size.unwrap())).collect();
        let data: Vec<Vec<f32>> =
            operands.iter().map(|value| value.clone().into_data().try_to_vec::<f32>().unwrap()).collect();
        let mut out = vec![0.0; shape.iter().product()];
        for count in 0..sizes.iter().map(|(_, size)| size).product() {
            let mut index = BTreeMap::new();
            sizes.iter().fold(count, |count, (label, size)| {
                index.insert(*label, count % size);
                count / size
            });
            let at = |labels: &[Label], shape: &[usize]| {
                labels.iter().zip(shape).fold(0, |at, (label, size)| at * size + index[label].min(size - 1))
            };
            let factors = operands.iter().zip(&plan.operands).zip(&data);
            out[at(&plan.output, &shape)] +=
                factors.map(|((value, labels), data)| data[at(labels, &value.shape())]).product::<f32>();
        }
        (shape, out)
    }

    #[test]
    fn agrees_with_the_definition() {
        let cases: &[(&str, &[&[usize]])] = &[
            ("ij,jk->ik", &[&[2, 3], &[3, 4]]),
            ("ij,jk", &[&[2, 3], &[3, 4]]),
            ("ji", &[&[2, 3]]),
            ("ij->j", &[&[2, 3]]),
            ("ii->i", &[&[3, 3]]),
            ("iji->j", &[&[3, 2, 3]]),
            ("iijj->ji", &[&[3, 3, 2, 2]]),
            ("ijiji->ij", &[&[2, 3, 2, 3, 2]]),
            ("bi,bi->b", &[&[4, 5], &[4, 5]]),
            ("b,b->b", &[&[4], &[4]]),
            ("i,j->ij", &[&[4], &[3]]),
            ("abcd,cde->abe", &[&[2, 3, 4, 5], &[4, 5, 6]]),
            ("aecd,abcd->acbe", &[&[2, 4, 3, 5], &[2, 6, 3, 5]]),
            ("...x,xy->...y", &[&[2, 3, 4], &[4, 5]]),
            ("ab...,bc->ac...", &[&[2, 3, 4, 5], &[3, 6]]),
            ("...ij,...jk", &[&[4, 2, 3], &[5, 1, 3, 2]]),
            ("i...,...i->...", &[&[3, 1, 2], &[4, 2, 3]]),
            ("...i,i...", &[&[2, 3], &[3, 2]]),
            ("...i->i", &[&[2, 4, 3]]),
            ("ij,jk->ik", &[&[2, 3], &[1, 4]]),
            ("bij,bjk->bik", &[&[1, 2, 3], &[5, 3, 1]]),
            ("ij,jk,kl,lm->im", &[&[2, 3], &[3, 4], &[4, 5], &[5, 6]]),
            ("ab,cd,bc->ad", &[&[2, 3], &[4, 5], &[3, 4]]),
            ("a,ab,ac,c->b", &[&[2], &[1, 3], &[2, 4], &[4]]),
            ("ab,b,b->a", &[&[2, 3], &[3], &[3]]),
            ("zA,Ab", &[&[2, 3], &[3, 4]]),
            (" i j , j -> i ", &[&[2, 3], &[3]]),
            ("ij,jk->ik", &[&[2, 0], &[0, 4]]),
            ("ij->ij...", &[&[2, 3]]),
            ("ij->", &[&[2, 3]]),
            ("ii", &[&[3, 3]]),
            (",ij->ij", &[&[], &[2, 3]]),
            ("i,i", &[&[5], &[5]]),
            ("...,...->...", &[&[], &[]]),
        ];
        for (equation, shapes) in cases {
            let operands: Vec<Value> =
                shapes.iter().enumerate().map(|(at, shape)| numbers(shape, at as f32)).collect();
            let (shape, wanted) = naive(equation, &operands);
            let result = einsum(equation, operands).unwrap_or_else(|error| panic!("{equation}: {error}"));
            assert_eq!(result.shape(), shape, "{equation}");
            for (got, wanted) in result.into_data().as_slice::<f32>().unwrap().iter().zip(&wanted) {
                assert!((got - wanted).abs() < 1e-5, "{equation}: {got} {wanted}");
            }
        }
    }

    #[test]
    fn integers_stay_integers_of_the_widest_type() {
        let device = Device::flex();
        let int = |numbers: &[i16], dtype| {
            Value::from(Tensor::<1, Int>::from_data(numbers, &device))
                .reshape(&[2, 2])
                .unwrap()
                .cast(dtype)
                .unwrap()
        };
        let (narrow, wide) = (int(&[1, -2, 3, 4], DType::I8), int(&[50, 60, -70, 80], DType::I16));
        let result = einsum("ij,jk->ik", vec![narrow, wide]).unwrap().into_data();
        assert_eq!(result.as_slice::<i16>().unwrap(), [190, -100, -130, 500]);
    }

    #[test]
    fn gradients_flow() {
        let device = Device::flex().autodiff();
        let a = Tensor::<3>::random([2, 3, 3], burn::tensor::Distribution::Default, &device).require_grad();
        let b = Tensor::<1>::from_floats([1.0, 2.0], &device);
        let y = einsum("bii,b->i", vec![a.clone().into(), b.into()]).unwrap().float::<1>().unwrap();
        let grad = a.grad(&y.sum().backward()).unwrap().into_data();
        let wanted: Vec<f32> =
            (0..18).map(|at| if at % 9 % 4 == 0 { (at / 9 + 1) as f32 } else { 0.0 }).collect();
        assert_eq!(grad.as_slice::<f32>().unwrap(), wanted);
    }

    #[test]
    fn unknown_sizes_stay_unknown() {
        let (n, s) = (None, Some);
        let shape = |equation, shapes: &[&[Option<usize>]]| {
            einsum_shape(equation, &shapes.iter().map(|shape| shape.to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(shape("bij,bjk->bik", &[&[n, n, s(3)], &[s(1), s(3), s(4)]]).unwrap(), [n, n, s(4)]);
        assert_eq!(shape("bij,bjk->bik", &[&[n, s(1), n], &[s(2), s(3), s(4)]]).unwrap(), [s(2), s(1), s(4)]);
        assert_eq!(shape("...x,xy", &[&[n, s(7), s(3)], &[s(3), s(2)]]).unwrap(), [n, s(7), s(2)]);
    }

    #[test]
    fn wrong_equations_are_refused() {
        for (equation, shapes) in [
            ("ij,jk->ik", &[&[2, 3][..]][..]),
            ("ij,jk->ik", &[&[2, 3], &[4, 5]]),
            ("ij->ik", &[&[2, 3]]),
            ("ij->ii", &[&[2, 3]]),
            ("ii->i", &[&[3, 1]]),
            ("ijk->i", &[&[2, 3]]),
            ("i->i", &[&[2, 3]]),
            ("ijk...->i", &[&[2, 3]]),
            ("i..j->i", &[&[2, 3]]),
            ("i...j...->i", &[&[2, 3]]),
            ("i1->i", &[&[2, 3]]),
            ("ij->i->j", &[&[2, 3]]),
            ("...i,...i->...", &[&[2, 3], &[4, 3]]),
            ("ab,cd,ef->", &[&[60_000, 60_000], &[60_000, 60_000], &[2, 2]]),
            ("abc,def,ghi->g", &[&[2, 2, 2], &[2, 2, 2], &[2, 2, 2]]),
            ("", &[]),
        ] {
            let shapes: Vec<Vec<Option<usize>>> =
                shapes.iter().map(|shape| shape.iter().copied().map(Some).collect()).collect();
            let result = einsum_shape(equation, &shapes);
            let fine = ["ab,cd,ef->", "abc,def,ghi->g"].contains(&equation);
            assert_eq!(result.is_ok(), fine, "{equation}: {result:?}");
        }
        let big = [vec![Some(60_000), Some(60_000)], vec![Some(60_000), Some(60_000)], vec![Some(2)]];
        assert!(einsum_shape("ab,cd,c->abd", &big).is_err());
        let wide = vec![vec![Some(2); 4]; 2];
        assert!(einsum_shape("abcd,efgh->abcdefgh", &wide).is_err());
    }
}
