//! The files that weights come in.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use bytes::Bytes;

use super::legacy::{names, set_names};
use super::{Layout, Saved, WeightsFile, checkpoint, optimizer, pack, saved_model, shards};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::archive::{Archive, HDF5_MAGIC};
use crate::file::h5::{Attributes, H5File};
use crate::file::map::map;
use crate::file::safetensors;
use crate::file::save::{Content, Member, save_directory, save_file, save_zip, zip_to};
use crate::file::store::{Store, Stored};
use crate::keras_file::{DatasetInfo, WEIGHTS};
use crate::limits::Limits;
use crate::load::tensor_data;
use crate::registry::nearest;
use crate::save::{SaveOptions, TRAINING, h5};
use crate::value::burn_dtype;
use crate::versions::Origin;

/// The weights in a file, without a model: what there is, and under which names.
///
/// ```no_run
/// use burn_keras::{KerasWeights, Limits};
///
/// let mut weights = KerasWeights::open("model.weights.h5", &Limits::default())?;
/// for tensor in weights.datasets() {
///     println!("{} {:?} {}", tensor.path, tensor.shape, tensor.dtype);
/// }
/// println!("{}", weights.read("layers/dense/vars/0")?);
/// weights.rename("layers/dense/vars/0", "layers/dense_1/vars/0")?;
/// weights.save("renamed.weights.h5")?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Debug)]
pub struct KerasWeights {
    pub(crate) file: WeightsFile,
    container: Container,
    /// Whether how far a training is stays among the members.
    keeps_training: bool,
}

/// What the tensors lie in.
pub(crate) enum Container {
    H5,
    Zip(Arc<Archive>),
    Directory(Arc<Archive>),
    /// Several HDF5 files of at most so many bytes.
    Shards(u64),
    Safetensors,
    Pack(pack::Extra),
    /// One that is never written.
    Checkpoint,
}

impl std::fmt::Debug for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::H5 => "H5",
            Self::Zip(_) => "Zip",
            Self::Directory(_) => "Directory",
            Self::Shards(_) => "Shards",
            Self::Safetensors => "Safetensors",
            Self::Pack(_) => "Pack",
            Self::Checkpoint => "Checkpoint",
        })
    }
}

/// Whether a file starts like one that can hold nothing but weights.
pub(crate) fn holds_weights_only(bytes: &[u8]) -> bool {
    pack::is_one(bytes) || safetensors::is_one(bytes)
}

