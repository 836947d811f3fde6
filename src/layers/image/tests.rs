//! What random changes of images do in training.

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value as Json, json};

use crate::config::{DataFormat, Dtype};
use crate::image::Layout;
use crate::image::sample::{Continuation, FillMode, Sampling};
use crate::layer::{Args, Context, Spec, Tree};
use crate::layers::testing::{build, read};
use crate::value::Value;

/// What a layer makes of images in training, `[batch, height, width, channels]`.
fn train(class: &str, config: &Json, images: Tensor<4>) -> TensorData {
    let spec = Spec::new(images.dims().iter().copied().map(Some).collect(), Dtype::Float32);
    let config = read(class, config);
    config.outputs(&Args::one(spec.clone())).unwrap();
    let layer = build(&*config, &Args::one(spec), &images.device()).unwrap();
    let cx = Context { training: Some(true) };
    layer.call(Args::one(images.into()), &cx).unwrap().into_leaves().remove(0).into_data()
}

/// Images whose values are all over the place, from 0 to 1.
fn images(batch: usize, height: usize, width: usize) -> Tensor<4> {
    let count = batch * height * width * 3;
    let values: Vec<f32> = (0..count).map(|at| (at * 37 % 101) as f32 / 100.0).collect();
    Tensor::from_data(TensorData::new(values, [batch, height, width, 3]), &Device::flex())
}

fn values(data: &TensorData) -> Vec<f32> {
    data.as_slice::<f32>().unwrap().to_vec()
}

fn differ(a: &[f32], b: &[f32]) -> bool {
    assert_eq!(a.len(), b.len());
    !a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5)
}

