//! Which class of a config is which kind of layer.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::{Borders, Dtype, DtypePolicy, Field, Key, Map, Object, Reader};
use crate::error::{Error, Result};
use crate::layer::{AnyConfig, LayerConfig, Spec};
use crate::layers::{ConstantConfig, LAYERS};
use crate::module::{Governed, graph_of};
use crate::ops::OPERATIONS;
use crate::value::Value;

/// Which dtype policies a kind of layer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Weights are stored as numbers of their own.
    Plain,
    /// Weights are stored in a few bits.
    Quantized,
    /// Weights are rounded to 8-bit floats when they are used.
    Float8,
}

impl Policy {
    /// What the `dtype` of a config asks for.
    pub(crate) fn of(dtype: Option<&Json>) -> Self {
        let name = match dtype {
            Some(Json::String(name)) => name.split_once("_from_").map_or("", |(mode, _)| mode),
            Some(policy) => {
                let mode = Object::of(policy).and_then(|object| object.config.get("mode"));
                mode.and_then(Json::as_str).unwrap_or("")
            }
            None => "",
        };
        match name {
            "" => Self::Plain,
            "float8" => Self::Float8,
            _ => Self::Quantized,
        }
    }
}

/// One kind of layer, as data.
#[derive(Clone, Copy)]
pub struct Row {
    /// Every class name that it goes by, the canonical one first.
    pub classes: &'static [&'static str],
    /// The config keys that it knows, without those that every layer has.
    pub keys: &'static [&'static str],
    /// The same with their types, where that is known.
    pub sources: &'static [Key],
    /// Whether it is an operation of `keras.ops`.
    pub operation: bool,
    /// The dtype policies that it is for.
    pub policy: Policy,
    /// Reads its config.
    pub read: fn(&Object<'_>, &mut Reader<'_>) -> Option<Arc<dyn AnyConfig>>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("classes", &self.classes).finish_non_exhaustive()
    }
}

impl fmt::Display for Row {
    /// As a line of a Markdown table: class, aliases, config keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let (class, aliases) = self.classes.split_at(self.classes.len().min(1));
        let kind = self.kind();
        write!(f, "| {}{kind} | {} | {} |", list(class), list(aliases), list(self.keys))
    }
}

impl Row {
    /// What tells it from another row of the same class: ` (operation)`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match (self.operation, self.policy) {
            (true, _) => " (operation)",
            (_, Policy::Plain) => "",
            (_, Policy::Quantized) => " (int8, int4, gptq, awq)",
            (_, Policy::Float8) => " (float8)",
        }
    }
}

/// The row of a kind of layer.
#[must_use]
pub const fn row<C: LayerConfig>() -> Row {
    Row {
        classes: C::CLASSES,
        keys: C::KEYS,
        sources: C::SOURCES,
        operation: C::OPERATION,
        policy: C::POLICY,
        read: read::<C>,
    }
}

/// Every kind of layer and operation of this crate.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    LAYERS.iter().chain(OPERATIONS.iter().copied().flatten())
}

fn read<C: LayerConfig>(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Arc<dyn AnyConfig>> {
    C::read_object(object, reader).map(|config| Arc::new(config) as _)
}

/// What a `Lambda` makes of shapes.
pub type LambdaShape = dyn Fn(&[Spec]) -> Result<Vec<Spec>> + Send + Sync;
/// What a `Lambda` makes of values.
pub type LambdaCall = dyn Fn(Vec<Value>) -> Result<Vec<Value>> + Send + Sync;

/// A closure that stands for a `Lambda` layer.
#[derive(Clone)]
pub(crate) struct Lambda {
    pub(crate) shape: Arc<LambdaShape>,
    pub(crate) call: Arc<LambdaCall>,
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closures")
    }
}

/// The kinds of layers that loading knows: those of this crate and a user's own.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    own: Vec<Row>,
    lambdas: HashMap<String, Lambda>,
}

/// Keys that every layer may have: what the graph reads, and a penalty that only training needs.
const COMMON: &[&str] = &["name", "trainable", "dtype", "activity_regularizer"];

