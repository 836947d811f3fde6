//! Models that start in Rust.

mod common;
#[path = "common/fresh_models.rs"]
mod fresh_models;

use std::collections::BTreeSet;

use burn::module::{Module as _, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use burn_keras::build::{
    BatchNormalization, Conv2D, Dense, Dropout, Fresh, Functional, Input, LSTM, Masking, Sequential,
    TimeDistributed,
};
use burn_keras::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use burn_keras::{ErrorKind, Inputs, KerasModel, Value, layers, map_float};

use common::script;
use fresh_models::examples;
use npz::Array;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

#[test]
fn real_keras_opens_runs_and_trains_them() {
    let Some(mut fresh) = script("fresh.py") else { return };
    let (folder, device) = (tempfile::tempdir().unwrap(), Device::flex());
    for example in examples(&device).unwrap() {
        let inputs = example.inputs.iter().map(|(name, value)| (format!("in/{name}"), value.clone()));
        let mut arrays: Vec<_> = inputs.map(|(name, value)| (name, Array::of(value))).collect();
        let outputs = example.model.predict(Inputs::from_iter(example.inputs.clone())).unwrap();
        arrays.extend(outputs.into_iter().map(|(name, value)| (format!("out/{name}"), Array::of(value))));
        let path = folder.path().join(example.name);
        npz::write(&path.with_extension("npz"), &arrays).unwrap();
        example.model.save(path.with_extension("keras")).unwrap();
    }
    assert!(fresh.arg(folder.path()).status().unwrap().success(), "Keras found faults");
}

#[test]
fn what_is_saved_is_what_was_built() {
    let device = Device::flex();
    for example in examples(&device).unwrap() {
        let inputs = || Inputs::from_iter(example.inputs.clone());
        let before = example.model.predict(inputs()).unwrap();
        let again = KerasModel::from_bytes(example.model.save_to_bytes().unwrap(), &device).unwrap();
        assert_eq!(again.file().config(), example.model.file().config());
        for ((name, before), (_, after)) in before.iter().zip(again.predict(inputs()).unwrap().iter()) {
            assert_eq!(before.clone().into_data(), after.clone().into_data(), "{} {name}", example.name);
        }
    }
}

/// All numbers of a model.
fn weights(model: &KerasModel) -> Vec<u8> {
    let mut numbers = Numbers(Vec::new());
    model.visit(&mut numbers);
    numbers.0
}

struct Numbers(Vec<u8>);

impl ModuleVisitor for Numbers {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().as_bytes());
    }
}

#[test]
fn weights_follow_from_the_seed() {
    let device = Device::flex();
    let model = |seed| fresh_models::cnn().seed(seed).build(&device).unwrap();
    assert_eq!(weights(&model(1)), weights(&model(1)));
    assert_ne!(weights(&model(1)), weights(&model(2)));
    let unseeded = || fresh_models::cnn().build(&device).unwrap();
    assert_ne!(weights(&unseeded()), weights(&unseeded()));
    // A further layer leaves the others as they are.
    let longer = fresh_models::cnn().with(Dense::new(2)).seed(1).build(&device).unwrap();
    assert!(weights(&longer).starts_with(&weights(&model(1))));
}

