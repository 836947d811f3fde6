//! `GroupNormalization`: over groups of channels of every sample.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::batch_normalization::channels_second;
use super::support::like_input;
use crate::by_rank;
use crate::codegen::{Code, Place, number};
use crate::config::resolve_axis;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Borders, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `GroupNormalization`.
    pub struct GroupNormalizationConfig {
        /// Into how many groups the channels fall; -1 for one group per channel.
        groups: i64 = 32,
        /// The axis of the channels.
        axis: i64 = -1,
        /// What is added to the variance.
        epsilon: f64 = 0.001,
        /// Whether there is a `beta`.
        center: bool = true,
        /// Whether there is a `gamma`.
        scale: bool = true,
        /// For fresh weights.
        beta_initializer: Initializer = "zeros".into(),
        /// For fresh weights.
        gamma_initializer: Initializer = "ones".into(),
        /// For training.
        beta_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        gamma_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        beta_constraint: Constraint = Constraint::none(),
        /// For training.
        gamma_constraint: Constraint = Constraint::none(),
    }
}

impl GroupNormalizationConfig {
    /// The axis of the channels, and their number.
    fn channels(&self, input: &Spec) -> Result<(usize, usize)> {
        match resolve_axis(self.axis, input.rank()).map_err(|error| error.at("axis"))? {
            0 => Err(Error::unsupported("groups of the batch").at("axis")),
            axis => Ok((axis, input.known(axis)?)),
        }
    }

    /// The number of groups.
    fn count(&self, channels: usize) -> Result<usize> {
        let groups = if self.groups == -1 { Some(channels) } else { usize::try_from(self.groups).ok() };
        groups.filter(|groups| *groups > 0 && channels > 0 && channels.is_multiple_of(*groups)).ok_or_else(
            || {
                let groups = self.groups;
                Error::config(format_args!("{channels} channels do not fall into {groups} groups"))
                    .at("groups")
            },
        )
    }
}

impl LayerConfig for GroupNormalizationConfig {
    const CLASSES: &'static [&'static str] = &["GroupNormalization"];
    const MASK: MaskRule = MaskRule::Pass;
    const BORDERS: Borders = Borders::Uncast;

    type Layer = GroupNormalization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (_, channels) = self.channels(args.input()?)?;
        self.count(channels)?;
        like_input(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (_, channels) = self.channels(args.input()?)?;
        Ok(Variables::default()
            .trainable_if(self.scale, "gamma", [channels])
            .with(&self.gamma_initializer, &self.gamma_regularizer, &self.gamma_constraint)
            .trainable_if(self.center, "beta", [channels])
            .with(&self.beta_initializer, &self.beta_regularizer, &self.beta_constraint))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<GroupNormalization> {
        let (axis, channels) = self.channels(args.input()?)?;
        Ok(GroupNormalization {
            gamma: weights.maybe("gamma")?,
            beta: weights.maybe("beta")?,
            groups: self.count(channels)?,
            axis,
            epsilon: self.epsilon,
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        const PATHS: [&str; 2] = ["burn::nn::GroupNorm", "burn::nn::GroupNormConfig"];
        let input = place.input()?;
        let (axis, channels) = self.channels(input).ok()?;
        // Burn's module refuses fewer numbers.
        let can = self.center == self.scale && channels > 2;
        let layout = channels_second(axis, input.rank()).filter(|_| can)?;
        let code = Code::module(PATHS, &format!("{}, {channels}", self.count(channels).ok()?), layout)
            .with("epsilon", number(self.epsilon)?, "1e-5")
            .with("affine", self.scale.to_string(), "true");
        Some(code)
    }
}

/// Normalizes every group of channels of every sample:
/// `gamma · (x - mean) / √(variance + epsilon) + beta`.
///
/// # Shapes
/// - inputs: `[batch, ..., channels]`, or with the channels on another axis
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct GroupNormalization {
    /// `[channels]`: the factors.
    pub gamma: Option<Param<Tensor<1>>>,
    /// `[channels]`: what is added.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    axis: usize,
    #[module(skip)]
    epsilon: f64,
}

impl GroupNormalization {
    /// Applies the layer to `[batch, channels, ...]`.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let (batch, channels, rest) = (shape[0], shape[1], shape[2..].iter().product::<usize>());
        let x = x.reshape([batch, self.groups, channels / self.groups * rest]);
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let x = (centred * (variance + self.epsilon).sqrt().recip()).reshape(shape);
        let mut along = [1; D];
        along[1] = channels;
        let x = match &self.gamma {
            Some(gamma) => x * gamma.val().reshape(along),
            None => x,
        };
        match &self.beta {
            Some(beta) => x + beta.val().reshape(along),
            None => x,
        }
    }
}

impl Layer for GroupNormalization {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let rank = x.rank();
        if self.axis + 1 == rank {
            return by_rank!(rank, D => {
                Value::from_channels_first(self.forward(x.channels_first::<D>()?)).into()
            });
        }
        let mut there: Vec<usize> = (0..rank).collect();
        there[1..=self.axis].rotate_right(1);
        let mut back: Vec<usize> = (0..rank).collect();
        back[1..=self.axis].rotate_left(1);
        let x = x.permute(&there)?;
        let y = by_rank!(rank, D => Value::from(self.forward(x.float::<D>()?)))?;
        Ok(y.permute(&back)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_divide_the_channels() {
        let json = serde_json::Map::new();
        let (registry, limits) = (crate::layer::Registry::new(), crate::Limits::default());
        let mut reader = crate::config::Reader::new(&registry, &limits);
        let config: GroupNormalizationConfig = crate::config::Config::read(&json, &mut reader).unwrap();
        let count =
            |groups, channels| GroupNormalizationConfig { groups, ..config.clone() }.count(channels).ok();
        assert_eq!(count(3, 12), Some(3));
        assert_eq!(count(-1, 12), Some(12));
        for (groups, channels) in [(5, 12), (0, 12), (-2, 12), (24, 12), (-1, 0)] {
            assert_eq!(count(groups, channels), None);
        }
    }
}
