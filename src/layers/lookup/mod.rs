//! `StringLookup` and `IntegerLookup`: numbers for the entries of a vocabulary, and the other way round.

mod table;

use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData};

use super::categorical::{OutputMode, refuse_sparse};
use super::hashing::{Buckets, Salt};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::value::{Binary, Value};

pub(super) use table::{Rules, Table, integers, tokens};
pub use table::{Token, Vocabulary};

/// The file of a vocabulary that was learned.
const VOCABULARY: &str = "vocabulary.txt";

crate::keywords! {
    /// Which of several numbers an unknown integer gets.
    pub enum OovMethod {
        /// Its remainder.
        Floormod = "floormod",
        /// By the hash of its decimal digits.
        Farmhash = "farmhash",
    }
}

macro_rules! lookup_config {
    ($(#[$meta:meta])* $name:ident, $class:literal, texts: $texts:literal, oov: $oov:expr,
     $(#[$own_meta:meta])* $own:ident: $word:literal) => {
        crate::layer_config! {
            $(#[$meta])*
            pub struct $name {
                /// Whether numbers come in and entries go out.
                invert: bool = false,
                /// The most numbers that the vocabulary may take.
                max_tokens: Option<usize> = None,
                /// How many numbers there are for what is not in the vocabulary.
                num_oov_indices: usize = 1,
                /// What comes out for numbers of nothing.
                oov_token: Option<Token> = Some($oov),
                /// What gets the number 0, or is left out of vectors.
                mask_token: Option<Token> = None,
                /// What the output is.
                output_mode: OutputMode = OutputMode::Int,
                /// Whether the output is a sparse tensor, which is refused.
                sparse: bool = false,
                /// Whether vectors have `max_tokens` entries.
                pad_to_max_tokens: bool = false,
                $(#[$own_meta])*
                $own: String = $word.to_owned(),
                /// The weights of `tf_idf`. The weights file has them as well, and that counts.
                idf_weights: Option<Vec<f64>> = None,
                /// The entries; if none are listed, the archive has a file of them.
                vocabulary: Option<Vocabulary> = None,
                /// How many numbers the vocabulary takes.
                vocabulary_size: Option<usize> = None,
                /// How unknown integers are told apart.
                oov_method: OovMethod = OovMethod::Floormod,
                /// What makes the hash of unknown tokens unlike others.
                salt: Option<Salt> = None,
            }
        }

        impl $name {
            fn settings(&self) -> Result<Settings<'_>> {
                if self.$own != $word {
                    let message = format_args!("expected {:?}, got {:?}", $word, self.$own);
                    return Err(Error::unsupported(message).at(stringify!($own)));
                }
                refuse_sparse(self.sparse)?;
                let modulo = !$texts && self.oov_method == OovMethod::Floormod;
                if modulo && self.salt.is_some() {
                    return Err(Error::config("goes with the oov_method \"farmhash\" only").at("salt"));
                }
                let settings = Settings {
                    texts: $texts,
                    rules: Rules {
                        mask: self.mask_token.clone(),
                        oov: self.oov_token.clone(),
                        oov_indices: self.num_oov_indices,
                        mode: self.output_mode,
                        invert: self.invert,
                        max_tokens: self.max_tokens,
                        buckets: if modulo { Buckets::Modulo } else { Buckets::salted(self.salt) },
                    },
                    vocabulary: self.vocabulary.as_ref().map(|vocabulary| vocabulary.0.as_slice()),
                    size: self.vocabulary_size,
                    pad: self.pad_to_max_tokens,
                };
                let has_weights = self.idf_weights.is_some();
                settings.check(has_weights)?;
                Ok(settings)
            }
        }

        impl LayerConfig for $name {
            const CLASSES: &'static [&'static str] = &[$class];
            const STRINGS: bool = true;

            type Layer = Lookup;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                Ok(self.settings()?.outputs(args.input()?)?.into())
            }

            fn variables(&self, _: &Args<Spec>) -> Result<Variables> {
                self.settings()?.variables()
            }

            fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Lookup> {
                self.settings()?.build(weights)
            }
        }
    };
}

lookup_config! {
    /// Config of `StringLookup`.
    StringLookupConfig, "StringLookup", texts: true, oov: Token::Text("[UNK]".to_owned()),
    /// The encoding of the strings: UTF-8 is known.
    encoding: "utf-8"
}

lookup_config! {
    /// Config of `IntegerLookup`.
    IntegerLookupConfig, "IntegerLookup", texts: false, oov: Token::Number(-1),
    /// The type of the entries: Keras knows one.
    vocabulary_dtype: "int64"
}

/// What the configs of lookups come to.
pub(super) struct Settings<'a> {
    pub texts: bool,
    pub rules: Rules,
    pub vocabulary: Option<&'a [Token]>,
    pub size: Option<usize>,
    pub pad: bool,
}

