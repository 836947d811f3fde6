//! `Functional`: a graph of layers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use burn::tensor::Device;
use serde_json::{Map, Value as Json, json};

use super::layer::Identity;
use super::tensor::Call;
use super::{FreshLayer, KerasTensor, Structure, fresh};
use crate::error::{Error, Problems, Result};
use crate::layer::{Tree, row};
use crate::model::KerasModel;
use crate::module::FunctionalConfig;

/// A graph of layers, given by the tensors that enter it and those that leave it.
///
/// ```
/// use burn_keras::build::{Add, Dense, Functional, Input};
///
/// let x = Input::new([784]);
/// let h = Dense::new(64).activation("relu").on(&x);
/// let skip = Dense::new(64).on(&x);
/// let y = Dense::new(10).on(&Add::new().on([&h, &skip]));
/// let model = Functional::new(&x, &y).build(&burn::tensor::Device::flex())?;
/// assert_eq!(model.summary().rows.len(), 5);
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Functional {
    identity: Identity,
    inputs: Structure,
    outputs: Structure,
    name: Option<String>,
    trainable: bool,
    seed: Option<u64>,
}

impl Functional {
    /// The model between some inputs and outputs: a tensor each, or lists or dictionaries of them.
    #[must_use]
    pub fn new(inputs: impl Into<Structure>, outputs: impl Into<Structure>) -> Self {
        Self {
            identity: Identity::default(),
            inputs: inputs.into(),
            outputs: outputs.into(),
            name: None,
            trainable: true,
            seed: None,
        }
    }

    /// Whether any layer of the model may be trained. They may by default.
    #[must_use]
    pub fn trainable(self, trainable: bool) -> Self {
        Self { identity: Identity::default(), trainable, ..self }
    }

    /// The model with fresh weights.
    ///
    /// # Errors
    /// Everything that is wrong with its graph, all at once.
    pub fn build(&self, device: &Device) -> Result<KerasModel> {
        let layer = FreshLayer::from(self);
        layer.check()?;
        fresh::build(&layer, self.seed, device)
    }
}

impl From<&Functional> for FreshLayer {
    fn from(model: &Functional) -> Self {
        let graph = Graph::new(model);
        let config = graph.config(model);
        let (config, fault) = match config {
            Ok(config) => (config, None),
            Err(error) => (Map::new(), Some(error.to_string())),
        };
        let mut layer = Self::of_row(row::<FunctionalConfig>(), Some("keras.src.models.functional"), config);
        layer.identity = model.identity;
        layer.name.clone_from(&model.name);
        layer.kinds.extend(graph.layers.iter().flat_map(|layer| layer.kinds.clone()));
        layer.fault = fault;
        layer
    }
}

fresh::model_methods!(Functional);

/// The calls between the inputs and outputs of a model.
struct Graph {
    layers: Vec<FreshLayer>,
    names: Vec<String>,
    /// The calls of every layer that belong to the model.
    calls: Vec<Vec<Arc<Call>>>,
    /// Where each layer is.
    places: HashMap<Identity, usize>,
}

impl Graph {
    fn new(model: &Functional) -> Self {
        let mut open: Vec<Arc<Call>> = Vec::new();
        let ends = model.inputs.leaves().into_iter().chain(model.outputs.leaves());
        open.extend(ends.map(|tensor| Arc::clone(&tensor.call)));
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        while let Some(call) = open.pop() {
            if seen.insert(call.number) {
                open.extend(call.parents().map(|tensor| Arc::clone(&tensor.call)));
                found.push(call);
            }
        }
        // Layers and calls in the order in which they were made, as far as that shows.
        found.sort_by_key(|call| (call.layer.identity, call.number));
        let (mut layers, mut calls): (Vec<FreshLayer>, Vec<Vec<Arc<Call>>>) = (Vec::new(), Vec::new());
        let mut places = HashMap::new();
        for call in found {
            let place = *places.entry(call.layer.identity).or_insert(layers.len());
            if place == layers.len() {
                layers.push(call.layer.clone());
                calls.push(Vec::new());
            }
            calls[place].push(call);
        }
        let names = fresh::names(layers.iter());
        Self { layers, names, calls, places }
    }

    /// `[layer, call, output]`
    fn history(&self, tensor: &KerasTensor, first_call: usize) -> Result<Json> {
        let place = self.places.get(&tensor.call.layer.identity).copied();
        let place = place.ok_or_else(|| Error::config("a tensor of another graph"))?;
        let calls = &self.calls[place];
        // However often an input is used, it enters once.
        let call = if is_input(&calls[0]) {
            Some(0)
        } else {
            calls.iter().position(|call| call.number == tensor.call.number)
        };
        let call = call.ok_or_else(|| Error::config("a tensor of another graph"))?;
        Ok(json!([self.names[place], call + first_call, tensor.index()?]))
    }

    /// Tensors by their names, as `input_layers` and `output_layers` have them.
    fn ends(&self, tensors: &Structure) -> Result<Json> {
        Ok(match tensors {
            Tree::Leaf(tensor) => {
                // A model counts its own making as the first of its calls there.
                let first = usize::from(tensor.call.layer.class() == functional_class());
                self.history(tensor, first)?
            }
            Tree::List(items) => items.iter().map(|item| self.ends(item)).collect::<Result<_>>()?,
            Tree::Dict(items) => {
                let items = items.iter().map(|(key, item)| Ok((key.clone(), self.ends(item)?)));
                Json::Object(items.collect::<Result<_>>()?)
            }
            Tree::Constant(_) => return Err(Error::config("expected tensors")),
        })
    }

    fn config(&self, model: &Functional) -> Result<Map<String, Json>> {
        let mut problems = Problems::default();
        let given: HashSet<_> =
            model.inputs.leaves().into_iter().map(|input| input.call.layer.identity).collect();
        let mut layers = Vec::new();
        for ((layer, name), calls) in self.layers.iter().zip(&self.names).zip(&self.calls) {
            problems.note(layer.check().map_err(|error| error.at(format_args!("{name:?}"))));
            let input = is_input(&calls[0]);
            if input != given.contains(&layer.identity) {
                let message =
                    if input { "an input that the model does not take" } else { "expected an Input" };
                problems.push(Error::config(message).at(format_args!("{name:?}")));
            }
            let calls = calls.iter().filter(|_| !input);
            let calls: Result<Vec<Json>> =
                calls.map(|call| call.object(&|tensor| self.history(tensor, 0))).collect();
            let mut object = layer.named_object(name);
            object["name"] = name.as_str().into();
            object["inbound_nodes"] = problems.note(calls).unwrap_or_default().into();
            layers.push(object);
        }
        let ends = [&model.inputs, &model.outputs].map(|tensors| problems.note(self.ends(tensors)));
        problems.finish()?;
        let [inputs, outputs] = ends.map(Option::unwrap_or_default);
        let mut config = Map::new();
        config.insert("trainable".into(), model.trainable.into());
        config.insert("layers".into(), layers.into());
        config.insert("input_layers".into(), inputs);
        config.insert("output_layers".into(), outputs);
        Ok(config)
    }
}

fn is_input(call: &Call) -> bool {
    call.parents().next().is_none()
}

fn functional_class() -> &'static str {
    row::<FunctionalConfig>().classes[0]
}
