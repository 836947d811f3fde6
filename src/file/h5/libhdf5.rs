//! Datasets that the pure reader cannot decode, read with the C library.
//!
//! The C library is neither safe with damaged files nor with several threads. So it comes last: it
//! opens a file only after the pure reader has checked all of it, gives nothing but the one dataset
//! that is asked for, of the shape that was checked, and its crate lets in one thread at a time.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hdf5_metno::types::dyn_value::DynFloat;
use hdf5_metno::types::{FloatSize, H5Type, IntSize, TypeDescriptor};
use tempfile::NamedTempFile;

use super::{Dataset, ElementType};
use crate::error::{Error, Result};

/// The C library's view of a file, from the first dataset on that needs it.
#[derive(Default)]
pub(super) struct Library(Mutex<Option<Opened>>);

struct Opened {
    file: hdf5_metno::File,
    /// The same bytes once more: a path is all that the C library is given.
    _copy: NamedTempFile,
}

impl Library {
    /// The elements of a dataset: little-endian, in C order. `fault` is why the pure reader did not.
    pub(super) fn read(&self, bytes: &Bytes, path: &str, dataset: &Dataset, fault: &Error) -> Result<Bytes> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let library = match &mut *opened {
            Some(library) => library,
            none => none.insert(Opened::new(bytes)?),
        };
        let object = guarded(|| library.file.dataset(path))?;
        if let Some(id) = missing(&object) {
            return Err(Error::unsupported(format_args!("{fault}; libhdf5 has no plugin for filter {id}")));
        }
        let (shape, size) = guarded(|| Ok((object.get_shape()?, object.dtype()?.size())))?;
        if shape != dataset.shape || size != dataset.element.size() {
            return Err(Error::damaged("HDF5: libhdf5 finds another dataset there"));
        }
        decode(&object, &dataset.element)
    }
}

impl Opened {
    fn new(bytes: &[u8]) -> Result<Self> {
        let copy = NamedTempFile::new().and_then(|mut copy| copy.write_all(bytes).map(|()| copy));
        let copy = copy.map_err(|source| Error::io("cannot write a temporary file for libhdf5", source))?;
        Ok(Self { file: guarded(|| hdf5_metno::File::open(copy.path()))?, _copy: copy })
    }
}

/// The first filter of a dataset that is not installed.
fn missing(dataset: &hdf5_metno::Dataset) -> Option<i32> {
    dataset.filters().iter().find(|filter| !filter.is_available()).map(hdf5_metno::filters::Filter::id)
}

fn decode(dataset: &hdf5_metno::Dataset, element: &ElementType) -> Result<Bytes> {
    use {FloatSize as F, IntSize as I, TypeDescriptor as T};

    let class = guarded(|| dataset.dtype()?.to_descriptor()).ok();
    match (element, class) {
        // The crate does not export the type that it reads them as.
        (ElementType::F16, Some(T::Float(F::U2))) => little(dataset, |x| match DynFloat::Float16(x) {
            DynFloat::Float16(x) => x.to_le_bytes(),
            _ => [0; 2],
        }),
        (ElementType::BF16, Some(T::Float(F::U2))) => {
            little(dataset, |x: f32| ((x.to_bits() >> 16) as u16).to_le_bytes())
        }
        (ElementType::F32, Some(T::Float(F::U4))) => little(dataset, f32::to_le_bytes),
        (ElementType::F64, Some(T::Float(F::U8))) => little(dataset, f64::to_le_bytes),
        (ElementType::I8, Some(T::Integer(I::U1))) => little(dataset, i8::to_le_bytes),
        (ElementType::I16, Some(T::Integer(I::U2))) => little(dataset, i16::to_le_bytes),
        (ElementType::I32, Some(T::Integer(I::U4))) => little(dataset, i32::to_le_bytes),
        (ElementType::I64, Some(T::Integer(I::U8))) => little(dataset, i64::to_le_bytes),
        (ElementType::U8, Some(T::Unsigned(I::U1))) => little(dataset, u8::to_le_bytes),
        (ElementType::U16, Some(T::Unsigned(I::U2))) => little(dataset, u16::to_le_bytes),
        (ElementType::U32, Some(T::Unsigned(I::U4))) => little(dataset, u32::to_le_bytes),
        (ElementType::U64, Some(T::Unsigned(I::U8))) => little(dataset, u64::to_le_bytes),
        (ElementType::Bool, Some(T::Boolean)) => little(dataset, i8::to_le_bytes),
        (element, _) => Err(Error::unsupported(format_args!("libhdf5 cannot be asked for {element:?}"))),
    }
}

fn little<T: H5Type, const N: usize>(
    dataset: &hdf5_metno::Dataset,
    bytes: impl Fn(T) -> [u8; N],
) -> Result<Bytes> {
    let values = guarded(|| dataset.read_raw::<T>())?;
    let mut little = Vec::with_capacity(values.len().saturating_mul(N));
    values.into_iter().for_each(|value| little.extend(bytes(value)));
    Ok(little.into())
}

fn guarded<T>(call: impl FnOnce() -> hdf5_metno::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| Error::damaged(format_args!("libhdf5: {error}"))),
        Err(_) => Err(Error::damaged("libhdf5 cannot read it")),
    }
}

#[cfg(test)]
pub(crate) mod tests;
