//! What is in the logs while an epoch goes on.

use burn::tensor::Tensor;

use super::plan::Plan;
use super::trainable::Step;
use crate::callback::Logs;
use crate::error::Result;
use crate::metric::CompileMetrics;

/// The loss and the metrics of the batches so far. They stay on their device until they are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    loss: Mean,
    losses: Vec<(String, Mean)>,
    metrics: CompileMetrics,
}

/// A mean in which every batch counts by its examples.
#[derive(Clone, Debug, Default)]
struct Mean {
    sum: Option<Tensor<1>>,
    examples: usize,
}

impl Mean {
    fn add(&mut self, number: Tensor<1>, examples: usize) {
        let number = number.without_autodiff() * examples as f64;
        self.sum = Some(match self.sum.take() {
            Some(sum) => {
                let device = sum.device();
                sum + number.to_device(&device)
            }
            None => number,
        });
        self.examples = self.examples.saturating_add(examples);
    }

    /// Zero when there was nothing, as in Keras.
    fn number(&self) -> f64 {
        let sum = self.sum.clone().and_then(|sum| sum.into_data().iter::<f32>().next());
        sum.map_or(0.0, |sum| f64::from(sum / self.examples.max(1) as f32))
    }
}

impl Running {
    pub fn new(plan: &Plan) -> Self {
        let losses = plan.loss.names().into_iter().map(|name| (name, Mean::default())).collect();
        let mut metrics = plan.metrics.clone();
        metrics.reset();
        Self { loss: Mean::default(), losses, metrics }
    }

    pub fn reset(&mut self) {
        self.loss = Mean::default();
        self.losses.iter_mut().for_each(|(_, mean)| *mean = Mean::default());
        self.metrics.reset();
    }

    pub fn add(&mut self, step: &Step) -> Result<()> {
        self.loss.add(step.loss.clone(), step.examples);
        for (name, loss) in &step.losses {
            if let Some((_, mean)) = self.losses.iter_mut().find(|(known, _)| known == name) {
                mean.add(loss.clone(), step.examples);
            }
        }
        self.metrics.update(&step.targets, &step.outputs, &step.sample_weight)
    }

    /// Everything, sorted by name as Keras has it.
    pub fn logs(&self) -> Result<Logs> {
        let metrics = self.metrics.result()?;
        let mut numbers: Vec<(String, f64)> =
            metrics.iter().map(|(name, number)| (name.to_owned(), number)).collect();
        numbers.push(("loss".to_owned(), self.loss.number()));
        numbers.extend(self.losses.iter().map(|(name, mean)| (name.clone(), mean.number())));
        numbers.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(numbers.into_iter().collect())
    }
}
