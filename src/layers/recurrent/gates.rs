//! The arithmetic of cells with gates: products with kernels, and one step in time.

use burn::tensor::module::linear;
use burn::tensor::{Distribution, Tensor};

use super::Steps;
use super::cell::{Gating, Kind};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::value::Value;

/// The parameters of a cell in Keras' layout, the input's bias apart from the state's.
pub(super) struct Gates<'a> {
    gating: &'a Gating,
    kernel: Tensor<2>,
    recurrent_kernel: Tensor<2>,
    input_bias: Option<Tensor<1>>,
    state_bias: Option<Tensor<1>>,
}

impl<'a> Gates<'a> {
    pub(super) fn new(
        gating: &'a Gating,
        mut kernel: Tensor<2>,
        mut recurrent_kernel: Tensor<2>,
        bias: Option<Tensor<1>>,
    ) -> Self {
        let width = gating.kind.gates() * gating.units;
        if gating.is_cudnn {
            kernel = from_cudnn(kernel, gating.units);
            recurrent_kernel = from_cudnn(recurrent_kernel, gating.units);
        }
        let (input_bias, state_bias) = match bias {
            Some(both) if both.dims()[0] > width => {
                (Some(both.clone().narrow(0, 0, width)), Some(both.narrow(0, width, width)))
            }
            bias => (bias, None),
        };
        Self { gating, kernel, recurrent_kernel, input_bias, state_bias }
    }
}

/// CuDNN holds the kernel of a gate as `[units, size]`, whatever the shape says.
fn from_cudnn(kernel: Tensor<2>, units: usize) -> Tensor<2> {
    let [size, width] = kernel.dims();
    let gates = (0..width / units.max(1)).map(|gate| {
        let gate = kernel.clone().narrow(1, gate * units, units);
        gate.reshape([units, size]).transpose()
    });
    Tensor::cat(gates.collect(), 1)
}

/// Random factors that drop a share of what they are multiplied with and keep the mean, as Keras'
/// `count` masks of a cell; none if nothing is dropped.
pub(crate) fn dropped<const D: usize>(
    rate: f64,
    count: usize,
    shape: [usize; D],
    like: &Tensor<D>,
) -> Vec<Tensor<D>> {
    let kept = 1.0 - rate;
    let count = if rate > 0.0 { count } else { 0 };
    let options = (&like.device(), like.dtype());
    let mask = |_| match kept > 0.0 {
        true => Tensor::random(shape, Distribution::Bernoulli(kept), options) / kept,
        false => Tensor::zeros(shape, options),
    };
    (0..count).map(mask).collect()
}

/// Some of the gates: a kernel, and what goes with it.
struct Block {
    /// `[size, gates · units]`
    kernel: Tensor<2>,
    /// `[gates · units]`
    bias: Option<Tensor<1>>,
    /// What is dropped of the input, `[batch, size]`; the same at every step.
    dropped: Option<Tensor<2>>,
}

impl Block {
    /// Cuts a kernel into blocks of so many gates each. There is one mask for all blocks, or one each.
    fn cut(
        kernel: &Tensor<2>,
        bias: Option<&Tensor<1>>,
        masks: &[Tensor<2>],
        gates: &[usize],
        units: usize,
    ) -> Vec<Self> {
        let mut start = 0;
        let blocks = gates.iter().enumerate().map(|(at, gates)| {
            let width = gates * units;
            let kernel = match kernel.dims()[1] == width {
                true => kernel.clone(),
                // A product with a view would copy it at every step.
                false => kernel.clone().narrow(1, start, width).mul_scalar(1.0),
            };
            let bias = bias.map(|bias| bias.clone().narrow(0, start, width));
            start += width;
            Self { kernel, bias, dropped: masks.get(at).or(masks.first()).cloned() }
        });
        blocks.collect()
    }

    /// The product with one step, or with a state: `[batch, gates · units]`.
    fn product(&self, x: &Tensor<2>) -> Tensor<2> {
        let x = match &self.dropped {
            Some(dropped) => x.clone() * dropped.clone(),
            None => x.clone(),
        };
        let product = x.matmul(self.kernel.clone());
        match &self.bias {
            Some(bias) => product + bias.clone().unsqueeze(),
            None => product,
        }
    }

