//! What goes into a model and what comes out, by position or by name.

use burn::tensor::Tensor;
use burn::tensor::kind::Basic;

use super::Value;
use crate::error::{Error, Problems, Result};

/// The inputs of a model: in order, or by the names of its `InputLayer`s.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// In the model's order.
    Ordered(Vec<Value>),
    /// By name.
    Named(Vec<(String, Value)>),
}

impl From<Value> for Inputs {
    fn from(value: Value) -> Self {
        Self::Ordered(vec![value])
    }
}

impl<const D: usize, K: Basic> From<Tensor<D, K>> for Inputs {
    fn from(tensor: Tensor<D, K>) -> Self {
        Value::from(tensor).into()
    }
}

impl From<Vec<Value>> for Inputs {
    fn from(values: Vec<Value>) -> Self {
        Self::Ordered(values)
    }
}

impl<N: Into<String>, const COUNT: usize> From<[(N, Value); COUNT]> for Inputs {
    fn from(values: [(N, Value); COUNT]) -> Self {
        values.into_iter().collect()
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Inputs {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(values: I) -> Self {
        Self::Named(values.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl Inputs {
    /// The values in the order of `names`. A single input may go by any name.
    ///
    /// # Errors
    /// When one is missing, superfluous or there twice.
    pub fn in_order(self, names: &[&str]) -> Result<Vec<Value>> {
        let expected = |given: usize| {
            Error::input(format_args!("expected {} inputs {names:?}, got {given}", names.len()))
        };
        match self {
            Self::Ordered(values) if values.len() == names.len() => Ok(values),
            Self::Ordered(values) => Err(expected(values.len())),
            Self::Named(mut values) if names.len() == 1 && values.len() == 1 => {
                Ok(values.pop().map(|(_, value)| value).into_iter().collect())
            }
            Self::Named(mut values) => {
                let given: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
                let (mut ordered, mut problems) = (Vec::new(), Problems::default());
                for name in names {
                    match values.iter().position(|(given, _)| given == name) {
                        Some(at) => ordered.push(values.remove(at).1),
                        None => {
                            problems.push(Error::input(format_args!("no input {name:?} among {given:?}")));
                        }
                    }
                }
                for (name, _) in values {
                    problems.push(Error::input(format_args!("unknown input {name:?}; known are {names:?}")));
                }
                problems.finish()?;
                Ok(ordered)
            }
        }
    }
}

/// The outputs of a model, in order, each under its name.
#[derive(Clone, Debug)]
pub struct Outputs(Vec<(String, Value)>);

impl Outputs {
    pub(crate) fn new(values: Vec<(String, Value)>) -> Self {
        Self(values)
    }

    /// The output of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The outputs in order, with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The only output.
    ///
    /// # Errors
    /// When there are several.
    pub fn single(self) -> Result<Value> {
        let count = self.0.len();
        let mut values = self.0.into_iter();
        match (values.next(), count) {
            (Some((_, value)), 1) => Ok(value),
            _ => Err(Error::input(format_args!("expected a model with one output, it has {count}"))),
        }
    }

    /// The only output as a tensor of floats.
    ///
    /// # Errors
    /// When there are several, or the rank is another.
    pub fn tensor<const D: usize>(self) -> Result<Tensor<D>> {
        self.single()?.float()
    }
}

impl IntoIterator for Outputs {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
