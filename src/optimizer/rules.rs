//! How weights follow from a gradient: the rule of every optimizer, and nothing around it.
//!
//! Numbers that Keras computes in 32 bits are computed so.

use burn::tensor::Tensor;

use super::AnyOptimizer;
use super::config::{
    Adadelta, Adafactor, Adagrad, Adamax, Ftrl, Lamb, Lion, Muon, Nadam, RMSprop, SGD, ScheduleFreeAdamW,
};

/// What a rule knows of the step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) rate: f32,
    /// The first is 1.
    pub(super) number: f32,
    /// The product of the momenta of a [`Nadam`], this step's included.
    pub(super) product: f32,
    pub(super) is_scheduled: bool,
    /// Whether the parameter is one that Muon leaves to AdamW, though a matrix.
    pub(super) excluded: bool,
}

impl Step {
    fn rate(&self) -> f64 {
        self.rate.into()
    }

    /// `1 - beta^number`
    fn rest(&self, beta: f64) -> f32 {
        1.0 - (beta as f32).powf(self.number)
    }
}

/// What is kept of a parameter, by the names of Keras.
pub(super) struct Slots<'a, const D: usize> {
    pub(super) of: &'a AnyOptimizer,
    pub(super) kept: Vec<(&'static str, Tensor<D>)>,
}

/// What a slot starts with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Initial {
    /// This number everywhere.
    Number(f64),
    /// The weights.
    Weights,
}

impl AnyOptimizer {
    /// What the slot of that name starts with.
    pub(super) fn initial(&self, slot: &str) -> Initial {
        Initial::Number(match (self, slot) {
            (Self::ScheduleFreeAdamW(_), "momentum") => return Initial::Weights,
            (Self::Adagrad(it), "accumulator") => it.initial_accumulator_value,
            (Self::Ftrl(it), "accumulator") => it.initial_accumulator_value,
            _ => 0.0,
        })
    }
}

impl<const D: usize> Slots<'_, D> {
    /// Takes a slot out, or what it starts with: something like this tensor.
    pub(super) fn take(&mut self, slot: &str, like: &Tensor<D>) -> Tensor<D> {
        match self.kept.iter().position(|(known, _)| *known == slot) {
            Some(at) => self.kept.swap_remove(at).1,
            None => match self.of.initial(slot) {
                Initial::Weights => like.clone(),
                Initial::Number(number) => like.full_like(number),
            },
        }
    }

    pub(super) fn put(&mut self, slot: &'static str, tensor: Tensor<D>) {
        self.kept.push((slot, tensor));
    }

    /// Moves a slot towards a value, by this part of the way.
    fn approach(&mut self, slot: &'static str, value: Tensor<D>, part: f64) -> Tensor<D> {
        let old = self.take(slot, &value);
        let new = old.clone() + (value - old) * part;
        self.put(slot, new.clone());
        new
    }

    /// Keeps this part of a slot, and adds the rest of a value.
    fn mix(&mut self, slot: &'static str, value: Tensor<D>, kept: f64) -> Tensor<D> {
        let new = self.take(slot, &value) * kept + value * (1.0 - kept);
        self.put(slot, new.clone());
        new
    }
}

