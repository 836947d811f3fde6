//! What spatial layers share: where the channels are, how windows move, and what padding does.

use std::ops::Range;

use burn::tensor::{Tensor, ops::PadMode};

use crate::config::{DataFormat, PerAxis};
use crate::error::{Error, Result};
use crate::layer::Spec;
use crate::limits::Limits;
use crate::value::Value;

crate::keywords! {
    /// What is added to both ends of an axis before a window moves along it.
    pub enum Padding {
        /// Nothing.
        Valid = "valid",
        /// As much as gives `⌈length / stride⌉` places, an odd rest at the end.
        Same = "same",
        /// At the start only, so that no output depends on a later input.
        Causal = "causal",
    }
}

/// Where the axis of the channels is.
pub(crate) fn channel_axis(format: Option<DataFormat>, rank: usize) -> usize {
    if format == Some(DataFormat::ChannelsFirst) { 1 } else { rank.saturating_sub(1) }
}

/// Where the spatial axes are.
pub(crate) fn spatial_axes(format: Option<DataFormat>, rank: usize) -> Range<usize> {
    if format == Some(DataFormat::ChannelsFirst) { 2..rank } else { 1..rank.saturating_sub(1) }
}

/// The sizes of the spatial axes of an input of rank `D`.
pub(crate) fn lengths<const D: usize>(
    input: &Spec,
    format: Option<DataFormat>,
) -> Result<Vec<Option<usize>>> {
    input.expect_rank(D)?;
    Ok(input.shape[spatial_axes(format, D)].to_vec())
}

/// The shape of an input with other channels and lengths.
pub(crate) fn with_sizes(
    input: &Spec,
    format: Option<DataFormat>,
    channels: Option<usize>,
    lengths: Vec<Option<usize>>,
) -> Vec<Option<usize>> {
    let (mut shape, rank) = (input.shape.clone(), input.rank());
    shape[channel_axis(format, rank)] = channels;
    shape.splice(spatial_axes(format, rank), lengths);
    shape
}

/// A value as `[batch, channels, spatial...]`.
pub(crate) fn take<const D: usize>(value: Value, format: Option<DataFormat>) -> Result<Tensor<D>> {
    match format {
        Some(DataFormat::ChannelsFirst) => value.float(),
        _ => value.channels_first(),
    }
}

/// The value of `[batch, channels, spatial...]`.
pub(crate) fn give<const D: usize>(tensor: Tensor<D>, format: Option<DataFormat>) -> Value {
    match format {
        Some(DataFormat::ChannelsFirst) => Value::from(tensor),
        _ => Value::from_channels_first(tensor),
    }
}

/// The sizes of the spatial axes of `[batch, channels, spatial...]`.
pub(crate) fn lengths_of<const D: usize>(tensor: &Tensor<D>) -> Vec<usize> {
    tensor.dims().into_iter().skip(2).collect()
}

/// Refuses sizes, of one example, that no machine can hold. Those of a file are looked at by the graph;
/// these are the ones that turn up while running, as padding or where a size was left open.
pub(crate) fn check_elements(what: &str, sizes: impl IntoIterator<Item = usize>) -> Result<()> {
    let elements = sizes.into_iter().fold(1_u64, |product, size| product.saturating_mul(size as u64));
    Limits::check(what, elements, Limits::default().activation)
}

/// An array of what there is one of for every axis.
pub(crate) fn array<T: Copy + Default, const N: usize>(items: impl IntoIterator<Item = T>) -> [T; N] {
    let mut items = items.into_iter();
    std::array::from_fn(|_| items.next().unwrap_or_default())
}

/// Pads the last axes with zeros.
pub(crate) fn pad_zeros<const D: usize>(x: Tensor<D>, pads: &[(usize, usize)]) -> Tensor<D> {
    if pads.iter().all(|pad| *pad == (0, 0)) { x } else { x.pad(pads, PadMode::Constant(0.0)) }
}

/// What moves along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The number of entries that it sees.
    pub size: usize,
    /// How far it moves at a time.
    pub stride: usize,
    /// How far apart the entries are that it sees.
    pub dilation: usize,
}

/// It sees one entry after the other.
impl Default for Window {
    fn default() -> Self {
        Self { size: 1, stride: 1, dilation: 1 }
    }
}

