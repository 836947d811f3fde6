//! `CuDNNLSTM` and `CuDNNGRU` of Keras 2: an LSTM and a GRU whose parameters lie as CuDNN has them.
//!
//! A gate's kernel is transposed under the shape that it claims, and there are two biases, the input's and
//! then the state's.

use super::cell::{Gating, Kind};
use super::over_time;
use crate::activation::Activation;
use crate::config::Kept;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree, Variables, Weights};

/// `time_major` of a file: only what it is by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMajor;

macro_rules! cudnn {
    ($class:literal $config:ident, kind $kind:expr, { $($own:tt)* }) => {
        over_time! {
            #[doc = concat!("Config of `", $class, "`.")]
            pub struct $config, &[$class], group "",
            cell |config| Gating {
                kind: $kind,
                units: config.units.get(),
                activation: Activation::Tanh,
                recurrent_activation: Activation::Sigmoid,
                use_bias: true,
                dropout: 0.0,
                recurrent_dropout: 0.0,
                is_cudnn: true,
            },
            course |_, course| course.takes_masks = false,
            {
                /// Size of the state and of the output.
                units: std::num::NonZeroUsize,
                /// Whether time comes before the batch: it must not.
                time_major: BatchMajor = BatchMajor,
                /// For fresh weights.
                kernel_initializer: Kept,
                /// For fresh weights.
                recurrent_initializer: Kept,
                /// For fresh weights.
                bias_initializer: Kept,
                /// For training.
                kernel_regularizer: Kept,
                /// For training.
                recurrent_regularizer: Kept,
                /// For training.
                bias_regularizer: Kept,
                /// For training.
                activity_regularizer: Kept,
                /// For training.
                kernel_constraint: Kept,
                /// For training.
                recurrent_constraint: Kept,
                /// For training.
                bias_constraint: Kept,
                $($own)*
            }
        }
    };
}

cudnn!("CuDNNLSTM" CuDNNLSTMConfig, kind Kind::Lstm, {
    /// For fresh weights: whether the bias of the forget gate starts at one.
    unit_forget_bias: bool = true,
});

cudnn!("CuDNNGRU" CuDNNGRUConfig, kind Kind::Gru { reset_after: true }, {});

impl crate::config::Field for BatchMajor {
    const EXPECTED: &'static str = "false";

    fn read(json: &crate::config::Json, reader: &mut crate::config::Reader<'_>) -> Option<Self> {
        match json.as_bool() {
            Some(false) => Some(Self),
            Some(true) => {
                reader.push(Error::unsupported("time before the batch"));
                None
            }
            None => crate::config::refuse(json, reader),
        }
    }

    fn write(&self) -> crate::config::Json {
        false.into()
    }
}
