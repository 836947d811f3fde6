use super::*;
use crate::config::{Dtype, Object, Reader};
use crate::layer::Registry;
use crate::layers::testing;
use burn::module::Param;
use burn::tensor::{Device, Int, Tolerance};
use serde_json::json;

fn numbers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as i64;
    (Tensor::<1, Int>::arange(0..count, device).float() * 12.9898).sin().reshape(shape) * 0.7
}

/// A layer of 4 units over 3 features.
fn layer(class: &str, config: &serde_json::Value, device: &Device) -> Recurrent {
    let spec = Spec::new(vec![Some(2), None, Some(3)], Dtype::Float32);
    let built = testing::build(&*testing::read(class, config), &Args::one(spec), device).unwrap();
    let mut layer = built.downcast_ref::<Recurrent>().unwrap().clone();
    let mut cell = cell(&layer).clone();
    let small = |param: &Param<Tensor<2>>| Param::from_tensor(numbers(param.val().dims(), device));
    (cell.kernel, cell.recurrent_kernel) = (small(&cell.kernel), small(&cell.recurrent_kernel));
    layer.cell = AnyLayer::new(cell);
    layer
}

fn cell(layer: &Recurrent) -> &GatedCell {
    layer.cell.downcast_ref().unwrap()
}

fn call(layer: &Recurrent, x: Tensor<3>, training: bool) -> Tensor<3> {
    let cx = Context { training: Some(training) };
    let mut outputs = layer.call(Args::one(x.into()), &cx).unwrap().into_leaves();
    outputs.remove(0).float().unwrap()
}

#[test]
fn a_state_goes_on_with_the_next_batch_until_it_is_reset() {
    let device = Device::flex();
    for stateful in [true, false] {
        let json = json!({"units": 4, "return_sequences": true, "stateful": stateful});
        let layer = layer("LSTM", &json, &device);
        let x = numbers([2, 6, 3], &device);
        let whole = call(&layer, x.clone(), false);
        Layer::reset_state(&layer);
        let first = call(&layer, x.clone().narrow(1, 0, 4), false);
        // The state of a training step is of use to a prediction.
        let second = call(&layer, x.clone().to_device(&device.clone().autodiff()).narrow(1, 4, 2), false);
        let parts = Tensor::cat(vec![first, second.inner()], 1);
        let off = (whole.clone() - parts).abs().max().into_scalar::<f32>();
        assert_eq!(off < 1e-6, stateful, "off by {off}");
        Layer::reset_state(&layer);
        call(&layer, x, false).into_data().assert_approx_eq::<f32>(&whole.into_data(), Tolerance::default());
    }
}

#[test]
fn dropped_inputs_are_the_same_at_every_step_and_only_in_training() {
    let device = Device::flex();
    let json = json!({
        "units": 4, "activation": "linear", "use_bias": false, "return_sequences": true, "dropout": 0.5,
    });
    let mut layer = layer("SimpleRNN", &json, &device);
    let eye = Tensor::<2>::eye(4, &device);
    let mut cell = cell(&layer).clone();
    cell.kernel = Param::from_tensor(eye.clone().narrow(0, 0, 3));
    cell.recurrent_kernel = Param::from_tensor(eye * 0.0);
    layer.cell = AnyLayer::new(cell);
    let ones = Tensor::<3>::ones([50, 7, 3], &device);
    let kept = |training| call(&layer, ones.clone(), training).narrow(2, 0, 3);
    assert_eq!(kept(false).into_data(), ones.clone().into_data());
    let dropped = kept(true);
    let first = dropped.clone().narrow(1, 0, 1).expand([50, 7, 3]);
    assert_eq!(dropped.clone().into_data(), first.into_data());
    let counts = [0.0, 2.0].map(|value| dropped.clone().equal_elem(value).int().sum().into_scalar::<i64>());
    assert_eq!(counts.iter().sum::<i64>(), 50 * 7 * 3);
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}

