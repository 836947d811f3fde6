//! Convolutions whose kernels are operands, in Keras' order of axes.

use burn::tensor::Tensor;

use crate::config::{DataFormat, Dtype, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::layers::conv::{convolve, kernel_axes};
use crate::layers::depthwise_conv::{convolve_depthwise, depthwise_axes};
use crate::layers::spatial::{Padding, Windows, channel_axis, give, lengths, take, with_sizes};
use crate::ops::kit::{device, operand};
use crate::value::Value;

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[row::<Conv>(), row::<DepthwiseConv>(), row::<SeparableConv>()];

/// Runs an expression with the rank of images as a constant.
macro_rules! by_image_rank {
    ($rank:expr, $d:ident => $body:expr) => {
        match $rank {
            3 => {
                const $d: usize = 3;
                $body
            }
            4 => {
                const $d: usize = 4;
                $body
            }
            5 => {
                const $d: usize = 5;
                $body
            }
            rank => {
                Err(Error::unsupported(format_args!("expected one to three spatial axes, got rank {rank}")))
            }
        }
    };
}
pub(super) use by_image_rank;

/// Declares a convolution with the keys that all of them have.
macro_rules! convolution {
    ($(#[$meta:meta])* $name:ident [$($arg:literal),+]) => {
        crate::config! {
            $(#[$meta])*
            pub struct $name {
                /// How far the window moves at a time.
                strides: PerAxis = PerAxis::One(1),
                /// What is added around the inputs.
                padding: Padding = Padding::Valid,
                /// Where the channels are.
                data_format: Option<DataFormat> = None,
                /// How far apart the inputs are that a window sees.
                dilation_rate: PerAxis = PerAxis::One(1),
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["inputs", $($arg),+];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = operand(args, "inputs", None)?.operand;
                let kernels = [$(kernel(args, $arg, &input)?),+];
                let dtype = kernels[0].1;
                let kernels = kernels.map(|(shape, _)| shape);
                by_image_rank!(input.rank(), D => {
                    let (channels, lengths) = self.sizes::<D>(&input, &kernels)?;
                    let shape = with_sizes(&input, self.data_format, Some(channels), lengths);
                    Ok(Spec::new(shape, dtype).into())
                })
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let device = device(&args)?;
                let input = operand(&args, "inputs", Some(&device))?.operand;
                let kernels = [$(operand(&args, $arg, Some(&device))?.operand),+];
                by_image_rank!(input.rank(), D => {
                    let y = self.run::<D>(take(input, self.data_format)?, kernels)?;
                    Ok(give(y, self.data_format).into())
                })
            }
        }
    };
}

/// How a kernel moves over inputs of rank `D`.
fn windows<const D: usize>(
    kernel: &[usize],
    strides: &PerAxis,
    dilation_rate: &PerAxis,
    padding: Padding,
) -> Result<Windows> {
    if padding == Padding::Causal {
        return Err(Error::config("expected \"valid\" or \"same\", got \"causal\"").at("padding"));
    }
    let sizes = PerAxis::Each(kernel.get(..D - 2).unwrap_or_default().to_vec());
    Windows::new::<D>(("kernel", &sizes), strides, dilation_rate, padding)
}

/// The shape and type of a kernel for inputs of that rank.
fn kernel(args: &Args<Spec>, name: &str, input: &Spec) -> Result<(Vec<usize>, Dtype)> {
    let kernel = operand(args, name, None)?.operand;
    let check = || {
        kernel.expect_rank(input.rank())?;
        if !kernel.dtype.is_float() || (input.dtype.is_float() && input.dtype != kernel.dtype) {
            let (input, kernel) = (input.dtype, kernel.dtype);
            return Err(Error::unsupported(format_args!("{input} convolved with {kernel}")));
        }
        (0..kernel.rank()).map(|axis| kernel.known(axis)).collect::<Result<Vec<_>>>()
    };
    check().map(|shape| (shape, kernel.dtype)).map_err(|error| error.at(name))
}

/// The kernel with its axes in another order.
fn ordered<const D: usize>(kernel: Value, axes: &[usize]) -> Result<Tensor<D>> {
    kernel.permute(axes)?.float()
}

/// The numbers of channels of the input and of the output of a kernel.
fn ends(kernel: &[usize]) -> (usize, usize) {
    match kernel {
        [.., input, output] => (*input, *output),
        _ => (0, 0),
    }
}

fn channels(input: &Spec, format: Option<DataFormat>) -> Result<usize> {
    input.known(channel_axis(format, input.rank()))
}

fn unfit(input: &Spec, kernel: &[usize]) -> Error {
    Error::config(format_args!("a kernel {kernel:?} does not fit the channels of {input}")).at("kernel")
}

convolution! {
    /// The operation `Conv`. The kernel is `[spatial..., in, out]`.
    Conv ["kernel"]
}

impl Conv {
    fn sizes<const D: usize>(
        &self,
        input: &Spec,
        [kernel]: &[Vec<usize>; 1],
    ) -> Result<(usize, Vec<Option<usize>>)> {
        let (channels, (each, filters)) = (channels(input, self.data_format)?, ends(kernel));
        if channels != each || channels == 0 || filters == 0 {
            return Err(unfit(input, kernel));
        }
        let lengths = lengths::<D>(input, self.data_format)?;
        Ok((
            filters,
            windows::<D>(kernel, &self.strides, &self.dilation_rate, self.padding)?
                .outputs(Some(channels), &lengths)?,
        ))
    }

    fn run<const D: usize>(&self, x: Tensor<D>, [kernel]: [Value; 1]) -> Result<Tensor<D>> {
        let windows = windows::<D>(&kernel.shape(), &self.strides, &self.dilation_rate, self.padding)?;
        convolve(x, ordered(kernel, &kernel_axes::<D>())?, None, &windows, 1)
    }
}

convolution! {
    /// The operation `DepthwiseConv`. The kernel is `[spatial..., channels, multiplier]`.
    DepthwiseConv ["kernel"]
}

impl DepthwiseConv {
    fn sizes<const D: usize>(
        &self,
        input: &Spec,
        [kernel]: &[Vec<usize>; 1],
    ) -> Result<(usize, Vec<Option<usize>>)> {
        let (channels, (each, multiplier)) = (channels(input, self.data_format)?, ends(kernel));
        if channels != each || channels == 0 || multiplier == 0 {
            return Err(unfit(input, kernel));
        }
        let lengths = lengths::<D>(input, self.data_format)?;
        let lengths = windows::<D>(kernel, &self.strides, &self.dilation_rate, self.padding)?
            .outputs(Some(channels), &lengths)?;
        Ok((channels.saturating_mul(multiplier), lengths))
    }

    fn run<const D: usize>(&self, x: Tensor<D>, [kernel]: [Value; 1]) -> Result<Tensor<D>> {
        let windows = windows::<D>(&kernel.shape(), &self.strides, &self.dilation_rate, self.padding)?;
        convolve_depthwise(x, ordered(kernel, &depthwise_axes::<D>())?, None, &windows)
    }
}

convolution! {
    /// The operation `SeparableConv`: a depthwise convolution, then one that mixes the channels at each
    /// place, with a kernel `[1..., channels * multiplier, out]`.
    SeparableConv ["depthwise_kernel", "pointwise_kernel"]
}

impl SeparableConv {
    fn depthwise(&self) -> DepthwiseConv {
        let Self { strides, padding, data_format, dilation_rate } = self.clone();
        DepthwiseConv { strides, padding, data_format, dilation_rate }
    }

    fn pointwise(&self) -> Conv {
        let Self { data_format, dilation_rate, .. } = self.clone();
        Conv { strides: PerAxis::One(1), padding: Padding::Valid, data_format, dilation_rate }
    }

    fn sizes<const D: usize>(
        &self,
        input: &Spec,
        [depthwise, pointwise]: &[Vec<usize>; 2],
    ) -> Result<(usize, Vec<Option<usize>>)> {
        let (channels, lengths) = self.depthwise().sizes::<D>(input, std::array::from_ref(depthwise))?;
        let between = input.float(with_sizes(input, self.data_format, Some(channels), lengths));
        self.pointwise().sizes::<D>(&between, std::array::from_ref(pointwise))
    }

    fn run<const D: usize>(&self, x: Tensor<D>, [depthwise, pointwise]: [Value; 2]) -> Result<Tensor<D>> {
        let x = self.depthwise().run(x, [depthwise])?;
        self.pointwise().run(x, [pointwise])
    }
}
