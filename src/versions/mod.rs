//! Configs of other versions of Keras, JSON to JSON.

// Until the readers and writers of files call them.
#[allow(dead_code)]
pub(crate) mod compile;
mod compile_names;
#[allow(dead_code)]
pub(crate) mod optimizer;
#[cfg(test)]
mod training_tests;

/// One thing that was changed: its place and what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub place: String,
    pub what: String,
}

/// The generations of Keras that files are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum Target {
    Keras3,
    Keras2,
}
