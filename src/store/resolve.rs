//! A module and a file brought together: everything that is decided before anything is moved.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::KerasStore;
use super::contract::{KerasUnit, ModuleUnit};
use super::keras::KerasSide;
use super::matching::{
    Decision, Order, Sides, decide, described_layer, described_module, fits_any, normalized,
};
use super::module::{self, Walked, is_foreign, param_path, split};
use super::plan::{Found, Plan};
use crate::error::{Error, Problems, Result};
use crate::registry::nearest;

/// Modules, and what became of each.
pub(super) struct Resolved {
    pub modules: Vec<ModuleUnit>,
    pub decisions: Vec<Decision>,
    /// The parameters that take part, by their paths.
    pub kept: HashSet<String>,
}

impl Resolved {
    pub(super) fn plan(&self, keras: &[KerasUnit]) -> Plan {
        Plan::new(&self.modules, keras, &self.decisions)
    }

    /// Everything that is decided otherwise than the caller wants it to be.
    pub(super) fn check(&self, store: &KerasStore, keras: &[KerasUnit]) -> Result<()> {
        let mut problems = Problems::default();
        let pairs = || self.modules.iter().zip(&self.decisions);
        if pairs().any(|(_, decision)| decision.found == Found::Undecided) {
            problems.push(Error::weights(
                "some modules could be several layers each. Say which with with_layer(module, layer), with an edited \
                 plan(&module) in with_plan(..), or with with_key_remapping(..), or leave them out with a filter",
            ));
        }
        for (unit, decision) in pairs() {
            let error = match decision.found {
                Found::Undecided => undecided(unit, decision, keras),
                Found::Refused if store.validate => Error::weights(&decision.why),
                Found::Missing if !store.allow_partial => Error::weights(format_args!(
                    "{}: {}; allow_partial(true) leaves it as it is",
                    described_module(unit),
                    decision.why
                )),
                _ => continue,
            };
            let place = if unit.path.is_empty() { "the module" } else { &unit.path };
            problems.push(error.at(place));
        }
        problems.finish()
    }
}

fn undecided(unit: &ModuleUnit, decision: &Decision, keras: &[KerasUnit]) -> Error {
    let candidates = decision.candidates.iter().filter_map(|layer| keras.get(*layer));
    let candidates: Vec<String> =
        candidates.map(|layer| format!("{:?}, {}", layer.path, described_layer(layer))).collect();
    Error::weights(format_args!(
        "{}, {}; it could be {}",
        described_module(unit),
        decision.why,
        candidates.join("; or ")
    ))
}

impl KerasStore {
    pub(super) fn resolve(&self, walked: Walked, side: &KerasSide) -> Result<Resolved> {
        let keras = side.units();
        let kept: HashSet<String> = self.kept(&walked).map(str::to_owned).collect();
        let modules = self.split_foreign(walked.units, keras);
        let names = self.names(&modules, keras)?;
        let given = self.given(&modules, keras, &names)?;
        let is_kept =
            |unit: &ModuleUnit| unit.params.iter().any(|param| kept.contains(&param_path(unit, param)));
        let skipped: Vec<bool> = modules.iter().map(|unit| !is_kept(unit)).collect();
        let order = match (side.is_ordered(), side.is_ordered_by_class()) {
            (true, _) => Order::All,
            (_, true) => Order::OfClass,
            _ => Order::Nothing,
        };
        let sides = Sides { modules: &modules, keras, names: &names, order };
        let decisions = decide(sides, &skipped, &given)?;
        Ok(Resolved { modules, decisions, kept })
    }

    /// The paths of the parameters that take part.
    pub(super) fn kept<'a>(&'a self, walked: &'a Walked) -> impl Iterator<Item = &'a str> {
        let passes = move |path: &str, containers: &str| {
            self.filter.is_empty() || self.filter.matches_with_container_path_str(path, containers)
        };
        let kept = walked.containers.iter().filter(move |(path, containers)| passes(path, containers));
        kept.map(|(path, _)| path.as_str())
    }

    /// Takes the parameters of a struct of the caller's own apart where they are no layer together.
    fn split_foreign(&self, units: Vec<ModuleUnit>, keras: &[KerasUnit]) -> Vec<ModuleUnit> {
        let given: HashSet<&str> = (self.plan.iter().flat_map(Plan::given).map(|(module, _)| module))
            .chain(self.layers.iter().map(|(module, _)| module.as_str()))
            .collect();
        let layers: HashSet<String> = keras.iter().map(|unit| normalized(&unit.path)).collect();
        let is_apart = |unit: &ModuleUnit| {
            let mut paths = unit.params.iter().map(|param| param_path(unit, param));
            let is_alone = unit.params.len() == 1 && unit.path.is_empty();
            is_foreign(unit)
                && !given.contains(unit.path.as_str())
                && (is_alone
                    || paths.any(|path| given.contains(path.as_str()) || layers.contains(&normalized(&path)))
                    || !fits_any(unit, keras))
        };
        let mut apart = Vec::new();
        for unit in units {
            match is_apart(&unit) {
                true => apart.extend(split(unit)),
                false => apart.push(unit),
            }
        }
        apart
    }

