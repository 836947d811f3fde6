//! Every module of burn-nn that is a layer of Keras: with the weights of a Keras file it predicts what Keras does,
//! and Keras with the weights of its file what it does.
//!
//! Fixtures and judge: `tests/keras/adapters.py`. The judge needs real Keras; `BURN_KERAS_NO_PYTHON=1` leaves it out.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleDisplay, ModuleMapper, Param};
use burn::nn::attention::{CrossAttentionConfig, MhaInput, MultiHeadAttentionConfig};
use burn::nn::conv::{
    Conv1dConfig, Conv2dConfig, Conv3dConfig, ConvTranspose1dConfig, ConvTranspose2dConfig,
    ConvTranspose3dConfig,
};
use burn::nn::{
    BatchNormConfig, BiGruConfig, BiLstmConfig, BiRnnConfig, EmbeddingConfig, GroupNormConfig, GruConfig,
    InstanceNormConfig, LayerNormConfig, LinearConfig, LinearLayout, LstmConfig, PReluConfig,
    PaddingConfig1d, PaddingConfig2d, RmsNormConfig, RnnConfig,
};
use burn::store::{ModuleRecord, ModuleSnapshot};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData, Tolerance};
use burn_keras::store::KerasStore;
use common::{root, script};

mod common;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

/// What goes into a model, or comes out of it.
struct Given<'a> {
    inputs: &'a [TensorData],
    device: &'a Device,
}

impl Given<'_> {
    fn at<const D: usize>(&self, at: usize) -> Tensor<D> {
        Tensor::from_data(self.inputs[at].clone(), self.device)
    }

    fn x<const D: usize>(&self) -> Tensor<D> {
        self.at(0)
    }

    fn words(&self) -> Tensor<2, Int> {
        Tensor::from_data(self.inputs[0].clone(), self.device)
    }

    /// `[batch, spatial..., channels]` as `[batch, channels, spatial...]`.
    fn turned<const D: usize>(&self) -> Tensor<D> {
        channels_second(self.x())
    }
}

fn channels_second<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let axes: Vec<usize> = [0, D - 1].into_iter().chain(1..D - 1).collect();
    x.permute(<[usize; D]>::try_from(axes).unwrap())
}

fn channels_last<const D: usize>(x: Tensor<D>) -> TensorData {
    let axes: Vec<usize> = [0].into_iter().chain(2..D).chain([1]).collect();
    x.permute(<[usize; D]>::try_from(axes).unwrap()).into_data()
}

/// A module with one part, so that it has a name.
#[derive(Module, Debug)]
struct Net<M: Module> {
    part: M,
}

/// Fills a module with random numbers that it could have learned.
#[derive(Default)]
struct Learned {
    path: Vec<String>,
    fixed: &'static [&'static str],
}

impl ModuleMapper for Learned {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.last().unwrap().as_str();
        if self.fixed.contains(&name) {
            return param;
        }
        let (low, high) = if matches!(name, "running_var" | "gamma") { (0.5, 1.5) } else { (-0.5, 0.5) };
        param.map(|tensor| tensor.random_like(Distribution::Uniform(low, high)))
    }
}

/// One way of writing: its folder, and what it makes of a module and the file that it came from.
struct Written {
    folder: PathBuf,
    extension: &'static str,
}

impl Written {
    fn path(&self, case: &str) -> PathBuf {
        self.folder.join(format!("{case}.{}", self.extension))
    }
}

struct Suite {
    device: Device,
    back: Written,
    fresh: Written,
    count: usize,
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adapters").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn same(case: &str, ours: TensorData, expected: &TensorData) {
    let check = || ours.assert_approx_eq::<f32>(expected, Tolerance::absolute(1e-5));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_ok(), "{case} differs");
}

impl Suite {
    fn new() -> Self {
        let written = |name, extension| Written { folder: folder(name), extension };
        Self {
            device: Device::flex(),
            back: written("back", "keras"),
            fresh: written("fresh", "weights.h5"),
            count: 0,
        }
    }