#[test]
fn dropping_of_every_gate_on_its_own_keeps_the_mean() {
    let device = Device::flex();
    let rates = json!({
        "units": 4, "dropout": 0.3, "recurrent_dropout": 0.2, "return_sequences": true,
        "reset_after": false, "activation": "linear", "recurrent_activation": "linear",
    });
    let mut layer = layer("GRU", &rates, &device);
    // Small weights make the layer nearly linear in what is dropped.
    let small = |param: &Param<Tensor<2>>| Param::from_tensor(param.val() * 0.05);
    let mut cell = cell(&layer).clone();
    (cell.kernel, cell.recurrent_kernel) = (small(&cell.kernel), small(&cell.recurrent_kernel));
    layer.cell = AnyLayer::new(cell);
    let x = numbers([1, 3, 3], &device).expand([20_000, 3, 3]);
    let (expected, dropped) = (call(&layer, x.clone(), false), call(&layer, x, true));
    let spread = (dropped.clone() - expected.clone()).abs().max().into_scalar::<f32>();
    assert!(spread > 1e-3, "nothing is dropped");
    let off = (dropped - expected).mean_dim(0).abs().max().into_scalar::<f32>();
    assert!(off < 3e-3, "off by {off}");
}

/// A cell of a user: its state is the sum of its inputs, times a factor.
mod own {
    use super::*;
    use crate::layer::LayerConfig;

    crate::config! {
        /// Config of the cell.
        pub struct SummingConfig {
            /// The size of the inputs.
            size: usize,
        }
    }

    impl LayerConfig for SummingConfig {
        const CLASSES: &'static [&'static str] = &["Summing"];
        const ARGS: &'static [&'static str] = &["inputs", "states"];
        type Layer = Summing;

        fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
            let state = args.input()?.float(vec![args.input()?.shape[0], Some(self.size)]);
            Ok(Tree::list([state.clone(), state]))
        }

        fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
            Ok(Variables::default().trainable("factor", [1]))
        }

        fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Summing> {
            Ok(Summing { factor: weights.param("factor")? })
        }
    }

    #[derive(Module, Debug)]
    pub struct Summing {
        factor: Param<Tensor<1>>,
    }

    impl Layer for Summing {
        fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
            let state = args.get("states").and_then(|states| states.leaves().first().copied().cloned());
            let state = state.ok_or_else(|| Error::input("expected a state"))?.float::<2>()?;
            let sum = state + args.into_input()?.float::<2>()?;
            let output = sum.clone() * self.factor.val().unsqueeze();
            Ok(Tree::list([output.into(), sum.into()]))
        }
    }
}

/// The layers of a user with a cell of his own in the registry, or what keeps them from being read.
fn read(json: &serde_json::Value) -> Result<Arc<dyn crate::layer::AnyConfig>> {
    let (registry, limits) = (Registry::new().with::<own::SummingConfig>(), crate::Limits::default());
    let mut reader = Reader::new(&registry, &limits);
    let layer = registry.read(&Object::of(json).unwrap(), &mut reader);
    reader.finish()?;
    Ok(layer.unwrap())
}

fn object(class: &str, config: serde_json::Value) -> serde_json::Value {
    json!({"module": "keras.layers", "class_name": class, "config": config})
}

fn rnn(cell: &serde_json::Value, more: serde_json::Value) -> serde_json::Value {
    let mut config = json!({"cell": cell, "return_sequences": true});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object("RNN", config)
}

fn spec(features: usize) -> Args<Spec> {
    Args::one(Spec::new(vec![Some(2), None, Some(features)], Dtype::Float32))
}

