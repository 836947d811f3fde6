//! Metrics of somebody else's, which a file can only name.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::mean::Averaged;
use super::{RunningMetric, Tally};
use crate::config::{Json, Map};
use crate::error::Result;
use crate::value::Value;

/// What makes a metric from the config in the file.
type Make = dyn Fn(&Map<String, Json>) -> Result<Arc<dyn Tally>> + Send + Sync;

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
#[derive(Clone, Default)]
pub struct CustomMetrics {
    metrics: HashMap<String, Arc<Make>>,
}

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
            Averaged::of(move |y_true, y_pred| function(y_true, y_pred))
        })
    }

    /// Adds a class; `make` is given its config.
    #[must_use]
    pub fn class(
        mut self,
        name: &str,
        make: impl Fn(&Map<String, Json>) -> Result<Arc<dyn Tally>> + Send + Sync + 'static,
    ) -> Self {
        self.metrics.insert(name.to_owned(), Arc::new(make));
        self
    }

    /// The metric of the first of some names that is known.
    pub(super) fn start(&self, names: &[&str], config: &Map<String, Json>) -> Option<Result<RunningMetric>> {
        let make = names.iter().find_map(|name| self.metrics.get(*name))?;
        Some(make(config).map(RunningMetric::new))
    }

    /// What the metric of the first of some names that is known counts.
    pub(super) fn tally(&self, names: &[&str], config: &Map<String, Json>) -> Option<Result<Arc<dyn Tally>>> {
        let make = names.iter().find_map(|name| self.metrics.get(*name))?;
        Some(make(config))
    }
}

impl fmt::Debug for CustomMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.metrics.keys()).finish()
    }
}
