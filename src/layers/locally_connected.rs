//! `LocallyConnected1D` and `LocallyConnected2D` of Keras 2: convolutions with a kernel for every place.
//!
//! The three implementations store the same kernel in different ways: one matrix for every place, the weights
//! between all inputs and all outputs, or just those of them that are connected, one after the other.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};

use super::spatial::{Padding, Windows, channel_axis, lengths, with_sizes};
use crate::activation::Activation;
use crate::config::{DataFormat, PerAxis};
use crate::constraint::Constraint;
use crate::einsum::einsum;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::{Binary, Value};

crate::config! {
    /// Config of `LocallyConnected1D` and `LocallyConnected2D`, by the rank of the inputs.
    pub struct LocallyConnectedConfig<const D: usize> {
        /// The number of output channels.
        filters: std::num::NonZeroUsize,
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far the window moves at a time.
        strides: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// For fresh weights.
        kernel_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        bias_initializer: Initializer = "zeros".into(),
        /// For training.
        kernel_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        bias_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        kernel_constraint: Constraint = Constraint::none(),
        /// For training.
        bias_constraint: Constraint = Constraint::none(),
        /// How the kernel is stored: 1, 2 or 3.
        implementation: usize = 1,
    }
}

impl<const D: usize> LocallyConnectedConfig<D> {
    fn grid(&self, input: &Spec) -> Result<Grid> {
        if !(1..=3).contains(&self.implementation) {
            return Err(Error::config(format_args!("expected 1, 2 or 3, got {}", self.implementation))
                .at("implementation"));
        }
        let allowed =
            if self.implementation == 1 { &[Padding::Valid][..] } else { &[Padding::Valid, Padding::Same] };
        if !allowed.contains(&self.padding) {
            let message = format_args!("{:?} with implementation {}", self.padding, self.implementation);
            return Err(Error::config(message).at("padding"));
        }
        let windows = Windows::new::<D>(
            ("kernel_size", &self.kernel_size),
            &self.strides,
            &PerAxis::One(1),
            self.padding,
        )?;
        let channel_axis = channel_axis(self.data_format, input.rank());
        let places = windows.outputs(
            input.shape.get(channel_axis).copied().flatten(),
            &lengths::<D>(input, self.data_format)?,
        )?;
        let unknown = || Error::config(format_args!("all sizes of the input {input} must be known"));
        let lengths = lengths::<D>(input, self.data_format)?
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .ok_or_else(unknown)?;
        let axes = windows.axes.iter().zip(lengths).zip(places.into_iter().flatten());
        let axes = axes.map(|((window, length), places)| Axis {
            length,
            places,
            size: window.size,
            stride: window.stride,
            before: if self.padding == Padding::Same { window.size / 2 } else { 0 },
        });
        Ok(Grid {
            axes: axes.collect(),
            channels: input.known(channel_axis)?,
            filters: self.filters.get(),
            implementation: self.implementation,
            is_first: self.data_format == Some(DataFormat::ChannelsFirst),
        })
    }
}

impl<const D: usize> LayerConfig for LocallyConnectedConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["LocallyConnected1D"],
        _ => &["LocallyConnected2D"],
    };

    type Layer = LocallyConnected;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let grid = self.grid(input)?;
        let places = grid.axes.iter().map(|axis| Some(axis.places)).collect();
        let shape = with_sizes(input, self.data_format, Some(grid.filters), places);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let grid = self.grid(args.input()?)?;
        let bias = grid.axes.iter().map(|axis| axis.places).chain([grid.filters]).collect::<Vec<_>>();
        Ok(Variables::default()
            .trainable("kernel", grid.kernel_shape())
            .flat()
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable_if(self.use_bias, "bias", bias)
            .flat()
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<LocallyConnected> {
        Ok(LocallyConnected {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            grid: self.grid(args.input()?)?,
            activation: self.activation.clone(),
        })
    }
}

/// A window along one axis.
#[derive(Clone, Debug)]
struct Axis {
    length: usize,
    places: usize,
    size: usize,
    stride: usize,
    /// How many entries before its place the window starts.
    before: usize,
}

impl Axis {
    /// The entries that a window sees, and which of them are none of the input.
    fn entries(&self, place: usize) -> impl Iterator<Item = Option<usize>> {
        let start = place * self.stride;
        (0..self.size).map(move |at| (start + at).checked_sub(self.before).filter(|at| *at < self.length))
    }
}

/// The places of an input, and of the windows over it.
#[derive(Clone, Debug)]
struct Grid {
    axes: Vec<Axis>,
    channels: usize,
    filters: usize,
    implementation: usize,
    is_first: bool,
}

impl Grid {
    fn product(&self, number: fn(&Axis) -> usize) -> usize {
        self.axes.iter().map(number).fold(1, usize::saturating_mul)
    }

    fn kernel_shape(&self) -> Vec<usize> {
        let each = |number: fn(&Axis) -> usize| self.axes.iter().map(number).collect::<Vec<_>>();
        let (lengths, places) = (each(|axis| axis.length), each(|axis| axis.places));
        let (channels, filters) = (&[self.channels][..], &[self.filters][..]);
        match (self.implementation, self.is_first) {
            (1, _) => {
                let seen = self.product(|axis| axis.size).saturating_mul(self.channels);
                vec![self.product(|axis| axis.places), seen, self.filters]
            }
            (2, false) => [&lengths, channels, &places, filters].concat(),
            (2, true) => [channels, &lengths, filters, &places].concat(),
            _ => {
                let seen = self
                    .product(|axis| (0..axis.places).flat_map(|place| axis.entries(place)).flatten().count());
                vec![seen.saturating_mul(self.channels).saturating_mul(self.filters)]
            }
        }
    }

