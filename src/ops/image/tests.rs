//! What the operations of images refuse.

use serde_json::{Value as Json, json};

use super::*;
use crate::config::{Config, Dtype, Reader};
use crate::layer::{Args, Function, Registry, Tree};

/// Why an operation refuses images `[None, 5, 7, 3]` and further arguments, if it does.
fn refused<F: Function + Config>(config: &Json, dtype: Dtype, others: &[Json]) -> Option<String> {
    let (registry, limits) = (Registry::new(), crate::Limits::default());
    let mut reader = Reader::new(&registry, &limits);
    let config = <F as Config>::read(config.as_object().unwrap(), &mut reader);
    reader.finish().unwrap();
    let images = Spec::new(vec![None, Some(5), Some(7), Some(3)], dtype);
    let others = others.iter().cloned().map(Tree::Constant);
    let args = std::iter::once(Tree::Leaf(images)).chain(others).collect();
    let args = Args::bind(F::ARGS, args, vec![]).unwrap();
    config.unwrap().outputs(&args).err().map(|error| error.to_string())
}

#[test]
fn what_does_not_fit_is_refused() {
    let float = Dtype::Float32;
    let transform = json!([1, 0, 0, 0, 1, 0, 0, 0]);
    let points = json!([[0, 0], [1, 0], [0, 1], [1, 1]]);
    for (refused, message) in [
        (refused::<Resize>(&json!({"size": [2]}), float, &[]), "size: "),
        (refused::<CropImages>(&json!({"top_cropping": 1}), float, &[]), "expected two of"),
        (
            refused::<CropImages>(
                &json!({"top_cropping": 4, "target_height": 3, "left_cropping": 0, "right_cropping": 0}),
                float,
                &[],
            ),
            "do not fit an axis of 5",
        ),
        (
            refused::<PadImages>(
                &json!({"top_padding": 0, "target_height": 3, "left_padding": 0, "right_padding": 0}),
                float,
                &[],
            ),
            "do not fit an axis of 5",
        ),
        (
            refused::<CropImages>(
                &json!({"top_cropping": 2, "bottom_cropping": 3, "left_cropping": 0, "right_cropping": 0}),
                float,
                &[],
            ),
            "do not fit an axis of 5",
        ),
        (refused::<RGBToHSV>(&json!({}), Dtype::Uint8, &[]), "images of uint8"),
        (refused::<RGBToGrayscale>(&json!({"data_format": "channels_first"}), float, &[]), "channels"),
        (refused::<GaussianBlur>(&json!({"sigma": [1.0]}), float, &[]), "sigma: "),
        (refused::<SobelEdges>(&json!({}), Dtype::Int32, &[]), "images of int32"),
        (refused::<ExtractPatches>(&json!({"size": [6, 2]}), float, &[]), "has no place"),
        (refused::<ExtractPatches>(&json!({"size": [1, 2, 3, 4]}), float, &[]), "size: "),
        (refused::<AffineTransform>(&json!({}), float, &[json!([1, 2])]), "eight numbers"),
        (refused::<AffineTransform>(&json!({}), Dtype::Bool, &[transform]), "values of bool"),
        (refused::<PerspectiveTransform>(&json!({}), float, &[points, json!([1])]), "end_points: "),
        (refused::<MapCoordinates>(&json!({"order": 1}), float, &[json!([[1.0], [2.0]])]), "coordinates: "),
        (
            refused::<ScaleAndTranslate>(
                &json!({"spatial_dims": [1, -3], "method": "cubic"}),
                float,
                &[json!([1, 2, 3, 3]), json!([1.0, 1.0]), json!([0.0, 0.0])],
            ),
            "spatial_dims: ",
        ),
        (
            refused::<ScaleAndTranslate>(
                &json!({"spatial_dims": [1], "method": "cubic"}),
                float,
                &[json!([1, 0, 3, 3]), json!([1.0]), json!([0.0])],
            ),
            "output_shape: ",
        ),
        (
            refused::<ScaleAndTranslate>(
                &json!({"spatial_dims": [1], "method": "cubic"}),
                float,
                &[json!([1, 2, 3]), json!([1.0]), json!([0.0])],
            ),
            "output_shape: ",
        ),
    ] {
        let refused = refused.unwrap_or_else(|| panic!("not refused: {message}"));
        assert!(refused.contains(message), "{refused}, not {message}");
    }
}
