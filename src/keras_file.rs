//! A Keras file as it lies there: its documents and the index of its variables. No tensor is read.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value as Json};

use crate::config::{Object, Reader, json};
use crate::error::{Error, Result};
use crate::file::archive::{Archive, HDF5_MAGIC};
use crate::file::h5::{Attribute, Attributes, H5File};
use crate::file::map::map;
use crate::file::store::Store;
use crate::layer::{AnyConfig, Args, Registry, Spec, Tree, Variables};
use crate::limits::Limits;
use crate::module::graph_of;
use crate::save::TRAINING;
use crate::summary::Summary;
use crate::variables::Asset;
use crate::versions::compile::modernize_settings;
use crate::versions::{Change, Era, Origin, modernize};
use crate::weights::renamed::is_former_asset;
use crate::weights::{
    Container, KerasWeights, Layout, LoadReport, Matching, Saved, WeightsFile, holds_weights_only, is_index,
    saved_model,
};

/// The names of the members of a `.keras` archive.
pub(crate) const METADATA: &str = "metadata.json";
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.weights.h5";

/// The version of Keras whose files this crate writes.
pub(crate) const KERAS_VERSION: &str = "3.15.1";

/// A model file, opened: what it says of itself, without its tensors.
///
/// It may be of any kind that [`open`](Self::open) knows. What it describes is in the form of today's
/// Keras, whichever version wrote it; [`changes`](Self::changes) tells what was rewritten.
///
/// ```no_run
/// use burn_keras::{KerasFile, Limits};
///
/// let file = KerasFile::open("model.keras", &Limits::default())?;
/// println!("{}", file.config()["class_name"]);
/// for variable in file.datasets() {
///     println!("{} {:?} {}", variable.path, variable.shape, variable.dtype);
/// }
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone)]
pub struct KerasFile {
    format: Format,
    pub(crate) archive: Arc<Archive>,
    weights: WeightsFile,
    config: Json,
    metadata: Option<Json>,
    changes: Vec<Change>,
    /// Whether the config is another one by now than that which was read.
    is_edited: bool,
    limits: Limits,
}

/// The kinds of files that describe a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A `.keras` zip file.
    Keras,
    /// The directory form of one.
    Directory,
    /// A legacy HDF5 file of a whole model, `.h5`.
    LegacyH5,
    /// A SavedModel directory of Keras 2.
    SavedModel,
    /// A model description alone, as `to_json` gives it.
    Json,
}

impl std::fmt::Debug for KerasFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KerasFile").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// A dataset of a weights file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its path: `layers/dense/vars/0`.
    pub path: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Keras' name of its element type, or what it is instead.
    pub dtype: String,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What a config describes: the kind of model and its variables.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub root: Arc<dyn AnyConfig>,
    pub variables: Variables,
}

/// A model description, and what the file has for its variables.
#[derive(Debug)]
pub(crate) struct Described {
    pub description: Description,
    /// The tensors of the file under the paths of Keras 3.
    pub store: Store,
    pub report: LoadReport,
}

