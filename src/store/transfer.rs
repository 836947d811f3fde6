//! Numbers from a file into a module, and back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::mem::take;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::store::burn_pack::{Error as PackError, Tensor};
use burn::store::{ApplyError, ApplyResult, ModuleSnapshot, bridge};
use burn::tensor::TensorData;

use super::adapter::class_of;
use super::contract::{Fit, KerasUnit, KerasVariable, ModuleParam, ModuleUnit};
use super::keras::{KerasSide, Place};
use super::matching::{Decision, described_module};
use super::module::{Walked, param_path};
use super::plan::Found;
use super::report::StoreReport;
use super::resolve::{Resolved, key};
use super::{KerasStore, Plan, Source, turned};
use crate::config::snake_case;
use crate::error::{Error, Problems, Result};
use crate::keras_file::KerasFile;
use crate::reorder::aligned;
use crate::save::SaveOptions;
use crate::value::burn_dtype;

impl KerasStore {
    /// The file, opened once.
    fn side(&mut self) -> Result<Arc<KerasSide>> {
        self.check()?;
        if let Some(side) = &self.opened {
            return Ok(Arc::clone(side));
        }
        let side = Arc::new(self.open()?);
        self.opened = Some(Arc::clone(&side));
        Ok(side)
    }

    fn open(&self) -> Result<KerasSide> {
        let model = self.description()?;
        let place = match &self.source {
            Source::Path(path) => Place::Path(path),
            Source::Bytes(bytes) => Place::Bytes(bytes.clone()),
        };
        KerasSide::open(place, model.as_ref(), &self.registry, &self.limits)
    }

    fn description(&self) -> Result<Option<KerasFile>> {
        let open = |source: &Source| match source {
            Source::Path(path) => KerasFile::open(path, &self.limits),
            Source::Bytes(bytes) => KerasFile::from_bytes(bytes.clone(), &self.limits),
        };
        self.model.as_ref().map(open).transpose()
    }

    /// Where the file is to be made, if there is none, or none that matters.
    fn new_file(&self, overwrite: bool) -> Option<&Path> {
        match &self.source {
            Source::Path(path) if overwrite || path.symlink_metadata().is_err() => Some(path),
            _ => None,
        }
    }

    /// The file to be written, and what of the module goes where in it.
    fn target(&mut self, walked: Walked, overwrite: bool) -> Result<(KerasSide, Resolved)> {
        self.check()?;
        let side = match (self.new_file(overwrite), self.description()?) {
            (Some(path), Some(model)) => KerasSide::of_model(path, &model, &self.registry)?,
            (Some(path), None) => return self.undescribed_file(path, walked),
            (None, _) => self.open()?,
        };
        let resolved = self.resolve(walked, &side)?;
        Ok((side, resolved))
    }

    /// A file of the layers that the modules stand for.
    fn undescribed_file(&self, path: &Path, walked: Walked) -> Result<(KerasSide, Resolved)> {
        let mut problems = Problems::default();
        let mut units = Vec::new();
        let mut counts: HashMap<String, usize> = HashMap::new();
        let kept: HashSet<&str> = self.kept(&walked).collect();
        let taking_part = |unit: &&ModuleUnit| {
            unit.params.iter().any(|param| kept.contains(param_path(unit, param).as_str()))
        };
        let modules: Vec<&ModuleUnit> = walked.units.iter().filter(taking_part).collect();
        for unit in &modules {
            let Some(class) = class_of(unit) else {
                let message = format_args!(
                    "{} is no layer of Keras by itself; with_model(path) says what model the file is of",
                    described_module(unit)
                );
                problems.push(Error::unsupported(message).at(&unit.path));
                continue;
            };
            let name = snake_case(&class.class);
            let count = counts.entry(name.clone()).and_modify(|count| *count += 1).or_insert(0);
            units.push(KerasUnit {
                path: if *count == 0 { name } else { format!("{name}_{count}") },
                class: class.class,
                variables: class.variables.into_iter().map(fresh).collect(),
                ..KerasUnit::default()
            });
        }
        problems.finish()?;
        let side = KerasSide::of_units(path, units)?;
        let by_place: Vec<(String, String)> = (modules.iter().zip(side.units()))
            .map(|(module, layer)| (module.path.clone(), layer.path.clone()))
            .collect();
        let store =
            Self { limits: self.limits.clone(), filter: self.filter.clone(), ..Self::from_file(path) };
        let resolved = store.with_layers(by_place).resolve(walked, &side)?;
        Ok((side, resolved))
    }

