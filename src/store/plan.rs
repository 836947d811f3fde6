//! The whole mapping between a module and a Keras file, to look at, to edit and to keep.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::contract::{Fit, KerasUnit, ModuleUnit};
use super::matching::Decision;
use crate::config::json;
use crate::error::{Error, Problems, Result};
use crate::file::map::map;
use crate::file::save::{Content, save_file};
use crate::limits::Limits;

/// How a module of a [`Plan`] came to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// The caller said so.
    Given,
    /// Both have the same name.
    Name,
    /// Both are the only ones of their kind and shapes.
    Shape,
    /// Their place in the order of both sides leaves nothing else.
    Order,
    /// It has none: a filter or the caller left it out.
    Skipped,
    /// It has none: nothing fits.
    Missing,
    /// It has none yet: several would do.
    Undecided,
    /// The caller or its name said so, but the two do not fit.
    Refused,
}

/// What each is called in a file, and told as.
const FOUND: [(Found, &str, &str); 8] = [
    (Found::Given, "given", "as given"),
    (Found::Name, "name", "by name"),
    (Found::Shape, "shape", "by kind and shape"),
    (Found::Order, "order", "by order"),
    (Found::Skipped, "skipped", "left alone"),
    (Found::Missing, "missing", "missing"),
    (Found::Undecided, "undecided", "undecided"),
    (Found::Refused, "refused", "does not fit"),
];

impl Found {
    fn words(self) -> (&'static str, &'static str) {
        let row = FOUND.iter().find(|(found, ..)| *found == self);
        row.map_or(("", ""), |(_, name, told)| (name, told))
    }

    fn from_name(name: &str) -> Option<Self> {
        FOUND.iter().find(|(_, known, _)| *known == name).map(|(found, ..)| *found)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words().1)
    }
}

/// Which layer of a Keras file each module is, and which variable each parameter.
///
/// [`KerasStore::plan`](super::KerasStore::plan) makes one, before anything is loaded. Printed, it is a table; in a
/// file it is JSON, where `layer` may be edited: another path, or `null` to leave the module alone.
///
/// ```no_run
/// use burn::nn::{Linear, LinearConfig};
/// use burn::store::ModuleSnapshot;
/// use burn::tensor::Device;
/// use burn_keras::store::{KerasStore, Plan};
///
/// let mut head: Linear = LinearConfig::new(64, 10).init(&Device::flex());
/// let mut plan = KerasStore::from_file("model.keras").plan(&head)?;
/// println!("{plan}");
/// plan.assign("", "predictions");
/// head.load_from(&mut KerasStore::from_file("model.keras").with_plan(plan))?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the module.
    pub(super) modules: Vec<PlannedModule>,
    pub(super) unused: Vec<PlannedLayer>,
}

/// A module of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedModule {
    /// The fields that lead to it: `encoder.lstm`; empty for the whole.
    pub module: String,
    /// Its type: `Lstm`.
    pub ty: String,
    /// The path of its layer, if it has one: `encoder.lstm`.
    pub layer: Option<String>,
    /// The class of that.
    pub class: Option<String>,
    /// How it was found, or why there is none.
    pub found: Found,
    /// Its parameters.
    pub params: Vec<PlannedParam>,
    /// The layers that would do, as long as it is undecided.
    pub candidates: Vec<String>,
    /// What is to be said about it; empty if nothing is.
    pub note: String,
}

/// A parameter of a [`PlannedModule`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedParam {
    /// Its path below its module.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The variables that it is made of; none when the layer has nothing for it.
    pub variables: Vec<PlannedVariable>,
}

/// A variable of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedVariable {
    /// Its name below its layer: `kernel`.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
}

/// A layer with variables that no module has a place for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedLayer {
    /// Its path.
    pub layer: String,
    /// Its class.
    pub class: String,
    /// The variables without a place.
    pub variables: Vec<PlannedVariable>,
}

