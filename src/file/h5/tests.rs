use super::*;
use crate::error::ErrorKind;
use crate::file::h5_write::H5Builder;

const FILL_MESSAGE: [u8; 16] = [5, 0, 8, 0, 0, 0, 0, 0, 2, 2, 2, 1, 0, 0, 0, 0];

fn open(bytes: &[u8]) -> Result<H5File> {
    H5File::open(Bytes::copy_from_slice(bytes), &Limits::default())
}

fn refusal(bytes: &[u8]) -> (ErrorKind, String) {
    let error = open(bytes).err().expect("the file should be refused");
    (error.kind(), error.to_string())
}

/// A file of datasets of four elements 1, 2, 3, 4.
fn file_of(paths: &[&str], element: &ElementType) -> Vec<u8> {
    let mut builder = H5Builder::default();
    for path in paths {
        let note = Attributes::from([("note".into(), Attribute::Str("n".into()))]);
        builder.dataset(path, &[4], element.clone(), note).unwrap();
    }
    let size = element.size();
    let data: Vec<u8> =
        (1..=4).flat_map(|value| (0..size).map(move |byte| if byte == 0 { value } else { 0 })).collect();
    let mut out = Vec::new();
    builder.finish().unwrap().write(&mut out, |_, sink| sink(data.clone().into())).unwrap();
    out
}

fn find(bytes: &[u8], pattern: &[u8]) -> usize {
    let mut places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(pattern));
    let place = places.next().expect("the pattern should be there");
    assert!(places.next().is_none(), "the pattern should be there once");
    place
}

/// Puts another fill value message and layout message into a file with a single dataset.
fn with_layout(bytes: &[u8], first: [u8; 16], layout: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = find(&bytes, &FILL_MESSAGE);
    bytes[at..at + 16].copy_from_slice(&first);
    assert!(layout.len() <= 24);
    bytes[at + 24..at + 48].fill(0);
    bytes[at + 24..at + 24 + layout.len()].copy_from_slice(layout);
    bytes
}

/// The same file with four single bytes in one chunk, passed through a filter.
fn chunked(filter: Option<u16>, stored: &[u8]) -> Vec<u8> {
    let mut bytes = file_of(&["d"], &ElementType::U8);
    let chunk = bytes.len().next_multiple_of(8);
    bytes.resize(chunk, 0);
    bytes.extend(stored);
    let tree = bytes.len().next_multiple_of(8);
    bytes.resize(tree, 0);
    bytes.extend(b"TREE\x01\0\x01\0");
    bytes.extend([0xff; 16]);
    bytes.extend((stored.len() as u32).to_le_bytes());
    bytes.extend([0; 4 + 16]);
    bytes.extend((chunk as u64).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend([4, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0; 8]);
    let mut layout = vec![3, 2, 2];
    layout.extend((tree as u64).to_le_bytes());
    layout.extend([4, 0, 0, 0, 1, 0, 0, 0]);
    let first = filter.map_or(FILL_MESSAGE, |id| {
        let mut message = [0x0b, 0, 8, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0];
        message[10..12].copy_from_slice(&id.to_le_bytes());
        message
    });
    let end = bytes.len() as u64;
    let mut bytes = with_layout(&bytes, first, &layout);
    bytes[40..48].copy_from_slice(&end.to_le_bytes());
    bytes
}

/// The patch of the datatype message that makes its numbers big-endian.
fn big_endian(mut bytes: Vec<u8>, datatype: &[u8]) -> Vec<u8> {
    let at = find(&bytes, datatype);
    bytes[at + 1] |= 1;
    bytes
}

#[test]
fn chunks_and_filters_are_decoded() {
    // A zlib stream of one block that is not compressed.
    let zlib = [0x78, 1, 1, 4, 0, 0xfb, 0xff, 1, 2, 3, 4, 0, 0x18, 0, 0x0b];
    for (filter, stored) in [(None, &[1, 2, 3, 4][..]), (Some(1), &zlib), (Some(2), &[1, 2, 3, 4])] {
        let file = open(&chunked(filter, stored)).unwrap();
        assert_eq!(file.read("d").unwrap(), &[1, 2, 3, 4][..], "filter {filter:?}");
    }
    let error = open(&chunked(Some(1), &zlib[..9])).unwrap().read("d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    let error = open(&chunked(Some(200), &zlib)).unwrap().read("d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("filter id 200"), "{error}");
    assert!(error.to_string().contains("libhdf5"), "{error}");
}

/// By h5py: with LZF, and the same with the filter that all readers have.
#[test]
fn lzf_gives_what_gzip_gives() {
    let open = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hdf5").join(name);
        H5File::open(std::fs::read(path).unwrap().into(), &Limits::default()).unwrap()
    };
    let (rare, common) = (open("rare_filters.h5"), open("filters.h5"));
    for filter in ["lzf", "lzf_shuffle"] {
        for element in ["f4", "i2"] {
            let expected = common.read(&format!("gzip/{element}")).unwrap();
            assert!(rare.read(&format!("{filter}/{element}")).unwrap() == expected, "{filter} {element}");
        }
    }
}

