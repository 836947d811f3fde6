//! NumPy's arrays as what a model takes.

use std::path::Path;

use burn::tensor::{DType, Device};
use burn_keras::config::Dtype;
use burn_keras::value::burn_dtype;
use burn_keras::{Error, Inputs, KerasModel, Result, Value};

use crate::npz::{self, Array};

/// The arrays on the device. They become what the model takes before, since a device need not know
/// every element type that NumPy has.
pub fn inputs(model: &KerasModel, arrays: Vec<(String, Array)>, device: &Device) -> Result<Inputs> {
    let names = model.input_names();
    let specs = model.inputs();
    let unnamed = matches!(arrays.as_slice(), [(name, _)] if name.is_empty());
    let values = arrays.into_iter().map(|(name, array)| {
        let at = if names.len() == 1 { Some(0) } else { names.iter().position(|known| *known == name) };
        let value = match at.and_then(|at| specs.get(at)) {
            Some(spec) if spec.dtype != Dtype::String => {
                let dtype = burn_dtype(spec.dtype)?;
                array.numbers().and_then(|data| Value::from_data(data.convert_dtype(dtype), device))
            }
            _ => array.into_value(device),
        };
        Ok((name.clone(), value.map_err(|error| error.at(format_args!("input {name:?}")))?))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(match unnamed {
        true => Inputs::Ordered(values.into_iter().map(|(_, value)| value).collect()),
        false => Inputs::Named(values),
    })
}

/// Inputs and targets out of two files.
pub fn examples(
    model: &KerasModel,
    from: &Path,
    targets_from: &Path,
    device: &Device,
) -> Result<(Inputs, Inputs)> {
    let x = inputs(model, npz::read(from)?, device).map_err(|error| error.in_file(from))?;
    let y = targets(npz::read(targets_from)?, device).map_err(|error| error.in_file(targets_from))?;
    Ok((x, y))
}

/// The arrays on the device, in types that every device has.
pub fn targets(arrays: Vec<(String, Array)>, device: &Device) -> Result<Inputs> {
    let unnamed = matches!(arrays.as_slice(), [(name, _)] if name.is_empty());
    let values = arrays.into_iter().map(|(name, array)| {
        let value = array.numbers().and_then(|data| {
            let dtype = match data.dtype() {
                dtype @ DType::Bool(_) => dtype,
                dtype if dtype.is_float() => DType::F32,
                _ => DType::I32,
            };
            let kept = data.iter::<i64>().all(|number| i32::try_from(number).is_ok());
            match dtype == DType::I32 && !kept {
                true => Err(Error::input("expected integers of 32 bits")),
                false => Value::from_data(data.convert_dtype(dtype), device),
            }
        });
        Ok((name.clone(), value.map_err(|error| error.at(format_args!("target {name:?}")))?))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(match unnamed {
        true => Inputs::Ordered(values.into_iter().map(|(_, value)| value).collect()),
        false => Inputs::Named(values),
    })
}
