//! The interpreter of a graph. It is a Burn module, and a layer of other models.

use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use serde_json::{Map, Value as Json};

use super::AnyLayer;
use crate::by_rank;
use crate::config::graph::{Graph, GraphLayer, TensorRef, read_functional, read_sequential, spec_at};
use crate::config::{Config, Dtype, Object, Reader};
use crate::error::{Error, Problems, Result};
use crate::layer::{AnyConfig, Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::value::{Value, burn_dtype};

/// Built layers and the graph that connects them.
///
/// Its parameters are visited under the names of the Keras layers: `conv2d.kernel`.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Arc<Graph>,
    layers: Vec<AnyLayer>,
}

impl Network {
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The layer of that name.
    #[must_use]
    pub fn layer(&self, name: &str) -> Option<&AnyLayer> {
        self.graph.layers.iter().position(|layer| layer.name == name).and_then(|at| self.layers.get(at))
    }

    /// Runs the graph: one value for every input, in order.
    ///
    /// # Errors
    /// When the inputs do not fit.
    pub fn run(&self, inputs: Vec<Value>, cx: &Context) -> Result<Tree<Value>> {
        self.run_until(inputs, cx, &self.graph.outputs, None)
    }

    /// Runs the graph, and adds what its layers' outputs cost in training to `losses`.
    pub(crate) fn run_with_losses(
        &self,
        inputs: Vec<Value>,
        cx: &Context,
        losses: &mut Vec<Tensor<1>>,
    ) -> Result<Tree<Value>> {
        self.run_until(inputs, cx, &self.graph.outputs, Some(losses))
    }

    /// Runs the graph and gives the values at `wanted`.
    pub(crate) fn run_until(
        &self,
        inputs: Vec<Value>,
        cx: &Context,
        wanted: &Tree<TensorRef>,
        mut losses: Option<&mut Vec<Tensor<1>>>,
    ) -> Result<Tree<Value>> {
        let input_nodes = self.graph.inputs.leaves();
        if inputs.len() != input_nodes.len() {
            let (given, takes) = (inputs.len(), input_nodes.len());
            return Err(Error::input(format_args!("expected {takes} inputs, got {given}")));
        }
        let kept = wanted.leaves();
        let mut values: Vec<Vec<Value>> = self.graph.nodes.iter().map(|_| Vec::new()).collect();
        for (node, value) in input_nodes.into_iter().zip(inputs) {
            let spec = self.graph.layers[self.graph.nodes[*node].layer].config.input();
            values[*node] = vec![match spec.filter(|spec| spec.dtype.is_float()) {
                Some(spec) => value.cast(burn_dtype(spec.dtype)?)?,
                None => value,
            }];
        }
        for (index, node) in self.graph.nodes.iter().enumerate() {
            if values[index].is_empty() {
                let layer = &self.graph.layers[node.layer];
                let args = node.args.try_map(&mut |at| value_at(&values, *at))?;
                let masks = node.mask.as_ref().map(|masks| masks.try_map(&mut |at| value_at(&values, *at)));
                let args = masked(args, masks.transpose()?.as_ref())?;
                for done in &self.graph.done[index] {
                    if !kept.iter().any(|at| at.node == *done) {
                        values[*done] = Vec::new();
                    }
                }
                let cx = Context { training: cx.training.or(node.training.filter(|training| *training)) };
                let outputs = self.call(node.layer, args, &cx, losses.as_deref_mut());
                values[index] = outputs.map_err(|error| error.at(&layer.place))?;
                if layer.config.takes_masks() && !layer.keeps_masks {
                    for at in node.args.leaves() {
                        if let Some(value) = values[at.node].get_mut(at.output) {
                            *value = value.clone().with_mask(None);
                        }
                    }
                }
            }
        }
        wanted.try_map(&mut |at| value_at(&values, *at))
    }

