//! `Bidirectional`: a recurrent layer in both directions of time.

use burn::module::Module;
use serde_json::{Map, Value as Json};

use super::recurrent::unpack;
use crate::codegen::{self, Code, Place};
use crate::config::{Field, Reader};
use crate::error::{Error, Result};
use crate::layer::{
    Args, Borders, Child, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights,
};
use crate::module::AnyLayer;
use crate::value::{Binary, Value};

crate::keywords! {
    /// How the outputs of both directions become one; without any they stay two.
    pub enum MergeMode {
        /// Beside each other.
        Concat = "concat",
        /// Their sum.
        Sum = "sum",
        /// Their mean.
        Ave = "ave",
        /// Their product.
        Mul = "mul",
    }
}

/// Config of `Bidirectional`.
#[derive(Clone, Debug)]
pub struct BidirectionalConfig {
    merge_mode: Option<MergeMode>,
    forward: Child,
    backward: Child,
    return_sequences: bool,
    return_state: bool,
    json: Map<String, Json>,
}

crate::build::settings! {
    [BidirectionalConfig] [] []
    /// The recurrent layer that sees time forwards.
    layer: Child,
    /// How the outputs of both directions become one.
    merge_mode: Option<MergeMode> = None,
    /// The layer that sees time backwards, if it is not the same the other way round.
    backward_layer: Option<Child> = None,
}

/// A setting of a recurrent layer out of its config.
fn flag(layer: &Json, key: &str) -> bool {
    layer.get("config").and_then(|config| config.get(key)).and_then(Json::as_bool).unwrap_or(false)
}

/// The config of one direction: as Keras makes it of the wrapped layer.
fn direction(layer: &Json, backwards: Option<bool>) -> Json {
    let mut layer = layer.clone();
    let sequences = flag(&layer, "return_sequences");
    if let Some(config) = layer.get_mut("config").and_then(Json::as_object_mut) {
        config.insert("zero_output_for_mask".into(), sequences.into());
        if let Some(backwards) = backwards {
            config.insert("go_backwards".into(), backwards.into());
        }
    }
    layer
}

fn read_recurrent(json: &Json, reader: &mut Reader<'_>) -> Option<Child> {
    let layer = Child::read(json, reader)?;
    if layer.config.write().contains_key("return_sequences") {
        return Some(layer);
    }
    reader.push(Error::unsupported(format_args!("a {} is no recurrent layer", layer.config.class())));
    None
}

impl crate::config::Config for BidirectionalConfig {
    const KEYS: &'static [&'static str] = &["merge_mode", "layer", "backward_layer"];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let merge_mode = crate::config::read_key(json, "merge_mode", Some(Some(MergeMode::Concat)), reader);
        let null = Json::Null;
        let layer = json.get("layer").unwrap_or(&null);
        let given = json.get("backward_layer").filter(|layer| !layer.is_null());
        let backward = given.map_or_else(|| direction(layer, Some(true)), |layer| direction(layer, None));
        let forward = direction(layer, None);
        for key in ["return_sequences", "return_state", "stateful"] {
            if flag(&forward, key) != flag(&backward, key) {
                reader.push(Error::config(format_args!("{key} must be the same in both directions")));
            }
        }
        if flag(&forward, "go_backwards") == flag(&backward, "go_backwards") {
            reader.push(Error::config("both directions have the same go_backwards"));
        }
        let (return_sequences, return_state) =
            (flag(&forward, "return_sequences"), flag(&forward, "return_state"));
        let forward = reader.at("layer", |reader| read_recurrent(&forward, reader));
        let backward = reader.at("backward_layer", |reader| read_recurrent(&backward, reader));
        Some(Self {
            merge_mode: merge_mode?,
            forward: forward?,
            backward: backward?,
            return_sequences,
            return_state,
            json: json.clone(),
        })
    }

    fn write(&self) -> Map<String, Json> {
        let known = self.json.iter().filter(|(key, _)| Self::KEYS.contains(&key.as_str()));
        known.map(|(key, json)| (key.clone(), json.clone())).collect()
    }
}

