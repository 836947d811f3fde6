//! A module that is written by hand, in files of every kind: what real Keras made of it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::store::ModuleSnapshot;
use burn::tensor::{Device, Tensor, TensorData, Tolerance, activation};
use burn_keras::store::KerasStore;
use burn_keras::{KerasFile, KerasModel, KerasWeights, Limits};
use zip::ZipArchive;

use common::{root, script};

/// The model `mlp` of the fixtures of all versions.
#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    dense: Linear,
}

impl Mlp {
    fn new() -> Self {
        let device = Device::flex();
        let linear = |from, to| LinearConfig::new(from, to).init(&device);
        Self { hidden: linear(4, 5), dense: linear(5, 3) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = activation::relu(self.hidden.forward(x));
        activation::softmax(self.dense.forward(x), 1)
    }

    fn predict(&self) -> TensorData {
        self.forward(inputs()).into_data()
    }
}

fn inputs() -> Tensor<2> {
    let inputs = [[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 1.0], [-2.0, 0.1, 0.2, 0.3]];
    Tensor::from_data(inputs, &Device::flex())
}

/// The files that a version of Keras wrote of it, with the state of an Adam, in a folder of their own.
fn files(folder: &str, version: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store_files").join(folder).join(version);
    let _ = fs::remove_dir_all(&folder);
    let archive = fs::File::open(root().join(format!("tests/fixtures/versions/{version}.zip"))).unwrap();
    let mut archive = ZipArchive::new(archive).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    fs::create_dir_all(&folder).unwrap();
    for name in names.iter().filter(|name| name.starts_with("mlp")) {
        let mut file = fs::File::create(folder.join(name)).unwrap();
        std::io::copy(&mut archive.by_name(name).unwrap(), &mut file).unwrap();
    }
    folder
}

/// What Keras gives for the same inputs, as this crate knows it of every fixture.
fn judged(model: &KerasModel) -> TensorData {
    model.predict(inputs()).unwrap().tensor::<2>().unwrap().into_data()
}

fn has_optimizer(path: &Path) -> bool {
    let weights = KerasWeights::open(path, &Limits::default()).unwrap();
    weights.datasets().any(|it| it.path.starts_with("optimizer"))
}

/// The kinds of files that a version wrote.
const WRITTEN: [(&str, &[&str]); 4] = [
    ("3.15.1", &["mlp.keras", "mlp.h5", "mlp.weights.h5", "mlp.weights.json"]),
    ("3.0.5", &["mlp.keras", "mlp.h5", "mlp.weights.h5"]),
    ("2.21.0", &["mlp.keras", "mlp.h5", "mlp.weights.h5", "mlp_legacy.h5"]),
    ("2.13.1", &["mlp.keras", "mlp.h5", "mlp.weights.h5", "mlp_legacy.h5"]),
];

#[test]
fn every_kind_of_file_is_read_and_only_its_weights_change() {
    for (version, names) in WRITTEN {
        let folder = files("changed", version);
        let model = folder.join("mlp.json");
        let expected = judged(&KerasModel::load(folder.join("mlp.keras"), &Device::flex()).unwrap());
        for name in names {
            let path = folder.join(name);
            let store = || match *name {
                "mlp.keras" | "mlp.h5" => KerasStore::from_file(&path),
                _ => KerasStore::from_file(&path).with_model(&model),
            };
            let mut module = Mlp::new();
            module.load_from(&mut store()).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            module.predict().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));

            let (other, mut target, had_optimizer) = (Mlp::new(), store(), has_optimizer(&path));
            other.save_into(&mut target).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            let told = target.report().unwrap().to_string();
            assert_eq!(told.contains("the state of the optimizer ("), had_optimizer, "{told}");
            assert!(!has_optimizer(&path) && had_optimizer == (*name != "mlp_legacy.h5"), "{version} {name}");
            let mut again = Mlp::new();
            again.load_from(&mut store()).unwrap();
            assert_eq!(again.predict(), other.predict(), "{version} {name}");
        }
        for name in ["mlp.keras", "mlp.h5"] {
            let file = KerasFile::open(folder.join(name), &Limits::default()).unwrap();
            assert!(file.compile_config().is_some(), "{version} {name} is still compiled");
        }
    }
}

/// Keras opens what is there with other weights and what is new, trains on, and predicts as the module does.
#[test]
fn real_keras_predicts_from_what_a_module_wrote() {
    let folder = files("keras", "3.15.1");
    let model = folder.join("model.json");
    fs::rename(folder.join("mlp.json"), &model).unwrap();
    let module = Mlp::new();
    for (name, new) in [("mlp.keras", "whole_old.keras"), ("mlp.h5", "whole_old.h5")] {
        fs::rename(folder.join(name), folder.join(new)).unwrap();
    }
    let described = [
        "mlp.weights.h5",
        "mlp.weights.json",
        "whole.keras",
        "whole.h5",
        "new.weights.h5",
        "new.weights.json",
    ];
    let alone = ["whole_old.keras", "whole_old.h5", "alone.weights.h5", "alone.h5"];
    let stores = described.iter().map(|name| KerasStore::from_file(folder.join(name)).with_model(&model));
    let stores = stores.chain(alone.iter().map(|name| KerasStore::from_file(folder.join(name))));
    for mut store in stores {
        module.save_into(&mut store).unwrap_or_else(|error| panic!("{store:?}: {error}"));
    }
    let json = |data: TensorData| {
        let rows: Vec<Vec<f32>> =
            data.try_to_vec::<f32>().unwrap().chunks(data.shape()[1]).map(<[f32]>::to_vec).collect();
        serde_json::to_string(&rows).unwrap()
    };
    fs::write(folder.join("inputs.json"), json(inputs().into_data())).unwrap();
    fs::write(folder.join("outputs.json"), json(module.predict())).unwrap();
    let Some(mut judge) = script("store.py") else { return };
    let judged = judge.arg(&folder).arg("10").status().unwrap();
    assert!(judged.success(), "Keras found something else");
}
