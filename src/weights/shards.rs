//! Weights in several HDF5 files, and an index in JSON that tells which group of tensors is in which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde_json::json;
use serde_json::map::Entry;

use crate::config::{Json, Map, json};
use crate::error::{Error, Problems, Result};
use crate::file::h5::H5File;
use crate::file::map::map;
use crate::file::save::{Content, follow, save_file};
use crate::file::store::{Store, Stored};
use crate::limits::Limits;
use crate::save::h5;

/// The key of an index that no model description has.
const MAP: &str = "weight_map";

/// Whether a JSON document is an index.
pub(crate) fn is_index(json: &Json) -> bool {
    json.get(MAP).is_some_and(Json::is_object)
}

/// The index that these bytes are, if they are one.
///
/// # Errors
/// When they are JSON that is damaged, or beyond the limits.
pub(super) fn index(bytes: &[u8], limits: &Limits) -> Result<Option<Json>> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(None);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Error::damaged("not UTF-8").with_source(error))?;
    json::read(text, limits).map(|json| Some(json).filter(is_index))
}

/// The tensors that the index at `path` leads to, and how many bytes of them the largest file has.
///
/// # Errors
/// When a file is not there, not beside the index, damaged or beyond the limits, or has not what the index
/// says.
pub(super) fn read(path: &Path, index: &Json, limits: &Limits) -> Result<(Store, u64)> {
    let groups = groups(index)?;
    let names: BTreeSet<&str> = groups.iter().flat_map(|(_, names)| names).copied().collect();
    Limits::check("files of the index", names.len() as u64, limits.entries as u64)?;
    let mut files = BTreeMap::new();
    let mut problems = Problems::default();
    for name in names {
        let file = open(&path.with_file_name("").join(name), name, limits);
        files.extend(problems.note(file.map_err(|error| error.at(name))).map(|file| (name, file)));
    }
    problems.finish()?;
    let mut store = Store::default();
    let mut sizes = BTreeMap::<&str, u64>::new();
    for (group, names) in groups {
        for name in names {
            let Some(file) = files.get(name) else { continue };
            let below = format!("{group}/");
            let own = file.tensors.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
            let mut own = own.filter(|(path, _)| parent(path) == group).peekable();
            if own.peek().is_none() {
                return Err(Error::damaged("the index says that there are tensors").at(group).at(name));
            }
            for (path, tensor) in own {
                if store.tensors.insert(path.clone(), tensor.clone()).is_some() {
                    return Err(Error::damaged("it is in two files").at(path));
                }
                let size = sizes.entry(name).or_default();
                *size = size.saturating_add(tensor.bytes());
            }
        }
    }
    for (path, attributes) in files.into_values().flat_map(|file| file.groups) {
        store.groups.entry(path).or_default().extend(attributes);
    }
    Ok((store, sizes.into_values().max().unwrap_or(0)))
}

/// The groups of an index, without the leading slash, and the files that each is in.
fn groups(index: &Json) -> Result<Vec<(&str, Vec<&str>)>> {
    let map = index.get(MAP).and_then(Json::as_object).into_iter().flatten();
    let groups = map.map(|(group, names)| {
        let names = match names {
            Json::Array(names) => names.iter().map(Json::as_str).collect(),
            name => name.as_str().map(|name| vec![name]),
        };
        let names: Vec<&str> =
            names.ok_or_else(|| Error::damaged("expected the names of files").at(group).at(MAP))?;
        Ok((group.trim_start_matches('/'), names))
    });
    groups.collect()
}

