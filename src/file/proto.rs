//! The messages of TensorFlow's files, as far as they are read.
//!
//! A repeated field costs a hostile file two bytes and its reader much more, so those that may have
//! many entries are walked one entry at a time ([`parts`]); only small messages are decoded whole.

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::error::{Error, Result};
use crate::limits::Limits;

/// TensorFlow's number of the type of strings.
pub(crate) const STRING: i32 = 7;
/// TensorFlow's number of the type of integers that count.
pub(crate) const INT64: i32 = 9;

/// Largest message that is decoded whole, in bytes.
const MESSAGE_BYTES: u64 = 16 << 20;

/// What the first entry of a checkpoint's index says of the whole.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BundleHeader {
    #[prost(int32, tag = "1")]
    pub(crate) shards: i32,
    #[prost(int32, tag = "2")]
    pub(crate) endianness: i32,
}

/// A tensor of a checkpoint: where its bytes are.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BundleEntry {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(int32, tag = "3")]
    pub(crate) shard: i32,
    #[prost(int64, tag = "4")]
    pub(crate) offset: i64,
    #[prost(int64, tag = "5")]
    pub(crate) size: i64,
    #[prost(fixed32, tag = "6")]
    pub(crate) crc: u32,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(crate) slices: Vec<Bytes>,
}

/// The lengths of axes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorShape {
    #[prost(message, repeated, tag = "2")]
    pub(crate) axes: Vec<Axis>,
    #[prost(bool, tag = "3")]
    pub(crate) has_unknown_rank: bool,
}

/// The length of an axis.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Axis {
    #[prost(int64, tag = "1")]
    pub(crate) size: i64,
}

/// An object of a checkpoint's graph.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TrackableObject {
    #[prost(message, repeated, tag = "1")]
    pub(crate) children: Vec<Child>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) tensors: Vec<SerializedTensor>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) slots: Vec<SlotVariable>,
}

/// What an object calls another.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Child {
    #[prost(int32, tag = "1")]
    pub(crate) node: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

/// What an object keeps in the checkpoint, and under which key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SerializedTensor {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) full_name: String,
    #[prost(string, tag = "3")]
    pub(crate) key: String,
}

/// What an optimizer of the old kind keeps beside a variable.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SlotVariable {
    #[prost(int32, tag = "1")]
    pub(crate) original: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(int32, tag = "3")]
    pub(crate) variable: i32,
}

/// A file in `assets/`, by its place in the list of all.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SavedAsset {
    #[prost(int32, tag = "1")]
    pub(crate) index: i32,
}

/// What a tensor in a graph says of itself, and its integers if they are few.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorHead {
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<TensorShape>,
    #[prost(int64, repeated, tag = "10")]
    pub(crate) integers: Vec<i64>,
}

/// A message, decoded whole.
///
/// # Errors
/// When it is damaged, or too large for that.
pub(crate) fn decode<M: prost::Message + Default>(bytes: Bytes) -> Result<M> {
    Limits::check("size of a message in bytes", bytes.len() as u64, MESSAGE_BYTES)?;
    M::decode(bytes).map_err(fault)
}

/// The entries of the field `tag` of a message, which are messages themselves, or texts.
pub(crate) fn parts(mut message: Bytes, tag: u32) -> impl Iterator<Item = Result<Bytes>> {
    std::iter::from_fn(move || {
        while message.has_remaining() {
            match field(&mut message) {
                Ok(Some((found, part))) if found == tag => return Some(Ok(part)),
                Ok(_) => {}
                Err(error) => {
                    message.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    })
}

/// The first entry of the field `tag`.
pub(crate) fn part(message: &Bytes, tag: u32) -> Result<Option<Bytes>> {
    parts(message.clone(), tag).next().transpose()
}

/// The text of the field `tag`; empty when there is none.
pub(crate) fn text(message: &Bytes, tag: u32) -> Result<String> {
    let text = part(message, tag)?.unwrap_or_default();
    String::from_utf8(text.into()).map_err(|error| Error::damaged("not UTF-8").with_source(error))
}

/// The next field of a message and its number, unless it is a plain number.
fn field(message: &mut Bytes) -> Result<Option<(u32, Bytes)>> {
    let (tag, wire_type) = decode_key(message).map_err(fault)?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, tag, message, DecodeContext::default()).map_err(fault)?;
        return Ok(None);
    }
    let length = decode_varint(message).map_err(fault)?;
    match usize::try_from(length) {
        Ok(length) if length <= message.len() => Ok(Some((tag, message.split_to(length)))),
        _ => Err(Error::damaged(format_args!("a field of {length} bytes in {}", message.len()))),
    }
}

fn fault(error: prost::DecodeError) -> Error {
    Error::damaged(format_args!("protobuf: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_lengths_are_checked() {
        // Field 2: a number. Field 1: "ab". Field 3: "c". Field 1: nothing.
        let message = Bytes::from_static(b"\x10\x7f\x0a\x02ab\x1a\x01c\x0a\x00");
        let found: Vec<Bytes> = parts(message.clone(), 1).map(Result::unwrap).collect();
        assert_eq!(found, ["ab", ""]);
        assert_eq!(text(&message, 3).unwrap(), "c");
        assert_eq!(part(&message, 4).unwrap(), None);
        for damaged in [&b"\x0a\x03ab"[..], b"\x0a", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0f"]
        {
            let found: Vec<_> = parts(Bytes::from_static(damaged), 1).collect();
            assert!(matches!(found.as_slice(), [Err(_)]), "{damaged:?}");
        }
    }

    #[test]
    fn large_messages_are_not_decoded() {
        let bytes = Bytes::from(vec![0; (16 << 20) + 1]);
        assert!(decode::<TrackableObject>(bytes).unwrap_err().to_string().contains("limit"));
    }
}
