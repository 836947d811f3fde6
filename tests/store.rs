//! Hand-written Burn modules and Keras files. What the file's own model predicts is the truth.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2dConfig;
use burn::nn::{
    BatchNorm, BatchNormConfig, BiLstm, BiLstmConfig, Embedding, EmbeddingConfig, Linear, LinearConfig,
    PaddingConfig2d,
};
use burn::optim::{GradientsParams, SgdConfig};
use burn::store::{ModuleSnapshot, ModuleStore, PathFilter, bridge};
use burn::tensor::activation::{relu, softmax, tanh};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData, Tolerance};
use burn_keras::module::KerasLayer;
use burn_keras::store::{Found, KerasStore, Plan};
use burn_keras::{KerasFile, KerasModel, KerasWeights, Limits, Value};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> String {
    format!("{ROOT}/tests/fixtures/{name}")
}

fn digits_file() -> String {
    format!("{ROOT}/assets/digits.keras")
}

fn uniform<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn words(shape: [usize; 2], most: f64, device: &Device) -> Tensor<2, Int> {
    Tensor::<2>::random(shape, Distribution::Uniform(1.0, most), device).int()
}

fn model(path: &str) -> KerasModel {
    KerasModel::load(path, &Device::flex()).unwrap()
}

fn predicted<const D: usize>(model: &KerasModel, x: impl Into<Value>) -> TensorData {
    model.forward(x.into()).unwrap().tensor::<D>().unwrap().into_data()
}

fn same<const D: usize>(ours: Tensor<D>, keras: &TensorData) {
    ours.into_data().assert_approx_eq::<f32>(keras, Tolerance::absolute(1e-5));
}

fn apart<const D: usize>(ours: Tensor<D>, keras: &TensorData) {
    let theirs = Tensor::<D>::from_data(keras.clone(), &ours.device());
    let most: f32 = (ours - theirs).abs().max().into_scalar();
    assert!(most > 1e-3, "only {most} apart");
}

/// The digits of `assets/digits.keras`, with the names of its layers.
#[derive(Module, Debug)]
struct Digits {
    conv2d: Conv2d,
    batch_normalization: BatchNorm,
    conv2d_1: Conv2d,
    conv2d_2: Conv2d,
    dense: Linear,
    digit: Linear,
}

/// The same with names that say nothing, in an order that says nothing.
#[derive(Module, Debug)]
struct Fruits {
    apple: Linear,
    pears: Vec<Conv2d>,
    plum: Fruit,
}

#[derive(Module, Debug)]
struct Fruit {
    stone: BatchNorm,
    flesh: (Linear, Option<Conv2d>),
}

fn convolution(channels: [usize; 2], padding: PaddingConfig2d, bias: bool, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3]).with_padding(padding).with_bias(bias).init(device)
}

fn run_digits(
    convolutions: [&Conv2d; 3],
    norm: &BatchNorm,
    [dense, digit]: [&Linear; 2],
    x: Tensor<4>,
) -> Tensor<2> {
    let [first, second, third] = convolutions;
    let x = first.forward((x / 16.0).permute([0, 3, 1, 2]));
    let x = relu(second.forward(relu(norm.forward(x))));
    let x = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init().forward(x);
    let x = relu(third.forward(x));
    let x: Tensor<2> = x.permute([0, 2, 3, 1]).flatten(1, 3);
    softmax(digit.forward(relu(dense.forward(x))), 1)
}

