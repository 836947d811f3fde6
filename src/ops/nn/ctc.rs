//! Connectionist temporal classification: the likelihood of labels without their times, and the most
//! likely labels.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, DType, Int, Tensor};

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::ops::kit::{device, operand};
use crate::value::Value;

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[row::<CTCLoss>(), row::<CTCDecode>()];

/// The logarithm of a probability of nothing.
const NOTHING: f64 = -1e5;

crate::config! {
    /// The operation `CTCLoss`: the negative logarithm of the probability of the target, for every example.
    pub struct CTCLoss {
        /// The class that stands for no label.
        mask_index: usize = 0,
    }
}

/// A spec of that rank, under its name.
fn expect(args: &Args<Spec>, name: &str, rank: usize) -> Result<Spec> {
    let spec = operand(args, name, None)?.operand;
    spec.expect_rank(rank).map_err(|error| error.at(name))?;
    Ok(spec)
}

fn check_mask_index(mask_index: usize, classes: usize) -> Result<()> {
    match mask_index < classes {
        true => Ok(()),
        false => Err(Error::config(format_args!("expected one of {classes} classes")).at("mask_index")),
    }
}

/// Where `positions` are before the length of every row: `[batch, positions]`.
fn within(lengths: Tensor<1, Int>, positions: usize) -> Tensor<2, Bool> {
    let ([batch], device) = (lengths.dims(), lengths.device());
    let at = Tensor::<1, Int>::arange(0..positions as i64, &device).cast(lengths.dtype());
    let at = at.reshape([1, positions]).expand([batch, positions]);
    at.lower(lengths.reshape([batch, 1]).expand([batch, positions]))
}

fn ints<const D: usize>(args: &Args<Value>, name: &str) -> Result<Tensor<D, Int>> {
    Ok(operand(args, name, Some(&device(args)?))?.operand.int::<D>()?.cast(DType::I32))
}

/// The logarithm of the sum of two probabilities, of their logarithms.
fn log_add(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let highest = a.clone().max_pair(b.clone()).detach();
    ((a - highest.clone()).exp() + (b - highest.clone()).exp()).log() + highest
}

/// Adds to all but the first column.
fn add_after_first(x: Tensor<2>, added: Tensor<2>) -> Tensor<2> {
    let labels = added.dims()[1];
    Tensor::cat(vec![x.clone().narrow(1, 0, 1), log_add(x.narrow(1, 1, labels), added)], 1)
}

impl Function for CTCLoss {
    const CLASSES: &'static [&'static str] = &["CTCLoss"];
    const ARGS: &'static [&'static str] = &["target", "output", "target_length", "output_length"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (target, output) = (expect(args, "target", 2)?, expect(args, "output", 3)?);
        expect(args, "target_length", 1)?;
        expect(args, "output_length", 1)?;
        if target.known(1)? == 0 || output.known(1)? == 0 {
            return Err(Error::unsupported("no labels or no steps"));
        }
        check_mask_index(self.mask_index, output.known(2)?)?;
        Ok(Spec::new(vec![target.shape[0]], Dtype::Float32).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let target = ints::<2>(&args, "target")?;
        let output = operand(&args, "output", Some(&device(&args)?))?.operand.float::<3>()?;
        let (labels, steps) = (ints::<1>(&args, "target_length")?, ints::<1>(&args, "output_length")?);
        Ok(Value::from(ctc_loss(target, output, labels, steps, self.mask_index)).into())
    }
}

