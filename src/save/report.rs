//! What a file does not say of the model that was saved into it.

use std::fmt;

use crate::versions::Change;

/// What saving left out or said otherwise, as a value: not every file has a place for everything.
///
/// That concerns training: layers and variables are written as they are, or the file is refused.
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn_keras::{KerasModel, SaveOptions, Target};
///
/// let model = KerasModel::load("model.keras", &Device::flex())?;
/// let report = model.save_with("copy.h5", &SaveOptions::new().target(Target::Keras2))?;
/// for change in &report.changes {
///     println!("{}: {}", change.place, change.what);
/// }
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SaveReport {
    /// What of the compile settings, of the optimizer's state and of other members of an archive is not in
    /// the file, or stands there in other words.
    pub changes: Vec<Change>,
}

impl SaveReport {
    /// Whether the file says all that the model's own file says.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.changes.is_empty()
    }
}

impl fmt::Display for SaveReport {
    /// A line for every change; nothing where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "not saved as it was: {change}"))
    }
}
