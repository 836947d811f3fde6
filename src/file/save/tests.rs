use std::io::Cursor;

use super::*;
use crate::error::ErrorKind;
use crate::file::archive::Archive;
use crate::limits::Limits;

fn member<'a>(name: &str, data: &'static [u8]) -> Member<'a> {
    Member { name: name.into(), content: Content::Bytes(Bytes::from_static(data)) }
}

fn stream<'a>(name: &str, len: u64, write: impl FnMut(&mut dyn Write) -> Result<()> + 'a) -> Member<'a> {
    Member { name: name.into(), content: Content::Stream { len, write: Box::new(write) } }
}

/// Half of a stream, then a failure of the source.
fn failing<'a>(name: &str) -> Member<'a> {
    stream(name, 4 << 20, |out| {
        out.write_all(&vec![1; 2 << 20]).unwrap();
        Err(Error::weights("the source failed"))
    })
}

fn listing(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn archives_read_back_and_are_aligned_and_reproducible() {
    let big: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let write = || {
        let mut members = [
            member("metadata.json", b"{}"),
            member("config.json", b"{\"a\": 1}"),
            stream("model.weights.h5", big.len() as u64, |out| {
                big.chunks(999).try_for_each(|chunk| out.write_all(chunk)).map_err(|e| Error::io("x", e))
            }),
            member("assets/layers/x/vocabulary.txt", b"a\nb"),
        ];
        zip_to(Cursor::new(Vec::new()), &mut members).unwrap().into_inner()
    };
    let bytes = Bytes::from(write());
    let archive = Archive::from_bytes(bytes.clone(), &Limits::default()).unwrap();
    assert_eq!(
        archive.names().collect::<Vec<_>>(),
        ["assets/layers/x/vocabulary.txt", "config.json", "metadata.json", "model.weights.h5"]
    );
    assert_eq!(archive.read("model.weights.h5").unwrap().unwrap(), big);
    for name in archive.names() {
        let data = archive.read(name).unwrap().unwrap();
        assert_eq!((data.as_ptr() as usize - bytes.as_ptr() as usize) % 64, 0, "{name}");
    }
    assert_eq!(write(), bytes);
    let zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let time = zip.metadata().entry(0).unwrap().last_modified().unwrap();
    assert_eq!((time.year(), time.month(), time.day(), time.hour()), (1980, 1, 1, 0));
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.keras");
    for old in [None, Some(b"old contents")] {
        if let Some(old) = old {
            fs::write(&path, old).unwrap();
        }
        let error =
            save_zip(&path, &mut [member("config.json", b"{}"), failing("model.weights.h5")]).unwrap_err();
        assert_eq!(error.to_string(), "member \"model.weights.h5\": the source failed");
        match old {
            None => assert!(listing(dir.path()).is_empty()),
            Some(old) => {
                assert_eq!(fs::read(&path).unwrap(), old);
                assert_eq!(listing(dir.path()), ["m.keras"]);
            }
        }
    }
}

#[test]
fn a_failure_leaves_the_old_directory_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let members = || [member("config.json", b"{}"), failing("model.weights.h5")];
    assert!(save_directory(&path, &mut members()).is_err());
    assert!(listing(dir.path()).is_empty());
    save_directory(&path, &mut [member("config.json", b"old"), member("assets/a", b"1")]).unwrap();
    assert!(save_directory(&path, &mut members()).is_err());
    assert_eq!(listing(dir.path()), ["m"]);
    assert_eq!(listing(&path), ["assets", "config.json"]);
    assert_eq!(fs::read(path.join("config.json")).unwrap(), b"old");
}

#[test]
fn streams_must_be_as_long_as_announced() {
    for len in [1, 3] {
        let mut members = [stream("a", len, |out| out.write_all(b"xy").map_err(|e| Error::io("x", e)))];
        let error = zip_to(Cursor::new(Vec::new()), &mut members).unwrap_err();
        assert_eq!(error.to_string(), format!("member \"a\": expected a stream of {len} bytes, got 2"));
    }
}