impl Digits {
    fn new(device: &Device) -> Self {
        Self {
            conv2d: convolution([1, 16], PaddingConfig2d::Same, false, device),
            batch_normalization: BatchNormConfig::new(16).with_epsilon(1e-3).with_momentum(0.01).init(device),
            conv2d_1: convolution([16, 24], PaddingConfig2d::Same, true, device),
            conv2d_2: convolution([24, 32], PaddingConfig2d::Valid, true, device),
            dense: LinearConfig::new(128, 48).init(device),
            digit: LinearConfig::new(48, 10).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let convolutions = [&self.conv2d, &self.conv2d_1, &self.conv2d_2];
        run_digits(convolutions, &self.batch_normalization, [&self.dense, &self.digit], x)
    }
}

impl Fruits {
    fn new(device: &Device) -> Self {
        let Digits { conv2d, batch_normalization, conv2d_1, conv2d_2, dense, digit } = Digits::new(device);
        Self {
            apple: digit,
            pears: vec![conv2d_2, conv2d_1],
            plum: Fruit { stone: batch_normalization, flesh: (dense, Some(conv2d)) },
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let (dense, conv2d) = &self.plum.flesh;
        let convolutions = [conv2d.as_ref().unwrap(), &self.pears[1], &self.pears[0]];
        run_digits(convolutions, &self.plum.stone, [dense, &self.apple], x)
    }
}

fn images(count: usize, device: &Device) -> Tensor<4> {
    Tensor::random([count, 8, 8, 1], Distribution::Uniform(0.0, 16.0), device)
}

/// Linear layers one after the other.
#[derive(Module, Debug)]
struct Chain {
    links: Vec<Linear>,
}

impl Chain {
    fn new(sizes: &[usize], device: &Device) -> Self {
        Self {
            links: sizes.windows(2).map(|pair| LinearConfig::new(pair[0], pair[1]).init(device)).collect(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.links.iter().fold(x, |x, link| link.forward(x))
    }
}

/// The sizes in `graph/eleven_dense`, whose layers have three kinds of shapes only.
const ELEVEN: [usize; 13] = [3, 2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 4];

/// The model of `fit/dense`: `hidden` with tanh, and `last`.
#[derive(Module, Debug)]
struct Two {
    hidden: Linear,
    last: Linear,
}

impl Two {
    fn new(device: &Device) -> Self {
        Self { hidden: LinearConfig::new(3, 4).init(device), last: LinearConfig::new(4, 2).init(device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.last.forward(tanh(self.hidden.forward(x)))
    }
}

fn found(plan: &Plan) -> Vec<Found> {
    plan.modules().iter().map(|row| row.found).collect()
}

fn weights(path: &str, tensor: &str) -> TensorData {
    KerasWeights::open(path, &Limits::default()).unwrap().read(tensor).unwrap()
}

#[test]
fn names_of_layers_are_enough() {
    let device = Device::flex();
    let mut digits = Digits::new(&device);
    let mut store = KerasStore::from_file(digits_file());
    let result = digits.load_from(&mut store).unwrap();
    assert_eq!((result.applied.len(), result.errors.len()), (13, 0), "{result}");
    assert!(result.missing.is_empty() && result.skipped.is_empty() && result.unused.is_empty(), "{result}");
    let report = store.report().unwrap();
    assert_eq!(found(report.plan()), [Found::Name; 6], "{report}");
    let x = images(7, &device);
    same(digits.forward(x.clone()), &predicted::<2>(&model(&digits_file()), x));
}

#[test]
fn shapes_are_enough_where_they_differ() {
    let device = Device::flex();
    let mut fruits = Fruits::new(&device);
    let mut store = KerasStore::from_file(digits_file());
    fruits.load_from(&mut store).unwrap();
    assert_eq!(found(store.report().unwrap().plan()), [Found::Shape; 6]);
    let x = images(7, &device);
    same(fruits.forward(x.clone()), &predicted::<2>(&model(&digits_file()), x));
}

#[test]
fn the_order_is_enough_where_it_leaves_one_possibility() {
    let device = Device::flex();
    let file = fixture("graph/eleven_dense.keras");
    let mut chain = Chain::new(&ELEVEN, &device);
    let mut store = KerasStore::from_file(&file);
    chain.load_from(&mut store).unwrap();
    let by_order = found(store.report().unwrap().plan());
    assert_eq!(by_order.iter().filter(|found| **found == Found::Order).count(), 11, "{by_order:?}");
    let x = uniform([5, 3], &device);
    same(chain.forward(x.clone()), &predicted::<2>(&model(&file), x));
}

#[test]
fn what_is_ambiguous_is_refused_with_the_whole_list() {
    let device = Device::flex();
    let file = fixture("graph/eleven_dense.keras");
    let mut chain = Chain::new(&[2, 3, 4], &device);
    let before = chain.links[0].weight.val().into_data();
    let error = chain.load_from(&mut KerasStore::from_file(&file)).unwrap_err().to_string();
    // Two in a row fit in ten ways; every layer that one of them could be is named with its shapes.
    for name in ["dense_1", "dense_2", "dense_4", "dense_5", "dense_7", "dense_8", "dense_10", "dense_11"] {
        assert!(error.contains(&format!("\"{name}\", Dense (kernel [")), "{name}: {error}");
    }
    assert!(!error.contains("\"dense_3\"") && !error.contains("\"dense\""), "{error}");
    for needed in
        ["links.0: Linear (weight [2, 3], bias [3])", "links.1:", "with_layer", "plan", "with_key_remapping"]
    {
        assert!(error.contains(needed), "{needed}: {error}");
    }
    assert_eq!(chain.links[0].weight.val().into_data(), before, "a refused module is as it was");

    // One word decides the one, and the order the other only as far as it goes.
    let mut store =
        KerasStore::from_file(&file).with_layer("links.0", "dense_7").with_layer("links.1", "dense_5");
    chain.load_from(&mut store).unwrap();
    assert_eq!(chain.links[0].weight.val().into_data(), weights(&file, "layers/dense_7/vars/0"));
    assert_eq!(chain.links[1].weight.val().into_data(), weights(&file, "layers/dense_5/vars/0"));
    assert_eq!(store.report().unwrap().plan().unused().len(), 10);
}

#[test]
fn everything_wrong_with_what_is_said_is_told_at_once() {
    let mut chain = Chain::new(&[2, 3, 4], &Device::flex());
    let mut store = KerasStore::from_file(fixture("graph/eleven_dense.keras")).with_layers([
        ("links.0", "dense_77"),
        ("link.1", "dense_5"),
        ("nothing", "dense"),
    ]);
    let error = chain.load_from(&mut store).unwrap_err();
    let told: Vec<_> = error.problems().map(|problem| problem.message().to_owned()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("\"dense_77\"") && told[0].contains("did you mean"), "{told:?}");
    assert!(told[1].contains("\"link.1\"; did you mean \"links.1\"?"), "{told:?}");
    assert!(told[2].contains("\"nothing\""), "{told:?}");

    let mut twice = KerasStore::from_file(fixture("graph/eleven_dense.keras"))
        .with_layers([("links.0", "dense_1"), ("links.1", "dense_1")]);
    assert!(chain.load_from(&mut twice).unwrap_err().to_string().contains("several modules"));
    let mut broken = KerasStore::from_file(digits_file()).with_key_remapping("(", "").with_regex("[");
    assert_eq!(broken.keys().unwrap_err().problems().count(), 2);
}

#[test]
fn a_name_that_does_not_fit_is_no_invitation_to_look_elsewhere() {
    let device = Device::flex();
    let file = fixture("fit/dense.keras");
    // `hidden` would fit `last`, and `last` would fit `hidden`.
    let swapped =
        || Two { hidden: LinearConfig::new(4, 2).init(&device), last: LinearConfig::new(3, 4).init(&device) };
    let mut two = swapped();
    let error = two.load_from(&mut KerasStore::from_file(&file)).unwrap_err().to_string();
    for shape in ["weight [4, 2]", "kernel [3, 4]", "weight [3, 4]", "kernel [4, 2]"] {
        assert!(error.contains(shape), "{shape}: {error}");
    }
    let mut lenient = KerasStore::from_file(&file).validate(false).allow_partial(true);
    let result = two.load_from(&mut lenient).unwrap();
    assert_eq!((result.errors.len(), result.applied.len(), result.missing.len()), (4, 0, 0), "{result}");
    let mut two = swapped();
    let mut told = KerasStore::from_file(&file).with_layers([("hidden", "last"), ("last", "hidden")]);
    two.load_from(&mut told).unwrap();
    assert_eq!(two.last.weight.val().into_data(), weights(&file, "layers/dense/vars/0"));
}

#[test]
fn keys_can_be_called_otherwise() {
    let device = Device::flex();
    let file = fixture("graph/eleven_dense.keras");
    let mut chain = Chain::new(&[2, 3, 4], &device);
    let mut store = KerasStore::from_file(&file)
        .with_key_remapping(r"^dense_4\.", "links.0.")
        .with_key_remapping(r"^dense_(8)\.(kernel|bias)$", "links.1.$2");
    chain.load_from(&mut store).unwrap();
    assert_eq!(chain.links[0].weight.val().into_data(), weights(&file, "layers/dense_4/vars/0"));
    assert_eq!(chain.links[1].weight.val().into_data(), weights(&file, "layers/dense_8/vars/0"));
    let keys = store.keys().unwrap();
    assert!(
        keys.contains(&"links.0.kernel".to_owned()) && keys.contains(&"dense_5.bias".to_owned()),
        "{keys:?}"
    );
    let tensor = store.get_tensor("links.1.kernel").unwrap().unwrap();
    assert_eq!(bridge::to_data(tensor).unwrap(), weights(&file, "layers/dense_8/vars/0"));
    // The names of burn-nn, as one writes them for PyTorch's files.
    let mut store = KerasStore::from_file(fixture("fit/dense.keras"))
        .with_key_remapping(r"^hidden\.kernel$", "links.0.weight")
        .with_key_remapping(r"^hidden\.bias$", "links.0.bias")
        .with_key_remapping(r"^last\.", "links.1.");
    let mut chain = Chain::new(&[3, 4, 2], &device);
    chain.load_from(&mut store).unwrap();
    assert_eq!(found(store.report().unwrap().plan()), [Found::Given; 2]);
}

#[test]
fn every_key_reads_what_the_file_has() {
    let mut store = KerasStore::from_file(digits_file());
    let keys = store.keys().unwrap();
    assert_eq!(keys.len(), 13, "{keys:?}");
    let file = KerasWeights::open(digits_file(), &Limits::default()).unwrap();
    for (key, tensor) in [
        ("conv2d.kernel", "layers/conv2d/vars/0"),
        ("conv2d_2.bias", "layers/conv2d_2/vars/1"),
        ("batch_normalization.moving_variance", "layers/batch_normalization/vars/3"),
        ("digit.kernel", "layers/dense_1/vars/0"),
    ] {
        let lazy = store.get_tensor(key).unwrap().unwrap_or_else(|| panic!("{key} in {keys:?}"));
        assert_eq!(bridge::to_data(lazy).unwrap(), file.read(tensor).unwrap(), "{key}");
    }
    assert!(store.get_tensor("digit.weight").unwrap().is_none());
}

#[test]
fn nested_models_are_nested_structs() {
    #[derive(Module, Debug)]
    struct Outer {
        sequential_1: Middle,
        dense_3: Linear,
    }
    #[derive(Module, Debug)]
    struct Middle {
        sequential: Inner,
        dense_2: Linear,
    }
    #[derive(Module, Debug)]
    struct Inner {
        dense: Linear,
        dense_1: Linear,
    }
    let device = Device::flex();
    let file = fixture("graph/sequential_two_levels.keras");
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    let mut outer = Outer {
        sequential_1: Middle {
            sequential: Inner { dense: linear(5, 4), dense_1: linear(4, 4) },
            dense_2: linear(4, 3),
        },
        dense_3: linear(3, 2),
    };
    let mut store = KerasStore::from_file(&file);
    outer.load_from(&mut store).unwrap();
    let plan = store.report().unwrap().plan();
    assert_eq!(found(plan), [Found::Name; 4]);
    assert_eq!(
        plan.module("sequential_1.sequential.dense_1").unwrap().layer.as_deref(),
        Some("sequential_1.sequential.dense_1")
    );
    let x = uniform([6, 5], &device);
    let Middle { sequential, dense_2 } = &outer.sequential_1;
    let y = relu(sequential.dense_1.forward(tanh(sequential.dense.forward(x.clone()))));
    same(outer.dense_3.forward(dense_2.forward(y)), &predicted::<2>(&model(&file), x));
}

#[test]
fn recurrent_modules_are_one_layer_each() {
    #[derive(Module, Debug)]
    struct Reader {
        letters: Embedding,
        both_ways: BiLstm,
        out: Two,
    }
    let device = Device::flex();
    let file = fixture("graph/net_text.keras");
    let mut reader = Reader {
        letters: EmbeddingConfig::new(11, 4).init(&device),
        both_ways: BiLstmConfig::new(4, 3, true).init(&device),
        out: Two {
            hidden: LinearConfig::new(6, 4).init(&device),
            last: LinearConfig::new(4, 3).init(&device),
        },
    };
    let mut store = KerasStore::from_file(&file);
    reader.load_from(&mut store).unwrap();
    let plan = store.report().unwrap().plan().to_string();
    assert!(plan.contains("both_ways (BiLstm)") && plan.contains("bidirectional (Bidirectional)"), "{plan}");
    let run = |reader: &Reader, x: Tensor<2, Int>| {
        let (_, state) = reader.both_ways.forward(reader.letters.forward(x), None);
        let [batch, units] = [state.hidden.dims()[1], state.hidden.dims()[2]];
        let last = state.hidden.permute([1, 0, 2]).reshape([batch, 2 * units]);
        softmax(reader.out.last.forward(relu(reader.out.hidden.forward(last))), 1)
    };
    // No zeros, which the model would mask.
    let x = words([5, 9], 10.9, &device);
    same(run(&reader, x.clone()), &predicted::<2>(&model(&file), x.clone()));

    // And back, after all numbers have changed.
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.keras").display().to_string();
    std::fs::copy(&file, &copy).unwrap();
    let grown = reader.map(&mut Grow);
    grown.save_into(&mut KerasStore::from_file(&copy)).unwrap();
    let keras = predicted::<2>(&model(&copy), x.clone());
    same(run(&grown, x.clone()), &keras);
    apart(run(&grown, x.clone()), &predicted::<2>(&model(&file), x));
}

/// Changes every number.
struct Grow;

impl burn::module::ModuleMapper for Grow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        Param::from_mapped_value(id, tensor * 1.5 + 0.01, mapper)
    }
}

#[test]
fn filters_choose_parameters() {
    let device = Device::flex();
    let file = fixture("fit/dense.keras");
    let mut two = Two::new(&device);
    let (before, bias) =
        (two.last.weight.val().into_data(), two.hidden.bias.as_ref().unwrap().val().into_data());
    let mut store = KerasStore::from_file(&file).filter(PathFilter::new().with_regex(r"^hidden\.w"));
    let result = two.load_from(&mut store).unwrap();
    assert_eq!(result.applied, ["hidden.weight"], "{result}");
    assert_eq!(result.skipped, ["hidden.bias", "last.bias", "last.weight"], "{result}");
    assert!(result.missing.is_empty(), "{result}");
    assert_eq!(two.last.weight.val().into_data(), before);
    assert_eq!(two.hidden.bias.as_ref().unwrap().val().into_data(), bias);
    assert_eq!(two.hidden.weight.val().into_data(), weights(&file, "layers/dense/vars/0"));

    // A head of another size is no hindrance when it takes no part.
    let mut other = Two { last: LinearConfig::new(4, 9).init(&device), ..Two::new(&device) };
    assert!(other.load_from(&mut KerasStore::from_file(&file)).is_err());
    let mut store = KerasStore::from_file(&file)
        .with_predicate(|path, container| path.starts_with("hidden") && container.contains("Linear"));
    assert_eq!(other.load_from(&mut store).unwrap().applied.len(), 2);
    let mut all = KerasStore::from_file(&file).with_full_path("nothing").match_all();
    assert_eq!(two.load_from(&mut all).unwrap().applied.len(), 4);
}

#[test]
fn parts_are_loaded_when_that_is_allowed() {
    #[derive(Module, Debug)]
    struct Three {
        hidden: Linear,
        norm: BatchNorm,
        scale: Param<Tensor<1>>,
    }
    let device = Device::flex();
    let file = fixture("fit/dense.keras");
    let mut three = Three {
        hidden: LinearConfig::new(3, 4).init(&device),
        norm: BatchNormConfig::new(4).init(&device),
        scale: Param::from_tensor(Tensor::ones([5], &device)),
    };
    let error = three.load_from(&mut KerasStore::from_file(&file)).unwrap_err();
    let places: Vec<_> = error.problems().map(|problem| problem.place().to_owned()).collect();
    assert_eq!(places, ["norm", "scale"], "{error}");
    let result = three.load_from(&mut KerasStore::from_file(&file).allow_partial(true)).unwrap();
    assert_eq!(result.applied, ["hidden.weight", "hidden.bias"]);
    let missing: Vec<&str> = result.missing.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(missing, ["norm.beta", "norm.gamma", "norm.running_mean", "norm.running_var", "scale"]);
    assert_eq!(result.unused, ["last.bias", "last.kernel"]);
    assert!(result.missing[0].1.ends_with("Struct:BatchNorm"), "{result}");
}

#[test]
fn a_bare_parameter_is_a_layer_of_one_variable() {
    #[derive(Module, Debug)]
    struct Rest {
        dense: Linear,
        p_re_lu: Param<Tensor<1>>,
        tables: Tables,
    }
    #[derive(Module, Debug)]
    struct Tables {
        narrow: Param<Tensor<2>>,
        wide: Param<Tensor<2>>,
    }
    let device = Device::flex();
    let file = fixture("graph/net_tabular.keras");
    let zeros = |shape: [usize; 2]| Param::from_tensor(Tensor::<2>::zeros(shape, &device));
    let mut rest = Rest {
        dense: LinearConfig::new(4, 1).init(&device),
        p_re_lu: Param::from_tensor(Tensor::zeros([4], &device)),
        tables: Tables { narrow: zeros([5, 2]), wide: zeros([5, 3]) },
    };
    let mut store = KerasStore::from_file(&file);
    rest.load_from(&mut store).unwrap();
    let plan = store.report().unwrap().plan();
    assert_eq!(plan.module("p_re_lu").unwrap().found, Found::Name, "{plan}");
    assert_eq!(rest.p_re_lu.val().into_data(), weights(&file, "layers/p_re_lu/vars/0"));
    assert_eq!(rest.tables.narrow.val().into_data(), weights(&file, "layers/embedding/vars/0"));
    assert_eq!(rest.tables.wide.val().into_data(), weights(&file, "layers/embedding_1/vars/0"));
}

#[test]
fn layers_of_this_crate_are_units_too() {
    #[derive(Module, Debug)]
    struct Mixed {
        stem: KerasLayer,
        norm: BatchNorm,
        head: Linear,
    }
    let device = Device::flex();
    let file = fixture("fit/cnn.keras");
    let conv = burn_keras::build::Conv2D::new(3, 3).use_bias(false);
    let mut mixed = Mixed {
        stem: KerasLayer::new(conv, [6, 6, 2], &device).unwrap(),
        norm: BatchNormConfig::new(3).with_epsilon(1e-3).init(&device),
        head: LinearConfig::new(12, 3).init(&device),
    };
    let run = |mixed: &Mixed, x: Tensor<4>| {
        let x: Tensor<4> = mixed.stem.forward(x);
        let x = relu(mixed.norm.forward(x.permute([0, 3, 1, 2])));
        let x = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init().forward(x);
        let x: Tensor<2> = x.permute([0, 2, 3, 1]).flatten(1, 3);
        softmax(mixed.head.forward(x), 1)
    };
    mixed.load_from(&mut KerasStore::from_file(&file)).unwrap();
    let x = uniform([3, 6, 6, 2], &device);
    same(run(&mixed, x.clone()), &predicted::<2>(&model(&file), x.clone()));
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.keras").display().to_string();
    std::fs::copy(&file, &copy).unwrap();
    let grown = mixed.map(&mut Grow);
    grown.save_into(&mut KerasStore::from_file(&copy)).unwrap();
    let keras = predicted::<2>(&model(&copy), x.clone());
    same(run(&grown, x.clone()), &keras);
    apart(run(&grown, x.clone()), &predicted::<2>(&model(&file), x));
}

#[test]
fn a_plan_is_shown_saved_edited_and_obeyed() {
    let device = Device::flex();
    let file = fixture("graph/eleven_dense.keras");
    let mut chain = Chain::new(&[2, 3, 4], &device);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("plan.json");

    let plan = KerasStore::from_file(&file).plan(&chain).unwrap();
    assert_eq!(found(&plan), [Found::Undecided; 2]);
    assert_eq!(plan.module("links.0").unwrap().candidates, ["dense_1", "dense_4", "dense_7", "dense_10"]);
    plan.save(&path).unwrap();
    assert_eq!(Plan::open(&path, &Limits::default()).unwrap(), plan);
    assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
    // As it is, it decides nothing.
    assert!(chain.load_from(&mut KerasStore::from_file(&file).with_plan(plan)).is_err());

    let mut document: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    document["modules"][0]["layer"] = "dense_10".into();
    document["modules"][1]["layer"] = "dense_2".into();
    std::fs::write(&path, document.to_string()).unwrap();
    let edited = Plan::open(&path, &Limits::default()).unwrap();
    chain.load_from(&mut KerasStore::from_file(&file).with_plan(edited.clone())).unwrap();
    assert_eq!(chain.links[0].weight.val().into_data(), weights(&file, "layers/dense_10/vars/0"));
    assert_eq!(chain.links[1].weight.val().into_data(), weights(&file, "layers/dense_2/vars/0"));

    let mut edited = edited;
    edited.assign("links.0", "dense_4").unassign("links.1");
    let before = chain.links[1].weight.val().into_data();
    let result = chain.load_from(&mut KerasStore::from_file(&file).with_plan(edited.clone())).unwrap();
    assert_eq!(chain.links[0].weight.val().into_data(), weights(&file, "layers/dense_4/vars/0"));
    assert_eq!(chain.links[1].weight.val().into_data(), before);
    assert_eq!(result.skipped, ["links.1.bias", "links.1.weight"], "{result}");

    edited.assign("links.7", "dense").assign("links.0", "dance");
    let error = chain.load_from(&mut KerasStore::from_file(&file).with_plan(edited)).unwrap_err();
    assert_eq!(error.problems().count(), 2, "{error}");
}

#[test]
fn a_plan_is_a_table() {
    let plan = KerasStore::from_file(fixture("fit/dense.keras")).plan(&Two::new(&Device::flex())).unwrap();
    let expected = "\
Module           Keras layer      found
-----------------------------------------
hidden (Linear)  hidden (Dense)   by name
  weight [3, 4]    kernel [3, 4]
  bias [4]         bias [4]
last (Linear)    last (Dense)     by name
  weight [4, 2]    kernel [4, 2]
  bias [2]         bias [2]
";
    assert_eq!(plan.to_string(), expected, "\n{plan}");
}

/// A copy of the digits, and a module that has been trained on noise since.
fn trained(folder: &TempDir) -> (String, Digits) {
    let copy = folder.path().join("digits.keras").display().to_string();
    std::fs::copy(digits_file(), &copy).unwrap();
    let device = Device::flex().autodiff();
    let mut digits = Digits::new(&device);
    digits.load_from(&mut KerasStore::from_file(&copy)).unwrap();
    let mut optimizer = SgdConfig::new().init();
    for _ in 0..3 {
        let loss = digits.forward(images(16, &device)).powi_scalar(2).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &digits);
        digits = optimizer.step(1e-3, digits, gradients);
    }
    (copy, digits)
}

/// All that is in an archive but the weights, as text.
fn members(path: &str) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let count = archive.len();
    let read = |at: usize| {
        let mut member = archive.by_index(at).unwrap();
        let (name, mut bytes) = (format!("{:?}", member.name()), Vec::new());
        std::io::copy(&mut member, &mut bytes).unwrap();
        (name, String::from_utf8_lossy(&bytes).into_owned())
    };
    let members: BTreeMap<String, String> = (0..count).map(read).collect();
    members.into_iter().filter(|(name, _)| !name.contains(".h5")).collect()
}

#[test]
fn a_trained_module_goes_back_into_its_file() {
    let folder = TempDir::new().unwrap();
    let (copy, digits) = trained(&folder);
    let documents = members(&copy);
    assert!(documents.keys().any(|name| name.contains("config.json")));
    let slots = |path: &str| {
        let weights = KerasWeights::open(path, &Limits::default()).unwrap();
        weights.datasets().filter(|dataset| dataset.path.starts_with("optimizer")).count()
    };
    assert!(slots(&copy) > 0);
    let mut store = KerasStore::from_file(&copy);
    digits.save_into(&mut store).unwrap();
    let notes = store.report().unwrap().notes();
    assert!(notes.iter().any(|note| note.contains("optimizer")), "{notes:?}");
    assert_eq!(slots(&copy), 0);
    assert_eq!(members(&copy), documents, "all but the weights is as it was, byte by byte");

    let x = images(9, &Device::flex());
    let valid = digits.valid();
    let keras = predicted::<2>(&model(&copy), x.clone());
    let unsure = keras.iter::<f32>().filter(|p| (0.01..0.99).contains(p)).count();
    assert!(unsure > 5, "predictions that say something: {keras}");
    same(valid.forward(x.clone()), &keras);
    apart(valid.forward(x.clone()), &predicted::<2>(&model(&digits_file()), x.clone()));
    let mut again = Digits::new(&Device::flex());
    again.load_from(&mut store).unwrap();
    same(again.forward(x), &keras);
}

#[test]
fn moving_statistics_are_never_those_of_the_step_before() {
    let folder = TempDir::new().unwrap();
    let (copy, digits) = trained(&folder);
    let newest = digits.batch_normalization.valid().running_mean.value().into_data();
    digits.save_into(&mut KerasStore::from_file(&copy)).unwrap();
    assert_eq!(weights(&copy, "layers/batch_normalization/vars/2"), newest);
    assert_ne!(weights(&digits_file(), "layers/batch_normalization/vars/2"), newest);

    // Nor does a step that came before the loading come after it.
    let (_, mut digits) = trained(&folder);
    digits.load_from(&mut KerasStore::from_file(digits_file())).unwrap();
    let loaded = digits.valid().batch_normalization.running_var.value().into_data();
    assert_eq!(loaded, weights(&digits_file(), "layers/batch_normalization/vars/3"));
}

#[test]
fn a_part_goes_into_a_file_and_the_rest_stays() {
    let device = Device::flex();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.keras").display().to_string();
    std::fs::copy(digits_file(), &copy).unwrap();
    #[derive(Module, Debug)]
    struct Head {
        digit: Linear,
        extra: BatchNorm,
    }
    let head =
        Head { digit: LinearConfig::new(48, 10).init(&device), extra: BatchNormConfig::new(3).init(&device) };
    let before = std::fs::read(&copy).unwrap();
    let error = head.save_into(&mut KerasStore::from_file(&copy)).unwrap_err();
    assert_eq!(error.problems().next().unwrap().place(), "extra", "{error}");
    assert_eq!(std::fs::read(&copy).unwrap(), before);

    let mut store = KerasStore::from_file(&copy).allow_partial(true);
    head.save_into(&mut store).unwrap();
    let notes = store.report().unwrap().notes().join("\n");
    assert!(notes.contains("conv2d_1 (Conv2D) keeps its weights"), "{notes}");
    assert_eq!(weights(&copy, "layers/dense_1/vars/0"), head.digit.weight.val().into_data());
    for kept in ["layers/dense/vars/0", "layers/conv2d/vars/0", "layers/batch_normalization/vars/2"] {
        assert_eq!(weights(&copy, kept), weights(&digits_file(), kept));
    }
    // One parameter alone: its variable, and no other.
    let other = Head { digit: LinearConfig::new(48, 10).init(&device), ..head.clone() };
    other.save_into(&mut KerasStore::from_file(&copy).with_full_paths(["digit.bias"])).unwrap();
    assert_eq!(weights(&copy, "layers/dense_1/vars/0"), head.digit.weight.val().into_data());
    assert_eq!(weights(&copy, "layers/dense_1/vars/1"), other.digit.bias.as_ref().unwrap().val().into_data());
}

#[test]
fn weights_are_written_anew() {
    let device = Device::flex();
    let folder = TempDir::new().unwrap();
    let two = Two::new(&device);
    let path = folder.path().join("new.weights.h5").display().to_string();
    two.save_into(&mut KerasStore::from_file(&path)).unwrap();
    let mut names: Vec<String> =
        KerasWeights::open(&path, &Limits::default()).unwrap().datasets().map(|it| it.path).collect();
    names.sort();
    assert_eq!(
        names,
        ["layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0", "layers/dense_1/vars/1"]
    );
    let mut keras = model(&fixture("fit/dense.keras"));
    keras.load_weights(&path).unwrap();
    let x = uniform([4, 3], &device);
    same(two.forward(x.clone()), &predicted::<2>(&keras, x));

    // A file that is there is written into, and with `overwrite` anew.
    let other = Two::new(&device);
    other.save_into(&mut KerasStore::from_file(&path)).unwrap();
    assert_eq!(weights(&path, "layers/dense_1/vars/0"), other.last.weight.val().into_data());
    let chain = Chain::new(&[5, 6, 7, 8], &device);
    assert!(chain.save_into(&mut KerasStore::from_file(&path)).is_err());
    chain.save_into(&mut KerasStore::from_file(&path).overwrite(true)).unwrap();
    assert_eq!(weights(&path, "layers/dense_2/vars/0"), chain.links[2].weight.val().into_data());
}

#[test]
fn a_whole_model_is_written_from_its_description() {
    let device = Device::flex();
    let folder = TempDir::new().unwrap();
    let two = Two::new(&device);
    let path = folder.path().join("new.keras").display().to_string();
    let error = two.save_into(&mut KerasStore::from_file(&path)).unwrap_err().to_string();
    assert!(error.contains("with_model") || error.contains("description"), "{error}");
    assert!(!std::path::Path::new(&path).exists());

    let described = KerasFile::open(fixture("fit/dense.keras"), &Limits::default()).unwrap();
    let json = described.config().to_string();
    two.save_into(&mut KerasStore::from_file(&path).with_model_json(&json)).unwrap();
    let x = uniform([4, 3], &device);
    same(two.forward(x.clone()), &predicted::<2>(&model(&path), x.clone()));

    let other = folder.path().join("other.weights.h5").display().to_string();
    two.save_into(&mut KerasStore::from_file(&other).with_model(fixture("fit/dense.keras"))).unwrap();
    let mut keras = model(&fixture("fit/dense.keras"));
    keras.load_weights(&other).unwrap();
    same(two.forward(x.clone()), &predicted::<2>(&keras, x));
}

#[test]
fn files_of_weights_alone_have_names_and_orders_from_a_description() {
    let device = Device::flex();
    let folder = TempDir::new().unwrap();
    let file = fixture("graph/eleven_dense.keras");
    let path = folder.path().join("eleven.weights.h5").display().to_string();
    model(&file).save_weights(&path).unwrap();
    let mut chain = Chain::new(&ELEVEN, &device);
    chain.load_from(&mut KerasStore::from_file(&path).with_model(&file)).unwrap();
    let x = uniform([5, 3], &device);
    same(chain.forward(x.clone()), &predicted::<2>(&model(&file), x.clone()));
    // Layers of one class have numbers, and these an order.
    let mut chain = Chain::new(&ELEVEN, &device);
    chain.load_from(&mut KerasStore::from_file(&path)).unwrap();
    same(chain.forward(x.clone()), &predicted::<2>(&model(&file), x));
}

#[test]
fn a_file_in_memory_is_one_too() {
    let device = Device::flex();
    let mut store = KerasStore::from_bytes(&include_bytes!("fixtures/fit/dense.keras")[..]);
    let mut two = Two::new(&device);
    two.load_from(&mut store).unwrap();
    let x = uniform([4, 3], &device);
    same(two.forward(x.clone()), &predicted::<2>(&model(&fixture("fit/dense.keras")), x.clone()));
    let other = Two::new(&device);
    other.save_into(&mut store).unwrap();
    let written = KerasModel::from_bytes(store.get_bytes().unwrap(), &device).unwrap();
    same(other.forward(x.clone()), &predicted::<2>(&written, x));
}

#[test]
fn legacy_and_sharded_files_are_read_and_written() {
    let device = Device::flex();
    let folder = TempDir::new().unwrap();
    let keras = model(&fixture("fit/dense.keras"));
    let x = uniform([4, 3], &device);
    for name in ["model.h5", "model.weights.h5", "model.weights.json"] {
        let path = folder.path().join(name);
        match name {
            "model.h5" => keras.save(&path).unwrap(),
            _ => keras.save_weights(&path).unwrap(),
        }
        let open = || KerasStore::from_file(&path).with_model(fixture("fit/dense.keras"));
        let mut two = Two::new(&device);
        two.load_from(&mut open()).unwrap();
        same(two.forward(x.clone()), &predicted::<2>(&keras, x.clone()));
        let other = Two::new(&device);
        other.save_into(&mut open()).unwrap();
        let mut read = Two::new(&device);
        read.load_from(&mut open()).unwrap();
        same(read.forward(x.clone()), &other.forward(x.clone()).into_data());
    }
}
