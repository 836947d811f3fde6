//! The Keras side of a store: any Keras file as layers with variables, and the way back into it.

mod described;
mod fresh;
mod grouped;
mod listed;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use bytes::Bytes;

use super::contract::KerasUnit;
use crate::config::{Dtype, Json};
use crate::error::{Error, ErrorKind, Problems, Result};
use crate::file::store::{Store, Stored, is_below};
use crate::keras_file::{Described, KerasFile};
use crate::layer::{Registry, Variable};
use crate::limits::Limits;
use crate::registry::nearest;
use crate::reorder::aligned;
use crate::save::SaveOptions;
use crate::value::burn_dtype;
use crate::weights::renamed::FORMER_LAYERS;
use crate::weights::{KerasWeights, Layout, numbers, shared};

/// Where a Keras file lies.
#[derive(Clone, Debug)]
pub(crate) enum Place<'a> {
    Path(&'a Path),
    /// A whole file in memory; no directory and no index of several files.
    Bytes(Bytes),
}

/// A Keras file, opened or still to be written: its layers and their variables.
#[derive(Debug)]
pub(crate) struct KerasSide {
    units: Vec<KerasUnit>,
    order: Order,
    undescribed: Option<Error>,
    tensors: BTreeMap<String, Tensor>,
    /// What is written.
    weights: KerasWeights,
}

/// What is known of the order in which a model has its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    All,
    /// Those of a class, beside each other in the same model.
    OfClass,
    Nothing,
}

/// A variable of the file.
#[derive(Debug)]
struct Tensor {
    /// As Keras has it.
    now: Stored,
    /// What the file calls it, and calls it besides.
    sources: Vec<String>,
    form: Form,
}

/// How a variable lies in the file.
#[derive(Clone, Debug)]
enum Form {
    /// As Keras has it.
    Same,
    /// As Burn has the parameter.
    Param(Arc<Variable>),
    /// As a Keras had it that there is no way back to.
    Former,
}

impl KerasSide {
    /// Opens a file of any kind. Without a `model`, what the file itself says of its model counts; and where it
    /// says nothing, what its tensors are called. No tensor is read.
    ///
    /// # Errors
    /// When it is damaged or beyond the limits, its tensors do not fit the model, or it cannot be read without one.
    pub(crate) fn open(
        place: Place<'_>,
        model: Option<&KerasFile>,
        registry: &Registry,
        limits: &Limits,
    ) -> Result<Self> {
        let opened = Self::of_file(place.clone(), model, registry, limits);
        opened.map_err(|error| match place {
            Place::Path(path) => error.in_file(path),
            Place::Bytes(_) => error,
        })
    }

    fn of_file(
        place: Place<'_>,
        model: Option<&KerasFile>,
        registry: &Registry,
        limits: &Limits,
    ) -> Result<Self> {
        let (file, weights) = read(place, limits)?;
        if let (Some(model), Layout::None) = (model.or(file.as_ref()), &weights.file.layout) {
            let message = format!("{:?} describes a model, and has no weights", model.name());
            return Err(Error::unsupported(message));
        }
        if let Some(model) = model {
            let found = model.describe_weights(registry, &weights.file)?;
            return Self::described(weights, model.config(), found);
        }
        let Some(file) = file else { return Self::bare(weights, None) };
        match file.read_model(registry) {
            // The layers of a module that is written by hand need not be known here.
            Err(error) if has_names(&weights.file.layout) && is_unknown(&error) => {
                Self::bare(weights, Some(error))
            }
            Err(error) => Err(error),
            Ok(_) => Self::described(weights, file.config(), file.describe(registry, false)?),
        }
    }

    /// With the tensors of a file as those of a described model.
    fn described(weights: KerasWeights, config: &Json, found: Described) -> Result<Self> {
        let Described { description, store, report } = found;
        let loaded: HashMap<&str, &str> =
            report.loaded.iter().map(|it| (it.path.as_str(), it.source.as_str())).collect();
        let names = |path: &str| loaded.get(path).map(|source| (*source).to_owned()).into_iter().collect();
        let units = described::units(&description, config, &store)?;
        let tensors = described::tensors(&description, &store, &weights.file, names)?;
        Ok(Self { units, order: Order::All, undescribed: None, tensors, weights }.with_former_names())
    }