impl Settings<'_> {
    /// Refuses what does not go together.
    pub fn check(&self, has_weights: bool) -> Result<()> {
        let Rules { mode, invert, max_tokens, .. } = self.rules;
        let weighted = mode == OutputMode::TfIdf;
        let fault = match max_tokens {
            Some(0 | 1) => Some(("max_tokens", "expected more than 1")),
            None if self.pad => Some(("pad_to_max_tokens", "goes with max_tokens only")),
            _ if invert && mode != OutputMode::Int => {
                Some(("invert", "goes with the output_mode \"int\" only"))
            }
            _ if has_weights && !weighted => Some(("idf_weights", "go with the output_mode \"tf_idf\" only")),
            _ if weighted && self.vocabulary.is_some() && !has_weights => Some(("idf_weights", "missing")),
            _ => None,
        };
        if let Some((key, message)) = fault {
            return Err(Error::config(message).at(key));
        }
        let special = [("mask_token", &self.rules.mask), ("oov_token", &self.rules.oov)];
        let special = special.into_iter().filter_map(|(key, token)| token.as_ref().map(|token| (key, token)));
        let entries = self.vocabulary.unwrap_or_default().iter().map(|token| ("vocabulary", token));
        for (key, token) in special.chain(entries) {
            if token.is_text() != self.texts {
                let kind = if self.texts { "strings" } else { "integers" };
                return Err(Error::config(format_args!("expected {kind}, got {token}")).at(key));
            }
        }
        Ok(())
    }

    /// The entries of a vector.
    fn depth(&self) -> Result<usize> {
        let depth = match (self.rules.max_tokens, self.vocabulary) {
            (Some(most), _) if self.pad => Some(most),
            (_, Some(vocabulary)) => {
                Some(self.rules.size(vocabulary).map_err(|error| error.at("vocabulary"))?)
            }
            _ => self.size,
        };
        depth.ok_or_else(|| Error::config("missing: the layer has not been adapted").at("vocabulary_size"))
    }

    /// The element type of the output.
    fn dtype(&self) -> Dtype {
        match self.rules.mode {
            OutputMode::TfIdf => Dtype::Float32,
            _ if self.rules.invert && self.texts => Dtype::String,
            _ => Dtype::Int64,
        }
    }

    pub fn outputs(&self, input: &Spec) -> Result<Spec> {
        let texts = self.texts && !self.rules.invert;
        if texts != (input.dtype == Dtype::String) {
            let kind = if texts { "strings" } else { "numbers" };
            return Err(Error::config(format_args!("expected {kind}, got {}", input.dtype)));
        }
        let depth = if self.rules.mode == OutputMode::Int { 0 } else { self.depth()? };
        self.rules.mode.outputs(input, depth, self.dtype())
    }

    pub fn variables(&self) -> Result<Variables> {
        let variables = match self.rules.mode {
            OutputMode::TfIdf => {
                Variables::default().fixed("idf_weights", [self.depth()?], Dtype::Float32).named()
            }
            _ => Variables::default(),
        };
        Ok(if self.vocabulary.is_some() { variables } else { variables.asset(VOCABULARY) })
    }

    pub fn build(&self, weights: &Weights<'_>) -> Result<Lookup> {
        let read = match weights.text(VOCABULARY)? {
            Some(text) => {
                Some(table::read_vocabulary(&text, self.texts).map_err(|error| error.at(VOCABULARY))?)
            }
            None => None,
        };
        let vocabulary = read.as_deref().or(self.vocabulary).unwrap_or_default();
        let table = Table::new(self.rules.clone(), vocabulary).map_err(|error| error.at("vocabulary"))?;
        let depth = if self.rules.mode == OutputMode::Int { 0 } else { self.depth()? };
        if self.rules.mode != OutputMode::Int && !self.pad && table.size() != depth {
            let message = format_args!("the vocabulary takes {} numbers, not {depth}", table.size());
            return Err(Error::weights(message).at("vocabulary_size"));
        }
        let (mode, invert, dtype) = (self.rules.mode, self.rules.invert, self.dtype());
        Ok(Lookup { idf_weights: weights.maybe("idf_weights")?, table, mode, invert, depth, dtype })
    }
}

