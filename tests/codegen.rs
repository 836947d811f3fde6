//! Generated modules: their source is what is committed below `tests/generated`, and what they compute is what
//! Keras does.
//!
//! `BURN_KERAS_UPDATE=1` writes the sources anew. The models at their real size are made by real Keras when they are
//! not there yet; without Python (`BURN_KERAS_NO_PYTHON=1`) they are left out.

mod common;
#[path = "common/judged.rs"]
#[allow(dead_code, reason = "outputs have no names here")]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor};
use burn_keras::codegen::Codegen;
use burn_keras::{Inputs, KerasModel, Value};

use common::{root, script};
use npz::Array;

/// Declares the modules and a test for each: `module::Type(inputs) = "fixture"`.
macro_rules! models {
    ($($module:ident::$model:ident($($input:ident),+) = $fixture:literal;)+) => {
        #[allow(dead_code, reason = "no test uses all that is generated")]
        mod generated {
            $(pub mod $module;)+
        }

        const MODELS: &[&str] = &[$(stringify!($module)),+];

        $(#[test]
        fn $module() {
            let Some(fixture) = fixture($fixture) else { return };
            is_as_committed(&fixture, stringify!($module), stringify!($model));
            type Model = generated::$module::$model;
            let run = |model: &Model, inputs| {
                let [$($input),+] = in_order(inputs, [$(stringify!($input)),+]);
                model.forward($(Argument::of($input)),+).values()
            };
            let load = |path: &Path, device: &Device| Model::load(path, device).unwrap();
            let pack = |model: &Model, path: &Path, device: &Device| {
                model.save_burnpack(path).unwrap();
                Model::load_burnpack(path, device).unwrap()
            };
            check(&fixture, $fixture, run, load, |model, path| model.save(path).unwrap(), pack);
        })+
    };
}

models! {
    augmented::Augmented(x) = "architecture/augmented";
    convnext::Convnext(input_layer) = "architecture/convnext";
    densenet::Densenet(input_layer) = "architecture/densenet";
    efficientnet::Efficientnet(input_layer) = "architecture/efficientnet";
    efficientnet_v2::EfficientnetV2(input_layer) = "architecture/efficientnet_v2";
    encoder::Encoder(x) = "architecture/encoder";
    generator::Generator(x) = "architecture/generator";
    gpt::Gpt(x) = "architecture/gpt";
    lenet::Lenet(x) = "architecture/lenet";
    llama::Llama(x) = "architecture/llama";
    mixer::Mixer(x) = "architecture/mixer";
    mobilenet::Mobilenet(input_layer) = "architecture/mobilenet";
    mobilenet_v3_minimalistic::MobilenetV3Minimalistic(input_layer) = "architecture/mobilenet_v3_minimalistic";
    mobilenet_v3_small::MobilenetV3Small(input_layer) = "architecture/mobilenet_v3_small";
    resnet::Resnet(input_layer) = "architecture/resnet";
    resnet_v2::ResnetV2(input_layer) = "architecture/resnet_v2";
    seq2seq::Seq2seq(x, y) = "architecture/seq2seq";
    seq2seq_attention::Seq2seqAttention(x, y) = "architecture/seq2seq_attention";
    spectrogram::Spectrogram(x) = "architecture/spectrogram";
    tabular::Tabular(x, y) = "architecture/tabular";
    tagger::Tagger(x) = "architecture/tagger";
    translator::Translator(x, y) = "architecture/translator";
    variational::Variational(x, y) = "architecture/variational";
    vgg16::Vgg16(input_layer) = "architecture/vgg16";
    video::Video(x) = "architecture/video";
    vision_transformer::VisionTransformer(x) = "architecture/vision_transformer";
    xception::Xception(input_layer) = "architecture/xception";
    efficient_net_b0::EfficientNetB0(input_layer) = "applications/EfficientNetB0";
    language_model::LanguageModel(tokens) = "applications/LanguageModel";
    mobile_net_v2::MobileNetV2(input_layer) = "applications/MobileNetV2";
    res_net50::ResNet50(input_layer) = "applications/ResNet50";
    sentiment::Sentiment(words) = "applications/Sentiment";
    u_net::UNet(image) = "applications/UNet";
}

/// An argument of a generated `forward`.
trait Argument {
    fn of(value: Value) -> Self;
}

impl<const D: usize> Argument for Tensor<D> {
    fn of(value: Value) -> Self {
        value.float().unwrap()
    }
}

impl<const D: usize> Argument for Tensor<D, Int> {
    fn of(value: Value) -> Self {
        value.int().unwrap()
    }
}

/// What a generated `forward` gives.
trait Outcome {
    fn values(self) -> Vec<Value>;
}

impl<const D: usize> Outcome for Tensor<D> {
    fn values(self) -> Vec<Value> {
        vec![self.into()]
    }
}

impl<const A: usize, const B: usize> Outcome for (Tensor<A>, Tensor<B>) {
    fn values(self) -> Vec<Value> {
        vec![self.0.into(), self.1.into()]
    }
}

fn in_order<const N: usize>(inputs: Inputs, names: [&str; N]) -> [Value; N] {
    inputs.in_order(&names).unwrap().try_into().unwrap_or_else(|_| panic!("expected the inputs {names:?}"))
}

/// Where a model and Keras' numbers lie, without the extension; those of real size are made when they are missing.
fn fixture(name: &str) -> Option<PathBuf> {
    let committed = root().join("tests/fixtures").join(name);
    if committed.with_extension("npz").exists() {
        return Some(committed);
    }
    // One at a time: Keras takes all cores, and much memory.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real_size");
    let made = folder.join(name);
    if !made.with_extension("npz").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut generate = script("generate.py")?;
        generate.args(["--module", "applications", "--only", name]).env("BURN_KERAS_FIXTURES", &folder);
        assert!(generate.output().unwrap().status.success(), "Keras did not make {name}");
    }
    Some(made)
}

