//! A loaded model is a Burn module: named parameters, records, devices, gradients, nesting.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use burn_keras::layer::{Args, Context, Function, MaskRule, Registry, Spec, Tree};
use burn_keras::layers::{BatchNormalization, Dense};
use burn_keras::{ErrorKind, KerasModel, LoadOptions, PredictOptions, Value, map_float};

fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/{name}.keras", env!("CARGO_MANIFEST_DIR"))
}

fn digits(device: &Device) -> KerasModel {
    KerasModel::load(format!("{}/assets/digits.keras", env!("CARGO_MANIFEST_DIR")), device).unwrap()
}

fn images(count: usize, device: &Device) -> Tensor<4> {
    Tensor::random([count, 8, 8, 1], Distribution::Uniform(0.0, 16.0), device)
}

#[derive(Default)]
struct Paths {
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Paths {
    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        self.found.push(self.path.join("."));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

fn paths(module: &impl Module) -> Vec<String> {
    let mut paths = Paths::default();
    module.visit(&mut paths);
    paths.found
}

#[derive(Module, Debug)]
struct Classifier {
    backbone: KerasModel,
    scale: Param<Tensor<1>>,
}

#[test]
fn parameters_go_by_the_names_of_keras_layers() {
    let device = Device::flex();
    let model = digits(&device);
    let own = paths(&model);
    let declared: Vec<String> = model.summary().rows.iter().map(|row| row.name.clone()).collect();
    assert!(own.len() >= 6);
    for path in &own {
        let (layer, variable) = path.rsplit_once('.').unwrap();
        assert!(declared.iter().any(|name| name == layer), "{path}");
        assert!(
            ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"].contains(&variable),
            "{path}"
        );
    }
    let nested = Classifier { backbone: model, scale: Param::from_tensor(Tensor::ones([1], &device)) };
    let prefixed: Vec<String> = own.iter().map(|path| format!("backbone.{path}")).collect();
    assert_eq!(paths(&nested)[..own.len()], prefixed);
}

#[test]
fn every_trainable_parameter_gets_a_gradient_and_no_other() {
    let device = Device::flex().autodiff();
    let model = digits(&device);
    let y = model.forward(images(4, &device)).unwrap().tensor::<2>().unwrap();
    let gradients = GradientsParams::from_grads(y.powi_scalar(2).sum().backward(), &model);
    let with = paths(&model).len();
    struct Moving(usize);
    impl ModuleVisitor for Moving {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += usize::from(!param.val().is_require_grad());
        }
    }
    let mut moving = Moving(0);
    model.visit(&mut moving);
    assert!(moving.0 > 0, "the fixture has moving statistics");
    assert_eq!(gradients.len(), with - moving.0);
}

#[test]
fn training_lowers_the_loss_moves_the_statistics_and_survives_saving() {
    let device = Device::flex().autodiff();
    device.seed(7);
    let mut model = digits(&device);
    let name =
        model.summary().rows.iter().find(|row| row.class == "BatchNormalization").unwrap().name.clone();
    let before = model.layer::<BatchNormalization>(&name).unwrap().moving_mean.get().into_data();
    let mut optimizer = AdamConfig::new().init();
    let x = images(16, &device);
    let target = Tensor::<2>::ones([16, 10], &device) / 10.0;
    let mut losses = Vec::new();
    for _ in 0..12 {
        let y = model.forward(x.clone()).unwrap().tensor::<2>().unwrap();
        let loss = (y - target.clone()).powi_scalar(2).mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    assert!(losses[11] < losses[0] * 0.9, "{losses:?}");
    let after = model.layer::<BatchNormalization>(&name).unwrap().moving_mean.get().into_data();
    assert_ne!(before, after);

    let plain = Device::flex();
    let again = KerasModel::from_bytes(model.save_to_bytes().unwrap(), &plain).unwrap();
    let x = x.inner();
    let expected = model.predict(x.clone()).unwrap().tensor::<2>().unwrap().into_data();
    let got = again.predict(x).unwrap().tensor::<2>().unwrap().into_data();
    got.assert_eq(&expected, true);
}

#[test]
fn a_frozen_model_behaves_as_in_inference_on_a_training_device() {
    let device = Device::flex().autodiff();
    let model = digits(&device).freeze();
    let x = images(3, &device);
    let trained = model.forward(x.clone()).unwrap().tensor::<2>().unwrap().into_data();
    let predicted = model.predict(x).unwrap().tensor::<2>().unwrap().into_data();
    trained.assert_approx_eq::<f32>(&predicted, burn::tensor::Tolerance::absolute(1e-6));
}

#[test]
fn batches_and_intermediate_outputs_agree_with_the_whole() {
    let device = Device::flex();
    let model = digits(&device);
    let x = images(7, &device);
    let whole = model.predict(x.clone()).unwrap().tensor::<2>().unwrap().into_data();
    let mut seen = Vec::new();
    let mut on_batch = |done| seen.push(done);
    let options = PredictOptions { batch_size: 3, on_batch: Some(&mut on_batch) };
    let parts = model.predict_with(x.clone(), options).unwrap().tensor::<2>().unwrap().into_data();
    parts.assert_approx_eq::<f32>(&whole, burn::tensor::Tolerance::absolute(1e-6));
    assert_eq!(seen, [3, 6, 7]);

    let rows = model.summary().rows;
    let (before, last) = (&rows[rows.len() - 2].name, &rows[rows.len() - 1].name);
    let outputs = model.outputs_of(&[before, last], x).unwrap();
    outputs.get(last).unwrap().clone().float::<2>().unwrap().into_data().assert_eq(&whole, true);
    let hidden = outputs.get(before).unwrap().clone().float::<2>().unwrap();
    let again = model.layer::<Dense>(last).unwrap().forward(hidden).into_data();
    again.assert_approx_eq::<f32>(&whole, burn::tensor::Tolerance::absolute(1e-6));
}

#[test]
fn a_layer_is_found_by_its_name_and_type() {
    let model = digits(&Device::flex());
    let dense = model.summary().rows.into_iter().rfind(|row| row.class == "Dense").unwrap().name;
    assert_eq!(model.layer::<Dense>(&dense).unwrap().kernel.val().dims()[1], 10);
    assert!(model.layer::<BatchNormalization>(&dense).is_err());
    let error = model.layer::<Dense>(&format!("{dense}s")).unwrap_err().to_string();
    assert!(error.contains(&format!("did you mean {dense:?}?")), "{error}");
}

#[test]
fn wrong_inputs_are_the_callers_fault() {
    let device = Device::flex();
    let model = digits(&device);
    let error = model.predict(Tensor::<4>::ones([2, 8, 9, 1], &device)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("expected the shape (None, 8, 8, 1), got [2, 8, 9, 1]"), "{error}");
    let x = || Value::from(images(1, &device));
    assert_eq!(model.predict(vec![x(), x()]).unwrap_err().kind(), ErrorKind::Input);
    assert_eq!(model.predict([("a", x()), ("b", x())]).unwrap_err().kind(), ErrorKind::Input);
    assert!(model.predict([("whatever", x())]).is_ok());
    assert_eq!(model.predict(Tensor::<4>::ones([0, 8, 8, 1], &device)).unwrap_err().kind(), ErrorKind::Input);
}

burn_keras::config! {
    /// Replaces `Rescaling`, to be seen.
    pub struct Shift {
        /// Ignored.
        scale: f64,
        /// Ignored.
        offset: f64 = 0.0,
    }
}

impl Function for Shift {
    const CLASSES: &'static [&'static str] = &["Rescaling"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> burn_keras::Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> burn_keras::Result<Tree<Value>> {
        Ok(map_float!(args.into_input()?, x => x + 100.0)?.into())
    }
}

#[test]
fn a_users_own_layer_takes_precedence() {
    let device = Device::flex();
    let path = format!("{}/assets/digits.keras", env!("CARGO_MANIFEST_DIR"));
    let options = LoadOptions::new().registry(Registry::new().with::<Shift>());
    let model = options.load(path, &device).unwrap();
    let name = model.summary().rows.iter().find(|row| row.class == "Rescaling").unwrap().name.clone();
    let outputs = model.outputs_of(&[&name], Tensor::<4>::ones([1, 8, 8, 1], &device)).unwrap();
    let shifted = outputs.single().unwrap().float::<4>().unwrap();
    assert_eq!(shifted.max().into_scalar::<f32>(), 101.0);
}

#[test]
fn a_directory_and_bytes_are_as_good_as_a_file() {
    let device = Device::flex();
    let model = digits(&device);
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("{}/model/", folder.path().display());
    model.save(&directory).unwrap();
    let file = folder.path().join("model.keras");
    model.save(&file).unwrap();
    let x = images(2, &device);
    let expected = model.predict(x.clone()).unwrap().tensor::<2>().unwrap().into_data();
    for again in [
        KerasModel::load(&directory, &device).unwrap(),
        KerasModel::load(&file, &device).unwrap(),
        KerasModel::from_bytes(std::fs::read(&file).unwrap(), &device).unwrap(),
    ] {
        again.predict(x.clone()).unwrap().tensor::<2>().unwrap().into_data().assert_eq(&expected, true);
    }
    let error = model.save(folder.path().join("model.onnx")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let error = KerasModel::load(fixture("nowhere"), &device).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

/// What a low-rank adaptation is part of is frozen after loading, as in Keras.
#[test]
fn adapted_kernels_are_frozen() {
    let device = Device::flex().autodiff();
    for case in ["dense", "conv", "embedding"] {
        let path = format!("{}/tests/fixtures/quantized/lora_{case}.keras", env!("CARGO_MANIFEST_DIR"));
        let model = KerasModel::load(path, &device).unwrap();
        struct Trained(Vec<bool>);
        impl ModuleVisitor for Trained {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.push(param.val().is_require_grad());
            }
        }
        let mut trained = Trained(Vec::new());
        model.visit(&mut trained);
        let is_trained: Vec<_> = paths(&model).into_iter().zip(trained.0).collect();
        assert!(is_trained.iter().any(|(_, is_trained)| *is_trained), "{case}");
        for (path, is_trained) in is_trained {
            assert_eq!(is_trained, path.ends_with("bias"), "{case}: {path}");
        }
    }
}