/// The weights after a step.
pub(super) fn apply<const D: usize>(
    step: &Step,
    w: Tensor<D>,
    grad: Tensor<D>,
    slots: &mut Slots<'_, D>,
) -> Tensor<D> {
    match slots.of {
        AnyOptimizer::SGD(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::RMSprop(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Adam(it) => {
            Moments { beta_1: it.beta_1, beta_2: it.beta_2, epsilon: it.epsilon, greatest: it.amsgrad }
                .apply(step, w, grad, slots)
        }
        AnyOptimizer::AdamW(it) => {
            Moments { beta_1: it.beta_1, beta_2: it.beta_2, epsilon: it.epsilon, greatest: it.amsgrad }
                .apply(step, w, grad, slots)
        }
        AnyOptimizer::Adadelta(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Adagrad(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Adamax(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Adafactor(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Nadam(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Ftrl(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Lion(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Lamb(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::Muon(it) => it.apply(step, w, grad, slots),
        AnyOptimizer::ScheduleFreeAdamW(it) => it.apply(step, w, grad, slots),
        // Those have others inside, which are the ones that come here.
        AnyOptimizer::LossScaleOptimizer(_) | AnyOptimizer::MultiOptimizer(_) => w,
    }
}

impl SGD {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let change = grad * step.rate();
        if self.momentum == 0.0 {
            return w - change;
        }
        let m = slots.take("momentum", &w) * self.momentum - change.clone();
        slots.put("momentum", m.clone());
        if self.nesterov { w + m * self.momentum - change } else { w + m }
    }
}

impl RMSprop {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let mut divisor = slots.mix("velocity", grad.clone().square(), self.rho);
        if self.centered {
            divisor = divisor - slots.mix("average_gradient", grad.clone(), self.rho).square();
        }
        let change = grad * step.rate() / (divisor + self.epsilon).sqrt();
        if self.momentum <= 0.0 {
            return w - change;
        }
        let m = slots.take("momentum", &w) * self.momentum + change;
        slots.put("momentum", m.clone());
        w - m
    }
}

/// What Adam, AdamW and Muon have in common.
struct Moments {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    /// Whether the greatest second moment is used.
    greatest: bool,
}

impl Moments {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let rate = step.rate * step.rest(self.beta_2).sqrt() / step.rest(self.beta_1);
        let m = slots.approach("momentum", grad.clone(), 1.0 - self.beta_1);
        let mut v = slots.approach("velocity", grad.square(), 1.0 - self.beta_2);
        if self.greatest {
            v = slots.take("velocity_hat", &w).max_pair(v);
            slots.put("velocity_hat", v.clone());
        }
        w - m * f64::from(rate) / (v.sqrt() + self.epsilon)
    }
}

impl Adadelta {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let root = |x: Tensor<D>| (x + self.epsilon).sqrt();
        let grads = slots.mix("accumulated_grad", grad.clone().square(), self.rho);
        let changes = slots.take("accumulated_delta_var", &w);
        let change = root(changes.clone()) * grad / root(grads);
        slots.put("accumulated_delta_var", changes);
        slots.mix("accumulated_delta_var", change.clone().square(), self.rho);
        w - change * step.rate()
    }
}

impl Adagrad {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let sum = slots.take("accumulator", &w) + grad.clone().square();
        slots.put("accumulator", sum.clone());
        w - grad * step.rate() / (sum + self.epsilon).sqrt()
    }
}

impl Adamax {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let m = slots.approach("momentum", grad.clone(), 1.0 - self.beta_1);
        let u = (slots.take("norm", &w) * self.beta_2).max_pair(grad.abs());
        slots.put("norm", u.clone());
        w - m * step.rate() / ((u + self.epsilon) * f64::from(step.rest(self.beta_1)))
    }
}

/// The root of the mean square, with all axes.
fn rms<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.square().mean().sqrt().unsqueeze()
}

impl Adafactor {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let root = 1.0 / step.number.sqrt();
        let rate = if self.relative_step && !step.is_scheduled { step.rate.min(root) } else { step.rate };
        let rate = rms(w.clone()).clamp_min(self.epsilon_2) * f64::from(rate.min(root));
        let kept = f64::from(1.0 - step.number.powf(self.beta_2_decay as f32));
        let squares = grad.clone().square() + self.epsilon_1;
        let v = match D {
            0 | 1 => slots.mix("velocity", squares, kept),
            _ => {
                let rows = slots.mix("r", squares.clone().mean_dim(D - 1), kept);
                let columns = slots.mix("c", squares.mean_dim(D - 2), kept);
                slots.take("velocity", &w);
                let v = rows.clone() / rows.mean_dim(D - 2) * columns;
                slots.put("velocity", v.clone());
                v
            }
        };
        let change = grad / v.sqrt();
        let clip = (rms(change.clone()) / self.clip_threshold).clamp_min(1.0);
        w - change / clip * rate
    }
}

impl Nadam {
    /// The momentum of a step.
    fn momentum(&self, number: f32) -> f32 {
        self.beta_1 as f32 * (1.0 - 0.5 * 0.96_f32.powf(number))
    }

    /// The product of the momenta after a step.
    pub(super) fn product(&self, before: f64, number: u64) -> f64 {
        let part = 1.0 - 0.5 * 0.96_f32.powf(number as f32);
        (before as f32 * self.beta_1 as f32 * part).into()
    }

    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let (now, next) = (self.momentum(step.number), self.momentum(step.number + 1.0));
        let part = |beta: f64| f64::from(1.0 - beta as f32);
        let m = slots.approach("momentum", grad.clone(), part(self.beta_1));
        let v = slots.approach("velocity", grad.clone().square(), part(self.beta_2));
        let m = m * f64::from(next) / f64::from(1.0 - step.product * next)
            + grad * f64::from(1.0 - now) / f64::from(1.0 - step.product);
        let v = v / f64::from(step.rest(self.beta_2));
        w - m * step.rate() / (v.sqrt() + self.epsilon)
    }
}

impl Ftrl {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let power = |x: Tensor<D>| x.powf_scalar(-self.learning_rate_power);
        let l2 = self.l2_regularization_strength + self.beta / (2.0 * step.rate());
        let old = slots.take("accumulator", &w);
        let sum = old.clone() + grad.clone().square();
        let grad = grad + w.clone() * (2.0 * self.l2_shrinkage_regularization_strength);
        let change = (power(sum.clone()) - power(old)) / step.rate() * w.clone();
        let linear = slots.take("linear", &w) + (grad - change);
        let quadratic = power(sum.clone()) / step.rate() + 2.0 * l2;
        slots.put("accumulator", sum);
        slots.put("linear", linear.clone());
        let l1 = self.l1_regularization_strength;
        (linear.clone().clamp(-l1, l1) - linear) / quadratic
    }
}

