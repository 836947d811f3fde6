//! Blocks of images: as channels, and as columns.

use burn::tensor::module::{fold4d, unfold4d};
use burn::tensor::ops::UnfoldOptions;

use crate::config::{DataFormat, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::layers::spatial::{array, channel_axis, check_elements, spatial_axes, with_sizes};
use crate::value::Value;

/// The operations of this file.
pub(crate) static ROWS: &[Row] =
    &[row::<DepthToSpace>(), row::<SpaceToDepth>(), row::<Unfold>(), row::<Fold>()];

/// `DepthToSpace` and `SpaceToDepth`: blocks of every image and its channels, one for the other.
macro_rules! blocks {
    ($name:ident, $to_space:literal) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`.")]
            pub struct $name {
                /// The sides of a block.
                block_size: std::num::NonZeroUsize,
                /// Where the channels are.
                data_format: Option<DataFormat> = None,
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                Ok(blocked(args.input()?, self.block_size.get(), self.data_format, $to_space)?.into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?.plain()?;
                let spec = Spec::new(x.shape().into_iter().map(Some).collect(), x.keras_dtype());
                let block = self.block_size.get();
                let output = blocked(&spec, block, self.data_format, $to_space)?;
                let output: Vec<usize> = output.shape.into_iter().flatten().collect();
                let (axes, rank) = (spatial_axes(self.data_format, 4), 4);
                let small = if $to_space { x.shape() } else { output.clone() };
                let (high, wide) = (small[axes.start], small[axes.start + 1]);
                let large = if $to_space { output.clone() } else { x.shape() };
                let (batch, channels) = (large[0], large[channel_axis(self.data_format, rank)]);
                let first = self.data_format == Some(DataFormat::ChannelsFirst);
                // Both ways of cutting the axes, and the order that leads from one to the other.
                let (deep, flat, order) = match first {
                    true => (
                        [batch, channels, block, block, high, wide],
                        [batch, channels, high, block, wide, block],
                        [0, 1, 4, 2, 5, 3],
                    ),
                    false => (
                        [batch, high, wide, block, block, channels],
                        [batch, high, block, wide, block, channels],
                        [0, 1, 3, 2, 4, 5],
                    ),
                };
                Ok(match $to_space {
                    true => x.reshape(&deep)?.permute(&order)?,
                    false => x.reshape(&flat)?.permute(&inverse(order))?,
                }
                .reshape(&output)?
                .into())
            }
        }
    };
}

fn inverse(order: [usize; 6]) -> [usize; 6] {
    let mut inverse = [0; 6];
    order.into_iter().enumerate().for_each(|(at, axis)| inverse[axis] = at);
    inverse
}

fn blocked(input: &Spec, block: usize, format: Option<DataFormat>, to_space: bool) -> Result<Spec> {
    input.expect_rank(4)?;
    if block < 2 {
        return Err(Error::config("expected at least 2").at("block_size"));
    }
    let unfit = || Error::config(format_args!("{input} has no whole blocks of {block}")).at("block_size");
    let divided = |size: Option<usize>, by: usize| match size {
        Some(size) if !size.is_multiple_of(by) => Err(unfit()),
        size => Ok(size.map(|size| size / by)),
    };
    let times = |size: Option<usize>, by: usize| size.map(|size| size.saturating_mul(by));
    let (channels, square) = (input.shape[channel_axis(format, 4)], block.saturating_mul(block));
    let lengths = input.shape[spatial_axes(format, 4)].iter().copied();
    let (channels, lengths) = match to_space {
        true => (divided(channels, square)?, lengths.map(|size| times(size, block)).collect()),
        false => (times(channels, square), lengths.map(|size| divided(size, block)).collect::<Result<_>>()?),
    };
    Ok(Spec::new(with_sizes(input, format, channels, lengths), input.dtype))
}

blocks!(DepthToSpace, true);
blocks!(SpaceToDepth, false);

crate::config! {
    /// The operation `Unfold`: what a window sees at each place of `[batch, channels, height, width]`, as
    /// columns.
    pub struct Unfold {
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far apart the entries are that it sees.
        dilation: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: PerAxis = PerAxis::One(0),
        /// How far it moves at a time.
        stride: PerAxis = PerAxis::One(1),
    }
}

crate::config! {
    /// The operation `Fold`: adds columns to `[batch, channels, height, width]`, each in its place.
    pub struct Fold {
        /// The height and width.
        output_size: PerAxis,
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far apart the entries are that it sees.
        dilation: PerAxis = PerAxis::One(1),
        /// What is cut off around the outputs.
        padding: PerAxis = PerAxis::One(0),
        /// How far it moves at a time.
        stride: PerAxis = PerAxis::One(1),
    }
}

/// How a window moves over images.
struct Moves {
    kernel: [usize; 2],
    dilation: [usize; 2],
    padding: [usize; 2],
    stride: [usize; 2],
}

macro_rules! moves {
    ($op:expr) => {{
        let positive = |numbers: &PerAxis, key: &str| numbers.positive(2).map_err(|error| error.at(key));
        Moves {
            kernel: array(positive(&$op.kernel_size, "kernel_size")?),
            dilation: array(positive(&$op.dilation, "dilation")?),
            padding: array($op.padding.numbers(2).map_err(|error| error.at("padding"))?),
            stride: array(positive(&$op.stride, "stride")?),
        }
    }};
}

impl Moves {
    /// The number of places along an axis, and what is left over at its end.
    fn places(&self, axis: usize, length: usize) -> Result<(usize, usize)> {
        let reach = (self.kernel[axis] - 1).saturating_mul(self.dilation[axis]).saturating_add(1);
        let padded = length.saturating_add(self.padding[axis].saturating_mul(2));
        check_elements("elements of a padded axis", [padded])?;
        match padded.checked_sub(reach) {
            Some(rest) => Ok((rest / self.stride[axis] + 1, rest % self.stride[axis])),
            None => Err(Error::config(format_args!(
                "a window over {reach} entries has no place on an axis of {length}"
            ))),
        }
    }

    fn window(&self) -> usize {
        self.kernel[0].saturating_mul(self.kernel[1])
    }

    /// Burn moves the columns with a kernel of ones and zeros.
    fn check_columns(&self, channels: usize) -> Result<usize> {
        let columns = channels.saturating_mul(self.window());
        check_elements("elements of the columns of an image", [columns, columns])?;
        Ok(columns)
    }

    fn options(&self) -> UnfoldOptions {
        UnfoldOptions::new(self.stride, self.padding, self.dilation)
    }
}

impl Function for Unfold {
    const CLASSES: &'static [&'static str] = &["Unfold"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (input, moves) = (args.input()?, moves!(self));
        input.expect_rank(4)?;
        let columns = moves.check_columns(input.known(1)?)?;
        let (high, _) = moves.places(0, input.known(2)?)?;
        let (wide, _) = moves.places(1, input.known(3)?)?;
        Ok(input.float(vec![input.shape[0], Some(columns), Some(high.saturating_mul(wide))]).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, moves) = (args.into_input()?.float::<4>()?, moves!(self));
        Ok(Value::from(unfold4d(x, moves.kernel, moves.options())).into())
    }
}

impl Function for Fold {
    const CLASSES: &'static [&'static str] = &["Fold"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (input, moves) = (args.input()?, moves!(self));
        input.expect_rank(3)?;
        let sizes = self.output_size.positive(2).map_err(|error| error.at("output_size"))?;
        let (columns, window) = (input.known(1)?, moves.window());
        if columns == 0 || columns % window != 0 {
            let message = format_args!("{columns} columns are not a multiple of the window of {window}");
            return Err(Error::config(message).at("kernel_size"));
        }
        moves.check_columns(columns / window)?;
        let mut places = 1_usize;
        for (axis, size) in sizes.iter().enumerate() {
            let (count, rest) = moves.places(axis, *size)?;
            if rest != 0 {
                return Err(Error::unsupported("an output that the windows do not fill").at("output_size"));
            }
            places = places.saturating_mul(count);
        }
        if input.known(2)? != places {
            return Err(Error::config(format_args!("expected {places} places, got {input}")));
        }
        let sizes = sizes.into_iter().map(Some);
        let shape = [input.shape[0], Some(columns / window)].into_iter().chain(sizes);
        Ok(input.float(shape.collect()).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, moves) = (args.into_input()?.float::<3>()?, moves!(self));
        let size = array(self.output_size.positive(2)?);
        Ok(Value::from(fold4d(x, size, moves.kernel, moves.options())).into())
    }
}