    pub(super) fn planned<M: Module>(&mut self, module: &M) -> Result<Plan> {
        let walked = self.walk(module)?;
        if self.new_file(false).is_some() {
            let (side, resolved) = self.target(walked, false)?;
            return Ok(resolved.plan(side.units()));
        }
        let side = self.side()?;
        Ok(self.resolve(walked, &side)?.plan(side.units()))
    }

    /// Every variable, not read yet.
    pub(super) fn all_tensors(&mut self) -> Result<BTreeMap<String, Tensor>> {
        let side = self.side()?;
        let mut tensors = BTreeMap::new();
        let mut problems = Problems::default();
        for (unit, variable) in
            side.units().iter().flat_map(|unit| unit.variables.iter().map(move |it| (unit, it)))
        {
            let old = key(unit, &variable.name);
            let new = self.remapped(&old);
            let Some(dtype) = problems.note(burn_dtype(variable.dtype).map_err(|error| error.at(&old)))
            else {
                continue;
            };
            let (file, place) = (Arc::clone(&side), variable.place.clone());
            let read = move || file.read(&place).map(aligned).map_err(pack_error);
            let tensor = bridge::deferred(new.clone(), dtype, variable.shape.clone().into(), None, read);
            if tensors.insert(new.clone(), tensor).is_some() {
                problems
                    .push(Error::input(format_args!("several variables are to be called {new:?}")).at(&old));
            }
        }
        problems.finish().map(|()| tensors)
    }

    pub(super) fn load<M: ModuleSnapshot>(&mut self, module: &mut M) -> Result<ApplyResult> {
        let walked = self.walk(module)?;
        let side = self.side()?;
        if has_running_state(&walked) {
            // What a training has still to add to its moving statistics would be added to what is loaded.
            drop(module.valid());
        }
        let own = walked.turned.clone();
        let resolved = self.resolve(walked, &side)?;
        resolved.check(self, side.units())?;
        let (data, errors) = self.read(&resolved, &side)?;
        let filter = (!self.filter.is_empty()).then(|| self.filter.clone());
        let (own, data) = turned::split(data, &own);
        let mut result = module.apply(data, filter, None, self.skip_enum_variants);
        turned::set(module, own, self.skip_enum_variants, &mut result)?;
        result.errors.extend(errors);
        let failed: HashSet<&str> = result.errors.iter().map(path_of).collect();
        let left_alone = resolved.left_alone();
        for (path, containers) in take(&mut result.missing) {
            if left_alone.contains(&path) || !resolved.kept.contains(&path) {
                result.skipped.push(path);
            } else if !failed.contains(path.as_str()) {
                result.missing.push((path, containers));
            }
        }
        result.skipped.sort_unstable();
        let plan = resolved.plan(side.units());
        let unused = plan.unused.iter().flat_map(|layer| layer.variables.iter().map(move |it| (layer, it)));
        result.unused =
            unused.map(|(layer, it)| self.remapped(&format!("{}.{}", layer.layer, it.name))).collect();
        result.unused.sort_unstable();
        self.report = Some(StoreReport { plan, notes: resolved.notes_of_loading(&side) });
        match self.validate && !result.errors.is_empty() {
            true => Err(Error::weights(&result)),
            false => Ok(result),
        }
    }

    /// What the parameters are to be, all of it read and in order, and what could not be read.
    fn read(&self, resolved: &Resolved, side: &KerasSide) -> Result<(Vec<Tensor>, Vec<ApplyError>)> {
        let (mut tensors, mut errors) = (Vec::new(), Vec::new());
        let mut problems = Problems::default();
        for (unit, decision) in resolved.modules.iter().zip(&resolved.decisions) {
            if decision.found == Found::Refused {
                errors.extend(unit.params.iter().map(|param| ApplyError::AdapterError {
                    path: param_path(unit, param),
                    message: decision.why.clone(),
                }));
            }
            let Some((layer, fit)) = matched(decision, side.units()) else { continue };
            let read = |variable: usize| side.read(&layer.variables.get(variable).ok_or_else(unknown)?.place);
            for (at, param) in unit.params.iter().enumerate() {
                let path = param_path(unit, param);
                if !resolved.kept.contains(&path) {
                    continue;
                }
                match fit.param_data(unit, layer, at, &read) {
                    Ok(data) if data.shape().to_vec() == param.shape => tensors.push(ready(path, data)),
                    Ok(data) => {
                        let (expected, found) = (param.shape.clone().into(), data.shape().clone());
                        problems.push(
                            Error::weights(format_args!("expected {expected:?}, got {found:?}")).at(&path),
                        );
                        errors.push(ApplyError::ShapeMismatch { path, expected, found });
                    }
                    Err(error) => {
                        errors.push(ApplyError::LoadError { path: path.clone(), message: error.to_string() });
                        problems.push(error.at(path));
                    }
                }
            }
        }
        match self.validate {
            true => problems.finish().map(|()| (tensors, errors)),
            false => Ok((tensors, errors)),
        }
    }

