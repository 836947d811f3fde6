//! What Keras was given and what it gave, as its scripts write it down, and whether a model gives the same.

use std::path::Path;

use burn::tensor::{DType, Device, TensorData};
use burn_keras::{Inputs, Outputs};

use crate::npz::{self, Array};

/// The inputs, `in/NAME`, and the outputs, `out/NUMBER/NAME:TYPE`, of an `.npz` file.
pub fn read(path: &Path, device: &Device) -> Result<(Inputs, Vec<(String, Array)>), String> {
    let mut inputs = Vec::new();
    let mut expected = Vec::new();
    for (name, data) in npz::read(path).map_err(text)? {
        if let Some(input) = name.strip_prefix("in/") {
            inputs.push((input.to_owned(), data.into_value(device).map_err(text)?));
        } else if let Some(output) = name.strip_prefix("out/") {
            let (_, output) = output.split_once('/').ok_or("an output without a number")?;
            let (output, dtype) = output.rsplit_once(':').unwrap_or((output, ""));
            // NumPy does not have both types of 16 bits.
            let half =
                |data: Array, dtype| data.numbers().map(|data| Array::Numbers(data.convert_dtype(dtype)));
            let data = match dtype {
                "float16" => half(data, DType::F16),
                "bfloat16" => half(data, DType::BF16),
                _ => Ok(data),
            };
            expected.push((output.to_owned(), data.map_err(text)?));
        }
    }
    Ok((Inputs::from_iter(inputs), expected))
}

fn text(error: burn_keras::Error) -> String {
    error.to_string()
}

/// Whether the outputs of a model are those that Keras gave.
pub fn compare(outputs: Outputs, expected: &[(String, Array)], tolerance: f64) -> Result<(), String> {
    if outputs.iter().len() != expected.len() || expected.is_empty() {
        return Err(format!("expected {} outputs, got {}", expected.len(), outputs.iter().len()));
    }
    for ((name, value), (expected_name, expected)) in outputs.into_iter().zip(expected) {
        let value_device = value.device();
        let got = Array::of(value);
        // An array without axes was read as a vector of one.
        if got.shape() != expected.shape() {
            return Err(format!("{name}: expected the shape {:?}, got {:?}", expected.shape(), got.shape()));
        }
        if name.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit())
            != expected_name.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit())
        {
            return Err(format!("expected the output {expected_name:?}, got {name:?}"));
        }
        if matches!(expected, Array::Strings(..)) {
            if got != *expected {
                return Err(format!("{name}: expected {expected:?}, got {got:?}"));
            }
            continue;
        }
        let (got, expected) = (got.numbers().map_err(text)?, expected.clone().numbers().map_err(text)?);
        let same_type = match (got.dtype(), expected.dtype()) {
            (DType::Bool(_), DType::Bool(_)) => true,
            // JAX has no 64 bits.
            (DType::I64, DType::I32) => true,
            // What a device that lacks narrow numbers holds them in.
            (DType::I32 | DType::F32, expected) if !value_device.supports_dtype(expected) => true,
            (got, expected) => got == expected,
        };
        if !same_type {
            return Err(format!("{name}: expected {:?}, got {:?}", expected.dtype(), got.dtype()));
        }
        let (got, expected) = (numbers(got), numbers(expected));
        let mut worst = (0.0, 0);
        for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let same = got == expected || (got.is_nan() && expected.is_nan());
            let error = if same { 0.0 } else { (got - expected).abs() / (1.0 + expected.abs()) };
            if error.is_nan() || error > worst.0 {
                worst = (if error.is_nan() { f64::INFINITY } else { error }, at);
            }
        }
        if worst.0 > tolerance {
            let (error, at) = worst;
            return Err(format!(
                "{name}[{at}]: expected {}, got {}: off by {error:e}",
                expected[at], got[at]
            ));
        }
    }
    Ok(())
}

fn numbers(data: TensorData) -> Vec<f64> {
    data.convert_dtype(DType::F64).as_slice::<f64>().expect("numbers").to_vec()
}