    /// With the tensors of a file as what they are called.
    fn bare(weights: KerasWeights, undescribed: Option<Error>) -> Result<Self> {
        let store = &weights.file.store;
        let (order, units) = match &weights.file.layout {
            Layout::Keras3 => (Order::OfClass, grouped::units(store)?),
            Layout::Legacy { root } => (Order::All, listed::of_legacy(store, root)?),
            Layout::Names => (Order::Nothing, listed::of_names(store)?),
            Layout::Params => {
                let message =
                    "a file of Burn's does not say how its tensors lie in Keras; give the model with it";
                return Err(Error::unsupported(message));
            }
            Layout::Objects(_) | Layout::None => {
                let message = "a checkpoint does not say which layers there are; give the model with it";
                return Err(Error::unsupported(message));
            }
        };
        let places = units.iter().flat_map(|unit| &unit.variables).map(|variable| variable.place.clone());
        let tensors = places.filter_map(|place| {
            let now = store.tensors.get(&place)?.clone();
            Some((place.clone(), Tensor { now, sources: vec![place], form: Form::Same }))
        });
        let tensors: BTreeMap<_, _> = tensors.collect();
        if tensors.is_empty() {
            return Err(Error::weights("there are no variables of layers in it"));
        }
        Ok(Self { units, order, undescribed, tensors, weights }.with_former_names())
    }

    /// What a file for Keras 2 has under several names changes under all of them.
    fn with_former_names(mut self) -> Self {
        let all = &self.weights.file.store.tensors;
        let mut former = HashMap::<usize, Vec<&String>>::new();
        let below = all.range(FORMER_LAYERS.to_owned()..).take_while(|it| is_below(it.0, FORMER_LAYERS));
        for (path, tensor) in below {
            tensor.identity().into_iter().for_each(|id| former.entry(id).or_default().push(path));
        }
        for tensor in self.tensors.values_mut() {
            let names = tensor.now.identity().and_then(|id| former.get(&id)).into_iter().flatten();
            let names: Vec<String> =
                names.filter(|name| !tensor.sources.contains(name)).map(|it| (*it).clone()).collect();
            tensor.sources.extend(names);
        }
        self
    }

    /// The layers that have variables, with the places of these.
    pub(crate) fn units(&self) -> &[KerasUnit] {
        &self.units
    }

    /// Whether the units are in the order of Keras' `model.layers`.
    pub(crate) fn is_ordered(&self) -> bool {
        self.order == Order::All
    }

    /// Whether at least those of the same class, beside each other in the same model, are in that order.
    pub(crate) fn is_ordered_by_class(&self) -> bool {
        self.order != Order::Nothing
    }

    /// Why the description of the model in the file is not what the units come from, if it has one.
    pub(crate) fn undescribed(&self) -> Option<&Error> {
        self.undescribed.as_ref()
    }