impl BidirectionalConfig {
    /// The arguments of each direction: of the initial states it gets its half.
    fn split<T: Clone>(args: &Args<T>) -> Result<[Args<T>; 2]> {
        let args = unpack(args)?;
        let states = match args.get("initial_state") {
            None => &[][..],
            Some(Tree::List(states)) if states.len().is_multiple_of(2) => states,
            Some(Tree::Constant(_)) => return Err(Error::unsupported("a state that is no tensor")),
            Some(_) => return Err(Error::config("expected initial states for both directions")),
        };
        let (forward, backward) = states.split_at(states.len() / 2);
        let bind = |states: &[Tree<T>]| {
            let states = (!states.is_empty()).then(|| ("initial_state", Tree::List(states.to_vec())));
            let mask = args.get("mask").map(|mask| ("mask", mask.clone()));
            let given =
                states.into_iter().chain(mask).map(|(name, value)| (name.to_owned(), value)).collect();
            let bound =
                Args::bind(<Self as LayerConfig>::ARGS, vec![Tree::Leaf(args.input()?.clone())], given)?;
            Ok(bound.with_masks_passing_by(args.masks_pass_by()))
        };
        Ok([bind(forward)?, bind(backward)?])
    }

    fn merge_shape(&self, forward: &Spec, backward: &Spec) -> Result<Vec<Spec>> {
        let (last, fits) = (
            forward.rank() - 1,
            forward.shape[..forward.rank() - 1] == backward.shape[..backward.rank() - 1],
        );
        match self.merge_mode {
            None => Ok(vec![forward.clone(), backward.clone()]),
            Some(MergeMode::Concat) if fits => {
                let mut merged = forward.clone();
                merged.shape[last] = Some(forward.known(last)? + backward.known(last)?);
                Ok(vec![merged])
            }
            Some(MergeMode::Sum | MergeMode::Ave | MergeMode::Mul) if forward == backward => {
                Ok(vec![forward.clone()])
            }
            _ => Err(Error::config(format_args!("the directions give {forward} and {backward}"))),
        }
    }
}

