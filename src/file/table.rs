//! Sorted tables, the form in which TensorFlow keeps the index of a checkpoint: text keys, and bytes.
//!
//! A footer leads to an index of blocks, and that to blocks of entries. Each block has a checksum.

use std::collections::BTreeMap;

use bytes::{Buf, Bytes};
use prost::encoding::decode_varint;

use crate::error::{Error, Result};
use crate::limits::Limits;

const FOOTER: usize = 48;
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// What stands behind each block: how it is compressed, and its checksum.
const TRAILER: usize = 5;
/// Snappy's longest copy is 64 bytes, and takes two.
const SNAPPY_EXPANSION: usize = 32;

/// All entries of a table, by key. Keys that are no text are those of parts of tensors, and left out.
///
/// # Errors
/// When it is damaged or cut off, or has more entries or text than the limits allow.
pub(crate) fn read(table: &Bytes, limits: &Limits) -> Result<BTreeMap<String, Bytes>> {
    let start = table.len().checked_sub(FOOTER).ok_or_else(|| fault("has no room for a footer"))?;
    let mut footer = table.slice(start..);
    if footer.slice(FOOTER - 8..).get_u64_le() != MAGIC {
        return Err(fault("does not end like one: it is cut off, or something else"));
    }
    let _statistics = Handle::read(&mut footer)?;
    let index = block(table, Handle::read(&mut footer)?)?;
    let (mut entries, mut last) = (BTreeMap::new(), Vec::new());
    let mut budget = Budget { limits, entries: 0, text: 0 };
    let (mut blocks, mut taken) = (Vec::new(), 0_u64);
    walk(index, &mut Vec::new(), &mut budget, |_, value| {
        let block = Handle::read(&mut value.clone())?;
        // The same block a million times would be a million checksums.
        taken = taken.saturating_add(block.size);
        blocks.push(block);
        if taken > table.len() as u64 { Err(fault("has blocks that overlap")) } else { Ok(()) }
    })?;
    for handle in blocks {
        walk(block(table, handle)?, &mut last, &mut budget, |key, value| {
            if let Ok(key) = std::str::from_utf8(key) {
                entries.insert(key.to_owned(), value);
            }
            Ok(())
        })?;
    }
    Ok(entries)
}

/// TensorFlow's way of writing a checksum, so that checksums of checksums are no fixed points.
pub(crate) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Where a block is.
struct Handle {
    offset: u64,
    size: u64,
}

impl Handle {
    fn read(bytes: &mut Bytes) -> Result<Self> {
        Ok(Self { offset: number(bytes)?, size: number(bytes)? })
    }
}

/// How much of the limits is used up.
struct Budget<'a> {
    limits: &'a Limits,
    entries: u64,
    text: u64,
}

impl Budget<'_> {
    fn take(&mut self, text: usize) -> Result<()> {
        self.entries = self.entries.saturating_add(1);
        self.text = self.text.saturating_add(text as u64);
        Limits::check("entries of the index", self.entries, self.limits.entries as u64)?;
        Limits::check("text in the index, in bytes", self.text, self.limits.text_bytes)
    }
}

/// The contents of a block, inflated and without its list of restarts.
fn block(table: &Bytes, handle: Handle) -> Result<Bytes> {
    let cut = || fault("has a block beyond its end");
    let start = usize::try_from(handle.offset).map_err(|_| cut())?;
    let size = usize::try_from(handle.size).map_err(|_| cut())?;
    let end = start.checked_add(size).ok_or_else(cut)?;
    let all = end.checked_add(TRAILER).filter(|all| *all <= table.len()).ok_or_else(cut)?;
    let mut trailer = table.slice(end..all);
    let covered = table.slice(start..end + 1);
    let (kind, expected) = (trailer.get_u8(), trailer.get_u32_le());
    if masked(crc32c::crc32c(&covered)) != expected {
        return Err(fault("has a block with another checksum than it says"));
    }
    let data = covered.slice(..size);
    let data = match kind {
        0 => data,
        1 => inflated(&data)?,
        kind => return Err(Error::unsupported(format_args!("an index compressed in the way {kind}"))),
    };
    let fault = || fault("has a block without restarts");
    let restarts = data.len().checked_sub(4).ok_or_else(fault)?;
    let count = data.slice(restarts..).get_u32_le();
    let restarts = usize::try_from(count).ok().and_then(|count| restarts.checked_sub(count.checked_mul(4)?));
    Ok(data.slice(..restarts.ok_or_else(fault)?))
}

fn inflated(data: &[u8]) -> Result<Bytes> {
    let bad = |error: snap::Error| fault(&format!("has a block that does not inflate: {error}"));
    let size = snap::raw::decompress_len(data).map_err(bad)?;
    if size / SNAPPY_EXPANSION > data.len() {
        return Err(fault("has a block that claims to inflate more than it can"));
    }
    Ok(snap::raw::Decoder::new().decompress_vec(data).map_err(bad)?.into())
}