    /// Calls a layer, and adds what its outputs cost in training to `losses`.
    fn call(
        &self,
        layer: usize,
        args: Args<Value>,
        cx: &Context,
        losses: Option<&mut Vec<Tensor<1>>>,
    ) -> Result<Vec<Value>> {
        let (entry, layer) = (&self.graph.layers[layer], &self.layers[layer]);
        let rule = if entry.keeps_masks { MaskRule::Pass } else { entry.config.mask_rule() };
        let Some(losses) = losses else {
            return Ok(call_layer(rule, layer, args, cx)?.into_leaves());
        };
        let outputs = match layer.downcast_ref::<Self>() {
            Some(model) => model.run_with_losses(args.into_inputs(), cx, losses)?,
            None => call_layer(rule, layer, args, cx)?,
        };
        let outputs = outputs.into_leaves();
        penalize(entry, &outputs, losses)?;
        Ok(outputs)
    }

    fn change(self, mut change: impl FnMut(AnyLayer) -> AnyLayer) -> Self {
        Self { layers: self.layers.into_iter().map(&mut change).collect(), ..self }
    }
}

/// Adds the penalties on the outputs of one call, for a single example as Keras has it.
fn penalize(layer: &GraphLayer, outputs: &[Value], losses: &mut Vec<Tensor<1>>) -> Result<()> {
    if layer.activity.is_hidden {
        return Err(Error::unsupported("activity regularizers of layers inside of a layer"));
    }
    let regularizer = layer.config.activity_regularizer(&layer.activity.given)?;
    if regularizer.is_none() {
        return Ok(());
    }
    for output in outputs.iter().filter(|output| output.is_float()) {
        let loss = by_rank!(output.rank(), D => regularizer.penalty(output.clone().float::<D>()?))?;
        let batch = output.shape().first().copied().unwrap_or(1).max(1);
        losses.push(loss.map_err(|error| error.at("activity_regularizer"))? / batch as f64);
    }
    Ok(())
}

fn value_at(values: &[Vec<Value>], at: TensorRef) -> Result<Value> {
    let value = values.get(at.node).and_then(|outputs| outputs.get(at.output));
    value.cloned().ok_or_else(|| Error::config(format_args!("a layer gave no output {}", at.output)))
}

/// Calls a layer and settles what becomes of masks.
pub(crate) fn call_layer(
    rule: MaskRule,
    layer: &AnyLayer,
    args: Args<Value>,
    cx: &Context,
) -> Result<Tree<Value>> {
    let mask = match rule {
        MaskRule::Own => return layer.call(args, cx),
        MaskRule::Pass => args.inputs().first().and_then(|input| input.mask()).cloned(),
        MaskRule::Drop => None,
    };
    layer.call(args, cx)?.try_map(&mut |value| Ok(value.clone().with_mask(mask.clone())))
}

/// The arguments of a call with the masks that the layer is to see: those that it was called with, if any.
pub(crate) fn masked(args: Args<Value>, masks: Option<&Tree<Value>>) -> Result<Args<Value>> {
    if let Some(masks) = masks {
        return with_masks(args, masks);
    }
    // Keras finds the mask of an argument by itself only when there is no other.
    let several = args.tensor_arguments() > 1;
    Ok(args.with_masks_passing_by(several))
}

/// Gives the inputs of a call the masks that it was called with.
fn with_masks(args: Args<Value>, masks: &Tree<Value>) -> Result<Args<Value>> {
    let one = |tree: &Tree<Value>| tree.leaves().first().map(|mask| (*mask).clone());
    let masks: Vec<Option<Value>> = match masks {
        Tree::Leaf(mask) => vec![Some(mask.clone())],
        Tree::List(items) => items.iter().map(one).collect(),
        Tree::Dict(items) => items.iter().map(|(_, item)| one(item)).collect(),
        Tree::Constant(_) => Vec::new(),
    };
    let mut at = 0;
    args.try_map(&mut |value| {
        let mask = masks.get(at).cloned();
        at += 1;
        Ok(match mask {
            Some(mask) => value.clone().with_mask(mask),
            None => value.clone(),
        })
    })
}

impl Layer for Network {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        self.run(args.into_inputs(), cx)
    }

    fn reset_state(&self) {
        self.layers.iter().for_each(AnyLayer::reset_state);
    }
}