impl Plan {
    pub(super) fn new(modules: &[ModuleUnit], keras: &[KerasUnit], decisions: &[Decision]) -> Self {
        let mut used = vec![None; keras.len()];
        for decision in decisions {
            if let (Some(layer), Some(fit)) = (decision.layer, &decision.fit) {
                used[layer] = Some(fit);
            }
        }
        let pairs = modules.iter().zip(decisions);
        let unused = keras.iter().zip(used).filter_map(|(unit, fit)| unused(unit, fit));
        Self {
            modules: pairs.map(|(unit, decision)| planned(unit, keras, decision)).collect(),
            unused: unused.collect(),
        }
    }

    /// Every module with parameters, in the order in which Burn visits them.
    #[must_use]
    pub fn modules(&self) -> &[PlannedModule] {
        &self.modules
    }

    /// The layers, and variables of layers, that have no place in the module.
    #[must_use]
    pub fn unused(&self) -> &[PlannedLayer] {
        &self.unused
    }

    /// The module at a path.
    #[must_use]
    pub fn module(&self, path: &str) -> Option<&PlannedModule> {
        self.modules.iter().find(|row| row.module == path)
    }

    /// The module at `module` is the layer at `layer`. Whether there are such, and whether they fit, is looked at when
    /// the plan is used.
    pub fn assign(&mut self, module: impl Into<String>, layer: impl Into<String>) -> &mut Self {
        self.give(module.into(), Some(layer.into()), Found::Given)
    }

    /// The module at `module` is left as it is.
    pub fn unassign(&mut self, module: impl Into<String>) -> &mut Self {
        self.give(module.into(), None, Found::Skipped)
    }

    fn give(&mut self, module: String, layer: Option<String>, found: Found) -> &mut Self {
        let at = self.modules.iter().position(|row| row.module == module).unwrap_or(self.modules.len());
        if at == self.modules.len() {
            self.modules.push(PlannedModule::named(module));
        }
        if let Some(row) = self.modules.get_mut(at) {
            // Which variables they are says the new layer.
            row.params.iter_mut().for_each(|param| param.variables.clear());
            (row.layer, row.class, row.found) = (layer, None, found);
            row.candidates.clear();
            row.note.clear();
        }
        self
    }

    /// What it says of each module: its layer, or none if it is to be left alone. Of what is missing or undecided it
    /// says nothing.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let is_open = |row: &&PlannedModule| {
            row.layer.is_none() && matches!(row.found, Found::Missing | Found::Undecided)
        };
        let rows = self.modules.iter().filter(move |row| !is_open(row));
        rows.map(|row| (row.module.as_str(), row.layer.as_deref()))
    }

    /// The plan as a document.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let variables = |list: &[PlannedVariable]| -> Vec<Json> {
            list.iter().map(|it| json!({ "name": it.name, "shape": it.shape })).collect()
        };
        let param = |it: &PlannedParam| json!({ "name": it.name, "shape": it.shape, "variables": variables(&it.variables) });
        let module = |row: &PlannedModule| {
            json!({
                "module": row.module,
                "type": row.ty,
                "layer": row.layer,
                "class": row.class,
                "found": row.found.words().0,
                "params": row.params.iter().map(param).collect::<Vec<_>>(),
                "candidates": row.candidates,
                "note": row.note,
            })
        };
        let layer = |it: &PlannedLayer| json!({ "layer": it.layer, "class": it.class, "variables": variables(&it.variables) });
        json!({
            "modules": self.modules.iter().map(module).collect::<Vec<_>>(),
            "unused": self.unused.iter().map(layer).collect::<Vec<_>>(),
        })
    }

    /// The plan out of a document. Only `module` and `layer` have to be there; the rest is for readers.
    ///
    /// # Errors
    /// Everything in it that is no plan.
    pub fn from_json(json: &Json) -> Result<Self> {
        let mut problems = Problems::default();
        let root = json.as_object();
        if root.is_none_or(|root| !root.contains_key("modules")) {
            problems.push(Error::damaged("expected an object with a list \"modules\""));
        }
        let empty = Map::new();
        let root = root.unwrap_or(&empty);
        let modules = list(root, "modules", &mut problems, read_module);
        let unused = list(root, "unused", &mut problems, |row, problems| PlannedLayer {
            layer: text(row, "layer", problems),
            class: text(row, "class", problems),
            variables: list(row, "variables", problems, read_variable),
        });
        problems.finish().map(|()| Self { modules, unused })
    }

    /// Writes the plan as JSON, with line breaks.
    ///
    /// # Errors
    /// When writing fails; an existing file is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = format!("{:#}\n", self.to_json());
        save_file(path, Content::Bytes(text.into_bytes().into())).map_err(|error| error.in_file(path))
    }

    /// Reads a plan that was [saved](Self::save), and edited perhaps.
    ///
    /// # Errors
    /// When it cannot be read, is beyond the limits, or is no plan.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let bytes = map(path)?;
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|error| Error::damaged("not UTF-8").with_source(error))?;
            Self::from_json(&json::read(text, limits)?)
        };
        read().map_err(|error| error.in_file(path))
    }
}