impl Lion {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let m = slots.take("momentum", &w);
        let direction = (m.clone() * self.beta_1 + grad.clone() * (1.0 - self.beta_1)).sign();
        slots.put("momentum", m);
        slots.mix("momentum", grad, self.beta_2);
        w - direction * step.rate()
    }
}

impl Lamb {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let m = slots.approach("momentum", grad.clone(), 1.0 - self.beta_1);
        let v = slots.approach("velocity", grad.square(), 1.0 - self.beta_2);
        let root = (v / f64::from(step.rest(self.beta_2))).sqrt() + self.epsilon;
        let change = m / f64::from(step.rest(self.beta_1)) / root;
        let norm = |x: Tensor<D>| x.square().sum().sqrt();
        let (w_norm, norm) = (norm(w.clone()), norm(change.clone()));
        let usual = w_norm.clone().greater_scalar(0.0).bool_and(norm.clone().greater_scalar(0.0));
        let ratio = (w_norm / norm).mask_fill(usual.bool_not(), 1.0);
        w - change * (ratio * step.rate()).unsqueeze()
    }
}

impl Muon {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        if D != 2 || step.excluded {
            let rate = step.rate * self.adam_lr_ratio.0 as f32;
            return Moments {
                beta_1: self.adam_beta_1,
                beta_2: self.adam_beta_2,
                epsilon: self.epsilon,
                greatest: false,
            }
            .apply(&Step { rate, ..*step }, w, grad, slots);
        }
        let m = slots.take("momentum", &w);
        let m = m.clone() + (grad.clone() + m * (self.momentum - 1.0));
        slots.put("momentum", m.clone());
        let change = if self.nesterov { grad + m * self.momentum } else { m };
        let longer = w.dims().into_iter().max().unwrap_or(1) as f64;
        let change = self.orthogonal(change) * step.rate();
        w - match self.rms_rate {
            Some(size) => change * f64::from((longer as f32).sqrt()) * size,
            None => change,
        }
    }

    /// A matrix of about the same directions, all of about the same length.
    fn orthogonal<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let turned = |x: Tensor<D>| x.swap_dims(D - 2, D - 1);
        let shape = x.dims();
        let is_high = shape[D - 2] > shape[D - 1];
        let mut x = if is_high { turned(x) } else { x };
        let norm = x.clone().square().sum().sqrt() + 1e-7;
        x = x / norm.unsqueeze();
        for _ in 0..self.ns_steps {
            let a = x.clone().matmul(turned(x.clone()));
            let b = a.clone() * self.muon_b + (a.clone() * self.muon_c).matmul(a);
            x = x.clone() * self.muon_a + b.matmul(x);
        }
        if is_high { turned(x) } else { x }
    }
}

impl ScheduleFreeAdamW {
    fn apply<const D: usize>(
        &self,
        step: &Step,
        w: Tensor<D>,
        grad: Tensor<D>,
        slots: &mut Slots<'_, D>,
    ) -> Tensor<D> {
        let (beta_1, rest_1) = (f64::from(self.beta_1 as f32), f64::from(1.0 - self.beta_1 as f32));
        let warmup = self.warmup_steps as f32;
        let rate = if warmup > 0.0 { step.rate * (step.number / warmup).min(1.0) } else { step.rate };
        let v = slots.approach("velocity", grad.clone().square(), f64::from(1.0 - self.beta_2 as f32));
        let root = (v / f64::from(step.rest(self.beta_2))).sqrt() + self.epsilon;
        let old = slots.take("momentum", &w);
        let own = old.clone() - grad * f64::from(rate) / root;
        slots.put("momentum", own.clone());
        let weight = 1.0 / step.number;
        let average = (w - old * rest_1) / beta_1;
        let average = average * f64::from(1.0 - weight) + own.clone() * f64::from(weight);
        own * rest_1 + average * beta_1
    }
}