    pub(super) fn save<M: ModuleSnapshot>(&mut self, module: &M) -> Result<()> {
        // This brings moving statistics up to date, which are one step behind in a training.
        let module = module.valid();
        let walked = self.walk(&module)?;
        let turned = Arc::new(walked.turned.clone());
        let (mut side, resolved) = self.target(walked, self.overwrite)?;
        resolved.check(self, side.units())?;
        let tensors = module.collect(None, None, self.skip_enum_variants);
        let tensors: HashMap<String, Tensor> = tensors.into_iter().map(|it| (it.name.clone(), it)).collect();
        let notes = self.replace(&resolved, &mut side, &Arc::new(tensors), &turned)?;
        side.check_writable()?;
        let mut options = SaveOptions::new();
        if let Some(bytes) = self.max_shard_size {
            options = options.max_shard_size(bytes);
        }
        match &mut self.source {
            Source::Path(path) => side.save(path, &options)?,
            Source::Bytes(bytes) => *bytes = side.to_bytes()?.into(),
        }
        self.report = Some(StoreReport { plan: resolved.plan(side.units()), notes });
        (self.opened, self.tensors) = (None, None);
        Ok(())
    }

    /// Lets the module give the variables, and says what is to be said of that.
    fn replace(
        &self,
        resolved: &Resolved,
        side: &mut KerasSide,
        tensors: &Arc<HashMap<String, Tensor>>,
        turned: &Arc<HashSet<String>>,
    ) -> Result<Vec<String>> {
        let (mut notes, mut problems) = (undescribed(side), Problems::default());
        let mut replaced = Vec::new();
        for (unit, decision) in resolved.modules.iter().zip(&resolved.decisions) {
            let Some((layer, fit)) = matched(decision, side.units()) else { continue };
            let from = Arc::new(From {
                module: unit.clone(),
                layer: layer.clone(),
                fit: fit.clone(),
                tensors: Arc::clone(tensors),
                turned: Arc::clone(turned),
            });
            for (at, variable) in layer.variables.iter().enumerate() {
                match resolved.takes_part(unit, fit, at) {
                    Some(true) => replaced.push((variable.place.clone(), Arc::clone(&from), at)),
                    Some(false) => {}
                    None => problems.push(
                        Error::input("the filter takes only some of the parameters that it is made of")
                            .at(key(layer, &variable.name)),
                    ),
                }
            }
            let place = |note: String| format!("{}: {note}", layer.path);
            let of_module =
                fit.notes(unit, layer, &|param| from.param(param)).map_err(|error| error.at(&unit.path));
            notes.extend(problems.note(of_module).into_iter().flatten().map(place));
            let fate = |at| match fit.neutral.iter().any(|(neutral, _)| *neutral == at) {
                true => "becomes that number",
                false => "keeps its value",
            };
            notes.extend(surplus(layer, fit, fate));
        }
        for (place, from, variable) in replaced {
            problems.note(side.replace(&place, move || from.variable(variable)));
        }
        problems.finish()?;
        let kept = resolved.plan(side.units()).unused;
        let kept = kept.iter().filter(|layer| resolved.is_unmatched(side.units(), &layer.layer));
        notes.extend(kept.map(|layer| format!("{} ({}) keeps its weights", layer.layer, layer.class)));
        notes.extend(side.drop_optimizer());
        Ok(notes)
    }
}

impl Resolved {
    /// The parameters of modules of which it was said that they are to be left alone.
    fn left_alone(&self) -> HashSet<String> {
        let pairs = self.modules.iter().zip(&self.decisions);
        let skipped = pairs.filter(|(_, decision)| decision.found == Found::Skipped);
        let params = skipped.flat_map(|(unit, _)| unit.params.iter().map(move |param| (unit, param)));
        params.map(|(unit, param)| param_path(unit, param)).collect()
    }

    fn is_unmatched(&self, keras: &[KerasUnit], layer: &str) -> bool {
        !self
            .decisions
            .iter()
            .any(|decision| matched(decision, keras).is_some_and(|(unit, _)| unit.path == layer))
    }

