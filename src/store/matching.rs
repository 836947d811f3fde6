//! Which module is which layer.
//!
//! What the caller says comes first, then names, then what is there once only, then the order. A pair that is found
//! without the caller has to be the only one that is possible; otherwise nothing is decided.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::adapter::fit;
use super::contract::{Fit, KerasUnit, ModuleUnit};
use super::plan::Found;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Most pairs of modules and layers that are looked at.
const MOST_PAIRS: u64 = 1 << 24;

/// What is to be brought together.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub modules: &'a [ModuleUnit],
    pub keras: &'a [KerasUnit],
    /// What each layer is called for the purpose of its name: its path, or what was made of it.
    pub names: &'a [String],
    pub order: Order,
}

/// Which layers are in the order of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    All,
    /// Those of the same class, in the same nested model.
    OfClass,
    Nothing,
}

/// What became of a module.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub found: Found,
    /// Its layer, and how they are the same numbers; of a pair that was refused, the layer alone.
    pub layer: Option<usize>,
    pub fit: Option<Fit>,
    /// The layers that it could be, as long as that is not decided.
    pub candidates: Vec<usize>,
    /// Why it is without a layer.
    pub why: String,
}

impl Decision {
    fn without(found: Found, why: impl Into<String>) -> Self {
        Self { found, layer: None, fit: None, candidates: Vec::new(), why: why.into() }
    }
}

/// Decides for every module. `given` are modules with the layers that they are, or none if they are to be left
/// alone; those that are `skipped` are left alone, too.
///
/// # Errors
/// When there is too much on both sides to be compared.
pub(crate) fn decide(
    sides: Sides<'_>,
    skipped: &[bool],
    given: &[(usize, Option<usize>)],
) -> Result<Vec<Decision>> {
    let pairs = (sides.modules.len() as u64).saturating_mul(sides.keras.len() as u64);
    Limits::check("pairs of modules and layers", pairs, MOST_PAIRS)?;
    let mut matching = Matching::new(sides);
    for (module, _) in skipped.iter().enumerate().filter(|(_, skipped)| **skipped) {
        matching.settle(module, Decision::without(Found::Skipped, ""));
    }
    for (module, layer) in given.iter().filter(|(module, _)| !skipped.get(*module).is_some_and(|it| *it)) {
        match layer {
            Some(layer) => matching.pair(*module, *layer, Found::Given),
            None => matching.settle(*module, Decision::without(Found::Skipped, "left alone by the plan")),
        }
    }
    matching.by_name(normalized);
    matching.by_name(|path| normalized(path.rsplit('.').next().unwrap_or(path)));
    matching.by_shape();
    matching.by_order();
    matching.doubt();
    let missing = || Decision::without(Found::Missing, "no layer that is left fits it");
    Ok(matching.decisions.into_iter().map(|decision| decision.unwrap_or_else(missing)).collect())
}

/// A path as far as it is a name: lower case, and everything but letters and digits is `_`.
pub(crate) fn normalized(path: &str) -> String {
    let parts = path.split('.').map(|part| part.strip_prefix("r#").unwrap_or(part).to_lowercase());
    let path = parts.collect::<Vec<_>>().join("_");
    path.chars().map(|char| if char.is_alphanumeric() { char } else { '_' }).collect()
}

/// Whether a whole unit fits some layer.
pub(crate) fn fits_any(module: &ModuleUnit, keras: &[KerasUnit]) -> bool {
    keras.iter().any(|unit| fit(module, unit).is_ok())
}

struct Matching<'a> {
    sides: Sides<'a>,
    decisions: Vec<Option<Decision>>,
    is_taken: Vec<bool>,
    /// Equal numbers for modules of the same type and shapes, and for layers.
    module_kinds: Vec<usize>,
    keras_kinds: Vec<usize>,
    /// Which kinds fit.
    fits: HashSet<(usize, usize)>,
}