#[test]
fn a_registered_cell_runs_alone_and_in_a_stack() {
    let device = Device::flex();
    let summing = |size: usize| object("Summing", json!({"size": size}));
    let x = numbers([2, 5, 3], &device);
    let sums = x.clone().cumsum(1);
    let cx = Context::default();
    let config = read(&rnn(&summing(3), json!({}))).unwrap();
    let layer = testing::build(&*config, &spec(3), &device).unwrap();
    let y = layer.call(Args::one(x.clone().into()), &cx).unwrap().into_leaves().remove(0);
    let expected = sums.clone() * 0.5;
    y.float::<3>().unwrap().into_data().assert_approx_eq::<f32>(&expected.into_data(), Tolerance::default());

    let stack = object("StackedRNNCells", json!({"cells": [summing(3), summing(3)]}));
    let config = read(&rnn(&stack, json!({}))).unwrap();
    let groups: Vec<_> = config.variables(&spec(3)).unwrap().iter().map(|own| own.dataset()).collect();
    assert_eq!(groups, ["cell/cells/summing/vars/0", "cell/cells/summing_1/vars/0"]);
    let layer = testing::build(&*config, &spec(3), &device).unwrap();
    let y = layer.call(Args::one(x.into()), &cx).unwrap().into_leaves().remove(0);
    let expected = sums.cumsum(1) * 0.25;
    y.float::<3>().unwrap().into_data().assert_approx_eq::<f32>(&expected.into_data(), Tolerance::default());
}