    /// The tensor at a place, not read yet.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn stored(&self, place: &str) -> Result<&Stored> {
        self.tensors.get(place).map(|tensor| &tensor.now).ok_or_else(|| self.unknown(place))
    }

    fn unknown(&self, place: &str) -> Error {
        let known = self.tensors.keys().map(String::as_str);
        Error::input(format_args!("there is no variable {place:?}{}", nearest(place, known)))
    }

    /// The tensor at a place in the order, shape and type of the file; a scalar has a shape without axes. It stays
    /// where it is mapped, so it may be aligned for no element: see [`aligned`].
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn read(&self, place: &str) -> Result<TensorData> {
        numbers(self.stored(place)?).map_err(|error| error.at(place))
    }

    /// Lets `draw` give the tensor at a place, in the order and shape of the file, when it is written; the type of
    /// its elements is brought to that of the file.
    ///
    /// # Errors
    /// When there is none, or the file has it in a form that nothing is brought back to.
    pub(crate) fn replace(
        &mut self,
        place: &str,
        draw: impl Fn() -> Result<TensorData> + Send + Sync + 'static,
    ) -> Result<()> {
        let Some(Tensor { now, sources, form }) = self.tensors.get_mut(place) else {
            return Err(self.unknown(place));
        };
        if matches!(form, Form::Former) {
            let message = "the file has it in the form of an old Keras, and only new ones are written";
            return Err(Error::unsupported(message).at(place));
        }
        let dtype = now.element.keras_name().and_then(Dtype::from_name);
        let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers").at(place))?)?;
        let (shape, at) = (now.shape.clone(), place.to_owned());
        let draw = Arc::new(move || {
            let data = draw().map_err(|error| error.at(&at))?;
            let got = data.shape().to_vec();
            if got != shape && !(shape.is_empty() && got == [1]) {
                return Err(Error::weights(format_args!("expected the shape {shape:?}, got {got:?}")).at(&at));
            }
            match data.dtype() == dtype {
                true => Ok(data),
                false => aligned(data)
                    .try_cast(dtype)
                    .map_err(|error| Error::weights(format_args!("cannot convert: {error}")).at(&at)),
            }
        });
        for source in sources.iter() {
            let Some(old) = self.weights.file.store.tensors.get_mut(source) else { continue };
            let (draw, form) = (draw.clone(), form.clone());
            *old = old.with_source(move || match &form {
                Form::Param(variable) => variable.to_param(draw()?).map(shared),
                _ => draw().map(shared),
            });
        }
        *now = now.with_source(move || draw().map(shared));
        Ok(())
    }

    /// Leaves out the state of the optimizer, and how far a training was. What that was, in words.
    pub(crate) fn drop_optimizer(&mut self) -> Option<String> {
        let dropped = self.weights.drop_training();
        let why = "left out, since it belongs to the weights that were there before";
        (!dropped.is_empty()).then(|| format!("{}: {why}", dropped.join(" and ")))
    }

    /// Whether a file of its kind can be written at all, and every variable has a value: everything that stands
    /// against it, before any work.
    ///
    /// # Errors
    /// All of it.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let mut problems = Problems::default();
        problems.note(self.weights.check_written());
        for (place, _) in self.tensors.iter().filter(|(_, tensor)| tensor.now.is_planned()) {
            problems.push(Error::weights("nothing has been given for this variable").at(place));
        }
        problems.finish()
    }

    /// Writes a file of its kind, whole or not at all; it may take the place of its own. What else was in it stays
    /// as it is.
    ///
    /// # Errors
    /// Those of [`check_writable`](Self::check_writable), of what draws, and when writing fails.
    pub(crate) fn save(&self, path: &Path, options: &SaveOptions) -> Result<()> {
        self.check_writable().map_err(|error| error.in_file(path))?;
        self.weights.save_with(path, options)
    }

    /// The bytes of that file, if it is a single one.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check_writable()?;
        self.weights.to_bytes()
    }
}

/// What a file says of its model, if it says something, and its tensors.
fn read(place: Place<'_>, limits: &Limits) -> Result<(Option<KerasFile>, KerasWeights)> {
    let file = match &place {
        // Of a checkpoint there is no file of its name, or only its index.
        Place::Path(path) if !path.exists() || path.extension().is_some_and(|it| it == "index") => None,
        Place::Path(path) => KerasFile::open_model(path, limits)?,
        Place::Bytes(bytes) => KerasFile::of_bytes(bytes.clone(), limits)?,
    };
    let weights = match (&file, place) {
        (Some(file), _) => file.weights(),
        (None, Place::Path(path)) => KerasWeights::open(path, limits)?,
        (None, Place::Bytes(bytes)) => KerasWeights::of_bytes(bytes, limits)?,
    };
    Ok((file, weights))
}

/// Whether the names of tensors say which layers they are of.
fn has_names(layout: &Layout) -> bool {
    matches!(layout, Layout::Keras3 | Layout::Legacy { .. })
}

/// Whether a description is sound, but of something that is not known here.
fn is_unknown(error: &Error) -> bool {
    error.problems().all(|problem| matches!(problem.kind(), ErrorKind::Unsupported | ErrorKind::Config))
}

/// Which tensors of a store are the variables of layers, for all that the path of one tells.
fn variables(store: &Store) -> impl Iterator<Item = (&String, &Stored)> {
    const OTHERS: [&str; 2] = ["optimizer", "metrics"];
    store.tensors.iter().filter(|(path, _)| !OTHERS.iter().any(|group| is_below(path, group)))
}
