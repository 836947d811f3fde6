//! The place of the C library in a build without it.

use bytes::Bytes;

use super::Dataset;
use crate::error::{Error, Result};

#[derive(Default)]
pub(super) struct Library {}

impl Library {
    pub(super) fn read(&self, _: &Bytes, _: &str, _: &Dataset, fault: &Error) -> Result<Bytes> {
        Err(Error::unsupported(format_args!("{fault}; a build with the feature \"libhdf5\" may read it")))
    }
}
