//! Convolutions in Rust source.

use super::spatial::{Padding, Windows};
use crate::codegen::{Code, Layout, array, per_axis};
use crate::config::DataFormat;
use crate::initializer::Initializer;

/// `Conv1d` to `Conv3d` of burn-nn.
const CONVOLUTIONS: [[&str; 2]; 3] = [
    ["burn::nn::conv::Conv1d", "burn::nn::conv::Conv1dConfig"],
    ["burn::nn::conv::Conv2d", "burn::nn::conv::Conv2dConfig"],
    ["burn::nn::conv::Conv3d", "burn::nn::conv::Conv3dConfig"],
];

/// What burn-nn calls padding along one, two, and three axes.
const PADDINGS: [&str; 3] =
    ["burn::nn::PaddingConfig1d", "burn::nn::PaddingConfig2d", "burn::nn::PaddingConfig3d"];

/// What of a convolution is in its source.
pub(super) struct Convolution<'a> {
    /// Of the input and of the output.
    pub channels: [usize; 2],
    pub groups: usize,
    pub windows: &'a Windows,
    /// Of the spatial axes of the input.
    pub lengths: &'a [Option<usize>],
    pub use_bias: bool,
    pub data_format: Option<DataFormat>,
    pub initializer: &'a Initializer,
    /// Of the kernel in the file.
    pub shape: &'a [usize],
}

impl Convolution<'_> {
    /// The convolution without activation.
    pub fn code(&self) -> Option<Code> {
        let numbers = |number: fn(&super::spatial::Window) -> usize| {
            self.windows.axes.iter().map(number).collect::<Vec<usize>>()
        };
        let (sizes, ones) = (numbers(|axis| axis.size), vec![1; self.windows.axes.len()]);
        let [channels_in, channels_out] = self.channels;
        let channels = match sizes.len() {
            1 => format!("{channels_in}, {channels_out}"),
            _ => array(&self.channels),
        };
        let window: usize = sizes.iter().product();
        let fan_out = channels_out / self.groups * window;
        // `Conv1d` draws its bias without knowing this number, and Burn panics if it needs it.
        let fan_out = Some(fan_out).filter(|_| sizes.len() > 1 || !self.use_bias);
        let code = Code::module(
            *CONVOLUTIONS.get(sizes.len().checked_sub(1)?)?,
            &format!("{channels}, {}", per_axis(&sizes)),
            Layout::spatial(self.data_format),
        )
        .with("stride", per_axis(&numbers(|axis| axis.stride)), &per_axis(&ones))
        .with("dilation", per_axis(&numbers(|axis| axis.dilation)), &per_axis(&ones))
        .with("groups", self.groups.to_string(), "1")
        .with("bias", self.use_bias.to_string(), "true");
        let fans = (channels_in / self.groups * window, fan_out);
        padded(code, self.windows, self.lengths)
            .map(|code| code.initialized(self.initializer, self.shape, fans))
    }
}

/// Sets the padding of a module of burn-nn, or pads what it is called with; not where it depends on a length that
/// is not known, in a way that Burn cannot tell.
pub(super) fn padded(code: Code, windows: &Windows, lengths: &[Option<usize>]) -> Option<Code> {
    let path = *PADDINGS.get(lengths.len().checked_sub(1)?)?;
    let name = path.rsplit("::").next()?;
    let is_dense = windows.axes.iter().all(|axis| axis.dilation == 1);
    // A window over single entries needs none.
    if windows.padding == Padding::Valid || windows.axes.iter().all(|axis| axis.reach() == 1) {
        return Some(code);
    }
    // Burn's own is Keras', but does not know about dilation, and along three axes panics if both ends differ.
    if windows.padding == Padding::Same && is_dense && lengths.len() < 3 {
        return Some(code.with("padding", format!("{name}::Same"), "").using(path));
    }
    let pads = windows.axes.iter().zip(lengths).map(|(axis, length)| {
        let padding = windows.padding;
        // Without strides, the length does not matter.
        length.or((axis.stride == 1).then_some(1)).map(|length| axis.pads(padding, length))
    });
    let pads = pads.collect::<Option<Vec<(usize, usize)>>>()?;
    let explicit = match pads.as_slice() {
        pads if pads.iter().all(|pad| *pad == (0, 0)) => return Some(code),
        [(left, right)] => format!("{left}, {right}"),
        [(top, bottom), (left, right)] => format!("{top}, {left}, {bottom}, {right}"),
        [(a, front), (b, top), (c, left)] if (a, b, c) == (front, top, left) => {
            format!("{front}, {top}, {left}")
        }
        pads => {
            let padded = format!("{{0}}.pad({}, PadMode::Constant(0.0))", array(pads));
            let call = code.call.replace("{0}", &padded);
            return Some(Code { call, ..code }.using("burn::tensor::ops::PadMode"));
        }
    };
    Some(code.with("padding", format!("{name}::Explicit({explicit})"), "").using(path))
}
