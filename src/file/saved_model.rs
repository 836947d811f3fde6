//! SavedModel directories: what Keras 2 says of a model in one, its checkpoint, its graph of objects.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::bundle::{Bundle, Objects, regular};
use super::fault_of_name;
use super::proto::{INT64, STRING, SavedAsset, TensorHead, decode, part, parts, text};
use crate::error::{Error, Result};
use crate::limits::Limits;

const MODEL: &str = "saved_model.pb";
/// Written by TensorFlow 2.5 and later.
const METADATA: &str = "keras_metadata.pb";

/// A SavedModel directory, opened.
#[derive(Debug)]
pub(crate) struct SavedModel {
    path: PathBuf,
    limits: Limits,
    /// What Keras calls the kind of the root: `_tf_keras_network`.
    pub(crate) identifier: String,
    /// What Keras says of the model: JSON.
    pub(crate) metadata: String,
    pub(crate) bundle: Bundle,
    pub(crate) objects: Objects,
}

/// What is in `saved_model.pb` and neither in the description nor in the checkpoint: constants, and the
/// names of files.
#[derive(Debug)]
pub(crate) struct Resources {
    assets: PathBuf,
    limits: Limits,
    /// The names of the files in `assets/`.
    files: Vec<String>,
    /// Of an object, its place in that list.
    file_of: HashMap<usize, usize>,
    /// Of an object, the operation that gives it.
    operation_of: HashMap<usize, String>,
    /// The tensors that operations give.
    constants: HashMap<String, Bytes>,
}

/// What a table looks up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Texts(Vec<String>),
    Numbers(Vec<i64>),
}

impl SavedModel {
    /// Whether there is a SavedModel in that directory.
    pub(crate) fn is_at(path: &Path) -> bool {
        path.join(MODEL).is_file()
    }

    /// The prefix of the checkpoint in the SavedModel in the directory `path`.
    ///
    /// # Errors
    /// When it is not there, or is a link.
    pub(crate) fn checkpoint(path: &Path) -> Result<PathBuf> {
        Ok(directory(path, "variables")?.join("variables"))
    }

    /// Opens the SavedModel in the directory `path`.
    ///
    /// # Errors
    /// When a part of it is damaged, beyond the limits, or not there; or when it was not Keras 2 that
    /// wrote it.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let (identifier, metadata) = described(path, limits)?;
        Limits::check("size of the description in bytes", metadata.len() as u64, limits.json_bytes)?;
        let bundle = Bundle::open(&Self::checkpoint(path)?, limits).map_err(|error| error.at("variables"))?;
        let objects = bundle.objects().map_err(|error| error.at("variables"))?;
        let (path, limits) = (path.to_owned(), limits.clone());
        Ok(Self { path, limits, identifier, metadata, bundle, objects })
    }

    /// What else is there.
    ///
    /// # Errors
    /// When `saved_model.pb` is damaged, or beyond the limits.
    pub(crate) fn resources(&self) -> Result<Resources> {
        let graph = meta_graph(&self.path, &self.limits)?;
        Resources::read(&graph, &self.path, &self.limits).map_err(|error| error.at(MODEL))
    }
}

impl Resources {
    fn read(graph: &Bytes, path: &Path, limits: &Limits) -> Result<Self> {
        let mut resources = Self {
            assets: path.join("assets"),
            limits: limits.clone(),
            files: Vec::new(),
            file_of: HashMap::new(),
            operation_of: HashMap::new(),
            constants: HashMap::new(),
        };
        let mut entries = 0_u64;
        let mut count = || {
            entries = entries.saturating_add(1);
            Limits::check("objects, operations and files", entries, limits.entries as u64)
        };
        for file in parts(graph.clone(), 6) {
            count()?;
            resources.files.push(text(&file?, 2)?);
        }
        for (node, object) in parts(part(graph, 7)?.unwrap_or_default(), 1).enumerate() {
            count()?;
            let object = object?;
            if let Some(asset) = part(&object, 5)? {
                let place = usize::try_from(decode::<SavedAsset>(asset)?.index);
                let place = place.map_err(|_| Error::damaged("a file before the first"))?;
                resources.file_of.insert(node, place);
            }
            if let Some(constant) = part(&object, 9)? {
                resources.operation_of.insert(node, text(&constant, 1)?);
            }
        }
        for operation in parts(part(graph, 2)?.unwrap_or_default(), 1) {
            count()?;
            let operation = operation?;
            if text(&operation, 2)? == "Const"
                && let Some(tensor) = value(&operation)?
            {
                resources.constants.insert(text(&operation, 1)?, tensor);
            }
        }
        Ok(resources)
    }

    /// What the table that is the object `node` looks up, in the order of the numbers that it gives for it,
    /// or is asked for when it is inverted.
    ///
    /// # Errors
    /// When it is damaged, or of a kind that no layer of Keras makes.
    pub(crate) fn table(&self, objects: &Objects, node: usize, is_inverted: bool) -> Result<Keys> {
        if let Some(file) = objects.find(node, &["_initializer", "_filename"]) {
            let text = self.file(file)?;
            return Ok(Keys::Texts(text.lines().map(str::to_owned).collect()));
        }
        let trace = objects.find(node, &["_initialize", "trace_0"]);
        let captured = trace.into_iter().flat_map(|trace| objects.children(trace));
        let constants: Vec<_> =
            captured.filter_map(|(_, child)| self.constants.get(self.operation_of.get(&child)?)).collect();
        let [first, second] = constants.as_slice() else {
            return Err(Error::unsupported("a table that is neither in a file nor made of two constants"));
        };
        let (keys, numbers) = if is_inverted { (second, first) } else { (first, second) };
        let Keys::Numbers(numbers) = self.keys(numbers)? else {
            return Err(Error::damaged("expected the numbers of a table's keys"));
        };
        match self.keys(keys)? {
            Keys::Texts(texts) => ordered(texts, &numbers).map(Keys::Texts),
            Keys::Numbers(keys) => ordered(keys, &numbers).map(Keys::Numbers),
        }
    }

