//! `BatchNormalization`: `gamma · (x - mean) / √(variance + epsilon) + beta` for every channel. In
//! training the statistics are those of the batch, which the moving ones follow; otherwise the moving
//! ones.
//!
//! Training with `renorm` is not supported. `synchronized` makes no difference on one device.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::support::like_input;
use crate::codegen::{Code, Layout, Place, number};
use crate::config::{Axes, Dtype, Kept};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Borders, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::module::{State, Training};
use crate::regularizer::Regularizer;
use crate::value::{Order, Value};
use crate::{by_rank, map_float};

/// `keras.backend.epsilon()`
const EPSILON: f64 = 1e-7;

crate::layer_config! {
    /// Config of `BatchNormalization`.
    pub struct BatchNormalizationConfig {
        /// The axis of the channels.
        axis: Axes = Axes::One(-1),
        /// How much of the moving statistics a training step keeps.
        momentum: f64 = 0.99,
        /// What is added to the variance.
        epsilon: f64 = 0.001,
        /// Whether there is a `beta`.
        center: bool = true,
        /// Whether there is a `gamma`.
        scale: bool = true,
        /// For fresh weights.
        beta_initializer: Initializer = "zeros".into(),
        /// For fresh weights.
        gamma_initializer: Initializer = "ones".into(),
        /// For fresh weights.
        moving_mean_initializer: Initializer = "zeros".into(),
        /// For fresh weights.
        moving_variance_initializer: Initializer = "ones".into(),
        /// For training.
        beta_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        gamma_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        beta_constraint: Constraint = Constraint::none(),
        /// For training.
        gamma_constraint: Constraint = Constraint::none(),
        /// Whether the batch spans all devices.
        synchronized: bool = false,
        /// Whether training corrects the statistics of the batch by moving ones.
        renorm: bool = false,
        /// For training with `renorm`.
        renorm_clipping: Kept = Kept::default(),
        /// For training with `renorm`.
        renorm_momentum: f64 = 0.99,
    }
}

impl BatchNormalizationConfig {
    fn channel_axis(&self, rank: usize) -> Result<usize> {
        match self.axis.resolve(rank).map_err(|error| error.at("axis"))?.as_slice() {
            [axis] => Ok(*axis),
            axes => Err(Error::config(format_args!("expected one axis, got {axes:?}")).at("axis")),
        }
    }
}

/// In which order of axes the channels come right after the batch, if there is one.
pub(super) fn channels_second(axis: usize, rank: usize) -> Option<Layout> {
    match axis {
        1 => Some(Layout::Keras),
        axis if axis + 1 == rank && rank > 1 => Some(Layout::ChannelsFirst),
        _ => None,
    }
}

