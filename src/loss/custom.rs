//! Losses that are not Keras' own: Rust in the place of the model author's Python.

use std::sync::Arc;

use crate::config::{Json, Map};
use crate::error::Result;
use crate::per_output::Makers;
use crate::value::Value;

/// A loss of somebody's own. A function or closure of targets and predictions is one.
pub trait CustomLoss: Send + Sync {
    /// The losses of examples, as `call` of a Python loss gives them, by operations that gradients flow
    /// through. A mask of the value says which of them count.
    ///
    /// # Errors
    /// When the values do not fit.
    fn call(&self, y_true: &Value, y_pred: &Value) -> Result<Value>;
}

impl<F: Fn(&Value, &Value) -> Result<Value> + Send + Sync> CustomLoss for F {
    fn call(&self, y_true: &Value, y_pred: &Value) -> Result<Value> {
        self(y_true, y_pred)
    }
}

/// Losses of somebody's own, by the names under which a file has them: that of the function or class, with
/// its package when it was registered with one (`Package>name`).
///
/// ```
/// use burn_keras::loss::Custom;
/// use burn_keras::{Result, Value};
/// use burn_keras::value::Binary;
///
/// fn difference(y_true: &Value, y_pred: &Value) -> Result<Value> {
///     y_pred.clone().binary(Binary::Subtract, y_true.clone())
/// }
///
/// let mut custom = Custom::default();
/// custom.function("difference", difference);
/// assert!(custom.names().eq(["difference"]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Custom(pub(super) Makers<dyn CustomLoss>);

impl Custom {
    /// A loss in the place of the Python function or class of that name. A later one replaces it.
    pub fn function(&mut self, name: impl Into<String>, loss: impl CustomLoss + 'static) {
        let loss: Arc<dyn CustomLoss> = Arc::new(loss);
        self.0.insert(name, move |_| Ok(Arc::clone(&loss)));
    }

    /// A loss in the place of the Python class of that name, made of what its `get_config` gave.
    pub fn class<L: CustomLoss + 'static>(
        &mut self,
        name: impl Into<String>,
        make: impl Fn(&Map<String, Json>) -> Result<L> + Send + Sync + 'static,
    ) {
        self.0.insert(name, move |config| Ok(Arc::new(make(config)?)));
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names()
    }
}
