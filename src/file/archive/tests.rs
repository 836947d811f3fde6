use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::error::ErrorKind;

fn zip_of(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data, method) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn stored(members: &[(&str, &[u8])]) -> Vec<u8> {
    let members: Vec<_> =
        members.iter().map(|(name, data)| (*name, *data, CompressionMethod::Stored)).collect();
    zip_of(&members)
}

fn open(bytes: Vec<u8>) -> Result<Archive> {
    Archive::from_bytes(bytes.into(), &Limits::default())
}

fn refusal(bytes: Vec<u8>) -> (ErrorKind, String) {
    let error = open(bytes).err().expect("the archive should be refused");
    (error.kind(), error.to_string())
}

/// Overwrites every occurrence of `from`, in local headers and in the central directory.
fn patch(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

fn central(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap()
}

#[test]
fn reads_stored_members_without_a_copy_and_deflated_ones() {
    let text = "deflate ".repeat(1000);
    let bytes = Bytes::from(zip_of(&[
        ("config.json", b"{}", CompressionMethod::Stored),
        ("assets/a.txt", text.as_bytes(), CompressionMethod::Deflated),
        ("unknown.bin", b"?", CompressionMethod::Stored),
    ]));
    let archive = Archive::from_bytes(bytes.clone(), &Limits::default()).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["assets/a.txt", "config.json", "unknown.bin"]);
    let config = archive.read("config.json").unwrap().unwrap();
    assert_eq!(config, "{}");
    assert!(bytes.as_ptr_range().contains(&config.as_ptr()));
    assert_eq!(archive.read("assets/a.txt").unwrap().unwrap(), text);
    assert!(archive.read("metadata.json").unwrap().is_none());
}

#[test]
fn opens_files_and_directories() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.keras");
    std::fs::write(&path, stored(&[("config.json", b"{}")])).unwrap();
    let archive = Archive::from_bytes(map(&path).unwrap(), &Limits::default()).unwrap();
    assert_eq!(archive.read("config.json").unwrap().unwrap(), "{}");

    let form = dir.path().join("m");
    std::fs::create_dir_all(form.join("assets/layers")).unwrap();
    let error = Archive::from_directory(&form, &Limits::default()).err().unwrap();
    assert!(error.to_string().contains("without a config.json"), "{error}");
    std::fs::write(form.join("config.json"), b"{\"a\":1}").unwrap();
    std::fs::write(form.join("assets/layers/v.txt"), b"x").unwrap();
    let archive = Archive::from_directory(&form, &Limits::default()).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["assets/layers/v.txt", "config.json"]);
    assert_eq!(archive.read("assets/layers/v.txt").unwrap().unwrap(), "x");
}

#[cfg(unix)]
#[test]
fn refuses_symbolic_links_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), b"{}").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("model.weights.h5")).unwrap();
    let error = Archive::from_directory(dir.path(), &Limits::default()).err().unwrap();
    assert!(error.to_string().contains("symbolic link"), "{error}");

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("config.json", "/etc/hostname", SimpleFileOptions::default()).unwrap();
    let (kind, message) = refusal(zip.finish().unwrap().into_inner());
    assert_eq!(kind, ErrorKind::Damaged);
    assert!(message.contains("symbolic link"), "{message}");
}

#[test]
fn refuses_what_is_not_an_archive() {
    assert_eq!(refusal(b"hello".to_vec()).0, ErrorKind::Damaged);
    assert!(refusal(Vec::new()).1.contains("an empty file"));
    assert!(refusal(b"\x1f\x8b\x08\x00".to_vec()).1.contains("gzip"));
    assert!(refusal(vec![0xab; 20]).1.contains("ab ab"));
    let whole = stored(&[("config.json", b"{}")]);
    for length in 0..whole.len() {
        refusal(whole[..length].to_vec());
    }
}