#[test]
fn without_chance_they_do_what_keras_does() {
    let cases: Json =
        serde_json::from_str(include_str!("../../../tests/fixtures/augmentation.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let class = case["class"].as_str().unwrap();
        let got = train(class, &case["config"], images(2, 3, 3));
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        let expected: Vec<f32> = serde_json::from_value(case["values"].clone()).unwrap();
        assert_eq!(got.shape().to_vec(), shape, "{class}");
        assert!(!differ(&values(&got), &expected), "{class} {}: {got}", case["config"]);
    }
}

/// The images of a batch, one after the other.
fn each(data: &TensorData) -> Vec<Vec<f32>> {
    let size: usize = data.shape().iter().skip(1).product();
    values(data).chunks(size).map(<[f32]>::to_vec).collect()
}

/// Whether every image is one of two, and both turn up.
fn either(got: &TensorData, one: Tensor<4>, other: Tensor<4>) -> bool {
    let (one, other) = (each(&one.into_data()), each(&other.into_data()));
    let mut seen = [false; 2];
    for (at, image) in each(got).iter().enumerate() {
        match (differ(image, &one[at]), differ(image, &other[at])) {
            (false, _) => seen[0] = true,
            (true, false) => seen[1] = true,
            (true, true) => return false,
        }
    }
    seen == [true; 2]
}

#[test]
fn half_of_the_images_are_flipped() {
    let x = images(40, 3, 4);
    for (mode, axes) in [("horizontal", &[2][..]), ("vertical", &[1]), ("horizontal_and_vertical", &[1, 2])] {
        let got = train("RandomFlip", &json!({"mode": mode}), x.clone());
        let flipped = axes.iter().fold(x.clone(), |x, axis| x.flip([*axis]));
        assert!(either(&got, x.clone(), flipped), "{mode}");
    }
}

#[test]
fn images_are_slanted_either_way() {
    let x = images(40, 4, 5);
    let config = json!({"x_factor": [0.3, 0.3], "y_factor": [0.2, 0.2], "fill_mode": "constant"});
    let got = train("RandomShear", &config, x.clone());
    let outside = Continuation { sampling: Sampling::Bilinear, mode: FillMode::Constant, value: 0.0 };
    let layout = Layout::of_value(&Value::from(x.clone()), None).unwrap();
    let slanted = |sign: f32| {
        let rows = [1.0, 0.3 * sign, 0.0, 0.2 * sign, 1.0, 0.0, 0.0, 0.0].repeat(40);
        let transforms = Tensor::from_data(TensorData::new(rows, [40, 8]), &x.device());
        let y = outside.affine(layout.take(x.clone().into()).unwrap(), transforms);
        layout.give(y).unwrap().float::<4>().unwrap()
    };
    assert!(either(&got, slanted(1.0), slanted(-1.0)));
}

#[test]
fn some_images_are_chosen() {
    let x = images(60, 2, 2);
    let negative = -x.clone() + 1.0;
    let config = json!({"factor": [0.5, 0.5], "value_range": [0, 1]});
    assert!(either(&train("RandomInvert", &config, x.clone()), x.clone(), negative));
    for (class, config) in
        [("RandomInvert", json!({"factor": 0.0})), ("RandomGrayscale", json!({"factor": 0.0}))]
    {
        assert!(
            !differ(&values(&train(class, &config, x.clone())), &values(&x.clone().into_data())),
            "{class}"
        );
    }
}

#[test]
fn changes_stay_within_their_factors() {
    let x = images(50, 2, 3);
    let before = each(&x.clone().into_data());
    let brighter =
        train("RandomBrightness", &json!({"factor": [-0.2, 0.3], "value_range": [-5, 5]}), x.clone());
    let mut changes = Vec::new();
    for (image, before) in each(&brighter).iter().zip(&before) {
        let change = image[0] - before[0];
        assert!((-2.0..=3.0).contains(&change), "{change}");
        assert!(image.iter().zip(before).all(|(a, b)| (a - b - change).abs() < 1e-5));
        changes.push(change);
    }
    let spread = |values: &[f32]| {
        values.iter().copied().fold(f32::MIN, f32::max) - values.iter().copied().fold(f32::MAX, f32::min)
    };
    assert!(spread(&changes) > 3.0, "{changes:?}");

    // A change of contrast keeps the mean.
    let contrast = train("RandomContrast", &json!({"factor": [0.4, 0.4], "value_range": [-5, 5]}), x.clone());
    for (image, before) in each(&contrast).iter().zip(&before) {
        let sum = |image: &[f32]| image.iter().sum::<f32>();
        assert!((sum(image) - sum(before)).abs() < 1e-4);
        let factor = (image[0] - image[3]) / (before[0] - before[3]);
        assert!((0.6..=1.4).contains(&factor), "{factor}");
    }

    let bits = train("RandomPosterization", &json!({"factor": [1, 3], "value_range": [0, 1]}), x);
    let levels = |image: &Vec<f32>| {
        let mut levels: Vec<i64> = image.iter().map(|x| (x * 255.0).round() as i64).collect();
        levels.sort_unstable();
        levels.dedup();
        levels
    };
    assert!(each(&bits).iter().all(|image| levels(image).iter().all(|level| level % 64 == 0)));
    assert!(each(&bits).iter().any(|image| levels(image).iter().any(|level| level % 128 != 0)));
}

#[test]
fn a_crop_is_a_window() {
    let x = images(2, 6, 7);
    let got = train("RandomCrop", &json!({"height": 3, "width": 4}), x.clone());
    let windows = (0..=3).flat_map(|top| (0..=3).map(move |left| (top, left)));
    let found = windows.filter(|(top, left)| {
        let window = x.clone().narrow(1, *top, 3).narrow(2, *left, 4);
        !differ(&values(&window.into_data()), &values(&got))
    });
    assert_eq!(found.count(), 1);
}

#[test]
fn blends_are_of_two_images() {
    let x = images(6, 3, 3);
    let originals = each(&x.clone().into_data());
    for (at, image) in each(&train("MixUp", &json!({"alpha": 0.8}), x.clone())).iter().enumerate() {
        let blends = originals.iter().any(|other| {
            let (own, parts) = (&originals[at], (0..27).filter(|p| originals[at][*p] != other[*p]));
            let weights: Vec<f32> = parts.map(|p| (image[p] - other[p]) / (own[p] - other[p])).collect();
            weights
                .iter()
                .all(|weight| (weight - weights[0]).abs() < 1e-3 && (-1e-3..=1.001).contains(weight))
        });
        assert!(blends, "image {at}");
    }
    for (at, image) in each(&train("CutMix", &json!({"factor": [1.0, 1.0]}), x)).iter().enumerate() {
        let pasted = originals.iter().any(|other| {
            image.iter().zip(&originals[at]).zip(other).all(|((x, own), other)| x == own || x == other)
        });
        assert!(pasted, "image {at}");
    }
}

#[test]
fn a_part_of_an_image_is_erased() {
    let x = images(30, 8, 9);
    let config =
        json!({"factor": [1.0, 1.0], "scale": [0.25, 0.25], "fill_value": 7.0, "value_range": [0, 9]});
    for (image, before) in each(&train("RandomErasing", &config, x.clone())).iter().zip(each(&x.into_data()))
    {
        let erased = image.iter().filter(|x| **x == 7.0).count();
        assert!((3 * 4 * 3..=5 * 5 * 3).contains(&erased), "{erased}");
        assert!(image.iter().zip(&before).all(|(x, before)| *x == 7.0 || x == before));
    }
}

#[test]
fn distortions_stay_in_the_range_and_near_the_image() {
    let x = images(4, 12, 12);
    let range = json!([0, 1]);
    for (class, config) in [
        ("RandomElasticTransform", json!({"factor": [1, 1], "scale": [0.8, 0.8], "value_range": range})),
        ("RandomPerspective", json!({"factor": [1, 1], "scale": 0.3})),
        ("RandAugment", json!({"value_range": range, "num_ops": 6})),
        ("AugMix", json!({"value_range": range, "alpha": 0.7})),
    ] {
        let got = values(&train(class, &config, x.clone()));
        assert!(got.iter().all(|x| (-1e-5..=1.00001).contains(x)), "{class}");
        assert!(differ(&got, &values(&x.clone().into_data())), "{class}");
    }
}

#[test]
fn channels_may_come_first() {
    let x = images(3, 4, 5);
    let config = |format: DataFormat| {
        let format = crate::config::Field::write(&format);
        json!({"factor": [0.15, 0.15], "data_format": format})
    };
    let last = train("RandomRotation", &config(DataFormat::ChannelsLast), x.clone());
    let first = train("RandomRotation", &config(DataFormat::ChannelsFirst), x.permute([0, 3, 1, 2]));
    let first = Tensor::<4>::from_data(first, &Device::flex()).permute([0, 2, 3, 1]).into_data();
    assert!(!differ(&values(&last), &values(&first)));
}

#[test]
fn what_keras_refuses_or_what_cannot_be_done_is_named() {
    let (n, s) = (None, Some);
    for (class, config, shape, message) in [
        (
            "Resizing",
            json!({"height": 2, "width": 2, "crop_to_aspect_ratio": true, "pad_to_aspect_ratio": true}),
            vec![n, s(4), s(4), s(1)],
            "pad_to_aspect_ratio: ",
        ),
        (
            "Resizing",
            json!({"height": 2, "width": 2, "fill_mode": "reflect"}),
            vec![n, s(4), s(4), s(1)],
            "fill_mode: ",
        ),
        ("Resizing", json!({"height": 0, "width": 2}), vec![n, s(4), s(4), s(1)], "cannot resize to"),
        ("Resizing", json!({"height": 2, "width": 2}), vec![n, s(4)], "expected images"),
        ("CenterCrop", json!({"height": 2, "width": 2}), vec![n, s(4), s(4)], "unknown size"),
        ("RandomRotation", json!({"factor": 1.5}), vec![n, s(4), s(4), s(1)], "factor: "),
        (
            "RandomZoom",
            json!({"height_factor": 0.1, "width_factor": [2, 3]}),
            vec![n, s(4), s(4), s(1)],
            "width_factor: ",
        ),
        ("RandomPosterization", json!({"factor": 9}), vec![n, s(4), s(4), s(1)], "factor: "),
        ("RandomGaussianBlur", json!({"kernel_size": [3, 4]}), vec![n, s(4), s(4), s(1)], "kernel_size: "),
        ("RandomErasing", json!({"fill_value": [1, 2]}), vec![n, s(4), s(4), s(1)], "fill_value: "),
        ("RandomGrayscale", json!({"factor": 2.0}), vec![n, s(4), s(4), s(1)], "factor: "),
        (
            "ContrastLimitedAdaptiveHistogramEqualization",
            json!({"tile_grid_size": [0, 2]}),
            vec![n, s(4), s(4), s(1)],
            "tile_grid_size: ",
        ),
        (
            "ContrastLimitedAdaptiveHistogramEqualization",
            json!({"tile_grid_size": [2_000_000, 2_000_000]}),
            vec![n, s(4), s(4), s(1)],
            "tile_grid_size: ",
        ),
    ] {
        let refused = read(class, &config).outputs(&Args::one(Spec::new(shape, Dtype::Float32))).unwrap_err();
        assert!(refused.to_string().contains(message), "{class}: {refused}");
    }
    let images =
        Tree::Dict(vec![("images".into(), Spec::new(vec![n, s(4), s(4), s(3)], Dtype::Float32).into())]);
    let args = Args::bind(&["inputs"], vec![images], vec![]).unwrap();
    let refused = read("MixUp", &json!({})).outputs(&args).unwrap_err();
    assert_eq!(refused.kind(), crate::ErrorKind::Unsupported);
}

#[test]
fn a_crop_leaves_its_size_open() {
    let spec = |height| Spec::new(vec![None, height, Some(4), Some(3)], Dtype::Uint8);
    let config = read("RandomCrop", &json!({"height": 5, "width": 4}));
    for (height, cropped) in [(Some(5), Some(5)), (Some(9), None), (None, None)] {
        let outputs = config.outputs(&Args::one(spec(height))).unwrap();
        assert_eq!(outputs, spec(cropped).into());
    }
}
