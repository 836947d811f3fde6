use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::way::{constant_source, tree_json, tree_source};
use super::{KerasCall, Settings, keras_layer, objects};
use crate::KerasFile;
use crate::config::call::read_tree;
use crate::config::graph::{Graph, spec_at};
use crate::config::{Field, Object, Reader};
use crate::constraint::Constraint;
use crate::initializer::Initializer;
use crate::layer::{AnyConfig, Args, Policy, Registry, Spec, Tree};
use crate::limits::Limits;
use crate::module::graph_of;
use crate::regularizer::Regularizer;

/// One layer of a fixture.
struct Found {
    layer: String,
    object: Json,
    /// For every call, its arguments and masks.
    calls: Vec<(Args<Spec>, Option<Tree<Spec>>)>,
    is_array: bool,
}

impl Found {
    fn calls(&self) -> Vec<KerasCall<'_>> {
        self.calls.iter().map(|(args, mask)| KerasCall { args, mask: mask.as_ref() }).collect()
    }
}

/// Every layer of a model and of those in it.
fn layers(model: &dyn AnyConfig, graph: &Graph, inputs: Option<&[Spec]>, found: &mut Vec<Found>) {
    let specs = graph.infer(inputs).unwrap();
    let objects = objects(model);
    for (index, layer) in graph.layers.iter().enumerate().filter(|(_, layer)| !layer.config.is_input()) {
        let nodes = graph.nodes.iter().filter(|node| node.layer == index);
        let calls: Vec<_> = nodes
            .map(|node| {
                let mut at = |at: &_| spec_at(&specs, *at);
                let args = node.args.try_map(&mut at).unwrap();
                let mask = node.mask.as_ref().map(|mask| mask.try_map(&mut at).unwrap());
                (args, mask)
            })
            .collect();
        if let Some(inner) = graph_of(layer.config.as_ref()) {
            let inputs: Vec<Spec> = calls[0].0.inputs().into_iter().cloned().collect();
            layers(layer.config.as_ref(), inner, Some(&inputs), found);
            continue;
        }
        let is_array = !objects.contains_key(&layer.name);
        let object = objects.get(&layer.name).cloned().unwrap_or_else(|| Json::Object(layer.config.write()));
        found.push(Found { layer: layer.name.clone(), object, calls, is_array });
    }
}

fn fixtures() -> (PathBuf, Vec<Json>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let manifest = std::fs::read_to_string(root.join("manifest.json")).unwrap();
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    (root, manifest["cases"].as_array().unwrap().clone())
}

fn found(root: &Path, case: &Json) -> (Json, Vec<Found>) {
    let file = KerasFile::open(root.join(case["model"].as_str().unwrap()), &Limits::default()).unwrap();
    let (description, _) = file.read_model(&Registry::new()).unwrap();
    let mut found = Vec::new();
    let model = description.root.as_ref();
    layers(model, graph_of(model).unwrap(), None, &mut found);
    (file.config().clone(), found)
}

/// A layer inside of a config, with what it says by saying nothing.
fn complete(json: &Json) -> Option<Json> {
    let object = Object::of(json)?;
    crate::registry::rows().find(|row| !row.operation && row.classes.contains(&object.class))?;
    let (registry, limits) = (Registry::new(), Limits::default());
    let read = registry.read(&object, &mut Reader::new(&registry, &limits))?;
    graph_of(read.as_ref()).is_none().then(|| {
        json!({
            "class": object.class,
            "config": normal(&Json::Object(read.write())),
            "name": object.config.get("name"),
            "trainable": object.config.get("trainable").and_then(Json::as_bool).unwrap_or(true),
            "policy": format!("{:?}", policy(object.config)),
            "calls": normal(&json["inbound_nodes"]),
        })
    })
}

/// A config in one of the forms in which Keras would write it.
fn normal(json: &Json) -> Json {
    let class = |json: &Json| {
        let object = Object::of(json)?;
        Some(json!({"class": crate::config::snake_case(object.class), "config": normal(&json["config"])}))
    };
    match json {
        // An initializer by its name is one without settings.
        Json::String(name) => match name.as_str() {
            "linear" | "channels_last" => Json::Null,
            name => name.into(),
        },
        Json::Array(items) if !items.is_empty() && items.iter().all(|item| *item == items[0]) => {
            normal(&items[0])
        }
        Json::Array(items) => items.iter().map(normal).collect(),
        Json::Number(number) => json!(number.as_f64()),
        Json::Object(_) if json["class_name"] == "function" => normal(&json["config"]),
        Json::Object(items) => complete(json).or_else(|| class(json)).unwrap_or_else(|| {
            let said = items.iter().filter(|(key, _)| *key != "shared_object_id");
            let said = said.map(|(key, value)| (key.clone(), normal(value)));
            Json::Object(said.filter(|(_, value)| !value.is_null()).collect())
        }),
        other => other.clone(),
    }
}