    /// The products with all steps of `[batch, time, size]`: `[batch, gates · units]` each.
    fn products(&self, x: &Tensor<3>) -> Vec<Tensor<2>> {
        let x = match &self.dropped {
            Some(dropped) => x.clone() * dropped.clone().unsqueeze_dim(1),
            None => x.clone(),
        };
        let products = linear(x, self.kernel.clone(), self.bias.clone());
        pieces(products, 1, 1).into_iter().map(|product| product.squeeze_dim(1)).collect()
    }
}

/// A tensor in pieces of `size` entries of an axis.
///
/// The backward pass of a slice costs as much as what it was cut from. Halving makes that the
/// logarithm of the number of pieces for each, not the number.
pub(crate) fn pieces<const D: usize>(x: Tensor<D>, axis: usize, size: usize) -> Vec<Tensor<D>> {
    let count = x.dims()[axis] / size.max(1);
    if !x.is_autodiff() {
        return (0..count).map(|at| x.clone().narrow(axis, at * size, size)).collect();
    }
    if count < 2 {
        return vec![x];
    }
    let (half, rest) = (count / 2 * size, (count - count / 2) * size);
    let mut all = pieces(x.clone().narrow(axis, 0, half), axis, size);
    all.extend(pieces(x.narrow(axis, half, rest), axis, size));
    all
}

/// The new `h` and `c` of an LSTM, out of the sums of its gates `i f c o`.
pub(crate) fn lstm<const D: usize>(
    [i, f, candidate, o]: [Tensor<D>; 4],
    c: Tensor<D>,
    activate: impl Fn(Tensor<D>) -> Result<Tensor<D>>,
    open: impl Fn(Tensor<D>) -> Result<Tensor<D>>,
) -> Result<[Tensor<D>; 2]> {
    let kept = open(f)? * c;
    let c = kept + open(i)? * activate(candidate)?;
    Ok([open(o)? * activate(c.clone())?, c])
}

/// A cell along a sequence: the products with its inputs are there, those with the states are not.
pub(super) struct GatedSteps<'a> {
    gating: &'a Gating,
    /// For every block of gates, the products at every step.
    inputs: Vec<Vec<Tensor<2>>>,
    states: Vec<Block>,
}

impl<'a> GatedSteps<'a> {
    pub(super) fn new(parameters: Gates<'a>, x: &Tensor<3>, is_training: bool) -> Self {
        let Gates { gating, kernel, recurrent_kernel, input_bias, state_bias } = parameters;
        let (units, gates) = (gating.units, gating.kind.gates());
        let [batch, _, features] = x.dims();
        // Keras drops for every gate on its own as soon as the state is dropped, too.
        let count = if gating.recurrent_dropout > 0.0 { gates } else { 1 };
        let drop = |rate: f64, size: usize| -> Vec<Tensor<2>> {
            // Of gates Keras does not drop everything.
            let is_on = is_training && (rate < 1.0 || gating.kind == Kind::Simple);
            let first = x.clone().narrow(1, 0, 1).squeeze_dim::<2>(1);
            dropped(if is_on { rate } else { 0.0 }, count, [batch, size], &first)
        };
        let (input_masks, state_masks) =
            (drop(gating.dropout, features), drop(gating.recurrent_dropout, units));
        let apart = input_masks.len() > 1 || state_masks.len() > 1;
        let input_gates = if apart { vec![1; gates] } else { vec![gates] };
        let state_gates = match gating.kind {
            Kind::Gru { reset_after: false } if !apart => vec![2, 1],
            _ => input_gates.clone(),
        };
        let inputs = Block::cut(&kernel, input_bias.as_ref(), &input_masks, &input_gates, units);
        Self {
            gating,
            inputs: inputs.iter().map(|block| block.products(x)).collect(),
            states: Block::cut(&recurrent_kernel, state_bias.as_ref(), &state_masks, &state_gates, units),
        }
    }

