//! Safetensors files: a header in JSON, then the tensors one after the other.

use std::io::Write;
use std::panic::catch_unwind;

use bytes::Bytes;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::{Map, Value as Json, json};

use super::h5::{Attribute, Attributes, ElementType};
use super::save::Content;
use super::store::{Store, Stored};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// The length of the header stands before it, in so many bytes.
const LENGTH: usize = 8;
/// The tensors start at a multiple of this, and so does the first of them in a mapped file.
const ALIGNMENT: usize = 64;
/// What of the header is no tensor.
const METADATA: &str = "__metadata__";

const TYPES: [(Dtype, ElementType); 13] = [
    (Dtype::F16, ElementType::F16),
    (Dtype::BF16, ElementType::BF16),
    (Dtype::F32, ElementType::F32),
    (Dtype::F64, ElementType::F64),
    (Dtype::I8, ElementType::I8),
    (Dtype::I16, ElementType::I16),
    (Dtype::I32, ElementType::I32),
    (Dtype::I64, ElementType::I64),
    (Dtype::U8, ElementType::U8),
    (Dtype::U16, ElementType::U16),
    (Dtype::U32, ElementType::U32),
    (Dtype::U64, ElementType::U64),
    (Dtype::BOOL, ElementType::Bool),
];

/// Whether a file starts like a safetensors file.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    let rest = bytes.len().saturating_sub(LENGTH) as u64;
    header_len(bytes).is_some_and(|len| len <= rest) && bytes.get(LENGTH) == Some(&b'{')
}

fn header_len(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.first_chunk::<LENGTH>()?))
}

/// The tensors of a file by name, without a copy. Its metadata are the attributes of the root.
///
/// # Errors
/// When it is damaged, or beyond the limits.
pub(crate) fn read(bytes: &Bytes, limits: &Limits) -> Result<Store> {
    Limits::check("size of JSON in bytes", header_len(bytes).unwrap_or(0), limits.json_bytes)?;
    // Its sums are checked, but for the last one.
    let parsed = catch_unwind(|| SafeTensors::read_metadata(bytes));
    let parsed = parsed.map_err(|_| Error::damaged("safetensors: a number in the file is out of range"))?;
    let (header, metadata) =
        parsed.map_err(|error| Error::damaged(format_args!("safetensors: {error}")).with_source(error))?;
    let infos = metadata.tensors();
    Limits::check("tensors of the file", infos.len() as u64, limits.entries as u64)?;
    let texts = metadata.metadata().iter().flatten();
    let root = texts.map(|(key, text)| (key.clone(), Attribute::Str(text.clone())));
    let mut store = Store::default();
    store.groups.insert(String::new(), root.collect());
    let data = bytes.slice(LENGTH + header..);
    for (name, info) in infos {
        let (start, end) = info.data_offsets;
        let data = data.slice(start..end);
        let tensor = Stored::new(info.shape.clone(), element(info.dtype), move || Ok(data.clone()));
        store.tensors.insert(name, tensor);
    }
    Ok(store)
}

fn element(dtype: Dtype) -> ElementType {
    let known = TYPES.iter().find(|(known, _)| *known == dtype);
    known.map_or_else(
        || ElementType::Other {
            description: dtype.to_string(),
            size: dtype.bitsize().div_ceil(8).try_into().unwrap_or(u32::MAX),
        },
        |(_, element)| element.clone(),
    )
}

/// A file of these tensors, with the attributes of the root as its metadata, as something to be written.
///
/// # Errors
/// When the format has no such tensor.
pub(crate) fn content(store: &Store) -> Result<Content<'_>> {
    let mut tensors = Vec::new();
    for (name, tensor) in &store.tensors {
        let dtype = TYPES.iter().find(|(_, element)| *element == tensor.element).map(|(dtype, _)| *dtype);
        let dtype = dtype.filter(|_| name != METADATA).ok_or_else(|| {
            Error::unsupported(format_args!("{:?} in a safetensors file", tensor.element)).at(name)
        })?;
        tensors.push((dtype, name, tensor));
    }
    // The widest elements first: there can be no gaps, and so all are aligned.
    tensors.sort_by_key(|(dtype, name, _)| (std::cmp::Reverse(*dtype), *name));
    let none = Attributes::new();
    let root = store.groups.get("").unwrap_or(&none);
    let texts = root.iter().filter_map(|(key, value)| Some((key.clone(), value.text()?.into())));
    let mut header = Map::from_iter([(METADATA.to_owned(), Json::Object(texts.collect()))]);
    let mut end = 0_u64;
    for (dtype, name, tensor) in &tensors {
        let start = end;
        end = end.saturating_add(tensor.bytes());
        let info = json!({"dtype": dtype.to_string(), "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert((*name).clone(), info);
    }
    let mut header = Json::Object(header).to_string().into_bytes();
    let padded = (LENGTH + header.len()).next_multiple_of(ALIGNMENT) - LENGTH;
    header.resize(padded, b' ');
    let len = end.saturating_add((LENGTH + padded) as u64);
    let write = move |out: &mut dyn Write| {
        let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|source| Error::io("cannot write", source));
        put(&(padded as u64).to_le_bytes())?;
        put(&header)?;
        for (_, name, tensor) in &tensors {
            let mut written = 0_u64;
            tensor.write(&mut |piece| {
                written = written.saturating_add(piece.len() as u64);
                put(&piece)
            })?;
            if written != tensor.bytes() {
                let expected = tensor.bytes();
                return Err(Error::input(format_args!("expected {expected} bytes, got {written}")).at(name));
            }
        }
        Ok(())
    };
    Ok(Content::Stream { len, write: Box::new(write) })
}
