//! What operations of one kind have in common: how their arguments are taken, and what types and
//! shapes their results have.

use burn::tensor::{Int, IntDType, Tensor};

use super::kit::{Constant, broadcast, device, operand, promote};
use super::source::cast;
use crate::codegen::{Code, Layout, Place, number as write_number};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Value, burn_dtype};

pub(super) use super::kit::Kind;

/// Declares operations and a table of them: the names of their arguments in brackets, and for each class its keys
/// and its pattern, made from the config.
macro_rules! operations {
    ($table:ident$args:tt:
     $($(#[$meta:meta])* $name:ident { $($fields:tt)* } = $pattern:expr;)+) => {
        pub(crate) static $table: &[$crate::layer::Row] = &[$($crate::layer::row::<$name>()),+];

        $(
            $crate::config! {
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                $(#[$meta])*
                pub struct $name { $($fields)* }
            }

            impl $crate::layer::Function for $name {
                const CLASSES: &'static [&'static str] = &[stringify!($name)];
                const ARGS: &'static [&'static str] = &$args;
                const OPERATION: bool = true;

                fn outputs(
                    &self,
                    args: &$crate::layer::Args<$crate::layer::Spec>,
                ) -> $crate::Result<$crate::layer::Tree<$crate::layer::Spec>> {
                    let pattern: fn(&Self) -> _ = $pattern;
                    $crate::ops::pattern::Pattern::outputs(&pattern(self), args)
                }

                fn call(
                    &self,
                    args: $crate::layer::Args<$crate::Value>,
                    _: &$crate::layer::Context,
                ) -> $crate::Result<$crate::layer::Tree<$crate::Value>> {
                    let pattern: fn(&Self) -> _ = $pattern;
                    $crate::ops::pattern::Pattern::call(&pattern(self), &args)
                }

                fn code(&self, place: &$crate::codegen::Place<'_>) -> Option<$crate::codegen::Code> {
                    let pattern: fn(&Self) -> _ = $pattern;
                    $crate::ops::pattern::Pattern::code(&pattern(self), place)
                }
            }
        )+
    };
}
pub(super) use operations;

/// Runs an expression on a value whose numbers keep their type: floats or integers.
macro_rules! map_number {
    ($value:expr, $x:ident => $body:expr) => {{
        let value = $value;
        match value.is_float() {
            true => $crate::map_float!(value, $x => $body),
            false => $crate::map_int!(value, $x => $body),
        }
    }};
}
pub(super) use map_number;

/// Runs an expression on two values spread to each other.
macro_rules! zip_values {
    ($take:ident, $kind:ty, $a:expr, $b:expr, ($x:ident, $y:ident) => $body:expr) => {{
        let (a, b) = $crate::ops::pattern::spread($a, $b)?;
        let ((a, order), (b, _)) = (a.$take()?, b.$take()?);
        $crate::by_rank!(a.rank(), D => {
            let $x = burn::tensor::Tensor::<D, $kind>::from_bridge(a);
            let $y = burn::tensor::Tensor::<D, $kind>::from_bridge(b);
            $crate::Value::from_stored(burn::tensor::Tensor::<D, _>::into_bridge($body), order)
        })
    }};
}
pub(super) use zip_values;

/// Runs an expression on two values as floats.
macro_rules! zip_float {
    ($a:expr, $b:expr, $names:tt => $body:expr) => {
        $crate::ops::pattern::zip_values!(into_stored_float, burn::tensor::Float, $a, $b, $names => $body)
    };
}
pub(super) use zip_float;

/// Runs an expression on two values as integers.
macro_rules! zip_int {
    ($a:expr, $b:expr, $names:tt => $body:expr) => {
        $crate::ops::pattern::zip_values!(into_stored_int, burn::tensor::Int, $a, $b, $names => $body)
    };
}
pub(super) use zip_int;

/// Integers of 64 bits, in which nothing of fewer bits overflows: not every backend lets it.
pub(super) fn wide<const D: usize>(x: Tensor<D, Int>) -> Tensor<D, Int> {
    x.cast(IntDType::I64)
}

/// Two values of the shape that they broadcast to.
pub(super) fn spread(a: Value, b: Value) -> Result<(Value, Value)> {
    let shape = shape_of(&[&a, &b])?;
    Ok((a.broadcast_to(&shape)?, b.broadcast_to(&shape)?))
}

/// The shape that values broadcast to.
pub(super) fn shape_of(values: &[&Value]) -> Result<Vec<usize>> {
    let specs: Vec<Spec> = values.iter().map(|value| spec_of(value)).collect();
    Ok(broadcast(&specs.iter().collect::<Vec<_>>())?.into_iter().flatten().collect())
}

/// The spec of a value.
pub(super) fn spec_of(value: &Value) -> Spec {
    Spec::new(value.shape().into_iter().map(Some).collect(), value.keras_dtype())
}

/// The type of a result by that of the operands.
pub(super) type Typing = fn(&[Kind]) -> Result<Dtype>;

/// The type of the operands themselves.
pub(super) fn same(kinds: &[Kind]) -> Result<Dtype> {
    promote(kinds)
}

/// The type of the operands, which are no booleans.
pub(super) fn number(kinds: &[Kind]) -> Result<Dtype> {
    match promote(kinds)? {
        Dtype::Bool => Err(Error::unsupported("arithmetic with nothing but booleans")),
        dtype => Ok(dtype),
    }
}

/// The type of the operands, booleans counting as integers.
pub(super) fn counted(kinds: &[Kind]) -> Result<Dtype> {
    Ok(match promote(kinds)? {
        Dtype::Bool => Dtype::Int32,
        dtype => dtype,
    })
}

/// The type of the operands, which are integers or booleans.
pub(super) fn bits(kinds: &[Kind]) -> Result<Dtype> {
    match promote(kinds)? {
        dtype if dtype.is_float() => Err(Error::config(format_args!("expected integers, got {dtype}"))),
        dtype => Ok(dtype),
    }
}

/// The type of the operands, which are integers.
pub(super) fn whole(kinds: &[Kind]) -> Result<Dtype> {
    number(kinds)?;
    bits(kinds)
}

/// Floats, whatever the operands are.
pub(super) fn float(kinds: &[Kind]) -> Result<Dtype> {
    promote(kinds).map(super::kit::float_of)
}

/// Floats, of operands that are floats.
pub(super) fn float_only(kinds: &[Kind]) -> Result<Dtype> {
    match promote(kinds)? {
        dtype if dtype.is_float() => Ok(dtype),
        dtype => Err(Error::config(format_args!("expected floats, got {dtype}"))),
    }
}

/// Booleans, whatever the operands are.
pub(super) fn truth(kinds: &[Kind]) -> Result<Dtype> {
    promote(kinds).map(|_| Dtype::Bool)
}

/// The type in which integers are summed.
pub(super) fn summed(kinds: &[Kind]) -> Result<Dtype> {
    Ok(match promote(kinds)? {
        Dtype::Bool | Dtype::Int8 | Dtype::Int16 => Dtype::Int32,
        Dtype::Uint8 | Dtype::Uint16 => Dtype::Uint32,
        dtype => dtype,
    })
}

/// Places, whatever is looked at.
pub(super) fn index(kinds: &[Kind]) -> Result<Dtype> {
    promote(kinds).map(|_| Dtype::Int32)
}

/// How an operation is done.
pub(super) trait Pattern {
    /// The shapes and types of what it gives.
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>>;

    /// What it gives.
    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>>;

    /// It in Rust source.
    fn code(&self, _place: &Place<'_>) -> Option<Code> {
        None
    }
}

/// An operation of one operand, element by element.
pub(super) struct Unary {
    /// The type of the result.
    pub result: Typing,
    /// What is done to the operand as it is given.
    pub run: fn(Value) -> Result<Value>,
    /// The same for a tensor `x` of one type in Burn's words, if they suffice.
    pub words: Option<(Dtype, &'static str)>,
}

impl Pattern for Unary {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, "x", None)?;
        Ok(x.operand.with_dtype((self.result)(&[x.kind])?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?;
        let dtype = burn_dtype((self.result)(&[x.kind])?)?;
        Ok((self.run)(x.operand)?.cast(dtype)?.with_mask(None).into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let ((dtype, words), input) = (self.words?, place.alone()?);
        (input.dtype == dtype).then(|| Code::function(for_operand(words), place.layout))
    }
}

/// The source of Burn's words for a tensor `x`, which stands for the operand.
fn for_operand(words: &str) -> String {
    let is_x = |word: &str| word == "x";
    let mut others = words.split(|char: char| !char.is_alphanumeric() && char != '_').skip(1);
    match words.strip_prefix('x') {
        Some(rest) if !others.any(is_x) => format!("{{0}}{rest}"),
        _ => format!("{{ let x = {{0}}; {words} }}"),
    }
}

/// An operation of two operands, element by element, with NumPy's broadcasting.
pub(super) struct Binary {
    /// The names of the operands.
    pub names: [&'static str; 2],
    /// The type that the operands are brought to.
    pub common: Typing,
    /// The type of the result.
    pub result: Typing,
    /// What is done to the operands.
    pub run: fn(Value, Value) -> Result<Value>,
    /// The same in Burn's words, if they suffice.
    pub words: Option<Words>,
}

/// What Burn calls an operation of two operands, `{0}` and `{1}`.
#[derive(Clone, Copy)]
pub(super) struct Words {
    /// The types that it is for.
    pub types: &'static [Dtype],
    /// Of two tensors. Only operators spread sizes of 1 in every backend.
    pub pair: &'static str,
    /// Of a tensor and a number.
    pub number: &'static str,
    /// Of a number and a tensor, which is `{0}`, too. Rust would not know the type of what starts with a number.
    pub turned: Option<&'static str>,
}

impl Words {
    fn code(self, place: &Place<'_>, names: &[&str], common: Dtype) -> Option<Code> {
        let terms = terms(place, names)?;
        let [a, b] = terms.as_slice() else { return None };
        let is_operator = self.pair.contains(' ');
        let (words, [a, b], rank) = match (&a.spec, &b.spec) {
            (Some(left), Some(right)) if is_operator || left.shape == right.shape => {
                (self.pair, [a, b], left.rank().max(right.rank()))
            }
            (Some(left), None) => (self.number, [a, b], left.rank()),
            (None, Some(right)) => (self.turned?, [b, a], right.rank()),
            _ => return None,
        };
        let is_raised = [a, b].into_iter().flat_map(|term| &term.spec).any(|spec| spec.rank() < rank);
        let layout = if is_raised { Layout::Keras } else { place.layout };
        let (first, second) = words.split_once("{1}")?;
        let call = first.replace("{0}", &a.write(common, rank)?) + &b.write(common, rank)? + second;
        self.types.contains(&common).then(|| Code::function(call, layout))
    }
}

/// An operand in Rust source: a tensor, or a number.
pub(super) struct Term {
    /// What it is, for a tensor.
    pub spec: Option<Spec>,
    text: String,
    number: f64,
}

/// The operands of these names, which are all arguments.
pub(super) fn terms(place: &Place<'_>, names: &[&str]) -> Option<Vec<Term>> {
    let mut tensors = 0;
    let term = |name: &&str| match place.args.get(name)? {
        Tree::Leaf(spec) if spec.rank() > 0 => {
            tensors += 1;
            let text = format!("{{{}}}", tensors - 1);
            Some(Term { spec: Some(spec.clone()), text, number: 0.0 })
        }
        Tree::Constant(json) => {
            let number = Constant::read(json).ok()?.array.as_number()?;
            Some(Term { spec: None, text: String::new(), number })
        }
        _ => None,
    };
    names.iter().map(term).collect()
}

impl Term {
    /// Its expression as that type, a tensor with axes in front up to that rank.
    pub(super) fn write(&self, dtype: Dtype, rank: usize) -> Option<String> {
        match (&self.spec, dtype) {
            (Some(spec), _) => {
                let typed = format!("{}{}", self.text, cast(spec.dtype, dtype)?);
                let is_raised = spec.rank() < rank;
                Some(if is_raised { format!("{typed}.unsqueeze::<{rank}>()") } else { typed })
            }
            (None, Dtype::Float32) => write_number(self.number),
            (None, Dtype::Int32) => {
                let fits = self.number.fract() == 0.0 && self.number.abs() <= f64::from(i32::MAX);
                fits.then(|| format!("{}", self.number as i32))
            }
            (None, _) => None,
        }
    }
}

impl Pattern for Binary {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand(args, self.names[0], None)?, operand(args, self.names[1], None)?);
        (self.common)(&[a.kind, b.kind])?;
        let dtype = (self.result)(&[a.kind, b.kind])?;
        Ok(Spec::new(broadcast(&[&a.operand, &b.operand])?, dtype).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let [a, b] = self.names.map(|name| operand(args, name, Some(&device)));
        let (a, b) = (a?, b?);
        let common = burn_dtype((self.common)(&[a.kind, b.kind])?)?;
        let dtype = burn_dtype((self.result)(&[a.kind, b.kind])?)?;
        let (a, b) = (a.operand.with_mask(None).cast(common)?, b.operand.with_mask(None).cast(common)?);
        Ok((self.run)(a, b)?.cast(dtype)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let kinds = self.names.map(|name| operand(place.args, name, None).map(|operand| operand.kind));
        let [Ok(a), Ok(b)] = kinds else { return None };
        self.words?.code(place, &self.names, (self.common)(&[a, b]).ok()?)
    }
}

/// What is done to rows of a value.
pub(super) type OnRows = Box<dyn Fn(Value) -> Result<Value>>;

/// An operation along one axis of an operand, or along all of its elements in a row.
pub(super) struct Along {
    /// The name of the operand.
    pub name: &'static str,
    /// The axis; without it, the elements in a row.
    pub axis: Option<i64>,
    /// The type that the operand is brought to.
    pub common: Typing,
    /// The type of the result.
    pub result: Typing,
    /// The type that the config asks for instead of both.
    pub dtype: Option<Dtype>,
    /// The size of the axis in the result.
    pub size: Box<dyn Fn(usize) -> usize>,
    /// What is done to the rows `[others, axis]`.
    pub run: OnRows,
}

impl Along {
    /// An operation of `x` that keeps its shape and gives numbers of one type.
    pub(super) fn new(axis: Option<i64>, typing: Typing, run: OnRows) -> Self {
        let size = Box::new(|size| size);
        Self { name: "x", axis, common: typing, result: typing, dtype: None, size, run }
    }

    fn dtypes(&self, kind: Kind) -> Result<[Dtype; 2]> {
        Ok([(self.common)(&[kind])?, (self.result)(&[kind])?].map(|found| self.dtype.unwrap_or(found)))
    }

    /// The shape that is meant, and the axis in it: the operand's own, or that of its elements in a row.
    fn shape(&self, spec: &Spec) -> Result<(Vec<Option<usize>>, usize)> {
        if let Some(axis) = self.axis {
            let axis = resolve_axis(axis, spec.rank()).map_err(|error| error.at("axis"))?;
            return Ok((spec.shape.clone(), axis));
        }
        let size = spec.shape.iter().try_fold(1_usize, |size, axis| Some(size.saturating_mul((*axis)?)));
        Ok((vec![size], 0))
    }
}

impl Pattern for Along {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, self.name, None)?;
        let [common, result] = self.dtypes(x.kind)?;
        storable(common)?;
        storable(result)?;
        let (mut shape, axis) = self.shape(&x.operand)?;
        shape[axis] = shape[axis].map(&self.size);
        Ok(Spec::new(shape, result).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, self.name, None)?;
        let [common, result] = self.dtypes(x.kind)?;
        let (shape, axis) = self.shape(&spec_of(&x.operand))?;
        let shape: Vec<usize> = shape.into_iter().flatten().collect();
        let x = x.operand.with_mask(None).reshape(&shape)?.cast(burn_dtype(common)?)?;
        Ok(along(x, axis, &self.run)?.cast(burn_dtype(result)?)?.into())
    }
}

/// Refuses types that no backend mixes with `float32`.
pub(super) fn storable(dtype: Dtype) -> Result<()> {
    match dtype {
        // Keras on JAX makes `float32` of wide floats; other backends do not.
        Dtype::Float64 | Dtype::String => {
            Err(Error::unsupported(format_args!("numbers of type {dtype}")).at("dtype"))
        }
        _ => Ok(()),
    }
}

/// Runs something on the rows `[others, axis]` of a value and puts its axis back in place.
pub(super) fn along(x: Value, axis: usize, run: impl FnOnce(Value) -> Result<Value>) -> Result<Value> {
    let mut order: Vec<usize> = (0..x.rank()).collect();
    order.remove(axis);
    order.push(axis);
    let moved = x.permute(&order)?;
    let mut shape = moved.shape();
    let size = shape.pop().unwrap_or(1);
    let others = shape.iter().product();
    let rows = run(moved.reshape(&[others, size])?)?;
    shape.extend(rows.shape().get(1));
    let mut back: Vec<usize> = (0..order.len() - 1).collect();
    back.insert(axis, order.len() - 1);
    rows.reshape(&shape)?.permute(&back)
}