impl PlannedModule {
    fn named(module: String) -> Self {
        Self {
            module,
            ty: String::new(),
            layer: None,
            class: None,
            found: Found::Missing,
            params: Vec::new(),
            candidates: Vec::new(),
            note: String::new(),
        }
    }
}

fn planned(unit: &ModuleUnit, keras: &[KerasUnit], decision: &Decision) -> PlannedModule {
    let layer = decision.layer.and_then(|layer| keras.get(layer));
    let variables = |param: usize| {
        let pieces =
            decision.fit.iter().flat_map(|fit| &fit.pieces).filter(move |piece| piece.param == param);
        let mut numbers: Vec<usize> = pieces.map(|piece| piece.variable).collect();
        numbers.dedup();
        let all = layer.map_or(&[][..], |layer| &layer.variables);
        let of = |number: &usize| all.get(*number).map(|it| variable(&it.name, &it.shape));
        numbers.iter().filter_map(of).collect()
    };
    let params = unit.params.iter().enumerate().map(|(at, param)| PlannedParam {
        name: param.name.clone(),
        shape: param.shape.clone(),
        variables: variables(at),
    });
    let candidates = decision.candidates.iter().filter_map(|layer| keras.get(*layer));
    PlannedModule {
        ty: unit.ty.clone(),
        layer: layer.map(|layer| layer.path.clone()),
        class: layer.map(|layer| layer.class.clone()),
        found: decision.found,
        params: params.collect(),
        candidates: candidates.map(|layer| layer.path.clone()).collect(),
        note: decision.why.clone(),
        ..PlannedModule::named(unit.path.clone())
    }
}

/// What of a layer has no place.
fn unused(unit: &KerasUnit, fit: Option<&Fit>) -> Option<PlannedLayer> {
    let is_used = |at: usize| fit.is_some_and(|fit| fit.pieces.iter().any(|piece| piece.variable == at));
    let variables: Vec<_> = (unit.variables.iter().enumerate())
        .filter(|(at, _)| !is_used(*at))
        .map(|(_, it)| variable(&it.name, &it.shape))
        .collect();
    let is_complete = variables.is_empty();
    (!is_complete).then(|| PlannedLayer { layer: unit.path.clone(), class: unit.class.clone(), variables })
}

fn variable(name: &str, shape: &[usize]) -> PlannedVariable {
    PlannedVariable { name: name.to_owned(), shape: shape.to_vec() }
}

fn read_module(row: &Map<String, Json>, problems: &mut Problems) -> PlannedModule {
    let layer = row.get("layer").filter(|layer| !layer.is_null()).map(|_| text(row, "layer", problems));
    let class = row.get("class").filter(|class| !class.is_null()).map(|_| text(row, "class", problems));
    if !row.contains_key("module") || !row.contains_key("layer") {
        problems.push(Error::damaged("expected the keys \"module\" and \"layer\""));
    }
    let found = match row.get("found") {
        None => Some(Found::Given),
        Some(found) => found.as_str().and_then(Found::from_name),
    };
    if found.is_none() {
        let names: Vec<_> = FOUND.iter().map(|(_, name, _)| *name).collect();
        problems
            .at("found", |problems| problems.push(Error::damaged(format_args!("expected one of {names:?}"))));
    }
    let candidates = row.get("candidates").and_then(Json::as_array).into_iter().flatten();
    PlannedModule {
        module: text(row, "module", problems),
        ty: text(row, "type", problems),
        layer,
        class,
        found: found.unwrap_or(Found::Given),
        params: list(row, "params", problems, |row, problems| PlannedParam {
            name: text(row, "name", problems),
            shape: shape(row, problems),
            variables: list(row, "variables", problems, read_variable),
        }),
        candidates: candidates.filter_map(Json::as_str).map(str::to_owned).collect(),
        note: text(row, "note", problems),
    }
}

