//! Walks the tree of an HDF5 file, and believes nothing of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use hdf5_reader::fractal_heap::{FractalHeap, FractalHeapDirectBlockCache};
use hdf5_reader::group::Group;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::dataspace::DataspaceType;
use hdf5_reader::messages::filter_pipeline::FilterDescription;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::messages::link::{self, LinkTarget};
use hdf5_reader::messages::link_info::LinkInfoMessage;
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::object_header::ObjectHeader;
use hdf5_reader::symbol_table::SymbolTableNode;
use hdf5_reader::{Hdf5File, RawAttribute, btree_v1, btree_v2};

use super::attribute::{Attribute, Attributes, Reader};
use super::datatype;
use super::{Dataset, ElementType, Storage, guarded, lzf};
use crate::error::{Error, Result};
use crate::limits::Limits;

type Tree = (BTreeMap<String, Attributes>, BTreeMap<String, Dataset>);

pub(super) fn read(file: &Hdf5File, bytes: &Bytes, limits: &Limits) -> Result<Tree> {
    let mut walk = Walk {
        file,
        bytes,
        limits,
        attributes: Reader::new(bytes, file.superblock(), limits),
        groups: BTreeMap::new(),
        datasets: BTreeMap::new(),
        above: Vec::new(),
        seen: HashSet::new(),
        parsed: 0,
        objects: 0,
        decoded: 0,
    };
    walk.group(&guarded(|| file.root_group())?, "")?;
    Ok((walk.groups, walk.datasets))
}

struct Walk<'a> {
    file: &'a Hdf5File,
    bytes: &'a Bytes,
    limits: &'a Limits,
    attributes: Reader<'a>,
    groups: BTreeMap<String, Attributes>,
    datasets: BTreeMap<String, Dataset>,
    /// Addresses of the groups that the present one is in, and its own.
    above: Vec<u64>,
    seen: HashSet<u64>,
    /// Bytes of all object headers; they cannot be more than the file has.
    parsed: usize,
    objects: u64,
    /// Bytes of all datasets that are not in the file as they are.
    decoded: u64,
}

/// What the header of an object and the link to it take at least, in bytes.
const SMALLEST: usize = 24;

