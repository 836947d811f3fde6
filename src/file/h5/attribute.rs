//! Attributes, and the global heaps that hold their text.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::messages::dataspace::DataspaceType;
use hdf5_reader::{ByteOrder, Datatype, StringPadding, StringSize, VarLenKind};

use crate::error::{Error, Result};
use crate::limits::Limits;

/// The attributes of an object, by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Str(String),
    /// A list of strings, or any empty list: h5py does not record what an empty list is of.
    Strs(Vec<String>),
    Int(i64),
    Float(f64),
    /// Anything else, such as text that is not UTF-8, or an array of numbers.
    Other,
}

impl Attribute {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }
}

/// Decodes attributes, within a budget for all text of the file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    base: u64,
    offset_size: u8,
    length_size: u8,
    limits: &'a Limits,
    text: u64,
    heaps: HashMap<u64, HashMap<u16, Range<usize>>>,
    objects: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        superblock: &hdf5_reader::superblock::Superblock,
        limits: &'a Limits,
    ) -> Self {
        Self {
            bytes,
            base: superblock.base_address,
            offset_size: superblock.offset_size,
            length_size: superblock.length_size,
            limits,
            text: 0,
            heaps: HashMap::new(),
            objects: 0,
        }
    }

    /// Takes `len` bytes off the budget for text.
    pub(super) fn take(&mut self, len: usize) -> Result<()> {
        self.text = self.text.saturating_add(len as u64);
        Limits::check("text in paths and attributes, in bytes", self.text, self.limits.text_bytes)?;
        // Every byte of it may stand in the paths of all that is below, but hardly more often.
        let most = (self.bytes.len() as u64).saturating_mul(self.limits.depth as u64);
        let most = most.max(self.limits.expansion_floor);
        Limits::check("text in paths and attributes of a file of this size, in bytes", self.text, most)
    }

    pub(super) fn read<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m AttributeMessage>,
    ) -> Result<Attributes> {
        let mut attributes = Attributes::new();
        for message in messages {
            let name = &message.name;
            self.take(name.len())?;
            let value = self.value(message).map_err(|error| error.at(format_args!("attribute {name:?}")))?;
            if attributes.insert(name.clone(), value).is_some() {
                return Err(Error::damaged(format_args!("two attributes are called {name:?}")));
            }
        }
        Ok(attributes)
    }

    fn value(&mut self, message: &AttributeMessage) -> Result<Attribute> {
        let raw = message.raw_data.as_slice();
        let scalar = match message.dataspace.dataspace_type {
            DataspaceType::Null => return Ok(Attribute::Other),
            DataspaceType::Scalar => true,
            DataspaceType::Simple => false,
        };
        let count = message.dataspace.num_elements();
        let count = count.map_err(|error| Error::damaged(format_args!("HDF5: {error}")))?;
        if !scalar && count == 0 {
            return Ok(Attribute::Strs(Vec::new()));
        }
        match &message.datatype {
            Datatype::String { size: StringSize::Fixed(width), padding, .. } => {
                let texts = elements(raw, *width as usize, count)?;
                self.texts(texts.map(Some), *padding, scalar)
            }
            Datatype::VarLen { base, kind: VarLenKind::String, padding, .. }
                if base.is_vlen_string_base() =>
            {
                let width = 8 + usize::from(self.offset_size);
                let mut texts = Vec::new();
                for reference in elements(raw, width, count)? {
                    texts.push(self.referenced(reference)?);
                }
                self.texts(texts.into_iter(), *padding, scalar)
            }
            Datatype::FixedPoint { signed, byte_order, .. } if scalar => {
                Ok(int(&little(raw, *byte_order), *signed).map_or(Attribute::Other, Attribute::Int))
            }
            Datatype::Enum { base, .. } if scalar => match **base {
                Datatype::FixedPoint { signed, byte_order, .. } => {
                    Ok(int(&little(raw, byte_order), signed).map_or(Attribute::Other, Attribute::Int))
                }
                _ => Ok(Attribute::Other),
            },
            Datatype::FloatingPoint { byte_order, .. } if scalar => {
                Ok(float(&little(raw, *byte_order)).map_or(Attribute::Other, Attribute::Float))
            }
            _ => Ok(Attribute::Other),
        }
    }

    fn texts<'b>(
        &mut self,
        texts: impl Iterator<Item = Option<&'b [u8]>>,
        padding: StringPadding,
        scalar: bool,
    ) -> Result<Attribute> {
        let mut strings = Vec::new();
        for bytes in texts {
            let bytes = bytes.unwrap_or_default();
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            let mut bytes = bytes.get(..end).unwrap_or_default();
            while padding == StringPadding::SpacePad
                && let Some(shorter) = bytes.strip_suffix(b" ")
            {
                bytes = shorter;
            }
            // The container of a string counts too: a list may have millions of empty ones.
            self.take(bytes.len().saturating_add(size_of::<String>()))?;
            match std::str::from_utf8(bytes) {
                Ok(text) => strings.push(text.to_owned()),
                Err(_) => return Ok(Attribute::Other),
            }
        }
        match strings.pop() {
            Some(only) if scalar => Ok(Attribute::Str(only)),
            last => Ok(Attribute::Strs(strings.into_iter().chain(last).collect())),
        }
    }

    /// The bytes that a variable-length value refers to; `None` for an empty one.
    fn referenced(&mut self, reference: &[u8]) -> Result<Option<&'a [u8]>> {
        let fault = || Error::damaged("HDF5: the text is not where its reference leads to");
        let address_end = 4 + usize::from(self.offset_size);
        let len = uint(reference.get(..4)).ok_or_else(fault)?;
        let address = uint(reference.get(4..address_end)).ok_or_else(fault)?;
        let index = uint(reference.get(address_end..)).ok_or_else(fault)?;
        if len == 0 || index == 0 {
            return Ok(None);
        }
        if !self.heaps.contains_key(&address) {
            let heap = self.heap(address)?;
            self.heaps.insert(address, heap);
        }
        let object = u16::try_from(index)
            .ok()
            .and_then(|index| self.heaps.get(&address)?.get(&index))
            .and_then(|range| self.bytes.get(range.clone()))
            .and_then(|object| object.get(..usize::try_from(len).ok()?));
        object.map(Some).ok_or_else(fault)
    }

    /// Where the objects of a global heap collection are.
    fn heap(&mut self, address: u64) -> Result<HashMap<u16, Range<usize>>> {
        let fault = || Error::damaged(format_args!("HDF5: no sound global heap at {address:#x}"));
        let length_size = usize::from(self.length_size);
        let start = self.base.checked_add(address).and_then(|start| usize::try_from(start).ok());
        let start = start.ok_or_else(fault)?;
        let rest = self.bytes.get(start..).ok_or_else(fault)?;
        if !rest.starts_with(b"GCOL\x01") {
            return Err(fault());
        }
        let size = uint(rest.get(8..8 + length_size)).and_then(|size| usize::try_from(size).ok());
        let collection = size.and_then(|size| rest.get(..size)).ok_or_else(fault)?;
        let mut objects = HashMap::new();
        let mut at = 8 + length_size;
        while let Some(header) = collection.get(at..at.saturating_add(8 + length_size)) {
            let index = uint(header.get(..2)).and_then(|index| u16::try_from(index).ok());
            let index = index.ok_or_else(fault)?;
            if index == 0 {
                break;
            }
            self.objects = self.objects.saturating_add(1);
            Limits::check("objects in global heaps", self.objects, self.limits.entries as u64)?;
            let len = uint(header.get(8..)).and_then(|len| usize::try_from(len).ok()).ok_or_else(fault)?;
            at += 8 + length_size;
            let end = at.checked_add(len).filter(|end| *end <= collection.len()).ok_or_else(fault)?;
            objects.insert(index, start + at..start + end);
            at = end.next_multiple_of(8);
        }
        Ok(objects)
    }
}

