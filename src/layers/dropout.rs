//! `Dropout` and `SpatialDropout1D` to `SpatialDropout3D`: in training, some inputs become zero and the
//! others grow to keep the sum. Outside of training they change nothing.
//!
//! Which ones is up to Burn's random numbers, so Keras' `seed` has no bearing on it.

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};

use super::support::like_input;
use crate::codegen::{Code, Layout, Place, number};
use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::initializer::Seed;
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Weights};
use crate::map_float;
use crate::module::Training;
use crate::value::{Order, Value};

/// Refuses a rate that is no probability.
pub(super) fn check_rate(key: &str, rate: f64) -> Result<()> {
    match (0.0..=1.0).contains(&rate) {
        true => Ok(()),
        false => Err(Error::config(format_args!("expected a number from 0 to 1, got {rate}")).at(key)),
    }
}

/// A shape of random numbers that broadcasts to a value: `None` for the size of the value.
#[derive(Clone, Debug, Default)]
pub(super) struct NoiseShape(Option<Vec<Option<usize>>>);

impl NoiseShape {
    pub(super) fn new(sizes: Option<&[Option<usize>]>) -> Self {
        Self(sizes.map(<[_]>::to_vec))
    }

    /// Refuses a shape that does not broadcast to the inputs.
    pub(super) fn check(&self, input: &Spec) -> Result<()> {
        let Some(sizes) = &self.0 else { return Ok(()) };
        let first = input.rank().checked_sub(sizes.len());
        let fits = first.is_some_and(|first| {
            sizes.iter().zip(&input.shape[first..]).zip(&input.shape).all(|((size, own), same)| match size {
                None => first == 0 || (same.is_some() && same == own),
                Some(size) => *size == 1 || own.is_none_or(|own| own == *size),
            })
        });
        if fits {
            return Ok(());
        }
        let message = format_args!("noise of the shape {sizes:?} does not broadcast to {input}");
        Err(Error::config(message).at("noise_shape"))
    }

    /// The sizes for a value of a shape, as it is stored.
    pub(super) fn stored<const D: usize>(&self, shape: &[usize], order: Order) -> Result<[usize; D]> {
        let mut sizes: Vec<usize> = match &self.0 {
            None => shape.to_vec(),
            Some(sizes) => sizes.iter().zip(shape).map(|(size, own)| size.unwrap_or(*own)).collect(),
        };
        sizes.splice(0..0, std::iter::repeat_n(1, shape.len().saturating_sub(sizes.len())));
        if sizes.iter().zip(shape).any(|(size, own)| *size != 1 && size != own) {
            return Err(Error::input(format_args!("noise of the shape {sizes:?} for a value of {shape:?}")));
        }
        if order == Order::ChannelsFirst {
            sizes[1..].rotate_right(1);
        }
        sizes
            .try_into()
            .map_err(|_| Error::input(format_args!("expected a value of rank {D}, got {shape:?}")))
    }
}

/// Numbers from 0 to 1, as many as a value has or as broadcast to it.
pub(super) fn uniform<const D: usize>(x: &Tensor<D>, sizes: [usize; D]) -> Tensor<D> {
    let noise = Tensor::<D>::random(sizes, Distribution::Uniform(0.0, 1.0), (&x.device(), x.dtype()));
    noise.expand(x.dims())
}

crate::layer_config! {
    /// Config of `Dropout`.
    pub struct DropoutConfig {
        /// The share of inputs that become zero.
        rate: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// The shape of what is decided at random, which broadcasts to the inputs; null in it for the
        /// size of the inputs.
        noise_shape: Option<Vec<Option<std::num::NonZeroUsize>>> = None,
    }
}

impl DropoutConfig {
    fn noise(&self) -> NoiseShape {
        let sizes = self.noise_shape.as_ref();
        NoiseShape(
            sizes.map(|sizes| sizes.iter().map(|size| size.map(std::num::NonZeroUsize::get)).collect()),
        )
    }
}

/// Burn's own dropout of every entry by itself. It does not know a rate of 1.
fn module(rate: f64, layout: Layout) -> Option<Code> {
    const PATHS: [&str; 2] = ["burn::nn::Dropout", "burn::nn::DropoutConfig"];
    match rate {
        0.0 => Some(Code::function("{0}", layout)),
        rate if rate < 1.0 => Some(Code::module(PATHS, &number(rate)?, layout).without_device()),
        _ => None,
    }
}

/// Burn's own dropout of one number per sample and channel, by which the inputs are multiplied.
fn spatial_module(rate: f64, rank: usize, format: Option<DataFormat>, place: &Place<'_>) -> Option<Code> {
    place.input()?;
    let layout = place.spatial(format);
    let code = module(rate, layout).filter(|code| code.field.is_some());
    let Some(code) = code else { return module(rate, layout) };
    let channels = layout.axis(rank, super::spatial::channel_axis(format, rank));
    let sizes = (0..rank).map(|axis| match axis == 0 || axis == channels {
        true => format!("dims[{axis}]"),
        false => "1".to_owned(),
    });
    let sizes = sizes.collect::<Vec<_>>().join(", ");
    let call = format!(
        "{{ let x = {{0}}; let dims = x.dims(); \
         let kept = {{self}}.forward(Tensor::<{rank}>::ones([{sizes}], &x.device())); x * kept }}"
    );
    Some(Code { call, ..code })
}