struct Link {
    name: String,
    target: LinkTarget,
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, path: &str) -> Result<()> {
        let place = |error: Error| error.at(format_args!("{path:?}"));
        let address = group.address();
        if self.above.contains(&address) {
            return Err(place(Error::damaged("the group contains itself")));
        }
        self.above.push(address);
        Limits::check("nesting of groups", self.above.len() as u64, self.limits.depth as u64)
            .map_err(place)?;
        let header = self.header(address).map_err(place)?;
        let attributes = self.attributes(&header, || group.raw_attributes()).map_err(place)?;
        let links = self.links(&header).map_err(place)?;
        let mut names = BTreeSet::new();
        for Link { name, target } in &links {
            if name.is_empty() || name == "." || name.contains('/') {
                return Err(place(Error::damaged(format_args!("a link is called {name:?}"))));
            }
            if !names.insert(name.as_str()) {
                return Err(place(Error::damaged(format_args!("two links are called {name:?}"))));
            }
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            self.attributes.take(path.len())?;
            match target {
                LinkTarget::Hard { address } => self.member(group, name, *address, path)?,
                LinkTarget::Soft { .. } => {
                    return Err(Error::unsupported("soft links are refused").at(format_args!("{path:?}")));
                }
                LinkTarget::External { .. } => {
                    let error = Error::unsupported("links to other files are refused");
                    return Err(error.at(format_args!("{path:?}")));
                }
            }
        }
        self.groups.insert(path.into(), attributes);
        self.above.pop();
        Ok(())
    }

    fn member(&mut self, group: &Group, name: &str, address: u64, path: String) -> Result<()> {
        let place = |error: Error| error.at(format_args!("{path:?}"));
        self.objects = self.objects.saturating_add(1);
        Limits::check("objects of the HDF5 file", self.objects, self.limits.entries as u64)?;
        // Hard links may lead to the same objects again and again.
        Limits::check("objects of a file of this size", self.objects, (self.bytes.len() / SMALLEST) as u64)?;
        let header = self.header(address).map_err(place)?;
        let is_group = header.messages.iter().any(|message| {
            matches!(message, HdfMessage::SymbolTable(_) | HdfMessage::Link(_) | HdfMessage::LinkInfo(_))
        });
        let is_dataset = header.messages.iter().any(|message| matches!(message, HdfMessage::DataLayout(_)));
        match (is_group, is_dataset) {
            (true, false) => {
                let inner = guarded(|| group.group(name)).map_err(place)?;
                if inner.address() != address {
                    return Err(place(Error::damaged("HDF5: two links of the same name")));
                }
                self.group(&inner, &path)
            }
            (false, true) => {
                let dataset = self.dataset(group, name, &header).map_err(place)?;
                self.datasets.insert(path, dataset);
                Ok(())
            }
            _ => Err(place(Error::unsupported("expected a group or a dataset, got neither"))),
        }
    }

    fn header(&mut self, address: u64) -> Result<Arc<ObjectHeader>> {
        let header = guarded(|| self.file.get_or_parse_header(address))?;
        if self.seen.insert(address) {
            let payload = header.messages.iter().map(|message| match message {
                HdfMessage::Attribute(attribute) => attribute.raw_data.len(),
                HdfMessage::DataLayout(layout) => match &layout.layout {
                    DataLayout::Compact { data } => data.len(),
                    _ => 0,
                },
                HdfMessage::Unknown { data, .. } => data.len(),
                _ => 0,
            });
            const MESSAGE: usize = 4;
            self.parsed += payload.sum::<usize>() + MESSAGE * header.messages.len();
            if self.parsed > self.bytes.len() {
                return Err(Error::damaged("HDF5: the object headers overlap"));
            }
        }
        Ok(header)
    }

    fn attributes(
        &mut self,
        header: &ObjectHeader,
        dense: impl FnOnce() -> hdf5_reader::error::Result<Vec<RawAttribute>>,
    ) -> Result<Attributes> {
        let offset_size = self.file.superblock().offset_size;
        let elsewhere = header.messages.iter().any(|message| {
            matches!(message, HdfMessage::AttributeInfo(info)
                if !Cursor::is_undefined_offset(info.fractal_heap_address, offset_size))
        });
        if elsewhere {
            let attributes = guarded(dense)?;
            return self.attributes.read(attributes.iter().map(RawAttribute::message));
        }
        self.attributes.read(header.messages.iter().filter_map(|message| match message {
            HdfMessage::Attribute(attribute) => Some(attribute),
            _ => None,
        }))
    }

    fn links(&mut self, header: &ObjectHeader) -> Result<Vec<Link>> {
        let mut tables = Vec::new();
        let mut infos = Vec::new();
        let mut links = Vec::new();
        for message in &header.messages {
            match message {
                HdfMessage::SymbolTable(table) => tables.push(table),
                HdfMessage::LinkInfo(info) => infos.push(info),
                HdfMessage::Link(link) => {
                    links.push(Link { name: link.name.clone(), target: link.target.clone() });
                }
                _ => {}
            }
        }
        match (tables.as_slice(), infos.as_slice()) {
            ([table], []) if links.is_empty() => self.symbol_table(table),
            ([], []) => Ok(links),
            ([], [info]) => {
                links.extend(self.dense_links(info)?);
                Ok(links)
            }
            _ => Err(Error::damaged("HDF5: the group says in several ways what is in it")),
        }
    }

    fn symbol_table(&mut self, table: &SymbolTableMessage) -> Result<Vec<Link>> {
        let storage = self.file.storage();
        let superblock = self.file.superblock();
        let (offset_size, length_size) = (superblock.offset_size, superblock.length_size);
        let heap =
            guarded(|| LocalHeap::parse_at_storage(storage, table.heap_address, offset_size, length_size))?;
        let size = usize::try_from(heap.data_segment_size);
        let size = size.map_err(|_| Error::damaged("HDF5: a local heap is larger than the memory"))?;
        let names = guarded(|| storage.read_range(heap.data_segment_address, size))?;
        let name_at = |offset: u64| {
            let rest = names.get(usize::try_from(offset).ok()?..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            std::str::from_utf8(rest.get(..end)?).ok().map(str::to_owned)
        };
        let leaves = guarded(|| {
            btree_v1::collect_btree_v1_leaves_storage(
                storage,
                table.btree_address,
                offset_size,
                length_size,
                None,
                &[],
                None,
            )
        })?;
        let mut links = Vec::new();
        for (_, address) in leaves {
            let node = guarded(|| {
                let prefix = storage.read_range(address, 8)?;
                let count = |at: usize| prefix.get(at).copied().map_or(0, usize::from);
                let count = count(6) | count(7) << 8;
                let node = storage.read_range(address, 8 + count * (24 + 2 * usize::from(offset_size)))?;
                SymbolTableNode::parse(&mut Cursor::new(&node), offset_size, length_size)
            })?;
            for entry in node.entries {
                const SOFT: u32 = 2;
                let Some(name) = name_at(entry.link_name_offset) else {
                    return Err(Error::damaged("HDF5: the name of a link is not UTF-8 text in its heap"));
                };
                self.attributes.take(name.len())?;
                let target = if entry.cache_type == SOFT {
                    LinkTarget::Soft { path: String::new() }
                } else {
                    LinkTarget::Hard { address: entry.object_header_address }
                };
                links.push(Link { name, target });
                Limits::check("links of a group", links.len() as u64, self.limits.entries as u64)?;
            }
        }
        Ok(links)
    }

    fn dense_links(&mut self, info: &LinkInfoMessage) -> Result<Vec<Link>> {
        let storage = self.file.storage();
        let superblock = self.file.superblock();
        let (offset_size, length_size) = (superblock.offset_size, superblock.length_size);
        if Cursor::is_undefined_offset(info.fractal_heap_address, offset_size) {
            return Ok(Vec::new());
        }
        let heap = guarded(|| {
            FractalHeap::parse_at_storage(storage, info.fractal_heap_address, offset_size, length_size)
        })?;
        let records = guarded(|| {
            let address = info.btree_name_index_address;
            let tree = btree_v2::BTreeV2Header::parse_at_storage(storage, address, offset_size, length_size)?;
            btree_v2::collect_btree_v2_records_storage(
                storage,
                &tree,
                offset_size,
                length_size,
                None,
                &[],
                None,
            )
        })?;
        Limits::check("links of a group", records.len() as u64, self.limits.entries as u64)?;
        let mut cache = FractalHeapDirectBlockCache::default();
        let mut links = Vec::with_capacity(records.len());
        for record in records {
            let btree_v2::BTreeV2Record::LinkNameHash { heap_id, .. } = record else {
                return Err(Error::damaged("HDF5: the index of a group holds something else than links"));
            };
            let message = guarded(|| {
                let object =
                    heap.get_object_storage_cached(&heap_id, storage, offset_size, length_size, &mut cache)?;
                link::parse(&mut Cursor::new(&object), offset_size, length_size, object.len())
            })?;
            self.attributes.take(message.name.len())?;
            links.push(Link { name: message.name, target: message.target });
        }
        Ok(links)
    }

    fn dataset(&mut self, group: &Group, name: &str, header: &ObjectHeader) -> Result<Dataset> {
        let object = guarded(|| group.dataset(name))?;
        let attributes = self.attributes(header, || object.raw_attributes())?;
        let (mut spaces, mut types, mut layouts) = (Vec::new(), Vec::new(), Vec::new());
        let mut filters = Vec::new();
        for message in &header.messages {
            match message {
                HdfMessage::Dataspace(space) => spaces.push(space),
                HdfMessage::Datatype(datatype) => types.push(datatype),
                HdfMessage::DataLayout(layout) => layouts.push(&layout.layout),
                HdfMessage::FilterPipeline(pipeline) => filters.extend_from_slice(&pipeline.filters),
                HdfMessage::ExternalFiles(_) => {
                    return Err(Error::unsupported("data in other files is refused"));
                }
                _ => {}
            }
        }
        let ([space], [datatype], [layout]) = (spaces.as_slice(), types.as_slice(), layouts.as_slice())
        else {
            return Err(Error::damaged("HDF5: expected one dataspace, one datatype and one layout"));
        };
        let raw = guarded(|| object.raw_datatype())?;
        let (mut element, big_endian) = datatype::element(&datatype.datatype, &raw, datatype.size);
        if element == ElementType::Opaque(2)
            && attributes.get("dtype") == Some(&Attribute::Str("bfloat16".into()))
        {
            element = ElementType::BF16;
        }
        let shape: Option<Vec<usize>> = match space.dataspace_type {
            DataspaceType::Null => Some(vec![0]),
            DataspaceType::Scalar => Some(Vec::new()),
            DataspaceType::Simple if space.dims.is_empty() => None,
            DataspaceType::Simple => space.dims.iter().map(|axis| usize::try_from(*axis).ok()).collect(),
        };
        let len = shape.as_ref().and_then(|shape| {
            let count = shape.iter().try_fold(1_usize, |count, axis| count.checked_mul(*axis))?;
            count.checked_mul(element.size())
        });
        let (Some(shape), Some(len)) = (shape, len) else {
            return Err(Error::damaged(format_args!("HDF5: the shape {:?} is not possible", space.dims)));
        };
        let storage = self.storage(layout, len, element.size(), &filters)?;
        Ok(Dataset { shape, element, attributes, len, big_endian, storage })
    }

    fn storage(
        &mut self,
        layout: &DataLayout,
        len: usize,
        size: usize,
        filters: &[FilterDescription],
    ) -> Result<Storage> {
        let superblock = self.file.superblock();
        let differs = |stored: u64| {
            Err(Error::damaged(format_args!("its shape takes {len} bytes, and {stored} are stored")))
        };
        if !filters.is_empty() && !matches!(layout, DataLayout::Chunked { .. }) {
            return Err(Error::damaged("HDF5: filters on data that is not in chunks"));
        }
        match layout {
            _ if len == 0 => Ok(Storage::Inline(Bytes::new())),
            DataLayout::Compact { data } if data.len() == len => Ok(Storage::Inline(data.clone().into())),
            DataLayout::Compact { data } => differs(data.len() as u64),
            DataLayout::Contiguous { address, size }
                if *size == 0 || Cursor::is_undefined_offset(*address, superblock.offset_size) =>
            {
                self.decode(len as u64)
            }
            DataLayout::Contiguous { size, .. } if *size != len as u64 => differs(*size),
            DataLayout::Contiguous { address, .. } => {
                let start = superblock.base_address.checked_add(*address);
                let start = start.and_then(|start| usize::try_from(start).ok());
                let end = start.and_then(|start| start.checked_add(len));
                match (start, end) {
                    (Some(start), Some(end)) if end <= self.bytes.len() => Ok(Storage::Mapped(start..end)),
                    _ => Err(Error::damaged(format_args!("its {len} bytes are not inside the file"))),
                }
            }
            DataLayout::Chunked { dims, .. } => {
                let chunk =
                    dims.iter().try_fold(size as u64, |size, axis| size.checked_mul(u64::from(*axis)));
                let chunk = chunk.ok_or_else(|| Error::damaged("HDF5: a chunk is too large"))?;
                self.limits.check_expansion("a chunk", self.bytes.len() as u64, chunk)?;
                lzf::check(filters, chunk)?;
                self.decode(len as u64)
            }
        }
    }

    /// Data that takes more memory than it takes in the file, for all that is known without
    /// looking at it.
    fn decode(&mut self, len: u64) -> Result<Storage> {
        Limits::check("size in bytes", len, self.limits.member_bytes)?;
        self.decoded = self.decoded.saturating_add(len);
        self.limits.check_expansion(
            "data that is not stored as it is",
            self.bytes.len() as u64,
            self.decoded,
        )?;
        Ok(Storage::Decoded)
    }
}
