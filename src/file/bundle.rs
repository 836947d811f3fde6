//! TensorFlow's checkpoints: an index and data files, and the graph of the objects that were saved.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use prost::encoding::decode_varint;

use super::h5::ElementType;
use super::map::map;
use super::proto::{
    BundleEntry, BundleHeader, STRING, SerializedTensor, SlotVariable, TensorShape, TrackableObject, decode,
    parts,
};
use super::store::Stored;
use super::table::{self, masked};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Behind the prefix of a checkpoint, the name of its index.
const INDEX: &str = ".index";
/// The key of the graph of the objects.
const GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";
/// What an object that is a variable calls its value.
const VALUE: &str = "VARIABLE_VALUE";
/// The most axes that a tensor of TensorFlow has.
const MOST_AXES: usize = 254;

const ELEMENTS: [(i32, ElementType); 13] = [
    (1, ElementType::F32),
    (2, ElementType::F64),
    (3, ElementType::I32),
    (4, ElementType::U8),
    (5, ElementType::I16),
    (6, ElementType::I8),
    (9, ElementType::I64),
    (10, ElementType::Bool),
    (14, ElementType::BF16),
    (17, ElementType::U16),
    (19, ElementType::F16),
    (22, ElementType::U32),
    (23, ElementType::U64),
];

/// A checkpoint: its tensors by key, and the graph of its objects.
#[derive(Debug)]
pub(crate) struct Bundle {
    tensors: BTreeMap<String, Stored>,
    strings: BTreeMap<String, Strings>,
    limits: Limits,
}

/// A tensor of strings: where they are, and how many.
#[derive(Debug)]
struct Strings {
    bytes: Bytes,
    count: u64,
    crc: u32,
}

impl Bundle {
    /// Whether there is a checkpoint with that prefix.
    pub(crate) fn is_at(prefix: &Path) -> bool {
        beside(prefix, INDEX).is_file()
    }

    /// Opens the checkpoint whose files are called `prefix`, and `.index` or `.data-00000-of-00001`.
    ///
    /// # Errors
    /// When the index is damaged, does not fit the data, or is beyond the limits.
    pub(crate) fn open(prefix: &Path, limits: &Limits) -> Result<Self> {
        let index = regular(&beside(prefix, INDEX), limits)?;
        let mut entries = table::read(&index, limits)?;
        let header = entries.remove("").ok_or_else(|| Error::damaged("the checkpoint has no header"))?;
        let header: BundleHeader = decode(header)?;
        if header.endianness != 0 {
            return Err(Error::unsupported("a checkpoint of a big-endian machine"));
        }
        let mut shards = BTreeMap::new();
        let mut bundle = Self { tensors: BTreeMap::new(), strings: BTreeMap::new(), limits: limits.clone() };
        for (key, entry) in entries {
            let entry = decode::<BundleEntry>(entry).and_then(|entry| {
                let shard = entry.shard;
                if !(0..header.shards).contains(&shard) {
                    return Err(Error::damaged(format_args!("shard {shard} of {}", header.shards)));
                }
                let data = match shards.entry(shard) {
                    Entry::Occupied(data) => data.get().clone(),
                    Entry::Vacant(place) => {
                        let name = format!(".data-{shard:05}-of-{:05}", header.shards);
                        place.insert(regular(&beside(prefix, &name), limits)?).clone()
                    }
                };
                bundle.insert(&key, entry, &data)
            });
            entry.map_err(|error| error.at(format_args!("{key:?}")))?;
        }
        Ok(bundle)
    }

