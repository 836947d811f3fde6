//! `Hashing` and `HashedCrossing`: a few numbers for any number of strings or integers.

use std::num::NonZeroUsize;

use burn::tensor::TensorData;
use serde_json::Value as Json;
use siphasher::sip::SipHasher24;

use super::categorical::{OutputDtype, OutputMode, refuse_sparse};
use super::lookup::{Token, integers, tokens};
use crate::config::{Dtype, Field, Reader, refuse};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

/// The two integers that make a hash unlike others; a single one counts twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt(pub [u64; 2]);

impl Field for Salt {
    const EXPECTED: &'static str = "an integer or a list of two";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let integer = |json: &Json| json.as_u64().or_else(|| json.as_i64().map(|number| number as u64));
        let keys = match json.as_array().map(Vec::as_slice) {
            Some([one, two]) => integer(one).zip(integer(two)),
            Some(_) => None,
            None => integer(json).map(|key| (key, key)),
        };
        keys.map(|(one, two)| Self([one, two])).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        self.0.to_vec().into()
    }
}

/// How something is put into one of several buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buckets {
    /// Integers by their remainder.
    Modulo,
    /// By the FarmHash fingerprint.
    Farm,
    /// By SipHash with a key.
    Sip(Salt),
}

impl Buckets {
    pub fn salted(salt: Option<Salt>) -> Self {
        salt.map_or(Self::Farm, Self::Sip)
    }

    /// The bucket of some bytes.
    pub fn of(self, bytes: &[u8], count: u64) -> i64 {
        let hash = match self {
            Self::Sip(Salt([one, two])) => SipHasher24::new_with_keys(one, two).hash(bytes),
            _ => farmhash::fingerprint64(bytes),
        };
        (hash % count.max(1)) as i64
    }
}

crate::layer_config! {
    /// `Hashing`: every string or integer in one of `num_bins` bins, by its hash.
    ///
    /// # Shapes
    /// - inputs: `[batch, samples, ...]`, strings or numbers
    /// - outputs: as the inputs; in the other modes vectors as those of
    ///   [`CategoryEncoding`](super::CategoryEncoding)
    pub struct Hashing {
        /// The number of bins.
        num_bins: NonZeroUsize,
        /// What is put into bin 0 before all others.
        mask_value: Option<Token> = None,
        /// What makes the hash unlike others.
        salt: Option<Salt> = None,
        /// What the output is.
        output_mode: OutputMode = OutputMode::Int,
        /// Whether the output is a sparse tensor, which is refused.
        sparse: bool = false,
        /// Element type of the output.
        dtype: OutputDtype = OutputDtype::default(),
    }
}

impl Hashing {
    fn dtype(&self) -> Dtype {
        let default = if self.output_mode == OutputMode::Int { Dtype::Int64 } else { Dtype::Float32 };
        self.dtype.or(default)
    }

    fn bin(&self, token: &Token) -> i64 {
        let bins = self.num_bins.get() as u64;
        let mask = self.mask_value.as_ref().filter(|_| bins > 1);
        let bin = |bins| match token {
            Token::Text(text) => Buckets::salted(self.salt).of(text.as_bytes(), bins),
            Token::Number(number) => Buckets::salted(self.salt).of(number.to_string().as_bytes(), bins),
        };
        match mask {
            None => bin(bins),
            Some(mask) if mask == token => 0,
            Some(_) => 1 + bin(bins - 1),
        }
    }
}

impl Function for Hashing {
    const CLASSES: &'static [&'static str] = &["Hashing"];
    const STRINGS: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        refuse_sparse(self.sparse)?;
        let (input, dtype) = (args.input()?, self.dtype());
        if self.output_mode == OutputMode::TfIdf {
            return Err(Error::config("expected int, one_hot, multi_hot or count").at("output_mode"));
        }
        if self.output_mode == OutputMode::Int && !matches!(dtype, Dtype::Int32 | Dtype::Int64) {
            return Err(Error::config("expected int32 or int64").at("dtype"));
        }
        let texts = input.dtype == Dtype::String;
        match &self.mask_value {
            Some(mask) if mask.is_text() != texts => {
                return Err(
                    Error::config(format_args!("{mask} is no value of {}", input.dtype)).at("mask_value")
                );
            }
            // The mask is compared before the fraction is lost.
            Some(_) if input.dtype.is_float() => {
                return Err(Error::unsupported("a mask among floats").at("mask_value"));
            }
            _ if input.dtype == Dtype::Bool => return Err(Error::unsupported("the hash of a boolean")),
            _ => {}
        }
        Ok(self.output_mode.outputs(input, self.num_bins.get(), dtype)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let input = args.into_input()?;
        let bins: Vec<i64> = tokens(&input)?.iter().map(|token| self.bin(token)).collect();
        let numbers = Value::from_data(TensorData::new(bins, input.shape()), &input.device())?;
        Ok(self.output_mode.encode(numbers, self.num_bins.get(), self.dtype(), None)?.into())
    }
}

