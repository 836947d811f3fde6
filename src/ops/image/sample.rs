//! `AffineTransform`, `PerspectiveTransform` and `MapCoordinates`: values at places between others.

use burn::tensor::{DType, Tensor, TensorData};

use super::like;
use crate::config::{DataFormat, Dtype, Field, Json, Reader, refuse};
use crate::error::{Error, Result};
use crate::image::Layout;
use crate::image::sample::{Continuation, FillMode, Places, Sampling, homography};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::map_float;
use crate::ops::kit::{device, operand};
use crate::value::Value;

/// Samples as elements of the type of what they are of: halves go away from zero.
fn settled(samples: Value, dtype: DType) -> Result<Value> {
    if dtype.is_float() {
        return like(samples, dtype);
    }
    map_float!(samples, x => (x.clone().abs() + 0.5).floor() * x.sign())?.cast(dtype)
}

/// The constant outside of an array of a type.
fn constant(value: f64, dtype: DType) -> f64 {
    if dtype.is_float() { value } else { value.trunc() }
}

fn refuse_booleans(images: &Spec) -> Result<()> {
    match images.dtype {
        Dtype::Bool | Dtype::String => Err(Error::unsupported(format_args!("values of {}", images.dtype))),
        _ => Ok(()),
    }
}

/// Refuses transforms when there is not one for each image. One without a batch is for one image.
fn check_count(images: &Spec, transforms: &Spec, single: usize) -> Result<()> {
    let batch = if images.rank() == 4 { images.shape[0] } else { Some(1) };
    let count = if transforms.rank() == single { Some(1) } else { transforms.shape[0] };
    match (batch, count) {
        (Some(batch), Some(count)) if batch != count => {
            Err(Error::config(format_args!("transforms {transforms} for images {images}")))
        }
        _ => Ok(()),
    }
}

