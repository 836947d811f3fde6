//! A layer of any kind as one Burn module: the only place that knows about type erasure.
//!
//! `Module` cannot be a trait object, because its visitors are generic over the rank of a parameter.
//! [`DynLayer`] can: it takes visitors as trait objects, which see parameters as `Any` with a rank,
//! and on the way back the rank picks the type again.

use std::any::Any;
use std::fmt::Debug;

use burn::module::{
    Content, Devices, Flag, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::border::Border;
use crate::error::Result;
use crate::layer::{Args, Context, Layer, Tree};
use crate::value::Value;

/// A built layer of any kind.
#[derive(Debug)]
pub struct AnyLayer {
    layer: Box<dyn DynLayer>,
    border: Option<Border>,
}

impl AnyLayer {
    /// Erases the kind of a layer.
    pub fn new(layer: impl Layer) -> Self {
        Self { layer: Box::new(layer), border: None }
    }

    /// The layer with its floats cast as a dtype policy says.
    pub(crate) fn with_border(self, border: Border) -> Self {
        Self { border: Some(border), ..self }
    }

    /// The layer without regard to its dtype policy.
    pub(crate) fn without_border(self) -> Self {
        Self { border: None, ..self }
    }

    fn with_layer(&self, layer: Box<dyn DynLayer>) -> Self {
        Self { layer, border: self.border.clone() }
    }

    fn change(self, change: Change<'_>) -> Self {
        Self { layer: self.layer.change(change), ..self }
    }

    /// Runs the layer.
    ///
    /// # Errors
    /// When the inputs do not fit.
    pub fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let Some(border) = &self.border else { return self.layer.call(args, cx) };
        let args = border.enter(args)?;
        border.leave(match border.rounds_variables() {
            true => border.round(Self { border: None, ..self.clone() }).layer.call(args, cx)?,
            false => self.layer.call(args, cx)?,
        })
    }

    /// [`Layer::reset_state`].
    pub fn reset_state(&self) {
        self.layer.reset_state();
    }

    /// The layer as its own type.
    #[must_use]
    pub fn downcast_ref<L: Layer>(&self) -> Option<&L> {
        self.layer.as_any().downcast_ref()
    }
}

impl Clone for AnyLayer {
    fn clone(&self) -> Self {
        self.with_layer(self.layer.clone_box())
    }
}

impl Module for AnyLayer {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layer.devices(devices)
    }
    fn fork(self, device: &Device) -> Self {
        self.change(Change::Fork(device))
    }
    fn to_device(self, device: &Device) -> Self {
        self.change(Change::ToDevice(device))
    }
    fn train(self) -> Self {
        self.change(Change::Train)
    }
    fn valid(&self) -> Self {
        self.with_layer(self.layer.valid())
    }
    fn materialize(self) -> Self {
        self.change(Change::Materialize)
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.layer.visit(&mut Restore(visitor));
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self { layer: self.layer.map(&mut Restore(mapper)), ..self }
    }
}

impl ModuleDisplayDefault for AnyLayer {
    fn content(&self, content: Content) -> Option<Content> {
        content.set_top_level_type("Layer").optional()
    }
}

impl ModuleDisplay for AnyLayer {}

enum Change<'a> {
    Fork(&'a Device),
    ToDevice(&'a Device),
    Train,
    Materialize,
}

trait DynLayer: Debug + Send + Sync {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>>;
    fn reset_state(&self);
    fn as_any(&self) -> &dyn Any;
    fn clone_box(&self) -> Box<dyn DynLayer>;
    fn devices(&self, devices: Devices) -> Devices;
    fn change(self: Box<Self>, change: Change<'_>) -> Box<dyn DynLayer>;
    fn valid(&self) -> Box<dyn DynLayer>;
    fn visit(&self, visitor: &mut dyn DynVisitor);
    fn map(self: Box<Self>, mapper: &mut dyn DynMapper) -> Box<dyn DynLayer>;
}

impl<L: Layer> DynLayer for L {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        Layer::call(self, args, cx)
    }
    fn reset_state(&self) {
        Layer::reset_state(self);
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn clone_box(&self) -> Box<dyn DynLayer> {
        Box::new(self.clone())
    }
    fn devices(&self, devices: Devices) -> Devices {
        self.collect_devices(devices)
    }
    fn change(self: Box<Self>, change: Change<'_>) -> Box<dyn DynLayer> {
        Box::new(match change {
            Change::Fork(device) => Module::fork(*self, device),
            Change::ToDevice(device) => Module::to_device(*self, device),
            Change::Train => Module::train(*self),
            Change::Materialize => Module::materialize(*self),
        })
    }
    fn valid(&self) -> Box<dyn DynLayer> {
        Box::new(Module::valid(self))
    }
    fn visit(&self, visitor: &mut dyn DynVisitor) {
        Module::visit(self, &mut Erase(visitor));
    }
    fn map(self: Box<Self>, mapper: &mut dyn DynMapper) -> Box<dyn DynLayer> {
        Box::new(Module::map(*self, &mut Erase(mapper)))
    }
}

/// The kind of a parameter's tensor.
#[derive(Clone, Copy)]
enum Kind {
    Float,
    Int,
    Bool,
}

trait DynVisitor {
    fn tensor(&mut self, kind: Kind, rank: usize, param: &dyn Any);
    fn flag(&mut self, flag: &Param<Flag>);
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

trait DynMapper {
    fn tensor(&mut self, kind: Kind, rank: usize, param: Box<dyn Any>) -> Box<dyn Any>;
    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag>;
    fn enter(&mut self, name: &str, container: &str);
    fn exit(&mut self, name: &str, container: &str);
}

/// Passes what a module shows on to a trait object.
struct Erase<T>(T);

/// Passes what a trait object is shown on to a visitor or mapper, under its type again.
struct Restore<T>(T);

impl ModuleVisitor for Erase<&mut dyn DynVisitor> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.tensor(Kind::Float, D, param);
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.0.tensor(Kind::Int, D, param);
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.0.tensor(Kind::Bool, D, param);
    }
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.0.flag(flag);
    }
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }
    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

