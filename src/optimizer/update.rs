//! A step of an optimizer for one parameter: what all of them do around their rules.

use std::sync::Arc;

use burn::optim::{LearningRate, Optimizer as BurnOptimizer, RecordState, StateSink, StateSource};
use burn::store::burn_pack::Scalar;
use burn::tensor::{DType, Device, FloatDType, Tensor};

use super::parameter::{Order, Role};
use super::rules::{self, Initial, Slots, Step};
use super::{AnyOptimizer, Optimizer};
use crate::by_rank;
use crate::error::Result;
use crate::versions::optimizer::{ACCUMULATOR, AVERAGE, slot_names};

/// What an optimizer keeps of one parameter.
///
/// In a record every slot has the name that Keras has for it, such as `momentum`, and the axes of the parameter;
/// axes along which Keras has averaged are kept, with a size of 1.
#[derive(Clone, Debug)]
pub struct State<const D: usize> {
    /// How many gradients there were, which is Keras' `iteration`.
    pub iterations: u64,
    /// The product of the momenta of a [`Nadam`](super::Nadam) so far.
    pub product: f64,
    pub(super) slots: Vec<(&'static str, Tensor<D>)>,
}

impl<const D: usize> Default for State<D> {
    fn default() -> Self {
        Self { iterations: 0, product: 1.0, slots: Vec::new() }
    }
}

impl<const D: usize> State<D> {
    /// The slot of that name, once there was a gradient.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<&Tensor<D>> {
        self.slots.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor)
    }
}

const MOMENTUM: &str = "momentum";

/// What every parameter has in a record.
pub(super) const ITERATIONS: &str = "iterations";
pub(super) const PRODUCT: &str = "product";

impl<const D: usize> RecordState for State<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, ITERATIONS, Scalar::from(self.iterations));
        out.push_scalar(prefix, PRODUCT, Scalar::from(self.product));
        for (slot, tensor) in &self.slots {
            out.push_tensor(prefix, slot, tensor.to_data());
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let iterations = u64::try_from(src.take_scalar(prefix, ITERATIONS)?).ok()?;
        let product = f64::try_from(src.take_scalar(prefix, PRODUCT)?).ok()?;
        let mut slots = Vec::new();
        for slot in slot_names() {
            let Some(data) = src.take_tensor(prefix, slot) else { continue };
            if data.rank() != D {
                return None;
            }
            slots.push((slot, Tensor::from_data(data, (device, DType::F32))));
        }
        Some(Self { iterations, product, slots })
    }
}

/// A Keras optimizer as Burn's [`Optimizer`](burn::optim::Optimizer) for single parameters.
#[derive(Clone, Debug)]
pub struct Update {
    optimizer: Arc<AnyOptimizer>,
    common: Settings,
    role: Role,
}

/// Those of the common settings that steps need.
#[derive(Clone, Copy, Debug)]
struct Settings {
    weight_decay: Option<f64>,
    clipnorm: Option<f64>,
    clipvalue: Option<f64>,
    average: Option<(f64, Option<u64>)>,
    scale: Option<f64>,
    accumulated: u64,
    is_scheduled: bool,
}

impl Update {
    pub(super) fn new(optimizer: &Optimizer, role: Role) -> Result<Self> {
        let common = optimizer.known()?.common()?;
        let inner = optimizer.inner()?;
        let weight_decay = match inner {
            _ if !role.decays => None,
            AnyOptimizer::Muon(muon) if role.excluded => muon.adam_weight_decay,
            _ => common.weight_decay,
        };
        let every = common.ema_overwrite_frequency.filter(|steps| *steps > 0).map(|steps| steps as u64);
        let common = Settings {
            weight_decay,
            clipnorm: common.clipnorm.filter(|norm| *norm > 0.0),
            clipvalue: common.clipvalue.filter(|value| *value > 0.0),
            average: common.use_ema.then_some((common.ema_momentum, every)),
            scale: common.loss_scale_factor,
            accumulated: common.gradient_accumulation_steps.unwrap_or(1).max(1) as u64,
            is_scheduled: common.learning_rate.is_scheduled(),
        };
        Ok(Self { optimizer: Arc::new(inner.clone()), common, role })
    }

    /// The rank that the parameter has in Keras.
    fn rank<const D: usize>(&self) -> usize {
        self.role.order.as_ref().map_or(D, |order| order.shape.len())
    }