/// What a layer of this class with this config is.
fn read(original: &Json, config: &Map<String, Json>) -> (Json, String) {
    let (registry, limits) = (Registry::new(), Limits::default());
    let mut reader = Reader::new(&registry, &limits);
    let mut object = original.clone();
    object["config"] = Json::Object(config.clone());
    let object = Object::of(&object).unwrap();
    let read = registry.read(&object, &mut reader);
    reader.finish().unwrap();
    let read = read.unwrap();
    (
        normal(&Json::Object(read.write())),
        format!("{:?} {:?}", read.borders(), Policy::of(config.get("dtype"))),
    )
}

fn policy(config: &Map<String, Json>) -> Option<crate::config::DtypePolicy> {
    crate::config::DtypePolicy::read(config.get("dtype")).ok()
}

/// What the source says is the same config again, in both of its forms.
fn check_settings(found: &Found, settings: &Settings) -> Result<(), String> {
    let original = found.object["config"].as_object().unwrap();
    let expected = read(&found.object, original);
    let same = |form: &str, config: &Map<String, Json>| {
        let got = read(&found.object, config);
        let is_same = got == expected && policy(config) == policy(original);
        if is_same { Ok(()) } else { Err(format!("{form}: {got:?}, not {expected:?}")) }
    };
    same("json", &settings.config)?;
    if settings.builder(&mut BTreeSet::new()).is_none() {
        return Ok(());
    }
    // The words of Rust for numbers, texts and lists are those of JSON.
    let mut config = Map::new();
    for (key, value) in &settings.config {
        let known = settings.row.unwrap().sources.iter().find(|known| known.name == key);
        let said = match known.map(|known| (known.source)(value).unwrap()) {
            Some(source) => serde_json::from_str(&source).map_err(|error| format!("{source}: {error}"))?,
            None => super::policy_name(value).unwrap().into(),
        };
        config.insert(key.clone(), as_object(said, value));
    }
    same("builder", &config)
}

/// What the method of a key makes of the name of an initializer or the like.
fn as_object(said: Json, original: &Json) -> Json {
    let (Some(name), Some(_)) = (said.as_str(), Object::of(original)) else { return said };
    let objects =
        [Initializer::from(name).write(), Regularizer::from(name).write(), Constraint::from(name).write()];
    objects.into_iter().find(Json::is_object).unwrap_or(said)
}

/// What the source says is the same argument again.
fn check_argument(tree: &Tree<Spec>) -> Result<(), String> {
    if tree_source(tree, &mut BTreeSet::new()).is_some() {
        return Ok(());
    }
    if let Tree::Constant(constant) = tree
        && let Some(source) = constant_source(constant)
    {
        let again: Json = serde_json::from_str(&source).map_err(|error| format!("{source}: {error}"))?;
        return if again == *constant { Ok(()) } else { Err(format!("{source}, not {constant}")) };
    }
    let again =
        read_tree(&tree_json(tree), &mut crate::module::read_tensor).map_err(|error| error.to_string())?;
    if again == *tree { Ok(()) } else { Err(format!("{again:?}, not {tree:?}")) }
}

fn check(found: &Found) -> Result<(), String> {
    if let Err(error) = keras_layer(&found.object, false, &found.calls()) {
        let message = error.to_string();
        if !message.contains("a file beside its weights") {
            return Err(message);
        }
    }
    let settings = Settings::of(&found.object, false).map_err(|error| error.to_string())?;
    if !found.is_array {
        check_settings(found, &settings)?;
    }
    for (args, mask) in &found.calls {
        for name in settings.args {
            match args.get(name) {
                Some(Tree::Dict(items)) if name.starts_with("**") => {
                    items.iter().try_for_each(|(_, item)| check_argument(item))?;
                }
                argument => argument.into_iter().try_for_each(check_argument)?,
            }
        }
        mask.iter().try_for_each(check_argument)?;
    }
    Ok(())
}

#[test]
fn the_source_of_every_layer_says_what_its_config_says() {
    let (root, cases) = fixtures();
    let (mut count, mut built, mut problems) = (0, 0, Vec::new());
    for case in &cases {
        for found in found(&root, case).1 {
            count += 1;
            if let Err(problem) = check(&found) {
                problems.push(format!("{} {}: {problem}", case["name"], found.layer));
            }
            let settings = Settings::of(&found.object, false).ok();
            built += usize::from(settings.is_some_and(|it| it.builder(&mut BTreeSet::new()).is_some()));
        }
    }
    assert!(problems.is_empty(), "{} of {count}: {problems:#?}", problems.len());
    assert!(count > 3000 && built > 1000, "{built} of {count}");
}

