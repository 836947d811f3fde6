//! `CuDNNLSTM` and `CuDNNGRU` of Keras 2: an LSTM and a GRU whose parameters lie as CuDNN has them.
//!
//! A gate's kernel is transposed under the shape that it claims, and there are two biases, the input's and
//! then the state's.

use super::cell::{Gating, Kind, rules, with_variables};
use super::over_time;
use crate::activation::Activation;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;

/// `time_major` of a file: only what it is by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchMajor;

macro_rules! cudnn {
    ($class:literal $config:ident, kind $kind:expr, remembers $remembers:expr, { $($own:tt)* }) => {
        with_variables! {
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
                    rules: rules!(config, remembers {
                        let remembers: fn(&Self) -> bool = $remembers;
                        remembers(config)
                    }),
                },
                course |_, course| course.takes_masks = false,
            } {
                /// Size of the state and of the output.
                units: std::num::NonZeroUsize,
                /// Whether time comes before the batch: it must not.
                time_major: BatchMajor = BatchMajor,
                /// For training.
                activity_regularizer: Regularizer = Regularizer::none(),
                $($own)*
            }
        }
    };
}

cudnn!("CuDNNLSTM" CuDNNLSTMConfig, kind Kind::Lstm, remembers |config| config.unit_forget_bias, {
    /// For fresh weights: whether the bias of the forget gate starts at one.
    unit_forget_bias: bool = true,
});

cudnn!("CuDNNGRU" CuDNNGRUConfig, kind Kind::Gru { reset_after: true }, remembers |_| false, {});

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