impl ModuleMapper for Erase<&mut dyn DynMapper> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        mapped(self.0.tensor(Kind::Float, D, Box::new(param)))
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        mapped(self.0.tensor(Kind::Int, D, Box::new(param)))
    }
    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        mapped(self.0.tensor(Kind::Bool, D, Box::new(param)))
    }
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.flag(flag)
    }
    fn enter_module(&mut self, name: &str, container: &str) {
        self.0.enter(name, container);
    }
    fn exit_module(&mut self, name: &str, container: &str) {
        self.0.exit(name, container);
    }
}

#[expect(clippy::panic, reason = "a mapper gives back the rank and kind that it was given")]
fn mapped<P: 'static>(param: Box<dyn Any>) -> P {
    match param.downcast() {
        Ok(param) => *param,
        Err(_) => panic!("a mapped parameter changed its type"),
    }
}

/// Picks the type of a parameter by its kind and rank.
///
/// Unlike values, parameters may have any rank that Burn itself can hold.
macro_rules! restore {
    ($kind:expr, $rank:expr, $T:ident => $body:expr) => {
        restore!(@ranks $kind, $rank, $T => $body; 0 1 2 3 4 5 6 7 8 9 10)
    };
    (@ranks $kind:expr, $rank:expr, $T:ident => $body:expr; $($d:literal)+) => {
        match ($kind, $rank) {
            $((Kind::Float, $d) => { type $T = Tensor<$d>; $body })+
            $((Kind::Int, $d) => { type $T = Tensor<$d, Int>; $body })+
            $((Kind::Bool, $d) => { type $T = Tensor<$d, Bool>; $body })+
            _ => unreachable!("Burn has no parameters of rank {}", $rank),
        }
    };
}

trait VisitKind: Sized + burn::module::ParameterValue + 'static {
    fn show<V: ModuleVisitor>(param: &Param<Self>, visitor: &mut V);
    fn pass<M: ModuleMapper>(param: Param<Self>, mapper: &mut M) -> Param<Self>;
}

macro_rules! visit_kind {
    ($kind:ty, $visit:ident, $map:ident) => {
        impl<const D: usize> VisitKind for Tensor<D, $kind> {
            fn show<V: ModuleVisitor>(param: &Param<Self>, visitor: &mut V) {
                visitor.$visit(param);
            }
            fn pass<M: ModuleMapper>(param: Param<Self>, mapper: &mut M) -> Param<Self> {
                mapper.$map(param)
            }
        }
    };
}

visit_kind!(burn::tensor::Float, visit_float, map_float);
visit_kind!(Int, visit_int, map_int);
visit_kind!(Bool, visit_bool, map_bool);

impl<V: ModuleVisitor> DynVisitor for Restore<&mut V> {
    fn tensor(&mut self, kind: Kind, rank: usize, param: &dyn Any) {
        restore!(kind, rank, T => {
            if let Some(param) = param.downcast_ref::<Param<T>>() {
                T::show(param, self.0);
            }
        });
    }
    fn flag(&mut self, flag: &Param<Flag>) {
        self.0.visit_flag(flag);
    }
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }
    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}

impl<M: ModuleMapper> DynMapper for Restore<&mut M> {
    fn tensor(&mut self, kind: Kind, rank: usize, param: Box<dyn Any>) -> Box<dyn Any> {
        restore!(kind, rank, T => Box::new(T::pass(mapped::<Param<T>>(param), self.0)))
    }
    fn flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.0.map_flag(flag)
    }
    fn enter(&mut self, name: &str, container: &str) {
        self.0.enter_module(name, container);
    }
    fn exit(&mut self, name: &str, container: &str) {
        self.0.exit_module(name, container);
    }
}