fn open(path: &Path, name: &str, limits: &Limits) -> Result<Store> {
    let mut parts = Path::new(name).components();
    let is_plain =
        matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    if !is_plain || name.contains(['\\', '\0']) {
        return Err(Error::damaged("expected the name of a file beside the index"));
    }
    let fail = |source| Error::io("cannot open", source);
    if fs::symlink_metadata(path).map_err(fail)?.is_symlink() {
        return Err(Error::damaged("is a symbolic link"));
    }
    Ok(H5File::open(map(path)?, limits)?.into())
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Writes the tensors into files of at most `most` bytes each, and their index to `path`.
///
/// The new files have names that the index at `path` does not use, so that it leads to its own until the
/// new one takes its place. Those that none uses any more are then removed.
///
/// # Errors
/// When a tensor is larger than a file may be, there is something that may not be replaced, or writing
/// fails; what was there is then as it was.
pub(crate) fn save(path: &Path, store: &Store, most: u64, overwrite: bool) -> Result<()> {
    let family = Family::of(follow(path)?)?;
    let shards = split(store, most)?;
    let old = family.used().unwrap_or_default();
    let free: Vec<usize> = (0..).filter(|number| !old.contains(number)).take(shards.len()).collect();
    let is_there = |number: &&usize| family.path(**number).symlink_metadata().is_ok();
    if let Some(number) = free.iter().find(is_there).filter(|_| !overwrite) {
        return Err(Error::input("it is there already, and may not be replaced").at(family.name(*number)));
    }
    let index = family.index(&free, &shards);
    let mut mine = old.clone();
    let write = || {
        for (number, shard) in free.into_iter().zip(&shards) {
            save_file(&family.path(number), h5(shard)?).map_err(|error| error.at(family.name(number)))?;
            mine.insert(number);
        }
        save_file(&family.index, Content::Bytes(json::print(&index).into()))
    };
    let saved = write();
    if let Ok(used) = family.used() {
        mine.difference(&used).for_each(|number| family.discard(*number, !used.is_empty()));
    }
    saved
}

/// The files that belong to an index, by number.
struct Family {
    index: PathBuf,
    base: String,
}

impl Family {
    fn of(index: PathBuf) -> Result<Self> {
        let stem = index.file_stem().and_then(|stem| stem.to_str());
        let base = stem.ok_or_else(|| Error::input("expected a name in UTF-8"))?.replace(".weights", "");
        Ok(Self { index, base })
    }

    fn name(&self, number: usize) -> String {
        format!("{}_{number:05}.weights.h5", self.base)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.index.with_file_name(self.name(number))
    }

    /// The numbers of those that the index leads to; none without an index.
    fn used(&self) -> Result<BTreeSet<usize>> {
        let bytes = match fs::read(&self.index) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            bytes => bytes.map_err(|source| Error::io("cannot read", source))?,
        };
        let index = index(&bytes, &Limits::default())?.ok_or_else(|| Error::damaged("no index"))?;
        let groups = groups(&index)?;
        let number = |name: &str| {
            let number = name.strip_suffix(".weights.h5")?.rsplit_once('_')?.1.parse().ok()?;
            (self.name(number) == name).then_some(number)
        };
        Ok(groups.into_iter().flat_map(|(_, names)| names).filter_map(number).collect())
    }

    /// What is in which of the files.
    fn index(&self, numbers: &[usize], shards: &[Store]) -> Json {
        let mut map = Map::new();
        let mut total = 0_u64;
        for (number, shard) in numbers.iter().zip(shards) {
            let name = self.name(*number);
            for (path, tensor) in &shard.tensors {
                total = total.saturating_add(tensor.bytes());
                let name = Json::from(name.clone());
                // As Keras has it: a name for one tensor, a list for several.
                match map.entry(format!("/{}", parent(path))) {
                    Entry::Vacant(entry) => drop(entry.insert(name)),
                    Entry::Occupied(mut entry) => match entry.get_mut() {
                        Json::Array(names) if names.last() == Some(&name) => {}
                        Json::Array(names) => names.push(name),
                        other if *other == name => *other = json!([name]),
                        other => *other = json!([other.take(), name]),
                    },
                }
            }
        }
        json!({"metadata": {"total_size": total as f64}, "weight_map": map})
    }

    /// Removes a file. The first must stay, whatever is in it, as long as there is an index: Keras opens
    /// it before it looks into the index.
    fn discard(&self, number: usize, has_index: bool) {
        let path = self.path(number);
        // Whatever cannot be removed does no harm.
        let _ = match has_index && number == 0 {
            true => h5(&Store::default()).and_then(|empty| save_file(&path, empty)),
            false => fs::remove_file(&path).map_err(|source| Error::io("cannot remove", source)),
        };
    }
}

/// The tensors of each file: as many as go into it, in the order of their groups and numbers. Groups
/// without tensors are in the first.
fn split(store: &Store, most: u64) -> Result<Vec<Store>> {
    let mut order: Vec<(&String, &Stored)> = store.tensors.iter().collect();
    order.sort_by_key(|(path, _)| (parent(path), path.len(), *path));
    let mut problems = Problems::default();
    let mut first = Store { groups: store.groups.clone(), ..Store::default() };
    order.iter().for_each(|(path, _)| drop(first.groups.remove(parent(path))));
    let mut shards = Vec::new();
    let (mut shard, mut size) = (first, 0_u64);
    for (path, tensor) in order {
        let bytes = tensor.bytes();
        if bytes > most {
            problems.push(Error::input(format_args!("{bytes} bytes in files of at most {most}")).at(path));
        }
        size = size.saturating_add(bytes);
        if size > most {
            shards.push(std::mem::take(&mut shard));
            size = bytes;
        }
        let group = parent(path);
        let attributes = || store.groups.get(group).cloned().unwrap_or_default();
        shard.groups.entry(group.to_owned()).or_insert_with(attributes);
        shard.tensors.insert(path.clone(), tensor.clone());
    }
    shards.push(shard);
    problems.finish().map(|()| shards)
}