/// Goes through the entries of a block. Each key is given by what it shares with the one before it.
fn walk(
    mut block: Bytes,
    last: &mut Vec<u8>,
    budget: &mut Budget<'_>,
    mut visit: impl FnMut(&[u8], Bytes) -> Result<()>,
) -> Result<()> {
    let (mut previous, mut key) = (std::mem::take(last), Vec::new());
    let mut is_first = previous.is_empty();
    while block.has_remaining() {
        let shared = length(&mut block)?;
        let (rest, value) = (length(&mut block)?, length(&mut block)?);
        let cut = || fault("has an entry beyond the end of its block");
        let end = rest.checked_add(value).filter(|end| *end <= block.len()).ok_or_else(cut)?;
        if shared > key.len() {
            return Err(fault("has a key that shares more than there is"));
        }
        budget.take(shared.saturating_add(rest))?;
        let mut entry = block.split_to(end);
        key.truncate(shared);
        key.extend_from_slice(&entry.split_to(rest));
        if !is_first && key <= previous {
            return Err(fault("has keys that are out of order"));
        }
        visit(&key, entry)?;
        previous.clone_from(&key);
        is_first = false;
    }
    *last = previous;
    Ok(())
}

fn length(bytes: &mut Bytes) -> Result<usize> {
    usize::try_from(number(bytes)?).map_err(|_| fault("has a length that is too large"))
}

fn number(bytes: &mut Bytes) -> Result<u64> {
    decode_varint(bytes).map_err(|error| fault("has a number that is cut off").with_source(error))
}

fn fault(what: &str) -> Error {
    Error::damaged(format_args!("the index of the checkpoint {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of one block, as its writer would make it.
    fn table(block: &[u8], kind: u8) -> Bytes {
        let mut table = Vec::new();
        let mut put = |block: &[u8], kind: u8| {
            let offset = table.len();
            table.extend_from_slice(block);
            table.push(kind);
            let crc = masked(crc32c::crc32c(&table[offset..]));
            table.extend_from_slice(&crc.to_le_bytes());
            offset
        };
        put(block, kind);
        assert!(block.len() < 128);
        let index = [&[0, 1, 2, b'~', 0, block.len() as u8][..], &[0, 0, 0, 0, 1, 0, 0, 0]].concat();
        let offset = put(&index, 0);
        let mut footer = vec![0, 0, offset as u8, index.len() as u8];
        assert!(offset < 128);
        footer.resize(FOOTER - 8, 0);
        table.extend_from_slice(&footer);
        table.extend_from_slice(&MAGIC.to_le_bytes());
        table.into()
    }

    const BLOCK: &[u8] = b"\0\x02\x01ab1\x01\x01\x01c2\0\0\0\0\x01\0\0\0";

    #[test]
    fn keys_are_put_together_and_blocks_inflated() {
        let limits = Limits::default();
        let packed = snap::raw::Encoder::new().compress_vec(BLOCK).unwrap();
        for table in [table(BLOCK, 0), table(&packed, 1)] {
            let entries = read(&table, &limits).unwrap();
            assert_eq!(
                entries.into_iter().collect::<Vec<_>>(),
                [("ab".to_owned(), Bytes::from_static(b"1")), ("ac".to_owned(), Bytes::from_static(b"2")),]
            );
        }
        let limits = Limits { text_bytes: 4, ..Limits::default() };
        assert!(read(&table(BLOCK, 0), &limits).unwrap_err().to_string().contains("limit of 4"));
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let limits = Limits::default();
        let whole = table(BLOCK, 0);
        for length in 0..whole.len() {
            assert!(read(&whole.slice(..length), &limits).is_err(), "cut to {length}");
        }
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&damaged.into(), &limits);
        }
        // Sound checksums, and nonsense below them.
        let bomb = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], b"abc"].concat();
        for (block, kind, message) in [
            (&b"\0\x02\x01ab1\x03\0\x012\0\0\0\0\x01\0\0\0"[..], 0, "shares more"),
            (b"\0\x02\x01ab1\0\x01\x01a2\0\0\0\0\x01\0\0\0", 0, "out of order"),
            (b"\0\x7f\x01ab1\0\0\0\0\x01\0\0\0", 0, "beyond the end"),
            (b"\0\x02\x01ab1\0\0\0\0\xff\0\0\0", 0, "restarts"),
            (b"", 0, "restarts"),
            (BLOCK, 2, "compressed in the way 2"),
            (BLOCK, 1, "inflate"),
            (&bomb, 1, "more than it can"),
        ] {
            let error = read(&table(block, kind), &limits).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