/// Numbers for things, equal ones for equal things, and the first of each.
fn kinds(things: impl Iterator<Item = String>) -> (Vec<usize>, Vec<usize>) {
    let (mut known, mut firsts) = (HashMap::new(), Vec::new());
    let number = |(at, thing)| {
        let next = firsts.len();
        let number = *known.entry(thing).or_insert(next);
        if number == next {
            firsts.push(at);
        }
        number
    };
    let numbers = things.enumerate().map(number).collect();
    (numbers, firsts)
}

impl<'a> Matching<'a> {
    fn new(sides: Sides<'a>) -> Self {
        let (module_kinds, modules) = kinds(sides.modules.iter().map(|unit| {
            let params = unit.params.iter().map(|it| (&it.name, &it.shape, it.dtype, &it.axes));
            format!("{} {:?}", unit.ty, params.collect::<Vec<_>>())
        }));
        let (keras_kinds, layers) = kinds(sides.keras.iter().map(|unit| {
            let variables = unit.variables.iter().map(|it| (&it.name, &it.shape, it.dtype));
            let settings = unit.config.iter().filter(|(key, _)| *key != "name");
            format!("{} {:?} {:?}", unit.class, variables.collect::<Vec<_>>(), settings.collect::<Vec<_>>())
        }));
        let mut fits = HashSet::new();
        for (module_kind, module) in modules.iter().filter_map(|at| sides.modules.get(*at)).enumerate() {
            for (keras_kind, layer) in layers.iter().filter_map(|at| sides.keras.get(*at)).enumerate() {
                if fit(module, layer).is_ok() {
                    fits.insert((module_kind, keras_kind));
                }
            }
        }
        Self {
            sides,
            decisions: vec![None; sides.modules.len()],
            is_taken: vec![false; sides.keras.len()],
            module_kinds,
            keras_kinds,
            fits,
        }
    }

    fn fits(&self, module: usize, layer: usize) -> bool {
        self.fits.contains(&(self.module_kinds[module], self.keras_kinds[layer]))
    }

    fn left_modules(&self) -> Vec<usize> {
        (0..self.decisions.len()).filter(|at| self.decisions[*at].is_none()).collect()
    }

    fn left_layers(&self) -> Vec<usize> {
        (0..self.is_taken.len()).filter(|at| !self.is_taken[*at]).collect()
    }

    fn settle(&mut self, module: usize, decision: Decision) {
        if let Some(layer) = decision.layer {
            self.is_taken[layer] = true;
        }
        self.decisions[module] = Some(decision);
    }

    /// Two that belong together, whether they fit or not.
    fn pair(&mut self, module: usize, layer: usize, found: Found) {
        let decision = match fit(&self.sides.modules[module], &self.sides.keras[layer]) {
            Ok(fit) => Decision {
                found,
                layer: Some(layer),
                fit: Some(fit),
                candidates: Vec::new(),
                why: String::new(),
            },
            Err(error) => Decision {
                layer: Some(layer),
                ..Decision::without(Found::Refused, misfit(self.sides, module, layer, &error))
            },
        };
        self.settle(module, decision);
    }

    /// Those whose names are equal, and nobody else's.
    fn by_name(&mut self, name: impl Fn(&str) -> String) {
        let modules = once(self.sides.modules.iter().map(|unit| name(&unit.path)));
        let layers = once(self.sides.names.iter().map(|path| name(path)));
        for (name, module) in modules.into_iter().filter(|(name, _)| !name.is_empty()) {
            let layer = layers.get(&name).copied();
            if let Some(layer) = layer.filter(|layer| !self.is_taken[*layer])
                && self.decisions[module].is_none()
            {
                self.pair(module, layer, Found::Name);
            }
        }
    }

