//! A Keras file as it lies there: its documents and the index of its variables. No tensor is read.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value as Json};

use crate::config::{Dtype, Object, Reader, json};
use crate::error::{Error, Result};
use crate::file::archive::Archive;
use crate::file::h5::{Attribute, Attributes, ElementType, H5File};
use crate::file::save::{Content, Member, zip_to};
use crate::layer::{AnyConfig, Args, Registry, Spec, Tree, Variable, Variables};
use crate::limits::Limits;
use crate::module::graph_of;
use crate::summary::Summary;

/// The names of the members of a `.keras` archive.
pub(crate) const METADATA: &str = "metadata.json";
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.weights.h5";

/// The version of Keras whose files this crate writes.
const KERAS_VERSION: &str = "3.15.1";

/// A `.keras` file or directory, opened: what it says of itself, without its tensors.
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
pub struct KerasFile {
    pub(crate) archive: Archive,
    pub(crate) weights: H5File,
    config: Json,
    metadata: Option<Json>,
    limits: Limits,
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

impl KerasFile {
    /// Opens a `.keras` zip file or the directory form of one.
    ///
    /// # Errors
    /// When it is damaged, of another format, or beyond the limits.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let archive = Archive::open(path, limits);
        archive.and_then(|archive| Self::read(archive, limits)).map_err(|error| error.in_file(path))
    }

    /// Opens a `.keras` zip file that lies in memory.
    ///
    /// # Errors
    /// When it is damaged, of another format, or beyond the limits.
    pub fn from_bytes(bytes: impl Into<bytes::Bytes>, limits: &Limits) -> Result<Self> {
        Self::read(Archive::from_bytes(bytes.into(), limits)?, limits)
    }

    fn read(archive: Archive, limits: &Limits) -> Result<Self> {
        let config = read_json(&archive, CONFIG, limits)?
            .ok_or_else(|| Error::damaged(format_args!("there is no {CONFIG} in it")))?;
        let metadata = read_json(&archive, METADATA, limits)?;
        let weights = match archive.read(WEIGHTS)? {
            Some(bytes) => H5File::open(bytes, limits).map_err(|error| error.at(WEIGHTS))?,
            None if archive.names().any(|name| name == "model.weights.npz") => {
                return Err(Error::unsupported("weights in a model.weights.npz"));
            }
            None => return Err(Error::damaged(format_args!("there is no {WEIGHTS} in it"))),
        };
        Ok(Self { archive, weights, config, metadata, limits: limits.clone() })
    }

    /// What a model that has just been made is saved as: its documents, and where its variables go.
    pub(crate) fn fresh(config: Json, registry: &Registry, limits: &Limits) -> Result<(Self, Description)> {
        let metadata = serde_json::json!({"keras_version": KERAS_VERSION, "date_saved": now()});
        let mut members = [(METADATA, &metadata), (CONFIG, &config)].map(|(name, json)| Member {
            name: name.to_owned(),
            content: Content::Bytes(json::print(json).into()),
        });
        let archive = zip_to(Cursor::new(Vec::new()), &mut members)?.into_inner();
        let archive = Archive::from_bytes(archive.into(), limits)?;
        let weights = H5File::planned(BTreeMap::new(), []);
        let mut file = Self { archive, weights, config, metadata: Some(metadata), limits: limits.clone() };
        let (description, _) = file.read_model(registry)?;
        file.weights = planned(&description)?;
        Ok((file, description))
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
        self.weights.datasets().iter().map(|(path, dataset)| {
            let elements =
                dataset.shape.iter().fold(1_u64, |product, size| product.saturating_mul(*size as u64));
            let dtype =
                dataset.element.keras_name().map_or_else(|| format!("{:?}", dataset.element), str::to_owned);
            let bytes = elements.saturating_mul(dataset.element.size() as u64);
            DatasetInfo { path: path.clone(), shape: dataset.shape.clone(), dtype, bytes }
        })
    }

