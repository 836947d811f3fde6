//! LZF, the filter that h5py brings along: pieces of data as they are, and copies of what came before.

use hdf5_reader::error::Error as Fault;
use hdf5_reader::filters::{FILTER_FLETCHER32, FILTER_SHUFFLE, FilterRegistry};
use hdf5_reader::messages::filter_pipeline::FilterDescription;

use crate::error::{Error, Result};

const LZF: u16 = 32_000;
/// Which number of the filter says how many bytes a chunk has.
const LENGTH: usize = 2;
/// What a checksum adds to them.
const CHECKSUM: u64 = 4;

/// The filters of the reader, and this one.
pub(super) fn registry() -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    let unpacked = |filter: &FilterDescription, packed: &[u8], _: usize| {
        let most = filter.client_data.get(LENGTH).map_or(0, |len| *len as usize);
        unpack(packed, most).ok_or_else(|| Fault::DecompressionError("the LZF data is damaged".into()))
    };
    registry.register(LZF, Box::new(unpacked));
    registry
}

/// Refuses what h5py does not write: several filters that each make small data large, and a wrong length.
pub(super) fn check(filters: &[FilterDescription], chunk: u64) -> Result<()> {
    let harmless = |filter: &&FilterDescription| [FILTER_SHUFFLE, FILTER_FLETCHER32].contains(&filter.id);
    let mut others = filters.iter().filter(|filter| !harmless(filter));
    match (filters.iter().find(|filter| filter.id == LZF), others.nth(1)) {
        (None, _) => Ok(()),
        (Some(_), Some(other)) => {
            Err(Error::unsupported(format_args!("HDF5: LZF together with filter {}", other.id)))
        }
        (Some(lzf), None) => match lzf.client_data.get(LENGTH).copied().map(u64::from) {
            Some(len) if len <= chunk.saturating_add(CHECKSUM) => Ok(()),
            len => Err(Error::damaged(format_args!("HDF5: LZF says {len:?} bytes of a chunk of {chunk}"))),
        },
    }
}

/// The data, if it is sound and not more than `most` bytes.
fn unpack(packed: &[u8], most: usize) -> Option<Vec<u8>> {
    const LITERAL: u8 = 32;
    const LONG: usize = 7;
    const SHORTEST: usize = 2;
    let mut out = Vec::new();
    let mut rest = packed;
    while let Some((control, after)) = rest.split_first() {
        rest = after;
        if *control < LITERAL {
            let (literal, after) = rest.split_at_checked(usize::from(*control) + 1)?;
            out.extend_from_slice(literal);
            rest = after;
        } else {
            let mut next = || {
                let (byte, after) = rest.split_first()?;
                rest = after;
                Some(usize::from(*byte))
            };
            let len = match usize::from(*control >> 5) {
                LONG => LONG + next()?,
                len => len,
            };
            let back = (usize::from(*control & 0x1f) << 8 | next()?) + 1;
            // It may reach into what it makes.
            for from in (out.len().checked_sub(back)?..).take(len + SHORTEST) {
                out.push(*out.get(from)?);
            }
        }
        if out.len() > most {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn pieces_and_copies_are_told_apart() {
        assert!(unpack(&[], 0).unwrap().is_empty());
        assert_eq!(unpack(&[2, 1, 2, 3], 3).unwrap(), [1, 2, 3]);
        // Two back, and into itself.
        assert_eq!(unpack(&[1, 8, 9, 0x60, 1], 9).unwrap(), [8, 9, 8, 9, 8, 9, 8]);
        assert_eq!(unpack(&[0, 5, 0xe0, 250, 0], 260).unwrap(), [5; 260]);
    }

    #[test]
    fn damaged_data_is_refused() {
        for packed in [
            &[3, 1, 2][..],
            &[0x20],
            &[0x20, 0],
            &[0, 1, 0x20, 1],
            &[0, 1, 0xe0],
            &[0, 1, 0xe0, 255],
            &[0, 1, 0x3f, 0xff],
        ] {
            assert_eq!(unpack(packed, 1_000), None, "{packed:?}");
        }
        assert_eq!(unpack(&[0, 5, 0xe0, 250, 0], 259), None);
        assert!(unpack(&[0xff; 64], usize::MAX).is_none());
    }

    #[test]
    fn only_what_h5py_writes_is_unpacked() {
        let filter =
            |id, client_data: &[u32]| FilterDescription { id, name: None, client_data: client_data.to_vec() };
        let (lzf, shuffle, sum) =
            (filter(LZF, &[4, 261, 64]), filter(FILTER_SHUFFLE, &[4]), filter(FILTER_FLETCHER32, &[]));
        check(&[shuffle.clone(), lzf.clone(), sum.clone()], 64).unwrap();
        check(&[shuffle, filter(1, &[4]), filter(1, &[4]), sum], 64).unwrap();
        let kind = |filters: &[FilterDescription]| check(filters, 64).unwrap_err().kind();
        assert_eq!(kind(&[lzf.clone(), lzf.clone()]), ErrorKind::Unsupported);
        assert_eq!(kind(&[lzf.clone(), filter(1, &[4])]), ErrorKind::Unsupported);
        assert_eq!(kind(&[filter(LZF, &[4, 261, 69])]), ErrorKind::Damaged);
        assert_eq!(kind(&[filter(LZF, &[4, 261])]), ErrorKind::Damaged);
    }
}
