//! Arrays of numbers in a config.

use serde_json::Value as Json;

use super::{Field, Object, Reader, json, refuse};
use crate::value::MAX_RANK;

/// An array of numbers: a single number, nested lists, or a NumPy array or tensor as Keras writes it.
/// Booleans in an array count as 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    numbers: Vec<f64>,
}

impl Array {
    /// A single number: an array without axes.
    #[must_use]
    pub fn number(number: f64) -> Self {
        Self { shape: Vec::new(), numbers: vec![number] }
    }

    /// The number, if it is a single one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        self.numbers.first().copied().filter(|_| self.shape.is_empty())
    }

    /// The shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers in row-major order.
    #[must_use]
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// Nested lists of one shape.
    fn of(json: &Json, depth: usize) -> Option<Self> {
        let Json::Array(items) = json else {
            // NumPy's booleans stand in lists.
            let flag = json.as_bool().filter(|_| depth > 0).map(f64::from);
            let number = json.as_f64().or_else(|| json::marked_number(json)).or(flag);
            return number.map(Self::number);
        };
        if depth == MAX_RANK {
            return None;
        }
        let items = items.iter().map(|item| Self::of(item, depth + 1)).collect::<Option<Vec<_>>>()?;
        let inner = items.first().map_or(&[][..], Self::shape);
        if items.iter().any(|item| item.shape != inner) {
            return None;
        }
        let shape = std::iter::once(items.len()).chain(inner.iter().copied()).collect();
        Some(Self { shape, numbers: items.into_iter().flat_map(|item| item.numbers).collect() })
    }

    fn nested(shape: &[usize], numbers: &[f64]) -> Json {
        match shape.split_first() {
            None => numbers.first().map_or(Json::Null, Field::write),
            Some((_, inner)) => {
                let size = inner.iter().product::<usize>().max(1);
                numbers.chunks(size).map(|numbers| Self::nested(inner, numbers)).collect()
            }
        }
    }
}

impl Field for Array {
    const EXPECTED: &'static str = "a number or an array of numbers";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let lists = match Object::of(json) {
            Some(Object { class: "__numpy__" | "__tensor__", config, .. }) => config.get("value"),
            Some(_) => None,
            None => Some(json),
        };
        lists.and_then(|lists| Self::of(lists, 0)).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        Self::nested(&self.shape, &self.numbers)
    }

    fn source(json: &Json) -> Option<String> {
        f64::source(json).or_else(|| f64::list_source(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Registry;
    use crate::limits::Limits;
    use serde_json::json;

    fn read(json: &Json) -> Option<Array> {
        let (registry, limits) = (Registry::new(), Limits::default());
        Array::read(json, &mut Reader::new(&registry, &limits))
    }

    #[test]
    fn arrays_have_one_shape_and_survive() {
        for (json, shape) in [
            (json!(1.5), vec![]),
            (json!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), vec![2, 3]),
            (json!([]), vec![0]),
        ] {
            let array = read(&json).unwrap();
            assert_eq!(array.shape(), shape);
            assert_eq!(array.write(), json);
        }
        let numpy = json!({"class_name": "__numpy__", "config": {"value": [2, 3], "dtype": "int64"}});
        assert_eq!(read(&numpy).unwrap().numbers(), [2.0, 3.0]);
        for json in [json!([[1.0], [2.0, 3.0]]), json!([1.0, [2.0]]), json!("x"), json!([[[[[[[1.0]]]]]]])] {
            assert!(read(&json).is_none(), "{json}");
        }
    }
}
