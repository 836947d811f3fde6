//! Times training: a step of `fit`, or what checkpoints add to it; `benches/train.py` asks for it and sets it
//! beside real Keras in the same run. Prints one JSON object.
//!
//! `cargo bench --bench train -- step|checkpoint FILE BATCH STEPS`

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use burn::tensor::{Device, TensorData};
use burn_keras::callback::{LambdaCallback, ModelCheckpoint, Queue};
use burn_keras::train::Fit;
use burn_keras::{KerasModel, Value};

/// The first one warms up, and does not count.
const EPOCHS: usize = 4;
const ROUNDS: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").skip(1).collect();
    let [job, path, batch, steps] = arguments.as_slice() else {
        eprintln!("nothing to time: see benches/train.py");
        return;
    };
    let number = |text: &String| text.parse::<usize>().expect("a number");
    let (path, batch, steps) = (Path::new(path), number(batch), number(steps));
    let target = path.with_extension("checkpoint.keras");
    let checkpoint = || ModelCheckpoint::new(&target).monitor("loss");
    let times = match job.as_str() {
        "step" => vec![("seconds", epoch(path, batch, steps, |fit| fit) / steps as f64)],
        "checkpoint" => {
            let run = |way: usize| match way {
                0 => epoch(path, batch, steps, |fit| fit),
                1 => epoch(path, batch, steps, |fit| fit.callback(checkpoint())),
                _ => {
                    epoch(path, batch, steps, |fit| fit.callback(checkpoint().background(Queue::NewestWins)))
                }
            };
            // In turn, so that what else the machine does meets all of them.
            let mut best = [f64::INFINITY; 3];
            for way in (0..3).cycle().take(3 * ROUNDS) {
                best[way] = best[way].min(run(way));
            }
            ["plain", "waits", "background"].into_iter().zip(best).collect()
        }
        other => panic!("unknown job {other:?}"),
    };
    let _ = std::fs::remove_file(target);
    let times: Vec<String> = times.iter().map(|(name, seconds)| format!("\"{name}\": {seconds}")).collect();
    println!("{{{}}}", times.join(", "));
}

/// The seconds of the shortest epoch, from the beginning of one to that of the next.
fn epoch(path: &Path, batch: usize, steps: usize, with: impl Fn(Fit) -> Fit) -> f64 {
    let device = Device::flex();
    let mut model = KerasModel::load(path, &device).expect("a model");
    let examples = batch * steps;
    let shape: Vec<usize> = model.inputs()[0].shape[1..].iter().map(|size| size.expect("a size")).collect();
    let width: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..examples * width).map(|at| (at as f32 * 0.37).sin()).collect();
    let x = TensorData::new(numbers, [vec![examples], shape].concat());
    let y = TensorData::new((0..examples).map(|at| (at % 10) as i32).collect(), [examples]);
    let times = Arc::new(Mutex::new(Vec::new()));
    let note = |times: &Arc<Mutex<Vec<Instant>>>| times.lock().expect("times").push(Instant::now());
    let (begins, ends) = (times.clone(), times.clone());
    let clock = LambdaCallback::new()
        .on_epoch_begin(move |_| {
            note(&begins);
            Ok(())
        })
        .on_train_end(move |_, _| {
            note(&ends);
            Ok(())
        });
    let fit = with(Fit::new().epochs(EPOCHS).batch_size(batch).shuffle(false).callback(clock));
    let value = |data| Value::from_data(data, &device).expect("a value");
    model.fit(value(x), value(y), fit).expect("a training");
    let times = times.lock().expect("times");
    let epochs = times.windows(2).skip(1).map(|pair| (pair[1] - pair[0]).as_secs_f64());
    epochs.fold(f64::INFINITY, f64::min)
}