    /// Reads the model description with the kinds of layers in `registry`, and compares it with the
    /// variables that are there.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn check(&self, registry: &Registry) -> Result<()> {
        self.describe(registry).map(|_| ())
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

    pub(crate) fn describe(&self, registry: &Registry) -> Result<Description> {
        let (description, _) = self.read_model(registry)?;
        self.check_variables(&description.variables)?;
        Ok(description)
    }

    /// Reads the model description, and infers the shapes of all its values.
    fn read_model(&self, registry: &Registry) -> Result<(Description, Vec<Tree<Spec>>)> {
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

    /// Compares declared variables with stored ones, as strictly as Keras does: every variable with
    /// its exact shape, and nothing else among a layer's own variables.
    fn check_variables(&self, variables: &Variables) -> Result<()> {
        let mut problems = crate::error::Problems::default();
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        let datasets = |variable| Variable::datasets(variable).map(move |dataset| (variable, dataset));
        for (variable, (group, path)) in variables.iter().flat_map(datasets) {
            *counts.entry(group).or_default() += 1;
            let problem = match self.weights.datasets().get(&path) {
                None => {
                    Some(format!("missing: the variable {:?} of shape {:?}", variable.name, variable.shape))
                }
                Some(dataset) if dataset.shape != variable.shape => Some(format!(
                    "expected the shape {:?} of the variable {:?}, got {:?}",
                    variable.shape, variable.name, dataset.shape
                )),
                Some(dataset) if dataset.element.keras_name().and_then(Dtype::from_name).is_none() => {
                    Some(format!("expected numbers, got {:?}", dataset.element))
                }
                Some(_) => None,
            };
            if let Some(problem) = problem {
                problems.push(Error::weights(problem).at(path));
            }
        }
        let members: Vec<&str> = self.members().collect();
        for member in variables.assets().iter().map(crate::variables::Asset::member) {
            if !members.contains(&member.as_str()) {
                problems.push(Error::weights("missing: a layer reads it").at(member));
            }
        }
        for (group, count) in counts {
            let prefix = if group.is_empty() { "vars/".to_owned() } else { format!("{group}/vars/") };
            let below = self.weights.datasets().range(prefix.clone()..);
            let stored = below.take_while(|(path, _)| path.starts_with(&prefix)).count();
            if stored > count {
                let message = format!("expected {count} variables, got {stored}");
                problems.push(Error::weights(message).at(prefix.trim_end_matches('/')));
            }
        }
        problems.finish()
    }
}

/// The tree of a weights file, with the groups that Keras makes.
fn planned(description: &Description) -> Result<H5File> {
    let mut groups = BTreeMap::from([(String::new(), Attributes::new())]);
    if let Some(graph) = graph_of(description.root.as_ref()) {
        for layer in &graph.layers {
            let name = Attribute::Str(layer.name.clone());
            let vars = layer.group.iter().map(|group| format!("{group}/vars"));
            groups.extend(vars.map(|vars| (vars, Attributes::from([("name".to_owned(), name.clone())]))));
        }
    }
    let mut datasets = Vec::new();
    for variable in &description.variables {
        let element = ElementType::from_keras_name(variable.dtype.name());
        let element = element
            .ok_or_else(|| Error::unsupported(format_args!("variables of type {}", variable.dtype)))?;
        datasets.extend(variable.datasets().map(|(_, path)| (path, variable.shape.clone(), element.clone())));
    }
    Ok(H5File::planned(groups, datasets))
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

fn no_model(root: &dyn AnyConfig) -> Error {
    let class = root.class();
    Error::unsupported(format_args!("a {class} is no model: expected Sequential or Functional"))
}

fn read_json(archive: &Archive, name: &str, limits: &Limits) -> Result<Option<Json>> {
    let Some(bytes) = archive.read(name)? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Error::damaged("not UTF-8").with_source(error).at(name))?;
    json::read(text, limits).map(Some).map_err(|error| error.at(name))
}
