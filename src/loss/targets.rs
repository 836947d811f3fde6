//! Targets and weights of examples, brought to the outputs of a model.

use std::collections::BTreeMap;

use burn::tensor::{DType, TensorData};

use super::CompileLoss;
use super::kit::as_float;
use crate::error::{Error, Problems, Result};
use crate::per_output::no_output;
use crate::value::{Inputs, Value};

impl CompileLoss {
    /// Targets by output: one for each, or only for those that have a loss, in order or by name.
    ///
    /// # Errors
    /// When there are too few or too many, or a name is not that of an output.
    pub fn targets(&self, y: Inputs) -> Result<Vec<Option<Value>>> {
        let outputs: Vec<&str> = self.outputs().collect();
        let learned: Vec<usize> = (0..outputs.len()).filter(|output| self.has_loss(*output)).collect();
        let targets = match y {
            Inputs::Named(values) if outputs.len() > 1 || values.len() != 1 => by_name(values, &outputs)?,
            Inputs::Ordered(values) if values.len() != outputs.len() && values.len() == learned.len() => {
                let mut targets = vec![None; outputs.len()];
                for (output, value) in learned.iter().zip(values) {
                    targets[*output] = Some(value);
                }
                targets
            }
            y => y.in_order(&outputs)?.into_iter().map(Some).collect(),
        };
        let mut problems = Problems::default();
        for output in learned.iter().filter(|output| targets[**output].is_none()) {
            problems.push(Error::input("targets are missing").at(outputs[*output]));
        }
        problems.finish()?;
        Ok(targets)
    }

    /// Weights of examples by output: one array for all, or one for each, in order or by name.
    ///
    /// # Errors
    /// When there is another number of them, a name is not that of an output, or one array for several outputs
    /// has more than one number for each example.
    pub fn sample_weights(&self, weights: Inputs) -> Result<Vec<Option<Value>>> {
        let outputs: Vec<&str> = self.outputs().collect();
        match weights {
            Inputs::Named(values) if outputs.len() > 1 => by_name(values, &outputs),
            Inputs::Ordered(values) if outputs.len() > 1 && values.len() == 1 => {
                let shape = values.first().map(Value::shape).unwrap_or_default();
                if shape.len() != 1 && (shape.len() != 2 || shape[1] != 1) {
                    let message = "one array of weights for several outputs needs the shape [batch]";
                    return Err(Error::input(format_args!("{message}, got {shape:?}")));
                }
                Ok(vec![values.into_iter().next(); outputs.len()])
            }
            weights => Ok(weights.in_order(&outputs)?.into_iter().map(Some).collect()),
        }
    }

    /// Weights of examples that the weights of their classes make; see [`class_weights`].
    ///
    /// # Errors
    /// When the model has several outputs, or the targets are no classes.
    pub fn class_weights(
        &self,
        y: &[Option<Value>],
        weights: &BTreeMap<i64, f64>,
    ) -> Result<Vec<Option<Value>>> {
        match y {
            [Some(y)] => Ok(vec![Some(class_weights(y, weights)?)]),
            _ => Err(Error::input("weights of classes are for models with a single output")),
        }
    }
}

fn by_name(values: Vec<(String, Value)>, outputs: &[&str]) -> Result<Vec<Option<Value>>> {
    let (mut found, mut problems) = (vec![None; outputs.len()], Problems::default());
    for (name, value) in values {
        match outputs.iter().position(|output| *output == name) {
            Some(output) if found[output].is_some() => {
                problems.push(Error::input(format_args!("output {name:?} twice")));
            }
            Some(output) => found[output] = Some(value),
            None => {
                problems.push(Error::input(no_output(&name, outputs)));
            }
        }
    }
    problems.finish()?;
    Ok(found)
}

/// The weight of every example `[batch]`, that of its class, or 1 where its class has none. Targets are the
/// numbers of classes, `[batch]` or `[batch, 1]`, or a number for each class `[batch, classes]`.
///
/// # Errors
/// When targets have more axes.
pub fn class_weights(y: &Value, weights: &BTreeMap<i64, f64>) -> Result<Value> {
    let (shape, device) = (y.shape(), y.device());
    let numbers: Vec<f32> = as_float(y, "y_true")?.into_data().iter().collect();
    let width = match shape[..] {
        [_] => 1,
        [_, width] => width,
        _ => {
            let message = "expected classes [batch] or [batch, classes]";
            return Err(Error::input(format_args!("{message}, got {shape:?}")));
        }
    };
    let weight_of = |row: &[f32]| {
        let class = match row {
            [number] => number.round_ties_even() as i64,
            row => first_highest(row),
        };
        weights.get(&class).map_or(1.0, |weight| *weight as f32)
    };
    let found: Vec<f32> = numbers.chunks(width.max(1)).map(weight_of).collect();
    let count = found.len();
    Value::from_data(TensorData::new(found, [count]), &device)?.cast(DType::F32)
}

/// Where the first of the highest numbers is; NaN is above all, as for NumPy.
fn first_highest(row: &[f32]) -> i64 {
    let above = |a: f32, b: f32| a > b || (a.is_nan() && !b.is_nan());
    let highest =
        row.iter().enumerate().reduce(|best, next| if above(*next.1, *best.1) { next } else { best });
    highest.map_or(0, |(place, _)| place as i64)
}
