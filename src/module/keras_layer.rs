//! One layer of Keras, of any kind, as a Burn module of its own.

mod call;
mod typed;
mod visit;

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{DType, Device, TensorData};

use super::{AnyLayer, call_layer, graph_of, masked, missing_integers, refuse_integers};
use crate::config::call::{Bound, bind};
use crate::config::graph::{KEEPS_MASKS, check_ranks, check_size};
use crate::config::{Dtype, Json, Object, Reader};
use crate::error::{Error, Problems, Result};
use crate::layer::{AnyConfig, Args, Context, MaskRule, Spec, Tree, Variable, Variables, Weights};
use crate::limits::Limits;
use crate::load::by_param;
use crate::value::{Value, burn_dtype};
use crate::variables::WeightSource;
use crate::weights::Draws;

#[cfg(test)]
pub(crate) use call::read_tensor;
pub use call::{Call, KerasObject};
pub use typed::{AsValue, AsValues, ChannelsFirst};
use visit::Renamed;

/// One layer or operation of Keras, of any kind, as a Burn module: for layers that burn-nn does not have.
///
/// It goes by the names of Keras: its parameters are visited as `kernel` or `cell.recurrent_kernel`, and stores
/// find them by these.
///
/// As in a model, a `BatchNormalization` or a `Dropout` behaves as in training on an autodiff device. What
/// regularizers cost is no part of what the layer gives: add it to your loss.
///
/// ```
/// use burn::module::Module;
/// use burn::tensor::{Device, Tensor};
/// use burn_keras::build::SeparableConv2D;
/// use burn_keras::module::KerasLayer;
///
/// #[derive(Module, Debug)]
/// struct Stem {
///     conv: KerasLayer,
/// }
///
/// let device = Device::flex();
/// let conv = SeparableConv2D::new(32, 3).padding("same");
/// let stem = Stem { conv: KerasLayer::new(conv, [56, 56, 16], &device)? };
/// let y: Tensor<4> = stem.conv.forward(Tensor::<4>::ones([1, 56, 56, 16], &device));
/// assert_eq!(y.dims(), [1, 56, 56, 32]);
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KerasLayer {
    layer: AnyLayer,
    kind: Arc<Kind>,
}

/// What does not change with the weights.
#[derive(Debug)]
struct Kind {
    config: Arc<dyn AnyConfig>,
    rule: MaskRule,
    keeps_masks: bool,
    variables: Variables,
    calls: Vec<Bound<Spec>>,
    /// In which order the axes of parameters are that have another one than in a file.
    axes: HashMap<String, Vec<usize>>,
}

impl KerasLayer {
    /// A layer with fresh weights, and how it is called.
    ///
    /// # Errors
    /// Everything that is wrong with its settings, or does not fit what it is called with. A whole model is no
    /// layer: that is a [`KerasModel`](crate::KerasModel).
    pub fn new(layer: impl Into<KerasObject>, call: impl Into<Call>, device: &Device) -> Result<Self> {
        Self::build(layer.into(), call.into(), &Start(Draws::new(None)), device)
    }

    /// [`new`](Self::new), with random numbers that repeat with the seed.
    ///
    /// # Errors
    /// As there.
    pub fn seeded(
        layer: impl Into<KerasObject>,
        call: impl Into<Call>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Self::build(layer.into(), call.into(), &Start(Draws::new(Some(seed))), device)
    }