#[test]
fn what_is_no_cell_or_not_done_is_refused_by_name() {
    let unknown =
        read(&rnn(&object("MinimalRNNCell", json!({"units": 3})), json!({}))).unwrap_err().to_string();
    assert!(unknown.contains("MinimalRNNCell"), "{unknown}");
    let outputs = |json: &serde_json::Value| read(json).and_then(|config| config.outputs(&spec(3))).map(drop);
    let stack = object("StackedRNNCells", json!({"cells": []}));
    let gru = object("GRUCell", json!({"units": 3, "activation": "glu"}));
    for (json, place) in [
        (rnn(&object("Dense", json!({"units": 3})), json!({})), "Dense is no recurrent cell"),
        (rnn(&object("LSTM", json!({"units": 3})), json!({})), "LSTM is no recurrent cell"),
        (rnn(&stack, json!({})), "at least one cell"),
        (rnn(&gru, json!({})), "glu"),
        (rnn(&object("Summing", json!({"size": 3})), json!({"unroll": true})), "unroll"),
        (object("CuDNNLSTM", json!({"units": 3, "time_major": true})), "time_major"),
        (
            object("Bidirectional", json!({"layer": object("Dense", json!({"units": 3}))})),
            "Dense is no recurrent layer",
        ),
        (object("ConvLSTM1D", json!({"filters": 2, "kernel_size": 3})), "rank"),
    ] {
        let error = outputs(&json).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
    let images = Args::one(Spec::new(vec![None, Some(3), Some(5), Some(2)], Dtype::Float32));
    let config = |more: &str, value: serde_json::Value| {
        let mut config = json!({"filters": 2, "kernel_size": 3});
        config[more] = value;
        read(&object("ConvLSTM1D", config)).and_then(|config| config.outputs(&images)).map(drop)
    };
    config("strides", json!(2)).unwrap();
    for (key, value) in [("padding", json!("causal")), ("strides", json!(0)), ("kernel_size", json!(6))] {
        config(key, value).unwrap_err();
    }
}

#[test]
fn masks_that_are_not_done_are_refused() {
    let device = Device::flex();
    let mask = |shape: &[usize]| {
        Value::from(Tensor::<1>::ones([shape.iter().product::<usize>()], &device).bool())
            .reshape(shape)
            .unwrap()
    };
    let x = |shape: &[usize]| Value::from(numbers([2, 5, 3], &device)).with_mask(Some(mask(shape)));
    let known = Args::one(Spec::new([2, 5, 3].map(Some).to_vec(), Dtype::Float32));
    let call = |json: &serde_json::Value, args: Args<Value>| {
        testing::build(&*read(json).unwrap(), &known, &device).unwrap().call(args, &Context::default())
    };
    call(&object("CuDNNGRU", json!({"units": 3})), Args::one(x(&[2, 5]))).unwrap_err();
    for shape in [&[2][..], &[2, 4], &[5, 2], &[2, 5, 1, 1]] {
        call(&object("GRU", json!({"units": 3})), Args::one(x(shape))).unwrap_err();
    }
    call(&object("GRU", json!({"units": 3})), Args::one(x(&[2, 5, 3]))).unwrap();
    call(&object("GRU", json!({"units": 3, "unroll": true})), Args::one(x(&[2, 5, 3]))).unwrap_err();
    // The state of the first cell would stand for the output of the second.
    let cells = json!([object("GRUCell", json!({"units": 4})), object("GRUCell", json!({"units": 4}))]);
    let stack = rnn(&object("StackedRNNCells", json!({"cells": cells})), json!({}));
    let state = || Tree::Leaf(Value::from(numbers([2, 4], &device)));
    let with = |states: Vec<Tree<Value>>| {
        Args::bind(ARGS, vec![Tree::Leaf(x(&[2, 5])), Tree::List(states)], vec![]).unwrap()
    };
    call(&stack, with(vec![Tree::List(vec![state()]), Tree::List(vec![state()])])).unwrap();
    let error = call(&stack, with(vec![state(), state()])).unwrap_err().to_string();
    assert!(error.contains("stacked cells"), "{error}");
}

#[test]
fn states_may_come_in_a_list_with_the_sequences() {
    let device = Device::flex();
    let lstm = object("LSTM", json!({"units": 4, "return_sequences": true}));
    let both = object("Bidirectional", json!({"layer": &lstm}));
    let x = Tree::Leaf(Value::from(numbers([2, 5, 3], &device)));
    let state = |seed: f64| Tree::Leaf(Value::from(numbers([2, 4], &device) * seed));
    for (json, states) in [(lstm, vec![1.0, 2.0]), (both, vec![1.0, 2.0, 0.5, -1.0])] {
        let config = read(&json).unwrap();
        let layer = testing::build(&*config, &spec(3), &device).unwrap();
        let states: Vec<_> = states.into_iter().map(state).collect();
        let list = Tree::List(std::iter::once(x.clone()).chain(states.clone()).collect());
        let apart = Args::bind(ARGS, vec![x.clone(), Tree::List(states)], vec![]).unwrap();
        let list = Args::bind(ARGS, vec![list], vec![]).unwrap();
        let shape =
            |value: &Value| Ok(Spec::new(value.shape().into_iter().map(Some).collect(), Dtype::Float32));
        assert_eq!(
            config.outputs(&list.try_map(&mut |value| shape(value)).unwrap()).unwrap(),
            config.outputs(&apart.try_map(&mut |value| shape(value)).unwrap()).unwrap(),
        );
        let run = |args| layer.call(args, &Context::default()).unwrap().into_leaves().remove(0).into_data();
        assert_eq!(run(list), run(apart));
    }
}

/// Counts parameters without a gradient.
struct Ungraded<'a>(&'a burn::tensor::Gradients, usize, usize);

impl burn::module::ModuleVisitor for Ungraded<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.1 += 1;
        let gradient = param.val().grad(self.0);
        self.2 +=
            usize::from(gradient.is_none_or(|gradient| gradient.abs().sum().into_scalar::<f32>() == 0.0));
    }
}

/// Makes weights so small that nothing is saturated.
struct Small;

impl burn::module::ModuleMapper for Small {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weight| (weight.detach() * 0.05).detach().require_grad())
    }
}

