//! The subset of the HDF5 format that h5py writes for Keras: superblock version 0, groups with
//! symbol tables, object headers of version 1, contiguous datasets, strings in global heaps.

use super::super::h5::{Attribute, Attributes, ElementType};
use crate::error::{Error, Result};

const UNDEFINED: u64 = u64::MAX;
const SUPERBLOCK: usize = 96;
/// Half the entries of a symbol table node and of a B-tree node, as the superblock announces.
const LEAF_K: u16 = 4;
const INTERNAL_K: u16 = 16;
const NODE_ENTRIES: usize = 2 * LEAF_K as usize;
const NODE_SIZE: usize = 8 + 40 * NODE_ENTRIES;
const TREE_CHILDREN: usize = 2 * INTERNAL_K as usize;
const TREE_SIZE: usize = 24 + 8 * TREE_CHILDREN + 8 * (TREE_CHILDREN + 1);
/// The smallest global heap collection that libhdf5 makes.
const COLLECTION: usize = 4096;
const HEAP_OBJECT_HEADER: usize = 16;

const DATASPACE: u16 = 0x01;
const DATATYPE: u16 = 0x03;
const FILL_VALUE: u16 = 0x05;
const LAYOUT: u16 = 0x08;
const ATTRIBUTE: u16 = 0x0c;
const SYMBOL_TABLE: u16 = 0x11;

/// Something whose address is known only once all metadata is encoded.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Heap(usize),
    Data(usize),
}

/// How a group refers to an object in it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    header: u64,
    /// Addresses of the B-tree and the local heap, if the object is a group.
    group: Option<(u64, u64)>,
}

/// The metadata of a file, in the order in which it is written.
pub(super) struct Encoder {
    out: Vec<u8>,
    references: Vec<(usize, Target)>,
    collections: Vec<Collection>,
}

#[derive(Default)]
struct Collection {
    objects: Vec<u8>,
    count: u16,
}

#[derive(Default)]
struct Header {
    messages: Vec<u8>,
    count: usize,
    references: Vec<(usize, Target)>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self { out: vec![0; SUPERBLOCK], references: Vec::new(), collections: Vec::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.out.len() as u64
    }

    pub(super) fn dataset(
        &mut self,
        shape: &[usize],
        element: &ElementType,
        len: u64,
        index: usize,
        attributes: &Attributes,
    ) -> Result<Entry> {
        let mut header = Header::default();
        header.message(DATASPACE, |header| header.messages.extend(dataspace(shape)))?;
        header.message(DATATYPE, |header| header.messages.extend(datatype(element)))?;
        header.message(FILL_VALUE, |header| header.messages.extend([2, 2, 2, 1, 0, 0, 0, 0]))?;
        header.message(LAYOUT, |header| {
            header.messages.extend([3, 1]);
            if len > 0 {
                header.references.push((header.messages.len(), Target::Data(index)));
            }
            header.messages.extend(UNDEFINED.to_le_bytes());
            header.messages.extend(len.to_le_bytes());
        })?;
        self.attributes(&mut header, attributes)?;
        Ok(Entry { header: self.header(header)?, group: None })
    }

    /// A group of `links`, which are sorted by name.
    pub(super) fn group(&mut self, links: &[(&str, Entry)], attributes: &Attributes) -> Result<Entry> {
        let (heap, names) = self.local_heap(links.iter().map(|(name, _)| *name));
        let entries: Vec<_> = links.iter().map(|(_, entry)| entry).zip(names).collect();
        let mut level: Vec<(u64, u64)> = Vec::new();
        for node in entries.chunks(NODE_ENTRIES) {
            level.push((self.symbol_node(node), node.last().map_or(0, |(_, name)| *name)));
        }
        let tree = self.tree(level);
        let mut header = Header::default();
        header.message(SYMBOL_TABLE, |header| {
            header.messages.extend(tree.to_le_bytes());
            header.messages.extend(heap.to_le_bytes());
        })?;
        self.attributes(&mut header, attributes)?;
        Ok(Entry { header: self.header(header)?, group: Some((tree, heap)) })
    }

