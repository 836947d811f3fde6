//! What is done with all gradients of a step at once.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Tensor};

use super::{AnyOptimizer, Optimizer};
use crate::error::{Error, Result};

/// What a [`LossScaleOptimizer`](super::LossScaleOptimizer) multiplies the loss by, and how long it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    /// The number that the loss is multiplied by.
    pub scale: f64,
    /// The steps since it was last changed.
    pub steps: u64,
}

impl LossScale {
    /// What it becomes after a step.
    fn after(self, is_finite: bool, growth_steps: usize) -> Self {
        match is_finite {
            false => Self { scale: self.scale * 0.5, steps: 0 },
            true if self.steps.saturating_add(1) == growth_steps as u64 => {
                Self { scale: f64::from((self.scale * 2.0) as f32), steps: 0 }
            }
            true => Self { steps: self.steps.saturating_add(1), ..self },
        }
    }
}

impl Optimizer {
    /// The scale of the loss at the start, if it is one that changes.
    ///
    /// # Errors
    /// When the optimizer is not one of Keras.
    pub fn loss_scale(&self) -> Result<Option<LossScale>> {
        Ok(match self.known()? {
            AnyOptimizer::LossScaleOptimizer(outer) => {
                Some(LossScale { scale: f64::from(outer.initial_scale as f32), steps: 0 })
            }
            _ => None,
        })
    }

    /// What the loss is to be multiplied by before its gradients are computed.
    ///
    /// # Errors
    /// When the optimizer is not one of Keras.
    pub fn loss_factor(&self, scale: Option<LossScale>) -> Result<f64> {
        let fixed = self.known()?.common()?.loss_scale_factor;
        Ok(scale.map(|scale| scale.scale).or(fixed).unwrap_or(1.0))
    }

    /// Makes gradients ready for [`ModuleOptimizer::step`](burn::optim::ModuleOptimizer::step): they lose the scale
    /// of the loss that changes, and are clipped by the norm of them all. None when the step is to be left out,
    /// because they are not finite; only where the scale changes that is looked at, which waits for the device.
    ///
    /// ```
    /// # use burn::nn::LinearConfig;
    /// # use burn::optim::GradientsParams;
    /// # use burn::tensor::{Device, Tensor};
    /// use burn_keras::optimizer::{Adam, LossScaleOptimizer, Optimizer};
    ///
    /// # let device = Device::flex().autodiff();
    /// # let mut linear = LinearConfig::new(3, 1).init(&device);
    /// let optimizer = Optimizer::from(LossScaleOptimizer::new(Adam::new().global_clipnorm(1.0)));
    /// let mut burn = optimizer.for_module(&linear)?;
    /// let mut scale = optimizer.loss_scale()?;
    /// let loss = linear.forward(Tensor::<2>::ones([4, 3], &device)).square().mean();
    /// let grads = (loss * optimizer.loss_factor(scale)?).backward();
    /// let grads = GradientsParams::from_grads(grads, &linear);
    /// if let Some(grads) = optimizer.prepare(&linear, grads, &mut scale)? {
    ///     linear = burn.step(optimizer.learning_rate(0)?, linear, grads);
    /// }
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the optimizer is not one of Keras, or the scale is missing.
    pub fn prepare<M: Module>(
        &self,
        module: &M,
        mut grads: GradientsParams,
        scale: &mut Option<LossScale>,
    ) -> Result<Option<GradientsParams>> {
        let common = self.known()?.common()?;
        if let AnyOptimizer::LossScaleOptimizer(outer) = self.known()? {
            let present = scale.ok_or_else(|| Error::input("the scale of the loss is missing"))?;
            let is_finite = is_finite(module, &grads)?;
            *scale = Some(present.after(is_finite, outer.dynamic_growth_steps));
            if !is_finite {
                return Ok(None);
            }
            module.visit(&mut Divide { grads: &mut grads, divisor: Divisor::Number(present.scale) });
        }
        if let Some(clip) = common.global_clipnorm.filter(|clip| *clip > 0.0) {
            let mut squares = Squares { grads: &grads, sums: Vec::new() };
            module.visit(&mut squares);
            // What is left to divide by, which every rule does for itself.
            let factor = common.loss_scale_factor.unwrap_or(1.0);
            if let Some(sum) = squares.sums.into_iter().reduce(|a, b| a + b) {
                let norm = sum.sqrt() / factor;
                // Not a number when the norm is none, or not finite.
                let divisor = (norm.clone() / clip).clamp_min(1.0) + (norm.clone() - norm);
                module.visit(&mut Divide { grads: &mut grads, divisor: Divisor::Tensor(divisor) });
            }
        }
        Ok(Some(grads))
    }
}

fn is_finite<M: Module>(module: &M, grads: &GradientsParams) -> Result<bool> {
    let mut finite = Finite { grads, all: Vec::new() };
    module.visit(&mut finite);
    if finite.all.is_empty() {
        return Ok(true);
    }
    let data = Tensor::cat(finite.all, 0).all().into_data();
    data.iter::<bool>().next().ok_or_else(|| Error::input("a device that gives no numbers"))
}

/// Whether gradients are finite, one by one.
struct Finite<'a> {
    grads: &'a GradientsParams,
    all: Vec<Tensor<1, Bool>>,
}

impl ModuleVisitor for Finite<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.all.extend(self.grads.get::<D>(param.id).map(|grad| grad.is_finite().all()));
    }
}

/// The sums of the squares of gradients.
struct Squares<'a> {
    grads: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.sums.extend(self.grads.get::<D>(param.id).map(|grad| grad.square().sum()));
    }
}

/// Divides gradients.
struct Divide<'a> {
    grads: &'a mut GradientsParams,
    divisor: Divisor,
}

enum Divisor {
    Number(f64),
    Tensor(Tensor<1>),
}

impl ModuleVisitor for Divide<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return };
        let grad = match &self.divisor {
            Divisor::Number(number) => grad / *number,
            Divisor::Tensor(tensor) => grad / tensor.clone().unsqueeze(),
        };
        self.grads.register(param.id, grad);
    }
}