impl KerasFile {
    /// Opens a model file of any kind: a `.keras` zip file or directory, a legacy HDF5 file, a SavedModel
    /// directory of Keras 2, or a model description in JSON. What it is says its content, not its name.
    ///
    /// # Errors
    /// When it is damaged, of another format, or beyond the limits.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        Self::open_model(path, limits)?.ok_or_else(|| weights_only().in_file(path))
    }

    /// As [`open`](Self::open), but nothing for a file of weights only.
    pub(crate) fn open_model(path: &Path, limits: &Limits) -> Result<Option<Self>> {
        let opened = match path.is_dir() {
            true => Self::of_directory(path, limits).map(Some),
            false => map(path).and_then(|bytes| Self::of_bytes(bytes, limits)),
        };
        opened.map_err(|error| error.in_file(path))
    }

    /// Opens a model file that lies in memory.
    ///
    /// # Errors
    /// When it is damaged, of another format, or beyond the limits.
    pub fn from_bytes(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self> {
        Self::of_bytes(bytes.into(), limits)?.ok_or_else(weights_only)
    }

    /// Opens a model file out of a stream, which is read to its end.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes), and when the stream cannot be read or is longer than
    /// [`Limits::member_bytes`].
    pub fn from_reader(reader: impl std::io::Read, limits: &Limits) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut reader = reader.take(limits.member_bytes.saturating_add(1));
        std::io::copy(&mut reader, &mut bytes).map_err(|source| Error::io("cannot read", source))?;
        Limits::check("size in bytes", bytes.len() as u64, limits.member_bytes)?;
        Self::of_bytes(bytes.into(), limits)?.ok_or_else(weights_only)
    }

    fn of_directory(path: &Path, limits: &Limits) -> Result<Self> {
        match saved_model(path, limits)? {
            Some(Saved { config, metadata, weights }) => {
                let archive = Archive::of_members([]);
                Self::new(Format::SavedModel, archive, weights, config, Some(metadata), limits)
            }
            None => Self::of_archive(Archive::from_directory(path, limits)?, Format::Directory, limits),
        }
    }

    /// What lies in memory; nothing when it is weights only.
    pub(crate) fn of_bytes(bytes: Bytes, limits: &Limits) -> Result<Option<Self>> {
        if bytes.starts_with(HDF5_MAGIC) {
            Self::of_legacy(H5File::open(bytes, limits)?.into(), limits)
        } else if bytes.trim_ascii_start().starts_with(b"{") {
            let config = Some(read_json(&bytes, limits)?).filter(|config| !is_index(config));
            let of = |config| {
                Self::new(Format::Json, Archive::of_members([]), WeightsFile::none(), config, None, limits)
            };
            config.map(of).transpose()
        } else if holds_weights_only(&bytes) {
            Ok(None)
        } else {
            Self::of_archive(Archive::from_bytes(bytes, limits)?, Format::Keras, limits).map(Some)
        }
    }

    fn of_archive(archive: Archive, format: Format, limits: &Limits) -> Result<Self> {
        let json = |name: &str| match archive.read(name)? {
            Some(bytes) => read_json(&bytes, limits).map(Some).map_err(|error| error.at(name)),
            None => Ok(None),
        };
        let config =
            json(CONFIG)?.ok_or_else(|| Error::damaged(format_args!("there is no {CONFIG} in it")))?;
        let metadata = json(METADATA)?;
        let weights = WeightsFile::of_archive(&archive, limits)?;
        Self::new(format, archive, weights, config, metadata, limits)
    }

    /// A legacy HDF5 file: the documents are attributes of its root.
    fn of_legacy(file: Store, limits: &Limits) -> Result<Option<Self>> {
        let none = Attributes::new();
        let root = file.groups.get("").unwrap_or(&none);
        let text = |key: &str| root.get(key).and_then(Attribute::text);
        let document = |key: &str| match text(key) {
            Some(text) => read_json(text.as_bytes(), limits).map(Some).map_err(|error| error.at(key)),
            None => Ok(None),
        };
        let Some(mut config) = document("model_config")? else { return Ok(None) };
        let training = document("training_config")?;
        if let (Some(training), Some(config)) = (training, config.as_object_mut()) {
            config.insert("training_config".to_owned(), training);
        }
        let mut metadata = Map::new();
        for key in ["keras_version", "backend"] {
            metadata.extend(text(key).map(|text| (key.to_owned(), text.into())));
        }
        let archive = Archive::of_members([]);
        let weights = WeightsFile::of_h5(file);
        Self::new(Format::LegacyH5, archive, weights, config, Some(metadata.into()), limits).map(Some)
    }

    fn new(
        format: Format,
        archive: Archive,
        mut weights: WeightsFile,
        config: Json,
        metadata: Option<Json>,
        limits: &Limits,
    ) -> Result<Self> {
        let text = |key: &str| {
            let text = metadata.as_ref().and_then(|metadata| metadata.get(key)).or_else(|| config.get(key));
            text.and_then(Json::as_str).map(str::to_owned)
        };
        let origin = Origin { keras_version: text("keras_version"), backend: text("backend") };
        let era = Era::of(&config, &origin);
        let (mut config, mut changes) = modernize(config, &origin)?;
        modernize_settings(&mut config, era, &mut changes);
        weights.origin = origin;
        let (archive, limits) = (Arc::new(archive), limits.clone());
        Ok(Self { format, archive, weights, config, metadata, changes, is_edited: false, limits })
    }

    /// What a model that has just been made is saved as: its documents, and where its variables go.
    pub(crate) fn fresh(config: Json, registry: &Registry, limits: &Limits) -> Result<(Self, Described)> {
        let file =
            Self::new(Format::Json, Archive::of_members([]), WeightsFile::none(), config, None, limits)?;
        let described = file.describe(registry, true)?;
        Ok((file, described))
    }

    /// The same file with another model description.
    #[cfg(feature = "train")]
    pub(crate) fn with_config(&self, config: Json) -> Self {
        Self { config, is_edited: true, ..self.clone() }
    }

    /// What kind of file it is.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was rewritten to bring the model description into the form of today's Keras.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The documents of a `.keras` file that is about to be written: those that were read, as long as
    /// they say the same.
    pub(crate) fn documents(&self) -> Result<[(&'static str, Bytes); 2]> {
        let is_kept = self.changes.is_empty() && !self.is_edited;
        let kept = |name| if is_kept { self.archive.read(name) } else { Ok(None) };
        let metadata = || json::print(&metadata(KERAS_VERSION)).into();
        let metadata = kept(METADATA)?.unwrap_or_else(metadata);
        let config = kept(CONFIG)?.unwrap_or_else(|| json::print(&self.config).into());
        Ok([(METADATA, metadata), (CONFIG, config)])
    }

    /// The model description, `config.json`.
    #[must_use]
    pub fn config(&self) -> &Json {
        &self.config
    }

    /// The settings of `compile`, unless the model was never compiled.
    #[must_use]
    pub fn compile_config(&self) -> Option<&Map<String, Json>> {
        self.config.get("compile_config")?.as_object().filter(|settings| !settings.is_empty())
    }

    /// The version of Keras that wrote the file.
    #[must_use]
    pub fn keras_version(&self) -> Option<&str> {
        self.metadata.as_ref()?.get("keras_version")?.as_str()
    }

    /// When the file was written, in Keras' words: `2026-11-20@23:17:43`, local time.
    #[must_use]
    pub fn date_saved(&self) -> Option<&str> {
        self.metadata.as_ref()?.get("date_saved")?.as_str()
    }

    /// The members of the archive, sorted.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.archive.names()
    }

    /// Every dataset of the weights file, the state of the optimizer included.
    pub fn datasets(&self) -> impl Iterator<Item = DatasetInfo> {
        self.weights.datasets()
    }

    /// Reads the model description with the kinds of layers in `registry`, and compares it with the
    /// variables that are there: what loading would do, without reading a tensor.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn check(&self, registry: &Registry) -> Result<LoadReport> {
        self.describe(registry, false).map(|described| described.report)
    }

    /// The table that Keras prints as `model.summary()`, without the weights, which need not fit.
    ///
    /// # Errors
    /// Everything that is wrong with the model description, all at once.
    pub fn summary(&self, registry: &Registry) -> Result<Summary> {
        let (description, specs) = self.read_model(registry)?;
        let graph = graph_of(description.root.as_ref()).ok_or_else(|| no_model(description.root.as_ref()))?;
        Ok(Summary::new(graph, &specs, &description.variables, self.name()))
    }

    /// The name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        self.config.pointer("/config/name").and_then(Json::as_str).unwrap_or("model")
    }

    /// Reads the model description, and finds its variables in the file; all of them, unless a part
    /// will do.
    pub(crate) fn describe(&self, registry: &Registry, partial: bool) -> Result<Described> {
        let (description, _) = self.read_model(registry)?;
        // In a file of its own model, names are sure.
        let matching = matches!(self.weights.layout, Layout::Legacy { .. }).then_some(Matching::Name);
        let found = self.weights.resolve(&description, &self.config, matching)?;
        let members: HashSet<&str> = self.members().collect();
        let mut report = match self.weights.layout {
            Layout::None => LoadReport::default(),
            _ => found.compare(&description.variables, &members),
        };
        if !partial {
            report.check()?;
        }
        report.normalized = [self.changes.as_slice(), &found.changes].concat();
        let store = found.plan(&report, &description.variables)?;
        Ok(Described { description, store, report })
    }

    /// Reads the model description, and finds its variables in another file.
    pub(crate) fn describe_weights(&self, registry: &Registry, weights: &WeightsFile) -> Result<Described> {
        let (description, _) = self.read_model(registry)?;
        let found = weights.resolve(&description, &self.config, None)?;
        // Files of layers are no weights.
        let assets: Vec<String> = description.variables.assets().iter().map(Asset::member).collect();
        let report = found.compare(&description.variables, &assets.iter().map(String::as_str).collect());
        report.check()?;
        let store = found.plan(&report, &description.variables)?;
        Ok(Described { description, store, report })
    }

    /// The tensors of the file, to be written again with all that it has besides.
    pub(crate) fn weights(&self) -> KerasWeights {
        let archive = || Arc::clone(&self.archive);
        let container = match self.format {
            Format::Keras => Container::Zip(archive()),
            Format::Directory => Container::Directory(archive()),
            Format::LegacyH5 => Container::H5,
            Format::SavedModel | Format::Json => Container::Checkpoint,
        };
        KerasWeights::new(self.weights.clone(), container)
    }

    /// The members of the archive, but those that are made anew when a model is saved.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        let made = [METADATA, CONFIG, WEIGHTS, TRAINING];
        let is_made = move |name: &str| made.contains(&name) || is_former_asset(name);
        self.archive.names().filter(move |name| !is_made(name))
    }

    /// Reads the model description, and infers the shapes of all its values.
    pub(crate) fn read_model(&self, registry: &Registry) -> Result<(Description, Vec<Tree<Spec>>)> {
        let mut reader = Reader::new(registry, &self.limits);
        let root = Object::read(&self.config, &mut reader)
            .and_then(|object| reader.enter(|reader| registry.read(&object, reader)));
        reader.finish()?;
        let root = root.ok_or_else(|| Error::config("the model could not be read"))?;
        let graph = graph_of(root.as_ref()).ok_or_else(|| no_model(root.as_ref()))?;
        let specs = graph.infer(None)?;
        let variables = root.variables(&Args::none())?;
        Ok((Description { root, variables }, specs))
    }
}

/// What a file says of itself.
pub(crate) fn metadata(version: &str) -> Json {
    serde_json::json!({"keras_version": version, "date_saved": now()})
}

/// The time as Keras writes it, in Greenwich.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, seconds) = (since / 86_400, since % 86_400);
    // Years that start in March have their leap day last; 400 of them have 146,097 days.
    let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    let year = 400 * era + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02}@{hour:02}:{minute:02}:{second:02}")
}

fn weights_only() -> Error {
    let message = "the file has weights only, and describes no model: load it into one, with load_weights";
    Error::unsupported(message)
}

fn no_model(root: &dyn AnyConfig) -> Error {
    let class = root.class();
    Error::unsupported(format_args!("a {class} is no model: expected Sequential or Functional"))
}

fn read_json(bytes: &[u8], limits: &Limits) -> Result<Json> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::damaged("not UTF-8").with_source(error))?;
    json::read(text, limits)
}