    /// A case in which all parameters of the module have a place in the file.
    fn case<M: Module + ModuleDisplay>(
        &mut self,
        name: &str,
        part: M,
        run: impl Fn(&M, &Given<'_>) -> TensorData,
    ) {
        self.run(name, part, &[], true, run);
    }

    /// A case in which `fixed` parameters keep the numbers that they have in a new module, and `is_alone` is whether
    /// the module tells what layer it is.
    fn run<M: Module + ModuleDisplay>(
        &mut self,
        name: &str,
        part: M,
        fixed: &'static [&'static str],
        is_alone: bool,
        run: impl Fn(&M, &Given<'_>) -> TensorData,
    ) {
        let fixture = root().join("tests/fixtures/adapters").join(name);
        let mut arrays = npz::read(&fixture.with_extension("npz")).unwrap();
        let output = arrays.remove(0).1.numbers().unwrap();
        let inputs: Vec<_> = arrays.iter().map(|(_, array)| array.clone().numbers().unwrap()).collect();
        let given = Given { inputs: &inputs, device: &self.device };
        let archive = fixture.with_extension("keras");

        let mut net = Net { part };
        net.load_from(&mut KerasStore::from_file(&archive)).unwrap_or_else(|error| panic!("{name}: {error}"));
        same(name, run(&net.part, &given), &output);

        let net = net.map(&mut Learned { fixed, ..Learned::default() });
        let learned = run(&net.part, &given);
        let mut arrays = arrays;
        arrays.push(("output".to_owned(), learned.clone().into()));
        let targets = [(&self.back, true), (&self.fresh, is_alone)];
        for (written, _) in targets.iter().filter(|(_, is_written)| *is_written) {
            let path = written.path(name);
            if written.extension == "keras" {
                std::fs::copy(&archive, &path).unwrap();
            }
            net.save_into(&mut KerasStore::from_file(&path))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            npz::write(&written.folder.join(format!("{name}.npz")), &arrays).unwrap();
            let mut again = net.clone().map(&mut Learned { fixed, ..Learned::default() });
            again
                .load_from(&mut KerasStore::from_file(&path))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            same(name, run(&again.part, &given), &learned);
        }
        self.count += 1;
    }
}

#[test]
fn modules_and_keras_predict_the_same_with_each_others_weights() {
    let mut suite = Suite::new();
    dense(&mut suite);
    convolutions(&mut suite);
    transposed(&mut suite);
    norms(&mut suite);
    tables(&mut suite);
    recurrent(&mut suite);
    attention(&mut suite);
    let fixtures = std::fs::read_dir(root().join("tests/fixtures/adapters")).unwrap();
    assert_eq!(2 * suite.count, fixtures.count(), "every fixture has a module");
    let Some(mut judge) = script("adapters.py") else { return };
    judge.arg("--judge").args([&suite.back.folder, &suite.fresh.folder]);
    assert!(judge.status().unwrap().success(), "real Keras found differences");
}

fn dense(suite: &mut Suite) {
    let device = suite.device.clone();
    let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
    suite.case("dense", linear(5, 3), |part, given| part.forward(given.x::<2>()).into_data());
    let bare = LinearConfig::new(5, 3).with_bias(false).init(&device);
    suite.case("dense_no_bias", bare, |part, given| part.forward(given.x::<3>()).into_data());
    suite.run("time_distributed", linear(5, 3), &[], false, |part, given| {
        part.forward(given.x::<3>()).into_data()
    });
    suite.run("einsum_dense", linear(6, 15), &[], false, |part, given| {
        part.forward(given.x::<3>()).reshape([2, 4, 3, 5]).into_data()
    });
    suite.run("einsum_dense_joined", linear(6, 5), &[], false, |part, given| {
        part.forward(given.x::<4>().reshape([2, 4, 6])).into_data()
    });
}

fn convolutions(suite: &mut Suite) {
    let device = suite.device.clone();
    let conv = Conv1dConfig::new(3, 5, 3).init(&device);
    suite.case("conv1d", conv, |part, given| channels_last(part.forward(given.turned())));
    let causal = Conv1dConfig::new(3, 5, 3)
        .with_dilation(2)
        .with_padding(PaddingConfig1d::Explicit(4, 0))
        .init(&device);
    suite.case("conv1d_causal", causal, |part, given| channels_last(part.forward(given.turned())));
    let conv = Conv1dConfig::new(3, 6, 3).with_groups(3).init(&device);
    suite.run("depthwise1d", conv, &[], false, |part, given| channels_last(part.forward(given.turned())));

    let plain = Conv2dConfig::new([3, 4], [3, 2]);
    let cases = [
        ("conv2d", Conv2dConfig::new([3, 5], [3, 2]).with_bias(false)),
        ("conv2d_groups", Conv2dConfig::new([6, 4], [2, 3]).with_groups(2).with_dilation([2, 1])),
        (
            "conv2d_same",
            Conv2dConfig::new([3, 4], [3, 4]).with_stride([2, 2]).with_padding(PaddingConfig2d::Same),
        ),
        ("depthwise2d", Conv2dConfig::new([3, 6], [3, 2]).with_groups(3)),
        (
            "depthwise2d_no_bias",
            Conv2dConfig::new([3, 3], [3, 3]).with_groups(3).with_stride([2, 2]).with_bias(false),
        ),
    ];
    for (name, config) in cases {
        let is_alone = !name.starts_with("depthwise");
        suite.run(name, config.init(&device), &[], is_alone, |part, given| {
            channels_last(part.forward(given.turned()))
        });
    }
    suite.case("conv2d_first", plain.init(&device), |part, given| part.forward(given.x()).into_data());
    let conv = Conv3dConfig::new([2, 3], [2, 3, 1]).with_stride([1, 2, 1]).init(&device);
    suite.case("conv3d", conv, |part, given| channels_last(part.forward(given.turned())));
}

fn transposed(suite: &mut Suite) {
    let device = suite.device.clone();
    let conv = ConvTranspose1dConfig::new([3, 4], 3).with_stride(2).init(&device);
    suite.case("conv1d_transpose", conv, |part, given| channels_last(part.forward(given.turned())));
    let short = ConvTranspose1dConfig::new([3, 4], 2).with_stride(3).with_padding_out(1).init(&device);
    suite.case("conv1d_transpose_short", short, |part, given| channels_last(part.forward(given.turned())));
    let conv = ConvTranspose2dConfig::new([3, 4], [3, 2]).with_stride([2, 1]).init(&device);
    suite.case("conv2d_transpose", conv, |part, given| channels_last(part.forward(given.turned())));
    let same = ConvTranspose2dConfig::new([3, 4], [3, 3]).with_stride([2, 2]).with_bias(false).init(&device);
    suite.case("conv2d_transpose_same", same, |part, given| {
        channels_last(part.forward(given.turned()).narrow(2, 0, 10).narrow(3, 0, 8))
    });
    let conv = ConvTranspose3dConfig::new([2, 3], [2, 3, 2]).with_stride([1, 2, 1]).init(&device);
    suite.case("conv3d_transpose", conv, |part, given| channels_last(part.forward(given.turned())));
}

fn norms(suite: &mut Suite) {
    let device = suite.device.clone();
    let norm = |channels| BatchNormConfig::new(channels).with_epsilon(1e-3).with_momentum(0.01).init(&device);
    suite.case("batch_norm", norm(3), |part, given| channels_last(part.forward(given.turned::<4>())));
    suite.run("batch_norm_bare", norm(3), &["gamma", "beta"], false, |part, given| {
        channels_last(part.forward(given.turned::<3>()))
    });
    let norm = |size| LayerNormConfig::new(size).with_epsilon(1e-3);
    suite.case("layer_norm", norm(5).init(&device), |part, given| part.forward(given.x::<3>()).into_data());
    let bare = LayerNormConfig::new(5).with_bias(false).init(&device);
    suite.run("layer_norm_no_beta", bare, &[], false, |part, given| part.forward(given.x::<3>()).into_data());
    suite.run("layer_norm_joined", norm(20).init(&device), &[], false, |part, given| {
        part.forward(given.x::<3>().reshape([2, 20])).reshape([2, 4, 5]).into_data()
    });
    let norm = GroupNormConfig::new(3, 6).with_epsilon(1e-3).init(&device);
    suite.case("group_norm", norm, |part, given| channels_last(part.forward(given.turned::<4>())));
    let norm = InstanceNormConfig::new(6).with_epsilon(1e-3).init(&device);
    suite.case("instance_norm", norm, |part, given| channels_last(part.forward(given.turned::<4>())));
    let norm = RmsNormConfig::new(5).with_epsilon(1e-6).init(&device);
    suite.case("rms_norm", norm, |part, given| part.forward(given.x::<3>()).into_data());
}

fn tables(suite: &mut Suite) {
    let device = suite.device.clone();
    let table = || EmbeddingConfig::new(9, 4).init(&device);
    suite.case("embedding", table(), |part, given| part.forward(given.words()).into_data());
    suite.run("reversible_embedding", table(), &[], false, |part, given| {
        part.forward(given.words()).into_data()
    });
    let slopes = |count| PReluConfig::new().with_num_parameters(count).init(&device);
    suite.run("prelu", slopes(5), &[], false, |part, given| channels_last(part.forward(given.turned::<4>())));
    suite.run("prelu_one", slopes(1), &[], false, |part, given| part.forward(given.x::<3>()).into_data());
}

fn recurrent(suite: &mut Suite) {
    let device = suite.device.clone();
    for (suffix, bias) in [("", true), ("_no_bias", false)] {
        let lstm = LstmConfig::new(3, 4, bias).init(&device);
        suite.case(&format!("lstm{suffix}"), lstm, |part, given| part.forward(given.x(), None).0.into_data());
        let gru = |after| GruConfig::new(3, 4, bias).with_reset_after(after).init(&device);
        // With biases, the module does not tell when it resets.
        for (name, gru) in [("gru", gru(true)), ("gru_before", gru(false))] {
            let name = format!("{name}{suffix}");
            suite.run(&name, gru, &[], !bias, |part, given| part.forward(given.x(), None).into_data());
        }
        let rnn = RnnConfig::new(3, 4, bias).init(&device);
        suite.case(&format!("rnn{suffix}"), rnn, |part, given| part.forward(given.x(), None).0.into_data());
    }
    let lstm = BiLstmConfig::new(3, 4, true).init(&device);
    suite.case("bilstm", lstm, |part, given| part.forward(given.x(), None).0.into_data());
    let gru = |after| BiGruConfig::new(3, 4, true).with_reset_after(after).init(&device);
    suite.run("bigru", gru(true), &[], false, |part, given| part.forward(given.x(), None).0.into_data());
    suite.run("bigru_before", gru(false), &[], false, |part, given| {
        part.forward(given.x(), None).0.into_data()
    });
    let rnn = BiRnnConfig::new(3, 4, true).init(&device);
    suite.case("birnn", rnn, |part, given| part.forward(given.x(), None).0.into_data());
    let lstm = LstmConfig::new(3, 5, true).init(&device);
    suite.case("lstm_last", lstm, |part, given| part.forward(given.x(), None).1.hidden.into_data());
    let lstm = LstmConfig::new(3, 4, true).with_reverse(true).init(&device);
    suite.case("lstm_backwards", lstm, |part, given| part.forward(given.x(), None).0.flip([1]).into_data());
}

fn attention(suite: &mut Suite) {
    let device = suite.device.clone();
    let own = |heads, bias| {
        MultiHeadAttentionConfig::new(6, heads)
            .with_dropout(0.0)
            .with_query_bias(bias)
            .with_key_bias(bias)
            .with_value_bias(bias)
            .with_output_bias(bias)
            .init(&device)
    };
    for (name, part) in [("attention", own(2, true)), ("attention_no_bias", own(3, false))] {
        suite.run(name, part, &[], false, |part, given| {
            part.forward(MhaInput::self_attn(given.x())).context.into_data()
        });
    }
    let cross = CrossAttentionConfig::new(6, 5, 2, 2, 4).with_dropout(0.0).init(&device);
    suite.run("cross_attention", cross, &[], false, |part, given| {
        part.forward(given.at(0), given.at(1), None).into_data()
    });
    let grouped = CrossAttentionConfig::new(6, 6, 4, 2, 3).with_dropout(0.0).init(&device);
    suite.run("group_query_attention", grouped, &[], false, |part, given| {
        part.forward(given.at(0), given.at(1), None).into_data()
    });
}

/// A `Linear` of either layout computes the same, and Keras sees nothing of it; not even where a matrix and its
/// transpose have the same shape.
#[test]
fn the_layout_of_a_linear_is_its_own_business() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("linear.weights.h5");
    let linear = |[inputs, outputs]: [usize; 2], layout, materialized| {
        let net = Net { part: LinearConfig::new(inputs, outputs).with_layout(layout).init(&device) };
        if materialized { net.map(&mut Learned::default()) } else { net }
    };
    let layouts = [(LinearLayout::Row, LinearLayout::Col), (LinearLayout::Col, LinearLayout::Row)];
    let layouts = layouts.into_iter().chain([(LinearLayout::Col, LinearLayout::Col)]);
    for ((from, to), size, materialized) in layouts
        .flat_map(|both| [[5, 5], [3, 4]].map(|size| (both, size)))
        .flat_map(|(both, size)| [true, false].map(|materialized| (both, size, materialized)))
    {
        let (written, mut read) = (linear(size, from, true), linear(size, to, materialized));
        let x = Tensor::<2>::random([2, size[0]], Distribution::Uniform(-1.0, 1.0), &device);
        written.save_into(&mut KerasStore::from_file(&path).overwrite(true)).unwrap();
        let result = read.load_from(&mut KerasStore::from_file(&path)).unwrap();
        assert_eq!(result.applied.len(), 2, "{result}");
        let expected = written.part.forward(x.clone()).into_data();
        same(&format!("{from:?} {to:?} {size:?}"), read.part.forward(x.clone()).into_data(), &expected);
        // A record has the layout that the module was made with.
        let record = ModuleRecord::from_bytes(read.into_record().into_bytes().unwrap()).unwrap();
        let again = linear(size, to, false).load_record(record);
        same("record", again.part.forward(x).into_data(), &expected);
    }
}

