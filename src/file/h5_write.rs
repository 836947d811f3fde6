//! Writes HDF5 files the way h5py writes them for Keras, without holding a tensor longer than it
//! takes to pass it on.
//!
//! The layout of the whole file is known before the first byte goes out: metadata first, then the
//! datasets in the order in which they were declared.

mod encode;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bytes::Bytes;

use super::h5::{Attribute, Attributes, ElementType};
use super::store::{Sink, ahead};
use crate::error::{Error, Result};
use encode::{Encoder, Entry, Target};

/// Datasets start at multiples of this, so that a mapped file can be used where it lies.
const ALIGNMENT: u64 = 64;
/// HDF5's own limit.
const MAX_RANK: usize = 32;

/// Collects the tree of a file to be written.
#[derive(Default)]
pub(crate) struct H5Builder {
    objects: BTreeMap<String, Object>,
    datasets: Vec<Dataset>,
}

enum Object {
    Group(Attributes),
    Dataset(usize),
    /// Another name of the object at this path.
    Link(String),
}

struct Dataset {
    path: String,
    shape: Vec<usize>,
    element: ElementType,
    attributes: Attributes,
    len: u64,
}

/// Where everything in a file goes.
pub(crate) struct H5Layout {
    metadata: Vec<u8>,
    datasets: Vec<Placed>,
    len: u64,
}

struct Placed {
    path: String,
    address: u64,
    len: u64,
}

impl H5Builder {
    /// Adds a group, and the groups above it; `""` is the root.
    ///
    /// A group that exists already gets these attributes beside its own.
    ///
    /// # Errors
    /// When the path is no HDF5 path, or there is a dataset at or above it.
    pub(crate) fn group(&mut self, path: &str, attributes: Attributes) -> Result<()> {
        self.parents(path)?;
        match self.objects.entry(path.into()).or_insert_with(|| Object::Group(Attributes::new())) {
            Object::Group(present) => present.extend(attributes),
            Object::Dataset(_) | Object::Link(_) => return Err(taken(path)),
        }
        Ok(())
    }

    /// Adds a dataset, and the groups above it. Its shape is in C order; `[]` is a scalar.
    ///
    /// # Errors
    /// When there is something at the path already, or HDF5 or Keras has no such dataset.
    pub(crate) fn dataset(
        &mut self,
        path: &str,
        shape: &[usize],
        element: ElementType,
        mut attributes: Attributes,
    ) -> Result<()> {
        self.parents(path)?;
        if path.is_empty() || self.objects.contains_key(path) {
            return Err(taken(path));
        }
        if shape.len() > MAX_RANK {
            let rank = shape.len();
            return Err(Error::input(format_args!("{path:?}: HDF5 has at most {MAX_RANK} axes, got {rank}")));
        }
        if let ElementType::Other { description, .. } = &element {
            return Err(Error::input(format_args!("{path:?}: cannot write elements that are {description}")));
        }
        if element == ElementType::BF16 {
            let name = Attribute::Str("bfloat16".into());
            if attributes.insert("dtype".into(), name.clone()).is_some_and(|given| given != name) {
                return Err(Error::input(format_args!(
                    "{path:?}: the attribute \"dtype\" is not \"bfloat16\""
                )));
            }
        }
        let len = shape.iter().try_fold(element.size() as u64, |len, axis| len.checked_mul(*axis as u64));
        let Some(len) = len else {
            return Err(Error::input(format_args!("{path:?}: the shape {shape:?} is too large")));
        };
        self.objects.insert(path.into(), Object::Dataset(self.datasets.len()));
        self.datasets.push(Dataset { path: path.into(), shape: shape.to_vec(), element, attributes, len });
        Ok(())
    }

    /// Adds another name of an object, and the groups above the name: a hard link. The object is one that
    /// comes later by its path.
    ///
    /// # Errors
    /// When there is something at the path already, or the object cannot come later.
    pub(crate) fn link(&mut self, path: &str, object: &str) -> Result<()> {
        self.parents(path)?;
        if path.is_empty() || self.objects.contains_key(path) {
            return Err(taken(path));
        }
        if object <= path {
            return Err(Error::input(format_args!("{path:?} cannot be another name of {object:?}")));
        }
        self.objects.insert(path.into(), Object::Link(object.into()));
        Ok(())
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        if path.split('/').any(|part| part.is_empty() || part == "." || part.contains('\0')) {
            return Err(Error::input(format_args!("{path:?} is not a path in an HDF5 file")));
        }
        for (end, _) in path.match_indices('/') {
            let parent = path.get(..end).unwrap_or_default();
            match self.objects.get(parent) {
                Some(Object::Group(_)) => {}
                Some(Object::Dataset(_) | Object::Link(_)) => return Err(taken(parent)),
                None => drop(self.objects.insert(parent.into(), Object::Group(Attributes::new()))),
            }
        }
        Ok(())
    }

