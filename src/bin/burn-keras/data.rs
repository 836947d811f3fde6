//! NumPy's arrays as what a model takes.

use std::path::Path;

use burn::tensor::{DType, Device};
use burn_keras::config::Dtype;
use burn_keras::value::burn_dtype;
use burn_keras::{Error, Inputs, KerasModel, Problems, Result, Value};

use crate::npz::{self, Array};

/// The arrays on the device. They become what the model takes before, since a device need not know
/// every element type that NumPy has.
pub fn inputs(model: &KerasModel, arrays: Vec<(String, Array)>, device: &Device) -> Result<Inputs> {
    let names = model.input_names();
    let specs = model.inputs();
    named("input", arrays, |name, array| {
        let at = if names.len() == 1 { Some(0) } else { names.iter().position(|known| *known == name) };
        match at.and_then(|at| specs.get(at)) {
            Some(spec) if spec.dtype != Dtype::String => numbers(array, |_| burn_dtype(spec.dtype), device),
            _ => array.into_value(device),
        }
    })
}

/// The arrays on the device, in types that every device has.
pub fn targets(arrays: Vec<(String, Array)>, device: &Device) -> Result<Inputs> {
    let dtype = |dtype: DType| match dtype {
        DType::Bool(_) => dtype,
        _ if dtype.is_float() => DType::F32,
        _ => DType::I32,
    };
    named("target", arrays, |_, array| numbers(array, |of| Ok(dtype(of)), device))
}

/// Inputs and targets out of two files.
pub fn examples(
    model: &KerasModel,
    from: &Path,
    targets_from: &Path,
    device: &Device,
) -> Result<(Inputs, Inputs)> {
    let mut problems = Problems::default();
    let x = npz::read(from).and_then(|arrays| inputs(model, arrays, device).map_err(|it| it.in_file(from)));
    let y = npz::read(targets_from)
        .and_then(|arrays| targets(arrays, device).map_err(|error| error.in_file(targets_from)));
    let examples = problems.note(x).zip(problems.note(y));
    problems.finish()?;
    examples.ok_or_else(|| Error::input("no examples"))
}

/// The arrays with their names; that of a `.npy` file has none.
fn named(
    what: &str,
    arrays: Vec<(String, Array)>,
    value: impl Fn(&str, Array) -> Result<Value>,
) -> Result<Inputs> {
    let is_unnamed = matches!(arrays.as_slice(), [(name, _)] if name.is_empty());
    let mut problems = Problems::default();
    let mut values = Vec::new();
    for (name, array) in arrays {
        let place = if is_unnamed { what.to_owned() } else { format!("{what} {name:?}") };
        let value = value(&name, array).map_err(|error| error.at(place));
        values.extend(problems.note(value).map(|value| (name, value)));
    }
    problems.finish()?;
    Ok(match is_unnamed {
        true => Inputs::Ordered(values.into_iter().map(|(_, value)| value).collect()),
        false => Inputs::Named(values),
    })
}

/// The numbers in another type. Integers are cut off as in NumPy, but none becomes another number because the
/// type has no room for it.
fn numbers(array: Array, dtype: impl Fn(DType) -> Result<DType>, device: &Device) -> Result<Value> {
    let data = array.numbers()?;
    let dtype = dtype(data.dtype())?;
    if data.dtype() == dtype {
        return Value::from_data(data, device);
    }
    if let Some((least, most)) = limits(dtype)
        && let Some(number) = data.iter::<f64>().find(|number| !(least < *number && *number < most))
    {
        return Err(Error::input(format_args!("{number} does not fit into the type {}", dtype.name())));
    }
    Value::from_data(data.convert_dtype(dtype), device)
}

/// Below and above what a type of integers holds.
fn limits(dtype: DType) -> Option<(f64, f64)> {
    let bits = dtype.size() as f64 * 8.0;
    match dtype {
        _ if dtype.is_int() => Some((-(bits - 1.0).exp2() - 1.0, (bits - 1.0).exp2())),
        _ if dtype.is_uint() => Some((-1.0, bits.exp2())),
        _ => None,
    }
}