    /// Every gate out of the products of blocks.
    fn gates(&self, products: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let units = self.gating.units;
        let gates = products.into_iter().flat_map(|product| match product.dims()[1] / units {
            1 => vec![product],
            count => (0..count).map(|gate| product.clone().narrow(1, gate * units, units)).collect(),
        });
        gates.collect()
    }

    /// The products of some blocks with a state.
    fn products(&self, blocks: std::ops::RangeTo<usize>, h: &Tensor<2>) -> Vec<Tensor<2>> {
        self.states[blocks].iter().map(|block| block.product(h)).collect()
    }

    /// The new states, of which the first is the output.
    fn states(&self, input: Vec<Tensor<2>>, states: &[Tensor<2>]) -> Result<Vec<Tensor<2>>> {
        let Gating { kind, activation, recurrent_activation, .. } = self.gating;
        let sum = |input: Vec<Tensor<2>>, h: &Tensor<2>| {
            let products = self.products(..self.states.len(), h);
            self.gates(input.into_iter().zip(products).map(|(x, h)| x + h).collect())
        };
        let apply = |activation: &Activation, x: Tensor<2>| Ok(activation.forward(x));
        match (kind, states) {
            (Kind::Simple, [h]) => Ok(sum(input, h).into_iter().map(|x| activation.forward(x)).collect()),
            (Kind::Lstm, [h, c]) => {
                let sums =
                    <[_; 4]>::try_from(sum(input, h)).map_err(|_| Error::input("expected four gates"))?;
                lstm(sums, c.clone(), |x| apply(activation, x), |x| apply(recurrent_activation, x))
                    .map(Into::into)
            }
            (Kind::Gru { reset_after }, [h]) => {
                let x = self.gates(input);
                // The candidate is in a block of its own unless the reset gate comes after the product.
                let now = if *reset_after { self.states.len() } else { self.states.len() - 1 };
                let state = self.gates(self.products(..now, h));
                let gate = |at: usize| recurrent_activation.forward(x[at].clone() + state[at].clone());
                let (z, r) = (gate(0), gate(1));
                let reset = match reset_after {
                    true => r * state[2].clone(),
                    false => self.states[now].product(&(r * h.clone())),
                };
                let new = activation.forward(x[2].clone() + reset);
                Ok(vec![z.clone() * h.clone() + (-z + 1.0) * new])
            }
            _ => Err(Error::input(format_args!("a cell cannot start from {} states", states.len()))),
        }
    }
}

impl Steps for GatedSteps<'_> {
    fn step(&self, at: usize, states: &[Value]) -> Result<(Value, Vec<Value>)> {
        let input = self.inputs.iter().map(|steps| steps[at].clone()).collect();
        let states = states.iter().cloned().map(Value::float).collect::<Result<Vec<_>>>()?;
        let new: Vec<Value> = self.states(input, &states)?.into_iter().map(Value::from).collect();
        let output = new.first().cloned().ok_or_else(|| Error::input("a cell without states"))?;
        Ok((output, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn halving_a_sequence_gives_its_steps_and_their_gradients() {
        let device = Device::flex().autodiff();
        for time in [1, 2, 7, 8] {
            let x = Tensor::<1, Int>::arange(0..2 * time as i64 * 3, &device).float();
            let x = x.reshape([2, time, 3]).require_grad();
            let steps: Vec<_> = pieces(x.clone(), 1, 1);
            assert_eq!(steps.len(), time);
            let weighted = steps.iter().enumerate().map(|(at, step)| step.clone().sum() * (at as f64 + 1.0));
            let loss = weighted.reduce(|a, b| a + b).unwrap();
            let gradient = x.grad(&loss.backward()).unwrap().into_data();
            let expected: Vec<f32> = (0..2 * time * 3).map(|at| (at / 3 % time) as f32 + 1.0).collect();
            assert_eq!(gradient.as_slice::<f32>().unwrap(), expected);
            for (at, step) in steps.into_iter().enumerate() {
                let expected = x.clone().narrow(1, at, 1).squeeze_dim::<2>(1);
                assert_eq!(step.squeeze_dim::<2>(1).into_data(), expected.into_data());
            }
        }
    }
}
