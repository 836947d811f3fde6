//! `Flatten`, `Reshape`, `Permute` and `RepeatVector`: the same numbers under another shape.

use crate::codegen::{Code, Layout, Place, array};
use crate::config::{DataFormat, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `Flatten`: all axes after the batch become one.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`, for `channels_first` `[batch, channels, ...]`
    /// - outputs: `[batch, features]`, the channels varying fastest
    pub struct Flatten {
        /// Where the channels of the inputs are.
        data_format: Option<DataFormat> = None,
    }
}

impl Function for Flatten {
    const CLASSES: &'static [&'static str] = &["Flatten"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let batch = first(input)?;
        let features = product(&input.shape[1..]);
        Ok(Spec::new(vec![batch, features], input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let mut x = args.into_input()?;
        if self.data_format == Some(DataFormat::ChannelsFirst) && x.rank() > 2 {
            let mut axes: Vec<usize> = (0..x.rank()).collect();
            axes[1..].rotate_left(1);
            x = x.permute(&axes)?;
        }
        let shape = x.shape();
        let (batch, features) = (shape[0], shape[1..].iter().product());
        Ok(x.reshape(&[batch, features])?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let rank = place.alone()?.rank();
        let call = match (rank, self.data_format) {
            (1, _) => "{0}.unsqueeze_dim::<2>(1)".to_owned(),
            (2, _) => "{0}".to_owned(),
            (_, Some(DataFormat::ChannelsFirst)) => {
                let axes: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
                format!("{{0}}.permute({}).flatten::<2>(1, -1)", array(&axes))
            }
            _ => "{0}.flatten::<2>(1, -1)".to_owned(),
        };
        Some(Code::function(call, Layout::Keras))
    }
}

/// The size of the batch axis.
fn first(input: &Spec) -> Result<Option<usize>> {
    input.shape.first().copied().ok_or_else(|| Error::config("expected an input with a batch axis"))
}

/// The product of sizes, if all are known.
fn product(sizes: &[Option<usize>]) -> Option<usize> {
    sizes.iter().try_fold(1_usize, |product, size| size.map(|size| product.saturating_mul(size)))
}

crate::layer_config! {
    /// `Reshape`: another shape after the batch.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: `[batch, target_shape...]`
    pub struct Reshape {
        /// The sizes after the batch; one may be -1, or null, for what remains.
        target_shape: Vec<Option<i64>>,
    }
}

impl Reshape {
    /// The sizes after the batch, `None` for the one that is still to be found.
    fn target(&self) -> Result<Vec<Option<usize>>> {
        let size = |size: &Option<i64>| match size {
            None | Some(-1) => Ok(None),
            Some(size) => usize::try_from(*size).map(Some).map_err(|_| {
                Error::config(format_args!("expected sizes or -1, got {size}")).at("target_shape")
            }),
        };
        let target = self.target_shape.iter().map(size).collect::<Result<Vec<_>>>()?;
        match target.iter().filter(|size| size.is_none()).count() {
            0 | 1 => Ok(target),
            count => {
                Err(Error::config(format_args!("expected one -1 at most, got {count}")).at("target_shape"))
            }
        }
    }

    /// The sizes after the batch for an input of `size` elements per sample.
    fn resolve(&self, size: usize) -> Result<Vec<usize>> {
        let target = self.target()?;
        let known = product(&target.iter().copied().filter(Option::is_some).collect::<Vec<_>>()).unwrap_or(1);
        let is_whole = target.iter().all(Option::is_some);
        let fits = if is_whole { known == size } else { known != 0 && size.is_multiple_of(known) };
        if !fits {
            let message = format_args!("cannot reshape {size} elements to {:?}", self.target_shape);
            return Err(Error::config(message).at("target_shape"));
        }
        Ok(target.into_iter().map(|at| at.unwrap_or_else(|| size / known.max(1))).collect())
    }
}

impl Function for Reshape {
    const CLASSES: &'static [&'static str] = &["Reshape"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let batch = first(input)?;
        let target = match product(&input.shape[1..]) {
            Some(size) => self.resolve(size)?.into_iter().map(Some).collect(),
            None => self.target()?,
        };
        Ok(Spec::new(std::iter::once(batch).chain(target).collect(), input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let shape = x.shape();
        let mut target = self.resolve(shape[1..].iter().product())?;
        target.insert(0, shape[0]);
        Ok(x.reshape(&target)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let input = place.alone()?;
        let outputs = self.outputs(place.args).ok()?;
        let [output] = outputs.leaves()[..] else { return None };
        if output.shape == input.shape {
            return Some(Code::function("{0}", place.layout));
        }
        // Burn finds one size by itself. It is the batch, unless that has to be kept, which 0 asks for.
        let is_open = |sizes: &[Option<usize>]| sizes.iter().any(Option::is_none);
        let keeps = is_open(&input.shape[1..]) || is_open(&output.shape[1..]);
        let size = |(axis, size): (usize, &Option<usize>)| match size {
            _ if axis == 0 => Some(if keeps { 0 } else { -1 }),
            None => Some(-1),
            Some(size) => i64::try_from(*size).ok().filter(|size| *size > 0),
        };
        let sizes = output.shape.iter().enumerate().map(size).collect::<Option<Vec<i64>>>()?;
        Some(Code::function(format!("{{0}}.reshape({})", array(&sizes)), Layout::Keras))
    }
}

crate::layer_config! {
    /// `Permute`: the axes after the batch in another order.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: `[batch, ...]`, axis `i` being axis `dims[i - 1]` of the inputs
    pub struct Permute {
        /// The axes in their new order, the first after the batch being 1.
        dims: Vec<i64>,
    }
}

impl Permute {
    /// The axes in their new order, the batch included.
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        let axes = self.dims.iter().map(|axis| resolve_axis(*axis, self.dims.len() + 1));
        let mut axes = axes.collect::<Result<Vec<_>>>().map_err(|error| error.at("dims"))?;
        axes.insert(0, 0);
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if axes.len() != rank || !sorted.into_iter().eq(0..rank) || self.dims.iter().any(|axis| *axis < 1) {
            let expected = format_args!("expected every axis from 1 to {} once", rank.saturating_sub(1));
            return Err(Error::config(format_args!("{expected}, got {:?}", self.dims)).at("dims"));
        }
        Ok(axes)
    }
}

impl Function for Permute {
    const CLASSES: &'static [&'static str] = &["Permute"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let axes = self.axes(input.rank())?;
        Ok(Spec::new(axes.into_iter().map(|axis| input.shape[axis]).collect(), input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axes = self.axes(x.rank())?;
        Ok(x.permute(&axes)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let axes = self.axes(place.alone()?.rank()).ok()?;
        Some(Code::function(format!("{{0}}.permute({})", array(&axes)), Layout::Keras))
    }
}

crate::layer_config! {
    /// `RepeatVector`: the same vector at every step of a sequence.
    ///
    /// # Shapes
    /// - inputs: `[batch, features]`
    /// - outputs: `[batch, n, features]`
    pub struct RepeatVector {
        /// The length of the sequence.
        n: std::num::NonZeroUsize,
    }
}

impl Function for RepeatVector {
    const CLASSES: &'static [&'static str] = &["RepeatVector"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        input.expect_rank(2)?;
        Ok(Spec::new(vec![input.shape[0], Some(self.n.get()), input.shape[1]], input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(args.into_input()?.expand_dims(1)?.repeat_each(1, self.n.get())?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.alone()?;
        let call = format!("{{0}}.unsqueeze_dim::<3>(1).repeat_dim(1, {})", self.n);
        Some(Code::function(call, Layout::Keras))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dtype;

    fn shape(layer: &impl Function, input: &[Option<usize>]) -> Option<Vec<Option<usize>>> {
        let spec = Spec::new(input.to_vec(), Dtype::Float32);
        let outputs = layer.outputs(&Args::one(spec)).ok()?;
        outputs.leaves().first().map(|spec| spec.shape.clone())
    }

    #[test]
    fn reshape_finds_what_remains() {
        let reshape = |target: &[i64]| Reshape { target_shape: target.iter().copied().map(Some).collect() };
        let known = [None, Some(4), Some(6)];
        assert_eq!(shape(&reshape(&[3, -1]), &known).unwrap(), [None, Some(3), Some(8)]);
        assert_eq!(shape(&reshape(&[3, -1]), &[None, None, Some(6)]).unwrap(), [None, Some(3), None]);
        for target in [&[5, -1][..], &[-1, -1], &[0, -1], &[25], &[-2, 12]] {
            assert!(shape(&reshape(target), &known).is_none(), "{target:?}");
        }
        let huge = reshape(&[i64::from(i32::MAX); 5]);
        assert!(shape(&huge, &known).is_none());
    }

    #[test]
    fn permute_takes_every_axis_once() {
        let permute = |dims: &[i64]| Permute { dims: dims.to_vec() };
        let input = [None, Some(2), Some(3)];
        assert_eq!(shape(&permute(&[2, 1]), &input).unwrap(), [None, Some(3), Some(2)]);
        for dims in [&[1, 1][..], &[0, 1], &[1], &[1, 2, 3], &[-1, -2], &[2, 3]] {
            assert!(shape(&permute(dims), &input).is_none(), "{dims:?}");
        }
    }
}