    fn insert(&mut self, key: &str, entry: BundleEntry, data: &Bytes) -> Result<()> {
        let shape = axes(entry.shape.as_ref())?;
        let element = ELEMENTS.iter().find(|(number, _)| *number == entry.dtype);
        let unreadable = match element {
            _ if !entry.slices.is_empty() => Some("in slices".to_owned()),
            None if entry.dtype != STRING => Some(format!("of TensorFlow's type {}", entry.dtype)),
            _ => None,
        };
        if let Some(what) = unreadable {
            let error = format!("a tensor {what}");
            let element = ElementType::Other { description: what, size: 0 };
            let tensor = Stored::new(shape, element, move || Err(Error::unsupported(&error)));
            self.tensors.insert(key.to_owned(), tensor);
            return Ok(());
        }
        let bytes = usize::try_from(entry.offset).ok().zip(usize::try_from(entry.size).ok());
        let range = bytes.and_then(|(start, size)| Some(start..start.checked_add(size)?));
        let range = range.filter(|range| range.end <= data.len()).ok_or_else(|| {
            let (size, offset, len) = (entry.size, entry.offset, data.len());
            Error::damaged(format_args!("{size} bytes at {offset} of a file of {len}: it is cut off"))
        })?;
        let (bytes, crc) = (data.slice(range), entry.crc);
        let Some((_, element)) = element else {
            let count = shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size as u64));
            self.strings.insert(key.to_owned(), Strings { bytes, count, crc });
            return Ok(());
        };
        let found = bytes.len() as u64;
        let tensor = Stored::new(shape, element.clone(), move || {
            check(crc, crc32c::crc32c(&bytes)).map(|()| bytes.clone())
        });
        if tensor.bytes() != found {
            let shape = &tensor.shape;
            return Err(Error::damaged(format_args!(
                "expected {} bytes for the shape {shape:?}, got {found}",
                tensor.bytes()
            )));
        }
        self.tensors.insert(key.to_owned(), tensor);
        Ok(())
    }

    /// The tensors of numbers, by key.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, Stored> {
        &self.tensors
    }

    /// The strings under `key`, if there are any.
    ///
    /// # Errors
    /// When they are damaged.
    pub(crate) fn strings(&self, key: &str) -> Result<Option<Vec<Bytes>>> {
        let strings = self.strings.get(key).map(|strings| strings.read(&self.limits));
        strings.transpose().map_err(|error| error.at(format_args!("{key:?}")))
    }

    /// The graph of the objects that were saved.
    ///
    /// # Errors
    /// When it is damaged, or there is none, as in checkpoints of TensorFlow 1.
    pub(crate) fn objects(&self) -> Result<Objects> {
        let graph = self.strings(GRAPH)?.unwrap_or_default();
        match graph.as_slice() {
            [graph] => Objects::read(graph, &self.limits).map_err(|error| error.at(GRAPH)),
            _ => Err(Error::unsupported("a checkpoint without the graph of its objects, as by TensorFlow 1")),
        }
    }
}

impl Strings {
    /// Their lengths stand first, and a checksum of those; then the strings.
    fn read(&self, limits: &Limits) -> Result<Vec<Bytes>> {
        let fault = || Error::damaged("the strings are cut off");
        Limits::check("strings of a tensor", self.count, limits.entries as u64)?;
        let mut rest = self.bytes.clone();
        let (mut lengths, mut crc) = (Vec::new(), 0);
        for _ in 0..self.count {
            let length = decode_varint(&mut rest).map_err(|error| fault().with_source(error))?;
            crc = match u32::try_from(length) {
                Ok(short) => crc32c::crc32c_append(crc, &short.to_le_bytes()),
                Err(_) => crc32c::crc32c_append(crc, &length.to_le_bytes()),
            };
            lengths.push(usize::try_from(length).map_err(|_| fault())?);
        }
        if rest.len() < 4 {
            return Err(fault());
        }
        let crc = crc32c::crc32c_append(crc, rest.get(..4).unwrap_or_default());
        rest.advance(4);
        check(self.crc, crc32c::crc32c_append(crc, &rest))?;
        let mut strings = Vec::new();
        for length in lengths {
            if length > rest.len() {
                return Err(fault());
            }
            strings.push(rest.split_to(length));
        }
        if rest.is_empty() { Ok(strings) } else { Err(fault()) }
    }
}

/// The objects that were saved, as a graph: a model has layers, which have variables.
#[derive(Debug)]
pub(crate) struct Objects {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<String, usize>,
    /// What it keeps.
    tensors: Vec<SerializedTensor>,
    slots: Vec<SlotVariable>,
}

