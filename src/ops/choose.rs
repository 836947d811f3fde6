//! Operations that choose between numbers, bound them, or change their type.

use burn::tensor::TensorData;

use super::kit::{Constant, broadcast, device, operand, operands, promote};
use super::pattern::{
    Kind, Pattern, Term, Unary, counted, operations, same, shape_of, spec_of, storable, terms,
};
use super::source::cast;
use crate::codegen::{Code, Place, number};
use crate::config::{Dtype, Kept};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Binary, Value, burn_dtype, int_range};
use crate::{by_rank, map_float, map_int};

operations! { WHERE["condition", "x1", "x2"]:
    /// Without anything to choose from its result has no fixed size, and is refused.
    Where {} = |_| Choice;
}

operations! { SELECT["condlist", "choicelist", "default"]:
    Select {} = |_| Selection;
}

operations! { CLIP["x"]:
    Clip {
        /// The lowest number, or one for each.
        x_min: Kept = Kept::default(),
        /// The highest number, or one for each.
        x_max: Kept = Kept::default(),
    } = |config| Bounds { bounds: [config.x_min.clone(), config.x_max.clone()] };
    NanToNum {
        /// What stands for NaN.
        nan: f64 = 0.0,
        /// What stands for infinity, unless the highest number.
        posinf: Option<f64> = None,
        /// What stands for minus infinity, unless the lowest number.
        neginf: Option<f64> = None,
    } = |config| Numbers(config.clone());
    /// To anything but `float64` and strings.
    Cast {
        /// The element type.
        dtype: Dtype,
    } = |config| Conversion { dtype: config.dtype, saturate: false };
    /// To `float32`, integers and booleans only.
    SaturateCast {
        /// The element type.
        dtype: Dtype,
    } = |config| Conversion { dtype: config.dtype, saturate: true };
    /// Between types of up to 32 bits, `float16` and `bfloat16` left out.
    View {
        /// The element type that the same bits are read as.
        dtype: Option<Dtype> = None,
    } = |config| Reading { dtype: config.dtype };
}

/// `a` where a condition holds, `b` elsewhere. All broadcast; `a` and `b` have one type.
pub(super) fn choose(condition: Value, a: Value, b: Value) -> Result<Value> {
    let shape = shape_of(&[&condition, &a, &b])?;
    let dtype = a.dtype();
    let condition = condition.cast(burn_dtype(Dtype::Bool)?)?.broadcast_to(&shape)?;
    let rank = shape.len().max(1);
    // A value without axes is stored with one.
    let stored = if shape.is_empty() { vec![1] } else { shape.clone() };
    let take = |value: Value| value.broadcast_to(&shape)?.reshape(&stored);
    let (condition, a, b) = (condition.reshape(&stored)?, take(a)?, take(b)?);
    let chosen = match dtype.is_float() {
        true => by_rank!(rank, D => {
            Value::from(b.float::<D>()?.mask_where(condition.bool()?, a.float::<D>()?))
        }),
        false => by_rank!(rank, D => Value::from(b.int::<D>()?.mask_where(condition.bool()?, a.int::<D>()?))),
    };
    chosen?.reshape(&shape)?.cast(dtype)
}

/// See [`Where`].
struct Choice;

