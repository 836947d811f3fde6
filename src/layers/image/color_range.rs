//! The range of the values of colors.

use burn::tensor::Tensor;
use serde_json::Value as Json;

use crate::config::{Field, Reader, refuse};

/// The least and the largest value of a color.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColorRange(pub f64, pub f64);

impl ColorRange {
    /// That of bytes.
    pub const BYTES: Self = Self(0.0, 255.0);
    /// That of fractions.
    pub const UNIT: Self = Self(0.0, 1.0);

    /// The range with the least value first.
    pub(super) fn sorted(self) -> Self {
        Self(self.0.min(self.1), self.0.max(self.1))
    }

    /// How far its ends are apart.
    pub(super) fn width(self) -> f64 {
        self.1 - self.0
    }

    /// Colors with those outside of the range brought to its ends.
    pub(super) fn clip(self, x: Tensor<4>) -> Tensor<4> {
        x.clamp_min(self.0).clamp_max(self.1)
    }

    /// Colors of this range in another.
    pub(super) fn to(self, x: Tensor<4>, other: Self) -> Tensor<4> {
        if self == other {
            return x;
        }
        (x - self.0) / self.width() * other.width() + other.0
    }
}

impl Field for ColorRange {
    const EXPECTED: &'static str = "a list of two numbers";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match Vec::<f64>::read(json, reader)?.as_slice() {
            [low, high] => Some(Self(*low, *high)),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        vec![self.0, self.1].write()
    }

    fn source(json: &Json) -> Option<String> {
        f64::list_source(json)
    }
}
