//! The element types of Keras.

use serde_json::Value as Json;

use super::{Field, Reader, refuse};

/// Element type of a variable or a value, under Keras' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Dtype {
    Float16,
    Bfloat16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

impl Dtype {
    const NAMES: &[(Self, &'static str)] = &[
        (Self::Float16, "float16"),
        (Self::Bfloat16, "bfloat16"),
        (Self::Float32, "float32"),
        (Self::Float64, "float64"),
        (Self::Int8, "int8"),
        (Self::Int16, "int16"),
        (Self::Int32, "int32"),
        (Self::Int64, "int64"),
        (Self::Uint8, "uint8"),
        (Self::Uint16, "uint16"),
        (Self::Uint32, "uint32"),
        (Self::Uint64, "uint64"),
        (Self::Bool, "bool"),
        (Self::String, "string"),
    ];

    /// Keras' name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(dtype, _)| *dtype == self).map_or("", |(_, name)| name)
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(dtype, _)| *dtype)
    }

    /// Whether it is one of the floating-point types.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float16 | Self::Bfloat16 | Self::Float32 | Self::Float64)
    }

    /// Whether it is one of the integer types.
    #[must_use]
    pub fn is_int(self) -> bool {
        !self.is_float() && !matches!(self, Self::Bool | Self::String)
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Field for Dtype {
    const EXPECTED: &'static str = "the name of a dtype, such as \"float32\"";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        json.as_str().and_then(Self::from_name).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        self.name().into()
    }

    fn source(json: &Json) -> Option<String> {
        json.as_str().and_then(Self::from_name).map(|dtype| format!("{:?}", dtype.name()))
    }
}