impl Pattern for Choice {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if args.get("x1").is_none() && args.get("x2").is_none() {
            return Err(Error::unsupported("the places of true entries, of which there is no fixed number"));
        }
        let condition = operand(args, "condition", None)?.operand;
        let (a, b) = (operand(args, "x1", None)?, operand(args, "x2", None)?);
        let shape = broadcast(&[&condition, &a.operand, &b.operand])?;
        Ok(Spec::new(shape, promote(&[a.kind, b.kind])?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let [condition, a, b] = ["condition", "x1", "x2"].map(|name| operand(args, name, Some(&device)));
        let (a, b) = (a?, b?);
        let dtype = burn_dtype(promote(&[a.kind, b.kind])?)?;
        Ok(choose(condition?.operand, a.operand.cast(dtype)?, b.operand.cast(dtype)?)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let [Ok(a), Ok(b)] = ["x1", "x2"].map(|name| operand(place.args, name, None)) else { return None };
        let dtype = promote(&[a.kind, b.kind]).ok()?;
        let terms = terms(place, &["condition", "x1", "x2"])?;
        let [condition, a, b] = terms.as_slice() else { return None };
        let shape = &condition.spec.as_ref()?.shape;
        let fits = |term: &Term| term.spec.as_ref().is_none_or(|spec| spec.shape == *shape);
        let is_alike = fits(a) && fits(b);
        let (condition, texts) = (condition.write(Dtype::Bool, 0)?, (a.write(dtype, 0)?, b.write(dtype, 0)?));
        let call = match (&a.spec, &b.spec, texts) {
            _ if !is_alike => return None,
            (Some(_), Some(_), (a, b)) => format!("{b}.mask_where({condition}, {a})"),
            (None, Some(_), (a, b)) => format!("{b}.mask_fill({condition}, {a})"),
            (Some(_), None, (a, b)) => format!("{a}.mask_fill({condition}.bool_not(), {b})"),
            (None, None, _) => return None,
        };
        Some(Code::function(call, place.layout))
    }
}

/// See [`Select`].
struct Selection;

impl Pattern for Selection {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (conditions, choices) = (operands(args, "condlist", None)?, operands(args, "choicelist", None)?);
        if conditions.len() != choices.len() || choices.is_empty() {
            let (conditions, choices) = (conditions.len(), choices.len());
            return Err(Error::config(format_args!("{conditions} conditions for {choices} choices")));
        }
        let all: Vec<&Spec> = conditions.iter().chain(&choices).map(|one| &one.operand).collect();
        let mut kinds: Vec<Kind> = choices.iter().map(|one| one.kind).collect();
        let mut shape = broadcast(&all)?;
        match args.get("default") {
            Some(_) => {
                let default = operand(args, "default", None)?;
                kinds.push(default.kind);
                shape = broadcast(&[&Spec::new(shape, Dtype::Bool), &default.operand])?;
            }
            None => kinds.push(Kind::WeakInt),
        }
        Ok(Spec::new(shape, promote(&kinds)?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let spec = self.outputs(&args.try_map(&mut |value| Ok(spec_of(value)))?)?;
        let [spec] = spec.leaves()[..] else { return Err(Error::input("expected one output")) };
        let dtype = burn_dtype(spec.dtype)?;
        let shape: Vec<usize> = spec.shape.iter().copied().flatten().collect();
        let default = match args.get("default") {
            Some(_) => operand(args, "default", Some(&device))?.operand,
            None => Value::from_data(TensorData::new(vec![0_i64], [1]), &device)?.reshape(&[])?,
        };
        let conditions = operands(args, "condlist", Some(&device))?;
        let choices = operands(args, "choicelist", Some(&device))?;
        // The first that holds counts, so it is chosen last.
        let mut cases = conditions.into_iter().zip(choices).rev();
        let selected = cases.try_fold(default.cast(dtype)?, |rest, (condition, choice)| {
            choose(condition.operand, choice.operand.cast(dtype)?, rest)
        })?;
        Ok(selected.broadcast_to(&shape)?.into())
    }
}

/// See [`Clip`].
struct Bounds {
    bounds: [Kept; 2],
}

impl Bounds {
    fn constants(&self) -> Result<[Option<Constant>; 2]> {
        let read = |kept: &Kept, name: &str| {
            let json = kept.0.as_ref().filter(|json| !json.is_null());
            json.map(Constant::read).transpose().map_err(|error: Error| error.at(name))
        };
        Ok([read(&self.bounds[0], "x_min")?, read(&self.bounds[1], "x_max")?])
    }

    /// The type of the result.
    fn dtype(x: Kind, bounds: &[Option<Constant>; 2]) -> Result<Dtype> {
        let x = Kind::Typed(counted(&[x])?);
        promote(
            &std::iter::once(x).chain(bounds.iter().flatten().map(|bound| bound.kind)).collect::<Vec<_>>(),
        )
    }
}

impl Pattern for Bounds {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (x, bounds) = (operand(args, "x", None)?, self.constants()?);
        let specs: Vec<Spec> = bounds.iter().flatten().map(Constant::spec).collect();
        let all: Vec<&Spec> = std::iter::once(&x.operand).chain(&specs).collect();
        Ok(Spec::new(broadcast(&all)?, Self::dtype(x.kind, &bounds)?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let (x, bounds) = (operand(args, "x", None)?, self.constants()?);
        let dtype = burn_dtype(Self::dtype(x.kind, &bounds)?)?;
        let device = x.operand.device();
        let mut x = x.operand.with_mask(None).cast(dtype)?;
        for (bound, op) in bounds.iter().zip([Binary::Maximum, Binary::Minimum]) {
            if let Some(bound) = bound {
                x = x.binary(op, bound.value(&device)?.cast(dtype)?)?;
            }
        }
        Ok(x.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let (x, bounds) = (operand(place.args, "x", None).ok()?, self.constants().ok()?);
        let is_float = Self::dtype(x.kind, &bounds).ok()? == Dtype::Float32;
        let write = |bound: &Option<Constant>| match bound {
            None => Some(None),
            Some(bound) => Some(Some(number(bound.array.as_number()?)?)),
        };
        let call = match (write(&bounds[0])?, write(&bounds[1])?) {
            (Some(low), Some(high)) => format!("{{0}}.clamp({low}, {high})"),
            (Some(low), None) => format!("{{0}}.clamp_min({low})"),
            (None, Some(high)) => format!("{{0}}.clamp_max({high})"),
            (None, None) => "{0}".to_owned(),
        };
        place.elementwise(call).filter(|_| is_float)
    }
}

/// See [`NanToNum`].
struct Numbers(NanToNum);

impl Pattern for Numbers {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Unary { result: same, run: Ok, words: None }.outputs(args)
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand.with_mask(None);
        if !x.is_float() {
            return Ok(x.into());
        }
        let Self(NanToNum { nan, posinf, neginf }) = self;
        let (high, low) = (posinf.unwrap_or(f32::MAX.into()), neginf.unwrap_or(f32::MIN.into()));
        Ok(map_float!(x, x => {
            let is_nan = x.clone().is_nan();
            let (is_high, is_low) = (x.clone().equal_elem(f32::INFINITY), x.clone().equal_elem(f32::NEG_INFINITY));
            x.mask_fill(is_nan, *nan).mask_fill(is_high, high).mask_fill(is_low, low)
        })?
        .into())
    }
}

/// See [`Cast`] and [`SaturateCast`].
struct Conversion {
    dtype: Dtype,
    saturate: bool,
}

impl Pattern for Conversion {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        storable(self.dtype)?;
        if self.saturate && matches!(self.dtype, Dtype::Float16 | Dtype::Bfloat16) {
            return Err(Error::unsupported(format_args!("a cast to the range of {}", self.dtype)).at("dtype"));
        }
        Ok(operand(args, "x", None)?.operand.with_dtype(self.dtype).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let mut x = operand(args, "x", None)?.operand.with_mask(None);
        let dtype = burn_dtype(self.dtype)?;
        let (min, max) = if self.dtype == Dtype::Bool { (0, 1) } else { int_range(dtype) };
        if self.saturate && !self.dtype.is_float() {
            x = match x.is_float() {
                // No higher than the highest float that the type can hold.
                true => {
                    let highest =
                        if max as f32 as i128 > max.into() { (max as f32).next_down() } else { max as f32 };
                    map_float!(x, x => x.clamp(min as f32, highest))?
                }
                false if x.keras_dtype() == Dtype::Bool => x,
                false => {
                    let (lowest, highest) = int_range(x.dtype());
                    map_int!(x, x => x.clamp(min.max(lowest), max.min(highest)))?
                }
            };
        }
        Ok(x.cast(dtype)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let method = cast(place.alone()?.dtype, self.dtype)?;
        (!self.saturate).then(|| Code::function(format!("{{0}}{method}"), place.layout))
    }
}

/// See [`View`].
struct Reading {
    dtype: Option<Dtype>,
}

impl Reading {
    /// The shape and type in which bits are read.
    fn spec(&self, x: &Spec) -> Result<Spec> {
        let (from, to) = (x.dtype, self.dtype.unwrap_or(x.dtype));
        let size = |dtype| match dtype {
            Dtype::Bool => Ok(1),
            Dtype::Float64 | Dtype::Int64 | Dtype::Uint64 | Dtype::Float16 | Dtype::Bfloat16 => {
                Err(Error::unsupported(format_args!("the bits of {dtype}")).at("dtype"))
            }
            dtype => Ok(burn_dtype(dtype)?.size()),
        };
        let (old, new) = (size(from)?, size(to)?);
        let mut shape = x.shape.clone();
        match shape.last_mut() {
            _ if old == new => {}
            None => return Err(Error::config("a number cannot be read as several").at("dtype")),
            Some(Some(last)) if last.saturating_mul(old) % new != 0 => {
                return Err(Error::config(format_args!("{x} of {from} cannot be read as {to}")).at("dtype"));
            }
            Some(last) => *last = last.map(|last| last.saturating_mul(old) / new),
        }
        Ok(Spec::new(shape, to))
    }
}

impl Pattern for Reading {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(self.spec(&operand(args, "x", None)?.operand)?.into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand;
        let (spec, device) = (self.spec(&spec_of(&x))?, x.device());
        let shape: Vec<usize> = spec.shape.into_iter().flatten().collect();
        let (bytes, _, _) = x.into_data().into_parts();
        Ok(Value::from_data(TensorData::from_bytes(bytes, shape, burn_dtype(spec.dtype)?), &device)?.into())
    }
}