impl Window {
    /// How much of the axis is between its ends.
    pub fn reach(self) -> usize {
        (self.size - 1).saturating_mul(self.dilation).saturating_add(1)
    }

    /// The number of its places.
    pub fn places(self, padding: Padding, length: usize) -> usize {
        match padding {
            Padding::Valid => length.checked_sub(self.reach()).map_or(0, |rest| rest / self.stride + 1),
            Padding::Same | Padding::Causal => length.div_ceil(self.stride),
        }
    }

    /// What is added before and after the axis.
    pub fn pads(self, padding: Padding, length: usize) -> (usize, usize) {
        match padding {
            Padding::Valid => (0, 0),
            Padding::Causal => (self.reach() - 1, 0),
            Padding::Same => {
                let last = length.div_ceil(self.stride).saturating_sub(1).saturating_mul(self.stride);
                let missing = last.saturating_add(self.reach()).saturating_sub(length);
                (missing / 2, missing - missing / 2)
            }
        }
    }
}

/// What moves along the spatial axes, one window for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub axes: Vec<Window>,
    pub padding: Padding,
}

impl Windows {
    /// The windows over an input of rank `D`.
    ///
    /// # Errors
    /// When there is another number of sizes than of axes, or one is zero.
    pub fn new<const D: usize>(
        (key, sizes): (&str, &PerAxis),
        strides: &PerAxis,
        dilation: &PerAxis,
        padding: Padding,
    ) -> Result<Self> {
        let read = |numbers: &PerAxis, key: &str| numbers.positive(D - 2).map_err(|error| error.at(key));
        let (sizes, strides) = (read(sizes, key)?, read(strides, "strides")?);
        let dilation = read(dilation, "dilation_rate")?;
        let axes = sizes.into_iter().zip(strides).zip(dilation);
        let axes = axes.map(|((size, stride), dilation)| Window { size, stride, dilation }).collect();
        if padding == Padding::Causal && D != 3 {
            return Err(Error::config("\"causal\" is for one spatial axis only").at("padding"));
        }
        Ok(Self { axes, padding })
    }

    /// Refuses strides together with dilation, as Keras does for some layers.
    pub fn without_dilated_strides(self) -> Result<Self> {
        let most = |number: fn(&Window) -> usize| self.axes.iter().map(number).max().unwrap_or(1);
        if most(|axis| axis.stride) > 1 && most(|axis| axis.dilation) > 1 {
            return Err(Error::config("cannot be above 1 when the strides are").at("dilation_rate"));
        }
        Ok(self)
    }

    /// The lengths of the outputs.
    ///
    /// # Errors
    /// When a window does not fit, or padding makes the input too large.
    pub fn outputs(&self, channels: Option<usize>, lengths: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        let axes = || self.axes.iter().zip(lengths);
        for (axis, length) in axes() {
            let length = length.unwrap_or(usize::MAX);
            if axis.places(self.padding, length) == 0 {
                let reach = axis.reach();
                return Err(Error::config(format_args!(
                    "a window over {reach} entries has no place on an axis of {length}"
                )));
            }
        }
        let padded = axes().map(|(axis, length)| {
            let (before, after) = length.map_or((0, 0), |length| axis.pads(self.padding, length));
            length.unwrap_or(1).saturating_add(before).saturating_add(after)
        });
        check_elements("elements of a padded input", channels.into_iter().chain(padded))?;
        Ok(axes().map(|(axis, length)| length.map(|length| axis.places(self.padding, length))).collect())
    }

    /// What is added before and after each axis of `[batch, channels, spatial...]`.
    ///
    /// # Errors
    /// When a window does not fit, or padding makes the input too large.
    pub fn pads<const D: usize>(&self, x: &Tensor<D>) -> Result<Vec<(usize, usize)>> {
        let lengths = lengths_of(x);
        let known: Vec<_> = lengths.iter().copied().map(Some).collect();
        self.outputs(Some(x.dims()[1]), &known)?;
        Ok(self.axes.iter().zip(lengths).map(|(axis, length)| axis.pads(self.padding, length)).collect())
    }

    /// The strides, for Burn.
    pub fn strides<const N: usize>(&self) -> [usize; N] {
        array(self.axes.iter().map(|axis| axis.stride))
    }

    /// The dilation, for Burn.
    pub fn dilation<const N: usize>(&self) -> [usize; N] {
        array(self.axes.iter().map(|axis| axis.dilation))
    }
}
