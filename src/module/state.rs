//! Module state that is no parameter: values that a layer updates itself, and its training flag.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{
    Content, Devices, Flag, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
    ParamId,
};
use burn::tensor::{Device, Tensor};

use crate::layer::Context;

/// A variable that its layer updates while running, such as the moving mean of a
/// `BatchNormalization`.
///
/// Clones share the value, so that an update made during a training step reaches the model that the
/// optimizer goes on with. Visitors and mappers see it as a parameter that needs no gradient.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    id: ParamId,
    value: Arc<Mutex<Tensor<D>>>,
}

impl<const D: usize> State<D> {
    /// A state with an initial value.
    #[must_use]
    pub fn new(value: Tensor<D>) -> Self {
        Self::with_id(ParamId::new(), value)
    }

    fn with_id(id: ParamId, value: Tensor<D>) -> Self {
        Self { id, value: Arc::new(Mutex::new(value)) }
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> Tensor<D> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value, here and in every clone.
    pub fn set(&self, value: Tensor<D>) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value.detach();
    }

    fn to_param(&self) -> Param<Tensor<D>> {
        Param::initialized(self.id, self.get())
    }
}

impl<const D: usize> Module for State<D> {
    fn collect_devices(&self, mut devices: Devices) -> Devices {
        let device = self.get().device();
        if !devices.contains(&device) {
            devices.push(device);
        }
        devices
    }
    fn fork(self, device: &Device) -> Self {
        Self::with_id(self.id, self.get().to_device(device).detach())
    }
    fn to_device(self, device: &Device) -> Self {
        Self::with_id(self.id, self.get().to_device(device))
    }
    fn train(self) -> Self {
        Self::with_id(self.id, Module::train(self.to_param()).val().detach().set_require_grad(false))
    }
    fn valid(&self) -> Self {
        Self::with_id(self.id, self.get().without_autodiff())
    }
    fn materialize(self) -> Self {
        self
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&self.to_param());
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let (id, value, _) = mapper.map_float(self.to_param()).consume();
        Self::with_id(id, value.set_require_grad(false))
    }
}

impl<const D: usize> ModuleDisplayDefault for State<D> {
    fn content(&self, content: Content) -> Option<Content> {
        let shape = self.get().dims();
        content.set_top_level_type("State").add_debug_attribute("shape", &shape).optional()
    }
}

impl<const D: usize> ModuleDisplay for State<D> {}

/// Whether a layer behaves as in training. It does so on an autodiff device unless it is frozen or
/// [`Context::training`] says otherwise.
#[derive(Clone, Debug)]
pub struct Training(Param<Flag>);

impl Default for Training {
    fn default() -> Self {
        Self(Param::from_bool(true))
    }
}

impl Training {
    /// Whether a layer whose input is on `device` behaves as in training.
    #[must_use]
    pub fn is_on(&self, device: &Device, cx: &Context) -> bool {
        cx.training.unwrap_or_else(|| self.0.val().is_enabled() && device.is_autodiff())
    }
}

impl Module for Training {
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }
    fn fork(self, _: &Device) -> Self {
        self
    }
    fn to_device(self, _: &Device) -> Self {
        self
    }
    fn train(self) -> Self {
        Self(self.0.train())
    }
    fn valid(&self) -> Self {
        Self(self.0.valid())
    }
    fn materialize(self) -> Self {
        self
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_flag(&self.0);
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self(mapper.map_flag(self.0))
    }
}

impl ModuleDisplayDefault for Training {
    fn content(&self, content: Content) -> Option<Content> {
        content.set_top_level_type("Training").optional()
    }
}

impl ModuleDisplay for Training {}