    /// [`new`](Self::new), for code in which the layer is known to fit.
    ///
    /// # Panics
    /// Where that gives an error.
    #[must_use]
    #[expect(
        clippy::panic,
        reason = "as the constructors of Burn's own modules do on settings that do not fit"
    )]
    pub fn init(layer: impl Into<KerasObject>, call: impl Into<Call>, device: &Device) -> Self {
        match Self::new(layer, call, device) {
            Ok(layer) => layer,
            Err(error) => panic!("{error}"),
        }
    }

    fn build(object: KerasObject, call: Call, source: &dyn WeightSource, device: &Device) -> Result<Self> {
        let KerasObject { json, registry } = object;
        let (json, limits) = (json.map_err(Error::config)?, Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let object = Object::read(&json, &mut reader);
        let config = object.and_then(|object| match object.class {
            "__tensor__" | "__numpy__" => reader.note(registry.read_constant(&json)),
            _ => reader.enter(|reader| registry.read(&object, reader)),
        });
        reader.finish()?;
        let (Some(object), Some(config)) = (object, config) else {
            return Err(Error::config("the layer could not be read"));
        };
        let place = object.class;
        let built = Self::build_kind(&object, config, call, &limits, source, device);
        built.map_err(|error| error.at(place))
    }

    fn build_kind(
        object: &Object<'_>,
        config: Arc<dyn AnyConfig>,
        call: Call,
        limits: &Limits,
        source: &dyn WeightSource,
        device: &Device,
    ) -> Result<Self> {
        if config.is_input() || graph_of(config.as_ref()).is_some() {
            return Err(Error::unsupported("a model or an input of one in the place of a layer"));
        }
        let calls = bind_all(config.as_ref(), call)?;
        check(config.as_ref(), &calls, limits, device)?;
        let Some(first) = calls.first() else { return Err(Error::config("it is never called")) };
        let trainable = object.config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
        let own = config.variables(&first.args)?;
        let variables = Variables::default().with_child("", "", own, trainable);
        let params = by_param(variables.iter())?;
        let (assets, path) = (variables.assets(), String::new());
        let mut weights = Weights { variables: &params, assets, source, device, path, trainable };
        let layer = config.build(&first.args, &mut weights)?;
        let axes = variables.iter().filter(|variable| variable.moves());
        let axes = axes.map(|variable| (variable.param.clone(), variable.axes.clone())).collect();
        let keeps_masks = object.envelope.get(KEEPS_MASKS) == Some(&Json::Bool(true));
        let rule = if keeps_masks { MaskRule::Pass } else { config.mask_rule() };
        Ok(Self { layer, kind: Arc::new(Kind { config, rule, keeps_masks, variables, calls, axes }) })
    }

    /// Keras' name of its class.
    #[must_use]
    pub fn class(&self) -> &'static str {
        self.kind.config.class()
    }

    /// Its variables in Keras' order, each with the path of its parameter below the layer.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.kind.variables
    }

    /// Runs the layer on a tensor, or a tuple, an array or a `Vec` of several. A Keras mask goes with a [`Value`]
    /// only.
    ///
    /// # Panics
    /// When the inputs do not fit, or the layer gives something else, as with Burn's own modules; see
    /// [`call`](Self::call).
    #[must_use]
    pub fn forward<O: AsValues>(&self, inputs: impl AsValues) -> O {
        self.at(0).forward(inputs)
    }

    /// Runs the layer, as [`forward`](Self::forward) does.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_keras::build::{LSTM, Masking};
    /// use burn_keras::{Value, module::KerasLayer};
    ///
    /// let device = Device::flex();
    /// let masking = KerasLayer::new(Masking::new(), [5, 3], &device)?;
    /// let lstm = KerasLayer::new(LSTM::new(4).return_state(true), [5, 3], &device)?;
    /// let x: Value = masking.call(Tensor::<3>::ones([2, 5, 3], &device))?;
    /// let (y, hidden, carried): (Tensor<2>, Tensor<2>, Tensor<2>) = lstm.call(x)?;
    /// assert_eq!(carried.dims(), [2, 4]);
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the inputs do not fit, or the layer gives another number of tensors or another rank.
    pub fn call<O: AsValues>(&self, inputs: impl AsValues) -> Result<O> {
        self.at(0).call(inputs)
    }

    /// The layer in another of the ways in which it is called: see [`Call::or`].
    #[must_use]
    pub fn at(&self, call: usize) -> CallSite<'_> {
        CallSite { layer: self, call }
    }

    /// Whether a call takes the masks off what it is called with, as a few kinds of layers do in Keras: what is
    /// called with the same values later does not see them either.
    #[must_use]
    pub fn takes_masks(&self) -> bool {
        self.kind.config.takes_masks() && !self.kind.keeps_masks
    }

    /// Forgets what it carries from call to call, as a `stateful` recurrent layer does.
    pub fn reset_state(&self) {
        self.layer.reset_state();
    }
}

