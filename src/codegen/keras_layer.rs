//! Layers that burn-nn has no counterpart of: fields of type [`KerasLayer`](crate::module::KerasLayer).

#[cfg(test)]
mod tests;
mod way;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Field;
use crate::build::ALIASES;
use crate::config::graph::KEEPS_MASKS;
use crate::config::{DtypePolicy, Key, Object, Reader, json, snake_case};
use crate::error::{Error, Result};
use crate::layer::{AnyConfig, Args, Policy, Registry, Row, Spec, Tree, rows};
use crate::limits::Limits;
use way::way;

const CALL: &str = "burn_keras::module::Call";

/// One call of a layer in a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KerasCall<'a> {
    /// What it is called with.
    pub args: &'a Args<Spec>,
    /// The explicit masks, whose tensors come after those of the arguments.
    pub mask: Option<&'a Tree<Spec>>,
}

/// A layer in Rust source.
#[derive(Clone, Debug)]
pub(crate) struct KerasSource {
    /// Its field.
    pub field: Field,
    /// An expression for every call, as in [`Code::call`](super::Code): what it takes may be tensors in Keras' order
    /// of axes or a `Value`, and the types of what it gives have to be said: one, or a tuple of several, each a
    /// tensor or a `Value`.
    pub calls: Vec<String>,
    /// The items that both name.
    pub uses: BTreeSet<&'static str>,
}

/// The layers of a model as they stand in its config, by name.
pub(crate) fn objects(model: &dyn AnyConfig) -> HashMap<String, Json> {
    let mut config = model.write();
    let layers = config.remove("layers");
    let layers = layers.as_ref().and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let named = layers.iter().filter_map(|json| {
        let object = Object::of(json)?;
        let name = object.text("name").or_else(|| object.config.get("name").and_then(Json::as_str));
        Some((name.map_or_else(|| snake_case(object.class), str::to_owned), json.clone()))
    });
    named.collect()
}

/// The source of a layer that is called so: `object` is the layer as Keras serializes it.
///
/// # Errors
/// When the layer cannot stand alone, such as a model or one of a class of somebody's own.
pub(crate) fn keras_layer(object: &Json, frozen: bool, calls: &[KerasCall<'_>]) -> Result<KerasSource> {
    let mut uses = BTreeSet::from(["burn_keras::module::KerasLayer"]);
    let settings = Settings::of(object, frozen)?;
    if let Some(first) = calls.first()
        && let Some(asset) = settings.read.variables(first.args)?.assets().first()
    {
        let message = "it is built with a file beside its weights, which a fresh layer does not have";
        return Err(Error::unsupported(message).at(asset.name));
    }
    let layer = settings.source(&mut uses);
    let mut ways: Vec<String> = Vec::new();
    let mut shapeless: Vec<String> = Vec::new();
    let mut expressions = Vec::new();
    for call in calls {
        // A call that is like another but for the sizes of axes needs no words of its own.
        let sizeless = |spec: &Spec| Ok(Spec::new(vec![None; spec.rank()], spec.dtype));
        let (args, mask) = (call.args.try_map(&mut { sizeless })?, call.mask);
        let mask = mask.map(|mask| mask.try_map(&mut { sizeless })).transpose()?;
        let sizeless = KerasCall { args: &args, mask: mask.as_ref() };
        let of_any_size = way(&sizeless, &settings, &mut BTreeSet::new());
        let at = shapeless.iter().position(|known| *known == of_any_size).unwrap_or(ways.len());
        if at == ways.len() {
            ways.push(way(call, &settings, &mut uses));
            shapeless.push(of_any_size);
        }
        let masks = call.mask.map(Tree::leaves).unwrap_or_default();
        let tensors = tensors(call.args.leaves().len() + masks.len(), &mut uses);
        expressions.push(match at {
            0 => format!("{{self}}.forward({tensors})"),
            at => format!("{{self}}.at({at}).forward({tensors})"),
        });
    }
    let (first, others) = ways.split_first().ok_or_else(|| Error::config("it is never called"))?;
    let mut called = first.clone();
    if !others.is_empty() && called.starts_with('[') {
        uses.insert(CALL);
        called = format!("Call::from({called})");
    }
    others.iter().for_each(|other| called += &format!(".or({other})"));
    let init = format!("KerasLayer::init({layer}, {called}, device)");
    let field = Field { ty: "KerasLayer".to_owned(), init };
    Ok(KerasSource { field, calls: expressions, uses })
}

/// The arguments of [`KerasLayer::forward`](crate::module::KerasLayer::forward).
fn tensors(count: usize, uses: &mut BTreeSet<&'static str>) -> String {
    const LONGEST_TUPLE: usize = 8;
    let each = |format: fn(usize) -> String| (0..count).map(format).collect::<Vec<_>>().join(", ");
    match count {
        1 => "{0}".to_owned(),
        0..=LONGEST_TUPLE => format!("({})", each(|at| format!("{{{at}}}"))),
        _ => {
            uses.insert("burn_keras::Value");
            format!("vec![{}]", each(|at| format!("Value::from({{{at}}})")))
        }
    }
}

/// What is to be said of a layer.
struct Settings {
    read: Arc<dyn AnyConfig>,
    class: String,
    row: Option<&'static Row>,
    /// Its parameters.
    args: &'static [&'static str],
    /// Its config, without what is the default.
    config: Map<String, Json>,
    trainable: bool,
    keeps_masks: bool,
    /// The object itself, for an array that is no layer.
    array: Option<Json>,
}

