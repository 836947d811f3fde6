//! What operations have in common: operands, NumPy's broadcasting, and types that meet.

use burn::tensor::{Device, TensorData};
use serde_json::Value as Json;

use crate::config::{Array, Dtype, Field, Reader, brief};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Value, burn_dtype};

/// The type of an operand. Python's own numbers take the type of the tensor that they meet, as far as
/// it can hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tensor or an array.
    Typed(Dtype),
    /// A Python integer.
    WeakInt,
    /// A Python float.
    WeakFloat,
}

impl Kind {
    /// Every kind right above this one in the order in which Keras widens types.
    fn wider(self) -> &'static [Self] {
        use Dtype::{
            Bfloat16, Bool, Float16, Float32, Float64, Int8, Int16, Int32, Int64, String, Uint8, Uint16,
            Uint32, Uint64,
        };
        use Kind::{Typed, WeakFloat, WeakInt};
        match self {
            Typed(Bool) => &[WeakInt],
            WeakInt => &[Typed(Uint8), Typed(Int8)],
            Typed(Uint8) => &[Typed(Int16), Typed(Uint16)],
            Typed(Int8) => &[Typed(Int16)],
            Typed(Uint16) => &[Typed(Int32), Typed(Uint32)],
            Typed(Int16) => &[Typed(Int32)],
            Typed(Uint32) => &[Typed(Int64), Typed(Uint64)],
            Typed(Int32) => &[Typed(Int64)],
            Typed(Uint64 | Int64) => &[WeakFloat],
            WeakFloat => &[Typed(Bfloat16), Typed(Float16)],
            Typed(Bfloat16 | Float16) => &[Typed(Float32)],
            Typed(Float32) => &[Typed(Float64)],
            Typed(Float64 | String) => &[],
        }
    }

    /// This kind and all above it, the nearest first.
    fn upwards(self) -> Vec<Self> {
        let mut found = vec![self];
        let mut at = 0;
        while let Some(kind) = found.get(at).copied() {
            found.extend(kind.wider().iter().filter(|wider| !found.contains(wider)).collect::<Vec<_>>());
            at += 1;
        }
        found
    }

    /// The type of a value of this kind on its own.
    fn settled(self) -> Dtype {
        match self {
            Self::Typed(dtype) => dtype,
            Self::WeakInt => Dtype::Int32,
            Self::WeakFloat => Dtype::Float32,
        }
    }
}

/// The type that operands are brought to when they meet: the narrowest that holds all of them, as
/// Keras' `result_type` has it.
pub(crate) fn promote(kinds: &[Kind]) -> Result<Dtype> {
    let [first, others @ ..] = kinds else { return Ok(Dtype::Float32) };
    let above: Vec<Vec<Kind>> = others.iter().map(|kind| kind.upwards()).collect();
    let mut common: Vec<Kind> = first.upwards();
    common.retain(|kind| above.iter().all(|set| set.contains(kind)));
    // The least of the common ones is below all others.
    let least = common.iter().find(|kind| common.iter().all(|other| kind.upwards().contains(other)));
    least.map(|kind| kind.settled()).ok_or_else(|| Error::unsupported("an operation of strings and numbers"))
}

/// The float type in which a function of floats computes what it is given.
pub(crate) fn float_of(dtype: Dtype) -> Dtype {
    if dtype.is_float() { dtype } else { Dtype::Float32 }
}

/// Refuses integers and booleans, of which Keras does not compute a function of floats, or rounds it.
pub(crate) fn floats(input: &Spec) -> Result<Spec> {
    match input.dtype.is_float() {
        true => Ok(input.clone()),
        false => Err(Error::unsupported(format_args!("expected floats, got {}", input.dtype))),
    }
}

/// What stands for an operand: its spec before there are values, and then the value.
pub(crate) trait Operand: Clone {
    /// Its element type.
    fn dtype(&self) -> Dtype;

    /// A constant as an operand, beside values on that device.
    ///
    /// # Errors
    /// When the rank is not supported.
    fn constant(constant: &Constant, device: Option<&Device>) -> Result<Self>;
}

impl Operand for Spec {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn constant(constant: &Constant, _: Option<&Device>) -> Result<Self> {
        Ok(constant.spec())
    }
}

