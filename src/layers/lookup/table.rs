//! A vocabulary and the numbers of its entries.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::{Field, Reader, list, refuse};
use crate::error::{Error, Result};
use crate::layers::OutputMode;
use crate::layers::hashing::Buckets;
use crate::value::Value;

/// An entry of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
}

impl Token {
    /// Whether it is a string.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// How it is hashed: numbers as they are written.
    fn bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        match self {
            Self::Text(text) => text.as_bytes().into(),
            Self::Number(number) => number.to_string().into_bytes().into(),
        }
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Token {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Field for Token {
    const EXPECTED: &'static str = "a string or an integer";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::String(text) => Some(Self::Text(text.clone())),
            number => number.as_i64().map(Self::Number).or_else(|| refuse(json, reader)),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

/// The entries of a vocabulary, as a config lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary(pub Vec<Token>);

impl<T: Into<Token>> FromIterator<T> for Vocabulary {
    fn from_iter<I: IntoIterator<Item = T>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(Into::into).collect())
    }
}

impl Field for Vocabulary {
    const EXPECTED: &'static str = "a list of strings or integers";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        if json.is_string() {
            reader.push(Error::unsupported("a vocabulary in a file of its own: such files are never opened"));
            return None;
        }
        Vec::read(json, reader).map(Self)
    }

    fn write(&self) -> Json {
        self.0.write()
    }

    fn source(json: &Json) -> Option<String> {
        list::<String>(json)
    }
}

/// The entries in the text of a `vocabulary.txt`.
pub(crate) fn read_vocabulary(text: &str, of_texts: bool) -> Result<Vec<Token>> {
    let mut lines = lines(text);
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let tokens = lines.into_iter().map(|line| match of_texts {
        true => Ok(Token::Text(line)),
        false => line
            .trim()
            .parse()
            .map(Token::Number)
            .map_err(|_| Error::weights(format_args!("expected an integer in every line, got {line:?}"))),
    });
    tokens.collect()
}

/// The lines of a text, as Python splits it.
fn lines(text: &str) -> Vec<String> {
    let is_break = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let text = text.replace("\r\n", "\n");
    let mut lines: Vec<String> = text.split(is_break).map(str::to_owned).collect();
    // A break ends a line, it does not begin another.
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// How a lookup treats what it looks up.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub mask: Option<Token>,
    pub oov: Option<Token>,
    pub oov_indices: usize,
    pub mode: OutputMode,
    pub invert: bool,
    pub max_tokens: Option<usize>,
    /// Which of several numbers an unknown token gets.
    pub buckets: Buckets,
}

impl Rules {
    /// The number of the first unknown token.
    fn oov_start(&self) -> usize {
        usize::from(self.mask.is_some() && self.mode == OutputMode::Int)
    }

    /// The number of the first entry.
    fn token_start(&self) -> usize {
        self.oov_start().saturating_add(self.oov_indices)
    }

    /// The entries of a vocabulary, without the special tokens before them if those are listed.
    fn entries<'a>(&self, vocabulary: &'a [Token]) -> Result<&'a [Token]> {
        let (oov, start) = (self.oov_start(), self.token_start());
        let special = |at: usize| if at < oov { &self.mask } else { &self.oov };
        let listed = vocabulary.get(..start).is_some_and(|head| {
            head.iter().enumerate().all(|(at, token)| special(at).as_ref() == Some(token))
        });
        let entries = if listed { vocabulary.get(start..).unwrap_or_default() } else { vocabulary };
        if vocabulary.is_empty() {
            return Err(Error::config("an empty vocabulary"));
        }
        let reserved = [Some(&self.mask), Some(&self.oov).filter(|_| self.invert)];
        for token in reserved.into_iter().flatten().flatten() {
            if entries.contains(token) {
                return Err(Error::config(format_args!(
                    "{token} is reserved, and in the midst of the vocabulary"
                )));
            }
        }
        Ok(entries)
    }

    /// How many numbers a vocabulary takes, those of the special tokens included.
    pub fn size(&self, vocabulary: &[Token]) -> Result<usize> {
        let size = self.token_start().saturating_add(self.entries(vocabulary)?.len());
        match self.max_tokens.filter(|most| size > *most) {
            Some(most) => Err(Error::config(format_args!("{size} entries are more than max_tokens, {most}"))),
            None => Ok(size),
        }
    }
}

/// A vocabulary to look up in.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rules: Rules,
    entries: Arc<[Token]>,
    numbers: Arc<HashMap<Token, i64>>,
}