    /// The text of the file that is the object `node`.
    fn file(&self, node: usize) -> Result<String> {
        let name = self.file_of.get(&node).and_then(|place| self.files.get(*place));
        let name = name.ok_or_else(|| Error::damaged("a file without a name"))?;
        let fault = fault_of_name(name).or(name.contains('/').then_some("leads to another directory"));
        if let Some(fault) = fault {
            return Err(Error::damaged(format_args!("the name {name:?} of a file in assets {fault}")));
        }
        let root = self.assets.parent().unwrap_or(&self.assets);
        let bytes = regular(&directory(root, "assets")?.join(name), &self.limits)?;
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|error| Error::damaged("not UTF-8").with_source(error).at(name))
    }

    /// The elements of a tensor of strings or integers.
    fn keys(&self, tensor: &Bytes) -> Result<Keys> {
        let head: TensorHead = decode(tensor.clone())?;
        let count = head.shape.iter().flat_map(|shape| &shape.axes).fold(1_u64, |product, axis| {
            product.saturating_mul(u64::try_from(axis.size).unwrap_or(u64::MAX))
        });
        Limits::check("entries of a table", count, self.limits.entries as u64)?;
        let keys = match head.dtype {
            STRING => {
                let texts = parts(tensor.clone(), 8).map(|text| {
                    String::from_utf8(text?.into())
                        .map_err(|error| Error::unsupported("a table of bytes").with_source(error))
                });
                Keys::Texts(texts.collect::<Result<_>>()?)
            }
            INT64 if head.integers.is_empty() => {
                let content = part(tensor, 4)?.unwrap_or_default();
                let (numbers, _) = content.as_chunks();
                Keys::Numbers(numbers.iter().map(|number| i64::from_le_bytes(*number)).collect())
            }
            INT64 => Keys::Numbers(head.integers),
            other => return Err(Error::unsupported(format_args!("a table of TensorFlow's type {other}"))),
        };
        let found = match &keys {
            Keys::Texts(texts) => texts.len(),
            Keys::Numbers(numbers) => numbers.len(),
        };
        if found as u64 != count {
            return Err(Error::damaged(format_args!("a table of {count} entries has {found}")));
        }
        Ok(keys)
    }
}

/// What Keras calls the kind of the root, and its description.
fn described(path: &Path, limits: &Limits) -> Result<(String, String)> {
    let metadata = path.join(METADATA);
    if std::fs::symlink_metadata(&metadata).is_ok() {
        let read = || {
            let mut root = None;
            // All of them, so that a file that is cut off is found to be.
            for object in parts(regular(&metadata, limits)?, 1) {
                let object = object?;
                if text(&object, 3)? == "root" {
                    root = Some((text(&object, 4)?, text(&object, 5)?));
                }
            }
            root.ok_or_else(|| Error::damaged("there is no root"))
        };
        return read().map_err(|error| error.at(METADATA));
    }
    let graph = meta_graph(path, limits)?;
    let read = || {
        let root = part(&part(&graph, 7)?.unwrap_or_default(), 1)?.unwrap_or_default();
        let object = part(&root, 4)?.unwrap_or_default();
        Ok((text(&object, 1)?, text(&object, 3)?))
    };
    let (identifier, metadata) = read().map_err(|error: Error| error.at(MODEL))?;
    if metadata.is_empty() {
        return Err(Error::unsupported(
            "a SavedModel that does not say of which layers it is made, as model.export and \
             tf.saved_model.save write it: save the model with model.save(\"model.keras\") where it was made",
        ));
    }
    Ok((identifier, metadata))
}

/// The one graph of a SavedModel.
fn meta_graph(path: &Path, limits: &Limits) -> Result<Bytes> {
    let model = regular(&path.join(MODEL), limits)?;
    let graph = part(&model, 2).map_err(|error| error.at(MODEL))?;
    graph.ok_or_else(|| Error::damaged("there is no graph").at(MODEL))
}

/// A directory in a SavedModel. A link may lead anywhere, and is not followed.
fn directory(path: &Path, name: &str) -> Result<PathBuf> {
    let path = path.join(name);
    let metadata = std::fs::symlink_metadata(&path);
    let metadata =
        metadata.map_err(|source| Error::io(format_args!("cannot open {}", path.display()), source))?;
    if !metadata.is_dir() {
        return Err(Error::damaged(format_args!("{} is no directory", path.display())));
    }
    Ok(path)
}

/// The tensor that a constant operation gives.
fn value(operation: &Bytes) -> Result<Option<Bytes>> {
    for attribute in parts(operation.clone(), 5) {
        let attribute = attribute?;
        if text(&attribute, 1)? == "value" {
            return part(&part(&attribute, 2)?.unwrap_or_default(), 8);
        }
    }
    Ok(None)
}

fn ordered<T>(keys: Vec<T>, numbers: &[i64]) -> Result<Vec<T>> {
    if keys.len() != numbers.len() {
        return Err(Error::damaged("a table has other numbers than keys"));
    }
    let mut pairs: Vec<_> = numbers.iter().zip(keys).collect();
    pairs.sort_by_key(|(number, _)| **number);
    Ok(pairs.into_iter().map(|(_, key)| key).collect())
}

#[cfg(test)]
mod tests;
