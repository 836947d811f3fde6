//! Times one thing that this crate does with one file beside what the disk and the memory take for the
//! same bytes, in turn; `benches/compare.py` asks for it and sets it beside real Keras in the same run.
//! Prints one JSON object.
//!
//! `cargo bench --bench keras -- index|load|first|save|predict FILE [BATCH]`

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use burn::tensor::{Device, TensorData};
use burn_keras::{KerasFile, KerasModel, Limits, PredictOptions, Value};

const REPEATS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").skip(1).collect();
    let Some((job, rest)) = arguments.split_first() else {
        eprintln!("nothing to time: see benches/compare.py");
        return;
    };
    let path = Path::new(&rest[0]);
    let device = Device::flex();
    let load = || KerasModel::load(path, &device).expect("a model");
    let copy = || drop(read(path));
    let (seconds, copy, peak) = match job.as_str() {
        "index" => measure(|| drop(KerasFile::open(path, &Limits::default()).expect("a file")), copy),
        "load" => measure(|| drop(load()), copy),
        "first" => {
            let x = ones(&load(), 1);
            measure(|| run(&load(), x.clone()), copy)
        }
        "save" => {
            let (model, target, bytes) = (load(), path.with_extension("saved.keras"), read(path));
            let times = measure(|| model.save(&target).expect("a saved model"), || write(&target, &bytes));
            std::fs::remove_file(target).expect("the saved model");
            times
        }
        "predict" => {
            let model = load();
            let x = ones(&model, rest[1].parse().expect("a batch size"));
            run(&model, x.clone());
            let (ten, ..) = measure(|| (0..10).for_each(|_| run(&model, x.clone())), || ());
            (ten / 10.0, f64::NAN, 0)
        }
        other => panic!("unknown job {other:?}"),
    };
    let copy = if copy.is_nan() { "null".into() } else { copy.to_string() };
    println!("{{\"seconds\": {seconds}, \"copy\": {copy}, \"peak\": {peak}}}");
}

/// The shortest of several runs of both, in seconds: what is left when nothing disturbs them. And the
/// most memory, in bytes, that the first of them takes beside what there was.
fn measure(mut ours: impl FnMut(), mut copy: impl FnMut()) -> (f64, f64, usize) {
    let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
    let peak = peak(&mut ours);
    for _ in 0..REPEATS {
        best = best.min(seconds(&mut ours));
        least = least.min(seconds(&mut copy));
    }
    (best, least, peak)
}

/// How much the memory of this process grows meanwhile, looked at every so often; without what of a file is
/// mapped into it.
fn peak(run: &mut impl FnMut()) -> usize {
    let before = memory();
    thread::scope(|scope| {
        let (done, end) = channel::<()>();
        let watch = scope.spawn(move || {
            let mut most = before;
            while end.recv_timeout(Duration::from_micros(500)) == Err(RecvTimeoutError::Timeout) {
                most = most.max(memory());
            }
            most
        });
        run();
        drop(done);
        watch.join().expect("a number").saturating_sub(before)
    })
}

/// The pages of this process that are no file's, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

fn seconds(run: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the file")
}

/// What saving has to do at the least: the bytes, their checksum, and both on the disk.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).expect("the bytes");
    file.write_all(&crc32fast::hash(bytes).to_le_bytes()).expect("the checksum");
    file.sync_all().expect("the bytes on the disk");
}

fn ones(model: &KerasModel, batch: usize) -> Value {
    let mut shape: Vec<usize> = model.inputs()[0].shape.iter().map(|size| size.unwrap_or(1)).collect();
    shape[0] = batch;
    Value::from_data(TensorData::ones::<f32, _>(shape), &Device::flex()).expect("an input")
}

fn run(model: &KerasModel, x: Value) {
    let options = PredictOptions { batch_size: x.shape()[0], ..PredictOptions::default() };
    drop(model.predict_with(x, options).expect("outputs").single().expect("one").into_data());
}
