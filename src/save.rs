//! From a model back to a file.

mod report;

use std::io::{Cursor, Write};
use std::path::Path;

use bytes::Bytes;

use crate::config::{Json, json};
use crate::error::{Error, Result};
use crate::file::h5::{Attribute, Attributes};
use crate::file::h5_write::{H5Builder, H5Layout};
use crate::file::save::{Content, Member, save_directory, save_file, save_zip, zip_to};
use crate::file::store::Store;
use crate::keras_file::{CONFIG, Description, KerasFile, METADATA, WEIGHTS, metadata};
use crate::model::KerasModel;
use crate::variables::Asset;
use crate::versions::compile::{compile_config_keras2, training_config};
use crate::versions::portable::{to_keras2, to_legacy};
use crate::versions::{Change, Target};
use crate::weights::{self, MODEL_WEIGHTS, legacy, optimizer, present, renamed};

pub use report::SaveReport;

/// How far a training is, in a file that it goes on from: a member of an archive, or an attribute of the root of an
/// HDF5 file.
pub(crate) const TRAINING: &str = "training.json";

/// The version of Keras 2 that files for it say they are of.
const KERAS_2_VERSION: &str = "2.15.0";

/// How a model is saved.
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn_keras::{KerasModel, SaveOptions};
///
/// let model = KerasModel::load("model.keras", &Device::flex())?;
/// model.save_with("copy.h5", &SaveOptions::new().overwrite(false))?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SaveOptions {
    pub(crate) overwrite: bool,
    include_optimizer: bool,
    pub(crate) target: Target,
    pub(crate) max_shard_size: Option<u64>,
    /// What goes into the file under a name of its own, for a training to go on from: `training.json`.
    training: Option<String>,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self {
            overwrite: true,
            include_optimizer: true,
            target: Target::default(),
            max_shard_size: None,
            training: None,
        }
    }
}

impl SaveOptions {
    /// The defaults: those of Keras' `save`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether what is there may be replaced. Default: yes, as in Keras, which asks otherwise; this
    /// refuses.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Whether the state of the optimizer goes into the file. Default: yes.
    #[must_use]
    pub fn include_optimizer(mut self, include: bool) -> Self {
        self.include_optimizer = include;
        self
    }

    /// Which Keras is to open the file. Default: [`Target::Keras3`].
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Of how many bytes of weights a file has at most, when they go into several: those of
    /// [`save_weights`](KerasModel::save_weights) to a `.weights.json`. Default: 5 GiB. Keras counts GiB here,
    /// with a fraction.
    #[must_use]
    pub fn max_shard_size(mut self, bytes: u64) -> Self {
        self.max_shard_size = Some(bytes);
        self
    }

    /// With a document of how far a training is.
    #[cfg(feature = "train")]
    pub(crate) fn training(mut self, document: &Json) -> Self {
        self.training = Some(json::print(document));
        self
    }

    /// That document as an attribute of an HDF5 file.
    pub(crate) fn put_training(&self, store: &mut Store) {
        if let Some(text) = &self.training {
            let root = store.groups.entry(String::new()).or_default();
            root.insert(TRAINING.to_owned(), Attribute::Str(text.clone()));
        }
    }

    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        match !self.overwrite && path.symlink_metadata().is_ok() {
            true => Err(Error::input("there is something of this name already, and it may not be replaced")),
            false => Ok(()),
        }
    }
}

