//! A module that tells of the steps of its training.

use std::fmt;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::Device;
use burn::train::{InferenceStep, LearnerModel, TrainOutput, TrainStep};

use super::shared::Shared;

/// A module in a training with callbacks: it is what it holds, and tells a [`Hook`](super::Hook) of each step.
#[derive(Clone)]
pub struct Hooked<M: LearnerModel> {
    inner: M,
    shared: Arc<Shared<M>>,
    /// How often it went back to other weights.
    restored: u64,
}

impl<M: LearnerModel> Hooked<M> {
    pub(super) fn new(inner: M, shared: Arc<Shared<M>>) -> Self {
        Self { inner, shared, restored: 0 }
    }

    /// The module itself.
    #[must_use]
    pub fn into_inner(self) -> M {
        self.current().inner
    }

    /// With the weights that a callback went back to since.
    fn current(self) -> Self {
        match self.shared.restored(self.restored, self.inner.clone()) {
            None => self,
            Some((restored, inner)) => Self { inner, restored, ..self },
        }
    }

    fn with(&self, inner: M) -> Self {
        Self { inner, shared: Arc::clone(&self.shared), restored: self.restored }
    }

    /// A step of the optimizer, between the callbacks.
    fn around(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        step: impl FnOnce(M, &mut ModuleOptimizer, ModuleLearningRate) -> M,
    ) -> Self {
        let Self { inner, shared, restored } = self.current();
        let Some(rate) = shared.before(&inner, optimizer, rate) else {
            return Self { inner, shared, restored };
        };
        let inner = step(inner, optimizer, rate);
        shared.after(&inner, optimizer);
        Self { inner, shared, restored }
    }
}

impl<M: LearnerModel> TrainStep for Hooked<M> {
    type Input = <M as TrainStep>::Input;
    type Output = <M as TrainStep>::Output;

    fn step(&self, item: Self::Input) -> TrainOutput<Self::Output> {
        let output = TrainStep::step(&self.clone().current().inner, item);
        self.shared.add_loss(&output.item);
        output
    }

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        self.around(optimizer, rate, |inner, optimizer, rate| inner.optimize(optimizer, rate, gradients))
    }

    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        self.around(optimizer, rate, |inner, optimizer, rate| {
            inner.optimize_multi(optimizer, rate, gradients)
        })
    }
}

impl<M: LearnerModel> InferenceStep for Hooked<M> {
    type Input = <M as InferenceStep>::Input;
    type Output = <M as InferenceStep>::Output;

    fn step(&self, item: Self::Input) -> Self::Output {
        InferenceStep::step(&self.inner, item)
    }
}

impl<M: LearnerModel> Module for Hooked<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.inner.collect_devices(devices)
    }
    fn fork(self, device: &Device) -> Self {
        Self { inner: self.inner.fork(device), ..self }
    }
    fn to_device(self, device: &Device) -> Self {
        Self { inner: self.inner.to_device(device), ..self }
    }
    fn train(self) -> Self {
        Self { inner: self.inner.train(), ..self }
    }
    fn valid(&self) -> Self {
        let current = self.clone().current();
        current.with(current.inner.valid())
    }
    fn materialize(self) -> Self {
        Self { inner: self.inner.materialize(), ..self }
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.inner.visit(visitor);
    }
    fn map<P: ModuleMapper>(self, mapper: &mut P) -> Self {
        Self { inner: self.inner.map(mapper), ..self }
    }
}

impl<M: LearnerModel> fmt::Debug for Hooked<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl<M: LearnerModel> fmt::Display for Hooked<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}
