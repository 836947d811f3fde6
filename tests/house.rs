//! The rules of this house that no lint knows.

use std::path::{Path, PathBuf};

use burn_keras::layer::rows;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root().join("src")).unwrap().to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 30, "only {} sources", found.len());
    found
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > 650 {
            long.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            // What a trait only asks for has no lines of its own.
            if !head.starts_with("fn ") || head.ends_with(';') {
                continue;
            }
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == end).unwrap_or(0);
            if length > 80 {
                long.push(format!("{}:{}: a function of {length} lines", path.display(), start + 1));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// What each part may build on. A part may always use itself and `error`.
const LAYERS_OF_THE_HOUSE: &[(&str, &[&str])] = &[("file", &["limits"]), ("value", &["config"])];

#[test]
fn the_lower_parts_do_not_know_the_upper_ones() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some((part, allowed)) = LAYERS_OF_THE_HOUSE.iter().find(|(part, _)| path.starts_with(part))
        else {
            continue;
        };
        for line in text.lines().filter(|line| line.trim_start().starts_with("use crate::")) {
            let used = line.trim_start().trim_start_matches("use crate::");
            let fits = ["error", part].iter().chain(allowed.iter()).any(|known| used.starts_with(*known));
            if !fits && !used.starts_with('{') && !used.starts_with("by_rank") {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
        if *part == "file" && text.contains("burn::") {
            wrong.push(format!("{}: bytes know no tensors", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_layers_know_the_names_of_layers() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let models = ["Sequential", "Functional", "Model", "InputLayer"];
        if path.starts_with("layers")
            || path.starts_with("ops")
            || path.starts_with("versions")
            || path.starts_with("bin")
            || path.starts_with("store/adapter")
            || path.ends_with("tests.rs")
        {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for class in rows().flat_map(|row| row.classes).filter(|class| !models.contains(class)) {
                if line.contains(&format!("\"{class}\"")) {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn class_names_are_unique() {
    let mut classes: Vec<_> =
        rows().flat_map(|row| row.classes.iter().map(|class| format!("{class}{}", row.kind()))).collect();
    let count = classes.len();
    classes.sort_unstable();
    classes.dedup();
    assert_eq!(classes.len(), count, "a class has two rows");
}

/// Every kind of layer is in at least three fixtures, every operation in one.
#[test]
fn every_row_has_fixtures() {
    let manifest = std::fs::read_to_string(root().join("tests/fixtures/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let cases = manifest["cases"].as_array().unwrap();
    let count = |class: &str, operation: bool| {
        let class = if operation { format!("ops.{class}") } else { class.to_owned() };
        let has = |case: &&serde_json::Value| {
            case["classes"].as_array().unwrap().iter().any(|known| *known == class)
        };
        cases.iter().filter(has).count()
    };
    let mut bare = Vec::new();
    for row in rows() {
        let fewest = if row.operation { 1 } else { 3 };
        let found: usize = row.classes.iter().map(|class| count(class, row.operation)).sum();
        if found < fewest {
            bare.push(format!("{} is in {found} fixtures", row.classes[0]));
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}

/// Those that Keras 3 has, that is: what Keras 2 alone had can be read, but not made.
#[test]
fn every_kind_of_layer_can_be_made() {
    let aliases = std::fs::read_to_string(root().join("src/build/aliases.rs")).unwrap();
    let others = ["Functional", "Sequential", "InputLayer", "Lambda"];
    let of_keras_2 = [
        "CuDNNLSTM",
        "TFOpLambda",
        "SlicingOpLambda",
        "TensorFlowOpLayer",
        "CuDNNGRU",
        "ThresholdedReLU",
        "LocallyConnected1D",
        "LocallyConnected2D",
        "LayerScale",
        "StochasticDepth",
        "CustomScaleLayer",
    ];
    let bare: Vec<_> = rows()
        .filter(|row| !row.operation)
        .map(|row| row.classes[0])
        .filter(|class| !others.contains(class) && !of_keras_2.contains(class))
        .filter(|class| !aliases.contains(&format!("    {class} = ")))
        .collect();
    assert!(bare.is_empty(), "no alias in src/build/aliases.rs: {bare:?}");
}

/// The table is that of the program, and the README counts its lines.
#[test]
fn what_is_supported_is_listed() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let table = read("LAYERS.md");
    let listed: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let mut rows: Vec<_> = burn_keras::layer::rows().collect();
    rows.sort_by_key(|row| (row.operation, row.classes, row.kind()));
    let expected: Vec<String> = rows.iter().map(ToString::to_string).collect();
    assert_eq!(listed, expected, "put the output of `burn-keras layers --markdown` into LAYERS.md");
    let operations = rows.iter().filter(|row| row.operation).count();
    let count = format!("{} kinds of layers and {operations} operations", rows.len() - operations);
    assert!(read("README.md").contains(&count), "the README should say: {count}");
}

/// The example of a new layer is a real one.
#[test]
fn the_guide_shows_real_code() {
    let guide = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let sources = ["relu.rs", "mod.rs"]
        .map(|name| std::fs::read_to_string(root().join("src/layers").join(name)).unwrap());
    let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
    assert_eq!(blocks.len(), sources.len());
    for (block, source) in blocks.iter().zip(&sources) {
        let code = block.strip_prefix("rust\n").unwrap();
        assert!(source.contains(code.trim_end()), "{code}");
    }
}

/// The names and numbers of the README's section on safety are those of the tests.
#[test]
fn safety_is_counted() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let readme = read("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Safety\n")).unwrap();
    let listed: Vec<&str> =
        section.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`')).collect();
    let source = read("tests/vulnerabilities.rs");
    let tests = source.split("#[test]\nfn ").skip(1).map(|test| test.split('(').next().unwrap());
    // What is refused means something only where the harmless is not.
    let expected: Vec<&str> = tests.filter(|name| *name != "harmless_files_are_loaded").collect();
    assert_eq!(listed, expected);

    let constant = |source: &str, name: &str| {
        let source = read(source);
        let value = source.split(&format!("const {name}: usize = ")).nth(1).unwrap().split(';').next();
        value.unwrap().replace('_', "").parse::<usize>().unwrap()
    };
    let count = |folder: &str| std::fs::read_dir(root().join(folder)).unwrap().count();
    let targets = std::fs::read_dir(root().join("fuzz/corpus")).unwrap();
    let targets: Vec<_> = targets.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let corpus: usize = targets.iter().map(|target| count(&format!("fuzz/corpus/{target}"))).sum();
    let files = corpus + count("tests/fixtures/hostile") + count("tests/fixtures/hdf5");
    let mutations = targets.len() * constant("tests/fuzz_targets.rs", "MUTATIONS");
    let kills = constant("tests/kill.rs", "KILLS");
    let words = section.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        format!("{files} files of the corpus"),
        format!("then {mutations} damaged ones"),
        format!(
            "{kills} times for an archive, {kills} times for a directory and {kills} times for a legacy file"
        ),
    ] {
        assert!(words.contains(&expected), "the README should say: {expected}");
    }
}