#[test]
fn layers_start_as_in_keras() {
    let device = Device::flex();
    let model = Sequential::new()
        .with(Input::new([5, 3]))
        .with(BatchNormalization::new())
        .with(LSTM::new(2))
        .with(Dense::new(4).bias_initializer("ones"))
        .build(&device)
        .unwrap();
    let floats = |tensor: Tensor<1>| tensor.into_data().as_slice::<f32>().unwrap().to_vec();
    let batch: &layers::BatchNormalization = model.layer("batch_normalization").unwrap();
    assert_eq!(floats(batch.gamma.as_ref().unwrap().val()), [1.0; 3]);
    assert_eq!(floats(batch.moving_mean.get()), [0.0; 3]);
    assert_eq!(floats(batch.moving_variance.get()), [1.0; 3]);
    let lstm: &layers::Recurrent = model.layer("lstm").unwrap();
    let cell: &layers::GatedCell = lstm.cell.downcast_ref().unwrap();
    assert_eq!(floats(cell.bias.as_ref().unwrap().val()), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let square = cell.recurrent_kernel.val();
    let product = square.clone().matmul(square.transpose());
    product
        .into_data()
        .assert_approx_eq::<f32>(&Tensor::<2>::eye(2, &device).into_data(), Tolerance::default());
    assert_eq!(floats(model.layer::<layers::Dense>("dense").unwrap().bias.as_ref().unwrap().val()), [1.0; 4]);
}

#[test]
fn a_layer_that_is_called_twice_is_one_layer() {
    let device = Device::flex();
    let (a, b) = (Input::new([3]), Input::new([3]));
    let dense = Dense::new(2);
    let other = dense.clone().activation("relu");
    let outputs = [dense.on(&a), dense.on(&b), other.on(&a)];
    let model = Functional::new([&a, &b], outputs).build(&device).unwrap();
    let names: Vec<_> = model.summary().rows.into_iter().map(|row| row.name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("dense")).count(), 2, "{names:?}");
    assert_eq!(model.num_params(), 2 * 8);
    let x = || Value::from(Tensor::<2>::ones([1, 3], &device));
    let outputs = model.predict(vec![x(), x()]).unwrap();
    let outputs: Vec<_> = outputs.into_iter().map(|(_, value)| value.into_data()).collect();
    assert_eq!(outputs[0], outputs[1]);
    assert_ne!(outputs[0], outputs[2]);
}

#[test]
fn names_are_those_of_keras_unless_given() {
    let device = Device::flex();
    let (b, a) = (Input::new([3]), Input::new([3]).name("dense"));
    let first = Dense::new(2).on(&a);
    let second = Dense::new(2).name("dense_1").on(&b);
    let model = Functional::new([&a, &b], Dense::new(1).on(&(&first - &second))).name("mine");
    let model = model.build(&device).unwrap();
    assert_eq!((model.name(), model.input_names()), ("mine", vec!["dense", "input_layer"]));
    let names: BTreeSet<_> = model.summary().rows.into_iter().map(|row| row.name).collect();
    let expected = ["dense", "dense_1", "dense_2", "dense_3", "input_layer", "subtract"];
    assert!(names.iter().eq(expected), "{names:?}");
}

fn error_of(result: burn_keras::Result<KerasModel>) -> String {
    let error = result.unwrap_err();
    assert!([ErrorKind::Config, ErrorKind::Unsupported].contains(&error.kind()), "{error:?}");
    error.to_string()
}