#[test]
fn big_endian_numbers_are_turned_around() {
    let bytes = file_of(&["d"], &ElementType::U32);
    let bytes = big_endian(bytes, &[0x10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0]);
    let file = open(&bytes).unwrap();
    assert_eq!(file.datasets()["d"].element, ElementType::U32);
    assert_eq!(file.read("d").unwrap(), &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4][..]);
}

#[test]
fn compact_data_and_data_never_written_are_read() {
    let bytes = file_of(&["d"], &ElementType::U8);
    let file = open(&with_layout(&bytes, FILL_MESSAGE, &[3, 0, 4, 0, 9, 8, 7, 6])).unwrap();
    assert_eq!(file.read("d").unwrap(), &[9, 8, 7, 6][..]);
    let mut absent = vec![3, 1];
    absent.extend([0xff; 8]);
    absent.extend([4, 0, 0, 0]);
    let file = open(&with_layout(&bytes, FILL_MESSAGE, &absent)).unwrap();
    assert_eq!(file.read("d").unwrap(), &[0; 4][..]);
}

#[test]
fn only_numbers_of_the_usual_form_are_numbers() {
    let float = [0x11, 0x20, 15, 0, 2, 0, 0, 0, 0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0];
    let bytes = file_of(&["d"], &ElementType::F16);
    let at = find(&bytes, &float);
    let mut brain = bytes.clone();
    brain[at + 12..at + 17].copy_from_slice(&[7, 8, 0, 7, 127]);
    assert_eq!(open(&brain).unwrap().datasets()["d"].element, ElementType::BF16);
    let mut odd = bytes;
    odd[at + 13] = 6;
    let file = open(&odd).unwrap();
    let error = file.read("d").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("floats of an unusual form in 2 bytes"), "{error}");

    let mut strings = file_of(&["d"], &ElementType::Opaque(3));
    let at = find(&strings, &[0x15, 0, 0, 0, 3, 0, 0, 0]);
    strings[at] = 0x13;
    let file = open(&strings).unwrap();
    assert_eq!(file.datasets()["d"].shape, [4]);
    assert!(file.read("d").unwrap_err().to_string().contains("strings"));
    assert_eq!(file.read("e").unwrap_err().kind(), ErrorKind::Input);
}

#[test]
fn what_leads_out_of_the_file_is_refused() {
    let bytes = file_of(&["d"], &ElementType::U8);
    let node = find(&bytes, b"SNOD\x01\0\x01\0");
    let mut soft = bytes.clone();
    soft[node + 24] = 2;
    assert_eq!(refusal(&soft), (ErrorKind::Unsupported, "\"d\": soft links are refused".into()));

    let virtual_dataset = with_layout(&bytes, FILL_MESSAGE, &[4, 3]);
    let (kind, message) = refusal(&virtual_dataset);
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.contains("virtual datasets"), "{message}");

    let mut external = bytes;
    let at = find(&external, b"note\0\0\0\0") - 16;
    assert_eq!(external[at], 0x0c);
    external[at] = 7;
    external[at + 8..at + 16].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    let (kind, message) = refusal(&external);
    assert_eq!((kind, message.as_str()), (ErrorKind::Unsupported, "\"d\": data in other files is refused"));
}

#[test]
fn hard_links_are_followed_and_loops_refused() {
    let bytes = file_of(&["a/x", "b/y"], &ElementType::U8);
    let node = (0..bytes.len()).rev().find(|at| bytes[*at..].starts_with(b"SNOD\x01\0\x02\0")).unwrap();
    let address = |entry: usize| node + 8 + 40 * entry + 8;
    let mut twice = bytes.clone();
    twice.copy_within(address(0)..address(0) + 8, address(1));
    let file = open(&twice).unwrap();
    assert!(file.datasets().keys().eq(["a/x", "b/x"]));
    assert_eq!(file.read("b/x").unwrap(), &[1, 2, 3, 4][..]);

    let mut circle = bytes.clone();
    circle.copy_within(64..72, address(1));
    assert_eq!(refusal(&circle), (ErrorKind::Damaged, "\"b\": the group contains itself".into()));

    let mut same_name = bytes;
    same_name.copy_within(address(0) - 8..address(0), address(1) - 8);
    assert!(refusal(&same_name).1.contains("two links are called \"a\""));
}

