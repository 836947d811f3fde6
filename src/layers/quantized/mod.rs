//! Layers whose weights are stored in a few bits, as `model.quantize(...)` leaves them.
//!
//! Burn has no kernels for these formats, so the weights become floats at every call, and inputs are
//! rounded to the steps that Keras would round them to. The stored numbers are never changed: a model
//! is written back as it was. A quantized layer is another kind of the same class, told by its dtype
//! policy.

mod dense;
mod einsum_dense;
mod embedding;
mod float8;
mod float8_einsum_dense;
mod kernel;
mod reversible_embedding;

pub use dense::{QuantizedDense, QuantizedDenseConfig};
pub use einsum_dense::{QuantizedEinsumDense, QuantizedEinsumDenseConfig};
pub use embedding::{QuantizedEmbedding, QuantizedEmbeddingConfig};
pub use float8::{Float8Dense, Float8DenseConfig, Float8Scales};
pub use float8_einsum_dense::{Float8EinsumDense, Float8EinsumDenseConfig};
pub use kernel::QuantizedKernel;
pub use reversible_embedding::{QuantizedReversibleEmbedding, QuantizedReversibleEmbeddingConfig};

use serde_json::{Map, Value as Json, json};

use crate::config::{Config, Dtype, Object, Reader, brief};
use crate::error::{Error, Result};
use crate::layer::Variables;

/// The config of a plain layer, and how its weights are stored.
#[derive(Clone, Debug)]
pub struct StoredConfig<C, S> {
    plain: C,
    storage: S,
}

/// How weights are stored, as the config of their layer says.
pub trait Storage: Sized {
    /// Reads it; `None` after noting everything that is wrong.
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self>;
}

impl<C: Config, S: Storage> Config for StoredConfig<C, S> {
    const KEYS: &'static [&'static str] = C::KEYS;

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let storage = S::read(json, reader);
        let plain = C::read(json, reader);
        Some(Self { plain: plain?, storage: storage? })
    }

    fn write(&self) -> Map<String, Json> {
        self.plain.write()
    }
}

/// How the weights of a layer are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A byte each, with a scale per channel.
    Int8,
    /// Two in a byte, with a scale per channel, or a scale and a zero per block of rows.
    Int4 {
        /// The rows of a block.
        block: Option<usize>,
    },
    /// Two in a byte or one, transposed, with a scale and a zero per group of rows.
    Gptq {
        /// Of an entry.
        bits: usize,
        /// The rows of a group, if it is not all of them.
        group: Option<usize>,
    },
    /// As `Gptq` with 4 bits, and a factor per row.
    Awq {
        /// The rows of a group, if it is not all of them.
        group: Option<usize>,
    },
}

/// What a config says about quantization.
#[derive(Clone, Copy, Debug)]
pub struct Quantization {
    mode: Mode,
    /// Whether inputs are to be rounded to 8 bits before they are multiplied, if it says so.
    activations: Option<bool>,
}

impl Storage for Quantization {
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.note(Self::of(json))
    }
}

impl Quantization {
    /// Reads the dtype policy and the quantization config of a layer.
    fn of(config: &Map<String, Json>) -> Result<Self> {
        let policy = config.get("dtype");
        let unknown = || {
            let got = policy.map_or_else(|| "nothing".to_owned(), brief);
            Error::unsupported(format_args!("the quantization policy {got}")).at("dtype")
        };
        let mode = source_and_mode(policy)
            .and_then(|(source, mode)| if source == "float32" { Mode::parse(mode) } else { None });
        let mut mode = mode.ok_or_else(unknown)?;
        let mut activations = None;
        if let Some(object) = config.get("quantization_config").and_then(Object::of) {
            let rounds = rounds_to_8_bits(object.config.get("activation_quantizer"))
                .map_err(|error| error.at("activation_quantizer").at("quantization_config"))?;
            activations = Some(rounds);
            // It stands above the policy.
            if let (Mode::Int4 { block }, Some(size)) = (&mut mode, object.config.get("block_size")) {
                *block = size.as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
            }
        }
        Ok(Self { mode, activations })
    }

    /// Whether inputs are rounded to 8 bits before they are multiplied with a kernel.
    fn rounds_inputs(&self) -> bool {
        self.activations.unwrap_or(self.mode == Mode::Int8) && self.mode.groups(1).is_none()
    }
}