#[test]
fn everything_wrong_is_told_with_its_place() {
    let device = Device::flex();
    let wrong = Sequential::new()
        .with(Input::new([4]))
        .with(Dense::new(0))
        .with(Conv2D::new(3, 3).padding("sme").name("eyes"))
        .with(Dense::new(1).activation("rellu"));
    let error = error_of(wrong.build(&device));
    for part in [
        "3 problems",
        "layers[1] \"dense\" (Dense).units: expected a positive integer, got 0",
        "layers[2] \"eyes\" (Conv2D).padding: expected one of",
        "layers[3] \"dense_1\" (Dense).activation: unknown activation \"rellu\"; did you mean \"relu\"?",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let shapes = Sequential::new().with(Input::new([4])).with(LSTM::new(3));
    assert!(error_of(shapes.build(&device)).contains("layers[1] \"lstm\" (LSTM): expected"));
    assert!(
        error_of(Sequential::new().with(Dense::new(3)).build(&device)).contains("expected an Input first")
    );
    let twice = Sequential::new().with(Input::new([4]).name("x")).with(Dense::new(3).name("x"));
    assert!(error_of(twice.build(&device)).contains("another layer has the same name"));
    let custom = Sequential::new().with(Input::new([4])).with(Dense::new(3).kernel_initializer("he_nromal"));
    let error = error_of(custom.build(&device));
    assert!(
        error.contains("layers[1] \"dense\" (Dense).kernel: unknown initializer \"he_nromal\""),
        "{error}"
    );
}

#[test]
fn graphs_that_do_not_hang_together_are_refused() {
    let device = Device::flex();
    let (x, y) = (Input::new([4, 2]), Input::new([4, 2]).name("y"));
    let h = Dense::new(3).on(&x);
    let missing = Functional::new(&x, &(&h + &Dense::new(3).on(&y)));
    assert!(error_of(missing.build(&device)).contains("\"y\": an input that the model does not take"));
    let inside = Functional::new(&h, Dense::new(1).on(&h));
    assert!(error_of(inside.build(&device)).contains("\"dense\": expected an Input"));
    let several = LSTM::new(3).return_state(true).on(&x);
    assert!(several.spec().is_some());
    let error = error_of(Functional::new(&x, Dense::new(1).on(&several)).build(&device));
    assert!(error.contains("it gives 3 tensors: take them apart with outputs()"), "{error}");
    let [_, _, _, fourth] = several.outputs();
    let error = error_of(Functional::new(&x, &fourth).build(&device));
    assert!(error.contains("refers to output 3 of a layer that has 3"), "{error}");
    let nested = Sequential::new().with(Input::new([4, 2])).with(missing);
    assert!(error_of(nested.build(&device)).contains("an input that the model does not take"));
}

#[test]
fn a_graph_that_keras_would_order_otherwise_is_refused() {
    let device = Device::flex();
    let model = |masked: bool, deep: bool| {
        let x = Input::new([4, 2]);
        let (a, b) = (Dense::new(3).on(&x), Dense::new(3).on(&x));
        let a = if deep { Dense::new(3).on(&a) } else { Dropout::new(0.1).on(&a) };
        let b = if masked { Masking::new().on(&b) } else { Dropout::new(0.1).on(&b) };
        Functional::new(&x, [LSTM::new(2).on(&a), LSTM::new(2).on(&b)]).build(&device)
    };
    assert!(model(false, false).is_ok());
    let error = error_of(model(true, false));
    assert!(error.contains("\"dense_1\" (Dense): Keras may list it after \"dense\" or before"), "{error}");
    assert!(model(true, true).is_err());
    let chain = Sequential::new().with(Input::new([4, 2])).with(Dense::new(3)).with(Masking::new());
    assert!(chain.with(LSTM::new(2)).with(Dense::new(3)).build(&device).is_ok());
}

burn_keras::config! {
    /// A layer of somebody's own.
    pub struct Scale {
        /// The factor.
        factor: f64,
    }
}

impl Function for Scale {
    const CLASSES: &'static [&'static str] = &["Scale"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> burn_keras::Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> burn_keras::Result<Tree<Value>> {
        Ok(map_float!(args.into_input()?, x => x * self.factor)?.into())
    }
}

#[test]
fn layers_of_ones_own_are_as_good_as_any() {
    let device = Device::flex();
    let inner = Sequential::new().with(Scale { factor: 2.0 });
    let timed = TimeDistributed::new(Fresh::from(Scale { factor: 5.0 }));
    let model =
        Sequential::new().with(Input::new([2, 3])).with(Scale { factor: 3.0 }).with(inner).with(timed);
    let y = model.build(&device).unwrap().predict(Tensor::<3>::ones([1, 2, 3], &device)).unwrap();
    assert_eq!(
        y.tensor::<3>().unwrap().into_data(),
        (Tensor::<3>::ones([1, 2, 3], &device) * 30.0).into_data()
    );
}

#[test]
fn a_fresh_model_learns_and_is_saved() {
    let device = Device::flex().autodiff();
    device.seed(3);
    let mut model = Sequential::new()
        .with(Input::new([4]))
        .with(Dense::new(8).activation("tanh").kernel_regularizer("l2").kernel_constraint("unit_norm"))
        .with(Dense::new(1))
        .seed(2)
        .build(&device)
        .unwrap();
    let x = Tensor::<2>::random([32, 4], Distribution::Normal(0.0, 1.0), &device);
    let target = x.clone().sum_dim(1).sin();
    let mut optimizer = AdamConfig::new().init();
    let mut errors = Vec::new();
    for _ in 0..40 {
        let (y, losses) = model.forward_with_losses(x.clone()).unwrap();
        let error = (y.tensor::<2>().unwrap() - target.clone()).square().mean();
        errors.push(error.clone().into_scalar::<f32>());
        let loss = error + losses.unwrap();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients).apply_constraints().unwrap();
    }
    assert!(errors[39] < 0.6 * errors[0], "{errors:?}");
    let kernel = model.layer::<layers::Dense>("dense").unwrap().kernel.val();
    let norms = kernel.square().sum_dim(0).sqrt();
    assert!((norms - 1.0).abs().max().into_scalar::<f32>() < 1e-5);
    let again = KerasModel::from_bytes(model.save_to_bytes().unwrap(), &Device::flex()).unwrap();
    assert_eq!(weights(&again), weights(&model));
}