/// Compares the source with the committed one, or replaces that.
fn is_as_committed(fixture: &Path, module: &str, name: &str) {
    let folder = root().join("tests/generated");
    let codegen = Codegen::new(fixture.with_extension("keras")).name(name).out_dir(&folder);
    if std::env::var_os("BURN_KERAS_UPDATE").is_some() {
        codegen.run().unwrap();
    }
    let committed = std::fs::read_to_string(folder.join(module).with_extension("rs")).unwrap();
    let source = codegen.source().unwrap();
    let differs = source.lines().zip(committed.lines()).position(|(one, other)| one != other);
    assert!(
        source == committed,
        "{module}: another source from line {differs:?} on; BURN_KERAS_UPDATE=1 writes it"
    );
}

/// A loaded module computes what Keras does, can be trained, and goes back into a Keras file.
fn check<M: Module>(
    fixture: &Path,
    name: &str,
    run: impl Fn(&M, Inputs) -> Vec<Value>,
    load: impl Fn(&Path, &Device) -> M,
    save: impl Fn(&M, &Path),
    pack: impl Fn(&M, &Path, &Device) -> M,
) {
    let device = Device::flex();
    let file = fixture.with_extension("keras");
    let model = load(&file, &device);
    let (inputs, expected) = judged::read(&fixture.with_extension("npz"), &device).unwrap();
    let expected: Vec<Array> = expected.into_iter().map(|(_, array)| array).collect();
    compare("loaded", run(&model, inputs.clone()), &expected);

    let saved = saved(name);
    std::fs::create_dir_all(saved.parent().unwrap()).unwrap();
    save(&model, &saved);
    compare("saved and loaded", run(&load(&saved, &device), inputs.clone()), &expected);
    let keras = KerasModel::load(&saved, &device).unwrap().predict(inputs.clone()).unwrap();
    compare("as the file says", keras.into_iter().map(|(_, value)| value).collect(), &expected);

    let packed = pack(&model, &saved.with_extension("bpk"), &device);
    compare("through a burnpack file", run(&packed, inputs.clone()), &expected);

    let device = device.autodiff();
    let learner = load(&file, &device);
    let (inputs, _) = judged::read(&fixture.with_extension("npz"), &device).unwrap();
    let loss = run(&learner, inputs).into_iter().map(loss).reduce(|sum, loss| sum + loss).unwrap();
    let mut reached = Reached { gradients: loss.backward(), with: 0, without: Vec::new(), path: Vec::new() };
    learner.visit(&mut reached);
    assert!(reached.with > 0, "nothing can be trained");
    assert!(reached.with > 2 * reached.without.len(), "no gradient reaches {:?}", reached.without);
}

/// Where a saved model goes, for Keras to compare with the one that was loaded.
fn saved(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated").join(name).with_extension("keras")
}

fn loss(value: Value) -> Tensor<1> {
    let loss: burn_keras::Result<_> =
        burn_keras::by_rank!(value.rank(), D => value.float::<D>().unwrap().square().mean());
    loss.unwrap()
}

/// Counts parameters that a gradient reaches.
struct Reached {
    gradients: Gradients,
    with: usize,
    without: Vec<String>,
    path: Vec<String>,
}

impl ModuleVisitor for Reached {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match param.val().grad(&self.gradients) {
            Some(gradient) => {
                let size = gradient.abs().max().into_scalar::<f32>();
                assert!(size.is_finite(), "the gradient of {} is {size}", self.path.join("."));
                self.with += 1;
            }
            None if param.is_require_grad() => self.without.push(self.path.join(".")),
            None => {}
        }
    }
}

fn compare(what: &str, outputs: Vec<Value>, expected: &[Array]) {
    assert_eq!(outputs.len(), expected.len(), "{what}");
    for (output, expected) in outputs.into_iter().zip(expected) {
        assert_eq!(output.shape(), expected.shape(), "{what}");
        let got = output.into_data().convert::<f64>().try_to_vec::<f64>().unwrap();
        let expected = expected.clone().numbers().unwrap().convert::<f64>().try_to_vec::<f64>().unwrap();
        for (got, expected) in got.iter().zip(&expected) {
            let error = (got - expected).abs() / (1.0 + expected.abs());
            assert!(error <= 1e-5, "{what}: expected {expected}, got {got}");
        }
    }
}

#[test]
fn real_keras_opens_what_generated_modules_save() {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated_for_keras");
    let _ = std::fs::remove_dir_all(&written);
    std::fs::create_dir_all(written.join("architecture")).unwrap();
    let device = Device::flex();
    macro_rules! save {
        ($($module:ident::$model:ident),+) => {
            $({
                let name = format!("architecture/{}.keras", stringify!($module));
                let model = generated::$module::$model::load(root().join("tests/fixtures").join(&name), &device);
                model.unwrap().save(written.join(name)).unwrap();
            })+
        };
    }
    save!(
        augmented::Augmented,
        densenet::Densenet,
        encoder::Encoder,
        gpt::Gpt,
        llama::Llama,
        resnet::Resnet,
        seq2seq::Seq2seq,
        tagger::Tagger,
        translator::Translator,
        variational::Variational,
        video::Video
    );
    let Some(mut judge) = script("generated.py") else { return };
    judge.args([&root().join("tests/fixtures"), &written]);
    assert!(judge.status().unwrap().success(), "Keras found differences");
}

#[test]
fn the_readme_counts_the_modules() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let claim = format!("has {} of them", MODELS.len());
    assert!(readme.contains(&claim), "the README should say: {claim}");
}
