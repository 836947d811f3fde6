//! Initializers in Rust source, as burn-nn has them.

use super::{AnyInitializer, Draw, FanMode, Initializer, TRUNCATED, VarianceScaling};
use crate::codegen::number;

impl AnyInitializer {
    /// The general form of an initializer whose variance depends on the number of connections.
    fn scaling(&self) -> Option<VarianceScaling> {
        match self {
            Self::VarianceScaling(object) => Some(object.clone()),
            Self::GlorotUniform(object) => Some(object.into()),
            Self::GlorotNormal(object) => Some(object.into()),
            Self::HeUniform(object) => Some(object.into()),
            Self::HeNormal(object) => Some(object.into()),
            Self::LecunUniform(object) => Some(object.into()),
            Self::LecunNormal(object) => Some(object.into()),
            _ => None,
        }
    }
}

/// `√x`, as Rust writes it.
fn root(x: f64) -> Option<String> {
    Some(if x == 1.0 { number(x)? } else { format!("{}_f64.sqrt()", number(x)?) })
}

impl Initializer {
    /// Burn's initializer of the same distribution for a variable of that shape in Keras, unless there is
    /// none. What Keras cuts off beyond two standard deviations stays, with the same variance.
    ///
    /// `fans` is how many connections lead into a unit, and how many out of it, according to the module of
    /// burn-nn; it does not always agree with Keras, and some modules do not know the second number.
    pub(crate) fn code(&self, shape: &[usize], fans: (usize, Option<usize>)) -> Option<String> {
        let variant = match self.get().ok()?? {
            AnyInitializer::Zeros(_) => "Zeros".to_owned(),
            AnyInitializer::Ones(_) => "Ones".to_owned(),
            AnyInitializer::Constant(object) => {
                format!("Constant {{ value: {} }}", number(object.value.as_number()?)?)
            }
            AnyInitializer::RandomNormal(object) => normal(object.mean, object.stddev)?,
            AnyInitializer::TruncatedNormal(object) => normal(object.mean, object.stddev * TRUNCATED)?,
            AnyInitializer::RandomUniform(object) => uniform(object.minval, object.maxval)?,
            other => other.scaling()?.code(shape, fans)?,
        };
        Some(format!("Initializer::{variant}"))
    }
}

fn normal(mean: f64, deviation: f64) -> Option<String> {
    (deviation >= 0.0).then_some(())?;
    Some(format!("Normal {{ mean: {}, std: {} }}", number(mean)?, number(deviation)?))
}

fn uniform(low: f64, high: f64) -> Option<String> {
    (low < high).then_some(())?;
    Some(format!("Uniform {{ min: {}, max: {} }}", number(low)?, number(high)?))
}

impl VarianceScaling {
    fn code(&self, shape: &[usize], (fan_in, fan_out): (usize, Option<usize>)) -> Option<String> {
        (self.scale > 0.0).then_some(())?;
        let own = self.fans(shape).ok()?;
        let is_in = own.0 == fan_in as f64;
        let is_out = fan_out.is_some_and(|fan_out| own.1 == fan_out as f64);
        let (author, agrees) = match self.mode {
            FanMode::FanIn => ("Kaiming", is_in),
            FanMode::FanOut => ("Kaiming", is_in && is_out),
            FanMode::FanAvg => ("Xavier", is_in && is_out),
        };
        let variance = self.variance(own);
        let draw = match self.distribution {
            Draw::Uniform => "Uniform",
            Draw::TruncatedNormal | Draw::Normal | Draw::UntruncatedNormal => "Normal",
        };
        match (agrees, self.distribution) {
            (true, _) => {
                let only = match author {
                    "Kaiming" => format!(", fan_out_only: {}", self.mode == FanMode::FanOut),
                    _ => String::new(),
                };
                Some(format!("{author}{draw} {{ gain: {}{only} }}", root(self.scale)?))
            }
            (false, Draw::Uniform) => {
                let limit = (3.0 * variance).sqrt();
                uniform(-limit, limit)
            }
            (false, _) => normal(0.0, variance.sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_named_where_burn_counts_as_keras_does() {
        // [3, 3, 4, 8]: 36 connections lead in, 72 out.
        let code = |name: &str, fans| Initializer::from(name).code(&[3, 3, 4, 8], fans).unwrap();
        let both = (36, Some(72));
        assert_eq!(code("glorot_uniform", both), "Initializer::XavierUniform { gain: 1.0 }");
        assert_eq!(code("glorot_normal", both), "Initializer::XavierNormal { gain: 1.0 }");
        let he = "Initializer::KaimingNormal { gain: 2.0_f64.sqrt(), fan_out_only: false }";
        assert_eq!(code("he_normal", (36, None)), he);
        let limit = format!("{:?}", (6.0_f64 / 108.0).sqrt());
        let uniform = format!("Initializer::Uniform {{ min: -{limit}, max: {limit} }}");
        assert_eq!(code("glorot_uniform", (36, None)), uniform);
        assert_eq!(code("glorot_uniform", (9, Some(18))), uniform);
        assert_eq!(code("random_normal", both), "Initializer::Normal { mean: 0.0, std: 0.05 }");
        assert_eq!(Initializer::from("orthogonal").code(&[3, 8], both), None);
    }
}
