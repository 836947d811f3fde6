//! `AutoContrast`, `Equalization` and `ContrastLimitedAdaptiveHistogramEqualization`: colors that use all of
//! their range.

use burn::tensor::{DType, Tensor};

use super::augmentation::{Augmentation, augmentation};
use super::changed_images;
use super::color_range::ColorRange;
use crate::config::{DataFormat, Kept, PerAxis};
use crate::error::Result;
use crate::image::Layout;
use crate::image::histogram::{SHADES, Tiles, each_plane, equalize};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::spatial::check_elements;
use crate::value::Value;

crate::layer_config! {
    /// `AutoContrast`: the darkest pixel of a channel gets the least value, the brightest the largest.
    /// Channels without contrast stay as they are. In training and otherwise, the outputs are floats.
    ///
    /// # Shapes
    /// - inputs: `[batch, height, width, channels]`, or one image without the batch
    /// - outputs: as the inputs
    pub struct AutoContrast {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// Without effect in Keras, which always looks for pixels on the second and the third axis.
        data_format: Option<DataFormat> = None,
        /// For boxes around what is in the images.
        bounding_box_format: Kept = Kept::default(),
    }
}

impl AutoContrast {
    fn stretch(&self, images: Tensor<4>) -> Tensor<4> {
        let range = self.value_range.sorted();
        let bytes = range.to(images.clone(), ColorRange::BYTES);
        let low = bytes.clone().min_dim(2).min_dim(3);
        let contrast = bytes.clone().max_dim(2).max_dim(3) - low.clone();
        let none = contrast.clone().equal_elem(0.0).expand(images.dims());
        let scale = contrast.recip() * 255.0;
        let stretched = ColorRange::BYTES.clip(bytes * scale.clone() - low * scale);
        ColorRange::BYTES.to(stretched, range).mask_where(none, images)
    }
}

impl Function for AutoContrast {
    const CLASSES: &'static [&'static str] = &["AutoContrast"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let images = changed_images(args)?;
        Layout::of(images, None)?;
        Ok(images.float(images.shape.clone()).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        if images.shape().contains(&0) {
            return Ok(images.cast(DType::F32)?.into());
        }
        let layout = Layout::of_value(&images, None)?;
        Ok(layout.give(self.stretch(layout.take(images)?))?.into())
    }
}

// As one of the changes of a policy.
impl Augmentation for AutoContrast {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        match self.data_format {
            Some(DataFormat::ChannelsFirst) => {
                Ok(self.stretch(images.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]))
            }
            _ => Ok(self.stretch(images)),
        }
    }
}

augmentation! {
    /// `Equalization`: makes all colors of the images of a batch about equally frequent, in training.
    pub struct Equalization {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// How many colors are told apart.
        bins: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(255),
    }
}

impl Augmentation for Equalization {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        check_elements("bins of a histogram", [self.bins.get()])
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let range = self.value_range.sorted();
        let bytes = range.to(images, ColorRange::BYTES);
        // Keras counts a channel of all images together.
        let columns = bytes.swap_dims(0, 1);
        let shape = columns.dims();
        let [channels, batch, height, width] = shape;
        let planes = columns.reshape([1, channels, batch * height, width]);
        let equalized = each_plane(planes, |plane, _| equalize(plane, self.bins.get()));
        Ok(ColorRange::BYTES.to(equalized.reshape(shape).swap_dims(0, 1), range))
    }
}

crate::layer_config! {
    /// `ContrastLimitedAdaptiveHistogramEqualization`: makes all colors of a tile of an image about equally
    /// frequent, within limits. In training and otherwise; integers stay what they are.
    ///
    /// # Shapes
    /// - inputs: `[batch, height, width, channels]`, for `channels_first`
    ///   `[batch, channels, height, width]`, or one image without the batch
    /// - outputs: as the inputs
    pub struct ContrastLimitedAdaptiveHistogramEqualization {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// How often a color counts at most, as a multiple of the mean; no limit unless it is positive.
        clip_limit: f64 = 4.0,
        /// How many tiles are below and beside each other.
        tile_grid_size: PerAxis = PerAxis::One(8),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// For boxes around what is in the images.
        bounding_box_format: Kept = Kept::default(),
    }
}

impl ContrastLimitedAdaptiveHistogramEqualization {
    fn tiles(&self) -> Result<Tiles> {
        let grid = self.tile_grid_size.positive(2).and_then(|grid| {
            let tables = grid.iter().copied().chain([SHADES]);
            check_elements("elements of the tables of tiles", tables)?;
            Ok([grid[0], grid[1]])
        });
        Ok(Tiles { grid: grid.map_err(|error| error.at("tile_grid_size"))?, limit: self.clip_limit })
    }
}

impl Function for ContrastLimitedAdaptiveHistogramEqualization {
    const CLASSES: &'static [&'static str] = &["ContrastLimitedAdaptiveHistogramEqualization"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = changed_images(args)?;
        Layout::of(input, self.data_format)?;
        self.tiles()?;
        Ok(input.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let (layout, dtype) = (Layout::of_value(&images, self.data_format)?, images.dtype());
        if images.shape().contains(&0) {
            return Ok(images.into());
        }
        let (range, tiles) = (self.value_range, self.tiles()?);
        let bytes = range.to(layout.take(images)?, ColorRange::BYTES);
        let equalized = each_plane(bytes, |plane, lengths| tiles.equalize(plane, lengths));
        let images = layout.give(ColorRange::BYTES.to(equalized, range))?;
        // Integers lose their fraction.
        Ok(if images.dtype() == dtype { images } else { images.cast(dtype)? }.into())
    }
}
