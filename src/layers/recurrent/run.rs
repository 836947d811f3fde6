//! The arithmetic of a recurrent layer: products with kernels, and one step in time.

use burn::tensor::Tensor;
use burn::tensor::module::linear;

use super::{Cell, Settings};

/// Some of the gates: a kernel, and what goes with it.
pub(super) struct Block {
    /// `[size, gates · units]`
    kernel: Tensor<2>,
    /// `[gates · units]`
    bias: Option<Tensor<1>>,
    /// What is dropped of the input, `[batch, size]`; the same at every step.
    dropped: Option<Tensor<2>>,
}

impl Block {
    /// Cuts a kernel into blocks of so many gates each. There is one mask for all blocks, or one each.
    pub(super) fn cut(
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
    pub(super) fn products(&self, x: &Tensor<3>) -> Vec<Tensor<2>> {
        let x = match &self.dropped {
            Some(dropped) => x.clone() * dropped.clone().unsqueeze_dim(1),
            None => x.clone(),
        };
        unstack(linear(x, self.kernel.clone(), self.bias.clone()))
    }
}

/// The steps of a sequence.
///
/// The backward pass of a slice costs as much as what it was cut from. Halving makes that the
/// logarithm of the number of steps for each, not the number.
fn unstack(x: Tensor<3>) -> Vec<Tensor<2>> {
    let time = x.dims()[1];
    if !x.is_autodiff() {
        return (0..time).map(|at| x.clone().narrow(1, at, 1).squeeze_dim(1)).collect();
    }
    if time < 2 {
        return vec![x.squeeze_dim(1)];
    }
    let mut steps = unstack(x.clone().narrow(1, 0, time / 2));
    steps.extend(unstack(x.narrow(1, time / 2, time - time / 2)));
    steps
}

/// The parameters of a run over a sequence.
pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) inputs: Vec<Block>,
    pub(super) states: Vec<Block>,
}

impl Run<'_> {
    /// Every gate out of the products of blocks.
    fn gates(&self, products: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let units = self.settings.units;
        let gates = products.into_iter().flat_map(|product| match product.dims()[1] / units {
            1 => vec![product],
            count => (0..count).map(|gate| product.clone().narrow(1, gate * units, units)).collect(),
        });
        gates.collect()
    }

    /// One step, given the products of the input: the new states, of which the first is the output.
    pub(super) fn step(&self, input: Vec<Tensor<2>>, states: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let Settings { cell, activation, recurrent_activation, .. } = self.settings;
        let h = &states[0];
        let product = |blocks: &[Block]| blocks.iter().map(|block| block.product(h)).collect::<Vec<_>>();
        let sum = |input: Vec<Tensor<2>>| {
            self.gates(input.into_iter().zip(product(&self.states)).map(|(x, h)| x + h).collect())
        };
        let gate = |x: &Tensor<2>| recurrent_activation.forward(x.clone());
        match cell {
            Cell::Simple => sum(input).into_iter().map(|x| activation.forward(x)).collect(),
            Cell::Lstm => {
                let sums = sum(input);
                let kept = gate(&sums[1]) * states[1].clone();
                let c = kept + gate(&sums[0]) * activation.forward(sums[2].clone());
                vec![gate(&sums[3]) * activation.forward(c.clone()), c]
            }
            Cell::Gru { reset_after } => {
                let x = self.gates(input);
                // The candidate is in a block of its own unless the reset gate comes after the product.
                let now = if *reset_after { self.states.len() } else { self.states.len() - 1 };
                let state = self.gates(product(&self.states[..now]));
                let z = gate(&(x[0].clone() + state[0].clone()));
                let r = gate(&(x[1].clone() + state[1].clone()));
                let reset = match reset_after {
                    true => r * state[2].clone(),
                    false => self.states[now].product(&(r * h.clone())),
                };
                let new = activation.forward(x[2].clone() + reset);
                vec![z.clone() * h.clone() + (-z + 1.0) * new]
            }
        }
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
            let steps = unstack(x.clone());
            assert_eq!(steps.len(), time);
            let weighted = steps.iter().enumerate().map(|(at, step)| step.clone().sum() * (at as f64 + 1.0));
            let loss = weighted.reduce(|a, b| a + b).unwrap();
            let gradient = x.grad(&loss.backward()).unwrap().into_data();
            let expected: Vec<f32> = (0..2 * time * 3).map(|at| (at / 3 % time) as f32 + 1.0).collect();
            assert_eq!(gradient.as_slice::<f32>().unwrap(), expected);
            for (at, step) in steps.into_iter().enumerate() {
                let expected = x.clone().narrow(1, at, 1).squeeze_dim::<2>(1);
                assert_eq!(step.into_data(), expected.into_data());
            }
        }
    }
}
