//! A loss of labels without their times.

use burn::tensor::{DType, Int, Tensor};

use super::{Objective, loss};
use crate::error::{Error, Result};
use crate::ops::nn::ctc::ctc_loss;
use crate::value::Value;

loss! {
    /// Connectionist temporal classification. Targets are labels `[batch, labels]`, 0 after their end;
    /// predictions are logits `[batch, time, classes]`, the class 0 being the blank.
    pub struct CTC = "ctc" {}
}

impl Objective for CTC {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let (targets, logits) = (y_true.shape(), y_pred.shape());
        match (targets.as_slice(), logits.as_slice()) {
            ([labels, _], [batch, ..]) if labels == batch && logits.len() == 3 => {}
            _ => {
                let message = "expected targets [batch, labels] and logits [batch, time, classes]";
                return Err(Error::input(format_args!("{message}, got {targets:?} and {logits:?}")));
            }
        }
        let [batch, steps] = [logits[0], logits[1]];
        let target = y_true.int::<2>()?.cast(DType::I32);
        let labels = target.clone().not_equal_elem(0).int().cast(DType::I32).sum_dim(1).reshape([batch]);
        let times = Tensor::<1, Int>::full([batch], steps as i64, &target.device()).cast(DType::I32);
        Ok(ctc_loss(target, y_pred.float::<3>()?, labels, times, 0).into())
    }
}
