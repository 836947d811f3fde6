//! Reads HDF5 files: an index of the whole tree, and tensors without a copy where that is possible.

mod attribute;
mod datatype;
mod element;
#[cfg_attr(not(feature = "libhdf5"), path = "h5/without_libhdf5.rs")]
pub(in crate::file) mod libhdf5;
mod lzf;
mod tree;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use hdf5_reader::{Hdf5File, OpenOptions};

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

pub(crate) use attribute::{Attribute, Attributes};
pub(crate) use element::ElementType;
use libhdf5::Library;

/// Largest object header, in bytes. Real ones have a few hundred; only the lists of names in files
/// of Keras 2 take more, in pieces of 64 KiB.
const HEADER_BYTES: usize = 8 << 20;

/// An HDF5 file in memory, or mapped into it.
pub(crate) struct H5File {
    bytes: Bytes,
    file: Hdf5File,
    library: Library,
    groups: BTreeMap<String, Attributes>,
    datasets: BTreeMap<String, Dataset>,
}

/// A dataset that can be read.
#[derive(Debug)]
pub(crate) struct Dataset {
    /// The lengths of its axes in C order; `[]` is a scalar.
    pub(crate) shape: Vec<usize>,
    pub(crate) element: ElementType,
    pub(crate) attributes: Attributes,
    len: usize,
    big_endian: bool,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    /// A range of the file's bytes.
    Mapped(Range<usize>),
    Inline(Bytes),
    /// In chunks, or not stored at all and made of the fill value.
    Decoded,
}

impl Dataset {
    /// Where it lies in the file, if it lies there as it is read.
    pub(crate) fn mapped(&self) -> Option<Range<usize>> {
        match &self.storage {
            Storage::Mapped(range) if !range.is_empty() && !self.big_endian => Some(range.clone()),
            _ => None,
        }
    }
}

impl H5File {
    /// Reads the tree of groups and datasets, and all attributes; no data.
    ///
    /// # Errors
    /// When the file is damaged or cut off, asks for more than the limits or than it can hold, or
    /// has a link, an object or a dataset that leads out of itself.
    pub(crate) fn open(bytes: Bytes, limits: &Limits) -> Result<Self> {
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_filter_registry(lzf::registry())
            .with_max_read_bytes(usize::try_from(limits.member_bytes).unwrap_or(usize::MAX))
            .with_max_object_header_bytes(HEADER_BYTES);
        let file = guarded(|| Hdf5File::from_owner(bytes.clone(), options))?;
        let end = file.superblock().eof_address;
        if end > bytes.len() as u64 {
            let present = bytes.len();
            return Err(Error::damaged(format_args!(
                "the HDF5 file is cut off: expected {end} bytes, got {present}"
            )));
        }
        let (groups, datasets) = tree::read(&file, &bytes, limits)?;
        Ok(Self { bytes, file, library: Library::default(), groups, datasets })
    }

    /// The attributes of every group, by path without a leading slash; the root is `""`.
    pub(crate) fn groups(&self) -> &BTreeMap<String, Attributes> {
        &self.groups
    }

    /// Every dataset, by path without a leading slash.
    pub(crate) fn datasets(&self) -> &BTreeMap<String, Dataset> {
        &self.datasets
    }

    /// The elements of a dataset as raw bytes, little-endian, in C order; without a copy if the
    /// file holds them so.
    ///
    /// # Errors
    /// When there is no such dataset, its elements are of a type that no variable has, or its data
    /// is damaged or stored in a way that is not supported.
    pub(crate) fn read(&self, path: &str) -> Result<Bytes> {
        let Some(dataset) = self.datasets.get(path) else {
            return Err(Error::input(format_args!("there is no dataset {path:?}")));
        };
        self.data(path, dataset).map_err(|error| error.at(format_args!("{path:?}")))
    }

    fn data(&self, path: &str, dataset: &Dataset) -> Result<Bytes> {
        if let ElementType::Other { description, .. } = &dataset.element {
            return Err(Error::unsupported(format_args!(
                "expected numbers, got elements that are {description}"
            )));
        }
        let mut big_endian = dataset.big_endian;
        let bytes = match &dataset.storage {
            Storage::Mapped(range) => self.bytes.slice(range.clone()),
            Storage::Inline(bytes) => bytes.clone(),
            Storage::Decoded => match guarded(|| self.file.dataset(path)?.read_raw_bytes()) {
                Err(fault) if fault.kind() == ErrorKind::Unsupported => {
                    big_endian = false;
                    self.library.read(&self.bytes, path, dataset, &fault)?
                }
                bytes => bytes?.into(),
            },
        };
        if bytes.len() != dataset.len {
            return Err(Error::damaged(format_args!("expected {} bytes, got {}", dataset.len, bytes.len())));
        }
        Ok(if big_endian { swapped(&bytes, dataset.element.size()) } else { bytes })
    }
}

/// Opens an HDF5 file and reads all of it that can be read; how many datasets that were.
///
/// # Errors
/// As opening it.
pub fn read_everything(bytes: Bytes, limits: &Limits) -> Result<usize> {
    let file = H5File::open(bytes, limits)?;
    Ok(file.datasets().keys().filter(|path| file.read(path).is_ok()).count())
}

fn swapped(bytes: &[u8], size: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(size.max(1)).for_each(<[u8]>::reverse);
    bytes.into()
}

/// Calls into `hdf5-reader`, whose sums are checked in most places but not in all: with overflow
/// checks on, a crafted layout message makes it panic.
fn guarded<T>(read: impl FnOnce() -> hdf5_reader::error::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(explain),
        Err(_) => Err(Error::damaged("HDF5: a number in the file is out of range")),
    }
}

fn explain(error: hdf5_reader::error::Error) -> Error {
    use hdf5_reader::error::Error as H5Error;

    const VIRTUAL: u8 = 3;
    let mut cause = &error;
    while let H5Error::Context { source, .. } = cause {
        cause = source;
    }
    let message = format!("HDF5: {cause}");
    match cause {
        H5Error::UnsupportedLayoutClass(VIRTUAL) => {
            Error::unsupported("virtual datasets lead to other files and are refused")
        }
        H5Error::ResourceLimit(_) => Error::limit(message),
        H5Error::UnsupportedFilter(_) | H5Error::UnsupportedEncoding(_) => Error::unsupported(message),
        _ => Error::damaged(message),
    }
}

#[cfg(test)]
mod tests;