/// A vocabulary.
///
/// # Shapes
/// - inputs: `[batch, samples, ...]`, strings or integers
/// - outputs: as the inputs; in the other modes vectors as those of
///   [`CategoryEncoding`](super::CategoryEncoding)
#[derive(Module, Debug)]
pub struct Lookup {
    /// `[vocabulary]`: the weight of every entry, for `tf_idf`.
    pub idf_weights: Option<Param<Tensor<1>>>,
    #[module(skip)]
    table: Table,
    #[module(skip)]
    mode: OutputMode,
    #[module(skip)]
    invert: bool,
    #[module(skip)]
    depth: usize,
    #[module(skip)]
    dtype: Dtype,
}

impl Lookup {
    /// The number of a token.
    pub(super) fn number(&self, token: &Token) -> Result<i64> {
        self.table.number(token)
    }

    /// What stands where there is no token: it is masked, or leaves no trace in the output.
    pub(super) fn nothing(&self) -> i64 {
        if self.mode == OutputMode::Int { 0 } else { -1 }
    }

    /// The output for numbers that were looked up.
    pub(super) fn encode(&self, numbers: Value) -> Result<Value> {
        let output = self.mode.encode(numbers, self.depth, self.dtype, None)?;
        match &self.idf_weights {
            Some(weights) => output.binary(Binary::Multiply, Value::from(weights.val())),
            None => Ok(output),
        }
    }

    fn entries(&self, input: Value) -> Result<Value> {
        let (shape, device) = (input.shape(), input.device());
        let numbers = integers(input);
        let entries = numbers.into_iter().map(|number| self.table.token(number).cloned());
        let entries = entries.collect::<Result<Vec<_>>>()?;
        if self.dtype == Dtype::String {
            let texts = entries.into_iter().map(|token| match token {
                Token::Text(text) => text,
                Token::Number(number) => number.to_string(),
            });
            return Value::from_strings(texts, &shape, &device);
        }
        let numbers = entries.into_iter().map(|token| match token {
            Token::Number(number) => Ok(number),
            Token::Text(_) => Err(Error::input("expected an integer in the vocabulary")),
        });
        Value::from_data(TensorData::new(numbers.collect::<Result<Vec<_>>>()?, shape), &device)
    }
}

impl Layer for Lookup {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let input = args.into_input()?;
        if self.invert {
            return Ok(self.entries(input)?.into());
        }
        let numbers = tokens(&input)?;
        let numbers = numbers.iter().map(|token| self.table.number(token));
        let numbers = numbers.collect::<Result<Vec<_>>>()?;
        let numbers = Value::from_data(TensorData::new(numbers, input.shape()), &input.device())?;
        Ok(self.encode(numbers)?.into())
    }
}