impl Module for Network {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layers.iter().fold(devices, |devices, layer| layer.collect_devices(devices))
    }
    fn fork(self, device: &Device) -> Self {
        self.change(|layer| layer.fork(device))
    }
    fn to_device(self, device: &Device) -> Self {
        self.change(|layer| layer.to_device(device))
    }
    fn train(self) -> Self {
        self.change(Module::train)
    }
    fn valid(&self) -> Self {
        self.clone().change(|layer| layer.valid())
    }
    fn materialize(self) -> Self {
        self.change(Module::materialize)
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (entry, layer) in self.graph.layers.iter().zip(&self.layers) {
            visitor.enter_module(&entry.name, entry.config.class());
            layer.visit(visitor);
            visitor.exit_module(&entry.name, entry.config.class());
        }
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let graph = Arc::clone(&self.graph);
        let mut entries = graph.layers.iter();
        self.change(|layer| match entries.next() {
            Some(entry) => {
                mapper.enter_module(&entry.name, entry.config.class());
                let layer = layer.map(mapper);
                mapper.exit_module(&entry.name, entry.config.class());
                layer
            }
            None => layer,
        })
    }
}

impl ModuleDisplayDefault for Network {
    fn content(&self, content: Content) -> Option<Content> {
        let layers = self.graph.layers.iter();
        layers
            .fold(content, |content, layer| content.add_debug_attribute(&layer.name, &layer.config))
            .optional()
    }
}

impl ModuleDisplay for Network {}

/// The graph of a config, if it is that of a model.
pub(crate) fn graph_of(config: &dyn AnyConfig) -> Option<&Graph> {
    let config = config.as_any();
    let sequential = config.downcast_ref().map(|config: &SequentialConfig| &config.graph);
    sequential
        .or_else(|| config.downcast_ref().map(|config: &FunctionalConfig| &config.graph))
        .map(Arc::as_ref)
}

/// Whether a model lets its layers be trained, if it is one.
pub(crate) fn is_trainable(config: &dyn AnyConfig) -> bool {
    config.as_any().downcast_ref().is_none_or(|config: &FunctionalConfig| config.trainable)
}

/// Integers of a width that a device does not have.
pub(crate) fn missing_integers(device: &Device) -> Vec<Dtype> {
    use Dtype::{Int8, Int16, Uint8, Uint16, Uint32, Uint64};
    [Int8, Int16, Uint8, Uint16, Uint32, Uint64]
        .into_iter()
        .filter(|dtype| burn_dtype(*dtype).is_ok_and(|dtype| !device.supports_dtype(dtype)))
        .collect()
}

/// Refuses one of these types.
pub(crate) fn refuse_integers<'a>(
    missing: &[Dtype],
    mut specs: impl Iterator<Item = &'a Spec>,
) -> Result<()> {
    match specs.find(|spec| missing.contains(&spec.dtype)) {
        Some(spec) => {
            Err(Error::unsupported(format_args!("{}, which this device does not have", spec.dtype)))
        }
        None => Ok(()),
    }
}

/// Refuses integers of a width that a device does not have, where something is computed with them: they
/// would not wrap as they should.
fn check_integers(graph: &Graph, specs: &[Tree<Spec>], device: &Device) -> Result<()> {
    let missing = missing_integers(device);
    let mut problems = Problems::default();
    for (node, outputs) in graph.nodes.iter().zip(specs).filter(|_| !missing.is_empty()) {
        let layer = &graph.layers[node.layer];
        let mut involved: Vec<Spec> = outputs.leaves().into_iter().cloned().collect();
        if layer.group.is_none() {
            involved.extend(node.args.try_map(&mut |at| spec_at(specs, *at))?.leaves().into_iter().cloned());
        }
        let computes = !node.args.leaves().is_empty();
        let refused = refuse_integers(&missing, involved.iter().filter(|_| computes));
        problems.note(refused.map_err(|error| error.at(&layer.place)));
    }
    problems.finish()
}

/// What a `Sequential` and a `Functional` model have in common.
trait Graphed {
    fn graph(&self) -> &Arc<Graph>;
    fn is_trainable(&self) -> bool;