impl Operand for Value {
    fn dtype(&self) -> Dtype {
        self.keras_dtype()
    }

    fn constant(constant: &Constant, device: Option<&Device>) -> Result<Self> {
        constant.value(device.ok_or_else(|| Error::config("expected a tensor among the operands"))?)
    }
}

/// An operand and how its type meets others.
#[derive(Clone, Debug)]
pub(crate) struct Typed<T> {
    pub operand: T,
    pub kind: Kind,
}

impl<T: Operand> Typed<T> {
    fn of(tree: &Tree<T>, device: Option<&Device>) -> Result<Self> {
        match tree {
            Tree::Leaf(operand) => match operand.dtype() {
                Dtype::String => Err(Error::unsupported("operations on strings")),
                // JAX, without 64 bits.
                Dtype::Float64 => Ok(Self { operand: operand.clone(), kind: Kind::Typed(Dtype::Float32) }),
                dtype => Ok(Self { operand: operand.clone(), kind: Kind::Typed(dtype) }),
            },
            Tree::Constant(json) => {
                let constant = Constant::read(json)?;
                Ok(Self { operand: T::constant(&constant, device)?, kind: constant.kind })
            }
            _ => Err(Error::config("expected a tensor or a constant, got several")),
        }
    }
}

/// The operand of that name: a tensor, number or array.
///
/// # Errors
/// When there is none.
pub(crate) fn operand<T: Operand>(args: &Args<T>, name: &str, device: Option<&Device>) -> Result<Typed<T>> {
    let found = args.get(name).map_or_else(|| Err(missing(name)), |tree| Typed::of(tree, device));
    found.map_err(|error| error.at(name))
}

/// The operand of that name, if it is given.
///
/// # Errors
/// When it is neither a tensor nor a constant.
pub(crate) fn maybe<T: Operand>(
    args: &Args<T>,
    name: &str,
    device: Option<&Device>,
) -> Result<Option<Typed<T>>> {
    args.get(name).map(|_| operand(args, name, device)).transpose()
}

/// Every operand of an argument that is a list.
///
/// # Errors
/// When there is none.
pub(crate) fn operands<T: Operand>(
    args: &Args<T>,
    name: &str,
    device: Option<&Device>,
) -> Result<Vec<Typed<T>>> {
    let found = match args.get(name) {
        Some(Tree::List(items)) => items.iter().map(|item| Typed::of(item, device)).collect(),
        Some(Tree::Constant(Json::Array(items))) => {
            items.iter().map(|json| Typed::of(&Tree::Constant(json.clone()), device)).collect()
        }
        Some(one) => Typed::of(one, device).map(|operand| vec![operand]),
        None => Err(missing(name)),
    };
    found.map_err(|error: Error| error.at(name))
}

fn missing(name: &str) -> Error {
    Error::config(format_args!("expected a tensor or a constant for {name}"))
}

/// The device of the operands.
///
/// # Errors
/// When there is no tensor among them.
pub(crate) fn device(args: &Args<Value>) -> Result<Device> {
    let device = args.leaves().first().map(|value| value.device());
    device.ok_or_else(|| Error::config("expected a tensor among the operands"))
}

/// A number or an array of a graph.
#[derive(Debug)]
pub(crate) struct Constant {
    pub array: Array,
    pub kind: Kind,
}