impl Registry {
    /// The kinds of this crate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of layer. It takes precedence over one of the same class.
    #[must_use]
    pub fn with<C: LayerConfig>(mut self) -> Self {
        self.own.push(row::<C>());
        self
    }

    pub(crate) fn with_row(mut self, row: Row) -> Self {
        self.own.push(row);
        self
    }

    /// Gives the `Lambda` layer of that name its meaning, since the Python code in a file is never
    /// run: what it makes of shapes, and of values.
    #[must_use]
    pub fn with_lambda(
        mut self,
        layer: impl Into<String>,
        shape: impl Fn(&[Spec]) -> Result<Vec<Spec>> + Send + Sync + 'static,
        call: impl Fn(Vec<Value>) -> Result<Vec<Value>> + Send + Sync + 'static,
    ) -> Self {
        self.lambdas.insert(layer.into(), Lambda { shape: Arc::new(shape), call: Arc::new(call) });
        self
    }

    /// Whether a class is known.
    #[must_use]
    pub fn knows(&self, class: &str) -> bool {
        self.known().any(|row| row.classes.contains(&class))
    }

    pub(crate) fn lambda(&self, layer: &str) -> Option<&Lambda> {
        self.lambdas.get(layer)
    }

    fn known(&self) -> impl Iterator<Item = &Row> {
        self.own.iter().rev().chain(rows().map(|row| -> &Row { row }))
    }

    /// Layers and operations are different worlds: `Add` is a class of both.
    fn find(&self, object: &Object<'_>) -> Option<&Row> {
        let policy = Policy::of(object.config.get("dtype"));
        let mut rows = self
            .known()
            .filter(|row| row.operation == object.is_operation() && row.classes.contains(&object.class));
        let first = rows.next()?;
        // A layer without weights takes no notice of how they would be stored.
        Some(std::iter::once(first).chain(rows).find(|row| row.policy == policy).unwrap_or(first))
    }

    /// Reads the config of a layer or an operation.
    pub(crate) fn read(&self, object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Arc<dyn AnyConfig>> {
        let Some(row) = self.find(object) else {
            let classes =
                self.known().filter(|row| row.operation == object.is_operation()).flat_map(|row| row.classes);
            let what = if object.is_operation() { "operation" } else { "layer" };
            let hint = reader.hint(object.class, classes.copied());
            reader.push(Error::unsupported(format_args!("unknown {what} class {:?}{hint}", object.class)));
            return None;
        };
        for (key, value) in object.config {
            let known = COMMON.contains(&key.as_str()) || row.keys.contains(&key.as_str());
            if !known && !value.is_null() {
                let hint = reader.hint(key, row.keys.iter().copied());
                reader.at(key, |reader| reader.push(Error::unsupported(format_args!("unknown key{hint}"))));
            }
        }
        let has_policy = !row.operation && row.policy == Policy::Plain;
        let reads_dtype = row.keys.contains(&"dtype");
        let policy = match has_policy && !reads_dtype {
            true => {
                reader.note(DtypePolicy::read(object.config.get("dtype")).map_err(|error| error.at("dtype")))
            }
            false => Some(DtypePolicy::default()),
        };
        let config = (row.read)(object, reader)?;
        let policy = policy?;
        // Models have no type, and inputs one of their own.
        if config.is_input() || graph_of(config.as_ref()).is_some() {
            return Some(config);
        }
        // Some kinds of layers see to their type themselves.
        let borders = if reads_dtype { Borders::Free } else { config.borders() };
        if !matches!(borders, Borders::Free | Borders::Wrapper) {
            reader.note(check_inner(object.config, policy));
        }
        Some(Arc::new(Governed { config, policy, borders }))
    }

    /// Reads an array that a layer is called with.
    pub(crate) fn read_constant(&self, json: &Json) -> Result<Arc<dyn AnyConfig>> {
        Ok(Arc::new(ConstantConfig::new(json)?))
    }

    /// Reads a layer inside of another's config.
    pub(crate) fn read_child(&self, json: &Json, reader: &mut Reader<'_>) -> Option<Child> {
        let object = Object::read(json, reader)?;
        let name = object.config.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let trainable = object.config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
        let place = format!("{name:?} ({})", object.class);
        let config = reader.enter(|reader| reader.at(place, |reader| self.read(&object, reader)))?;
        Some(Child { name, config, json: json.clone(), trainable })
    }
}

/// A layer inside of another's config, as wrappers have it: any kind, with its own name.
#[derive(Clone, Debug)]
pub struct Child {
    /// The name of the wrapped layer.
    pub name: String,
    /// Its config.
    pub config: Arc<dyn AnyConfig>,
    /// Its serialized form.
    pub json: Json,
    /// Whether its variables may be trained.
    pub trainable: bool,
}

impl Field for Child {
    const EXPECTED: &'static str = "a layer";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        reader.registry().read_child(json, reader)
    }