impl KerasWeights {
    /// Opens the weights in a file of any of these kinds, which its content tells:
    ///
    /// | kind | what its tensors are called |
    /// |---|---|
    /// | `.weights.h5`, `.weights.json` with its `.weights.h5` files | `layers/dense/vars/0` |
    /// | `.keras`, as a zip file or a directory | the same |
    /// | legacy `.h5` of weights or of a whole model | `dense/dense/kernel:0` |
    /// | `.safetensors` | `dense/kernel` |
    /// | Burn's `.bpk` | `dense.kernel`, with the axes in Burn's order |
    /// | SavedModel directories and checkpoints of Keras 2 | their keys |
    ///
    /// # Errors
    /// When it is damaged, of another format, or beyond the limits.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let opened = match path.is_dir() {
            true => Self::of_directory(path, limits),
            false => Self::of_file(path, limits),
        };
        opened.map_err(|error| error.in_file(path))
    }

    /// Tensors and what they lie in.
    pub(crate) fn new(file: WeightsFile, container: Container) -> Self {
        Self { file, container, keeps_training: true }
    }

    fn of_directory(path: &Path, limits: &Limits) -> Result<Self> {
        if let Some(Saved { weights, .. }) = saved_model(path, limits)? {
            return Ok(Self::new(weights, Container::Checkpoint));
        }
        let archive = Archive::from_directory(path, limits)?;
        let file = WeightsFile::of_archive(&archive, limits)?;
        Ok(Self::new(file, Container::Directory(archive.into())))
    }

    fn of_file(path: &Path, limits: &Limits) -> Result<Self> {
        if let Some(file) = checkpoint(path, limits)? {
            return Ok(Self::new(file, Container::Checkpoint));
        }
        let bytes = map(path)?;
        match shards::index(&bytes, limits)? {
            Some(index) => {
                let (store, most) = shards::read(path, &index, limits)?;
                Ok(Self::new(weights_file(store, Layout::Keras3), Container::Shards(most)))
            }
            None => Self::of_bytes(bytes, limits),
        }
    }

    /// Opens the weights in a single file that lies in memory.
    pub(crate) fn of_bytes(bytes: Bytes, limits: &Limits) -> Result<Self> {
        if bytes.starts_with(HDF5_MAGIC) {
            let file = WeightsFile::of_h5(H5File::open(bytes, limits)?.into());
            Ok(Self::new(file, Container::H5))
        } else if pack::is_one(&bytes) {
            let (store, extra) = pack::read(&bytes, limits)?;
            Ok(Self::new(weights_file(store, Layout::Params), Container::Pack(extra)))
        } else if safetensors::is_one(&bytes) {
            let store = safetensors::read(&bytes, limits)?;
            Ok(Self::new(weights_file(store, Layout::Names), Container::Safetensors))
        } else {
            let archive = Archive::from_bytes(bytes, limits)?;
            let file = WeightsFile::of_archive(&archive, limits)?;
            Ok(Self::new(file, Container::Zip(archive.into())))
        }
    }

    #[cfg(feature = "train")]
    pub(crate) fn store(&self) -> &Store {
        &self.file.store
    }

    /// Every tensor of the file, the state of the optimizer included.
    pub fn datasets(&self) -> impl Iterator<Item = DatasetInfo> {
        self.file.datasets()
    }

    /// The values of a tensor, in the order and with the type of the file; of a scalar, in a shape without
    /// axes.
    ///
    /// # Errors
    /// When there is no such tensor, it does not hold numbers, or it is damaged.
    pub fn read(&self, path: &str) -> Result<TensorData> {
        let tensor = self.file.store.tensors.get(path).ok_or_else(|| self.unknown(path))?;
        numbers(tensor).map_err(|error| error.at(path))
    }

    /// Calls a tensor otherwise. Legacy files list the tensors of each layer; it keeps its place there if it
    /// stays with its layer.
    ///
    /// # Errors
    /// When there is no such tensor, the name is another's, or no layer of a legacy file can have it.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        if !self.file.store.tensors.contains_key(old) {
            return Err(self.unknown(old));
        }
        if self.file.store.tensors.contains_key(new) {
            return Err(Error::input(format_args!("there is a tensor {new:?} already")));
        }
        if matches!(self.file.layout, Layout::Legacy { .. }) && !relist(&mut self.file.store, old, Some(new))
        {
            return Err(Error::input(format_args!("{new:?} is not in any layer of the file")));
        }
        let tensor = self.file.store.tensors.remove(old);
        self.file.store.tensors.extend(tensor.map(|tensor| (new.to_owned(), tensor)));
        Ok(())
    }

    /// Removes a tensor.
    ///
    /// # Errors
    /// When there is no such tensor.
    pub fn remove(&mut self, path: &str) -> Result<()> {
        if self.file.store.tensors.remove(path).is_none() {
            return Err(self.unknown(path));
        }
        relist(&mut self.file.store, path, None);
        Ok(())
    }

    fn unknown(&self, path: &str) -> Error {
        let known = self.file.store.tensors.keys().map(String::as_str);
        Error::input(format_args!("there is no tensor {path:?}{}", nearest(path, known)))
    }

    /// Writes a file of the same kind, whole or not at all; it may take the place of its own. What else
    /// there is beside the weights stays as it is.
    ///
    /// # Errors
    /// When the kind is only ever read, something in the file cannot be written, or writing fails; an
    /// existing file is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path, &SaveOptions::default())
    }

    /// [`save`](Self::save) with options, of which those for replacing and for splitting files matter.
    ///
    /// # Errors
    /// As [`save`](Self::save), and when there is a file that may not be replaced.
    pub fn save_with(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<()> {
        let (path, store) = (path.as_ref(), &self.file.store);
        let saved = options.check(path).and_then(|()| match &self.container {
            Container::H5 => save_file(path, h5(store)?),
            Container::Zip(archive) => save_zip(path, &mut self.members(archive)?),
            Container::Directory(archive) => save_directory(path, &mut self.members(archive)?),
            Container::Shards(most) => {
                shards::save(path, store, options.max_shard_size.unwrap_or(*most), options.overwrite)
            }
            Container::Safetensors => save_file(path, safetensors::content(store)?),
            Container::Pack(extra) => pack::save(path, pack::tensors(store)?, extra),
            Container::Checkpoint => self.check_written(),
        });
        saved.map_err(|error| error.in_file(path))
    }

    /// Refuses kinds that are only read.
    pub(crate) fn check_written(&self) -> Result<()> {
        match self.container {
            Container::Checkpoint => Err(Error::unsupported("checkpoints of TensorFlow are only read")),
            _ => Ok(()),
        }
    }

    /// The bytes of a file of the same kind.
    ///
    /// # Errors
    /// When the kind is not a single file that is ever written, or something in it cannot be.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let store = &self.file.store;
        match &self.container {
            Container::H5 => h5(store)?.into_vec(),
            Container::Safetensors => safetensors::content(store)?.into_vec(),
            Container::Pack(extra) => Ok(pack::to_bytes(store, extra)?.into()),
            Container::Zip(archive) => {
                Ok(zip_to(Cursor::new(Vec::new()), &mut self.members(archive)?)?.into_inner())
            }
            _ => Err(Error::unsupported("this kind of file is not a single one that lies in memory")),
        }
    }

    /// Leaves out what belongs to the weights as they were: the state of the optimizer, and how far a training
    /// is. What that was, in words.
    pub(crate) fn drop_training(&mut self) -> Vec<String> {
        let store = &mut self.file.store;
        let group = match self.file.layout {
            Layout::Legacy { .. } => optimizer::LEGACY,
            _ => optimizer::GROUP,
        };
        let before = store.tensors.len();
        store.remove(group);
        let dropped = before - store.tensors.len();
        let root = store.groups.get_mut("");
        let was_attribute = root.is_some_and(|root| root.remove(TRAINING).is_some());
        let is_member = match &self.container {
            Container::Zip(archive) | Container::Directory(archive) => {
                archive.names().any(|it| it == TRAINING)
            }
            _ => false,
        };
        let was_member = std::mem::take(&mut self.keeps_training) && is_member;
        let state = (dropped > 0).then(|| format!("the state of the optimizer ({dropped} tensors)"));
        let training = (was_attribute || was_member).then(|| "how far the training was".to_owned());
        state.into_iter().chain(training).collect()
    }

    /// The members of an archive, with these weights.
    fn members(&self, archive: &Archive) -> Result<Vec<Member<'_>>> {
        let member = |name: &str| {
            let content = match name {
                WEIGHTS => h5(&self.file.store)?,
                _ => Content::Bytes(archive.read(name)?.unwrap_or_default()),
            };
            Ok(Member { name: name.to_owned(), content })
        };
        archive.names().filter(|name| self.keeps_training || *name != TRAINING).map(member).collect()
    }
}

