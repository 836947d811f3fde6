//! Times one thing that this crate does with one file; `benches/compare.py` asks for it and sets it
//! beside real Keras in the same run. Prints one JSON object.
//!
//! `cargo bench --bench keras -- load|save|predict FILE [BATCH]`

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use burn::tensor::{Device, TensorData};
use burn_keras::{KerasModel, PredictOptions, Value};

const REPEATS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").skip(1).collect();
    let Some((job, rest)) = arguments.split_first() else {
        eprintln!("nothing to time: see benches/compare.py");
        return;
    };
    let path = Path::new(&rest[0]);
    let device = Device::flex();
    let (ours, copy) = match job.as_str() {
        "load" => {
            (best(|| drop(KerasModel::load(path, &device).expect("a model"))), best(|| drop(read(path))))
        }
        "save" => {
            let model = KerasModel::load(path, &device).expect("a model");
            let (target, bytes) = (path.with_extension("saved.keras"), read(path));
            let ours = best(|| model.save(&target).expect("a saved model"));
            let copy = best(|| write(&target, &bytes));
            std::fs::remove_file(target).expect("the saved model");
            (ours, copy)
        }
        "predict" => (predict(path, &device, rest[1].parse().expect("a batch size")), f64::NAN),
        other => panic!("unknown job {other:?}"),
    };
    let before = anonymous();
    let held = KerasModel::load(path, &device).expect("a model");
    let memory = anonymous().saturating_sub(before);
    drop(held);
    println!("{{\"seconds\": {ours}, \"copy\": {}, \"memory\": {memory}}}", json(copy));
}

fn json(number: f64) -> String {
    if number.is_nan() { "null".into() } else { number.to_string() }
}

/// The shortest of several runs, in seconds: what is left when nothing disturbs it.
fn best(mut run: impl FnMut()) -> f64 {
    let times = (0..REPEATS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the file")
}

fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).and_then(|()| file.sync_all()).expect("the bytes on disk");
}

fn predict(path: &Path, device: &Device, batch: usize) -> f64 {
    let model = KerasModel::load(path, device).expect("a model");
    let mut shape: Vec<usize> = model.inputs()[0].shape.iter().map(|size| size.unwrap_or(1)).collect();
    shape[0] = batch;
    let x = Value::from_data(TensorData::ones::<f32, _>(shape), device).expect("an input");
    let run = || {
        let options = PredictOptions { batch_size: batch, ..PredictOptions::default() };
        drop(model.predict_with(x.clone(), options).expect("outputs").single().expect("one").into_data());
    };
    run();
    best(|| (0..10).for_each(|_| run())) / 10.0
}

/// The memory that is this process' own and no mapping of a file, in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