    /// Returns the address of a heap of names, and the names' offsets in it.
    fn local_heap<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> (u64, Vec<u64>) {
        const NO_FREE_BLOCK: u64 = 1;
        let mut segment = vec![0; 8];
        let mut offsets = Vec::new();
        for name in names {
            offsets.push(segment.len() as u64);
            segment.extend(name.as_bytes());
            segment.push(0);
            pad(&mut segment);
        }
        let address = self.len();
        self.out.extend(b"HEAP\0\0\0\0");
        for field in [segment.len() as u64, NO_FREE_BLOCK, address + 32] {
            self.out.extend(field.to_le_bytes());
        }
        self.out.extend(segment);
        (address, offsets)
    }

    fn symbol_node(&mut self, entries: &[(&Entry, u64)]) -> u64 {
        let address = self.len();
        let end = self.out.len() + NODE_SIZE;
        self.out.extend(b"SNOD\x01\0");
        self.out.extend((entries.len() as u16).to_le_bytes());
        for (entry, name) in entries {
            symbol_entry(&mut self.out, entry, *name);
        }
        self.out.resize(end, 0);
        address
    }

    /// A B-tree over nodes, each with the offset of its last name; returns the root's address.
    fn tree(&mut self, mut level: Vec<(u64, u64)>) -> u64 {
        let mut height = 0_u8;
        loop {
            let first = self.len();
            let nodes = level.len().div_ceil(TREE_CHILDREN).max(1);
            let mut above = Vec::with_capacity(nodes);
            let mut key = 0_u64;
            for (index, node) in (0..nodes).zip(level.chunks(TREE_CHILDREN).chain(std::iter::once(&[][..]))) {
                let address = self.len();
                let end = self.out.len() + TREE_SIZE;
                let left = if index == 0 { UNDEFINED } else { address - TREE_SIZE as u64 };
                let right = if index + 1 == nodes { UNDEFINED } else { address + TREE_SIZE as u64 };
                self.out.extend(b"TREE\0");
                self.out.push(height);
                self.out.extend((node.len() as u16).to_le_bytes());
                for field in [left, right, key] {
                    self.out.extend(field.to_le_bytes());
                }
                for (child, last) in node {
                    self.out.extend(child.to_le_bytes());
                    self.out.extend(last.to_le_bytes());
                    key = *last;
                }
                self.out.resize(end, 0);
                above.push((address, key));
            }
            if nodes == 1 {
                return first;
            }
            level = above;
            height = height.saturating_add(1);
        }
    }

    fn header(&mut self, header: Header) -> Result<u64> {
        let address = self.len();
        let count = u16::try_from(header.count);
        let size = u32::try_from(header.messages.len());
        let (Ok(count), Ok(size)) = (count, size) else {
            return Err(Error::input("too many attributes for an object header"));
        };
        self.out.extend([1, 0]);
        self.out.extend(count.to_le_bytes());
        self.out.extend(1_u32.to_le_bytes());
        self.out.extend(size.to_le_bytes());
        self.out.extend([0; 4]);
        let start = self.out.len();
        self.references.extend(header.references.into_iter().map(|(at, target)| (start + at, target)));
        self.out.extend(header.messages);
        Ok(address)
    }

