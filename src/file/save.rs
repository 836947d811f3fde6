//! Puts files, archives and model directories on disk whole or not at all.
//!
//! Everything is first written beside its target and synced; one rename then takes the old one's
//! place. Whatever fails before that leaves the old one as it was, and nothing else behind. Only a
//! process that is killed leaves something behind, and the next save into that folder removes it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use tempfile::NamedTempFile;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::fault_of_name;
use crate::error::{Error, Result};

/// How temporary names begin and end.
const PREFIX: &str = ".burn-keras-";
const SUFFIX: &str = ".tmp";
const BUFFER: usize = 1 << 20;
/// So many bytes are on their way to the disk while the next ones are made.
const BEHIND: usize = 32 << 20;
/// Tensors that start at multiples of this can be used where they lie in a mapped archive.
const ALIGNMENT: u16 = 64;
/// What Keras itself puts at the top of a model directory.
const KERAS_ENTRIES: [&str; 5] =
    ["config.json", "metadata.json", "model.weights.h5", "model.weights.npz", "assets"];

/// Produces the contents of a member, piece by piece.
pub(crate) type Source<'a> = Box<dyn FnMut(&mut dyn Write) -> Result<()> + 'a>;

/// What a member holds.
pub(crate) enum Content<'a> {
    /// All of it, in memory.
    Bytes(Bytes),
    /// `len` bytes that `write` produces.
    Stream { len: u64, write: Source<'a> },
}

/// A member of an archive to be written.
pub(crate) struct Member<'a> {
    /// Its path inside the archive, with `/` between the parts.
    pub(crate) name: String,
    pub(crate) content: Content<'a>,
}

impl Content<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stream { len, .. } => *len,
        }
    }

    /// All of it, in memory.
    pub(crate) fn into_vec(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, out: &mut dyn Write) -> Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes).map_err(|source| Error::io("cannot write", source)),
            Self::Stream { len, write } => {
                let mut counted = Counted { out, written: 0 };
                write(&mut counted)?;
                if counted.written != *len {
                    return Err(Error::input(format_args!(
                        "expected a stream of {len} bytes, got {}",
                        counted.written
                    )));
                }
                Ok(())
            }
        }
    }
}

struct Counted<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.out.write(data)?;
        self.written = self.written.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes a zip archive of uncompressed members, each one's data at a multiple of 64 bytes.
///
/// # Errors
/// When a name is unsafe or appears twice, a stream is not as long as announced, or writing fails.
pub(crate) fn zip_to<W: Write + Seek>(out: W, members: &mut [Member<'_>]) -> Result<W> {
    check_names(members)?;
    let mut zip = ZipWriter::new(out);
    for member in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(member.content.len() >= u64::from(u32::MAX))
            .with_alignment(ALIGNMENT);
        zip.start_file(member.name.as_str(), options).map_err(zip_error)?;
        member.content.write(&mut zip).map_err(|error| error.at(format_args!("member {:?}", member.name)))?;
    }
    zip.finish().map_err(zip_error)
}

