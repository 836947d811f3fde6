//! Maps a file into memory: the one place of this crate with unsafe code.

use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::{Error, Result};

/// The contents of the file at `path`, read by the operating system only where they are touched.
///
/// A file that another process shortens while it is mapped ends this process with a bus error, and
/// one that another process changes shows the changes. Saving through this crate does neither: it
/// writes a new file and renames it over the old one, whose mapping stays as it was.
///
/// # Errors
/// When the file cannot be opened or mapped, or is not a regular file.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    let fail = |doing: &str, source| Error::io(format_args!("cannot {doing} {}", path.display()), source);
    let metadata = std::fs::metadata(path).map_err(|source| fail("open", source))?;
    if !metadata.is_file() {
        return Err(Error::input(format_args!("{} is not a regular file", path.display())));
    }
    let file = File::open(path).map_err(|source| fail("open", source))?;
    if file.metadata().map_err(|source| fail("open", source))?.len() == 0 {
        return Ok(Bytes::new());
    }
    Ok(Bytes::from_owner(mapping(&file).map_err(|source| fail("map", source))?))
}

#[allow(unsafe_code)]
fn mapping(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the mapping is private to reading, and `Bytes` keeps it alive for as long as any
    // slice of it. What remains is that another process may change or truncate the file meanwhile;
    // no operating system offers a way to exclude that, and `map` documents it.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn maps_contents_empty_files_and_refuses_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, b"hello").unwrap();
        assert_eq!(map(&path).unwrap(), "hello");
        std::fs::write(&path, b"").unwrap();
        assert!(map(&path).unwrap().is_empty());
        assert_eq!(map(dir.path()).unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(map(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::Io);
    }
}