/// The type before quantization, and the mode.
fn source_and_mode(policy: Option<&Json>) -> Option<(&str, &str)> {
    match policy? {
        Json::String(name) => name.split_once("_from_").map(|(mode, source)| (source, mode)),
        json => {
            let config = Object::of(json)?.config;
            let text = |key| config.get(key).and_then(Json::as_str);
            text("source_name").zip(text("mode"))
        }
    }
}

/// Whether a quantizer of inputs is there; it must be the usual one.
fn rounds_to_8_bits(quantizer: Option<&Json>) -> Result<bool> {
    let Some(json) = quantizer.filter(|json| !json.is_null()) else { return Ok(false) };
    let usual = Object::of(json).is_some_and(|object| {
        let is = |key: &str, value: Json| object.config.get(key).is_none_or(|given| *given == value);
        object.class == "AbsMaxQuantizer"
            && is("value_range", json!([-127, 127]))
            && is("epsilon", json!(1e-7))
            && is("output_dtype", json!("int8"))
    });
    match usual {
        true => Ok(true),
        false => Err(Error::unsupported(format_args!("the quantizer {}", brief(json)))),
    }
}

/// A kernel as a matrix.
struct Matrix {
    rows: usize,
    columns: usize,
    /// The shapes of a kernel and of its scales when every entry has a byte.
    whole: [Vec<usize>; 2],
}

impl Matrix {
    fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, whole: [vec![rows, columns], vec![columns]] }
    }
}

impl Mode {
    fn parse(mode: &str) -> Option<Self> {
        let size = |text: &str| text.parse::<i64>().ok().map(|size| usize::try_from(size).ok());
        let parts: Vec<&str> = mode.split('/').collect();
        Some(match parts.as_slice() {
            ["int8"] => Self::Int8,
            ["int4"] => Self::Int4 { block: None },
            ["int4", block] => Self::Int4 { block: size(block)? },
            ["gptq", bits @ ("2" | "3" | "4" | "8"), group] => {
                Self::Gptq { bits: bits.parse().ok()?, group: size(group)? }
            }
            ["awq", "4", group] => Self::Awq { group: size(group)? },
            _ => return None,
        })
    }

    /// The number of groups of `rows`, when there are any.
    fn groups(self, rows: usize) -> Option<usize> {
        match self {
            Self::Int8 | Self::Int4 { block: None } => None,
            Self::Int4 { block: size } | Self::Gptq { group: size, .. } | Self::Awq { group: size } => {
                Some(size.map_or(1, |size| rows.div_ceil(size.max(1))))
            }
        }
    }

    /// The variables of a kernel in a layer whose bias `bias` declares, in Keras' order. Those of the
    /// kernel lie in the module's field `kernel`.
    fn variables(self, matrix: &Matrix, bias: impl Fn(Variables) -> Variables) -> Variables {
        let Matrix { rows, columns, whole: [kernel, channels] } = matrix;
        let (rows, columns) = (*rows, *columns);
        let halved = |size: usize| size.div_ceil(2);
        let (shape, dtype) = match self {
            Self::Int8 => (kernel.clone(), Dtype::Int8),
            Self::Int4 { .. } => (vec![rows, halved(columns)], Dtype::Int8),
            Self::Gptq { bits: 4, .. } | Self::Awq { .. } => (vec![halved(columns), rows], Dtype::Uint8),
            Self::Gptq { .. } => (vec![columns, rows], Dtype::Uint8),
        };
        let values =
            |variables: Variables| variables.fixed("values", shape.clone(), dtype).flat().inside("kernel");
        let variables = match self {
            Self::Int8 | Self::Int4 { .. } => bias(values(Variables::default())),
            Self::Gptq { .. } | Self::Awq { .. } => values(bias(Variables::default())),
        };
        let scale_shape = match (self, self.groups(rows)) {
            (Self::Int8, _) => channels.clone(),
            (_, None) => vec![columns],
            (Self::Int4 { .. }, Some(groups)) => vec![groups, columns],
            (_, Some(groups)) => vec![columns, groups],
        };
        let variables = variables.fixed("scale", scale_shape.clone(), Dtype::Float32).flat().inside("kernel");
        if self.groups(rows).is_none() {
            return variables;
        }
        let zero = if let Self::Int4 { .. } = self { Dtype::Int8 } else { Dtype::Uint8 };
        let variables = variables.fixed("zero", scale_shape, zero).flat().inside("kernel");
        let variables = match self {
            Self::Awq { .. } => variables.fixed("row_scale", [rows], Dtype::Float32).inside("kernel"),
            _ => variables,
        };
        variables.fixed("group", [rows], Dtype::Float32).inside("kernel")
    }
}