/// Writes a zip archive in place of whatever file is at `path`.
///
/// # Errors
/// As [`zip_to`]; the file that was at `path` is then unchanged.
pub(crate) fn save_zip(path: &Path, members: &mut [Member<'_>]) -> Result<()> {
    let len = members.iter().map(|member| member.content.len()).fold(0, u64::saturating_add);
    replace_file(path, len, |out| zip_to(out, members).map(drop))
}

/// Writes a file in place of whatever file is at `path`.
///
/// # Errors
/// When a stream is not as long as announced, or writing fails; the file that was at `path` is then unchanged.
pub(crate) fn save_file(path: &Path, mut content: Content<'_>) -> Result<()> {
    replace_file(path, content.len(), |out| content.write(out))
}

/// Writes members as files below `path`, in place of the model directory that is there.
///
/// # Errors
/// As [`zip_to`], and when there is something at `path` other than an empty directory or a model
/// directory with nothing else in it. What was at `path` is then unchanged.
pub(crate) fn save_directory(path: &Path, members: &mut [Member<'_>]) -> Result<()> {
    check_names(members)?;
    let path = &follow(path)?;
    let old = match fs::metadata(path) {
        Ok(old) if old.is_dir() => Some(old.permissions()),
        Ok(_) => return Err(Error::input(format_args!("{} is not a directory", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(at("read", path, source)),
    };
    if old.is_some() {
        refuse_foreign(path, members)?;
    }
    let parent = parent(path)?;
    let (temporary, _lock) = locked(parent, || beside(0o777).tempdir_in(parent))
        .map_err(|source| at("create a directory in", parent, source))?;
    let new = temporary.path();
    for member in members {
        write_below(new, member).map_err(|error| error.at(format_args!("member {:?}", member.name)))?;
    }
    sync_tree(new)?;
    if let Some(permissions) = old {
        fs::set_permissions(new, permissions).map_err(|source| at("set the permissions of", new, source))?;
        // It gets the temporary name, and is not to be taken for something left behind.
        let _old = File::open(path).ok().filter(|old| old.try_lock().is_ok());
        exchange(new, path).map_err(|source| at("replace", path, source))?;
        sync(parent)?;
        temporary.close().map_err(|source| at("remove what was at", path, source))
    } else {
        fs::rename(new, path).map_err(|source| at("create", path, source))?;
        let _renamed = temporary.keep();
        sync(parent)
    }
}

fn check_names(members: &[Member<'_>]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for Member { name, .. } in members {
        if let Some(fault) = fault_of_name(name) {
            return Err(Error::input(format_args!("the name of member {name:?} {fault}")));
        }
        if !seen.insert(name) {
            return Err(Error::input(format_args!("member {name:?} is given twice")));
        }
    }
    Ok(())
}

/// Lets `write` make a file of at least `len` bytes under a temporary name, and puts it in place of
/// whatever file is at `path`.
///
/// # Errors
/// As `write`, and when the file cannot be put there; the file that was at `path` is then unchanged.
pub(crate) fn save_by(path: &Path, len: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    replace(path, len, |temporary| write(temporary.path()))
}

/// Writes a file of at least `len` bytes in place of whatever file is at `path`.
fn replace_file(
    path: &Path,
    len: u64,
    write: impl FnOnce(&mut BufWriter<Behind<'_>>) -> Result<()>,
) -> Result<()> {
    replace(path, len, |temporary| stream(path, temporary.as_file(), write))
}

/// Lets `write` fill a file, and another thread bring it to the disk meanwhile.
fn stream(
    path: &Path,
    file: &File,
    write: impl FnOnce(&mut BufWriter<Behind<'_>>) -> Result<()>,
) -> Result<()> {
    let fail = |source| at("write", path, source);
    thread::scope(|scope| {
        let (wake, woken) = sync_channel(1);
        let synced = scope.spawn(move || woken.iter().try_for_each(|()| file.sync_data()));
        let mut out = BufWriter::with_capacity(BUFFER, Behind { file, written: 0, wake });
        let written = write(&mut out).and_then(|()| out.flush().map_err(fail));
        drop(out);
        // The system tells a failure once only.
        let synced = synced.join().unwrap_or_else(|panic| resume_unwind(panic));
        written.and(synced.map_err(fail))
    })
}

/// A file that wakes another thread now and then.
struct Behind<'a> {
    file: &'a File,
    written: usize,
    wake: SyncSender<()>,
}

impl Write for Behind<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.file.write(data)?;
        self.written = self.written.saturating_add(count);
        // A thread that is busy still, or has failed, needs no waking.
        if self.written >= BEHIND && self.wake.try_send(()).is_ok() {
            self.written = 0;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Behind<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn replace(path: &Path, len: u64, fill: impl FnOnce(&NamedTempFile) -> Result<()>) -> Result<()> {
    let path = &follow(path)?;
    let old = match fs::metadata(path) {
        Ok(old) if old.is_file() => Some(old.permissions()),
        Ok(_) => return Err(Error::input(format_args!("{} is not a regular file", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(at("read", path, source)),
    };
    let parent = parent(path)?;
    let (temporary, _lock) = locked(parent, || beside(0o666).tempfile_in(parent))
        .map_err(|source| at("create a file in", parent, source))?;
    reserve(temporary.as_file(), len).map_err(|source| at("write", path, source))?;
    fill(&temporary)?;
    if let Some(permissions) = old {
        let set = temporary.as_file().set_permissions(permissions);
        set.map_err(|source| at("set the permissions of", path, source))?;
    }
    temporary.as_file().sync_all().map_err(|source| at("write", path, source))?;
    temporary.persist(path).map_err(|error| at("replace", path, error.error))?;
    sync(parent)
}

fn write_below(directory: &Path, member: &mut Member<'_>) -> Result<()> {
    let path = directory.join(&member.name);
    let parent = parent(&path)?;
    fs::create_dir_all(parent).map_err(|source| at("create", parent, source))?;
    let file = File::create_new(&path).map_err(|source| at("create", &path, source))?;
    reserve(&file, member.content.len()).map_err(|source| at("write", &path, source))?;
    stream(&path, &file, |out| member.content.write(out))?;
    file.sync_all().map_err(|source| at("write", &path, source))
}

/// Takes the room that a file will need: in one piece, and before any work when there is too little.
#[cfg(target_os = "linux")]
fn reserve(file: &File, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT)) => Err(error.into()),
        // Not every file system can; then the room is found on the way.
        _ => Ok(()),
    }
}

/// Takes the room that a file will need, where the system offers that.
#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Refuses to replace a directory that holds anything but a model.
fn refuse_foreign(path: &Path, members: &[Member<'_>]) -> Result<()> {
    let known = |name: &str| {
        KERAS_ENTRIES.contains(&name)
            || members.iter().any(|member| member.name.split('/').next() == Some(name))
    };
    let fail = |source| at("list", path, source);
    let mut empty = true;
    for entry in fs::read_dir(path).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        empty = false;
        if !name.to_str().is_some_and(known) {
            return Err(Error::input(format_args!(
                "{} contains {name:?}, which is no part of a model; it is left alone",
                path.display()
            )));
        }
    }
    if !empty && !path.join("config.json").is_file() {
        return Err(Error::input(format_args!(
            "{} is neither empty nor a model directory with a config.json; it is left alone",
            path.display()
        )));
    }
    Ok(())
}

/// Trades the places of two directories.
#[cfg(target_os = "linux")]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rename_thrice(new, old),
        result => Ok(result?),
    }
}

/// Trades the places of two directories.
#[cfg(not(target_os = "linux"))]
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    rename_thrice(new, old)
}

/// [`exchange`] where it takes several steps: for a moment there is nothing at `old`.
fn rename_thrice(new: &Path, old: &Path) -> io::Result<()> {
    let aside = new.with_extension("old");
    fs::rename(old, &aside)?;
    if let Err(error) = fs::rename(new, old) {
        fs::rename(&aside, old)?;
        return Err(error);
    }
    fs::rename(&aside, new)
}

/// Something temporary in `folder`, locked for as long as its maker lives.
fn locked<T: AsRef<Path>>(folder: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<(T, Option<File>)> {
    sweep(folder);
    loop {
        let made = make()?;
        let lock = lock(made.as_ref());
        // Another process may have swept it away before it was locked.
        if made.as_ref().exists() {
            return Ok((made, lock));
        }
    }
}

/// Locks a file or a folder, where that is possible and keeps nobody from using it.
fn lock(path: &Path) -> Option<File> {
    let file = cfg!(unix).then(|| File::open(path).ok()).flatten()?;
    file.lock().ok().map(|()| file)
}

/// Removes what processes that were killed have left in a folder: it is not locked.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    for entry in entries.filter(|entry| cfg!(unix) && entry.file_name().to_str().is_some_and(is_ours)) {
        let Ok(kind) = entry.file_type() else { continue };
        let remove = if kind.is_dir() { fs::remove_dir_all::<PathBuf> } else { fs::remove_file::<PathBuf> };
        if (kind.is_dir() || kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Whatever cannot be removed does no harm.
            let _ = remove(entry.path());
        }
    }
}

/// Temporary names; the modes are what the process's umask leaves of `mode`.
fn beside(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// What a symbolic link at `path` leads to, so that saving replaces that and not the link.
pub(crate) fn follow(path: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            fs::canonicalize(path).map_err(|source| at("follow the link", path, source))
        }
        _ => Ok(path.to_path_buf()),
    }
}

fn parent(path: &Path) -> Result<&Path> {
    match (path.file_name(), path.parent()) {
        (Some(_), Some(parent)) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        (Some(_), Some(parent)) => Ok(parent),
        _ => Err(Error::input(format_args!("{:?} does not name a file", path.display()))),
    }
}

fn sync_tree(directory: &Path) -> Result<()> {
    let fail = |source| at("list", directory, source);
    for entry in fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if entry.file_type().map_err(fail)?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync(directory)
}

/// Makes the names in a directory survive a crash; only Unix can and needs to.
fn sync(directory: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|source| at("sync", directory, source))?;
    }
    Ok(())
}

fn at(doing: &str, path: &Path, source: io::Error) -> Error {
    Error::io(format_args!("cannot {doing} {}", path.display()), source)
}

fn zip_error(error: ZipError) -> Error {
    match error {
        ZipError::Io(source) => Error::io("cannot write the archive", source),
        error => Error::input(format_args!("cannot write the archive: {error}")).with_source(error),
    }
}

#[cfg(test)]
mod tests;