impl LayerConfig for DropoutConfig {
    const CLASSES: &'static [&'static str] = &["Dropout"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Dropout;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("rate", self.rate)?;
        self.noise().check(args.input()?)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Dropout> {
        Ok(Dropout::new(self.rate, self.noise()))
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.input().filter(|_| self.noise_shape.is_none())?;
        module(self.rate, place.layout)
    }
}

/// Drops inputs at random in training.
///
/// # Shapes
/// - inputs: `[batch, ...]`
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct Dropout {
    training: Training,
    #[module(skip)]
    rate: f64,
    #[module(skip)]
    noise: NoiseShape,
}

impl Dropout {
    /// One that decides on every entry by itself.
    pub(super) fn plain(rate: f64) -> Self {
        Self::new(rate, NoiseShape::default())
    }

    pub(super) fn new(rate: f64, noise: NoiseShape) -> Self {
        Self { training: Training::default(), rate, noise }
    }
}

impl Layer for Dropout {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if self.rate == 0.0 || !self.training.is_on(&x.device(), cx) {
            return Ok(x.into());
        }
        let (shape, order) = (x.shape(), x.order());
        let y = map_float!(x, x => if self.rate == 1.0 {
            x.zeros_like()
        } else {
            let dropped = uniform(&x, self.noise.stored::<D>(&shape, order)?).lower_elem(self.rate);
            (x / (1.0 - self.rate)).mask_fill(dropped, 0.0)
        });
        Ok(y?.into())
    }
}

crate::layer_config! {
    /// Config of `SpatialDropout1D`.
    pub struct SpatialDropout1DConfig {
        /// The share of channels that become zero.
        rate: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

/// What `SpatialDropout` decides at random: one number per sample and channel.
fn per_channel(rank: usize, data_format: Option<DataFormat>) -> NoiseShape {
    let channels = if data_format == Some(DataFormat::ChannelsFirst) { 1 } else { rank - 1 };
    let sizes = (0..rank).map(|axis| if axis == 0 || axis == channels { None } else { Some(1) });
    NoiseShape(Some(sizes.collect()))
}

impl LayerConfig for SpatialDropout1DConfig {
    const CLASSES: &'static [&'static str] = &["SpatialDropout1D"];
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Dropout;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("rate", self.rate)?;
        args.input()?.expect_rank(3)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Dropout> {
        Ok(Dropout::new(self.rate, per_channel(3, None)))
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        spatial_module(self.rate, 3, None, place)
    }
}

crate::layer_config! {
    /// Config of `SpatialDropout2D` and `SpatialDropout3D`, by the rank of the inputs.
    pub struct SpatialDropoutConfig<const D: usize> {
        /// The share of channels that become zero.
        rate: f64,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl<const D: usize> LayerConfig for SpatialDropoutConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        4 => &["SpatialDropout2D"],
        _ => &["SpatialDropout3D"],
    };
    const MASK: MaskRule = MaskRule::Pass;

    type Layer = Dropout;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("rate", self.rate)?;
        args.input()?.expect_rank(D)?;
        like_input(args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Dropout> {
        Ok(Dropout::new(self.rate, per_channel(D, self.data_format)))
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        spatial_module(self.rate, D, self.data_format, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dtype;
    use burn::tensor::Device;

    fn run(layer: &Dropout, x: Value, training: bool) -> Vec<f32> {
        let cx = Context { training: Some(training) };
        let y = layer.call(Args::one(x), &cx).unwrap().into_leaves().remove(0);
        y.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn training_drops_the_rate_and_keeps_the_mean() {
        let ones = Value::from(Tensor::<2>::ones([100, 1000], &Device::flex()));
        let layer = Dropout::new(0.25, NoiseShape::default());
        assert!(run(&layer, ones.clone(), false).iter().all(|x| *x == 1.0));
        let y = run(&layer, ones.clone(), true);
        let dropped = y.iter().filter(|x| **x == 0.0).count() as f64 / y.len() as f64;
        assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
        assert!(y.iter().all(|x| *x == 0.0 || (x - 1.0 / 0.75).abs() < 1e-6));
        assert!(run(&Dropout::new(1.0, NoiseShape::default()), ones, true).iter().all(|x| *x == 0.0));
    }

    #[test]
    fn channels_go_as_a_whole_in_either_memory_order() {
        let layer = Dropout::new(0.5, per_channel(4, None));
        let tensor = Tensor::<4>::ones([3, 16, 5, 7], &Device::flex());
        for x in [Value::from_channels_first(tensor.clone()), Value::from(tensor.permute([0, 2, 3, 1]))] {
            let y = run(&layer, x, true);
            for sample in y.chunks(5 * 7 * 16) {
                let first = &sample[..16];
                assert!(sample.chunks(16).all(|pixel| pixel == first));
            }
            assert!(y.contains(&0.0) && y.contains(&2.0));
        }
    }

    #[test]
    fn noise_must_broadcast() {
        let input = Spec::new(vec![None, Some(3), Some(4)], Dtype::Float32);
        for sizes in [&[None, Some(1), None][..], &[None, Some(3), Some(4)], &[Some(1)], &[]] {
            assert!(NoiseShape::new(Some(sizes)).check(&input).is_ok(), "{sizes:?}");
        }
        for sizes in [&[None, Some(2), None][..], &[None; 4], &[Some(3)], &[None, None]] {
            assert!(NoiseShape::new(Some(sizes)).check(&input).is_err(), "{sizes:?}");
        }
    }
}
