//! `ScaleAndTranslate`: arrays in another size, moved.

use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::image::resize::{Axis, Interpolation};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::spatial::check_elements;
use crate::ops::kit::{Constant, device, float_of, operand};
use crate::value::Value;

crate::keywords! {
    /// What is between two entries.
    pub enum ScaleMethod {
        Linear = "linear",
        Bilinear = "bilinear",
        Trilinear = "trilinear",
        Cubic = "cubic",
        Bicubic = "bicubic",
        Tricubic = "tricubic",
        Lanczos3 = "lanczos3",
        Lanczos5 = "lanczos5",
    }
}

impl ScaleMethod {
    fn interpolation(self) -> Interpolation {
        match self {
            Self::Linear | Self::Bilinear | Self::Trilinear => Interpolation::Bilinear,
            Self::Cubic | Self::Bicubic | Self::Tricubic => Interpolation::Bicubic,
            Self::Lanczos3 => Interpolation::Lanczos3,
            Self::Lanczos5 => Interpolation::Lanczos5,
        }
    }
}

crate::config! {
    /// The operation `ScaleAndTranslate`: an entry at `x` goes to `x * scale + translation`, along some axes.
    ///
    /// No gradient passes to the scale and the translation.
    pub struct ScaleAndTranslate {
        /// The axes.
        spatial_dims: Vec<i64>,
        /// What is between two entries.
        method: ScaleMethod,
        /// Whether what gets smaller is smoothed.
        antialias: bool = true,
    }
}

impl ScaleAndTranslate {
    /// The axes, and how long each gets.
    fn axes<T>(&self, args: &Args<T>, rank: usize) -> Result<Vec<(usize, usize)>> {
        let Some(Tree::Constant(json)) = args.get("output_shape") else {
            return Err(Error::unsupported("a shape that is no constant").at("output_shape"));
        };
        let array = Constant::read(json).map_err(|error| error.at("output_shape"))?.array;
        let sizes: Vec<usize> = array.numbers().iter().map(|size| *size as usize).collect();
        if array.shape() != [rank] {
            return Err(Error::config(format_args!("expected {rank} sizes")).at("output_shape"));
        }
        let mut axes = Vec::with_capacity(self.spatial_dims.len().min(rank));
        for axis in &self.spatial_dims {
            let axis = resolve_axis(*axis, rank).map_err(|error| error.at("spatial_dims"))?;
            if axes.iter().any(|(known, _)| *known == axis) {
                return Err(Error::config(format_args!("axis {axis} is there twice")).at("spatial_dims"));
            }
            if sizes[axis] == 0 {
                return Err(Error::config(format_args!("nothing is left of axis {axis}")).at("output_shape"));
            }
            axes.push((axis, sizes[axis]));
        }
        Ok(axes)
    }
}

impl Function for ScaleAndTranslate {
    const CLASSES: &'static [&'static str] = &["ScaleAndTranslate"];
    const ARGS: &'static [&'static str] = &["images", "output_shape", "scale", "translation"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let images = args.input()?;
        if images.dtype == Dtype::String {
            return Err(Error::unsupported("images of strings"));
        }
        let mut shape = images.shape.clone();
        for (axis, size) in self.axes(args, images.rank())? {
            shape[axis] = Some(size);
        }
        for name in ["scale", "translation"] {
            let numbers = operand(args, name, None)?.operand;
            if numbers.rank() != 1 || numbers.shape[0].is_some_and(|count| count != self.spatial_dims.len()) {
                return Err(Error::config("expected one number for each of the axes").at(name));
            }
        }
        Ok(Spec::new(shape, float_of(images.dtype)).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let numbers = |name: &str| -> Result<Vec<f64>> {
            Ok(operand(&args, name, Some(&device))?.operand.into_data().iter::<f64>().collect())
        };
        let (scales, translations) = (numbers("scale")?, numbers("translation")?);
        let images = args.input()?.clone();
        let axes = self.axes(&args, images.rank())?;
        if scales.len() != axes.len() || translations.len() != axes.len() {
            return Err(Error::input(format_args!("{} scales for {} axes", scales.len(), axes.len())));
        }
        let mut images = if images.is_float() { images } else { images.cast(burn::tensor::DType::F32)? };
        let dtype = images.dtype();
        for (((at, to), scale), translation) in axes.into_iter().zip(scales).zip(translations) {
            let mut shape = images.shape();
            let from = shape[at];
            if from == 0 {
                return Err(Error::input("images without pixels cannot be scaled"));
            }
            check_elements("elements of weights", [from, to])?;
            let split = [shape[..at].iter().product(), from, shape[at + 1..].iter().product()];
            let axis = Axis { from, to, scale, translation, antialias: self.antialias };
            let weights = axis.matrix(self.method.interpolation(), &device).unsqueeze::<3>();
            shape[at] = to;
            check_elements("elements of scaled images", shape.iter().skip(1).copied())?;
            images = Value::from(weights.matmul(images.reshape(&split)?.float::<3>()?)).reshape(&shape)?;
        }
        Ok(super::like(images, dtype)?.into())
    }
}