    /// The paths of the layers, as the caller calls their keys.
    fn names(&self, modules: &[ModuleUnit], keras: &[KerasUnit]) -> Result<Vec<String>> {
        if self.remapper.is_empty() {
            return Ok(keras.iter().map(|unit| unit.path.clone()).collect());
        }
        let paths = modules.iter().flat_map(|unit| {
            unit.params.iter().map(move |param| (param_path(unit, param), unit.path.as_str()))
        });
        let paths: HashMap<String, &str> = paths.collect();
        let mut problems = Problems::default();
        let name = |unit: &KerasUnit| {
            let of = |variable: &str| {
                let key = self.remapped(&key(unit, variable));
                let parts = variable.split('.').count();
                match paths.get(&key) {
                    Some(path) => (*path).to_owned(),
                    None => key.rsplitn(parts + 1, '.').nth(parts).unwrap_or_default().to_owned(),
                }
            };
            let names: HashSet<String> = unit.variables.iter().map(|variable| of(&variable.name)).collect();
            if names.len() > 1 {
                let mut names: Vec<_> = names.iter().collect();
                names.sort_unstable();
                let message = format_args!("the remapping takes its variables apart, to {names:?}");
                problems.push(Error::input(message).at(&unit.path));
            }
            names.into_iter().next().unwrap_or_default()
        };
        let names = keras.iter().map(name).collect();
        problems.finish().map(|()| names)
    }

    /// A key as the caller calls it.
    pub(super) fn remapped(&self, key: &str) -> String {
        self.remapper.patterns.iter().fold(key.to_owned(), |key, (pattern, replacement)| {
            pattern.replace_all(&key, replacement.as_str()).into_owned()
        })
    }

    /// What the caller says: plan, single layers, and layers that are called as a module is.
    fn given(
        &self,
        modules: &[ModuleUnit],
        keras: &[KerasUnit],
        names: &[String],
    ) -> Result<Vec<(usize, Option<usize>)>> {
        let mut problems = Problems::default();
        let places = |paths: Vec<String>| -> HashMap<String, usize> {
            paths.into_iter().enumerate().map(|(at, path)| (path, at)).collect()
        };
        let module_places = places(modules.iter().map(|unit| unit.path.clone()).collect());
        let layer_places = places(keras.iter().map(|unit| unit.path.clone()).collect());
        let mut find = |places: &HashMap<String, usize>, kind: &str, path: &str| {
            let place = places.get(path).copied();
            if place.is_none() {
                let hint = nearest(path, places.keys().map(String::as_str));
                problems.push(Error::input(format_args!("there is no {kind} {path:?}{hint}")));
            }
            place
        };
        let mut given: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        let renamed = keras.iter().zip(names).enumerate().filter(|(_, (unit, name))| unit.path != **name);
        let renamed = renamed.filter_map(|(layer, (_, name))| Some((*module_places.get(name)?, Some(layer))));
        given.extend(renamed);
        let planned = self.plan.iter().flat_map(Plan::given);
        let single = self.layers.iter().map(|(module, layer)| (module.as_str(), Some(layer.as_str())));
        for (module, layer) in planned.chain(single) {
            let module = find(&module_places, "module with parameters", module);
            let layer = layer.map(|layer| find(&layer_places, "layer with variables", layer));
            match (module, layer) {
                (Some(module), None) => drop(given.insert(module, None)),
                (Some(module), Some(Some(layer))) => drop(given.insert(module, Some(layer))),
                _ => {}
            }
        }
        let mut owners: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (module, layer) in given.iter().filter_map(|(module, layer)| Some((*module, (*layer)?))) {
            owners.entry(layer).or_default().push(&modules[module].path);
        }
        for (layer, owners) in owners.iter().filter(|(_, owners)| owners.len() > 1) {
            let message =
                format_args!("the layer {:?} is given to several modules: {owners:?}", keras[*layer].path);
            problems.push(Error::input(message));
        }
        problems.finish().map(|()| given.into_iter().collect())
    }

    pub(super) fn walk<M: burn::module::Module>(&self, module: &M) -> Result<Walked> {
        module::walk(module, self.skip_enum_variants)
    }
}

/// What a variable is called in a store.
pub(super) fn key(unit: &KerasUnit, variable: &str) -> String {
    format!("{}.{variable}", unit.path).trim_start_matches('.').to_owned()
}
