//! The tensors of a file by their paths, wherever they really lie: in an HDF5 file, in several, in a
//! TensorFlow checkpoint, in memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use bytes::Bytes;

use super::h5::{Attributes, ElementType, H5File};
use crate::error::{Error, Result};

/// Takes bytes, piece by piece.
pub(crate) type Sink<'a> = dyn FnMut(Bytes) -> Result<()> + 'a;

/// Lets a thread of its own `make` things while those before them are taken.
///
/// # Errors
/// Those of both.
pub(crate) fn ahead<T: Send>(
    make: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()> + Send,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let (put, made) = sync_channel(1);
        let maker = scope.spawn(move || make(&mut |it| put.send(it).map_err(|_| Error::input("not taken"))));
        let taken = made.iter().try_for_each(&mut take);
        drop(made);
        let made = maker.join().unwrap_or_else(|panic| resume_unwind(panic));
        taken.and(made)
    })
}

/// Where the elements of a tensor come from.
pub(crate) trait Source: Send + Sync {
    /// All of them.
    fn read(&self) -> Result<Bytes>;

    /// All of them, in as many pieces as it likes.
    fn write(&self, sink: &mut Sink<'_>) -> Result<()> {
        sink(self.read()?)
    }
}

impl<F: Fn() -> Result<Bytes> + Send + Sync> Source for F {
    fn read(&self) -> Result<Bytes> {
        self()
    }
}

/// A tensor that is read when it is asked for.
#[derive(Clone)]
pub(crate) struct Stored {
    /// The lengths of its axes; `[]` is a scalar.
    pub(crate) shape: Vec<usize>,
    pub(crate) element: ElementType,
    pub(crate) attributes: Attributes,
    /// None for what is to be written, and cannot be read yet.
    source: Option<Arc<dyn Source>>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.element, self.shape)
    }
}

impl Stored {
    /// A tensor whose elements `read` gives: little-endian, in C order.
    pub(crate) fn new(
        shape: Vec<usize>,
        element: ElementType,
        read: impl Fn() -> Result<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(shape, element, read)
    }

    /// A tensor whose elements `source` gives: little-endian, in C order.
    pub(crate) fn from_source(
        shape: Vec<usize>,
        element: ElementType,
        source: impl Source + 'static,
    ) -> Self {
        Self { shape, element, attributes: Attributes::new(), source: Some(Arc::new(source)) }
    }

    /// The same tensor with other elements.
    pub(crate) fn with_source(&self, source: impl Source + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self.clone() }
    }

    /// A tensor that is to be written, and cannot be read yet.
    pub(crate) fn planned(shape: Vec<usize>, element: ElementType) -> Self {
        Self { shape, element, attributes: Attributes::new(), source: None }
    }

    /// Whether it is only planned.
    pub(crate) fn is_planned(&self) -> bool {
        self.source.is_none()
    }

    /// Its elements: little-endian, in C order.
    ///
    /// # Errors
    /// When they are damaged, or of a type that no variable has, or not there yet.
    pub(crate) fn read(&self) -> Result<Bytes> {
        self.source()?.read()
    }

    /// Hands its elements on, as [`read`](Self::read) gives them.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of the sink.
    pub(crate) fn write(&self, sink: &mut Sink<'_>) -> Result<()> {
        self.source()?.write(sink)
    }

    fn source(&self) -> Result<&dyn Source> {
        self.source.as_deref().ok_or_else(|| Error::weights("not written yet"))
    }

    /// Whether it is the very same tensor as another, with nothing done to it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// What only tensors have in common that are the very same.
    pub(crate) fn identity(&self) -> Option<usize> {
        self.source.as_ref().map(|source| Arc::as_ptr(source).cast::<()>().addr())
    }

    /// How many elements it has.
    pub(crate) fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, size| product.saturating_mul(*size as u64))
    }

    /// Its size, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.elements().saturating_mul(self.element.size() as u64)
    }

    /// The same tensor after `change`, which is made when it is read.
    pub(crate) fn map(
        self,
        shape: Vec<usize>,
        change: impl Fn(Bytes) -> Result<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let element = self.element.clone();
        Self::new(shape, element, move || change(self.read()?))
    }
}

/// Tensors and groups by path, without a leading slash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// The attributes of every group; the root is `""`.
    pub(crate) groups: BTreeMap<String, Attributes>,
    pub(crate) tensors: BTreeMap<String, Stored>,
    /// Other names of groups, in a file that is to be written: an object for each that comes later by its path.
    pub(crate) links: BTreeMap<String, String>,
}

impl Store {
    /// Takes a group out, and all below it.
    pub(crate) fn remove(&mut self, group: &str) {
        self.groups.retain(|path, _| !is_below(path, group));
        self.tensors.retain(|path, _| !is_below(path, group));
    }
}

/// Whether a path is that of a group, or of something in it.
pub(crate) fn is_below(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl From<H5File> for Store {
    fn from(file: H5File) -> Self {
        let file = Arc::new(file);
        // Datasets that lie at the same place are one, under several names.
        let mut sources = HashMap::<Range<usize>, Arc<dyn Source>>::new();
        let mut tensor = |(path, dataset): (&String, &super::h5::Dataset)| {
            let (owner, own) = (file.clone(), path.clone());
            let source = || Arc::new(move || owner.read(&own)) as Arc<dyn Source>;
            let source = match dataset.mapped() {
                Some(range) => sources.entry(range).or_insert_with(source).clone(),
                None => source(),
            };
            let (shape, element) = (dataset.shape.clone(), dataset.element.clone());
            let attributes = dataset.attributes.clone();
            (path.clone(), Stored { shape, element, attributes, source: Some(source) })
        };
        let tensors = file.datasets().iter().map(&mut tensor).collect();
        Self { groups: file.groups().clone(), tensors, ..Self::default() }
    }
}