#[test]
fn refuses_unsafe_and_duplicate_names() {
    let whole = stored(&[("aa/bbbbbbbb", b"{}"), ("aa/cccccccc", b"[]")]);
    for name in ["../bbbbbbbb", "/a/bbbbbbbb", "aa\\bbbbbbbb", "aa/../bbbbb", "aa//bbbbbbb"] {
        let (kind, message) = refusal(patch(whole.clone(), b"aa/bbbbbbbb", name.as_bytes()));
        assert_eq!(kind, ErrorKind::Damaged);
        assert!(message.contains("name of member"), "{message}");
    }
    let (kind, message) = refusal(patch(whole, b"aa/bbbbbbbb", b"aa/cccccccc"));
    assert_eq!(kind, ErrorKind::Damaged);
    assert!(message.contains("two members"), "{message}");
}

#[test]
fn refuses_too_many_members_and_large_ones() {
    let whole = Bytes::from(stored(&[("a", b"1"), ("b", b"22")]));
    let limits = Limits { entries: 1, ..Limits::default() };
    assert_eq!(Archive::from_bytes(whole.clone(), &limits).err().unwrap().kind(), ErrorKind::Limit);
    let archive = Archive::from_bytes(whole, &Limits { member_bytes: 1, ..Limits::default() }).unwrap();
    assert!(archive.read("a").is_ok());
    assert_eq!(archive.read("b").unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn refuses_zip_bombs() {
    let zeros = vec![0; 1 << 20];
    let whole = Bytes::from(zip_of(&[("a", &zeros, CompressionMethod::Deflated)]));
    assert_eq!(open(whole.to_vec()).unwrap().read("a").unwrap().unwrap(), zeros);
    let limits = Limits { expansion: 100, expansion_floor: 1 << 10, ..Limits::default() };
    let error = Archive::from_bytes(whole.clone(), &limits).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("more than 100 times"), "{error}");

    // A declared size that is too small or too large is found out by what really inflates.
    for declared in [100_u32, 2 << 20] {
        let mut bytes = whole.to_vec();
        let at = central(&bytes) + 24;
        bytes[at..at + 4].copy_from_slice(&declared.to_le_bytes());
        assert_eq!(open(bytes).unwrap().read("a").unwrap_err().kind(), ErrorKind::Damaged);
    }
}

#[test]
fn refuses_wrong_checksums() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let mut bytes = zip_of(&[("a", b"some contents", method)]);
        let at = central(&bytes) + 16;
        bytes[at] ^= 1;
        let error = open(bytes).unwrap().read("a").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
    let bytes = patch(stored(&[("a", b"some contents")]), b"contents", b"Contents");
    let error = open(bytes).unwrap().read("a").unwrap_err();
    assert!(error.to_string().contains("expected CRC"), "{error}");
}

#[test]
fn refuses_encryption_and_unknown_methods_by_name() {
    let whole = stored(&[("a", b"x"), ("b", b"y")]);
    let at = central(&whole);
    let mut bytes = whole.clone();
    bytes[at + 8] |= 1;
    let archive = open(bytes).unwrap();
    let error = archive.read("a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("encrypted"), "{error}");
    assert_eq!(archive.read("b").unwrap().unwrap(), "y");

    let mut bytes = whole;
    bytes[at + 10] = 12;
    let error = open(bytes).unwrap().read("a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().to_lowercase().contains("compression method"), "{error}");
}

#[test]
fn refuses_members_outside_the_archive() {
    let mut bytes = stored(&[("a", b"x")]);
    let at = central(&bytes);
    bytes[at + 20..at + 24].copy_from_slice(&1_000_000_u32.to_le_bytes());
    bytes[at + 24..at + 28].copy_from_slice(&1_000_000_u32.to_le_bytes());
    assert!(refusal(bytes).1.contains("not inside the archive"));
}

#[test]
fn the_checksum_of_pieces_is_that_of_the_whole() {
    for len in [0, 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
        let data: Vec<u8> = (0..len).map(|at| (at * 31) as u8).collect();
        assert_eq!(checksum(&data), crc32fast::hash(&data), "{len}");
    }
}
