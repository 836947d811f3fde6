//! Reads `.keras` containers: zip files, and directories of the same shape.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use crc32fast::Hasher;
use rayon::prelude::*;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::fault_of_name;
use super::map::map;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// What an HDF5 file starts with.
pub(crate) const HDF5_MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
const LOCAL_HEADER: usize = 30;
/// So much of a member is checked at a time, by any core.
const PIECE: usize = 4 << 20;

type Zip = ZipArchive<Cursor<Bytes>>;

/// The members of a `.keras` container, each read when asked for.
pub(crate) struct Archive {
    limits: Limits,
    members: BTreeMap<String, Member>,
    zip: Option<Zip>,
}

enum Member {
    Stored { data: Bytes, crc: u32 },
    Packed { index: usize, stored: u64, size: u64 },
    Refused(String),
    File(PathBuf),
    Memory(Bytes),
}

impl Archive {
    /// Members that lie in memory.
    pub(crate) fn of_members(members: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let members = members.into_iter().map(|(name, bytes)| (name, Member::Memory(bytes)));
        Self { limits: Limits::default(), members: members.collect(), zip: None }
    }

    /// Opens a zip archive in memory.
    ///
    /// # Errors
    /// When it is none, or breaks a limit, or has members that no sound archive has.
    pub(crate) fn from_bytes(bytes: Bytes, limits: &Limits) -> Result<Self> {
        if !bytes.starts_with(b"PK") {
            let found = describe(&bytes);
            return Err(Error::damaged(format_args!("expected a .keras archive (a zip file), got {found}")));
        }
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, Cursor::new(bytes.clone())).map_err(zip_error)?;
        if zip.has_duplicate_names() {
            return Err(Error::damaged("the archive has two members of the same name"));
        }
        Limits::check("members of the archive", zip.len() as u64, limits.entries as u64)?;
        let mut members = BTreeMap::new();
        for index in 0..zip.len() {
            if let Some((name, member)) = zip_member(&zip, index, &bytes)?
                && members.insert(name.clone(), member).is_some()
            {
                return Err(Error::damaged(format_args!("the archive has two members {name:?}")));
            }
        }
        refuse_overlaps(&zip, bytes.len() as u64, limits)?;
        Ok(Self { limits: limits.clone(), members, zip: Some(zip) })
    }

    /// Opens a directory that contains `config.json`.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub(crate) fn from_directory(path: &Path, limits: &Limits) -> Result<Self> {
        if !path.join("config.json").is_file() {
            return Err(Error::damaged(format_args!(
                "expected a .keras archive, got the directory {} without a config.json",
                path.display()
            )));
        }
        let mut members = BTreeMap::new();
        let mut pending = vec![(path.to_path_buf(), String::new(), 0)];
        let mut seen = 0_u64;
        while let Some((directory, prefix, depth)) = pending.pop() {
            Limits::check("nesting of directories", depth, limits.depth as u64)?;
            let fail = |source| Error::io(format_args!("cannot list {}", directory.display()), source);
            for entry in std::fs::read_dir(&directory).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                seen += 1;
                Limits::check("members of the archive", seen, limits.entries as u64)?;
                let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                    return Err(Error::damaged(format_args!("the name of {:?} is not UTF-8", entry.path())));
                };
                refuse_name(&name)?;
                let kind = entry.file_type().map_err(fail)?;
                if kind.is_dir() {
                    pending.push((entry.path(), format!("{name}/"), depth + 1));
                } else if kind.is_file() {
                    members.insert(name, Member::File(entry.path()));
                } else {
                    let what = if kind.is_symlink() { "a symbolic link" } else { "not a regular file" };
                    return Err(Error::damaged(format_args!("member {name:?} is {what}")));
                }
            }
        }
        Ok(Self { limits: limits.clone(), members, zip: None })
    }

    /// The names of all members, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The contents of the member called `name`, if there is one; without a copy if it is stored
    /// as it is.
    ///
    /// # Errors
    /// When the contents are damaged, encrypted, packed in an unknown way, or above a limit.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let Some(member) = self.members.get(name) else { return Ok(None) };
        self.contents(member).map(Some).map_err(|error| error.at(format_args!("member {name:?}")))
    }

    fn contents(&self, member: &Member) -> Result<Bytes> {
        match member {
            Member::Memory(bytes) => Ok(bytes.clone()),
            Member::Refused(why) => Err(Error::unsupported(why)),
            Member::Stored { data, crc } => {
                Limits::check("size in bytes", data.len() as u64, self.limits.member_bytes)?;
                let found = checksum(data);
                if found != *crc {
                    return Err(Error::damaged(format_args!("expected CRC {crc:08x}, got {found:08x}")));
                }
                Ok(data.clone())
            }
            Member::Packed { index, stored, size } => self.inflate(*index, *stored, *size),
            Member::File(path) => {
                let fail = |source| Error::io(format_args!("cannot open {}", path.display()), source);
                let metadata = std::fs::symlink_metadata(path).map_err(fail)?;
                if metadata.is_symlink() {
                    return Err(Error::damaged("is a symbolic link"));
                }
                Limits::check("size in bytes", metadata.len(), self.limits.member_bytes)?;
                map(path)
            }
        }
    }

    fn inflate(&self, index: usize, stored: u64, size: u64) -> Result<Bytes> {
        Limits::check("size in bytes", size, self.limits.member_bytes)?;
        self.limits.check_expansion("inflated size", stored, size)?;
        let Some(mut zip) = self.zip.clone() else {
            return Err(Error::damaged("the archive is not a zip file"));
        };
        let entry = zip.by_index(index).map_err(zip_error)?;
        let mut data = Vec::new();
        entry
            .take(size.saturating_add(1))
            .read_to_end(&mut data)
            .map_err(|source| Error::damaged(format_args!("cannot inflate: {source}")).with_source(source))?;
        if data.len() as u64 != size {
            return Err(Error::damaged(format_args!("expected {size} bytes, inflated {}", data.len())));
        }
        Ok(data.into())
    }
}

