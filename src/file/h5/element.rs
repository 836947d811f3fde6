//! What the elements of a dataset are.

/// The type of a dataset's elements, as it is after [`H5File::read`](super::H5File::read): always
/// little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ElementType {
    F16,
    /// Two opaque bytes and the attribute `dtype` = `"bfloat16"`, which is how Keras stores it.
    BF16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    /// One byte; zero is false.
    Bool,
    /// So many bytes without a meaning.
    Opaque(u32),
    /// Something that no Keras variable is made of; such datasets are listed and cannot be read.
    Other {
        description: String,
        size: u32,
    },
}

const KERAS_NAMES: [(ElementType, &str); 13] = [
    (ElementType::F16, "float16"),
    (ElementType::BF16, "bfloat16"),
    (ElementType::F32, "float32"),
    (ElementType::F64, "float64"),
    (ElementType::I8, "int8"),
    (ElementType::I16, "int16"),
    (ElementType::I32, "int32"),
    (ElementType::I64, "int64"),
    (ElementType::U8, "uint8"),
    (ElementType::U16, "uint16"),
    (ElementType::U32, "uint32"),
    (ElementType::U64, "uint64"),
    (ElementType::Bool, "bool"),
];

impl ElementType {
    /// Bytes per element.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::Opaque(size) | Self::Other { size, .. } => *size as usize,
        }
    }

    /// Keras' name of it, such as `float32`; `None` for what Keras has no name for.
    pub(crate) fn keras_name(&self) -> Option<&'static str> {
        KERAS_NAMES.iter().find(|(element, _)| element == self).map(|(_, name)| *name)
    }

    /// The type that Keras calls `name`.
    pub(crate) fn from_keras_name(name: &str) -> Option<Self> {
        KERAS_NAMES.iter().find(|(_, known)| *known == name).map(|(element, _)| element.clone())
    }

    /// Every type with a name in Keras.
    pub(crate) fn named() -> impl Iterator<Item = Self> {
        KERAS_NAMES.iter().map(|(element, _)| element.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for element in ElementType::named() {
            assert_eq!(element.keras_name().and_then(ElementType::from_keras_name), Some(element));
        }
        assert_eq!(ElementType::Opaque(2).keras_name(), None);
        assert_eq!(ElementType::from_keras_name("complex64"), None);
    }
}