impl Table {
    pub fn new(rules: Rules, vocabulary: &[Token]) -> Result<Self> {
        rules.size(vocabulary)?;
        let entries = rules.entries(vocabulary)?;
        let start = rules.token_start();
        let mut numbers = HashMap::with_capacity(entries.len());
        for (at, token) in entries.iter().enumerate() {
            if numbers.insert(token.clone(), (start + at) as i64).is_some() {
                return Err(Error::config(format_args!("{token} is twice in the vocabulary")));
            }
        }
        Ok(Self { entries: entries.into(), numbers: Arc::new(numbers), rules })
    }

    /// How many numbers there are, those of the special tokens included.
    pub fn size(&self) -> usize {
        self.rules.token_start() + self.entries.len()
    }

    /// The number of a token; -1 for what leaves no trace in the output.
    pub fn number(&self, token: &Token) -> Result<i64> {
        if self.rules.mask.as_ref() == Some(token) {
            return Ok(if self.rules.mode == OutputMode::Int { 0 } else { -1 });
        }
        if let Some(number) = self.numbers.get(token) {
            return Ok(*number);
        }
        let bucket = match (self.rules.oov_indices, self.rules.buckets, token) {
            (0, ..) => {
                let message = format_args!("{token} is not in the vocabulary, and num_oov_indices is 0");
                return Err(Error::input(message));
            }
            (1, ..) => 0,
            (count, Buckets::Modulo, Token::Number(number)) => number.rem_euclid(count as i64),
            (count, buckets, token) => buckets.of(&token.bytes(), count as u64),
        };
        Ok(self.rules.oov_start() as i64 + bucket)
    }

    /// The token of a number.
    pub fn token(&self, number: i64) -> Result<&Token> {
        let special = if number == 0 { self.rules.mask.as_ref() } else { None };
        let entry = || {
            let at = usize::try_from(number).ok()?.checked_sub(self.rules.token_start())?;
            self.entries.get(at)
        };
        special.or_else(entry).or(self.rules.oov.as_ref()).ok_or_else(|| {
            Error::input(format_args!("no token has the number {number}, and oov_token is none"))
        })
    }
}

/// The elements of a value as tokens.
pub(crate) fn tokens(value: &Value) -> Result<Vec<Token>> {
    match value.strings() {
        Ok(strings) => Ok(strings.iter().cloned().map(Token::Text).collect()),
        Err(_) => Ok(integers(value.clone()).into_iter().map(Token::Number).collect()),
    }
}

/// The elements of a tensor as integers; floats lose their fraction.
pub(crate) fn integers(value: Value) -> Vec<i64> {
    let is_float = value.is_float();
    let data = value.into_data();
    match data.dtype() {
        _ if is_float => data.iter::<f64>().map(|number| number as i64).collect(),
        burn::tensor::DType::U64 => data.iter::<u64>().map(|number| number as i64).collect(),
        _ => data.iter::<i64>().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_python() {
        assert_eq!(lines("a\nb"), ["a", "b"]);
        assert_eq!(lines("\n[UNK]\n\nb\n"), ["", "[UNK]", "", "b"]);
        assert_eq!(lines("a\r\nb\rc\u{2028}d"), ["a", "b", "c", "d"]);
        assert_eq!(lines(""), [""; 0]);
        assert_eq!(read_vocabulary("-1\n7\n\n", false).unwrap(), [Token::Number(-1), Token::Number(7)]);
        assert!(read_vocabulary("a", false).is_err());
    }

    #[test]
    fn special_tokens_may_be_listed_or_not() {
        let text = |text: &str| Token::Text(text.to_owned());
        let rules = Rules {
            mask: Some(text("")),
            oov: Some(text("[UNK]")),
            oov_indices: 2,
            mode: OutputMode::Int,
            invert: false,
            max_tokens: Some(5),
            buckets: Buckets::Farm,
        };
        let table = Table::new(rules.clone(), &[text("a"), text("b")]).unwrap();
        let listed = [text(""), text("[UNK]"), text("[UNK]"), text("a"), text("b")];
        assert_eq!(Table::new(rules.clone(), &listed).unwrap().size(), table.size());
        assert_eq!(table.number(&text("b")).unwrap(), 4);
        assert_eq!(table.number(&text("")).unwrap(), 0);
        assert_eq!(*table.token(3).unwrap(), text("a"));
        assert_eq!(*table.token(99).unwrap(), text("[UNK]"));
        for wrong in [&listed[1..], &[], &[text("a"), text("a")], &[text("a"), text("b"), text("c")]] {
            assert!(Table::new(rules.clone(), wrong).is_err(), "{wrong:?}");
        }
    }
}