    /// Those that fit each other, and nothing else that is left.
    fn by_shape(&mut self) {
        let (modules, layers) = (self.left_modules(), self.left_layers());
        let only = |fitting: Vec<usize>| match fitting[..] {
            [one] => Some(one),
            _ => None,
        };
        let layer_of =
            |module: usize| only(layers.iter().copied().filter(|it| self.fits(module, *it)).collect());
        let module_of =
            |layer: usize| only(modules.iter().copied().filter(|it| self.fits(*it, layer)).collect());
        let pairs = modules.iter().filter_map(|module| Some((*module, layer_of(*module)?)));
        let pairs: Vec<_> = pairs.filter(|(module, layer)| module_of(*layer) == Some(*module)).collect();
        pairs.into_iter().for_each(|(module, layer)| self.pair(module, layer, Found::Shape));
    }

    /// Those that are left, if there is one way only to bring all of them together that keeps both orders.
    fn by_order(&mut self) {
        for (modules, layers) in self.orders() {
            let fits = |row: usize, column: usize| self.fits(modules[row], layers[column]);
            let (most, candidates) = alignments(modules.len(), layers.len(), &fits);
            let is_full = most == modules.len();
            let is_decided = is_full && candidates.iter().all(|columns| columns.len() == 1);
            for (row, module) in modules.iter().enumerate() {
                match candidates[row][..] {
                    [column] if is_decided => self.pair(*module, layers[column], Found::Order),
                    _ if is_full => {
                        let chosen = candidates[row].iter().map(|column| layers[*column]).collect();
                        self.leave_open(*module, chosen, "the order of both leaves several possibilities");
                    }
                    _ => {
                        let why = "not all of the modules that are left find a layer in the order of both";
                        self.leave_open(*module, self.fitting(*module), why);
                    }
                }
            }
        }
    }

    /// What is left, as far as its order means something. Modules that nothing fits are left out.
    fn orders(&mut self) -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut groups: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        let (mut open, mut mixed) = (Vec::new(), BTreeSet::new());
        for layer in self.left_layers() {
            groups.entry(self.group(layer)).or_default().1.push(layer);
        }
        for module in self.left_modules() {
            let fitting = self.fitting(module);
            let its: BTreeSet<String> = fitting.into_iter().map(|layer| self.group(layer)).collect();
            match (its.len(), its.first()) {
                (0, _) => {}
                (1, Some(group)) => groups.entry(group.clone()).or_default().0.push(module),
                _ => {
                    open.push(module);
                    mixed.extend(its);
                }
            }
        }
        open.extend(mixed.iter().filter_map(|group| groups.remove(group)).flat_map(|(modules, _)| modules));
        for module in open {
            let why = "the file does not say in which order its layers are";
            self.leave_open(module, self.fitting(module), why);
        }
        groups.into_values().collect()
    }

    /// Equal for layers that are in the order of the model.
    fn group(&self, layer: usize) -> String {
        let unit = &self.sides.keras[layer];
        match self.sides.order {
            Order::All => String::new(),
            Order::OfClass => {
                let model = unit.path.rsplit_once('.').map_or("", |(model, _)| model);
                format!("{model} {}", unit.class)
            }
            Order::Nothing => layer.to_string(),
        }
    }

    /// The layers that are left and fit a module.
    fn fitting(&self, module: usize) -> Vec<usize> {
        self.left_layers().into_iter().filter(|layer| self.fits(module, *layer)).collect()
    }

    fn leave_open(&mut self, module: usize, candidates: Vec<usize>, why: &str) {
        self.decisions[module] = Some(Decision { candidates, ..Decision::without(Found::Undecided, why) });
    }

    /// Takes back what contradicts the names: a pair without one that could as well be that of a pair with one, and
    /// would be if the order counted. The numbers in Keras' names begin anywhere, and those of fields at one.
    fn doubt(&mut self) {
        let pairs = |is_asked: fn(Found) -> bool| -> Vec<(usize, usize)> {
            let pairs = self.decisions.iter().enumerate();
            let pairs = pairs.filter_map(|(module, decision)| Some((module, decision.as_ref()?)));
            let pairs = pairs.filter(|(_, decision)| is_asked(decision.found));
            pairs.filter_map(|(module, decision)| Some((module, decision.layer?))).collect()
        };
        let named = pairs(|found| found == Found::Name);
        let mut doubtful: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (module, layer) in pairs(|found| matches!(found, Found::Shape | Found::Order)) {
            for &(other, its) in &named {
                let crosses = (module < other) != (layer < its);
                let has_order = self.group(layer) == self.group(its);
                if crosses && has_order && self.fits(module, its) && self.fits(other, layer) {
                    doubtful.entry(module).or_default().extend([layer, its]);
                    doubtful.entry(other).or_default().extend([layer, its]);
                }
            }
        }
        for (module, candidates) in doubtful {
            let why = "names say one thing, and the order another";
            self.leave_open(module, candidates.into_iter().collect(), why);
        }
    }
}

