//! Pooling of any number of spatial axes.

use super::conv::by_image_rank;
use crate::config::{DataFormat, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::layers::pooling::Pool;
use crate::layers::spatial::{Padding, Windows, channel_axis, give, lengths, take, with_sizes};
use crate::ops::kit::floats;
use crate::value::Value;

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[row::<MaxPool>(), row::<AveragePool>()];

macro_rules! pooling {
    ($name:ident, $pool:expr) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`.")]
            pub struct $name {
                /// Size of the window.
                pool_size: PerAxis,
                /// How far the window moves at a time; null for its size.
                strides: Option<PerAxis> = None,
                /// What is added around the inputs.
                padding: Padding = Padding::Valid,
                /// Where the channels are.
                data_format: Option<DataFormat> = None,
            }
        }

        impl $name {
            fn windows<const D: usize>(&self) -> Result<Windows> {
                if self.padding == Padding::Causal {
                    return Err(Error::config("expected \"valid\" or \"same\", got \"causal\"").at("padding"));
                }
                let strides = self.strides.as_ref().unwrap_or(&self.pool_size);
                Windows::new::<D>(("pool_size", &self.pool_size), strides, &PerAxis::One(1), self.padding)
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = &floats(args.input()?)?;
                by_image_rank!(input.rank(), D => {
                    let lengths = lengths::<D>(input, self.data_format)?;
                    let channels = input.shape[channel_axis(self.data_format, D)];
                    let lengths = self.windows::<D>()?.outputs(channels, &lengths)?;
                    Ok(input.float(with_sizes(input, self.data_format, channels, lengths)).into())
                })
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?;
                by_image_rank!(x.rank(), D => {
                    let x = take::<D>(x, self.data_format)?;
                    Ok(give($pool.forward(x, &self.windows::<D>()?)?, self.data_format).into())
                })
            }
        }
    };
}

pooling!(MaxPool, Pool::Max);
pooling!(AveragePool, Pool::Average);