impl Objects {
    fn read(graph: &Bytes, limits: &Limits) -> Result<Self> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut entries = 0_u64;
        for node in parts(graph.clone(), 1) {
            let node: TrackableObject = decode(node?)?;
            let count = 1 + node.children.len() + node.tensors.len() + node.slots.len();
            entries = entries.saturating_add(count as u64);
            Limits::check("entries of the graph of objects", entries, limits.entries as u64)?;
            let children = node.children.into_iter();
            let children = children.map(|child| Some((child.name, usize::try_from(child.node).ok()?)));
            let children: Option<_> = children.collect();
            nodes.push(Node {
                children: children.ok_or_else(|| Error::damaged("a child before the first object"))?,
                tensors: node.tensors,
                slots: node.slots,
            });
        }
        if nodes.iter().flat_map(|node| node.children.values()).any(|child| *child >= nodes.len()) {
            return Err(Error::damaged("a child that is no object"));
        }
        Ok(Self { nodes })
    }

    /// The object that a path of names leads to, from the object `from`; the root is object 0.
    pub(crate) fn find(&self, from: usize, path: &[&str]) -> Option<usize> {
        path.iter().try_fold(from, |node, name| self.nodes.get(node)?.children.get(*name).copied())
    }

    /// What an object calls others, and which.
    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = (&str, usize)> {
        let children = self.nodes.get(node).into_iter().flat_map(|node| &node.children);
        children.map(|(name, child)| (name.as_str(), *child))
    }

    /// The key of the tensor that an object is the variable of.
    pub(crate) fn variable(&self, node: usize) -> Option<&str> {
        self.value(node).map(|value| value.key.as_str())
    }

    /// The name that a variable had in TensorFlow: `Adam/m/dense/kernel`.
    pub(crate) fn full_name(&self, node: usize) -> Option<&str> {
        self.value(node).map(|value| value.full_name.as_str())
    }

    fn value(&self, node: usize) -> Option<&SerializedTensor> {
        self.nodes.get(node)?.tensors.iter().find(|tensor| tensor.name == VALUE)
    }

    /// What an optimizer of the old kind keeps: the variable, the name, and the object that holds it.
    pub(crate) fn slots(&self, optimizer: usize) -> impl Iterator<Item = (usize, &str, usize)> {
        let slots = self.nodes.get(optimizer).into_iter().flat_map(|node| &node.slots);
        slots.filter_map(|slot| {
            let (original, variable) = (usize::try_from(slot.original), usize::try_from(slot.variable));
            Some((original.ok()?, slot.name.as_str(), variable.ok()?))
        })
    }
}

/// The contents of a regular file. A link may lead anywhere, and is not followed.
pub(super) fn regular(path: &Path, limits: &Limits) -> Result<Bytes> {
    let fail = |source| Error::io(format_args!("cannot open {}", path.display()), source);
    let metadata = std::fs::symlink_metadata(path).map_err(fail)?;
    if metadata.is_symlink() {
        return Err(Error::damaged(format_args!("{} is a symbolic link", path.display())));
    }
    Limits::check("size in bytes", metadata.len(), limits.member_bytes)?;
    map(path)
}

fn beside(prefix: &Path, ending: &str) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn check(expected: u32, crc: u32) -> Result<()> {
    let found = masked(crc);
    if found != expected {
        return Err(Error::damaged(format_args!("expected the checksum {expected:08x}, got {found:08x}")));
    }
    Ok(())
}

fn axes(shape: Option<&TensorShape>) -> Result<Vec<usize>> {
    let Some(shape) = shape else { return Ok(Vec::new()) };
    if shape.has_unknown_rank || shape.axes.len() > MOST_AXES {
        return Err(Error::damaged("a tensor without a sound shape"));
    }
    let axes = shape.axes.iter().map(|axis| usize::try_from(axis.size).ok());
    axes.collect::<Option<_>>().ok_or_else(|| Error::damaged("an axis of negative length"))
}

#[cfg(test)]
mod tests;