/// Tensors in a file that does not say who wrote it.
pub(crate) fn weights_file(store: Store, layout: Layout) -> WeightsFile {
    WeightsFile { store, layout, origin: Origin::default() }
}

/// What a tensor holds, in its order and with its type; of a scalar, in a shape without axes.
///
/// # Errors
/// When that is no numbers, or damaged.
pub(crate) fn numbers(tensor: &Stored) -> Result<TensorData> {
    let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
    let dtype = dtype.ok_or_else(|| Error::unsupported(format_args!("{:?}", tensor.element)))?;
    let (bytes, _, dtype) = tensor_data(tensor.read()?, &tensor.shape, burn_dtype(dtype)?)?.into_parts();
    Ok(TensorData::from_bytes(bytes, tensor.shape.clone(), dtype))
}

/// Keeps the lists of a legacy file true to its tensors; whether a list has the new name.
fn relist(store: &mut Store, old: &str, new: Option<&str>) -> bool {
    const KEY: &str = "weight_names";
    let inside = |path: &str, group: &str| match group {
        "" => Some(path.to_owned()),
        _ => Some(path.strip_prefix(group)?.strip_prefix('/')?.to_owned()),
    };
    let listed = |attributes: &Attributes| names(attributes, KEY);
    let has_room = |(group, attributes): (&String, &Attributes)| {
        listed(attributes).is_some() && new.is_some_and(|new| inside(new, group).is_some())
    };
    let has_room = store.groups.iter().any(has_room);
    if new.is_some() && !has_room {
        return false;
    }
    for (group, attributes) in &mut store.groups {
        let Some(mut list) = listed(attributes) else { continue };
        let at = inside(old, group).and_then(|old| list.iter().position(|name| *name == old));
        match (at, new.and_then(|new| inside(new, group))) {
            (Some(at), Some(new)) => list.splice(at..=at, [new]).for_each(drop),
            (Some(at), None) => drop(list.remove(at)),
            (None, Some(new)) => list.push(new),
            (None, None) => continue,
        }
        let is_part = |key: &str| key.strip_prefix(KEY).is_some_and(|part| part.parse::<u64>().is_ok());
        attributes.retain(|key, _| key != KEY && !is_part(key));
        set_names(attributes, KEY, list);
    }
    has_room
}