/// The checksum of data that is read from the disk only now, when it is not in memory yet.
fn checksum(data: &[u8]) -> u32 {
    if data.len() <= PIECE {
        return crc32fast::hash(data);
    }
    let pieces = data.par_chunks(PIECE).map(|piece| {
        let mut hasher = Hasher::new();
        hasher.update(piece);
        hasher
    });
    let joined = pieces.reduce(Hasher::new, |mut before, after| {
        before.combine(&after);
        before
    });
    joined.finalize()
}

/// Members that share their bytes make a small archive as large as they like.
fn refuse_overlaps(zip: &Zip, len: u64, limits: &Limits) -> Result<()> {
    let (mut stored, mut inflated) = (0_u64, 0_u64);
    for index in 0..zip.len() {
        let metadata = zip.metadata();
        let entry = metadata.entry(index).map_err(zip_error)?;
        stored = stored.saturating_add(entry.compressed_size());
        inflated = inflated.saturating_add(entry.size());
    }
    if stored > len {
        return Err(Error::damaged(format_args!(
            "the members overlap: they take {stored} bytes of an archive of {len}"
        )));
    }
    limits.check_expansion("the archive", len, inflated)
}

fn zip_member(zip: &Zip, index: usize, bytes: &Bytes) -> Result<Option<(String, Member)>> {
    let metadata = zip.metadata();
    let entry = metadata.entry(index).map_err(zip_error)?;
    let name = entry.name().map_err(zip_error)?.into_owned();
    if entry.is_symlink() {
        return Err(Error::damaged(format_args!("member {name:?} is a symbolic link")));
    }
    if let Some(directory) = name.strip_suffix('/') {
        refuse_name(directory)?;
        return Ok(None);
    }
    refuse_name(&name)?;
    let (stored, size) = (entry.compressed_size(), entry.size());
    let member = if entry.encrypted() {
        Member::Refused("encrypted members cannot be read".into())
    } else {
        match entry.compression() {
            CompressionMethod::Stored => {
                if stored != size {
                    return Err(Error::damaged(format_args!(
                        "member {name:?} is stored as it is, yet has {size} bytes in {stored}"
                    )));
                }
                let data = stored_data(bytes, entry.header_start(), size).ok_or_else(|| {
                    Error::damaged(format_args!("member {name:?} is not inside the archive"))
                })?;
                Member::Stored { data, crc: entry.crc32() }
            }
            CompressionMethod::Deflated => Member::Packed { index, stored, size },
            method => Member::Refused(format!(
                "expected a stored or deflated member, got the compression method {method}"
            )),
        }
    };
    Ok(Some((name, member)))
}

fn stored_data(bytes: &Bytes, header: u64, size: u64) -> Option<Bytes> {
    let start = usize::try_from(header).ok()?;
    let header = bytes.get(start..start.checked_add(LOCAL_HEADER)?)?;
    if !header.starts_with(b"PK\x03\x04") {
        return None;
    }
    let length =
        |at: usize| header.get(at..at + 2).and_then(|field| Some(u16::from_le_bytes(field.try_into().ok()?)));
    let start = start
        .checked_add(LOCAL_HEADER)?
        .checked_add(usize::from(length(26)?))?
        .checked_add(usize::from(length(28)?))?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}

fn refuse_name(name: &str) -> Result<()> {
    match fault_of_name(name) {
        Some(fault) => Err(Error::damaged(format_args!("the name of member {name:?} {fault}"))),
        None => Ok(()),
    }
}

fn zip_error(error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) => Error::unsupported(format_args!("zip archive: {what}")),
        error => Error::damaged(format_args!("zip archive: {error}")).with_source(error),
    }
}

fn describe(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 7] = [
        (b"\x1f\x8b", "a gzip file"),
        (b"\x80\x02", "a Python pickle"),
        (b"\x80\x04", "a Python pickle"),
        (b"\x80\x05", "a Python pickle"),
        (b"\x93NUMPY", "a NumPy array"),
        (b"<", "an HTML or XML document"),
        (b"version https://git-lfs", "a Git LFS pointer"),
    ];
    if bytes.is_empty() {
        return "an empty file".into();
    }
    if let Some((_, what)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*what).into();
    }
    let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("a file that starts with the bytes {}", start.join(" "))
}

#[cfg(test)]
mod tests;