impl KerasModel {
    /// Writes the model as Keras would, with the default [`SaveOptions`]. The name says the kind of file:
    ///
    /// | name | what is written |
    /// |---|---|
    /// | `model.keras` | a zip file of Keras 3 |
    /// | `model/` | its directory form |
    /// | `model.h5`, `model.hdf5` | a legacy HDF5 file of the whole model |
    ///
    /// The variables are the model's own; everything else of the file that it came from goes back as it
    /// was: config, compile settings, optimizer state, assets. The new file takes its place whole, or not
    /// at all.
    ///
    /// The state of an optimizer is in an `.h5` as Keras 3 writes it, but Keras 3.15 reads none there: its `fit`
    /// fails on a model with such a state, also on one of its own, until that is compiled anew. Leave the state
    /// out (see [`SaveOptions::include_optimizer`]) or take a `.keras` to go on training.
    ///
    /// # Errors
    /// When the name is of no such kind, or writing fails; an existing file is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(path, &SaveOptions::default()).map(drop)
    }

    /// [`save`](Self::save) with options. Tells what the file has no place for.
    ///
    /// # Errors
    /// As [`save`](Self::save), and when there is a file that may not be replaced.
    pub fn save_with(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<SaveReport> {
        let path = path.as_ref();
        let mut report = SaveReport::default();
        let changes = &mut report.changes;
        let saved = options.check(path).and_then(|()| match Kind::of(path) {
            Kind::Directory => self.with_members(options, changes, |members| save_directory(path, members)),
            Kind::Keras => self.with_members(options, changes, |members| save_zip(path, members)),
            Kind::H5 => self.legacy(options, changes).and_then(|store| save_file(path, h5(&store)?)),
            Kind::Weights => Err(Error::input("expected the name of a whole model, got one of weights")),
            Kind::Unknown => {
                Err(Error::input("expected a name that ends in .keras or .h5, or in / for a directory"))
            }
        });
        saved.map(|()| report).map_err(|error| error.in_file(path))
    }

    /// The bytes of a `.keras` zip file.
    ///
    /// # Errors
    /// When a variable cannot be read from its device.
    pub fn save_to_bytes(&self) -> Result<Vec<u8>> {
        let zip = |members: &mut [Member<'_>]| Ok(zip_to(Cursor::new(Vec::new()), members)?.into_inner());
        self.with_members(&SaveOptions::default(), &mut Vec::new(), zip)
    }

    /// Whether a file of that name can be written, of the whole model or of its weights.
    #[cfg(feature = "train")]
    pub(crate) fn check_target(&self, path: &Path, is_whole: bool) -> Result<()> {
        let assets = self.origin().description.variables.assets();
        let checked = match (is_whole, Kind::of(path)) {
            (true, Kind::Directory | Kind::Keras) => Ok(()),
            (true, Kind::H5) => legacy_has_no_assets(assets),
            (true, _) => Err(Error::input("expected a name that ends in .keras or .h5, for a whole model")),
            (false, _) => match weights::Kind::of(path) {
                Some(_) => Ok(()),
                None => Err(Error::input("expected a name that ends in .weights.h5, for weights")),
            },
        };
        checked.map_err(|error| error.in_file(path))
    }

    /// The tensors to be written.
    pub(crate) fn tensors(&self, options: &SaveOptions) -> Result<Store> {
        let mut store = present(self)?;
        if !options.include_optimizer {
            store.remove("optimizer");
        }
        Ok(store)
    }

    /// The tree of a legacy HDF5 file of the whole model.
    fn legacy(&self, options: &SaveOptions, changes: &mut Vec<Change>) -> Result<Store> {
        let target = options.target;
        let store = present(self)?;
        let mut tree = legacy_tree(self.file(), &self.origin().description, &store, target)?;
        if options.include_optimizer {
            let words =
                |settings: &Json, changes: &mut Vec<Change>| training_config(settings, target, changes);
            if let Some((settings, state)) = self.training(&store, target, words, changes) {
                let root = tree.groups.entry(String::new()).or_default();
                root.insert("training_config".to_owned(), Attribute::Str(json::print(&settings)));
                optimizer::put_legacy(state, &mut tree);
            }
        }
        for name in self.file().others() {
            let what = "left out: a legacy HDF5 file has no members".to_owned();
            changes.push(Change { place: name.to_owned(), what });
        }
        options.put_training(&mut tree);
        Ok(tree)
    }

    /// The documents of a `.keras` file that Keras 2 opens, and its tensors in place of those of Keras 3.
    fn portable(&self, store: &mut Store, changes: &mut Vec<Change>) -> Result<[(&'static str, Bytes); 2]> {
        let mut config = to_keras2(self.file().config())?;
        let training = self.training(store, Target::Keras2, compile_config_keras2, changes);
        let (settings, state) = training.unzip();
        optimizer::put_keras2(state.unwrap_or_default(), store);
        if let Some(settings) = settings {
            config["compile_config"] = settings;
        }
        let description = &self.origin().description;
        let (tensors, is_for_all) = renamed::to_keras2(store, description);
        *store = tensors;
        if !is_for_all {
            changes.push(renamed::not_for_2_13());
        }
        let documents = [(METADATA, metadata(KERAS_2_VERSION)), (CONFIG, config)];
        Ok(documents.map(|(name, json)| (name, json::print(&json).into())))
    }

    /// What the file says of training: the compile settings in its `words`, and with them the state of the
    /// optimizer. What it has no place for is told.
    fn training(
        &self,
        store: &Store,
        target: Target,
        words: impl FnOnce(&Json, &mut Vec<Change>) -> Json,
        changes: &mut Vec<Change>,
    ) -> Option<(Json, optimizer::State)> {
        let config = self.file().config();
        let settings = config.get("compile_config").map(|settings| words(settings, changes));
        let settings = settings.filter(|settings| !settings.is_null());
        let state = settings
            .as_ref()
            .and_then(|_| optimizer::state(store, &self.origin().description, config, target, changes));
        if state.is_none() && optimizer::is_in(store) {
            changes.push(optimizer::has_no_place());
        }
        Some((settings?, state.unwrap_or_default()))
    }

    /// Assembles the members of the archive and hands them to `write`.
    fn with_members<T>(
        &self,
        options: &SaveOptions,
        changes: &mut Vec<Change>,
        write: impl FnOnce(&mut [Member<'_>]) -> Result<T>,
    ) -> Result<T> {
        let file = self.file();
        let mut store = self.tensors(options)?;
        let documents = match options.target {
            Target::Keras3 => file.documents()?,
            Target::Keras2 => self.portable(&mut store, changes)?,
        };
        let member = |name: &str, content| Member { name: name.to_owned(), content };
        // As Keras orders them: the documents, the weights, the assets.
        let documents = documents.map(|(name, bytes)| member(name, Content::Bytes(bytes)));
        let mut members = Vec::from(documents);
        members.push(member(WEIGHTS, h5(&store)?));
        if let Some(text) = &options.training {
            members.push(member(TRAINING, Content::Bytes(text.clone().into())));
        }
        for name in file.others() {
            let bytes = file.archive.read(name)?.unwrap_or_default();
            if options.target == Target::Keras2
                && let Some(former) = renamed::former_asset(name)
            {
                members.push(member(&former, Content::Bytes(bytes.clone())));
            }
            members.push(member(name, Content::Bytes(bytes)));
        }
        write(&mut members)
    }
}

/// The tree of a legacy HDF5 file of a whole model, without its training.
///
/// # Errors
/// When such a file has no place for something of the model.
pub(crate) fn legacy_tree(
    file: &KerasFile,
    description: &Description,
    store: &Store,
    target: Target,
) -> Result<Store> {
    legacy_has_no_assets(description.variables.assets())?;
    let mut tree = legacy::tree(store, description, MODEL_WEIGHTS, target)?;
    let mut root = Attributes::from(legacy::signature(target));
    let config = json::print(&to_legacy(file.config(), target)?);
    root.insert("model_config".to_owned(), Attribute::Str(config));
    tree.groups.insert(String::new(), root);
    Ok(tree)
}

fn legacy_has_no_assets(assets: &[Asset]) -> Result<()> {
    let message = "a legacy HDF5 file has no place for the files of layers";
    assets.first().map_or(Ok(()), |asset| Err(Error::unsupported(message).at(asset.member())))
}

/// What a file name stands for.
pub(crate) enum Kind {
    Directory,
    Keras,
    H5,
    Weights,
    Unknown,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        let ends = |ending: &str| name.ends_with(ending.as_bytes());
        match () {
            () if ends("/") => Self::Directory,
            () if weights::Kind::of(path).is_some_and(|kind| kind != weights::Kind::Legacy) => Self::Weights,
            () if ends(".keras") => Self::Keras,
            () if ends(".h5") || ends(".hdf5") => Self::H5,
            () => Self::Unknown,
        }
    }
}

/// An HDF5 file of these tensors, as something to be written.
pub(crate) fn h5(store: &Store) -> Result<Content<'_>> {
    let layout = layout(store)?;
    let len = layout.len();
    let write = move |out: &mut dyn Write| {
        layout.write(out, |path, sink| match store.tensors.get(path) {
            Some(tensor) => tensor.write(sink),
            None => Err(Error::weights("missing").at(path)),
        })
    };
    Ok(Content::Stream { len, write: Box::new(write) })
}

fn layout(store: &Store) -> Result<H5Layout> {
    let mut builder = H5Builder::default();
    for (path, attributes) in &store.groups {
        builder.group(path, attributes.clone())?;
    }
    for (path, object) in &store.links {
        builder.link(path, object)?;
    }
    for (path, tensor) in &store.tensors {
        builder.dataset(path, &tensor.shape, tensor.element.clone(), tensor.attributes.clone())?;
    }
    builder.finish()
}