    /// Another name of an object, which counts its names.
    pub(super) fn link(&mut self, object: Entry) -> Entry {
        const COUNT: usize = 4;
        let at = usize::try_from(object.header).unwrap_or(usize::MAX).saturating_add(COUNT);
        let count = self.out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>);
        if let Some(count) = count {
            *count = u32::from_le_bytes(*count).saturating_add(1).to_le_bytes();
        }
        object
    }

    fn attributes(&mut self, header: &mut Header, attributes: &Attributes) -> Result<()> {
        for (name, attribute) in attributes {
            self.attribute(header, name, attribute)
                .map_err(|error| error.at(format_args!("attribute {name:?}")))?;
        }
        Ok(())
    }

    fn attribute(&mut self, header: &mut Header, name: &str, attribute: &Attribute) -> Result<()> {
        if name.is_empty() || name.contains('\0') {
            return Err(Error::input("the name is empty or contains a NUL"));
        }
        let Ok(name_size) = u16::try_from(name.len() + 1) else {
            return Err(Error::input(format_args!("the name has {} bytes, which is too long", name.len())));
        };
        let (datatype, space) = match attribute {
            Attribute::Str(_) => (string_type(), dataspace(&[])),
            // h5py makes an array of doubles of an empty list, whatever it is a list of.
            Attribute::Strs(all) if all.is_empty() => (datatype(&ElementType::F64), dataspace(&[0])),
            Attribute::Strs(all) => (string_type(), dataspace(&[all.len()])),
            Attribute::Int(_) => (datatype(&ElementType::I64), dataspace(&[])),
            Attribute::Float(_) => (datatype(&ElementType::F64), dataspace(&[])),
            Attribute::Other => return Err(Error::input("cannot be written: its value was not understood")),
        };
        let mut values = Vec::new();
        let texts = match attribute {
            Attribute::Str(text) => std::slice::from_ref(text),
            Attribute::Strs(texts) => texts,
            _ => &[],
        };
        for text in texts {
            values.push(self.text(text)?);
        }
        header.message(ATTRIBUTE, |header| {
            let out = &mut header.messages;
            out.extend([1, 0]);
            for size in [name_size, datatype.len() as u16, space.len() as u16] {
                out.extend(size.to_le_bytes());
            }
            out.extend(name.as_bytes());
            out.push(0);
            pad(out);
            out.extend(&datatype);
            pad(out);
            out.extend(&space);
            match attribute {
                Attribute::Int(value) => out.extend(value.to_le_bytes()),
                Attribute::Float(value) => out.extend(value.to_le_bytes()),
                _ => {}
            }
            for (len, object) in values {
                header.messages.extend(len.to_le_bytes());
                if let Some((collection, _)) = object {
                    header.references.push((header.messages.len(), Target::Heap(collection)));
                }
                header.messages.extend(0_u64.to_le_bytes());
                header.messages.extend(object.map_or(0, |(_, index)| u32::from(index)).to_le_bytes());
            }
        })
    }

    /// Puts a string into a global heap; returns its length, its collection and its index there.
    fn text(&mut self, text: &str) -> Result<(u32, Option<(usize, u16)>)> {
        if text.contains('\0') {
            return Err(Error::input("contains a NUL, which ends a string in HDF5"));
        }
        let Ok(len) = u32::try_from(text.len()) else {
            return Err(Error::input(format_args!("a string of {} bytes is too long", text.len())));
        };
        if len == 0 {
            return Ok((0, None));
        }
        let need = HEAP_OBJECT_HEADER + text.len().next_multiple_of(8);
        let used = HEAP_OBJECT_HEADER + self.collections.last().map_or(COLLECTION, |last| last.objects.len());
        if used + need > COLLECTION {
            self.collections.push(Collection::default());
        }
        let index = self.collections.len().saturating_sub(1);
        let Some(collection) = self.collections.last_mut() else {
            return Err(Error::input("no place for a string"));
        };
        collection.count += 1;
        collection.objects.extend(collection.count.to_le_bytes());
        collection.objects.extend([0; 6]);
        collection.objects.extend(u64::from(len).to_le_bytes());
        collection.objects.extend(text.as_bytes());
        pad(&mut collection.objects);
        Ok((len, Some((index, collection.count))))
    }

    /// Writes the global heaps; returns their addresses.
    pub(super) fn heaps(&mut self) -> Vec<u64> {
        let mut addresses = Vec::with_capacity(self.collections.len());
        for collection in std::mem::take(&mut self.collections) {
            let address = self.len();
            addresses.push(address);
            let used = 16 + collection.objects.len();
            let size = used.max(COLLECTION);
            let end = self.out.len() + size;
            self.out.extend(b"GCOL\x01\0\0\0");
            self.out.extend((size as u64).to_le_bytes());
            self.out.extend(collection.objects);
            let free = size - used;
            if free >= HEAP_OBJECT_HEADER {
                self.out.extend([0; 8]);
                self.out.extend((free as u64).to_le_bytes());
            }
            self.out.resize(end, 0);
        }
        addresses
    }

    /// Fills in the superblock and every address that was not known before.
    pub(super) fn finish(
        mut self,
        root: &Entry,
        end_of_file: u64,
        address_of: impl Fn(Target) -> Option<u64>,
    ) -> Vec<u8> {
        let mut superblock = b"\x89HDF\r\n\x1a\n".to_vec();
        superblock.extend([0, 0, 0, 0, 0, 8, 8, 0]);
        superblock.extend(LEAF_K.to_le_bytes());
        superblock.extend(INTERNAL_K.to_le_bytes());
        superblock.extend([0; 4]);
        for field in [0, UNDEFINED, end_of_file, UNDEFINED] {
            superblock.extend(field.to_le_bytes());
        }
        symbol_entry(&mut superblock, root, 0);
        overwrite(&mut self.out, 0, &superblock);
        for (at, target) in std::mem::take(&mut self.references) {
            overwrite(&mut self.out, at, &address_of(target).unwrap_or(UNDEFINED).to_le_bytes());
        }
        self.out
    }
}