/// Why two that belong together do not fit.
fn misfit(sides: Sides<'_>, module: usize, layer: usize, error: &Error) -> String {
    let (module, layer) = (&sides.modules[module], &sides.keras[layer]);
    let reasons: Vec<&str> = error.problems().map(|problem| problem.message()).collect();
    format!(
        "{} does not fit the layer {:?}, {}: {}",
        described_module(module),
        layer.path,
        described_layer(layer),
        reasons.join("; ")
    )
}

/// A module with its shapes.
pub(crate) fn described_module(unit: &ModuleUnit) -> String {
    described(&unit.ty, unit.params.iter().map(|param| (param.name.as_str(), &param.shape)))
}

/// A layer with its shapes.
pub(crate) fn described_layer(unit: &KerasUnit) -> String {
    described(&unit.class, unit.variables.iter().map(|variable| (variable.name.as_str(), &variable.shape)))
}

fn described<'a>(kind: &str, parts: impl Iterator<Item = (&'a str, &'a Vec<usize>)>) -> String {
    let parts: Vec<String> =
        parts.map(|(name, shape)| format!("{name} {shape:?}").trim_start().to_owned()).collect();
    format!("{kind} ({})", parts.join(", "))
}

/// The places of names that are there once.
fn once(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut places: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (at, name) in names.enumerate() {
        places.entry(name).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places.into_iter().filter_map(|(name, place)| Some((name, place?))).collect()
}

/// How many rows can be paired with columns in a way that keeps both orders, and the partners of every row over
/// all ways to pair so many.
fn alignments(rows: usize, columns: usize, fits: &dyn Fn(usize, usize) -> bool) -> (usize, Vec<Vec<usize>>) {
    // The most pairs among the first so many rows and columns, and among the last.
    let before = most_pairs(rows, columns, fits);
    let after = most_pairs(rows, columns, &|row, column| fits(rows - 1 - row, columns - 1 - column));
    let at = |row: usize, column: usize| row * (columns + 1) + column;
    let most = before[at(rows, columns)];
    let is_in_one = |row: usize, column: usize| {
        fits(row, column)
            && before[at(row, column)] + 1 + after[at(rows - 1 - row, columns - 1 - column)] == most
    };
    let partners = |row: usize| (0..columns).filter(|column| is_in_one(row, *column)).collect();
    (most as usize, (0..rows).map(partners).collect())
}

fn most_pairs(rows: usize, columns: usize, fits: &dyn Fn(usize, usize) -> bool) -> Vec<u32> {
    let width = columns + 1;
    let mut most = vec![0_u32; (rows + 1) * width];
    for row in 0..rows {
        for column in 0..columns {
            let corner = row * width + column;
            let paired = most[corner] + u32::from(fits(row, column));
            most[corner + width + 1] = paired.max(most[corner + 1]).max(most[corner + width]);
        }
    }
    most
}

#[cfg(test)]
mod tests;