impl Settings {
    fn of(json: &Json, frozen: bool) -> Result<Self> {
        let (registry, limits) = (Registry::new(), Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let object = Object::read(json, &mut reader);
        let is_array = |object: &Object<'_>| matches!(object.class, "__numpy__" | "__tensor__");
        let config = object.and_then(|object| match is_array(&object) {
            true => reader.note(registry.read_constant(json)),
            false => registry.read(&object, &mut reader),
        });
        reader.finish()?;
        let (Some(object), Some(read)) = (object, config) else {
            return Err(Error::config("the layer could not be read"));
        };
        let policy = Policy::of(object.config.get("dtype"));
        let row = rows()
            .filter(|row| row.operation == object.is_operation() && row.classes.contains(&object.class));
        let row = row.max_by_key(|row| row.policy == policy);
        let mut config = object.config.clone();
        config.remove("name");
        let trainable = config.remove("trainable").and_then(|flag| flag.as_bool()).unwrap_or(true) && !frozen;
        if let Some(row) = row {
            config.retain(|key, value| row.says(key, value));
        }
        config.values_mut().for_each(|value| *value = compact(value));
        Ok(Self {
            class: object.class.to_owned(),
            row,
            args: read.arg_names(),
            read,
            config,
            trainable,
            keeps_masks: object.envelope.get(KEEPS_MASKS) == Some(&Json::Bool(true)),
            array: is_array(&object).then(|| json.clone()),
        })
    }

    fn is_operation(&self) -> bool {
        self.row.is_some_and(|row| row.operation)
    }

    fn source(&self, uses: &mut BTreeSet<&'static str>) -> String {
        self.builder(uses).unwrap_or_else(|| self.json(uses))
    }

    /// `Dense::new(4).activation("relu")`, if everything can be said so.
    fn builder(&self, uses: &mut BTreeSet<&'static str>) -> Option<String> {
        let row =
            self.row.filter(|row| !row.operation && !self.keeps_masks && row.policy == Policy::Plain)?;
        let (alias, path) = ALIASES.iter().find(|(alias, _)| row.classes.first() == Some(alias))?;
        let (mut new, mut methods) = (Vec::new(), String::new());
        let mut said = 0;
        for key in row.sources {
            let value = self.config.get(key.name);
            let source = value.and_then(key.source);
            said += usize::from(value.is_some());
            match (key.is_required, value) {
                (true, _) => new.push(source?),
                (false, Some(_)) => methods += &format!(".{}({})", key.name, source?),
                (false, None) => {}
            }
        }
        if let Some(policy) = self.config.get("dtype").filter(|_| !row.keys.contains(&"dtype")) {
            said += 1;
            methods += &format!(".dtype_policy({:?})", policy_name(policy)?);
        }
        if !self.trainable {
            methods += ".trainable(false)";
        }
        uses.insert(path);
        (said == self.config.len()).then(|| format!("{alias}::new({}){methods}", new.join(", ")))
    }

    /// `KerasObject::layer("Dense", r#"{"units": 4}"#)`.
    fn json(&self, uses: &mut BTreeSet<&'static str>) -> String {
        if let Some(array) = &self.array {
            return raw(array);
        }
        uses.insert("burn_keras::module::KerasObject");
        let mut config = self.config.clone();
        if !self.trainable {
            config.insert("trainable".to_owned(), false.into());
        }
        let kind = if self.is_operation() { "operation" } else { "layer" };
        let masks = if self.keeps_masks { ".keeping_masks()" } else { "" };
        format!("KerasObject::{kind}({:?}, {}){masks}", self.class, raw(&Json::Object(config)))
    }
}

/// Objects inside of a config without what is the default, and without what only matters among Python's objects.
fn compact(json: &Json) -> Json {
    let Some(object) = Object::of(json) else {
        return match json {
            Json::Array(items) => items.iter().map(compact).collect(),
            Json::Object(items) => items.iter().map(|(key, item)| (key.clone(), compact(item))).collect(),
            other => other.clone(),
        };
    };
    // A model keeps what it says of its layers.
    if object.config.contains_key("layers") {
        return json.clone();
    }
    let row =
        rows().find(|row| row.operation == object.is_operation() && row.classes.contains(&object.class));
    let says = |key: &str, value: &Json| match row {
        Some(row) => {
            key == "name" || key == "trainable" && value == &Json::Bool(false) || row.says(key, value)
        }
        None => true,
    };
    let config = object.config.iter().filter(|(key, value)| says(key, value));
    let config: Map<String, Json> = config.map(|(key, value)| (key.clone(), compact(value))).collect();
    let is_dropped = |key: &str| ["config", "build_config", "shared_object_id"].contains(&key);
    let envelope = json.as_object().into_iter().flatten();
    let envelope = envelope.filter(|(key, value)| !is_dropped(key) && !value.is_null());
    let mut said: Map<String, Json> = envelope.map(|(key, value)| (key.clone(), compact(value))).collect();
    said.insert("config".to_owned(), Json::Object(config));
    Json::Object(said)
}

impl Row {
    /// Whether a key says something that would not be so without it.
    fn says(&self, key: &str, value: &Json) -> bool {
        let known: Option<&Key> = self.sources.iter().find(|known| known.name == key);
        match known {
            // Where nothing is said, the channels are last.
            Some(known) if key == "data_format" && value == "channels_last" => {
                !(known.is_default)(&Json::Null)
            }
            Some(known) => known.is_required || !(known.is_default)(value),
            None if self.keys.contains(&key) => true,
            None if key == "dtype" => {
                let plain =
                    DtypePolicy::read(Some(value)).is_ok_and(|policy| policy == DtypePolicy::default());
                !(self.operation || plain && self.policy == Policy::Plain)
            }
            None => false,
        }
    }
}

/// The name of a dtype policy.
fn policy_name(policy: &Json) -> Option<&str> {
    policy.as_str().or_else(|| {
        let object = Object::of(policy).filter(|object| object.class == "DTypePolicy")?;
        object.config.get("name")?.as_str()
    })
}

/// A document as a raw string.
fn raw(json: &Json) -> String {
    let text = json::print(json);
    let longest = text.split('"').skip(1).map(|rest| rest.len() - rest.trim_start_matches('#').len()).max();
    let hashes = "#".repeat(longest.map_or(0, |longest| longest + 1));
    format!("r{hashes}\"{text}\"{hashes}")
}