#[test]
fn impossible_sizes_are_refused() {
    let bytes = file_of(&["d"], &ElementType::U8);
    let space = find(&bytes, &[1, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    let layout = find(&bytes, &FILL_MESSAGE) + 24;
    let with = |shape: u64, size: u64| {
        let mut bytes = bytes.clone();
        bytes[space + 8..space + 16].copy_from_slice(&shape.to_le_bytes());
        bytes[layout + 10..layout + 18].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    assert_eq!(open(&with(4, 4)).unwrap().read("d").unwrap().len(), 4);
    assert!(refusal(&with(5, 4)).1.contains("its shape takes 5 bytes, and 4 are stored"));
    assert!(refusal(&with(5, 5)).1.contains("its 5 bytes are not inside the file"));
    for huge in [1 << 40, u64::MAX >> 1, u64::MAX] {
        assert_eq!(refusal(&with(huge, huge)).0, ErrorKind::Damaged);
        assert_eq!(refusal(&with(huge, 0)).0, ErrorKind::Limit);
    }
    let mut absent = with(64 << 20, 64 << 20);
    absent[layout + 2..layout + 10].fill(0xff);
    let (kind, message) = refusal(&absent);
    assert_eq!(kind, ErrorKind::Limit);
    assert!(message.contains("times as much"), "{message}");
}

#[test]
fn limits_hold() {
    let bytes = Bytes::from(file_of(&["a/b/c", "d"], &ElementType::U8));
    let kind = |limits: Limits| H5File::open(bytes.clone(), &limits).err().map(|error| error.kind());
    assert_eq!(kind(Limits { entries: 4, depth: 3, text_bytes: 150, ..Limits::default() }), None);
    assert_eq!(kind(Limits { entries: 3, ..Limits::default() }), Some(ErrorKind::Limit));
    assert_eq!(kind(Limits { depth: 2, ..Limits::default() }), Some(ErrorKind::Limit));
    assert_eq!(kind(Limits { text_bytes: 40, ..Limits::default() }), Some(ErrorKind::Limit));
}

#[test]
fn sums_that_overflow_in_the_reader_are_errors() {
    let bytes = file_of(&["d"], &ElementType::U8);
    let at = find(&bytes, &FILL_MESSAGE);
    let mut bytes = bytes;
    let mut message = vec![8, 0, 40, 0, 0, 0, 0, 0, 1, 4, 1, 0, 0, 0, 0, 0];
    message.extend([0; 8]);
    message.extend([0xff; 16]);
    message.resize(48, 0);
    bytes[at..at + 48].copy_from_slice(&message);
    assert_eq!(refusal(&bytes).0, ErrorKind::Damaged);
}

/// Every tensor that can still be read, so that damage has a chance to show.
fn read_all(bytes: &[u8]) {
    let limits = Limits { expansion_floor: 1 << 20, ..Limits::default() };
    if let Ok(file) = H5File::open(Bytes::copy_from_slice(bytes), &limits) {
        for path in file.datasets().keys() {
            let _ = file.read(path);
        }
    }
}

#[test]
fn damage_is_an_error_and_no_panic() {
    let mut builder = H5Builder::default();
    for index in 0..3 {
        let name = Attributes::from([("name".into(), Attribute::Str(format!("dense_{index}")))]);
        builder.group(&format!("layers/dense_{index}/vars"), name).unwrap();
        let path = format!("layers/dense_{index}/vars/0");
        builder.dataset(&path, &[3, 2], ElementType::F32, Attributes::new()).unwrap();
    }
    let mut whole = Vec::new();
    builder.finish().unwrap().write(&mut whole, |_, sink| sink(Bytes::from_static(&[1; 24]))).unwrap();
    for length in (0..whole.len()).step_by(97) {
        refusal(&whole[..length]);
    }
    let zlib = [0x78, 1, 1, 4, 0, 0xfb, 0xff, 1, 2, 3, 4, 0, 0x18, 0, 0x0b];
    for (mut bytes, step) in [(whole, 17), (chunked(Some(1), &zlib), 11)] {
        for at in (0..bytes.len() * 8).step_by(step) {
            bytes[at / 8] ^= 1 << (at % 8);
            read_all(&bytes);
            bytes[at / 8] ^= 1 << (at % 8);
        }
        for value in [0, 0x7f, 0xff] {
            for at in 0..bytes.len() - 8 {
                let before: Vec<u8> = bytes[at..at + 8].to_vec();
                if at % step == 0 {
                    bytes[at..at + 8].fill(value);
                    read_all(&bytes);
                    bytes[at..at + 8].copy_from_slice(&before);
                }
            }
        }
    }
}
