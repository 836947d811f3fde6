//! The main job: a model that Keras trained learns something new on Burn, and goes back to Keras.
//!
//! `assets/digits.keras` reads handwritten digits, but not in a mirror. Its convolutions are frozen, its head
//! goes on training on mirrored digits, from where Keras' optimizer stopped, and a `ModelCheckpoint` keeps the best.
//! `fine_tune.sh` then opens that checkpoint in real Keras.

use std::path::Path;

use burn::tensor::{Device, TensorData};
use burn_keras::callback::{EarlyStopping, ModelCheckpoint};
use burn_keras::train::{Evaluate, Fit};
use burn_keras::{KerasModel, Value};

#[path = "../src/bin/burn-keras/curves.rs"]
mod curves;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program needs more of it")]
mod npz;

/// Of 360 images, which Keras did not see in its training.
const TRAINED_ON: usize = 240;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let results = root.join("target/fine_tune");
    std::fs::create_dir_all(&results)?;
    let device = Device::default();

    let arrays = npz::read(&root.join("assets/digits.npz"))?;
    let array = |name: &str| {
        let found = arrays.iter().find(|(known, _)| known == name).map(|(_, array)| array.clone());
        found.ok_or("not in digits.npz")?.numbers().map_err(|error| error.to_string())
    };
    // Their axes are those of Keras: example, row, column, channel.
    let images = Value::from_data(array("images")?, &device)?.flip(2)?;
    let labels = Value::from_data(array("labels")?, &device)?;
    let part = |all: &Value, start, count| all.clone().narrow(0, start, count);
    let rest = labels.shape()[0] - TRAINED_ON;
    let (x, y) = (part(&images, 0, TRAINED_ON)?, part(&labels, 0, TRAINED_ON)?);
    let (new_x, new_y) = (part(&images, TRAINED_ON, rest)?, part(&labels, TRAINED_ON, rest)?);

    let mut model = KerasModel::load(root.join("assets/digits.keras"), &device)?;
    let before = model.evaluate(new_x.clone(), new_y.clone(), Evaluate::new())?;
    println!("as Keras trained it, on {rest} mirrored digits:  {}", accuracy(&before)?);

    for layer in ["conv2d", "batch_normalization", "conv2d_1", "conv2d_2"] {
        model.set_trainable(layer, false)?;
    }
    println!("{}", model.summary());
    let best = results.join("best.keras");
    let checkpoint = ModelCheckpoint::new(&best).monitor("val_accuracy").save_best_only(true);
    let fit = Fit::new()
        .epochs(30)
        .batch_size(24)
        .seed(7)
        .validation(new_x.clone(), new_y.clone())
        .callback(checkpoint)
        .callback(EarlyStopping::new().monitor("val_loss").patience(6))
        .verbose(2);
    let history = model.fit(x, y, fit)?;
    println!("{}", curves::text(&history));
    curves::draw(&history, &results.join("history.svg"))?;

    let after = KerasModel::load(&best, &device)?.evaluate(new_x.clone(), new_y.clone(), Evaluate::new())?;
    println!("the best checkpoint, in Burn:                 {}", accuracy(&after)?);
    npz::write(&results.join("mirrored.npz"), &[data("images", new_x), data("labels", new_y)])?;
    npz::write(
        &results.join("burn.npz"),
        &[("accuracy".to_owned(), TensorData::from([accuracy_of(&after)? as f32]).into())],
    )?;
    Ok(())
}

fn data(name: &str, value: Value) -> (String, npz::Array) {
    (name.to_owned(), npz::Array::of(value))
}

fn accuracy_of(logs: &burn_keras::callback::Logs) -> Result<f64, &'static str> {
    logs.get("accuracy").ok_or("the model was not compiled with accuracy")
}

fn accuracy(logs: &burn_keras::callback::Logs) -> Result<String, &'static str> {
    Ok(format!("{:.1} % are read", 100.0 * accuracy_of(logs)?))
}
