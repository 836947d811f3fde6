//! How images lie in a value.

use burn::tensor::{DType, Tensor};

use crate::config::{DataFormat, Dtype};
use crate::error::{Error, Result};
use crate::layer::Spec;
use crate::layers::spatial::check_elements;
use crate::map_float;
use crate::value::Value;

/// Where the channels, the rows and the columns of images are: in a batch, or in one image alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    rank: usize,
    first: bool,
}

impl Layout {
    fn new(rank: usize, format: Option<DataFormat>) -> Option<Self> {
        matches!(rank, 3 | 4).then_some(Self { rank, first: format == Some(DataFormat::ChannelsFirst) })
    }

    /// The layout of an input.
    ///
    /// # Errors
    /// When it is no image and no batch of images.
    pub fn of(input: &Spec, format: Option<DataFormat>) -> Result<Self> {
        Self::new(input.rank(), format).filter(|_| input.dtype != Dtype::String).ok_or_else(|| {
            Error::config(format_args!("expected images, of rank 3 or 4, got {} {input}", input.dtype))
        })
    }

    /// The layout of a value.
    ///
    /// # Errors
    /// When it is no image and no batch of images.
    pub fn of_value(value: &Value, format: Option<DataFormat>) -> Result<Self> {
        Self::new(value.rank(), format).ok_or_else(|| {
            Error::input(format_args!("expected images, of rank 3 or 4, got the shape {:?}", value.shape()))
        })
    }

    /// The axis of the channels.
    pub fn channels(self) -> usize {
        if self.first { self.rank - 3 } else { self.rank - 1 }
    }

    /// The axes of the rows and of the columns.
    pub fn lengths(self) -> [usize; 2] {
        let rows = if self.first { self.rank - 2 } else { self.rank - 3 };
        [rows, rows + 1]
    }

    /// A shape with other lengths.
    pub fn with_lengths<T>(self, mut shape: Vec<T>, lengths: [T; 2]) -> Vec<T> {
        for (axis, length) in self.lengths().into_iter().zip(lengths) {
            shape[axis] = length;
        }
        shape
    }

    /// Refuses images that no machine can hold, given the shape that all of them have.
    ///
    /// # Errors
    /// When one of them is too large.
    pub fn check(self, shape: &[usize]) -> Result<()> {
        check_elements("elements of an image", shape.iter().skip(self.rank - 3).copied())
    }

    /// The images as floats.
    ///
    /// # Errors
    /// When the value is of another layout.
    pub fn take(self, value: Value) -> Result<Tensor<4>> {
        let value = if self.rank == 3 { value.expand_dims(0)? } else { value };
        if self.first { value.float() } else { value.channels_first() }
    }

    /// The value of images.
    ///
    /// # Errors
    /// When there are several images where there should be one.
    pub fn give(self, images: Tensor<4>) -> Result<Value> {
        let value = if self.first { Value::from(images) } else { Value::from_channels_first(images) };
        if self.rank == 3 { value.squeeze(&[0]) } else { Ok(value) }
    }
}

/// Floats as elements of another type: the nearest that it has, halves to the even one.
pub(crate) fn saturate(value: Value, dtype: DType) -> Result<Value> {
    let (least, most) = match dtype {
        DType::U8 => (0.0, f64::from(u8::MAX)),
        DType::U16 => (0.0, f64::from(u16::MAX)),
        DType::U32 => (0.0, f64::from(u32::MAX)),
        DType::U64 => (0.0, u64::MAX as f64),
        DType::I8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
        DType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        DType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        DType::I64 => (i64::MIN as f64, i64::MAX as f64),
        _ => return value.cast(dtype),
    };
    map_float!(value, x => x.round().clamp(least, most))?.cast(dtype)
}