impl LayerConfig for BidirectionalConfig {
    const CLASSES: &'static [&'static str] = &["Bidirectional"];
    const ARGS: &'static [&'static str] = &["sequences", "initial_state", "mask"];
    const MASK: MaskRule = MaskRule::Own;
    const BORDERS: Borders = Borders::Wrapper;

    type Layer = Bidirectional;

    fn gives_masks(&self, masked: bool) -> bool {
        masked && self.return_sequences
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [forward, backward] = Self::split(args)?;
        let mut forward = self.forward.config.outputs(&forward)?.into_leaves();
        let mut backward = self.backward.config.outputs(&backward)?.into_leaves();
        if forward.is_empty() || backward.is_empty() || forward.len() != backward.len() {
            return Err(Error::config("the directions give different numbers of outputs"));
        }
        let mut outputs = self.merge_shape(&forward.remove(0), &backward.remove(0))?;
        outputs.extend(forward.into_iter().chain(backward));
        Ok(if outputs.len() == 1 { Tree::Leaf(outputs.remove(0)) } else { Tree::list(outputs) })
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let [forward, backward] = Self::split(args)?;
        let forward = (self.forward.config.variables(&forward)?, self.forward.trainable);
        let backward = (self.backward.config.variables(&backward)?, self.backward.trainable);
        Ok(Variables::default()
            .with_child("forward_layer", "forward_layer", forward.0, forward.1)
            .with_child("backward_layer", "backward_layer", backward.0, backward.1))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Bidirectional> {
        let [forward, backward] = Self::split(args)?;
        let build = |child: &Child, args: &Args<Spec>, field: &str| {
            child.config.build(args, &mut weights.child(field).frozen_unless(child.trainable))
        };
        Ok(Bidirectional {
            forward_layer: build(&self.forward, &forward, "forward_layer")?,
            backward_layer: build(&self.backward, &backward, "backward_layer")?,
            merge_mode: self.merge_mode,
            return_sequences: self.return_sequences,
            return_state: self.return_state,
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let code = self.forward.config.code(place)?;
        let backward = self.backward.config.code(place)?;
        let is_forward = !flag(&self.forward.json, "go_backwards");
        if !is_forward || code.field != backward.field || self.merge_mode != Some(MergeMode::Concat) {
            return None;
        }
        let field = code.field?;
        let (paths, states): ([&'static str; 2], _) = match field.ty.as_str() {
            "Gru" => (["burn::nn::BiGru", "burn::nn::BiGruConfig"], ".1"),
            "Lstm" => (["burn::nn::BiLstm", "burn::nn::BiLstmConfig"], ".1.hidden"),
            "Rnn" => (["burn::nn::BiRnn", "burn::nn::BiRnnConfig"], ".1.hidden"),
            _ => return None,
        };
        let call = match self.return_sequences {
            true => "{self}.forward({0}, None).0".to_owned(),
            // States are `[direction, batch, units]`.
            false => format!("{{self}}.forward({{0}}, None){states}.swap_dims(0, 1).flatten::<2>(1, 2)"),
        };
        let field = Some(codegen::Field { ty: format!("Bi{}", field.ty), init: format!("Bi{}", field.init) });
        // The first two are the module of one direction and its config.
        let uses = paths.into_iter().chain(code.uses.into_iter().skip(2)).collect();
        Some(Code { field, call, uses, ..code })
    }
}

/// Two recurrent layers, of which one sees time backwards.
///
/// # Shapes
/// - sequences: `[batch, time, features]`
/// - initial state: the states of the forward layer, then those of the backward layer
/// - outputs: `[batch, units]` or `[batch, time, units]`, twice the units when they are concatenated,
///   two of them when they are not merged; then the states
#[derive(Module, Debug)]
pub struct Bidirectional {
    /// The layer that sees time forwards.
    pub forward_layer: AnyLayer,
    /// The layer that sees time backwards.
    pub backward_layer: AnyLayer,
    #[module(skip)]
    merge_mode: Option<MergeMode>,
    #[module(skip)]
    return_sequences: bool,
    #[module(skip)]
    return_state: bool,
}

impl Bidirectional {
    fn merge(&self, forward: Value, backward: Value) -> Result<Vec<Value>> {
        let axis = forward.rank() - 1;
        Ok(match self.merge_mode {
            None => vec![forward, backward],
            Some(MergeMode::Concat) => vec![Value::concat(vec![forward, backward], axis)?],
            Some(MergeMode::Sum) => vec![forward.binary(Binary::Add, backward)?],
            Some(MergeMode::Mul) => vec![forward.binary(Binary::Multiply, backward)?],
            Some(MergeMode::Ave) => {
                let sum = forward.binary(Binary::Add, backward)?;
                vec![crate::map_float!(sum, x => x / 2.0)?]
            }
        })
    }
}

impl Layer for Bidirectional {
    fn reset_state(&self) {
        self.forward_layer.reset_state();
        self.backward_layer.reset_state();
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let mask = args.inputs().first().and_then(|x| x.mask()).cloned().filter(|_| self.return_sequences);
        let [forward, backward] = BidirectionalConfig::split(&args)?;
        drop(args);
        let mut forward = self.forward_layer.call(forward, cx)?.into_leaves();
        let mut backward = self.backward_layer.call(backward, cx)?.into_leaves();
        if forward.is_empty() || backward.is_empty() {
            return Err(Error::config("a direction gives nothing"));
        }
        let (y, mut reversed) = (forward.remove(0), backward.remove(0));
        if self.return_sequences {
            reversed = reversed.flip(1)?;
        }
        let merged = self.merge(y, reversed)?.into_iter().map(|value| value.with_mask(mask.clone()));
        let mut outputs: Vec<Value> = merged.collect();
        if self.return_state {
            outputs.extend(forward.into_iter().chain(backward));
        }
        Ok(if outputs.len() == 1 { Tree::Leaf(outputs.remove(0)) } else { Tree::list(outputs) })
    }
}