#[test]
fn every_parameter_gets_a_gradient_in_training() {
    let device = Device::flex().autodiff();
    let drops = |class: &str, units: usize| {
        object(class, json!({"units": units, "dropout": 0.1, "recurrent_dropout": 0.1}))
    };
    let cells = json!([drops("LSTMCell", 40), drops("GRUCell", 30), drops("SimpleRNNCell", 20)]);
    let stack = rnn(&object("StackedRNNCells", json!({"cells": cells})), json!({}));
    let images = json!({"filters": 8, "kernel_size": 3, "dropout": 0.1, "recurrent_dropout": 0.1});
    let video = Args::one(Spec::new(vec![Some(2), None, Some(5), Some(3)], Dtype::Float32));
    let bools = Tensor::<2, Int>::from_data([[1, 0, 1, 1], [1, 1, 1, 0]], &device).bool();
    for (json, spec, x, parameters) in [
        (stack, spec(3), Value::from(numbers([2, 4, 3], &device)), 9),
        (object("ConvLSTM1D", images), video, Value::from(numbers([2, 4, 5, 3], &device)), 3),
        (
            object("CuDNNLSTM", json!({"units": 5})),
            self::spec(3),
            Value::from(numbers([2, 4, 3], &device)),
            3,
        ),
    ] {
        let layer = testing::build(&*read(&json).unwrap(), &spec, &device).unwrap().map(&mut Small);
        let masked = json["class_name"] != "CuDNNLSTM";
        let x = x.with_mask(masked.then(|| bools.clone().into()));
        let y = layer.call(Args::one(x), &Context { training: Some(true) }).unwrap().into_leaves().remove(0);
        let flat = y.clone().reshape(&[y.shape().iter().product()]).unwrap().float::<1>().unwrap();
        let mut ungraded = Ungraded(&flat.sum().backward(), 0, 0);
        layer.visit(&mut ungraded);
        assert_eq!((ungraded.1, ungraded.2), (parameters, 0), "{}", json["class_name"]);
    }
}

#[test]
fn what_a_conv_lstm_drops_is_the_same_at_every_step_and_only_in_training() {
    let device = Device::flex();
    let drops = json!({
        "filters": 1, "kernel_size": 1, "dropout": 0.5, "activation": "linear", "recurrent_activation": "relu",
        "return_sequences": true, "use_bias": false, "unit_forget_bias": false,
    });
    let spec = Args::one(Spec::new(vec![None, None, Some(40), Some(1)], Dtype::Float32));
    let layer = testing::build(&*read(&object("ConvLSTM1D", drops)).unwrap(), &spec, &device).unwrap();
    let mut layer = layer.downcast_ref::<Recurrent>().unwrap().clone();
    let mut cell = layer.cell.downcast_ref::<ConvLSTMCell<3>>().unwrap().clone();
    // Nothing but the candidate depends on the inputs: what comes out is 1 per step that counts.
    cell.recurrent_kernel = Param::from_tensor(cell.recurrent_kernel.val() * 0.0);
    cell.kernel = Param::from_tensor(Tensor::ones([4, 1, 1], &device));
    layer.cell = AnyLayer::new(cell);
    let run = |training| {
        let x = Value::from(Tensor::<4>::ones([30, 3, 40, 1], &device));
        let cx = Context { training: Some(training) };
        layer.call(Args::one(x), &cx).unwrap().into_leaves().remove(0).float::<4>().unwrap()
    };
    let (kept, dropped) = (run(false), run(true));
    assert_eq!(kept.clone().min().into_scalar::<f32>(), 1.0);
    // With gates `i`, `f`, `o` and a candidate of 0 or 2 each, the first step gives 0 or 8.
    let first = dropped.clone().narrow(1, 0, 1);
    let counts = [0.0, 8.0].map(|value| first.clone().equal_elem(value).int().sum().into_scalar::<i64>());
    assert_eq!(counts.iter().sum::<i64>(), 30 * 40);
    assert!((40..300).contains(&counts[1]), "{counts:?}");
    // The same again at every step: `c` becomes `f c + 4`, whichever step it is.
    let c = |at: usize| dropped.clone().narrow(1, at, 1);
    let again = c(1).mask_fill(c(0).equal_elem(0.0), 0.0);
    let counts = [8.0, 24.0].map(|value| again.clone().equal_elem(value).int().sum().into_scalar::<i64>());
    assert_eq!(counts.iter().sum::<i64>(), first.equal_elem(8.0).int().sum().into_scalar::<i64>());
}
