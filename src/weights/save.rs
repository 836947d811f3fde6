//! The weights of a model, without the rest of it.

use std::path::Path;

use burn::store::{BurnpackStore, ModuleSnapshot};

use super::{legacy, named, pack, present, shards};
use crate::error::{Error, Result};
use crate::file::h5::Attribute;
use crate::file::safetensors;
use crate::file::save::save_file;
use crate::model::KerasModel;
use crate::save::{SaveOptions, h5};

/// How large files are that weights are split into, unless something else is asked for: as in Keras.
pub(crate) const SHARD_BYTES: u64 = 5 << 30;

/// A kind of file for weights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Keras3,
    Legacy,
    Shards,
    Safetensors,
    Pack,
}

/// The longer endings first.
const ENDINGS: [(&str, Kind); 6] = [
    (".weights.h5", Kind::Keras3),
    (".weights.json", Kind::Shards),
    (".h5", Kind::Legacy),
    (".hdf5", Kind::Legacy),
    (".safetensors", Kind::Safetensors),
    (".bpk", Kind::Pack),
];

impl Kind {
    /// The kind that a file name stands for.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.as_os_str().as_encoded_bytes();
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending.as_bytes())).map(|(_, kind)| *kind)
    }
}

impl KerasModel {
    /// Writes the weights without the model, with the default [`SaveOptions`]. The name says the kind of
    /// file:
    ///
    /// | name | what is written | and of the optimizer |
    /// |---|---|---|
    /// | `model.weights.h5` | an HDF5 file of Keras 3 | its state |
    /// | `model.weights.json` | an index of several of them, `model_00000.weights.h5`, ... | its state |
    /// | `model.h5`, `model.hdf5` | a legacy HDF5 file | nothing |
    /// | `model.safetensors` | variables under their names in Keras, `dense/kernel` | its state |
    /// | `model.bpk` | Burn's own file of the module, `dense.kernel` | nothing |
    ///
    /// Each takes its place whole, or not at all. An index leads to its old files until the new ones are
    /// complete.
    ///
    /// # Errors
    /// When the name is of no such kind, or writing fails; an existing file is then untouched.
    pub fn save_weights(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_weights_with(path, &SaveOptions::default())
    }

    /// [`save_weights`](Self::save_weights) with options.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_keras::{KerasModel, SaveOptions};
    ///
    /// let model = KerasModel::load("model.keras", &Device::flex())?;
    /// let options = SaveOptions::new().max_shard_size(1 << 30);
    /// model.save_weights_with("model.weights.json", &options)?;
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`save_weights`](Self::save_weights), when there is a file that may not be replaced, and when a
    /// variable is larger than [`max_shard_size`](SaveOptions::max_shard_size).
    pub fn save_weights_with(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<()> {
        let path = path.as_ref();
        let saved = options.check(path).and_then(|()| match Kind::of(path) {
            Some(kind) if kind != Kind::Shards && options.max_shard_size.is_some() => {
                Err(Error::input("expected a name that ends in .weights.json, for several files"))
            }
            Some(kind) => self.write_weights(path, kind, options),
            None => {
                let endings = ENDINGS.map(|(ending, _)| ending).join(", ");
                Err(Error::input(format_args!("expected a name that ends in one of {endings}")))
            }
        });
        saved.map_err(|error| error.in_file(path))
    }

    fn write_weights(&self, path: &Path, kind: Kind, options: &SaveOptions) -> Result<()> {
        let description = &self.origin().description;
        match kind {
            Kind::Keras3 => {
                let mut store = self.tensors(options)?;
                options.put_training(&mut store);
                save_file(path, h5(&store)?)
            }
            Kind::Shards => {
                let most = options.max_shard_size.unwrap_or(SHARD_BYTES);
                shards::save(path, &self.tensors(options)?, most, options.overwrite)
            }
            Kind::Legacy => {
                let mut tree = legacy::tree(&present(self)?, description, "", options.target)?;
                options.put_training(&mut tree);
                save_file(path, h5(&tree)?)
            }
            Kind::Safetensors => {
                let mut named = named::named(&self.tensors(options)?, description)?;
                let format = [("format".to_owned(), Attribute::Str("keras".to_owned()))];
                named.groups.insert(String::new(), format.into());
                save_file(path, safetensors::content(&named)?)
            }
            Kind::Pack => {
                let extra =
                    pack::Extra { texts: BurnpackStore::default_metadata(), ..pack::Extra::default() };
                pack::save(path, self.collect(None, None, false), &extra)
            }
        }
    }
}
