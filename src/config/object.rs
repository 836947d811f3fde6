//! The envelope of every serialized Keras object: `{module, class_name, config, registered_name}`.

use serde_json::{Map, Value as Json};

use super::{Reader, brief};
use crate::error::Error;

/// A serialized object, borrowed from its document.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The class, as `class_name` says.
    pub class: &'a str,
    /// What `get_config` returned.
    pub config: &'a Map<String, Json>,
    /// The whole envelope.
    pub envelope: &'a Map<String, Json>,
}

impl<'a> Object<'a> {
    /// The object that `json` describes, if it describes one.
    #[must_use]
    pub fn of(json: &'a Json) -> Option<Self> {
        let envelope = json.as_object()?;
        let class = envelope.get("class_name")?.as_str()?;
        let config = envelope.get("config")?.as_object()?;
        Some(Self { class, config, envelope })
    }

    /// The object that `json` describes, noting when it describes none.
    pub fn read(json: &'a Json, reader: &mut Reader<'_>) -> Option<Self> {
        Self::of(json).or_else(|| {
            let expected = "expected an object with class_name and config";
            reader.push(Error::config(format_args!("{expected}, got {}", brief(json))));
            None
        })
    }

    /// A string of the envelope.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.envelope.get(key)?.as_str()
    }

    /// Whether it is an operation of `keras.ops` rather than a layer.
    ///
    /// Operations stand among the layers of a graph, but have no variables and no HDF5 group.
    #[must_use]
    pub fn is_operation(&self) -> bool {
        let module = self.text("module").unwrap_or("");
        module.starts_with("keras.src.ops.") || module == "keras.src.activations.activations"
    }
}

/// A class name as it appears in variable paths, after Keras' `to_snake_case`: `Conv2D` gives
/// `conv2d`, `ReLU` gives `re_lu`.
#[must_use]
pub fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let split = separate(&chars, |_, here, next| {
        here.is_ascii_uppercase() && next.is_some_and(|next| next.is_ascii_lowercase())
    });
    let split = separate(&split, |before, here, _| before.is_ascii_lowercase() && here.is_ascii_uppercase());
    split.into_iter().flat_map(char::to_lowercase).collect()
}

/// Puts `_` before every character but the first for which `here(before, it, next)` holds.
fn separate(chars: &[char], here: impl Fn(char, char, Option<char>) -> bool) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len());
    let mut before = None;
    for (index, c) in chars.iter().enumerate() {
        if before.is_some_and(|before| here(before, *c, chars.get(index + 1).copied())) {
            out.push('_');
        }
        out.push(*c);
        before = Some(*c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn snake_case_is_that_of_keras() {
        for (class, snake) in [
            ("Conv2D", "conv2d"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("ReLU", "re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("PReLU", "p_re_lu"),
            ("ELU", "elu"),
            ("GRU", "gru"),
            ("SimpleRNN", "simple_rnn"),
            ("ConvLSTM2D", "conv_lstm2d"),
            ("RMSNormalization", "rms_normalization"),
            ("GroupedQueryAttention", "grouped_query_attention"),
            ("STFTSpectrogram", "stft_spectrogram"),
            ("InputLayer", "input_layer"),
            ("MultiHeadAttention", "multi_head_attention"),
            ("TimeDistributed", "time_distributed"),
            ("my_Layer", "my__layer"),
            ("HTTPServer2D", "http_server2d"),
            ("ABcDe", "a_bc_de"),
        ] {
            assert_eq!(snake_case(class), snake);
        }
    }
}
