//! `ExtractPatches`: what a window sees as it moves over images or volumes.

use super::like;
use crate::config::{DataFormat, Dtype, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::Padding;
use crate::layers::spatial::{Windows, channel_axis, spatial_axes};
use crate::value::Value;

crate::config! {
    /// The operation `ExtractPatches`: all that a window sees at one place as channels, row by row.
    ///
    /// # Shapes
    /// - images: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`, or
    ///   without the batch
    /// - output: the same with other lengths and `channels * size...` channels
    pub struct ExtractPatches {
        /// The lengths of the window: two for images, three for volumes.
        size: PerAxis,
        /// How far it moves; by its length without it.
        strides: Option<PerAxis> = None,
        /// How far apart the pixels are that it sees.
        dilation_rate: PerAxis = PerAxis::One(1),
        /// What is added around images.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl ExtractPatches {
    fn windows(&self) -> Result<Windows> {
        let strides = self.strides.as_ref().unwrap_or(&self.size);
        let size = ("size", &self.size);
        match &self.size {
            PerAxis::Each(size_of) if size_of.len() == 3 => {
                Windows::new::<5>(size, strides, &self.dilation_rate, self.padding)
            }
            _ => Windows::new::<4>(size, strides, &self.dilation_rate, self.padding),
        }
    }

    /// Whether an input of a rank has a batch.
    fn is_batched(&self, windows: &Windows, rank: usize) -> Result<bool> {
        match rank.checked_sub(windows.axes.len()) {
            Some(2) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(Error::config(format_args!("cannot take such patches out of a value of rank {rank}"))),
        }
    }

    /// The patches of `[batch, spatial..., channels]`, in the same order.
    fn extract(&self, images: Value, windows: &Windows) -> Result<Value> {
        let shape = images.shape();
        let lengths: Vec<_> = shape[1..shape.len() - 1].iter().copied().map(Some).collect();
        windows.outputs(shape.last().copied(), &lengths)?;
        let ends = windows.axes.iter().zip(&shape[1..]);
        let ends = ends.map(|(window, length)| window.pads(windows.padding, *length));
        let pads: Vec<_> = std::iter::once((0, 0)).chain(ends).chain([(0, 0)]).collect();
        let mut images =
            if pads.iter().all(|pad| *pad == (0, 0)) { images } else { images.pad(&pads, 0.0)? };
        for (at, window) in windows.axes.iter().enumerate().rev() {
            let (axis, places) = (at + 1, window.places(windows.padding, shape[at + 1]));
            let seen =
                |place| (0..window.size).map(move |part| place * window.stride + part * window.dilation);
            images = images.pick(axis, &(0..places).flat_map(seen).collect::<Vec<_>>())?;
            // What the window sees along this axis goes before what it sees along later ones.
            let mut shape = images.shape();
            let last = shape.len() - 1;
            let before: usize = shape[..axis].iter().product();
            let after: usize = shape[axis + 1..last].iter().product();
            let split = [before, places, window.size, after, shape[last]];
            images = images.reshape(&split)?.permute(&[0, 1, 3, 2, 4])?;
            shape[axis] = places;
            shape[last] *= window.size;
            images = images.reshape(&shape)?;
        }
        Ok(images)
    }
}

impl Function for ExtractPatches {
    const CLASSES: &'static [&'static str] = &["ExtractPatches"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut output = args.input()?.clone();
        if output.dtype == Dtype::Bool {
            return Err(Error::unsupported("images of booleans"));
        }
        let windows = self.windows()?;
        let batched = self.is_batched(&windows, output.rank())?;
        if !batched {
            output.shape.insert(0, Some(1));
        }
        let (rank, format) = (output.rank(), self.data_format);
        let channels = output.shape[channel_axis(format, rank)];
        let lengths = windows.outputs(channels, &output.shape[spatial_axes(format, rank)])?;
        output.shape[channel_axis(format, rank)] = channels.map(|channels| {
            windows.axes.iter().fold(channels, |product, window| product.saturating_mul(window.size))
        });
        output.shape.splice(spatial_axes(format, rank), lengths);
        if !batched {
            output.shape.remove(0);
        }
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let (windows, dtype) = (self.windows()?, images.dtype());
        let batched = self.is_batched(&windows, images.rank())?;
        let images = if batched { images } else { images.expand_dims(0)? };
        let first = self.data_format == Some(DataFormat::ChannelsFirst);
        let mut axes: Vec<usize> = (0..images.rank()).collect();
        axes[1..].rotate_left(1);
        let images = if first { images.permute(&axes)? } else { images };
        let mut patches = self.extract(images, &windows)?;
        if first {
            axes.sort_unstable();
            axes[1..].rotate_right(1);
            patches = patches.permute(&axes)?;
        }
        let patches = if batched { patches } else { patches.squeeze(&[0])? };
        Ok(like(patches, dtype)?.into())
    }
}