fn elements(raw: &[u8], width: usize, count: u64) -> Result<std::slice::ChunksExact<'_, u8>> {
    let expected = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
    if width == 0 || expected != Some(raw.len()) {
        return Err(Error::damaged(format_args!(
            "HDF5: {count} values of {width} bytes in {} bytes",
            raw.len()
        )));
    }
    Ok(raw.chunks_exact(width))
}

fn uint(bytes: Option<&[u8]>) -> Option<u64> {
    let bytes = bytes.filter(|bytes| bytes.len() <= 8)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn little(raw: &[u8], order: ByteOrder) -> Vec<u8> {
    let mut raw = raw.to_vec();
    if order == ByteOrder::BigEndian {
        raw.reverse();
    }
    raw
}

fn int(raw: &[u8], signed: bool) -> Option<i64> {
    let value = uint(Some(raw))?;
    let unused = 64_u32.checked_sub(u32::try_from(raw.len()).ok()?.checked_mul(8)?)?;
    if signed && unused < 64 {
        return Some((value << unused).cast_signed() >> unused);
    }
    i64::try_from(value).ok()
}

fn float(raw: &[u8]) -> Option<f64> {
    match raw.len() {
        4 => Some(f32::from_le_bytes(raw.try_into().ok()?).into()),
        8 => Some(f64::from_le_bytes(raw.try_into().ok()?)),
        _ => None,
    }
}