impl LayerConfig for BatchNormalizationConfig {
    const CLASSES: &'static [&'static str] = &["BatchNormalization"];
    const MASK: MaskRule = MaskRule::Pass;
    const BORDERS: Borders = Borders::Stored;

    type Layer = BatchNormalization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        input.known(self.channel_axis(input.rank())?)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let input = args.input()?;
        let channels = [input.known(self.channel_axis(input.rank())?)?];
        let (mean, variance) = (&self.moving_mean_initializer, &self.moving_variance_initializer);
        let fixed = |variables: Variables, name, initializer: &Initializer| {
            variables.fixed(name, channels, Dtype::Float32).initialized(initializer.clone())
        };
        let variables = Variables::default()
            .trainable_if(self.scale, "gamma", channels)
            .with(&self.gamma_initializer, &self.gamma_regularizer, &self.gamma_constraint)
            .trainable_if(self.center, "beta", channels)
            .with(&self.beta_initializer, &self.beta_regularizer, &self.beta_constraint);
        let variables = fixed(fixed(variables, "moving_mean", mean), "moving_variance", variance);
        if !self.renorm {
            return Ok(variables);
        }
        let root = |numbers: &mut [f32]| numbers.iter_mut().for_each(|x| *x = x.sqrt());
        let variables = fixed(variables, "moving_stddev", variance).finished(root);
        Ok(fixed(fixed(variables, "renorm_mean", mean), "renorm_stddev", variance).finished(root))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<BatchNormalization> {
        let state = |name| self.renorm.then(|| weights.state(name)).transpose();
        Ok(BatchNormalization {
            gamma: weights.maybe("gamma")?,
            beta: weights.maybe("beta")?,
            moving_mean: weights.state("moving_mean")?,
            moving_variance: weights.state("moving_variance")?,
            moving_stddev: state("moving_stddev")?,
            renorm_mean: state("renorm_mean")?,
            renorm_stddev: state("renorm_stddev")?,
            training: Training::default(),
            axis: self.channel_axis(args.input()?.rank())?,
            momentum: self.momentum,
            epsilon: self.epsilon,
            trainable: weights.is_trainable(),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let input = place.input()?;
        let axis = self.channel_axis(input.rank()).ok()?;
        let channels = input.known(axis).ok()?;
        let can = self.center && self.scale && !self.renorm && !self.synchronized && input.rank() > 1;
        // What Burn's module refuses.
        let can = can && channels > 0 && self.epsilon > 0.0 && (0.0..=1.0).contains(&self.momentum);
        let layout = channels_second(axis, input.rank()).filter(|_| can)?;
        const PATHS: [&str; 2] = ["burn::nn::BatchNorm", "burn::nn::BatchNormConfig"];
        let code = Code::module(PATHS, &channels.to_string(), layout)
            .with("epsilon", number(self.epsilon)?, "1e-5")
            .with("momentum", format!("1.0 - {}", number(self.momentum)?), "1.0 - 0.9");
        Some(code)
    }
}

/// Normalizes every channel over all other axes.
///
/// It trains on an autodiff device, unless Keras froze it.
///
/// # Shapes
/// - inputs: `[batch, ..., channels]`, or with the channels on another axis
/// - mask: the inputs without their last axis; what is masked does not count in training
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct BatchNormalization {
    /// `[channels]`: the factors.
    pub gamma: Option<Param<Tensor<1>>>,
    /// `[channels]`: what is added.
    pub beta: Option<Param<Tensor<1>>>,
    /// `[channels]`
    pub moving_mean: State<1>,
    /// `[channels]`: of the biased variance.
    pub moving_variance: State<1>,
    /// `[channels]`, with `renorm`.
    pub moving_stddev: Option<State<1>>,
    /// `[channels]`, with `renorm`.
    pub renorm_mean: Option<State<1>>,
    /// `[channels]`, with `renorm`.
    pub renorm_stddev: Option<State<1>>,
    training: Training,
    #[module(skip)]
    axis: usize,
    #[module(skip)]
    momentum: f64,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    trainable: bool,
}

impl BatchNormalization {
    /// `x · scale + offset` along `axis`, with the statistics given.
    fn normalize<const D: usize>(
        &self,
        x: Tensor<D>,
        axis: usize,
        mean: Tensor<1>,
        variance: Tensor<1>,
    ) -> Tensor<D> {
        let mut shape = [1; D];
        shape[axis] = mean.dims()[0];
        let scale = (variance + self.epsilon).sqrt().recip();
        let scale = match &self.gamma {
            Some(gamma) => scale * gamma.val(),
            None => scale,
        };
        let offset = -mean * scale.clone();
        let offset = match &self.beta {
            Some(beta) => offset + beta.val(),
            None => offset,
        };
        x * scale.reshape(shape) + offset.reshape(shape)
    }

    /// Lets the moving statistics follow those of a batch.
    fn follow(&self, mean: &Tensor<1>, variance: &Tensor<1>) {
        for (moving, batch) in [(&self.moving_mean, mean), (&self.moving_variance, variance)] {
            let kept = moving.get() * self.momentum;
            moving.set(kept + batch.clone().detach() * (1.0 - self.momentum));
        }
    }

    fn train_on(&self, x: Value) -> Result<Value> {
        if self.moving_stddev.is_some() {
            return Err(Error::unsupported("training with renorm"));
        }
        let mask = x.mask().cloned();
        let order = if mask.is_some() { Order::Plain } else { x.order() };
        let axis = order.axis(x.rank(), self.axis);
        let x = if mask.is_some() { x.plain()? } else { x };
        let shape = x.shape();
        let counted = mask.map(|mask| mask.expand_dims(shape.len() - 1)?.broadcast_to(&shape)).transpose()?;
        let rank = x.rank();
        let (stored, order) = x.into_stored_float()?;
        by_rank!(rank, D => {
            let x = Tensor::<D>::from_bridge(stored);
            let (mean, variance) = match counted {
                None => moments(x.clone(), axis),
                Some(counted) => masked_moments(x.clone(), axis, counted.float::<D>()?),
            };
            self.follow(&mean, &variance);
            Value::from_stored(self.normalize(x, axis, mean, variance).into_bridge(), order)
        })
    }
}

/// The sum over all axes but one.
fn sum_others<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<1> {
    let channels = x.dims()[axis];
    (0..D).filter(|at| *at != axis).fold(x, |x, at| x.sum_dim(at)).reshape([channels])
}

/// `channels` numbers along an axis.
fn along<const D: usize>(numbers: Tensor<1>, axis: usize) -> Tensor<D> {
    let mut shape = [1; D];
    shape[axis] = numbers.dims()[0];
    numbers.reshape(shape)
}

/// Mean and biased variance of every channel.
fn moments<const D: usize>(x: Tensor<D>, axis: usize) -> (Tensor<1>, Tensor<1>) {
    let shape = x.dims();
    let count = shape.iter().enumerate().filter(|(at, _)| *at != axis).map(|(_, size)| *size as f64);
    let count: f64 = count.product();
    let mean = sum_others(x.clone(), axis) / count;
    let variance = sum_others((x - along(mean.clone(), axis)).square(), axis) / count;
    (mean, variance)
}

/// Mean and biased variance of every channel over the entries where `counted` is 1.
fn masked_moments<const D: usize>(x: Tensor<D>, axis: usize, counted: Tensor<D>) -> (Tensor<1>, Tensor<1>) {
    let left_out = counted.clone().equal_elem(0.0);
    let count = sum_others(counted, axis) + EPSILON;
    let mean = sum_others(x.clone().mask_fill(left_out.clone(), 0.0), axis) / count.clone();
    let off = (x - along(mean.clone(), axis)).mask_fill(left_out, 0.0);
    (mean, sum_others(off.square(), axis) / count)
}

impl Layer for BatchNormalization {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if let Some(mask) = x.mask().filter(|mask| mask.rank() + 1 != x.rank()) {
            let (mask, shape) = (mask.shape(), x.shape());
            return Err(Error::input(format_args!(
                "expected a mask with one axis less than the shape {shape:?}, got {mask:?}"
            )));
        }
        if self.trainable && self.training.is_on(&x.device(), cx) {
            return Ok(self.train_on(x)?.into());
        }
        let axis = x.order().axis(x.rank(), self.axis);
        let (mean, variance) = (self.moving_mean.get(), self.moving_variance.get());
        Ok(map_float!(x, x => self.normalize(x, axis, mean, variance))?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Bool, Device, Distribution};

    const SHAPE: [usize; 3] = [4, 5, 3];

    fn layer(device: &Device, trainable: bool) -> BatchNormalization {
        let numbers = |numbers: [f32; 3]| Tensor::<1>::from_floats(numbers, device);
        BatchNormalization {
            gamma: None,
            beta: None,
            moving_mean: State::new(numbers([1.0, -2.0, 0.5])),
            moving_variance: State::new(numbers([2.0, 1.0, 3.0])),
            moving_stddev: None,
            renorm_mean: None,
            renorm_stddev: None,
            training: Training::default(),
            axis: 2,
            momentum: 0.75,
            epsilon: 0.001,
            trainable,
        }
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        tensor.into_data().as_slice::<f32>().unwrap().iter().map(|x| f64::from(*x)).collect()
    }

    /// Mean and variance of a channel over the entries that count.
    fn naive(x: &[f64], mask: &[bool], channel: usize) -> (f64, f64) {
        let own = x.chunks(3).zip(mask).filter(|(_, counts)| **counts).map(|(x, _)| x[channel]);
        let own: Vec<f64> = own.collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        (mean, own.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / own.len() as f64)
    }

    #[test]
    fn training_normalizes_by_the_batch_and_moves_the_statistics() {
        let device = Device::flex();
        let mask: Vec<bool> = (0..20).map(|at| at % 3 != 1).collect();
        for masked in [false, true] {
            let layer = layer(&device, true);
            let clone = layer.clone();
            let x = Tensor::<3>::random(SHAPE, Distribution::Normal(3.0, 2.0), &device);
            let bools = Tensor::<1, Bool>::from_data(mask.as_slice(), &device).reshape([4, 5]);
            let value = Value::from(x.clone()).with_mask(masked.then(|| bools.into()));
            let cx = Context { training: Some(true) };
            let y = layer.call(Args::one(value), &cx).unwrap().into_leaves().remove(0);
            let (x, y) = (floats(x), floats(y.float::<3>().unwrap()));
            let counted = if masked { mask.clone() } else { vec![true; 20] };
            let moved = (floats(clone.moving_mean.get()), floats(clone.moving_variance.get()));
            for (channel, (mean_before, variance_before)) in
                [(1.0, 2.0), (-2.0, 1.0), (0.5, 3.0)].into_iter().enumerate()
            {
                let (mean, variance) = naive(&x, &counted, channel);
                for (x, y) in x.iter().zip(&y).skip(channel).step_by(3) {
                    assert!(((x - mean) / (variance + 0.001).sqrt() - y).abs() < 1e-4);
                }
                assert!((moved.0[channel] - (0.75 * mean_before + 0.25 * mean)).abs() < 1e-5);
                assert!((moved.1[channel] - (0.75 * variance_before + 0.25 * variance)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_frozen_layer_uses_and_keeps_its_statistics() {
        let device = Device::flex();
        let x = Tensor::<3>::random(SHAPE, Distribution::Normal(3.0, 2.0), &device);
        let frozen = layer(&device, false);
        let run = |layer: &BatchNormalization, training| {
            let cx = Context { training: Some(training) };
            let y = layer.call(Args::one(x.clone().into()), &cx).unwrap().into_leaves().remove(0);
            floats(y.float::<3>().unwrap())
        };
        assert_eq!(run(&frozen, true), run(&layer(&device, true), false));
        assert_eq!(floats(frozen.moving_mean.get()), [1.0, -2.0, 0.5]);
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        let device = Device::flex();
        let x = Value::from(Tensor::<3>::ones(SHAPE, &device));
        let cx = Context { training: Some(true) };
        let stddev = Some(State::new(Tensor::ones([3], &device)));
        let renorm = BatchNormalization { moving_stddev: stddev, ..layer(&device, true) };
        let error = renorm.call(Args::one(x.clone()), &cx).unwrap_err().to_string();
        assert!(error.contains("renorm"), "{error}");
        let mask = Value::from(Tensor::<1>::ones([4], &device).bool());
        assert!(layer(&device, true).call(Args::one(x.with_mask(Some(mask))), &Context::default()).is_err());
    }
}