    /// For every place the entries of the input that its window sees, in the order of memory.
    fn windows(&self) -> Vec<Vec<Option<usize>>> {
        self.axes.iter().fold(vec![vec![Some(0)]], |windows, axis| {
            let next = |window: &Vec<Option<usize>>, place: usize| {
                let pairs =
                    window.iter().flat_map(|outer| axis.entries(place).map(move |inner| (*outer, inner)));
                pairs.map(|(outer, inner)| Some(outer? * axis.length + inner?)).collect()
            };
            windows.iter().flat_map(|window| (0..axis.places).map(move |place| next(window, place))).collect()
        })
    }

    /// For every place, entry, channel and filter where its weight is in the kernel; none where there is no
    /// entry.
    fn weights(&self, windows: &[Vec<Option<usize>>]) -> Vec<Option<usize>> {
        let (places, length) = (windows.len(), self.product(|axis| axis.length));
        let (channels, filters, size) = (self.channels, self.filters, self.product(|axis| axis.size));
        let seen: Vec<usize> = windows.iter().map(|window| window.iter().flatten().count()).collect();
        let all: usize = seen.iter().sum();
        let (mut at, mut before) = (Vec::with_capacity(places * size * channels * filters), 0);
        for (place, window) in windows.iter().enumerate() {
            let mut number = 0;
            for (entry, input) in window.iter().enumerate() {
                for (channel, filter) in (0..channels).flat_map(|c| (0..filters).map(move |f| (c, f))) {
                    at.push(input.map(|input| match (self.implementation, self.is_first) {
                        (1, false) => ((place * size + entry) * channels + channel) * filters + filter,
                        (1, true) => ((place * channels + channel) * size + entry) * filters + filter,
                        (2, false) => ((input * channels + channel) * places + place) * filters + filter,
                        (2, true) => ((channel * length + input) * filters + filter) * places + place,
                        (_, false) => (before * filters + filter * seen[place] + number) * channels + channel,
                        (_, true) => (filter * all + before) * channels + channel * seen[place] + number,
                    }));
                }
                number += usize::from(input.is_some());
            }
            before += seen[place];
        }
        at
    }
}

/// A convolution with a kernel for every place.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - outputs: the same with other lengths and `filters` channels
#[derive(Module, Debug)]
pub struct LocallyConnected {
    /// The kernel as the implementation has it, its axes in one.
    pub kernel: Param<Tensor<1>>,
    /// `[places..., filters]` in one axis.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    grid: Grid,
    #[module(skip)]
    activation: Activation,
}

impl LocallyConnected {
    /// The weights of each place: `[places, entries · channels, filters]`.
    fn weights(&self, windows: &[Vec<Option<usize>>]) -> Result<Value> {
        let grid = &self.grid;
        let shape = [windows.len(), grid.product(|axis| axis.size) * grid.channels, grid.filters];
        let kernel = self.kernel.val();
        if grid.implementation == 1 && !grid.is_first {
            return Value::from(kernel).reshape(&shape);
        }
        let at = grid.weights(windows);
        let counts: Vec<f32> = at.iter().map(|at| f32::from(u8::from(at.is_some()))).collect();
        let at: Vec<i64> = at.into_iter().map(|at| at.unwrap_or(0) as i64).collect();
        let (device, length) = (kernel.device(), at.len());
        let found = kernel.select(0, Tensor::<1, Int>::from_data(at.as_slice(), &device));
        Value::from(found * Tensor::from_data(TensorData::new(counts, [length]), &device)).reshape(&shape)
    }
}

impl Layer for LocallyConnected {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, grid) = (args.into_input()?, &self.grid);
        let (batch, channels) = (x.shape()[0], grid.channels);
        let length = grid.product(|axis| axis.length);
        let x = match grid.is_first {
            true => x.reshape(&[batch, channels, length])?.permute(&[0, 2, 1])?,
            false => x.reshape(&[batch, length, channels])?,
        };
        let windows = grid.windows();
        let weights = self.weights(&windows)?;
        // Where there is no entry stands another of the window, without weight.
        let seen = windows.iter().flat_map(|window| {
            let other = window.iter().flatten().next().copied().unwrap_or(0);
            window.iter().map(move |entry| entry.unwrap_or(other) as i64)
        });
        let seen = Tensor::<1, Int>::from_data(seen.collect::<Vec<_>>().as_slice(), &x.device());
        let seen = Value::from(x.float::<3>()?.select(1, seen));
        let seen = seen.reshape(&[batch, windows.len(), weights.shape()[1]])?;
        let equation = if grid.is_first { "bpe,pef->bfp" } else { "bpe,pef->bpf" };
        let places = grid.axes.iter().map(|axis| axis.places);
        let shape: Vec<usize> = match grid.is_first {
            true => [batch, grid.filters].into_iter().chain(places).collect(),
            false => std::iter::once(batch).chain(places).chain([grid.filters]).collect(),
        };
        let y = einsum(equation, vec![seen, weights])?.reshape(&shape)?;
        let y = match &self.bias {
            // As Keras does it, also where the axes of the bias are not those of the output.
            Some(bias) => y.binary(Binary::Add, Value::from(bias.val()).reshape(&shape[1..])?)?,
            None => y,
        };
        Ok(self.activation.apply(y)?.into())
    }
}
