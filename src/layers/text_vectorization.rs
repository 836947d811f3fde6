//! `TextVectorization`: the words of a text as numbers of a vocabulary.

use burn::module::Module;
use burn::tensor::TensorData;
use serde_json::Value as Json;

use super::categorical::{OutputMode, refuse_sparse};
use super::hashing::Buckets;
use super::lookup::{Lookup, Rules, Settings, Token, Vocabulary};
use crate::config::{Dtype, Field, Reader, brief, refuse};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::value::Value;

/// A Python function stands where a word was expected.
fn refuse_function<T: Field>(json: &Json, reader: &mut Reader<'_>) -> Option<T> {
    match json.is_object() {
        true => {
            reader.push(Error::unsupported(format_args!("a Python function: {}", brief(json))));
            None
        }
        false => refuse(json, reader),
    }
}

/// What is done to a text before it is split. Null does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standardize {
    /// Whether the letters of ASCII become small.
    lower: bool,
    /// Whether the punctuation of ASCII goes.
    strip: bool,
}

impl Standardize {
    const WORDS: &[(&'static str, Self)] = &[
        ("lower_and_strip_punctuation", Self { lower: true, strip: true }),
        ("lower", Self { lower: true, strip: false }),
        ("strip_punctuation", Self { lower: false, strip: true }),
    ];

    fn apply(self, text: &str) -> String {
        let kept = text.chars().filter(|c| !(self.strip && c.is_ascii_punctuation()));
        kept.map(|c| if self.lower { c.to_ascii_lowercase() } else { c }).collect()
    }
}

impl Field for Standardize {
    const EXPECTED: &'static str = "one of lower_and_strip_punctuation lower strip_punctuation";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let known = Self::WORDS.iter().find(|(word, _)| json.as_str() == Some(*word));
        known.map(|(_, standardize)| *standardize).or_else(|| refuse_function(json, reader))
    }

    fn write(&self) -> Json {
        Self::WORDS.iter().find(|(_, known)| known == self).map_or(Json::Null, |(word, _)| (*word).into())
    }
}

/// Where a text is split. Null leaves it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `whitespace`: that of ASCII, any amount of it.
    Whitespace,
    /// `character`: after every character.
    Character,
}

impl Split {
    fn apply(self, text: &str) -> Vec<String> {
        let is_space = |c: char| matches!(c, ' ' | '\t'..='\r');
        match self {
            Self::Whitespace => {
                text.split(is_space).filter(|word| !word.is_empty()).map(str::to_owned).collect()
            }
            Self::Character => text.chars().map(String::from).collect(),
        }
    }
}

impl Field for Split {
    const EXPECTED: &'static str = "one of whitespace character";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json.as_str() {
            Some("whitespace") => Some(Self::Whitespace),
            Some("character") => Some(Self::Character),
            _ => refuse_function(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Whitespace => "whitespace".into(),
            Self::Character => "character".into(),
        }
    }
}

/// Which runs of words count as words: all up to a length, or those of some lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ngrams {
    /// All up to this length.
    UpTo(usize),
    /// Those of these lengths.
    Of(Vec<usize>),
}

impl Ngrams {
    fn check(&self) -> Result<()> {
        let widths = match self {
            Self::UpTo(most) => std::slice::from_ref(most),
            Self::Of(widths) => widths,
        };
        match widths.is_empty() || widths.contains(&0) {
            true => Err(Error::config("expected positive integers").at("ngrams")),
            false => Ok(()),
        }
    }

    fn apply(&self, words: &[String]) -> Vec<String> {
        let runs = |width: usize| words.windows(width.max(1)).map(|run| run.join(" "));
        match self {
            Self::UpTo(most) => (1..=(*most).min(words.len())).flat_map(runs).collect(),
            Self::Of(widths) => widths.iter().copied().flat_map(runs).collect(),
        }
    }
}

impl Field for Ngrams {
    const EXPECTED: &'static str = "an integer or a list of them";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::Of),
            _ => usize::read(json, reader).map(Self::UpTo),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::UpTo(most) => most.write(),
            Self::Of(widths) => widths.write(),
        }
    }
}

