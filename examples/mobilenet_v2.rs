//! Generated code at work: MobileNetV2 as a Burn module, loaded from a Keras file, fine-tuned, and saved as one.
//!
//! `tests/generated/mobile_net_v2.rs` is what `burn-keras codegen` makes of the network. Nothing interprets the
//! Keras file here; it holds weights, and nothing else of it is asked for. `mobilenet_v2.sh` lets real Keras make
//! it before, and open what comes of it.

use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};

use mobile_net_v2::MobileNetV2;

#[path = "../tests/generated/mobile_net_v2.rs"]
mod mobile_net_v2;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program needs more of it")]
mod npz;

const STEPS: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mobilenet_v2");
    let arrays = npz::read(&results.join("keras.npz"))?;
    let array = |name: &str| {
        let found = arrays.iter().find(|(known, _)| known == name).map(|(_, array)| array.clone());
        found.ok_or("not in keras.npz")?.numbers().map_err(|error| error.to_string())
    };

    let device = Device::default();
    let model = MobileNetV2::load(results.join("keras.keras"), &device)?;
    println!("{} parameters", model.num_params());
    let images = Tensor::<4>::from_data(array("images")?, &device);
    let expected = Tensor::<2>::from_data(array("probabilities")?, &device);
    let apart = (model.forward(images) - expected).abs().max().into_scalar::<f32>();
    println!("largest difference of a probability from Keras: {apart:.1e}");

    // Training wants another device, and nothing else: there, batches are normalized as in training. What it is to
    // learn is that every image shows the next class.
    let device = device.autodiff();
    let mut model = MobileNetV2::load(results.join("keras.keras"), &device)?;
    let images = Tensor::<4>::from_data(array("images")?, &device);
    let labels = (Tensor::<1, Int>::from_data(array("labels")?, &device) + 1).unsqueeze_dim::<2>(1);
    let mut optimizer = SgdConfig::new().init();
    for step in 0..STEPS {
        let chosen = model.forward(images.clone()).gather(1, labels.clone());
        let loss = chosen.log().mean().neg();
        println!("step {step}: cross entropy {:.3}", loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }

    let (model, device) = (model.valid(), device.inner());
    model.save(results.join("tuned.keras"))?;
    // In Rust, Burn's own file goes with the program.
    model.save_burnpack(results.join("tuned.bpk"))?;
    let shipped = MobileNetV2::load_burnpack(results.join("tuned.bpk"), &device)?;
    let probabilities = shipped.forward(Tensor::from_data(array("images")?, &device));
    npz::write(
        &results.join("burn.npz"),
        &[("probabilities".to_owned(), npz::Array::of(probabilities.into()))],
    )?;
    println!("saved for Keras");
    Ok(())
}