    /// Whether a variable is made of parameters that take part; none if only some of them do.
    fn takes_part(&self, unit: &ModuleUnit, fit: &Fit, variable: usize) -> Option<bool> {
        let pieces = fit.pieces.iter().filter(|piece| piece.variable == variable);
        let mut kept = pieces.filter_map(|piece| unit.params.get(piece.param)).map(|param| {
            let path = param_path(unit, param);
            self.kept.contains(&path)
        });
        let Some(first) = kept.next() else {
            let is_kept = |param: &ModuleParam| self.kept.contains(&param_path(unit, param));
            let is_neutral = fit.neutral.iter().any(|(neutral, _)| *neutral == variable);
            return Some(is_neutral && unit.params.iter().any(is_kept));
        };
        kept.all(|kept| kept == first).then_some(first)
    }

    fn notes_of_loading(&self, side: &KerasSide) -> Vec<String> {
        let (keras, mut notes) = (side.units(), undescribed(side));
        for (unit, decision) in self.modules.iter().zip(&self.decisions) {
            let Some((layer, fit)) = matched(decision, keras) else { continue };
            notes.extend(surplus(layer, fit, |_| "is left out"));
            notes.extend(fit.notes.iter().map(|note| format!("{}: {note}", layer.path)));
            let constant = |(param, value): &(usize, f32)| {
                let path = param_path(unit, unit.params.get(*param)?);
                Some(format!("{path} is all {value}: {} ({}) has nothing for it", layer.path, layer.class))
            };
            notes.extend(fit.constant.iter().filter_map(constant));
        }
        notes
    }
}

/// Where the values of variables come from when they are written.
struct From {
    module: ModuleUnit,
    layer: KerasUnit,
    fit: Fit,
    tensors: Arc<HashMap<String, Tensor>>,
    turned: Arc<HashSet<String>>,
}

impl From {
    fn param(&self, number: usize) -> Result<TensorData> {
        let path = param_path(&self.module, self.module.params.get(number).ok_or_else(unknown)?);
        let tensor = self.tensors.get(&path).ok_or_else(|| unknown().at(&path))?;
        let data = bridge::to_data(tensor).map_err(|error| {
            Error::input(format_args!("cannot be read from its device: {error}")).at(&path)
        })?;
        if self.turned.contains(&path) { turned::live(data) } else { Ok(data) }
    }

    fn variable(&self, number: usize) -> Result<TensorData> {
        let data = self.fit.variable_data(&self.module, &self.layer, number, &|param| self.param(param))?;
        data.ok_or_else(unknown)
    }
}

fn matched<'a>(decision: &'a Decision, keras: &'a [KerasUnit]) -> Option<(&'a KerasUnit, &'a Fit)> {
    Some((keras.get(decision.layer?)?, decision.fit.as_ref()?))
}

/// Why the file's own description of its model was of no use.
fn undescribed(side: &KerasSide) -> Vec<String> {
    let why = side.undescribed().map(|error| format!("the layers have the names of the weights: {error}"));
    why.into_iter().collect()
}

/// What the module has no place for.
fn surplus<'a>(
    layer: &'a KerasUnit,
    fit: &'a Fit,
    fate: impl Fn(usize) -> &'static str + 'a,
) -> impl Iterator<Item = String> + 'a {
    fit.surplus.iter().filter_map(move |(at, why)| {
        let variable = layer.variables.get(*at)?;
        Some(format!("{} {}: {why}", key(layer, &variable.name), fate(*at)))
    })
}

fn fresh((name, shape): (String, Vec<usize>)) -> KerasVariable {
    KerasVariable { name, shape, dtype: crate::config::Dtype::Float32, place: String::new() }
}

/// A tensor whose data is there, and given away once.
fn ready(path: String, data: TensorData) -> Tensor {
    let data = aligned(data);
    let (dtype, shape) = (data.dtype(), data.shape().clone());
    let slot = Mutex::new(Some(data));
    bridge::deferred(path, dtype, shape, None, move || {
        let data = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        data.ok_or_else(|| pack_error("given away already"))
    })
}

/// Whether modules like batch normalizations are in it, whose statistics Burn updates with delay.
fn has_running_state(walked: &Walked) -> bool {
    walked
        .containers
        .keys()
        .any(|path| path.rsplit('.').next().is_some_and(|name| name.starts_with("running")))
}

fn path_of(error: &ApplyError) -> &str {
    match error {
        ApplyError::ShapeMismatch { path, .. }
        | ApplyError::DTypeMismatch { path, .. }
        | ApplyError::AdapterError { path, .. }
        | ApplyError::LoadError { path, .. } => path,
    }
}

fn pack_error(error: impl Display) -> PackError {
    PackError::ValidationError(error.to_string())
}

/// What does not happen as long as all parts agree on what is in a unit.
fn unknown() -> Error {
    Error::weights("there is nothing of this number in it")
}