crate::layer_config! {
    /// `HashedCrossing`: every combination of strings or integers in one of `num_bins` bins, by their
    /// hashes.
    ///
    /// # Shapes
    /// - inputs: two of `[batch]` or `[batch, 1]`, strings or integers
    /// - outputs: as the inputs, or `[batch, num_bins]` for `one_hot`
    pub struct HashedCrossing {
        /// The number of bins.
        num_bins: NonZeroUsize,
        /// What the output is.
        output_mode: OutputMode = OutputMode::Int,
        /// Whether the output is a sparse tensor, which is refused.
        sparse: bool = false,
        /// Element type of the output.
        dtype: OutputDtype = OutputDtype::default(),
    }
}

impl HashedCrossing {
    fn dtype(&self) -> Dtype {
        let default = if self.output_mode == OutputMode::Int { Dtype::Int64 } else { Dtype::Float32 };
        self.dtype.or(default)
    }
}

impl Function for HashedCrossing {
    const CLASSES: &'static [&'static str] = &["HashedCrossing"];
    const STRINGS: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        refuse_sparse(self.sparse)?;
        if !matches!(self.output_mode, OutputMode::Int | OutputMode::OneHot) {
            return Err(Error::config("expected int or one_hot").at("output_mode"));
        }
        let inputs = args.inputs();
        let [first, second] = inputs.as_slice() else { return Err(Error::config("expected two inputs")) };
        if !matches!(first.shape.as_slice(), [_] | [_, Some(1)]) || first.shape != second.shape {
            let message = format_args!("expected two inputs (batch, 1), got {first} and {second}");
            return Err(Error::config(message));
        }
        if let Some(wrong) = inputs.iter().find(|input| !input.dtype.is_int() && input.dtype != Dtype::String)
        {
            return Err(Error::config(format_args!("expected strings or integers, got {}", wrong.dtype)));
        }
        Ok(self.output_mode.outputs(first, self.num_bins.get(), self.dtype())?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let inputs = args.into_inputs();
        let Some(first) = inputs.first() else { return Err(Error::input("called without inputs")) };
        let (shape, device) = (first.shape(), first.device());
        let mut crossed = vec![CROSSING_KEY; shape.iter().product()];
        for input in inputs {
            for (crossed, hash) in crossed.iter_mut().zip(hashes(input)) {
                *crossed = concatenated(*crossed, hash);
            }
        }
        let bins = self.num_bins.get() as u64;
        let bins: Vec<i64> = crossed.into_iter().map(|hash| (hash % bins) as i64).collect();
        let numbers = Value::from_data(TensorData::new(bins, shape), &device)?;
        Ok(self.output_mode.encode(numbers, self.num_bins.get(), self.dtype(), None)?.into())
    }
}

/// TensorFlow's key for the hashes of combinations.
const CROSSING_KEY: u64 = 0x00DE_CAFC_AFFE;

/// What stands for an element in a combination: an integer for itself.
fn hashes(value: Value) -> Vec<u64> {
    match value.strings() {
        Ok(strings) => strings.iter().map(|text| farmhash::fingerprint64(text.as_bytes())).collect(),
        Err(_) => integers(value).into_iter().map(|number| number as u64).collect(),
    }
}

/// The fingerprint of two things together, as TensorFlow makes it of their own fingerprints.
fn concatenated(one: u64, two: u64) -> u64 {
    const FACTOR: u64 = 0xC6A4_A793_5BD1_E995;
    let mix = |hash: u64| hash ^ (hash >> 47);
    let hash = (one ^ FACTOR) ^ mix(two.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    mix(mix(hash.wrapping_mul(FACTOR)).wrapping_mul(FACTOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What TensorFlow gives, for a text of every length that its hash treats in its own way.
    #[test]
    fn buckets_are_those_of_tensorflow() {
        const MANY: u64 = i64::MAX as u64;
        for (length, farm, sip) in [
            (0, 1_936_946_117_179_621_456, 412_738_600_555_778_447),
            (3, 3_268_219_959_478_574_187, 8_340_217_575_474_654_404),
            (7, 7_865_121_719_684_446_987, 6_897_209_720_251_479_160),
            (16, 8_401_081_827_976_153_439, 1_245_648_662_905_671_795),
            (32, 1_600_711_689_105_381_821, 4_855_965_238_903_387_591),
            (64, 6_926_143_071_330_858_655, 7_177_199_145_525_247_974),
            (65, 2_768_067_016_444_695_309, 6_731_687_684_431_085_990),
            (200, 5_852_185_341_676_273_205, 7_542_242_423_052_802_638),
        ] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at * 7 % 26) as u8).collect();
            assert_eq!(Buckets::Farm.of(&text, MANY), farm, "{length}");
            assert_eq!(Buckets::Sip(Salt([7, (1 << 40) + 3])).of(&text, MANY), sip, "{length}");
        }
    }
}
