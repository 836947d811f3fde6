//! Real Keras 3 goes on with training that Keras 2 began, in files that we wrote from those of Keras 2: the
//! next step gives the weights that Keras 2 would have got, so that no state of an optimizer is lost.

mod common;

use std::path::Path;

use burn::tensor::Device;
use burn_keras::KerasModel;

use common::{root, script};

#[test]
fn keras_3_goes_on_where_keras_2_was() {
    let made = root().join("tests/fixtures/keras2_training");
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("continued");
    let _ = std::fs::remove_dir_all(&written);
    std::fs::create_dir_all(&written).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(&made).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension != "npz") {
            let model = KerasModel::load(&path, &Device::flex()).unwrap();
            let lost: Vec<_> =
                model.load_report().normalized.iter().filter(|it| it.place == "optimizer").collect();
            assert!(lost.is_empty(), "{}: {lost:?}", path.display());
            model.save(written.join(path.with_extension("keras").file_name().unwrap())).unwrap();
            count += 1;
        }
    }
    assert!(count > 4);
    let Some(mut judge) = script("continued.py") else { return };
    judge.arg("judge").args([&made, &written]);
    assert!(judge.status().unwrap().success(), "Keras found other weights after the next step");
}