/// The loss of every example, of targets `[batch, labels]` and logits `[batch, time, classes]`, and how many labels
/// and steps of each example count.
pub(crate) fn ctc_loss(
    target: Tensor<2, Int>,
    output: Tensor<3>,
    target_length: Tensor<1, Int>,
    output_length: Tensor<1, Int>,
    mask_index: usize,
) -> Tensor<1> {
    let ([batch, steps, classes], [_, labels]) = (output.dims(), target.dims());
    let log = log_softmax(output, 2);
    let blank = log.clone().narrow(2, mask_index, 1);
    // A label that is no class has, as in Keras, the logarithm 0 at every step.
    let outside = target.clone().lower_elem(0).bool_or(target.clone().greater_equal_elem(classes as i64));
    let index = target.clone().clamp(0, classes as i64 - 1).reshape([batch, 1, labels]);
    let emit = log.gather(2, index.expand([batch, steps, labels]));
    let emit = emit.mask_fill(outside.reshape([batch, 1, labels]).expand([batch, steps, labels]), 0.0);

    let device = emit.device();
    // Burn has no parts without entries, so the last label is compared with one that none is.
    let after = Tensor::<2, Int>::full([batch, 1], -1, &device).cast(target.dtype());
    let after = Tensor::cat(vec![target.clone(), after], 1).narrow(1, 1, labels);
    let repeats = (target.clone().equal(after).bool_and(target.greater_equal_elem(0))).float();
    let counted = within(output_length, steps);
    let nothing = |width: usize| Tensor::<2>::full([batch, width], NOTHING, &device);
    let start = Tensor::<2>::zeros([batch, 1], &device);
    // The logarithms of the probabilities of having seen so many labels, with a blank after them or not.
    let (mut blanks, mut emits) = (Tensor::cat(vec![start, nothing(labels)], 1), nothing(labels));
    for step in 0..steps {
        let emit = emit.clone().narrow(1, step, 1).reshape([batch, labels]);
        let blank = blank.clone().narrow(1, step, 1).reshape([batch, 1]);
        let ready = add_after_first(blanks.clone(), emits.clone() + repeats.clone() * NOTHING);
        let next = log_add(ready.clone().narrow(1, 0, labels) + emit.clone(), emits.clone() + emit);
        let between = emits.clone() + blank.clone() + (-repeats.clone() + 1.0) * NOTHING;
        let waits = add_after_first(ready + blank, between);
        let counts = counted.clone().narrow(1, step, 1);
        emits = emits.mask_where(counts.clone().expand([batch, labels]), next);
        blanks = blanks.mask_where(counts.expand([batch, labels + 1]), waits);
    }
    let whole = add_after_first(blanks, emits);
    let length = target_length.clamp(0, labels as i64).reshape([batch, 1]);
    -whole.gather(1, length).reshape([batch])
}

crate::keywords! {
    /// How labels are found.
    pub enum Strategy {
        /// The most likely class of every step.
        Greedy = "greedy",
        /// The most likely labels, with several candidates at a time.
        BeamSearch = "beam_search",
    }
}

crate::config! {
    /// The operation `CTCDecode`: labels, -1 after their end, and the negative sum of their outputs.
    pub struct CTCDecode {
        /// How labels are found: greedily.
        strategy: Strategy = Strategy::Greedy,
        /// For beams.
        beam_width: usize = 100,
        /// For beams.
        top_paths: usize = 1,
        /// Whether a class that stays for several steps is one label.
        merge_repeated: bool = true,
        /// The class that stands for no label.
        mask_index: Option<usize> = Some(0),
    }
}

impl Function for CTCDecode {
    const CLASSES: &'static [&'static str] = &["CTCDecode"];
    const ARGS: &'static [&'static str] = &["inputs", "sequence_lengths"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if self.strategy == Strategy::BeamSearch {
            return Err(Error::unsupported("beam_search, which breaks ties by rounding").at("strategy"));
        }
        let input = expect(args, "inputs", 3)?;
        expect(args, "sequence_lengths", 1)?;
        if let Some(mask_index) = self.mask_index {
            check_mask_index(mask_index, input.known(2)?)?;
        }
        let labels = Spec::new(vec![Some(1), input.shape[0], input.shape[1]], Dtype::Int32);
        Ok(Tree::list([labels, Spec::new(vec![input.shape[0], Some(1)], Dtype::Float32)]))
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let inputs = operand(&args, "inputs", Some(&device(&args)?))?.operand.float::<3>()?;
        let [batch, steps, classes] = inputs.dims();
        let blank = self.mask_index.unwrap_or(classes.saturating_sub(1)) as i64;
        let after = within(ints::<1>(&args, "sequence_lengths")?, steps).bool_not();
        let scores = inputs.clone().max_dim(2).reshape([batch, steps]).mask_fill(after.clone(), 0.0);
        let found = inputs.argmax(2).reshape([batch, steps]).cast(DType::I32).mask_fill(after, blank);
        let mut labels = found.clone();
        if self.merge_repeated && steps > 1 {
            let before = found.clone().narrow(1, 0, steps - 1);
            let repeats = found.narrow(1, 1, steps - 1).equal(before);
            let first = labels.clone().narrow(1, 0, 1);
            let others = labels.narrow(1, 1, steps - 1).mask_fill(repeats, blank);
            labels = Tensor::cat(vec![first, others], 1);
        }
        let blanks = labels.clone().equal_elem(blank);
        // Labels first, in their order. No two keys are the same, since not every sort is stable.
        let at = Tensor::<1, Int>::arange(0..steps as i64, &labels.device()).cast(DType::I32);
        let at = at.reshape([1, steps]).expand([batch, steps]);
        let keys = at.clone().mask_where(blanks.clone(), at + steps as i64);
        let labels = labels.mask_fill(blanks, -1).gather(1, keys.argsort(1));
        let labels = Value::from(labels.reshape([1, batch, steps])).cast(DType::I32)?;
        Ok(Tree::list([labels, Value::from(-scores.sum_dim(1))]))
    }
}