/// What only one side has is what makes no difference on the other, and is told.
#[test]
fn a_bias_that_the_module_lacks_is_zero_in_the_file() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dense.keras");
    std::fs::copy(root().join("tests/fixtures/adapters/dense.keras"), &path).unwrap();
    let net = |bias| Net { part: LinearConfig::new(5, 3).with_bias(bias).init(&device) };
    let (bare, mut full) = (net(false), net(true));
    let mut store = KerasStore::from_file(&path);
    bare.save_into(&mut store).unwrap();
    let notes = store.report().unwrap().notes().join("\n");
    assert!(notes.contains("bias") && notes.contains("becomes that number"), "{notes}");
    full.load_from(&mut KerasStore::from_file(&path)).unwrap();
    let x = Tensor::<2>::random([2, 5], Distribution::Uniform(-1.0, 1.0), &device);
    same("bias", full.part.forward(x.clone()).into_data(), &bare.part.forward(x).into_data());
    assert_eq!(full.part.bias.unwrap().val().into_data().try_to_vec::<f32>().unwrap(), [0.0; 3]);
}

#[test]
fn what_no_weights_tell_is_told() {
    let device = Device::flex();
    let mut net = Net { part: GruConfig::new(3, 4, true).init(&device) };
    let mut store = KerasStore::from_file(root().join("tests/fixtures/adapters/gru_before.keras"));
    net.load_from(&mut store).unwrap();
    let notes = store.report().unwrap().notes().join("\n");
    assert!(notes.contains("with_reset_after(false)"), "{notes}");
}