#[test]
fn unsafe_and_repeated_names_are_refused() {
    for name in ["../a", "", "/a", "a\\b"] {
        let error = zip_to(Cursor::new(Vec::new()), &mut [member(name, b"")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
    }
    let error = zip_to(Cursor::new(Vec::new()), &mut [member("a", b""), member("a", b"")]).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
}

#[test]
fn directories_are_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    save_directory(&path, &mut [member("config.json", b"1"), member("assets/layers/a/v.txt", b"x")]).unwrap();
    assert_eq!(fs::read(path.join("assets/layers/a/v.txt")).unwrap(), b"x");
    save_directory(&path, &mut [member("config.json", b"2"), member("model.weights.h5", b"h")]).unwrap();
    assert_eq!(listing(&path), ["config.json", "model.weights.h5"]);
    assert_eq!(fs::read(path.join("config.json")).unwrap(), b"2");
    assert_eq!(listing(dir.path()), ["m"]);

    let other = dir.path().join("n");
    fs::create_dir(&other).unwrap();
    save_directory(&other, &mut [member("config.json", b"3")]).unwrap();
    rename_thrice(&path, &other).unwrap();
    assert_eq!(fs::read(path.join("config.json")).unwrap(), b"3");
    assert_eq!(fs::read(other.join("config.json")).unwrap(), b"2");
    assert_eq!(listing(dir.path()), ["m", "n"]);
}

#[test]
fn other_peoples_directories_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("project");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("assets"), b"").unwrap();
    let mut members = [member("config.json", b"{}")];
    let error = save_directory(&path, &mut members).unwrap_err();
    assert!(error.to_string().contains("neither empty nor a model directory"), "{error}");
    fs::write(path.join("config.json"), b"").unwrap();
    fs::write(path.join("thesis.tex"), b"").unwrap();
    let error = save_directory(&path, &mut members).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert_eq!(listing(&path), ["assets", "config.json", "thesis.tex"]);
    assert_eq!(save_zip(&path, &mut members).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(save_directory(&path.join("thesis.tex"), &mut members).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(save_zip(Path::new("/"), &mut members).unwrap_err().kind(), ErrorKind::Input);
}

#[cfg(unix)]
#[test]
fn permissions_and_links_survive() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let plain = dir.path().join("plain");
    fs::write(&plain, b"").unwrap();
    let (path, link) = (dir.path().join("m.keras"), dir.path().join("link.keras"));
    save_zip(&path, &mut [member("a", b"1")]).unwrap();
    assert_eq!(mode(&path), mode(&plain));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    save_zip(&link, &mut [member("a", b"22")]).unwrap();
    assert_eq!(mode(&path), 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let archive = Archive::from_bytes(crate::file::map::map(&path).unwrap(), &Limits::default()).unwrap();
    assert_eq!(archive.read("a").unwrap().unwrap(), "22");

    let directory = dir.path().join("d");
    save_directory(&directory, &mut [member("config.json", b"1")]).unwrap();
    fs::create_dir(dir.path().join("plain_directory")).unwrap();
    assert_eq!(mode(&directory), mode(&dir.path().join("plain_directory")));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
    save_directory(&directory, &mut [member("config.json", b"2")]).unwrap();
    assert_eq!(mode(&directory), 0o750);
}

#[cfg(unix)]
#[test]
fn only_what_the_dead_have_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.keras");
    let (dead, alive) = (dir.path().join(".burn-keras-dead.tmp"), dir.path().join(".burn-keras-alive.tmp"));
    let folder = dir.path().join(".burn-keras-folder.tmp");
    fs::write(&dead, b"").unwrap();
    fs::write(&alive, b"").unwrap();
    fs::create_dir_all(folder.join("assets")).unwrap();
    let target = dir.path().join("target");
    fs::write(&target, b"").unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join(".burn-keras-link.tmp")).unwrap();
    let lock = lock(&alive).unwrap();
    save_zip(&path, &mut [member("a", b"1")]).unwrap();
    assert_eq!(listing(dir.path()), [".burn-keras-alive.tmp", ".burn-keras-link.tmp", "m.keras", "target"]);
    drop(lock);
    save_zip(&path, &mut [member("a", b"1")]).unwrap();
    assert_eq!(listing(dir.path()), [".burn-keras-link.tmp", "m.keras", "target"]);
}
