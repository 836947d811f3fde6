//! Arithmetic with tensors of a model to be.

use std::ops::{Add, Div, Mul, Neg, Sub};

use serde_json::Map;

use super::{FreshLayer, KerasTensor, Structure};
use crate::layer::{LayerConfig, Tree, row};
use crate::ops;

/// Calls an operation of Keras' NumPy module.
fn operation<C: LayerConfig>(operands: Vec<Structure>) -> KerasTensor {
    let layer = FreshLayer::of_row(row::<C>(), Some("keras.src.ops.numpy"), Map::new());
    KerasTensor::call(layer, operands, Vec::new())
}

macro_rules! binary {
    ($($operator:ident::$method:ident = $operation:ident),+) => {
        $(
            impl $operator for &KerasTensor {
                type Output = KerasTensor;

                fn $method(self, other: Self) -> KerasTensor {
                    operation::<ops::$operation>(vec![self.into(), other.into()])
                }
            }

            impl $operator<f64> for &KerasTensor {
                type Output = KerasTensor;

                fn $method(self, other: f64) -> KerasTensor {
                    operation::<ops::$operation>(vec![self.into(), Tree::Constant(other.into())])
                }
            }

            impl $operator<&KerasTensor> for f64 {
                type Output = KerasTensor;

                fn $method(self, other: &KerasTensor) -> KerasTensor {
                    operation::<ops::$operation>(vec![Tree::Constant(self.into()), other.into()])
                }
            }
        )+
    };
}

binary!(Add::add = Add, Sub::sub = Subtract, Mul::mul = Multiply, Div::div = TrueDivide);

impl Neg for &KerasTensor {
    type Output = KerasTensor;

    fn neg(self) -> KerasTensor {
        operation::<ops::Negative>(vec![self.into()])
    }
}
