//! Fresh values of variables.

use std::hash::{BuildHasher, Hasher, RandomState};

use burn::tensor::TensorData;
use rand::SeedableRng;
use rand::rngs::StdRng;
use siphasher::sip::SipHasher13;

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::Variable;
use crate::variables::WeightSource;

/// Draws the values of variables from their initializers.
pub(crate) struct Draws {
    seed: u64,
}

impl Draws {
    /// Values that repeat with the seed; without one, they never do.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self { seed: seed.unwrap_or_else(|| RandomState::new().build_hasher().finish()) }
    }
}

impl WeightSource for Draws {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        if matches!(variable.dtype, Dtype::Int8 | Dtype::Uint8) {
            return Err(Error::unsupported("fresh weights in a few bits").at(variable.name));
        }
        // By path, so that a further layer does not change the weights of the others.
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0);
        hasher.write(variable.dataset().as_bytes());
        let mut rng = StdRng::seed_from_u64(hasher.finish());
        let drawn = variable.initializer.sample(&variable.shape, &mut rng);
        let mut data = drawn.map_err(|error| error.at(variable.name))?;
        if let (Some(finish), Ok(numbers)) = (variable.finish, data.as_mut_slice::<f32>()) {
            finish(numbers);
        }
        Ok(data)
    }
}
