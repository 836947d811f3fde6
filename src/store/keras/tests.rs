use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use rayon::prelude::*;

use super::*;
use crate::keras_file::WEIGHTS;
use crate::model::KerasModel;
use crate::weights::present;

type Tensors = BTreeMap<String, TensorData>;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn open(path: &Path) -> Result<KerasSide> {
    KerasSide::open(Place::Path(path), None, &Registry::default(), &Limits::default())
}

fn open_with(path: &Path, model: &KerasFile) -> Result<KerasSide> {
    KerasSide::open(Place::Path(path), Some(model), &Registry::default(), &Limits::default())
}

fn open_bytes(bytes: impl Into<Bytes>) -> Result<KerasSide> {
    KerasSide::open(Place::Bytes(bytes.into()), None, &Registry::default(), &Limits::default())
}

/// All that a file has for the variables of its layers.
fn tensors(side: &KerasSide) -> Tensors {
    let variables = side.units().iter().flat_map(|unit| &unit.variables);
    let tensors = variables.map(|variable| {
        let data = side.read(&variable.place).unwrap();
        assert_eq!(data.shape().to_vec(), variable.shape, "{}", variable.place);
        (variable.place.clone(), data)
    });
    tensors.collect()
}

/// What a model really has, by the places of its variables.
fn truth(model: &KerasModel) -> Tensors {
    let store = present(model).unwrap();
    let places = model.origin().description.variables.iter().map(Variable::dataset);
    places.map(|place| (place.clone(), numbers(&store.tensors[&place]).unwrap())).collect()
}

/// Puts the same numbers in place of all variables.
fn rewrite(side: &mut KerasSide, numbers: &Tensors) {
    for (place, data) in numbers {
        let data = data.clone();
        side.replace(place, move || Ok(data.clone())).unwrap();
    }
}

/// Other numbers of the same type and shape.
fn others(tensors: &Tensors) -> Tensors {
    let other = |data: &TensorData| {
        let mut bytes = data.as_bytes().to_vec();
        bytes.reverse();
        let shape = data.shape().to_vec();
        let back = TensorData::from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes), shape, data.dtype());
        assert_eq!(back.dtype(), data.dtype());
        back
    };
    tensors.iter().map(|(place, data)| (place.clone(), other(data))).collect()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path, ending)),
            false if path.to_str().unwrap().ends_with(ending) => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// Every fixture of a whole model that this crate loads.
fn archives() -> Vec<PathBuf> {
    let all = files(&fixtures(), ".keras").into_iter();
    all.filter(|path| !path.to_str().unwrap().contains("hostile")).collect()
}

#[test]
fn every_archive_opens_as_layers_and_is_written_again() {
    let archives = archives();
    let counts = archives.par_iter().map(|path| {
        let name = path.display();
        let Ok(file) = KerasFile::open(path, &Limits::default()) else { return 0 };
        let Ok(found) = file.describe(&Registry::default(), false) else { return 0 };
        let mut side = open(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let before = tensors(&side);
        assert!(side.is_ordered() && side.undescribed().is_none());
        assert_eq!(before.len(), found.description.variables.iter().count(), "{name}");
        if before.is_empty() {
            return 0;
        }
        let now = others(&before);
        rewrite(&mut side, &now);
        assert_eq!(tensors(&side), now, "{name}");
        let bytes = side.to_bytes().unwrap();
        assert_eq!(tensors(&open_bytes(bytes.clone()).unwrap()), now, "{name}");
        let again = KerasFile::from_bytes(bytes, &Limits::default()).unwrap();
        for member in file.members().filter(|member| *member != WEIGHTS) {
            assert_eq!(
                again.archive.read(member).unwrap(),
                file.archive.read(member).unwrap(),
                "{name} {member}"
            );
        }
        assert!(file.members().eq(again.members()), "{name}");
        1
    });
    let count: usize = counts.sum();
    assert!(count > 700, "only {count} archives with variables");
}

/// The weights of an archive alone are the same layers: what is said of them is true, or is not said.
#[test]
fn groups_alone_tell_nothing_wrong() {
    let archives = archives();
    let counts = archives.par_iter().map(|path| {
        let name = path.display();
        let Ok(side) = open(path) else { return [0; 3] };
        let file = KerasFile::open(path, &Limits::default()).unwrap();
        let bytes = file.archive.read(WEIGHTS).unwrap().unwrap();
        let expected = tensors(&side);
        let Ok(bare) = open_bytes(bytes) else {
            assert!(expected.is_empty(), "{name}");
            return [0; 3];
        };
        let mut counts = [0; 3];
        let described: BTreeMap<&str, (&KerasUnit, &str)> = side
            .units()
            .iter()
            .flat_map(|unit| {
                unit.variables.iter().map(move |it| (it.place.as_str(), (unit, it.name.as_str())))
            })
            .collect();
        for unit in bare.units() {
            for it in &unit.variables {
                let Some((known, called)) = described.get(it.place.as_str()) else { continue };
                counts[0] += 1;
                if unit.class == known.class && unit.path == known.path {
                    counts[1] += 1;
                } else {
                    eprintln!("{name}: {} {} is {} {}", unit.path, unit.class, known.path, known.class);
                }
                let last = |name: &str| name.rsplit('.').next().unwrap().to_owned();
                match last(&it.name).parse::<usize>() {
                    Ok(_) => {}
                    Err(_) => {
                        assert_eq!(last(&it.name), last(called), "{name}: {}", it.place);
                        counts[2] += 1;
                    }
                }
            }
        }
        counts
    });
    let counts = counts.reduce(|| [0; 3], |a, b| std::array::from_fn(|at| a[at] + b[at]));
    eprintln!("{counts:?}");
}
