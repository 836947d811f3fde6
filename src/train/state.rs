//! The state of a training at a moment, which can be written later.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use burn::optim::ModuleOptimizer;

use super::document::Document;
use super::plan::Plan;
use crate::callback::{Saved, Snapshot};
use crate::config::{Json, json};
use crate::error::Result;
use crate::model::KerasModel;
use crate::optimizer::state::{Progress, put, to_keras};
use crate::optimizer::{LossScale, parameters_of};
use crate::save::SaveOptions;

/// The state of a training. Tensors are shared with it, not copied.
#[derive(Clone)]
pub(crate) struct State {
    /// The model as it predicts.
    pub model: KerasModel,
    pub plan: Arc<Plan>,
    pub optimizer: ModuleOptimizer,
    pub iterations: u64,
    pub rate: Option<f64>,
    pub scale: Option<LossScale>,
    pub document: Document,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("document", &self.document).finish_non_exhaustive()
    }
}

impl State {
    /// The model with the state of its optimizer, as it is saved.
    pub fn to_model(&self) -> Result<KerasModel> {
        let progress = Progress {
            record: self.optimizer.to_record(),
            iterations: self.iterations,
            learning_rate: self.rate,
            loss_scale: self.scale,
        };
        let variables = to_keras(&self.plan.optimizer, &parameters_of(&self.model)?, &self.model, progress)?;
        let model = put(self.model.clone(), variables)?;
        Ok(match self.rate.and_then(|rate| self.described_with(rate)) {
            Some(config) => model.with_file(model.file().with_config(config), model.store().clone()),
            None => model,
        })
    }

    /// The description of the model with another learning rate than it has: Keras writes the present one, and
    /// its version 2 has it nowhere else.
    fn described_with(&self, rate: f64) -> Option<Json> {
        let config = self.model.file().config();
        let places = ["/config/inner_optimizer/config/learning_rate", "/config/learning_rate"];
        let places = places.map(|place| format!("/compile_config/optimizer{place}"));
        let place = places.iter().find(|place| config.pointer(place).is_some_and(Json::is_number))?;
        let is_other = config.pointer(place)?.as_f64().is_none_or(|known| known as f32 != rate as f32);
        is_other.then(|| {
            let mut config = config.clone();
            if let Some(place) = config.pointer_mut(place) {
                *place = json::number(f64::from(rate as f32));
            }
            config
        })
    }
}

impl Snapshot for State {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        let options = SaveOptions::new().training(&self.document.json());
        let model = self.to_model()?;
        match what {
            Saved::Model => model.save_with(path, &options).map(drop),
            Saved::Weights => model.save_weights_with(path, &options),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