fn read_variable(row: &Map<String, Json>, problems: &mut Problems) -> PlannedVariable {
    PlannedVariable { name: text(row, "name", problems), shape: shape(row, problems) }
}

/// The text under a key; empty if there is none.
fn text(row: &Map<String, Json>, key: &str, problems: &mut Problems) -> String {
    let value = row.get(key).map_or(Some(""), Json::as_str);
    if value.is_none() {
        problems.at(key, |problems| problems.push(Error::damaged("expected a string")));
    }
    value.unwrap_or_default().to_owned()
}

fn shape(row: &Map<String, Json>, problems: &mut Problems) -> Vec<usize> {
    let axes = row.get("shape").map_or(Some(&[][..]), |shape| shape.as_array().map(Vec::as_slice));
    let number = |axis: &Json| axis.as_u64().and_then(|axis| usize::try_from(axis).ok());
    let axes = axes.and_then(|axes| axes.iter().map(number).collect::<Option<Vec<_>>>());
    if axes.is_none() {
        problems.at("shape", |problems| problems.push(Error::damaged("expected a list of lengths")));
    }
    axes.unwrap_or_default()
}

/// The objects in the list under a key; none if there is no such key.
fn list<T>(
    row: &Map<String, Json>,
    key: &str,
    problems: &mut Problems,
    mut read: impl FnMut(&Map<String, Json>, &mut Problems) -> T,
) -> Vec<T> {
    let Some(value) = row.get(key) else { return Vec::new() };
    let Some(rows) = value.as_array() else {
        problems.at(key, |problems| problems.push(Error::damaged("expected a list")));
        return Vec::new();
    };
    let mut item = |(at, row): (usize, &Json)| {
        problems.at(format_args!("{key}[{at}]"), |problems| match row.as_object() {
            Some(row) => Some(read(row, problems)),
            None => {
                problems.push(Error::damaged("expected an object"));
                None
            }
        })
    };
    rows.iter().enumerate().filter_map(&mut item).collect()
}

impl fmt::Display for Plan {
    /// A line for every module and each of its parameters, and what is left over.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![["Module".to_owned(), "Keras layer".into(), "found".into()]];
        for row in &self.modules {
            let module = match row.module.is_empty() {
                true => format!("({})", row.ty),
                false => format!("{} ({})", row.module, row.ty),
            };
            let layer = match (&row.layer, &row.class) {
                (Some(layer), Some(class)) => format!("{layer} ({class})"),
                (Some(layer), None) => layer.clone(),
                (None, _) if row.found == Found::Undecided => row.candidates.join(" | "),
                (None, _) => "-".to_owned(),
            };
            lines.push([module, layer, row.found.to_string()]);
            for param in &row.params {
                let variables: Vec<_> = param.variables.iter().map(ToString::to_string).collect();
                let param = format!("  {} {:?}", param.name, param.shape);
                lines.push([param, format!("  {}", variables.join(" + ")), String::new()]);
            }
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for (at, [module, layer, found]) in lines.iter().enumerate() {
            let line = format!("{module:first$}  {layer:second$}  {found}");
            writeln!(f, "{}", line.trim_end())?;
            if at == 0 {
                writeln!(f, "{}", "-".repeat(first + second + 4 + width(2)))?;
            }
        }
        for row in self.modules.iter().filter(|row| !row.note.is_empty()) {
            writeln!(f, "{}: {}", row.module, row.note)?;
        }
        for row in &self.unused {
            let variables: Vec<_> = row.variables.iter().map(ToString::to_string).collect();
            writeln!(f, "not in the module: {} ({}): {}", row.layer, row.class, variables.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
}

#[cfg(test)]
mod tests;
