//! A metric at work: sums that grow with every batch.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::DType;

use crate::error::{Error, Result};
use crate::value::{Binary, Value};

/// What a metric comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// One number.
    One(f64),
    /// One for each class, label or threshold.
    Many(Vec<f64>),
    /// Several, each with a name of its own. Only custom metrics do this.
    Named(Vec<(String, f64)>),
}

impl Numbers {
    /// The numbers under the names that they have in logs: one has the metric's, several have their places
    /// after it, such as `f1_score[2]`.
    #[must_use]
    pub fn named(self, name: &str) -> Vec<(String, f64)> {
        match self {
            Self::One(number) => vec![(name.to_owned(), number)],
            Self::Many(numbers) => {
                let numbers = numbers.into_iter().enumerate();
                numbers.map(|(at, number)| (format!("{name}[{at}]"), number)).collect()
            }
            Self::Named(numbers) => numbers,
        }
    }
}

/// A metric as two rules without a state: what a batch adds to its sums, and what the sums come to.
///
/// This is what a custom metric implements.
pub trait Tally: Debug + Send + Sync {
    /// What a batch adds to the sums: vectors, whose sizes are the same for all batches.
    ///
    /// # Errors
    /// When the shapes do not fit.
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>>;

    /// What the sums come to.
    ///
    /// # Errors
    /// When they come to nothing.
    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers>;

    /// The sizes of the sums, if they are known before the first batch.
    fn sizes(&self) -> Option<Vec<usize>>;

    /// Whether it comes to one number; if not, there is no watching it under its name.
    fn is_single(&self) -> bool {
        true
    }
}

/// A metric at work. Its sums stay on the device of the data; only [`result`](Self::result) reads them.
#[derive(Clone, Debug)]
pub struct RunningMetric {
    tally: Arc<dyn Tally>,
    sizes: Option<Vec<usize>>,
    /// All sums one after another: a vector.
    sums: Option<Value>,
}

impl RunningMetric {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(tally: Arc<dyn Tally>) -> Self {
        Self { sizes: tally.sizes(), tally, sums: None }
    }

    /// Counts a batch.
    ///
    /// Shapes are as Keras wants them: `[batch, ...]`. The mask of `y_pred` is heeded where Keras heeds it.
    ///
    /// # Errors
    /// When the shapes do not fit, or differ from those of the batches before in what the metric depends on.
    pub fn update(&mut self, y_true: &Value, y_pred: &Value, sample_weight: Option<&Value>) -> Result<()> {
        let [y_true, y_pred] = [y_true, y_pred].map(|value| value.clone().without_autodiff());
        let sample_weight = sample_weight.map(|weight| weight.clone().without_autodiff()).transpose()?;
        let (y_true, y_pred) = (y_true?, y_pred?);
        if y_true.is_string() || y_pred.is_string() {
            return Err(Error::unsupported("metrics of strings"));
        }
        if y_pred.shape().first() == Some(&0) {
            return Err(Error::input("expected a batch with rows in it"));
        }
        let parts = self.tally.batch(y_true, y_pred, sample_weight)?;
        let parts = parts.into_iter().map(flat).collect::<Result<Vec<_>>>()?;
        let sizes: Vec<usize> = parts.iter().map(|part| part.shape().iter().product()).collect();
        match &self.sizes {
            Some(known) if *known != sizes => {
                return Err(Error::input(format_args!("expected counts {known:?} as before, got {sizes:?}")));
            }
            _ => self.sizes = Some(sizes),
        }
        let parts = Value::concat(parts, 0)?;
        self.sums = Some(match self.sums.take() {
            Some(sums) => sums.binary(Binary::Add, parts)?,
            None => parts,
        });
        Ok(())
    }

    /// Counts a batch of numbers, for metrics that are of numbers: [`Mean`](super::Mean) and [`Sum`](super::Sum).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn update_numbers(&mut self, numbers: &Value, sample_weight: Option<&Value>) -> Result<()> {
        self.update(numbers, numbers, sample_weight)
    }

    /// What it comes to, over all batches since the start or the last [`reset`](Self::reset).
    ///
    /// # Errors
    /// When no batch was counted, and how many numbers there are depends on the batches.
    pub fn result(&self) -> Result<Numbers> {
        let Some(sizes) = &self.sizes else { return Err(Error::input("no batch was counted yet")) };
        let mut numbers = match &self.sums {
            None => vec![0.0; sizes.iter().sum()],
            Some(sums) => numbers(sums)?,
        };
        let mut sums = Vec::new();
        for size in sizes {
            let rest = numbers.split_off((*size).min(numbers.len()));
            sums.push(std::mem::replace(&mut numbers, rest));
        }
        self.tally.result(&sums)
    }

    /// Forgets all batches.
    pub fn reset(&mut self) {
        self.sums = None;
    }

    /// Whether it comes to one number.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.tally.is_single()
    }
}

fn flat(value: Value) -> Result<Value> {
    let count = value.shape().iter().product();
    value.reshape(&[count])
}

/// The numbers of a value on the host.
fn numbers(value: &Value) -> Result<Vec<f64>> {
    let data = value.clone().into_data().convert_dtype(DType::F64);
    data.try_into_vec().map_err(|_| Error::input("expected numbers"))
}