    /// Computes the layout.
    ///
    /// # Errors
    /// When an attribute cannot be stored: of an unknown kind, or too long for an object header.
    pub(crate) fn finish(mut self) -> Result<H5Layout> {
        self.group("", Attributes::new())?;
        let mut encoder = Encoder::new();
        let mut members: BTreeMap<&str, Vec<(&str, Entry)>> = BTreeMap::new();
        let mut root = None;
        let linked = self.objects.values().filter_map(|object| match object {
            Object::Link(object) => Some(object.as_str()),
            _ => None,
        });
        let linked: BTreeSet<&str> = linked.collect();
        let mut known: BTreeMap<&str, Entry> = BTreeMap::new();
        // Backwards, every object comes before the group that it is in.
        for (path, object) in self.objects.iter().rev() {
            let entry = match object {
                Object::Group(attributes) => {
                    let mut links = members.remove(path.as_str()).unwrap_or_default();
                    links.reverse();
                    encoder.group(&links, attributes)
                }
                Object::Dataset(index) => match self.datasets.get(*index) {
                    Some(dataset) => encoder.dataset(
                        &dataset.shape,
                        &dataset.element,
                        dataset.len,
                        *index,
                        &dataset.attributes,
                    ),
                    None => continue,
                },
                Object::Link(object) => match known.get(object.as_str()) {
                    Some(entry) => Ok(encoder.link(*entry)),
                    None => Err(Error::input(format_args!("another name of {object:?}, which is not there"))),
                },
            };
            let entry = entry.map_err(|error| error.at(format_args!("{path:?}")))?;
            if linked.contains(path.as_str()) {
                known.insert(path, entry);
            }
            if path.is_empty() {
                root = Some(entry);
            } else {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                members.entry(parent).or_default().push((name, entry));
            }
        }
        let Some(root) = root else { return Err(Error::input("an HDF5 file needs a root group")) };
        let heaps = encoder.heaps();
        let mut datasets = Vec::with_capacity(self.datasets.len());
        let mut end = encoder.len();
        for Dataset { path, len, .. } in self.datasets {
            let place = end.checked_next_multiple_of(ALIGNMENT);
            let Some((address, after)) = place.and_then(|at| Some((at, at.checked_add(len)?))) else {
                return Err(Error::input("the HDF5 file would be too large"));
            };
            end = if len == 0 { end } else { after };
            datasets.push(Placed { path, address, len });
        }
        let metadata = encoder.finish(&root, end, |target| match target {
            Target::Heap(index) => heaps.get(index).copied(),
            Target::Data(index) => datasets.get(index).map(|placed| placed.address),
        });
        Ok(H5Layout { metadata, datasets, len: end })
    }
}

impl H5Layout {
    /// The size of the file, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes the file. `data` is asked for one dataset after the other, by path, in the order in
    /// which they were declared: raw elements, little-endian, in C order, in as many pieces as it likes.
    /// It is asked on another thread, while what it gave before is written.
    ///
    /// # Errors
    /// When `data` fails or gives another number of bytes than declared, or writing fails.
    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        data: impl Fn(&str, &mut Sink<'_>) -> Result<()> + Sync,
    ) -> Result<()> {
        let fail = |source| Error::io("cannot write the HDF5 file", source);
        out.write_all(&self.metadata).map_err(fail)?;
        let mut position = self.metadata.len() as u64;
        let make = |put: &mut dyn FnMut((u64, Bytes)) -> Result<()>| {
            self.datasets.iter().try_for_each(|Placed { path, address, len }| {
                let mut written = 0_u64;
                data(path, &mut |piece| {
                    let place = address.saturating_add(written);
                    written = written.saturating_add(piece.len() as u64);
                    if piece.is_empty() || written > *len { Ok(()) } else { put((place, piece)) }
                })?;
                match written == *len {
                    true => Ok(()),
                    false => Err(Error::input(format_args!("{path:?}: expected {len} bytes, got {written}"))),
                }
            })
        };
        ahead(make, |(place, piece): (u64, Bytes)| {
            let gap = usize::try_from(place.saturating_sub(position)).unwrap_or(0);
            let padding = [0; ALIGNMENT as usize];
            out.write_all(padding.get(..gap).unwrap_or(&padding)).map_err(fail)?;
            position = place.saturating_add(piece.len() as u64);
            out.write_all(&piece).map_err(fail)
        })
    }
}

fn taken(path: &str) -> Error {
    Error::input(format_args!("{path:?} is given twice, or as a dataset and as a group"))
}

#[cfg(test)]
mod tests;
