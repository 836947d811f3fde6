//! The main job: a Keras model that recognises handwritten digits, run by Burn, and written back.
//!
//! `assets/digits.keras` was trained by Keras (`tests/keras/digits.py`); `assets/digits.npz` holds the
//! images that it did not see in training, and what Keras itself made of them.

use std::path::Path;

use burn::tensor::{Device, TensorData};
use burn_keras::{KerasModel, Value};

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod npz;

/// From nothing to full ink.
const SHADES: &[u8] = b" .:-=+*#%@";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let arrays = npz::read(&assets.join("digits.npz"))?;
    let array = |name: &str| -> Result<TensorData, String> {
        let found = arrays.iter().find(|(known, _)| known == name);
        let array = found.ok_or_else(|| format!("digits.npz holds no {name}"))?.1.clone();
        array.numbers().map_err(|error| error.to_string())
    };

    let device = Device::default();
    let model = KerasModel::load(assets.join("digits.keras"), &device)?;
    println!("{}\n", model.summary());

    let images = array("images")?;
    let probabilities = model.predict(Value::from_data(images.clone(), &device)?)?.tensor::<2>()?;
    let certainties = probabilities.clone().max_dim(1).into_data().try_to_vec::<f32>()?;
    let predictions = probabilities.clone().argmax(1).into_data().convert::<i64>().try_to_vec::<i64>()?;
    let labels = array("labels")?.convert::<i64>().try_to_vec::<i64>()?;
    show(&images.try_to_vec::<f32>()?, &predictions, &certainties, &labels);

    let right = predictions.iter().zip(&labels).filter(|(prediction, label)| prediction == label).count();
    let keras = array("keras_accuracy")?.convert::<f64>().try_to_vec::<f64>()?[0];
    println!("accuracy on {} images: {:.4} (Burn)", labels.len(), right as f64 / labels.len() as f64);
    println!("                        {keras:.4} (Keras, same file)");
    let expected = array("keras_probabilities")?.try_to_vec::<f32>()?;
    let got = probabilities.into_data().try_to_vec::<f32>()?;
    let worst = got.iter().zip(&expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f32::max);
    println!("largest difference of a probability: {worst:.1e}");

    let copy = std::env::temp_dir().join("digits-copy.keras");
    model.save(&copy)?;
    println!("written back to {}", copy.display());
    Ok(())
}

/// Prints some images side by side: those that the model got wrong first.
fn show(images: &[f32], predictions: &[i64], certainties: &[f32], labels: &[i64]) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|image| predictions[*image] == labels[*image]);
    let shown = &order[..8.min(order.len())];
    for row in 0..8 {
        for image in shown {
            for pixel in &images[image * 64 + row * 8..][..8] {
                let shade = (pixel / 16.0 * (SHADES.len() - 1) as f32).round() as usize;
                let ink = char::from(SHADES[shade.min(SHADES.len() - 1)]);
                print!("{ink}{ink}");
            }
            print!("  ");
        }
        println!();
    }
    for image in shown {
        let verdict = match predictions[*image] == labels[*image] {
            true => "right".to_owned(),
            false => format!("it is {}", labels[*image]),
        };
        print!("{:<18}", format!("{} {:.0}% {verdict}", predictions[*image], 100.0 * certainties[*image]));
    }
    println!("\n");
}