impl Constant {
    /// Reads a number, a boolean, nested lists, or an array as Keras writes it.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn read(json: &Json) -> Result<Self> {
        if let Json::Bool(flag) = json {
            return Ok(Self { array: Array::number(f64::from(*flag)), kind: Kind::Typed(Dtype::Bool) });
        }
        let array = Reader::alone(|reader| Array::read(json, reader))?;
        let array =
            array.ok_or_else(|| Error::config(format_args!("expected a constant, got {}", brief(json))))?;
        let given = json.pointer("/config/dtype").and_then(Json::as_str).and_then(Dtype::from_name);
        let kind = match (given, json) {
            // JAX, without 64 bits.
            (Some(Dtype::Float64), _) => Kind::Typed(Dtype::Float32),
            (Some(Dtype::Int64), _) => Kind::Typed(Dtype::Int32),
            (Some(Dtype::Uint64), _) => Kind::Typed(Dtype::Uint32),
            (Some(dtype), _) => Kind::Typed(dtype),
            (None, Json::Number(number)) if !number.is_f64() => Kind::WeakInt,
            (None, Json::Array(_)) if array.numbers().is_empty() => Kind::Typed(Dtype::Float32),
            (None, Json::Array(_)) if every(json, &|item| item.is_number() && !item.is_f64()) => {
                Kind::Typed(Dtype::Int32)
            }
            (None, Json::Array(_)) if every(json, &Json::is_boolean) => Kind::Typed(Dtype::Bool),
            (None, Json::Array(_)) if !every(json, &|item| !item.is_boolean()) => {
                return Err(Error::unsupported("an array of numbers and booleans"));
            }
            (None, Json::Array(_)) => Kind::Typed(Dtype::Float32),
            _ => Kind::WeakFloat,
        };
        Ok(Self { array, kind })
    }

    /// Its shape and the type that it has on its own.
    pub(crate) fn spec(&self) -> Spec {
        Spec::new(self.array.shape().iter().copied().map(Some).collect(), self.kind.settled())
    }

    /// The tensor.
    ///
    /// # Errors
    /// When the rank is not supported.
    pub(crate) fn value(&self, device: &Device) -> Result<Value> {
        let dtype = self.kind.settled();
        let (numbers, shape) = (self.array.numbers(), self.array.shape().to_vec());
        let data = match dtype.is_float() {
            true => TensorData::new(numbers.iter().map(|number| *number as f32).collect::<Vec<_>>(), shape),
            false => TensorData::new(numbers.iter().map(|number| *number as i64).collect::<Vec<_>>(), shape),
        };
        Value::from_data(data, device)?.cast(burn_dtype(dtype)?)
    }
}

/// Whether a test holds for all that is in nested lists.
fn every(json: &Json, test: &impl Fn(&Json) -> bool) -> bool {
    match json {
        Json::Array(items) => items.iter().all(|item| every(item, test)),
        item => test(item),
    }
}

/// The shape of operands spread to each other, as NumPy does.
///
/// # Errors
/// When their sizes differ and none of them is 1.
pub(crate) fn broadcast(specs: &[&Spec]) -> Result<Vec<Option<usize>>> {
    let rank = specs.iter().map(|spec| spec.rank()).max().unwrap_or(0);
    let size = |spec: &Spec, axis: usize| {
        (axis + spec.rank()).checked_sub(rank).map_or(Some(1), |at| spec.shape[at])
    };
    let joined = |axis: usize| {
        specs.iter().try_fold(Some(1), |joined, spec| match (joined, size(spec, axis)) {
            (a, b) if a == b => Ok(a),
            (Some(1), other) | (other, Some(1) | None) => Ok(other),
            (None, other) => Ok(other),
            _ => {
                let shapes: Vec<String> = specs.iter().map(ToString::to_string).collect();
                Err(Error::config(format_args!("the shapes {} do not broadcast", shapes.join(" and "))))
            }
        })
    };
    (0..rank).map(joined).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_meet_as_in_keras() {
        use Kind::{Typed, WeakFloat, WeakInt};
        for (kinds, expected) in [
            (vec![Typed(Dtype::Int8), Typed(Dtype::Uint8)], Dtype::Int16),
            (vec![Typed(Dtype::Int64), Typed(Dtype::Uint64)], Dtype::Float32),
            (vec![Typed(Dtype::Float16), Typed(Dtype::Bfloat16)], Dtype::Float32),
            (vec![Typed(Dtype::Float16), WeakFloat], Dtype::Float16),
            (vec![Typed(Dtype::Int32), WeakFloat], Dtype::Float32),
            (vec![Typed(Dtype::Bool), WeakInt], Dtype::Int32),
            (vec![Typed(Dtype::Uint8), WeakInt], Dtype::Uint8),
            (vec![Typed(Dtype::Int64), Typed(Dtype::Float16)], Dtype::Float16),
            (vec![Typed(Dtype::Bool), Typed(Dtype::Bool)], Dtype::Bool),
        ] {
            assert_eq!(promote(&kinds).unwrap(), expected, "{kinds:?}");
        }
        assert!(promote(&[Typed(Dtype::String), WeakInt]).is_err());
    }
}
