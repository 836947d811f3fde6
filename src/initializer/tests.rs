use super::*;
use crate::config::Class;

fn sample(initializer: &Initializer, shape: &[usize], seed: u64) -> Vec<f64> {
    let data = initializer.sample(shape, &mut StdRng::seed_from_u64(seed)).unwrap();
    data.as_slice::<f32>().unwrap().iter().map(|x| f64::from(*x)).collect()
}

fn moments(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    (mean, numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count)
}

/// A window of 5 by 4, 6 channels in, 50 out: 120 connections in and 1000 out.
const SHAPE: [usize; 4] = [5, 4, 6, 50];

#[test]
fn variances_are_as_designed() {
    let scaled =
        |mode, distribution| VarianceScaling { scale: 3.0, mode, distribution, ..Default::default() };
    let axes = VarianceScaling {
        input_axes: Some(vec![0, -1]),
        output_axes: Some(vec![1]),
        ..VarianceScaling::default()
    };
    for (initializer, variance, bound) in [
        ("glorot_uniform".into(), 1.0 / 560.0, (3.0_f64 / 560.0).sqrt()),
        ("glorot_normal".into(), 1.0 / 560.0, 2.0 / 560.0_f64.sqrt() / TRUNCATED),
        ("he_uniform".into(), 2.0 / 120.0, (6.0_f64 / 120.0).sqrt()),
        ("he_normal".into(), 2.0 / 120.0, (8.0_f64 / 120.0).sqrt() / TRUNCATED),
        ("lecun_uniform".into(), 1.0 / 120.0, (3.0_f64 / 120.0).sqrt()),
        ("lecun_normal".into(), 1.0 / 120.0, 2.0 / 120.0_f64.sqrt() / TRUNCATED),
        (scaled(FanMode::FanOut, Draw::Uniform).into(), 3.0 / 1000.0, (9.0_f64 / 1000.0).sqrt()),
        (scaled(FanMode::FanAvg, Draw::UntruncatedNormal).into(), 3.0 / 560.0, f64::INFINITY),
        (scaled(FanMode::FanIn, Draw::Normal).into(), 3.0 / 120.0, (12.0_f64 / 120.0).sqrt() / TRUNCATED),
        (axes.into(), 1.0 / 250.0, 2.0 / 250.0_f64.sqrt() / TRUNCATED),
        ("normal".into(), 0.0025, f64::INFINITY),
        ("TruncatedNormal".into(), 0.0025 * TRUNCATED * TRUNCATED, 0.1),
        ("uniform".into(), 0.0025 / 3.0, 0.05),
    ] {
        let numbers = sample(&initializer, &SHAPE, 1);
        let (mean, found) = moments(&numbers);
        let name = initializer.write();
        assert!((found / variance - 1.0).abs() < 0.05, "{name}: {found} is not {variance}");
        assert!(mean.abs() < 0.05 * variance.sqrt(), "{name}: {mean}");
        let largest = numbers.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        assert!(largest <= bound + 1e-7, "{name}: {largest} is beyond {bound}");
        assert!(bound.is_infinite() || largest > 0.95 * bound, "{name}: {largest} is far from {bound}");
    }
}

#[test]
fn means_and_bounds_are_kept() {
    let normal = RandomNormal { mean: 3.0, stddev: 0.5, ..RandomNormal::default() };
    assert!((moments(&sample(&normal.into(), &SHAPE, 1)).0 - 3.0).abs() < 0.05);
    let uniform = RandomUniform { minval: 1.0, maxval: 2.0, ..RandomUniform::default() };
    assert!(sample(&uniform.into(), &SHAPE, 1).iter().all(|x| (1.0..=2.0).contains(x)));
}

#[test]
fn orthogonal_matrices_are_orthogonal() {
    for (shape, rows, columns) in [
        (vec![7, 4], 7, 4),
        (vec![4, 7], 4, 7),
        (vec![3, 2, 5], 6, 5),
        (vec![2, 1, 9], 2, 9),
        (vec![5, 5], 5, 5),
    ] {
        let matrix = sample(&Orthogonal { gain: 2.0, ..Orthogonal::default() }.into(), &shape, 3);
        let at = |row: usize, column: usize| matrix[row * columns + column];
        let by_rows = rows <= columns;
        let (few, many) = (rows.min(columns), rows.max(columns));
        for one in 0..few {
            for other in 0..few {
                let terms = (0..many).map(|k| match by_rows {
                    true => at(one, k) * at(other, k),
                    false => at(k, one) * at(k, other),
                });
                let expected = if one == other { 4.0 } else { 0.0 };
                assert!((terms.sum::<f64>() - expected).abs() < 1e-5, "{shape:?}");
            }
        }
    }
}

#[test]
fn seeds_repeat() {
    let seeded: Initializer = GlorotUniform { seed: Seed::from(4), ..GlorotUniform::default() }.into();
    assert_eq!(sample(&seeded, &[3, 4], 1), sample(&seeded, &[3, 4], 2));
    let free = Initializer::from("glorot_uniform");
    assert_eq!(sample(&free, &[3, 4], 1), sample(&free, &[3, 4], 1));
    assert_ne!(sample(&free, &[3, 4], 1), sample(&free, &[3, 4], 2));
    let generator = serde_json::json!({
        "class_name": "SeedGenerator", "config": {"name": "seed_generator", "seed": 7}, "module": "keras.random",
    });
    assert_eq!(Seed(generator).number(), Some(7));
    assert_eq!(Seed(serde_json::json!(-1)).number(), Some(u64::MAX));
}

#[test]
fn every_name_of_keras_is_known() {
    for (name, class) in [
        ("zeros", "Zeros"),
        ("zero", "Zeros"),
        ("one", "Ones"),
        ("constant", "Constant"),
        ("random_normal", "RandomNormal"),
        ("normal", "RandomNormal"),
        ("truncated_normal", "TruncatedNormal"),
        ("random_uniform", "RandomUniform"),
        ("variance_scaling", "VarianceScaling"),
        ("lecun_normal", "LecunNormal"),
        ("he_uniform", "HeUniform"),
        ("orthogonal", "Orthogonal"),
        ("OrthogonalInitializer", "Orthogonal"),
        ("stft", "STFT"),
    ] {
        let initializer = Initializer::from(name);
        assert_eq!(initializer.get().unwrap().map(Class::class), Some(class), "{name}");
        assert_eq!(initializer.write()["class_name"], class);
        assert_eq!(Initializer::of(&name.into()).write(), name);
    }
}

#[test]
fn what_is_not_of_keras_is_kept_until_it_is_asked_for() {
    let rng = &mut StdRng::seed_from_u64(1);
    let mine = serde_json::json!({
        "module": "mine", "class_name": "HeNormal", "config": {}, "registered_name": "mine>HeNormal",
    });
    let function = serde_json::json!({"class_name": "function", "config": "mine", "module": "builtins"});
    let newer = serde_json::json!({"class_name": "HeNormal", "config": {"temperature": 3.0}});
    for (json, part) in [
        (mine, "the initializer"),
        (function, "the initializer"),
        (newer, "HeNormal.temperature: unknown key"),
        ("he_nromal".into(), "did you mean"),
    ] {
        let initializer = Initializer::of(&json);
        assert_eq!(initializer.write(), json);
        let error = initializer.sample(&[2, 2], rng).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    for (initializer, shape, part) in [
        ("identity", &[2, 2, 2][..], "rank 2"),
        ("orthogonal", &[4], "two axes"),
        ("stft", &[4, 2, 3], "[frame, 1, frequencies]"),
    ] {
        let error = Initializer::from(initializer).sample(shape, rng).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
