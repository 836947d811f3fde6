//! How much a file may ask for.

use crate::error::{Error, Result};

/// Bounds for every number that comes from a file.
///
/// A model file is untrusted input. Nothing is allocated by a number out of it before that number
/// has been compared with one of these, or with bytes that really exist. The defaults let through
/// any model that fits an ordinary machine; loosen or tighten them with struct update syntax:
///
/// ```
/// use burn_keras::Limits;
///
/// let limits = Limits { member_bytes: 1 << 20, ..Limits::default() };
/// assert_eq!(limits.layers, Limits::default().layers);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest member of an archive after inflation, in bytes. Default: 64 GiB.
    pub member_bytes: u64,
    /// Largest JSON document, in bytes. Default: 256 MiB.
    pub json_bytes: u64,
    /// Most values of a JSON document. Default: 10,000,000.
    pub json_values: u64,
    /// Largest ratio of inflated to stored bytes. Default: 1,000.
    pub expansion: u64,
    /// Below this size, in bytes, the ratio is not looked at. Default: 16 MiB.
    pub expansion_floor: u64,
    /// Most members of an archive, and most objects of an HDF5 file. Default: 1,000,000.
    pub entries: usize,
    /// Most text in the paths and the attributes of an HDF5 file, in bytes. Default: 256 MiB.
    pub text_bytes: u64,
    /// Deepest nesting of HDF5 groups, nested models and wrapped layers. Default: 64.
    pub depth: usize,
    /// Most layers and most calls of layers in a model, nested ones included. Default: 100,000.
    pub layers: usize,
    /// Most fresh values for variables that a file has nothing for, in bytes. Default: 4 GiB.
    pub fresh_bytes: u64,
    /// Largest intermediate value of a model for a single example, in elements. Default: 2^31.
    pub activation: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            member_bytes: 64 << 30,
            json_bytes: 256 << 20,
            json_values: 10_000_000,
            expansion: 1_000,
            expansion_floor: 16 << 20,
            entries: 1_000_000,
            text_bytes: 256 << 20,
            depth: 64,
            layers: 100_000,
            fresh_bytes: 4 << 30,
            activation: 1 << 31,
        }
    }
}

impl Limits {
    /// Refuses `amount` of `what` when it is above `limit`.
    pub(crate) fn check(what: &str, amount: u64, limit: u64) -> Result<()> {
        if amount > limit {
            return Err(Error::limit(format_args!("{what}: {amount} is more than the limit of {limit}")));
        }
        Ok(())
    }

    /// Refuses data that inflates from `stored` to `inflated` bytes when that smells of a bomb.
    pub(crate) fn check_expansion(&self, what: &str, stored: u64, inflated: u64) -> Result<()> {
        if inflated > self.expansion_floor && inflated / self.expansion.max(1) > stored {
            return Err(Error::limit(format_args!(
                "{what}: {stored} bytes claim to hold {inflated}, more than {} times as much",
                self.expansion
            )));
        }
        Ok(())
    }
}
