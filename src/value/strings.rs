//! Strings of any shape. Burn has none: they stay on the host.

use std::sync::Arc;

use burn::tensor::Device;

use super::{Data, Order, Value};
use crate::error::{Error, Result};

/// Strings in row-major order.
#[derive(Clone, Debug)]
pub(super) struct Strings {
    values: Arc<[String]>,
    shape: Vec<usize>,
    device: Device,
}

impl Strings {
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn moved_to(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    pub fn reshape(self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ..self }
    }

    /// `length` entries of an axis from `start`, which are there.
    pub fn narrow(self, axis: usize, start: usize, length: usize) -> Self {
        let (entries, inner) = self.blocks(axis);
        let blocks = self.values.chunks(entries.max(1));
        let values = blocks.flat_map(|block| &block[start * inner..(start + length) * inner]).cloned();
        let values = values.collect();
        let mut shape = self.shape;
        shape[axis] = length;
        Self { values, shape, device: self.device }
    }

    /// Joins strings whose shapes agree but for `axis`.
    fn concat(parts: Vec<Self>, axis: usize) -> Option<Self> {
        let mut joined = parts.first()?.clone();
        joined.shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let outer: usize = joined.shape[..axis].iter().product();
        let block = |part: &Self, at: usize| {
            let (entries, _) = part.blocks(axis);
            part.values[at * entries..(at + 1) * entries].to_vec()
        };
        joined.values =
            (0..outer).flat_map(|at| parts.iter().flat_map(move |part| block(part, at))).collect();
        Some(joined)
    }

    /// How many strings one step of the axes before `axis` has, and how many one step of `axis`.
    fn blocks(&self, axis: usize) -> (usize, usize) {
        (self.shape[axis..].iter().product(), self.shape[axis + 1..].iter().product())
    }
}

impl Value {
    /// Strings in row-major order. They stay on the host; what layers make of them goes to `device`.
    ///
    /// # Errors
    /// When there are not as many as the shape says.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_keras::Value;
    ///
    /// let words = Value::from_strings(["red", "green"], &[2, 1], &Device::flex())?;
    /// assert_eq!(words.strings()?, ["red", "green"]);
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    pub fn from_strings<S: Into<String>>(
        values: impl IntoIterator<Item = S>,
        shape: &[usize],
        device: &Device,
    ) -> Result<Self> {
        let values: Arc<[String]> = values.into_iter().map(Into::into).collect();
        let size = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if size != Some(values.len()) {
            return Err(Error::input(format_args!(
                "{} strings do not fill the shape {shape:?}",
                values.len()
            )));
        }
        Ok(Self::of_strings(Strings { values, shape: shape.to_vec(), device: device.clone() }))
    }

    pub(super) fn of_strings(strings: Strings) -> Self {
        Self { data: Data::Strings(strings), order: Order::Plain, mask: None }
    }

    /// The strings, in row-major order.
    ///
    /// # Errors
    /// When the value has none.
    pub fn strings(&self) -> Result<&[String]> {
        match &self.data {
            Data::Strings(strings) => Ok(&strings.values),
            Data::Tensor(_) => {
                Err(Error::input(format_args!("expected strings, got elements of {}", self.keras_dtype())))
            }
        }
    }

    /// Whether the elements are strings.
    #[must_use]
    pub fn is_string(&self) -> bool {
        matches!(self.data, Data::Strings(_))
    }

    /// Joins strings whose shapes agree but for `axis`.
    pub(super) fn concat_strings(values: Vec<Self>, axis: usize) -> Result<Self> {
        let parts = values.into_iter().map(|value| match value.data {
            Data::Strings(strings) => Ok(strings),
            Data::Tensor(_) => Err(Error::input("cannot concatenate strings and numbers")),
        });
        let joined = Strings::concat(parts.collect::<Result<_>>()?, axis);
        joined.map(Self::of_strings).ok_or_else(|| Error::input("nothing to concatenate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    fn letters(text: &str, shape: &[usize]) -> Value {
        Value::from_strings(text.chars(), shape, &Device::flex()).unwrap()
    }

    fn text(value: &Value) -> String {
        value.strings().unwrap().concat()
    }

    #[test]
    fn strings_are_cut_and_joined_along_any_axis() {
        let value = letters("abcdefghijkl", &[2, 3, 2]);
        assert_eq!(text(&value.clone().narrow(0, 1, 1).unwrap()), "ghijkl");
        let middle = value.clone().narrow(1, 1, 2).unwrap();
        assert_eq!((text(&middle), middle.shape()), ("cdefijkl".into(), vec![2, 2, 2]));
        assert_eq!(text(&value.clone().narrow(2, 1, 1).unwrap()), "bdfhjl");
        for axis in 0..3 {
            let size = value.shape()[axis];
            let parts = vec![
                value.clone().narrow(axis, 0, 1).unwrap(),
                value.clone().narrow(axis, 1, size - 1).unwrap(),
            ];
            let joined = Value::concat(parts, axis).unwrap();
            assert_eq!((text(&joined), joined.shape()), (text(&value), value.shape()));
        }
        assert_eq!(value.clone().reshape(&[12]).unwrap().shape(), [12]);
        assert!(letters("", &[0, 2]).narrow(1, 0, 1).unwrap().strings().unwrap().is_empty());
    }

    #[test]
    fn operations_of_tensors_refuse_strings() {
        let value = letters("ab", &[2]);
        assert!(Value::from_strings(["a"], &[2], &Device::flex()).is_err());
        assert!(value.clone().float::<1>().is_err());
        assert!(value.clone().cast(DType::F32).is_err());
        assert!(value.clone().permute(&[0]).is_err());
        assert!(value.clone().broadcast_to(&[3, 2]).is_err());
        assert!(value.clone().narrow(0, 1, 2).is_err());
        assert!(crate::map_float!(value.clone(), x => x * 2.0).is_err());
        let number = Value::from(burn::tensor::Tensor::<1>::ones([2], &Device::flex()));
        assert!(number.strings().is_err());
        assert!(Value::concat(vec![value, number], 0).is_err());
    }
}