    fn infer(&self, args: &Args<Spec>) -> Result<Vec<Tree<Spec>>> {
        let inputs: Vec<Spec> = args.inputs().into_iter().cloned().collect();
        let takes = self.graph().inputs.leaves().len();
        if !inputs.is_empty() && inputs.len() != takes {
            return Err(Error::config(format_args!("expected {takes} inputs, got {}", inputs.len())));
        }
        self.graph().infer(Some(inputs.as_slice()).filter(|inputs| !inputs.is_empty()))
    }

    fn infer_outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let specs = self.infer(args)?;
        self.graph().outputs.try_map(&mut |at| spec_at(&specs, *at))
    }

    fn all_variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let calls = self.graph().first_calls(&self.infer(args)?)?;
        let mut variables = Variables::default();
        let mut problems = Problems::default();
        for (layer, call) in self.graph().layers.iter().zip(&calls) {
            let Some(group) = &layer.group else { continue };
            let own = layer.config.variables(call).map_err(|error| error.at(&layer.place));
            if let Some(own) = problems.note(own) {
                let trainable = layer.trainable && self.is_trainable();
                variables = variables.with_child(group, &layer.name, own, trainable);
            }
        }
        problems.finish()?;
        Ok(variables)
    }

    fn build_network(&self, args: &Args<Spec>, weights: &Weights<'_>) -> Result<Network> {
        let specs = self.infer(args)?;
        check_integers(self.graph(), &specs, weights.device())?;
        let calls = self.graph().first_calls(&specs)?;
        let layers = self.graph().layers.iter().zip(&calls).map(|(layer, call)| {
            let trainable = layer.trainable && self.is_trainable();
            let mut weights = weights.child(&layer.name).frozen_unless(trainable);
            layer.config.build(call, &mut weights).map_err(|error| error.at(&layer.place))
        });
        Ok(Network { graph: Arc::clone(self.graph()), layers: layers.collect::<Result<_>>()? })
    }
}

macro_rules! model_config {
    ($(#[$meta:meta])* $name:ident, $classes:expr, $keys:expr, first call $first:expr, trainable $trainable:expr, read $read:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            graph: Arc<Graph>,
            trainable: bool,
            json: Map<String, Json>,
        }

        impl Config for $name {
            const KEYS: &'static [&'static str] = $keys;

            fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
                let object = Object { class: $classes[0], config: json, envelope: &Map::new() };
                Self::read_object(&object, reader)
            }

            fn write(&self) -> Map<String, Json> {
                self.json.clone()
            }
        }

        impl Graphed for $name {
            fn graph(&self) -> &Arc<Graph> {
                &self.graph
            }
            fn is_trainable(&self) -> bool {
                self.trainable
            }
        }

        impl LayerConfig for $name {
            const CLASSES: &'static [&'static str] = $classes;
            const STRINGS: bool = true;
            const FIRST_CALL: usize = $first;
            const MASK: MaskRule = MaskRule::Own;
            type Layer = Network;

            fn read_object(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Self> {
                let graph: fn(&Object<'_>, &mut Reader<'_>) -> Option<Graph> = $read;
                let trainable: fn(&Object<'_>) -> Option<bool> = $trainable;
                let trainable = trainable(object).unwrap_or(true);
                let graph = Arc::new(graph(object, reader)?);
                Some(Self { graph, trainable, json: object.config.clone() })
            }

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.infer_outputs(args)
            }

            fn gives_masks(&self, masked: bool) -> bool {
                masked || self.graph.layers.iter().any(|layer| layer.config.gives_masks(false))
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                self.all_variables(args)
            }

            fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Network> {
                self.build_network(args, weights)
            }
        }
    };
}

model_config! {
    /// A chain of layers.
    SequentialConfig, &["Sequential"], &["layers", "build_input_shape"],
    first call 0,
    // Keras does not read that of a `Sequential` back; its layers have their own.
    trainable |_| None,
    read |object, reader| read_sequential(object, reader)
}

model_config! {
    /// A graph of layers.
    FunctionalConfig, &["Functional", "Model"], &["layers", "input_layers", "output_layers"],
    first call 1,
    trainable |object| object.config.get("trainable").and_then(Json::as_bool),
    read |object, reader| read_functional(object.config, reader)
}
