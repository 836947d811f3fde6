//! What is done with the bytes of a fuzzer: by `cargo fuzz` for as long as one likes, and by
//! `tests/fuzz_targets.rs` for a fixed number of times. Nothing here may panic, whatever the bytes are.

#![allow(dead_code, reason = "every test uses another part of it")]

use std::io::{Cursor, Read, Write};

use burn::tensor::{Device, TensorData};
use burn_keras::config::Dtype;
use burn_keras::layer::Registry;
use burn_keras::{KerasFile, KerasModel, KerasWeights, Limits, LoadOptions, Value};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Weights of a `Dense(5)` that takes 7 numbers.
const WEIGHTS: &[u8] = include_bytes!("../tests/fixtures/hostile/nothing.h5");

/// Those of a small machine, so that what goes beyond them shows.
pub fn limits() -> Limits {
    Limits {
        expansion: 100,
        expansion_floor: 1 << 20,
        fresh_bytes: 1 << 22,
        activation: 1 << 20,
        ..Limits::default()
    }
}

/// A container: its members, its documents, the index of its variables.
pub fn archive(bytes: &[u8]) {
    if let Ok(file) = KerasFile::from_bytes(bytes.to_vec(), &limits()) {
        look_at(&file);
    }
}

/// An HDF5 file: its tree and all of its data.
pub fn hdf5(bytes: &[u8]) {
    let _ = burn_keras::read_hdf5(bytes.to_vec().into(), &limits());
}

/// A `config.json`.
pub fn config(bytes: &[u8]) {
    let members =
        [("config.json".to_owned(), bytes.to_vec()), ("model.weights.h5".to_owned(), WEIGHTS.to_vec())];
    if let Ok(file) = KerasFile::from_bytes(pack(&members), &limits()) {
        look_at(&file);
    }
}

/// A whole model: what loads is run and saved, too. A SavedModel comes in an archive of its files.
pub fn load(bytes: &[u8]) {
    let options = LoadOptions::new().limits(limits());
    let is_folder = |members: &Members| members.iter().any(|(name, _)| name == "saved_model.pb");
    let model = match unpack(bytes).filter(is_folder) {
        Some(members) => {
            let folder = spread(&members);
            options.load(folder.path(), &Device::flex())
        }
        None => options.from_bytes(bytes.to_vec(), &Device::flex()),
    };
    if let Ok(model) = model {
        run(&model);
        let _ = model.save_to_bytes();
    }
}

/// Weights in a `.safetensors` file.
pub fn safetensors(bytes: &[u8]) {
    weights_alone(&[("model.safetensors".to_owned(), bytes.to_vec())]);
}

/// Weights in a `.bpk` file of Burn's.
pub fn burnpack(bytes: &[u8]) {
    weights_alone(&[("model.bpk".to_owned(), bytes.to_vec())]);
}

/// Weights in several files. They come in an archive, their index first.
pub fn shards(bytes: &[u8]) {
    if let Some(members) = unpack(bytes) {
        weights_alone(&members);
    }
}

/// Reads all that the first file leads to, and writes it again.
fn weights_alone(members: &[(String, Vec<u8>)]) {
    let folder = spread(members);
    let path = |(name, _): &(String, Vec<u8>)| folder.path().join(name);
    let Some(path) = members.first().map(path).filter(|path| path.is_file()) else { return };
    let _ = KerasFile::open(&path, &limits());
    if let Ok(weights) = KerasWeights::open(&path, &limits()) {
        weights.datasets().for_each(|tensor| drop(weights.read(&tensor.path)));
        let _ = weights.save(&path);
    }
}

/// The members as files of a folder.
fn spread(members: &[(String, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let is_safe =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    for (name, bytes) in members {
        let path = folder.path().join(name);
        if !name.contains("..") && !name.starts_with('/') && name.split('/').all(is_safe) {
            let _ =
                std::fs::create_dir_all(path.parent().unwrap()).and_then(|()| std::fs::write(path, bytes));
        }
    }
    folder
}

fn look_at(file: &KerasFile) {
    let registry = Registry::new();
    let _ = (file.name(), file.keras_version(), file.members().count(), file.datasets().count());
    let _ = file.check(&registry);
    let _ = file.summary(&registry).map(|summary| summary.to_string());
}

/// What loads must also run, or say why not.
pub fn run(model: &KerasModel) {
    let device = Device::flex();
    let inputs = model.inputs().into_iter().map(|spec| {
        let shape: Vec<usize> = spec.shape.iter().map(|size| size.unwrap_or(2)).collect();
        // An input as large as a hostile file asks for is the caller's to make, not ours.
        let size = shape.iter().map(|size| *size as u64).product::<u64>();
        let value = || match spec.dtype {
            Dtype::String => Value::from_strings(vec!["the cat"; size as usize], &shape, &device),
            _ => Value::from_data(TensorData::zeros::<f32, _>(shape.clone()), &device),
        };
        (size < 1 << 20).then(|| value().unwrap())
    });
    if let Some(inputs) = inputs.collect::<Option<Vec<_>>>() {
        let _ = model
            .predict(inputs)
            .map(|outputs| outputs.into_iter().for_each(|(_, value)| drop(value.into_data())));
    }
}

/// Files by name.
pub type Members = Vec<(String, Vec<u8>)>;

/// The members of a sound archive.
pub fn unpack(bytes: &[u8]) -> Option<Members> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).ok()?;
        let name = member.name().ok()?.into_owned();
        let mut bytes = Vec::new();
        member.by_ref().take(1 << 24).read_to_end(&mut bytes).ok()?;
        members.push((name, bytes));
    }
    Some(members)
}

/// An archive of these members.
pub fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The same archive with another member: a change of its own bytes would be found by the checksum.
pub fn with_changed_member(
    bytes: &[u8],
    which: usize,
    change: impl FnOnce(&str, &mut Vec<u8>),
) -> Option<Vec<u8>> {
    let mut members = unpack(bytes)?;
    let index = which.checked_rem(members.len())?;
    let (name, member) = &mut members[index];
    change(name, member);
    Some(pack(&members))
}