crate::layer_config! {
    /// Config of `TextVectorization`.
    pub struct TextVectorizationConfig {
        /// The most numbers that the vocabulary may take.
        max_tokens: Option<usize> = None,
        /// What is done to a text first.
        standardize: Option<Standardize> = Some(Standardize { lower: true, strip: true }),
        /// Where it is split.
        split: Option<Split> = Some(Split::Whitespace),
        /// Which runs of words count as words; by default only words themselves.
        ngrams: Option<Ngrams> = None,
        /// What the output is.
        output_mode: OutputMode = OutputMode::Int,
        /// How many numbers come out for every text; by default as many as the longest has.
        output_sequence_length: Option<usize> = None,
        /// Whether vectors have `max_tokens` entries.
        pad_to_max_tokens: bool = false,
        /// Whether the output is a sparse tensor, which is refused.
        sparse: bool = false,
        /// Whether the output is a ragged tensor, which is refused.
        ragged: bool = false,
        /// The entries; if none are listed, the archive has a file of them.
        vocabulary: Option<Vocabulary> = None,
        /// The weights of `tf_idf`. The weights file has them as well, and that counts.
        idf_weights: Option<Vec<f64>> = None,
        /// The encoding of the strings: UTF-8 is known.
        encoding: String = "utf-8".to_owned(),
        /// How many numbers the vocabulary takes.
        vocabulary_size: Option<usize> = None,
    }
}

impl TextVectorizationConfig {
    fn settings(&self) -> Result<Settings<'_>> {
        refuse_sparse(self.sparse)?;
        if self.ragged {
            return Err(Error::unsupported("ragged outputs").at("ragged"));
        }
        if self.encoding != "utf-8" {
            return Err(Error::unsupported(format_args!("expected \"utf-8\", got {:?}", self.encoding))
                .at("encoding"));
        }
        if self.output_sequence_length.is_some() && self.output_mode != OutputMode::Int {
            let message = "goes with the output_mode \"int\" only";
            return Err(Error::config(message).at("output_sequence_length"));
        }
        self.ngrams.as_ref().map_or(Ok(()), Ngrams::check)?;
        let settings = Settings {
            texts: true,
            rules: Rules {
                mask: Some(Token::Text(String::new())),
                oov: Some(Token::Text("[UNK]".to_owned())),
                oov_indices: 1,
                mode: self.output_mode,
                invert: false,
                max_tokens: self.max_tokens,
                buckets: Buckets::Farm,
            },
            vocabulary: self.vocabulary.as_ref().map(|vocabulary| vocabulary.0.as_slice()),
            size: self.vocabulary_size,
            pad: self.pad_to_max_tokens,
        };
        settings.check(self.idf_weights.is_some())?;
        Ok(settings)
    }

    /// The shape of the words of an input: a list for every text.
    fn words(&self, input: &Spec) -> Result<Vec<Option<usize>>> {
        let wrong = |what: &str| Err(Error::unsupported(format_args!("{what} of the shape {input}")));
        let count = self.output_sequence_length;
        match (self.split, input.shape.as_slice()) {
            (Some(_), [batch] | [batch, Some(1)]) => Ok(vec![*batch, count]),
            (Some(_), _) => wrong("splitting texts"),
            (None, [_]) if self.ngrams.is_some() || count.is_some() => wrong("runs of texts"),
            (None, shape) => {
                let mut shape = shape.to_vec();
                if let (Some(last), true) = (shape.last_mut(), self.ngrams.is_some() || count.is_some()) {
                    *last = count;
                }
                Ok(shape)
            }
        }
    }
}

impl LayerConfig for TextVectorizationConfig {
    const CLASSES: &'static [&'static str] = &["TextVectorization"];
    const STRINGS: bool = true;

    type Layer = TextVectorization;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        if input.dtype != Dtype::String {
            return Err(Error::config(format_args!("expected strings, got {}", input.dtype)));
        }
        let words = Spec::new(self.words(input)?, Dtype::String);
        if self.output_mode == OutputMode::OneHot && self.split.is_some() {
            return Err(Error::unsupported("one_hot for words that are split off").at("output_mode"));
        }
        Ok(self.settings()?.outputs(&words)?.into())
    }

    fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
        // Keras stores all of it twice: as the layer's own, and as that of the lookup within.
        let variables = self.settings()?.variables()?;
        Ok(Variables::default().with_child(INNER, "lookup", variables, false).with_copy("lookup.idf_weights"))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<TextVectorization> {
        Ok(TextVectorization {
            lookup: self.settings()?.build(&weights.child("lookup"))?,
            standardize: self.standardize,
            split: self.split,
            ngrams: self.ngrams.clone(),
            length: self.output_sequence_length,
        })
    }
}

/// The group of the lookup within.
const INNER: &str = "_lookup_layer";

