//! What a layer is called with and what it gives, in types.

use burn::tensor::{Bool, Int, Tensor};

use crate::error::{Error, Result};
use crate::value::Value;

/// A type of Rust code for one value: a tensor, or a [`Value`], which alone can have a Keras mask, strings or
/// any rank.
pub trait AsValue: Sized {
    /// As a value.
    fn into_value(self) -> Value;

    /// Out of a value.
    ///
    /// # Errors
    /// When the rank is another.
    fn from_value(value: Value) -> Result<Self>;
}

/// Types of Rust code for the values that a layer takes or gives: one of them, a tuple, an array or a `Vec`.
pub trait AsValues: Sized {
    /// As values.
    fn into_values(self) -> Vec<Value>;

    /// Out of values.
    ///
    /// # Errors
    /// When there is another number of them, or a rank is another.
    fn from_values(values: Vec<Value>) -> Result<Self>;
}

/// A tensor `[batch, channels, spatial...]` that to Keras is one of `[batch, spatial..., channels]`.
#[derive(Clone, Debug)]
pub struct ChannelsFirst<const D: usize>(pub Tensor<D>);

impl AsValue for Value {
    fn into_value(self) -> Value {
        self
    }

    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

impl<const D: usize> From<ChannelsFirst<D>> for Value {
    fn from(tensor: ChannelsFirst<D>) -> Self {
        Self::from_channels_first(tensor.0)
    }
}

impl<const D: usize> AsValue for ChannelsFirst<D> {
    fn into_value(self) -> Value {
        self.into()
    }

    fn from_value(value: Value) -> Result<Self> {
        value.channels_first().map(Self)
    }
}

/// What has no axes in Keras is a vector of one in Burn.
fn with_axes<const D: usize>(value: Value) -> Result<Value> {
    if value.rank() == 0 && D == 1 { value.reshape(&[1]) } else { Ok(value) }
}

macro_rules! tensors {
    ($($kind:ty = $get:ident),+) => {
        $(impl<const D: usize> AsValue for Tensor<D, $kind> {
            fn into_value(self) -> Value {
                self.into()
            }

            fn from_value(value: Value) -> Result<Self> {
                with_axes::<D>(value)?.$get()
            }
        })+
    };
}

tensors!(burn::tensor::Float = float, Int = int, Bool = bool);

impl<T: AsValue> AsValues for T {
    fn into_values(self) -> Vec<Value> {
        vec![self.into_value()]
    }

    fn from_values(values: Vec<Value>) -> Result<Self> {
        let [value] = exactly(values)?;
        T::from_value(value)
    }
}

impl<T: AsValue> AsValues for Vec<T> {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().map(T::into_value).collect()
    }

    fn from_values(values: Vec<Value>) -> Result<Self> {
        values.into_iter().map(T::from_value).collect()
    }
}

impl<T: AsValue, const N: usize> AsValues for [T; N] {
    fn into_values(self) -> Vec<Value> {
        self.into_iter().map(T::into_value).collect()
    }

    fn from_values(values: Vec<Value>) -> Result<Self> {
        let typed = exactly::<N>(values)?.into_iter().map(T::from_value).collect::<Result<Vec<_>>>()?;
        typed.try_into().map_err(|typed: Vec<T>| count_error(N, typed.len()))
    }
}

macro_rules! tuples {
    ($(($($name:ident),*))+) => {
        $(impl<$($name: AsValue),*> AsValues for ($($name,)*) {
            #[allow(non_snake_case, reason = "the variables of a macro")]
            fn into_values(self) -> Vec<Value> {
                let ($($name,)*) = self;
                vec![$($name.into_value()),*]
            }

            #[allow(non_snake_case, reason = "the variables of a macro")]
            fn from_values(values: Vec<Value>) -> Result<Self> {
                let [$($name),*] = exactly(values)?;
                Ok(($($name::from_value($name)?,)*))
            }
        })+
    };
}

tuples!(()(A)(A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E)(A, B, C, D, E, F)(A, B, C, D, E, F, G)(
    A, B, C, D, E, F, G, H
));

fn exactly<const N: usize>(values: Vec<Value>) -> Result<[Value; N]> {
    values.try_into().map_err(|values: Vec<Value>| count_error(N, values.len()))
}

fn count_error(expected: usize, given: usize) -> Error {
    Error::input(format_args!("expected {expected} tensors, got {given}"))
}