/// A [`KerasLayer`] in one of the ways in which it is called.
#[derive(Clone, Copy, Debug)]
pub struct CallSite<'a> {
    layer: &'a KerasLayer,
    call: usize,
}

impl CallSite<'_> {
    /// [`KerasLayer::forward`].
    ///
    /// # Panics
    /// As there.
    #[must_use]
    #[expect(clippy::panic, reason = "as Burn's own operations do on shapes that do not fit")]
    pub fn forward<O: AsValues>(&self, inputs: impl AsValues) -> O {
        match self.call(inputs) {
            Ok(outputs) => outputs,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`KerasLayer::call`].
    ///
    /// # Errors
    /// As there.
    pub fn call<O: AsValues>(&self, inputs: impl AsValues) -> Result<O> {
        let outputs =
            self.run(inputs.into_values()).and_then(|outputs| O::from_values(outputs.into_leaves()));
        outputs.map_err(|error| error.at(self.layer.class()))
    }

    fn run(&self, values: Vec<Value>) -> Result<Tree<Value>> {
        let kind = &self.layer.kind;
        let call = kind.calls.get(self.call);
        let call = call.ok_or_else(|| Error::input(format_args!("there is no call {}", self.call)))?;
        let masks = call.mask.as_ref().map(Tree::leaves).unwrap_or_default();
        let (given, takes) = (values.len(), call.args.leaves().len() + masks.len());
        if given != takes {
            return Err(Error::input(format_args!("expected {takes} tensors, got {given}")));
        }
        let mut values = values.into_iter();
        let mut next = |spec: &Spec| match values.next() {
            Some(value) => cast(value, spec),
            None => Err(Error::input("too few tensors")),
        };
        let args = call.args.try_map(&mut next)?;
        let masks = call.mask.as_ref().map(|masks| masks.try_map(&mut next)).transpose()?;
        kind.check_shapes(call, &args)?;
        let args = masked(args, masks.as_ref())?;
        let cx = Context { training: call.training.filter(|training| *training) };
        call_layer(kind.rule, &self.layer.layer, args, &cx)
    }
}

impl Kind {
    /// Refuses shapes that the layer was not built for.
    fn check_shapes(&self, call: &Bound<Spec>, args: &Args<Value>) -> Result<()> {
        let fits = |(value, spec): (&&Value, &&Spec)| {
            let shape = value.shape();
            let same = |(size, known): (&usize, &Option<usize>)| known.is_none_or(|known| known == *size);
            shape.len() == spec.rank() && shape.iter().zip(&spec.shape).all(same)
        };
        if args.leaves().iter().zip(&call.args.leaves()).all(fits) {
            return Ok(());
        }
        let specs = args.try_map(&mut |value| {
            Ok(Spec::new(value.shape().into_iter().map(Some).collect(), value.keras_dtype()))
        })?;
        check_ranks(self.config.group_name().is_some(), &specs)?;
        self.config.infer(&specs)?;
        let shapes = |variables: &Variables| -> Vec<_> {
            variables.iter().map(|variable| variable.shape.clone()).collect()
        };
        if shapes(&self.config.variables(&specs)?) == shapes(&self.variables) {
            return Ok(());
        }
        let list = |specs: &Args<Spec>| {
            specs.leaves().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let (expected, given) = (list(&call.args), list(&specs));
        Err(Error::input(format_args!("its weights are for {expected}, not for {given}")))
    }
}

/// Fresh weights: those in a few bits are zeros until others are loaded, as in Keras.
struct Start(Draws);

impl WeightSource for Start {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        match variable.dtype {
            Dtype::Int8 | Dtype::Uint8 => Ok(TensorData::zeros::<f32, _>(variable.shape.clone())),
            _ => self.0.read(variable),
        }
    }
}