/// Numbers for the words of texts, or vectors for texts.
///
/// # Shapes
/// - inputs: `[batch]` or `[batch, 1]`, strings
/// - outputs: `[batch, words]`, zeros after the last word; or `[batch, vocabulary]`
#[derive(Module, Debug)]
pub struct TextVectorization {
    /// The vocabulary.
    pub lookup: Lookup,
    #[module(skip)]
    standardize: Option<Standardize>,
    #[module(skip)]
    split: Option<Split>,
    #[module(skip)]
    ngrams: Option<Ngrams>,
    #[module(skip)]
    length: Option<usize>,
}

impl TextVectorization {
    /// The words of every text, and the shape that the texts have without their last axis.
    fn words(&self, input: &Value) -> Result<(Vec<Vec<String>>, Vec<usize>)> {
        let texts = input.strings()?.iter();
        let texts: Vec<String> =
            texts.map(|text| self.standardize.map_or_else(|| text.clone(), |how| how.apply(text))).collect();
        let mut outer = input.shape();
        let rows: Vec<Vec<String>> = match self.split {
            Some(split) => {
                outer.truncate(1);
                texts.iter().map(|text| split.apply(text)).collect()
            }
            None => {
                let last = outer.pop().unwrap_or(1);
                texts.chunks(last.max(1)).map(<[String]>::to_vec).collect()
            }
        };
        let rows = match &self.ngrams {
            Some(ngrams) => rows.iter().map(|row| ngrams.apply(row)).collect(),
            None => rows,
        };
        Ok((rows, outer))
    }
}

impl Layer for TextVectorization {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let input = args.into_input()?;
        let (rows, mut shape) = self.words(&input)?;
        let length = self.length.unwrap_or_else(|| rows.iter().map(Vec::len).max().unwrap_or(0));
        let size = rows.len().saturating_mul(length);
        let mut numbers = vec![self.lookup.nothing(); size];
        for (row, numbers) in rows.into_iter().zip(numbers.chunks_mut(length.max(1))) {
            for (word, number) in row.into_iter().zip(numbers) {
                *number = self.lookup.number(&Token::Text(word))?;
            }
        }
        shape.push(length);
        let numbers = Value::from_data(TensorData::new(numbers, shape), &input.device())?;
        Ok(self.lookup.encode(numbers)?.into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::config::{Dtype, Object, Reader};
    use crate::layer::{Args, Registry, Spec};

    /// Why a layer cannot be, for an input of one string.
    fn refusal(class: &str, config: Json) -> String {
        let (registry, limits) = (Registry::new(), crate::Limits::default());
        let json = json!({"module": "keras.layers", "class_name": class, "config": config});
        let mut reader = Reader::new(&registry, &limits);
        let layer = registry.read(&Object::of(&json).unwrap(), &mut reader);
        if let Err(error) = reader.finish() {
            return error.to_string();
        }
        let args = Args::one(Spec::new(vec![None, Some(1)], Dtype::String));
        layer.unwrap().infer(&args).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let words = json!(["a", "b"]);
        for (class, config, expected) in [
            ("StringLookup", json!({"vocabulary": "/etc/passwd"}), "vocabulary: a vocabulary in a file"),
            ("StringLookup", json!({"vocabulary": words, "sparse": true}), "sparse: sparse outputs"),
            ("StringLookup", json!({"vocabulary": words, "encoding": "utf-16"}), "encoding: expected"),
            ("StringLookup", json!({"vocabulary": [1, 2]}), "vocabulary: expected strings, got 1"),
            ("StringLookup", json!({"vocabulary": words, "invert": true}), "expected numbers, got string"),
            ("StringLookup", json!({"output_mode": "count"}), "vocabulary_size: missing"),
            ("IntegerLookup", json!({"vocabulary": [1]}), "expected numbers, got string"),
            ("IntegerLookup", json!({"vocabulary": [1], "salt": 3}), "salt: goes with"),
            ("TextVectorization", json!({"vocabulary": words, "ragged": true}), "ragged: ragged outputs"),
            (
                "TextVectorization",
                json!({"vocabulary": words, "standardize": {"class_name": "function", "config": "f"}}),
                "standardize: a Python function",
            ),
            ("TextVectorization", json!({"split": {"class_name": "function"}}), "split: a Python function"),
            (
                "TextVectorization",
                json!({"vocabulary": words, "output_mode": "one_hot"}),
                "output_mode: one_hot",
            ),
            ("Hashing", json!({"num_bins": 3, "mask_value": 0}), "mask_value: 0 is no value of string"),
            ("Dense", json!({"units": 3}), "a Dense of strings"),
        ] {
            let got = refusal(class, config);
            assert!(got.contains(expected), "{class}: expected {expected}, got {got}");
        }
    }
}