    fn write(&self) -> Json {
        self.json.clone()
    }
}

impl PartialEq for Child {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

/// Refuses layers inside of a layer that compute in fewer bits, or store others, where one policy counts.
fn check_inner(config: &Map<String, Json>, policy: DtypePolicy) -> Result<()> {
    let layers = config.iter().filter(|(key, _)| !key.ends_with("activation")).flat_map(|(key, json)| {
        let items = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        items.iter().filter_map(Object::of).map(move |layer| (key, layer))
    });
    for (key, layer) in layers.filter(|(_, layer)| layer.text("module") == Some("keras.layers")) {
        // One that computes in more bits is rounded by the layer around it.
        let fits = |inner: DtypePolicy| {
            let is_precise = inner.compute == policy.compute || inner.compute == Dtype::Float32;
            is_precise && inner.variable == policy.variable
        };
        if DtypePolicy::read(layer.config.get("dtype")).is_ok_and(|inner| !fits(inner)) {
            return Err(Error::unsupported("another dtype policy than that of the layer around it").at(key));
        }
    }
    Ok(())
}

/// `; did you mean "x"?`, when something known is close to `unknown`.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest_of(unknown, known).map_or_else(String::new, |word| format!("; did you mean {word:?}?"))
}

/// What of the known is closest to `unknown`, if anything is close.
pub(crate) fn nearest_of<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    // The distance of two words takes as much memory as the product of their lengths.
    const LONGEST_WORD: usize = 200;
    if unknown.len() > LONGEST_WORD {
        return None;
    }
    let lower = unknown.to_lowercase();
    known
        .filter(|word| word.len() <= LONGEST_WORD)
        // Words of such different lengths are not alike, whatever is in them.
        .filter(|word| word.len() < 4 * unknown.len() && unknown.len() < 4 * word.len())
        .map(|word| (strsim::normalized_damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use serde_json::json;

    fn read(json: &Json) -> Result<Option<Arc<dyn AnyConfig>>> {
        let (registry, limits) = (Registry::new(), Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let config = Object::of(json).and_then(|object| registry.read(&object, &mut reader));
        reader.finish().map(|()| config)
    }

    #[test]
    fn a_cell_has_the_dtype_policy_of_its_layer() {
        let rnn = |policy: &str| {
            let cell = json!({"units": 2, "dtype": "mixed_float16"});
            let cell = json!({"module": "keras.layers", "class_name": "LSTMCell", "config": cell});
            let config = json!({"cell": cell, "dtype": policy});
            read(&json!({"module": "keras.layers", "class_name": "RNN", "config": config}))
        };
        assert!(rnn("mixed_float16").is_ok_and(|config| config.is_some()));
        let error = rnn("float32").err().unwrap().to_string();
        assert!(error.contains("cell"), "{error}");
    }

    #[test]
    fn unknown_dtype_policies_are_refused_by_name() {
        let config = json!({"units": 2, "dtype": "float8_e5m2"});
        let dense = json!({"module": "keras.layers", "class_name": "Dense", "config": config});
        let error = read(&dense).err().unwrap().to_string();
        assert!(error.contains("float8_e5m2") && error.contains("dtype"), "{error}");
    }
}
