//! `CenterCrop` and `RandomCrop`: a part of images.

use std::num::NonZeroUsize;

use burn::tensor::Tensor;
use rand::RngExt;

use super::augmentation::{Augmentation, Augmented, outputs};
use super::chance::generator;
use super::changed_images;
use crate::config::{DataFormat, Kept};
use crate::error::Result;
use crate::image::Layout;
use crate::image::resize::{Fit, Interpolation, Resize, resize, window};
use crate::initializer::Seed;
use crate::layer::{Args, Borders, Context, Function, LayerConfig, Spec, Tree, Weights};
use crate::value::Value;

crate::layer_config! {
    /// `CenterCrop`: the middle of images, as floats. Where it is larger than they are, the largest part
    /// of the same aspect ratio, resized.
    ///
    /// # Shapes
    /// - inputs: `[batch, height, width, channels]`, for `channels_first`
    ///   `[batch, channels, height, width]`, or one image without the batch
    /// - outputs: the same with other lengths
    pub struct CenterCrop {
        /// The height of the outputs.
        height: usize,
        /// The width of the outputs.
        width: usize,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// For boxes around what is in the images.
        bounding_box_format: Kept = Kept::default(),
    }
}

impl CenterCrop {
    fn resize(&self) -> Resize {
        Resize {
            size: [self.height, self.width],
            interpolation: Interpolation::Bilinear,
            antialias: false,
            fit: Fit::Crop,
            format: self.data_format,
        }
    }
}

impl Function for CenterCrop {
    const CLASSES: &'static [&'static str] = &["CenterCrop"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let output = self.resize().output(changed_images(args)?)?;
        Ok(output.float(output.shape.clone()).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?.cast(burn::tensor::DType::F32)?;
        let axes = Layout::of_value(&images, self.data_format)?.lengths();
        let size = [self.height, self.width];
        let shape = images.shape();
        let rests = [0, 1].map(|axis| shape[axes[axis]].checked_sub(size[axis]));
        let [Some(above), Some(left)] = rests else { return Ok(self.resize().apply(images)?.into()) };
        let rows = images.narrow(axes[0], above / 2, self.height)?;
        Ok(rows.narrow(axes[1], left / 2, self.width)?.into())
    }
}

crate::config! {
    /// `RandomCrop`: any part of a size in training. Outside of training Keras crops nothing, so the size
    /// of the outputs is known only where it is that of the inputs.
    pub struct RandomCrop {
        /// The height in training.
        height: NonZeroUsize,
        /// The width in training.
        width: NonZeroUsize,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// For boxes around what is in the images.
        bounding_box_format: Kept = Kept::default(),
    }
}

impl LayerConfig for RandomCrop {
    const CLASSES: &'static [&'static str] = &["RandomCrop"];
    // Keras casts nothing that it does not crop.
    const BORDERS: Borders = Borders::Free;

    type Layer = Augmented;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        outputs(self, args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Augmented> {
        Ok(Augmented::new(self.clone()))
    }
}

impl RandomCrop {
    fn size(&self) -> [usize; 2] {
        [self.height.get(), self.width.get()]
    }
}

impl Augmentation for RandomCrop {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn shape(&self, input: &Spec) -> Result<Vec<Option<usize>>> {
        let layout = Layout::of(input, self.data_format)?;
        let (axes, size) = (layout.lengths(), self.size());
        let lengths = [0, 1].map(|axis| input.shape[axes[axis]].filter(|length| *length == size[axis]));
        Ok(layout.with_lengths(input.shape.clone(), lengths))
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, height, width] = images.dims();
        let (lengths, size) = ([height, width], self.size());
        let starts = if height > size[0] && width > size[1] {
            let mut generator = generator(&images.device());
            [0, 1].map(|axis| generator.random_range(0..=lengths[axis] - size[axis]))
        } else {
            window(lengths, size).map(|(start, _)| start)
        };
        let kept = [0, 1].map(|axis| size[axis].min(lengths[axis].saturating_sub(starts[axis])));
        let images = images.narrow(2, starts[0], kept[0]).narrow(3, starts[1], kept[1]);
        if kept == size {
            return Ok(images);
        }
        crate::layers::spatial::check_elements(
            "elements of resized images",
            [images.dims()[1], size[0], size[1]],
        )?;
        resize(images, size, Interpolation::Bilinear, false)
    }
}
