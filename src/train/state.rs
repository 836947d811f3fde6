//! The state of a training at a moment, which can be written later.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer as BurnOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;

use super::document::Document;
use super::plan::Plan;
use crate::callback::{Saved, Snapshot};
use crate::error::{Error, Result};
use crate::file::h5::ElementType;
use crate::file::store::Stored;
use crate::model::KerasModel;
use crate::optimizer::state::{Progress, to_keras};
use crate::optimizer::{LossScale, State as SlotsOf, parameters_of};
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
        let mut store = self.model.store().clone();
        store.remove("optimizer");
        for (path, data) in variables {
            let group = path.rsplit_once('/').map_or("", |(group, _)| group);
            store.groups.entry(group.to_owned()).or_default();
            store.tensors.insert(path, stored(data)?);
        }
        Ok(self.model.with_file(self.model.file().clone(), store))
    }

    /// The same after the weights have become their moving averages, where there are any.
    pub fn finalized(self) -> Result<Self> {
        if !self.plan.optimizer.uses_averages() {
            return Ok(self);
        }
        let mut averages = ModuleOptimizer::from(Averages).load_record(self.optimizer.to_record());
        let model = self.model.clone().train();
        let mut grads = GradientsParams::new();
        model.visit(&mut super::trainable::Fill(&mut grads));
        let model = averages.step(0.0, model, grads).valid();
        Ok(Self { model, ..self })
    }
}

fn stored(data: TensorData) -> Result<Stored> {
    let element = match data.dtype() {
        burn::tensor::DType::F32 => ElementType::F32,
        burn::tensor::DType::I32 => ElementType::I32,
        other => return Err(Error::unsupported(format_args!("an optimizer with variables of {other:?}"))),
    };
    let shape = data.shape().to_vec();
    let bytes = Bytes::copy_from_slice(data.as_bytes());
    Ok(Stored::new(shape, element, move || Ok(bytes.clone())))
}

impl Snapshot for State {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        let options = SaveOptions::new().training(self.document.json());
        let model = self.to_model()?;
        match what {
            Saved::Model => model.save_with(path, &options),
            Saved::Weights => model.save_weights_with(path, &options),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An optimizer whose step is to set weights to their averages.
#[derive(Clone)]
struct Averages;

impl BurnOptimizer for Averages {
    type State<const D: usize> = SlotsOf<D>;

    fn step<const D: usize>(
        &self,
        _: f64,
        tensor: Tensor<D>,
        _: Tensor<D>,
        state: Option<SlotsOf<D>>,
    ) -> (Tensor<D>, Option<SlotsOf<D>>) {
        let average = state.as_ref().and_then(|state| state.slot("average").cloned());
        (average.unwrap_or(tensor), state)
    }

    fn to_device<const D: usize>(state: SlotsOf<D>, _: &Device) -> SlotsOf<D> {
        state
    }
}
