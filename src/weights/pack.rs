//! Burn's own files of weights, `.bpk`: parameters by the paths of their modules.

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::burn_pack::{Error as PackError, HEADER_SIZE, MAGIC_NUMBER, Reader, Scalar, Tensor, Writer};
use burn::tensor::{AllocationProperty, Bytes as BurnBytes, DType};
use bytes::Bytes;

use super::present::Host;
use crate::config::Dtype;
use crate::error::{Error, Result};
#[cfg(feature = "train")]
use crate::file::h5::Attributes;
use crate::file::h5::{Attribute, ElementType};
use crate::file::save::save_by;
use crate::file::store::{Store, Stored};
use crate::limits::Limits;
use crate::value::burn_dtype;

/// The attribute of a tensor that tells Burn's optimizers whose state is whose.
const ID: &str = "param_id";

/// What such a file has beside its tensors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) scalars: BTreeMap<String, Scalar>,
}

pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC_NUMBER.to_le_bytes())
}

/// The tensors of a file by name, without a copy.
///
/// # Errors
/// When it is damaged, or beyond the limits.
pub(crate) fn read(bytes: &Bytes, limits: &Limits) -> Result<(Store, Extra)> {
    let len = bytes.get(HEADER_SIZE - 4..HEADER_SIZE).and_then(|len| len.try_into().ok());
    let len = len.map_or(0, u32::from_le_bytes);
    Limits::check("size of the index in bytes", u64::from(len), limits.json_bytes)?;
    let reader = Reader::from_bytes(BurnBytes::from_shared(bytes.clone(), AllocationProperty::File))
        .map_err(|error| damaged(&error))?;
    Limits::check("tensors of the file", reader.tensor_names().len() as u64, limits.entries as u64)?;
    let extra = Extra { texts: reader.metadata().clone(), scalars: reader.scalars().clone() };
    let mut store = Store::default();
    for tensor in reader.into_tensors().map_err(|error| damaged(&error))? {
        let (name, element, shape, id) =
            (tensor.name.clone(), element(tensor.dtype), tensor.shape.to_vec(), tensor.param_id);
        let mut stored = Stored::new(shape, element, move || {
            tensor.to_bytes().map(|bytes| Bytes::from_owner(Host(bytes))).map_err(|error| damaged(&error))
        });
        stored.attributes.extend(id.map(|id| (ID.to_owned(), Attribute::Int(id.cast_signed()))));
        store.tensors.insert(name, stored);
    }
    Ok((store, extra))
}

/// Writes a file of these tensors in place of whatever file is at `path`.
///
/// # Errors
/// When the format has no such tensor, or writing fails; the file that was at `path` is then unchanged.
pub(super) fn save(path: &Path, tensors: Vec<Tensor>, extra: &Extra) -> Result<()> {
    let writer = writer(tensors, extra);
    let len = writer.size().map_err(failed)?;
    save_by(path, len as u64, |temporary| writer.write_to_file_in_place(temporary).map_err(failed))
}

/// The bytes of such a file.
///
/// # Errors
/// When the format has no such tensor, or one cannot be read.
pub(crate) fn to_bytes(store: &Store, extra: &Extra) -> Result<Bytes> {
    let bytes = writer(tensors(store)?, extra).into_bytes().map_err(failed)?;
    Ok(Bytes::from_owner(Host(bytes)))
}

/// The attributes of a tensor that is, or is of, the parameter of that number.
#[cfg(feature = "train")]
pub(crate) fn id(id: u64) -> Attributes {
    Attributes::from([(ID.to_owned(), Attribute::Int(id.cast_signed()))])
}

fn writer(tensors: Vec<Tensor>, extra: &Extra) -> Writer {
    let mut writer = Writer::new(tensors).auto_extension(false);
    for (key, text) in &extra.texts {
        writer = writer.with_metadata(key, text);
    }
    for (key, scalar) in &extra.scalars {
        writer = writer.with_scalar(key, *scalar);
    }
    writer
}

fn failed(error: PackError) -> Error {
    Error::input(format_args!("cannot write: {error}")).with_source(error)
}

/// Tensors of a file, to be written again.
///
/// # Errors
/// When the format has no such tensor.
pub(super) fn tensors(store: &Store) -> Result<Vec<Tensor>> {
    let tensor = |(name, stored): (&String, &Stored)| {
        let dtype = stored.element.keras_name().and_then(Dtype::from_name);
        let dtype = dtype.ok_or_else(|| Error::unsupported(format_args!("{:?}", stored.element)).at(name))?;
        let id = match stored.attributes.get(ID) {
            Some(Attribute::Int(id)) => Some(id.cast_unsigned()),
            _ => None,
        };
        let len = usize::try_from(stored.bytes())
            .map_err(|_| Error::limit("larger than the memory of this machine").at(name))?;
        let (source, shape) = (stored.clone(), stored.shape.clone());
        Ok(Tensor::deferred(name.clone(), burn_dtype(dtype)?, shape, id, len, move || {
            let bytes = source.read().map_err(|error| PackError::IoError(error.to_string()))?;
            Ok(BurnBytes::from_shared(bytes, AllocationProperty::File))
        }))
    };
    store.tensors.iter().map(tensor).collect()
}

fn damaged(error: &PackError) -> Error {
    Error::damaged(format_args!("burnpack: {error}"))
}

fn element(dtype: DType) -> ElementType {
    // Keras' names of types are Burn's, but for truth values, which Burn also stores in other widths.
    let known = ElementType::named().find(|element| {
        let keras = element.keras_name().and_then(Dtype::from_name);
        keras.is_some_and(|keras| burn_dtype(keras).is_ok_and(|known| known == dtype))
    });
    let size = dtype.size().try_into().unwrap_or(u32::MAX);
    known.unwrap_or_else(|| ElementType::Other { description: format!("{dtype:?}"), size })
}
