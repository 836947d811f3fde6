//! Metrics of somebody else's, which a file can only name.

use std::sync::Arc;

use super::Tally;
use super::mean::Averaged;
use crate::config::{Json, Map};
use crate::error::Result;
use crate::per_output::Makers;
use crate::value::Value;

/// Metrics that are not of Keras, in Rust, by the name under which Keras has them: `package>Name` if they are
/// registered, else the name of the class or function.
///
/// ```
/// use burn_keras::Value;
/// use burn_keras::metric::CustomMetrics;
/// use burn_keras::value::Binary;
///
/// let custom = CustomMetrics::default()
///     .function("my_package>bias", |y_true: Value, y_pred: Value| y_pred.binary(Binary::Subtract, y_true));
/// ```
#[derive(Clone, Debug, Default)]
pub struct CustomMetrics(pub(super) Makers<dyn Tally>);

impl CustomMetrics {
    /// Adds a function of targets and predictions, of which the mean over all samples is taken.
    #[must_use]
    pub fn function(
        self,
        name: &str,
        function: impl Fn(Value, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        let function = Arc::new(function);
        self.class(name, move |_| {
            let function = function.clone();
            Self::mean_of(move |y_true, y_pred| function(y_true, y_pred))
        })
    }

    /// What counts the mean of a function of targets and predictions over all samples, as a
    /// `MeanMetricWrapper` does: weights of samples and the mask of the predictions count.
    ///
    /// # Errors
    /// None; it is a `Result` for [`class`](Self::class).
    pub fn mean_of(
        function: impl Fn(Value, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Result<Arc<dyn Tally>> {
        Averaged::of(function)
    }

    /// Adds a class; `make` is given its config.
    #[must_use]
    pub fn class(
        mut self,
        name: &str,
        make: impl Fn(&Map<String, Json>) -> Result<Arc<dyn Tally>> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name, make);
        self
    }
}
