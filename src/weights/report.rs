//! What became of the variables of a model and of a file when one was loaded from the other.

use std::fmt;

use crate::error::{Error, Problems, Result};
use crate::versions::Change;

/// What loading did with every variable, as a value.
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn_keras::LoadOptions;
///
/// let model = LoadOptions::new().partial(true).load("old.h5", &Device::flex())?;
/// for missing in &model.load_report().missing {
///     println!("{} {:?} was not there", missing.path, missing.shape);
/// }
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadReport {
    /// Variables that got their values from the file.
    pub loaded: Vec<Loaded>,
    /// What of the model description was brought into the form of today's Keras.
    pub normalized: Vec<Change>,
    /// Variables for which the file has something of another shape or kind.
    pub skipped: Vec<Skipped>,
    /// Variables for which the file has nothing.
    pub missing: Vec<Missing>,
    /// What the file has, and no variable took.
    pub unused: Vec<Unused>,
}

/// A variable that got its value from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its path in a weights file of Keras 3: `layers/dense/vars/0`.
    pub path: String,
    /// Where the file has it.
    pub source: String,
}

/// A variable for which the file has something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path in a weights file of Keras 3.
    pub path: String,
    /// Keras' name of it: `kernel`.
    pub name: &'static str,
    /// Where the file has what does not fit.
    pub source: String,
    /// The shape of the variable.
    pub expected: Vec<usize>,
    /// The shape in the file.
    pub found: Vec<usize>,
    /// What the elements in the file are, when they are no numbers.
    pub element: Option<String>,
}

/// A variable that the file does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its path in a weights file of Keras 3.
    pub path: String,
    /// Keras' name of it; none for a file beside the variables.
    pub name: Option<&'static str>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What of the file is called most like it.
    pub nearest: Option<String>,
}

/// A tensor that no variable took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Where the file has it.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it stands among the variables of a layer that has fewer, which Keras refuses.
    pub is_surplus: bool,
    /// The variable without a value that is called most like it.
    pub nearest: Option<String>,
}

impl LoadReport {
    /// Variables that the file has under another name than Keras 3 gives them.
    pub fn renamed(&self) -> impl Iterator<Item = &Loaded> {
        self.loaded.iter().filter(|loaded| loaded.path != loaded.source)
    }

    /// Whether every variable got its value.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.skipped.is_empty() && self.missing.is_empty()
    }

    /// Refuses what Keras refuses: variables without a fitting value, and surplus ones.
    pub(crate) fn check(&self) -> Result<()> {
        let mut problems = Problems::default();
        for skipped in &self.skipped {
            problems.push(Error::weights(skipped).at(&skipped.source));
        }
        for missing in &self.missing {
            problems.push(Error::weights(missing).at(&missing.path));
        }
        for unused in self.unused.iter().filter(|unused| unused.is_surplus) {
            problems.push(Error::weights(unused).at(&unused.path));
        }
        problems.finish()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.element {
            Some(element) => write!(f, "expected numbers, got {element}"),
            None => {
                let Self { name, expected, found, .. } = self;
                write!(f, "expected the shape {expected:?} of the variable {name:?}, got {found:?}")
            }
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "missing: the variable {name:?} of shape {:?}", self.shape)?,
            None => write!(f, "missing: a layer reads it")?,
        }
        self.nearest.iter().try_for_each(|nearest| write!(f, "; there is {nearest}"))
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_surplus { "one variable more than the layer has" } else { "not used" };
        write!(f, "{what}, of shape {:?}", self.shape)?;
        self.nearest.iter().try_for_each(|nearest| write!(f, "; there is no value for {nearest}"))
    }
}

impl fmt::Display for LoadReport {
    /// A line for all that was loaded, and one for everything else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} variables loaded, {} of them renamed", self.loaded.len(), self.renamed().count())?;
        self.normalized.iter().try_for_each(|change| writeln!(f, "changed: {change}"))?;
        self.skipped.iter().try_for_each(|skipped| writeln!(f, "skipped: {}: {skipped}", skipped.path))?;
        self.missing.iter().try_for_each(|missing| writeln!(f, "{}: {missing}", missing.path))?;
        self.unused.iter().try_for_each(|unused| writeln!(f, "unused: {}: {unused}", unused.path))
    }
}