crate::config! {
    /// The operation `AffineTransform`: images under affine maps, one for each.
    pub struct AffineTransform {
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Constant,
        /// The constant outside of an image.
        fill_value: f64 = 0.0,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl Function for AffineTransform {
    const CLASSES: &'static [&'static str] = &["AffineTransform"];
    const ARGS: &'static [&'static str] = &["images", "transform"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (images, transform) = (args.input()?, operand(args, "transform", None)?.operand);
        refuse_booleans(images)?;
        Layout::of(images, self.data_format)?;
        if !matches!(transform.shape[..], [Some(8)] | [_, Some(8)]) {
            return Err(Error::config(format_args!(
                "expected eight numbers for each image, got {transform}"
            )));
        }
        check_count(images, &transform, 1)?;
        Ok(images.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let transform = operand(&args, "transform", Some(&device(&args)?))?.operand;
        let images = args.into_input()?;
        let (layout, dtype) = (Layout::of_value(&images, self.data_format)?, images.dtype());
        let images = layout.take(images)?;
        let transform = transform.reshape(&[images.dims()[0], 8])?.float::<2>()?;
        let outside = Continuation {
            sampling: self.interpolation,
            mode: self.fill_mode,
            value: constant(self.fill_value, dtype),
        };
        Ok(settled(layout.give(outside.affine(images, transform))?, dtype)?.into())
    }
}

crate::config! {
    /// The operation `PerspectiveTransform`: images seen so that four points of each get elsewhere.
    ///
    /// No gradient passes to the points.
    pub struct PerspectiveTransform {
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// What is outside of an image.
        fill_value: f64 = 0.0,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

/// Points `(x, y)` of images, four of each.
fn points(value: Value) -> Vec<[[f64; 2]; 4]> {
    let numbers: Vec<f64> = value.into_data().iter::<f64>().collect();
    let point = |at: usize| [numbers[at], numbers[at + 1]];
    (0..numbers.len() / 8).map(|image| [0, 2, 4, 6].map(|at| point(image * 8 + at))).collect()
}

impl Function for PerspectiveTransform {
    const CLASSES: &'static [&'static str] = &["PerspectiveTransform"];
    const ARGS: &'static [&'static str] = &["images", "start_points", "end_points"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let images = args.input()?;
        refuse_booleans(images)?;
        Layout::of(images, self.data_format)?;
        for name in ["start_points", "end_points"] {
            let points = operand(args, name, None)?.operand;
            if !matches!(points.shape[..], [Some(4), Some(2)] | [_, Some(4), Some(2)]) {
                return Err(Error::config(format_args!("expected four points, got {points}")).at(name));
            }
            check_count(images, &points, 2).map_err(|error| error.at(name))?;
        }
        Ok(images.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let [start, end] = ["start_points", "end_points"]
            .map(|name| Ok::<_, Error>(points(operand(&args, name, Some(&device))?.operand)));
        let (start, end) = (start?, end?);
        let images = args.into_input()?;
        let (layout, dtype) = (Layout::of_value(&images, self.data_format)?, images.dtype());
        let images = layout.take(images)?;
        let batch = images.dims()[0];
        if start.len() != batch || end.len() != batch {
            return Err(Error::input(format_args!("{} sets of points for {batch} images", start.len())));
        }
        let transforms = start.iter().zip(&end).map(|(start, end)| {
            homography(start, end).ok_or_else(|| Error::input("three points of an image are on one line"))
        });
        let transforms: Vec<f32> = transforms.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let transforms = Tensor::from_data(TensorData::new(transforms, [batch, 8]), &device);
        let outside = Continuation {
            sampling: self.interpolation,
            mode: FillMode::Constant,
            value: constant(self.fill_value, dtype),
        };
        Ok(settled(layout.give(outside.project(images, transforms))?, dtype)?.into())
    }
}

/// The order of the splines between entries: 0 for the nearest, 1 for straight lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplineOrder(Sampling);

impl Field for SplineOrder {
    const EXPECTED: &'static str = "0 or 1";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json.as_u64() {
            Some(0) => Some(Self(Sampling::Nearest)),
            Some(1) => Some(Self(Sampling::Bilinear)),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self.0 {
            Sampling::Nearest => 0.into(),
            Sampling::Bilinear => 1.into(),
        }
    }
}

crate::config! {
    /// The operation `MapCoordinates`: an array at places between its entries.
    ///
    /// # Shapes
    /// - inputs: any
    /// - coordinates: `[axes of the inputs, ...]`
    /// - output: `[...]`
    pub struct MapCoordinates {
        /// What is between two entries.
        order: SplineOrder,
        /// What is outside of the array.
        fill_mode: FillMode = FillMode::Constant,
        /// The constant outside of the array.
        fill_value: f64 = 0.0,
    }
}

impl Function for MapCoordinates {
    const CLASSES: &'static [&'static str] = &["MapCoordinates"];
    const ARGS: &'static [&'static str] = &["inputs", "coordinates"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let inputs = operand(args, "inputs", None)?.operand;
        let coordinates = operand(args, "coordinates", None)?.operand;
        refuse_booleans(&inputs)?;
        let axes = coordinates.shape.first().copied().unwrap_or(Some(0));
        let is_empty = coordinates.shape.contains(&Some(0)) || inputs.shape.contains(&Some(0));
        if coordinates.rank() < 2 || axes.is_some_and(|axes| axes != inputs.rank()) || is_empty {
            let message = format_args!("coordinates {coordinates} for a value {inputs}");
            return Err(Error::config(message).at("coordinates"));
        }
        Ok(Spec::new(coordinates.shape[1..].to_vec(), inputs.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let inputs = operand(&args, "inputs", Some(&device))?.operand;
        let coordinates = operand(&args, "coordinates", Some(&device))?.operand;
        let (dtype, shape, places) = (inputs.dtype(), inputs.shape(), coordinates.shape());
        let count: usize = places.iter().skip(1).product();
        if places.first() != Some(&shape.len()) || shape.is_empty() || shape.contains(&0) || count == 0 {
            return Err(Error::input(format_args!("coordinates {places:?} for a value {shape:?}")));
        }
        let coordinates = coordinates.reshape(&[shape.len(), count])?.float::<2>()?;
        let axes: Vec<Places> = (0..shape.len())
            .map(|axis| Places {
                size: shape[axis],
                stride: shape[axis + 1..].iter().product(),
                coordinates: coordinates.clone().narrow(0, axis, 1).reshape([count]),
            })
            .collect();
        let outside = Continuation {
            sampling: self.order.0,
            mode: self.fill_mode,
            value: constant(self.fill_value, dtype),
        };
        let entries = inputs.reshape(&[shape.iter().product()])?.float::<1>()?;
        let samples = Value::from(outside.sample(&entries, &axes, None)).reshape(&places[1..])?;
        Ok(settled(samples, dtype)?.into())
    }
}
