//! An LSTM that is written and trained with Burn alone becomes a Keras model.
//!
//! It learns to continue waves. Keras needs a description of it, which this crate writes: the same layers, in
//! Keras' words. `forecast.sh` then opens the file in real Keras and lets it forecast the same waves.

use std::f32::consts::TAU;
use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, Lstm, LstmConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::store::ModuleSnapshot;
use burn::tensor::{Device, Distribution, Tensor};
use burn_keras::Value;
use burn_keras::build::{Dense, Input, LSTM, Sequential};
use burn_keras::store::KerasStore;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program needs more of it")]
mod npz;

/// Points of a wave that are seen before the one that is forecast.
const STEPS: usize = 24;
const UNITS: usize = 16;

/// What comes after a series.
#[derive(Module, Debug)]
struct Forecaster {
    memory: Lstm,
    head: Linear,
}

impl Forecaster {
    fn new(device: &Device) -> Self {
        Self {
            memory: LstmConfig::new(1, UNITS, true).init(device),
            head: LinearConfig::new(UNITS, 1).init(device),
        }
    }

    /// # Shapes
    /// - series: `[batch, steps, 1]`
    /// - returns: `[batch, 1]`
    fn forward(&self, series: Tensor<3>) -> Tensor<2> {
        let (_, last) = self.memory.forward(series, None);
        self.head.forward(last.hidden)
    }
}

/// Waves of random length and phase, and what comes next: `[batch, steps, 1]` and `[batch, 1]`.
fn waves(batch: usize, device: &Device) -> (Tensor<3>, Tensor<2>) {
    let phase = Tensor::<2>::random([batch, 1], Distribution::Uniform(0.0, f64::from(TAU)), device);
    let speed = Tensor::<2>::random([batch, 1], Distribution::Uniform(0.1, 0.6), device);
    let times = Tensor::<1, burn::tensor::Int>::arange(0..STEPS as i64 + 1, device).float().unsqueeze::<2>();
    let all = (times * speed + phase).sin();
    (all.clone().narrow(1, 0, STEPS).unsqueeze_dim(2), all.narrow(1, STEPS, 1))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/forecast");
    std::fs::create_dir_all(&results)?;

    let device = Device::default().autodiff();
    device.seed(7);
    let mut model = Forecaster::new(&device);
    let mut optimizer = AdamConfig::new().init();
    for step in 0..=300 {
        let (series, next) = waves(32, &device);
        let loss = (model.forward(series) - next).square().mean();
        if step % 100 == 0 {
            println!("step {step:>3}: squared error {:.4}", loss.clone().into_scalar::<f32>());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }

    let (model, device) = (model.valid(), device.inner());
    let file = results.join("forecast.keras");
    let description = Sequential::new()
        .with(Input::new([STEPS, 1]).name("series"))
        .with(LSTM::new(UNITS).name("memory"))
        .with(Dense::new(1).name("head"));
    description.build(&device)?.save(&file)?;
    model.save_into(&mut KerasStore::from_file(&file))?;
    println!("written for Keras: {}", file.display());

    let (series, _) = waves(8, &device);
    let forecasts = model.forward(series.clone());
    let array = |value: Value| npz::Array::of(value);
    let arrays =
        [("series".to_owned(), array(series.into())), ("forecasts".to_owned(), array(forecasts.into()))];
    npz::write(&results.join("forecast.npz"), &arrays)?;
    Ok(())
}