/// A tensor as a value of the type that a layer is called with. Floats convert, as the inputs of a model do.
fn cast(value: Value, spec: &Spec) -> Result<Value> {
    let value = match (spec.rank(), value.shape().as_slice()) {
        // What has no axes in Keras is a vector of one in Burn.
        (0, [1]) => value.reshape(&[])?,
        _ => value,
    };
    let is_bool = |value: &Value| matches!(value.dtype(), DType::Bool(_));
    let fits = match spec.dtype {
        Dtype::String => value.is_string(),
        _ if value.is_string() => false,
        Dtype::Bool => is_bool(&value),
        dtype if dtype.is_float() => return value.cast(burn_dtype(dtype)?),
        _ => !value.is_float() && !is_bool(&value),
    };
    match fits {
        true => Ok(value),
        false => Err(Error::input(format_args!(
            "expected a tensor of {}, got {}",
            spec.dtype,
            value.keras_dtype()
        ))),
    }
}

/// All ways in which a layer is called, with the arguments at their places.
fn bind_all(config: &dyn AnyConfig, call: Call) -> Result<Vec<Bound<Spec>>> {
    let Call { positional, keywords, others, fault } = call;
    fault.map_or(Ok(()), |fault| Err(Error::config(fault)))?;
    let bound = bind(config, positional, keywords)?;
    let mut arrays = false;
    let _ = bound.args.clone().replace_constants(&mut |json| {
        arrays |= Object::of(json).is_some_and(|object| matches!(object.class, "__tensor__" | "__numpy__"));
        None
    });
    if arrays && config.group_name().is_some() {
        return Err(Error::unsupported("an array among the constants of a call: give it as a tensor"));
    }
    let mut calls = vec![bound];
    for other in others {
        calls.extend(bind_all(config, other)?);
    }
    Ok(calls)
}

/// Refuses what could go wrong in one of the calls.
fn check(
    config: &(dyn AnyConfig + 'static),
    calls: &[Bound<Spec>],
    limits: &Limits,
    device: &Device,
) -> Result<()> {
    let is_layer = config.group_name().is_some();
    let missing = missing_integers(device);
    let mut problems = Problems::default();
    for Bound { args, .. } in calls {
        let outputs = check_ranks(is_layer, args).and_then(|()| config.infer(args)).and_then(|outputs| {
            let (given, taken) = (outputs.leaves(), args.leaves());
            given.iter().chain(&taken).try_for_each(|spec| check_size(spec, limits.activation))?;
            let computed = taken.into_iter().filter(|_| !is_layer).chain(given);
            refuse_integers(&missing, computed.filter(|_| !args.leaves().is_empty()))
        });
        problems.note(outputs);
    }
    problems.finish()
}

/// A value in another type: a tensor without the Keras mask that the value may have.
///
/// # Panics
/// When the rank is another, as Burn's own operations do.
#[must_use]
#[expect(clippy::panic, reason = "as Burn's own operations do on shapes that do not fit")]
pub fn typed<T: AsValue>(value: Value) -> T {
    match T::from_value(value) {
        Ok(typed) => typed,
        Err(error) => panic!("{error}"),
    }
}

impl KerasLayer {
    fn change(self, change: impl FnOnce(AnyLayer) -> AnyLayer) -> Self {
        Self { layer: change(self.layer), ..self }
    }
}

impl Module for KerasLayer {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layer.collect_devices(devices)
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
        self.layer.visit(&mut Renamed::new(visitor, self.class(), &self.kind.axes));
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let kind = Arc::clone(&self.kind);
        self.change(|layer| layer.map(&mut Renamed::new(mapper, kind.config.class(), &kind.axes)))
    }
}

impl ModuleDisplayDefault for KerasLayer {
    fn content(&self, content: Content) -> Option<Content> {
        let content = content.set_top_level_type(self.class());
        let config = self.kind.config.write();
        config
            .iter()
            .fold(content, |content, (key, value)| content.add_debug_attribute(key, value))
            .optional()
    }
}

impl ModuleDisplay for KerasLayer {}