impl Header {
    fn message(&mut self, kind: u16, write: impl FnOnce(&mut Self)) -> Result<()> {
        let start = self.messages.len();
        self.messages.extend(kind.to_le_bytes());
        self.messages.extend([0; 6]);
        write(self);
        pad(&mut self.messages);
        let size = self.messages.len() - start - 8;
        let Ok(field) = u16::try_from(size) else {
            return Err(Error::input(format_args!(
                "needs {size} bytes, and an object header has at most {} for it",
                u16::MAX
            )));
        };
        overwrite(&mut self.messages, start + 2, &field.to_le_bytes());
        self.count += 1;
        Ok(())
    }
}

fn overwrite(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

fn symbol_entry(out: &mut Vec<u8>, entry: &Entry, name: u64) {
    let (kind, tree, heap) = entry.group.map_or((0_u64, 0, 0), |(tree, heap)| (1, tree, heap));
    for field in [name, entry.header, kind, tree, heap] {
        out.extend(field.to_le_bytes());
    }
}

fn dataspace(shape: &[usize]) -> Vec<u8> {
    let mut out = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
    for axis in shape {
        out.extend((*axis as u64).to_le_bytes());
    }
    out
}

/// Where the parts of a floating-point number are, in bits, and the bias of its exponent.
struct Float {
    sign: u8,
    exponent: [u8; 2],
    mantissa: [u8; 2],
    bias: u32,
}

fn datatype(element: &ElementType) -> Vec<u8> {
    let size = element.size() as u32;
    match element {
        ElementType::F16 => float(size, &Float { sign: 15, exponent: [10, 5], mantissa: [0, 10], bias: 15 }),
        ElementType::F32 => float(size, &Float { sign: 31, exponent: [23, 8], mantissa: [0, 23], bias: 127 }),
        ElementType::F64 => {
            float(size, &Float { sign: 63, exponent: [52, 11], mantissa: [0, 52], bias: 1023 })
        }
        ElementType::I8 | ElementType::I16 | ElementType::I32 | ElementType::I64 => integer(size, true),
        ElementType::U8 | ElementType::U16 | ElementType::U32 | ElementType::U64 => integer(size, false),
        ElementType::Bool => {
            let mut out = vec![0x18, 2, 0, 0, 1, 0, 0, 0];
            out.extend(integer(1, true));
            out.extend(b"FALSE\0\0\0TRUE\0\0\0\0\x00\x01");
            out
        }
        ElementType::BF16 | ElementType::Opaque(_) | ElementType::Other { .. } => {
            let mut out = vec![0x15, 0, 0, 0];
            out.extend(size.to_le_bytes());
            out
        }
    }
}

fn float(size: u32, parts: &Float) -> Vec<u8> {
    const IMPLIED_LEADING_BIT: u8 = 0x20;
    let mut out = vec![0x11, IMPLIED_LEADING_BIT, parts.sign, 0];
    out.extend(size.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out.extend((size as u16 * 8).to_le_bytes());
    out.extend(parts.exponent);
    out.extend(parts.mantissa);
    out.extend(parts.bias.to_le_bytes());
    out
}

fn integer(size: u32, signed: bool) -> Vec<u8> {
    let mut out = vec![0x10, if signed { 8 } else { 0 }, 0, 0];
    out.extend(size.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out.extend((size as u16 * 8).to_le_bytes());
    out
}

/// Variable-length UTF-8, as h5py stores a Python string.
fn string_type() -> Vec<u8> {
    let mut out = vec![0x19, 1, 1, 0, 16, 0, 0, 0];
    out.extend(integer(1, false));
    out
}