    /// Clips the gradient, takes the weight decay off, and applies the rule.
    fn apply<const D: usize>(
        &self,
        rate: f64,
        mut w: Tensor<D>,
        mut grad: Tensor<D>,
        state: &mut State<D>,
    ) -> Tensor<D> {
        // Keras has it before anything is done to the weights.
        if self.optimizer.initial(MOMENTUM) == Initial::Weights && state.slot(MOMENTUM).is_none() {
            state.slots.push((MOMENTUM, w.clone()));
        }
        if let Some(most) = self.common.clipnorm {
            let norm = grad.clone().square().sum().sqrt();
            grad = grad * most / norm.clamp_min(most).unsqueeze();
        } else if let Some(most) = self.common.clipvalue {
            grad = grad.clamp(-most, most);
        }
        let decay = match &*self.optimizer {
            AnyOptimizer::Muon(muon) if self.role.decays && self.rank::<D>() != 2 => muon.adam_weight_decay,
            _ => self.common.weight_decay,
        };
        if let Some(decay) = decay {
            w = w.clone() - w * decay * rate;
        }
        let number = (state.iterations / self.common.accumulated).saturating_add(1);
        if let AnyOptimizer::Nadam(nadam) = &*self.optimizer {
            state.product = nadam.product(state.product, number);
        }
        let step = Step {
            rate: rate as f32,
            number: number as f32,
            product: state.product as f32,
            is_scheduled: self.common.is_scheduled,
            excluded: self.role.excluded,
        };
        let kept = std::mem::take(&mut state.slots);
        let Some(order) = &self.role.order else {
            let mut slots = Slots { of: &self.optimizer, kept };
            let w = rules::apply(&step, w, grad, &mut slots);
            state.slots = slots.kept;
            return w;
        };
        let unchanged = w.clone();
        let run = by_rank!(order.shape.len(), R => {
            let kept = kept.into_iter().map(|(slot, tensor)| (slot, order.to_keras::<D, R>(slot, tensor))).collect();
            let mut slots = Slots { of: &self.optimizer, kept };
            let (w, grad) = (order.to_keras::<D, R>("", w), order.to_keras::<D, R>("", grad));
            let w = rules::apply(&step, w, grad, &mut slots);
            let kept = slots.kept.into_iter();
            state.slots = kept.map(|(slot, tensor)| (slot, order.to_param::<R, D>(slot, tensor))).collect();
            order.to_param::<R, D>("", w)
        });
        // The rank was looked at when the role was made.
        run.unwrap_or(unchanged)
    }

    /// Moves the average of the weights, and says whether they become it.
    fn average<const D: usize>(&self, w: Tensor<D>, state: &mut State<D>) -> Tensor<D> {
        let Some((momentum, every)) = self.common.average else { return w };
        let iterations = state.iterations / self.common.accumulated;
        // At first it is the weights.
        let momentum = if iterations == 0 { 0.0 } else { momentum };
        let mut slots = Slots { of: &self.optimizer, kept: std::mem::take(&mut state.slots) };
        let average = slots.take(AVERAGE, &w) * momentum + w.clone() * (1.0 - momentum);
        let overwrites = every.is_some_and(|every| iterations.saturating_add(1).is_multiple_of(every));
        let w = if overwrites { average.clone() } else { w };
        slots.put(AVERAGE, average);
        state.slots = slots.kept;
        w
    }
}

impl BurnOptimizer for Update {
    type State<const D: usize> = State<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<State<D>>,
    ) -> (Tensor<D>, Option<State<D>>) {
        let dtype = tensor.dtype();
        let (mut w, mut grad) = (tensor.cast(FloatDType::F32), grad.cast(FloatDType::F32));
        let mut state = state.unwrap_or_default();
        if let Some(scale) = self.common.scale {
            grad = grad / scale;
        }
        let count = self.common.accumulated;
        let is_update = state.iterations.saturating_add(1).is_multiple_of(count);
        if count > 1 {
            let mut slots = Slots { of: &self.optimizer, kept: std::mem::take(&mut state.slots) };
            let sum = slots.take(ACCUMULATOR, &w) + grad;
            slots.put(ACCUMULATOR, if is_update { sum.zeros_like() } else { sum.clone() });
            state.slots = slots.kept;
            grad = sum / count as f64;
        }
        if is_update {
            w = self.apply(f64::from(lr as f32), w, grad, &mut state);
        }
        w = self.average(w, &mut state);
        state.iterations = state.iterations.saturating_add(1);
        let w = if dtype == DType::F32 { w } else { w.cast(FloatDType::from(dtype)) };
        (w, Some(state))
    }

    fn to_device<const D: usize>(mut state: State<D>, device: &Device) -> State<D> {
        state.slots =
            state.slots.into_iter().map(|(slot, tensor)| (slot, tensor.to_device(device))).collect();
        state
    }
}

impl Order {
    /// A slot with the axes of the parameter, with those of Keras; the weights have no name.
    fn to_keras<const D: usize, const R: usize>(&self, slot: &str, tensor: Tensor<D>) -> Tensor<R> {
        let shape = self.slot(slot);
        if self.axes.is_empty() {
            return tensor.reshape(sizes::<R>(&shape));
        }
        tensor.reshape(sizes::<R>(&self.param(&shape))).permute(sizes::<R>(&self.inverse()))
    }

    /// The other way round.
    fn to_param<const R: usize, const D: usize>(&self, slot: &str, tensor: Tensor<R>) -> Tensor<D> {
        let tensor = if self.axes.is_empty() { tensor } else { tensor.permute(sizes::<R>(&self.axes)) };
        tensor.reshape(sizes::<D>(&self.param(&self.slot(slot))))
    }
}

fn sizes<const N: usize>(sizes: &[usize]) -> [usize; N] {
    std::array::from_fn(|axis| sizes.get(axis).copied().unwrap_or(1))
}