/// What the integration tests compile and run: of the layers in fixtures, as few as say every key of every class
/// once.
fn samples() -> String {
    const LONGEST: usize = 250;
    let (root, cases) = fixtures();
    let mut uses: BTreeSet<&str> = BTreeSet::new();
    let (mut said, mut lines) = (BTreeSet::new(), String::new());
    for case in &cases {
        let (config, found) = found(&root, case);
        // Calls that are made of those of Keras 2 do not say all shapes.
        let plain = config["class_name"] == "Functional"
            && !case["name"].as_str().unwrap().starts_with("keras2/")
            && config["config"]["layers"]
                .as_array()
                .unwrap()
                .iter()
                .all(|layer| layer["class_name"] != "Functional" && layer["class_name"] != "Sequential");
        for found in found.iter().filter(|found| plain && !found.is_array && found.calls.len() == 1) {
            let settings = Settings::of(&found.object, false).unwrap();
            let Ok(source) = keras_layer(&found.object, false, &found.calls()) else { continue };
            let keys = settings.config.keys().map(String::as_str).filter(|_| !settings.is_operation());
            let own: Vec<_> = keys
                .chain(["", if found.calls[0].1.is_some() { "mask" } else { "" }])
                .map(|key| (settings.class.clone(), key.to_owned()))
                .collect();
            let is_new = own.iter().any(|key| !said.contains(key));
            if !is_new || source.field.init.len() > LONGEST {
                continue;
            }
            said.extend(own);
            // That is for calls with many tensors.
            uses.extend(source.uses.into_iter().filter(|path| *path != "burn_keras::Value"));
            let name = case["name"].as_str().unwrap();
            lines += &format!("        ({name:?}, {:?}, {}),\n", found.layer, source.field.init);
        }
    }
    let uses: String = uses.iter().map(|path| format!("use {path};\n")).collect();
    format!(
        "// Made by `cargo test --lib keras_layer` with BURN_KERAS_UPDATE set.\n{uses}use burn::tensor::Device;\n\n\
         #[rustfmt::skip]\npub fn samples(device: &Device) -> Vec<(&'static str, &'static str, KerasLayer)> {{\n    \
         vec![\n{lines}    ]\n}}\n"
    )
}

#[test]
fn the_source_is_that_which_is_compiled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keras_layer/samples.rs");
    let samples = samples();
    if std::env::var_os("BURN_KERAS_UPDATE").is_some() {
        std::fs::write(&path, &samples).unwrap();
    }
    assert!(samples.matches("KerasLayer::init(").count() >= 150);
    assert_eq!(std::fs::read_to_string(path).unwrap(), samples);
}

#[test]
fn a_shared_layer_has_a_call_for_every_way_in_which_it_is_called() {
    let object =
        json!({"module": "keras.layers", "class_name": "Attention", "config": {"name": "attention"}});
    let spec = |sizes: [usize; 2]| Tree::list([Spec::batch(sizes), Spec::batch([7, 8])]);
    let args = |sizes, causal| {
        let keywords = vec![("use_causal_mask".to_owned(), Tree::Constant(Json::Bool(causal)))];
        Args::bind(
            &["inputs", "mask", "training", "return_attention_scores", "use_causal_mask"],
            vec![spec(sizes)],
            keywords,
        )
        .unwrap()
    };
    let calls = [args([5, 8], false), args([6, 8], false), args([5, 8], true)];
    let calls = calls.each_ref().map(|args| KerasCall { args, mask: None });
    let source = keras_layer(&object, true, &calls).unwrap();
    let expressions =
        ["{self}.forward(({0}, {1}))", "{self}.forward(({0}, {1}))", "{self}.at(1).forward(({0}, {1}))"];
    assert_eq!(source.calls, expressions);
    let way = |causal| {
        format!(
            "Call::on(Tree::list([Spec::batch([5, 8]), Spec::batch([7, 8])])).with_constant(\"use_causal_mask\", {causal})"
        )
    };
    let (one, other) = (way(false), way(true));
    let expected = format!("KerasLayer::init(Attention::new().trainable(false), {one}.or({other}), device)");
    assert_eq!(source.field.init, expected);
}

#[test]
fn nothing_of_a_file_gets_out_of_its_literal() {
    let text = "\"# ); std::process::exit(1); //\n\r\u{1F600}\"##";
    let object = json!({"module": "keras.layers", "class_name": "TextVectorization", "config": {"vocabulary": [text]}});
    let args = Args::one(Spec::new(vec![None], crate::config::Dtype::String));
    let source = keras_layer(&object, false, &[KerasCall { args: &args, mask: None }]).unwrap();
    assert!(source.field.init.contains(&format!("{text:?}")), "{}", source.field.init);
    let raw = super::raw(&json!({"a": text}));
    assert!(raw.starts_with("r###\"") && raw.ends_with("\"###") && raw.is_ascii(), "{raw}");
    assert_eq!(raw.matches("\"###").count(), 1);
}
