//! A network written by hand with burn-nn takes its weights out of a Keras file, and goes back into one.
//!
//!     cargo run --example hand_written

use std::path::Path;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::store::ModuleSnapshot;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use burn_keras::KerasModel;
use burn_keras::store::KerasStore;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program needs more of it")]
mod npz;

/// The classifier of handwritten digits, with names of its own.
#[derive(Module, Debug)]
struct Digits {
    stem: Conv2d,
    norm: BatchNorm,
    middle: Conv2d,
    pool: MaxPool2d,
    last: Conv2d,
    hidden: Linear,
    head: Linear,
}

impl Digits {
    fn new(device: &Device) -> Self {
        let conv = |channels| Conv2dConfig::new(channels, [3, 3]);
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        Self {
            stem: conv([1, 16]).with_padding(same.clone()).with_bias(false).init(device),
            // Keras counts the part of the old average, Burn that of the new batch.
            norm: BatchNormConfig::new(16).with_epsilon(1e-3).with_momentum(0.01).init(device),
            middle: conv([16, 24]).with_padding(same).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            last: conv([24, 32]).init(device),
            hidden: LinearConfig::new(128, 48).init(device),
            head: LinearConfig::new(48, 10).init(device),
        }
    }

    /// # Shapes
    /// - images: `[batch, height 8, width 8, channels 1]`, from 0 to 16
    /// - returns: `[batch, digits 10]`, probabilities
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = (images / 16.0).permute([0, 3, 1, 2]);
        let x = relu(self.norm.forward(self.stem.forward(x)));
        let x = self.pool.forward(relu(self.middle.forward(x)));
        let x = relu(self.last.forward(x));
        // Keras flattens with the channels last.
        let x = x.permute([0, 2, 3, 1]).flatten(1, 3);
        let x = relu(self.hidden.forward(x));
        softmax(self.head.forward(x), 1)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let device = Device::default();
    let mut digits = Digits::new(&device);
    let mut file = KerasStore::from_file(root.join("assets/digits.keras"));
    println!("{}", file.plan(&digits)?);
    digits.load_from(&mut file)?;

    let arrays = npz::read(&root.join("assets/digits.npz"))?;
    let array = |name: &str| {
        let found = arrays.iter().find(|(known, _)| known == name).map(|(_, array)| array.clone());
        found.ok_or("not in digits.npz")?.numbers().map_err(|error| error.to_string())
    };
    let images = Tensor::<4>::from_data(array("images")?, &device);
    let expected = Tensor::<2>::from_data(array("keras_probabilities")?, &device);
    let apart = (digits.forward(images.clone()) - expected).abs().max().into_scalar::<f32>();
    println!("largest difference of a probability from Keras: {apart:.1e}");

    // Back into a copy of the file that it came from: only the weights are others.
    let copy = std::env::temp_dir().join("digits-by-hand.keras");
    std::fs::copy(root.join("assets/digits.keras"), &copy)?;
    let mut file = KerasStore::from_file(&copy);
    digits.save_into(&mut file)?;
    if let Some(report) = file.report() {
        println!("{report}");
    }
    let again = KerasModel::load(&copy, &device)?.predict(images.clone())?.tensor::<2>()?;
    let apart = (digits.forward(images) - again).abs().max().into_scalar::<f32>();
    println!("written to {}; largest difference there: {apart:.1e}", copy.display());
    Ok(())
}
