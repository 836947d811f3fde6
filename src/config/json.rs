//! Python's dialect of JSON, to and from [`Json`].
//!
//! Python writes `NaN`, `Infinity`, `-Infinity` and integers of any length. Each such token is held
//! as a marked string while the document is in memory, and becomes the same token again on writing,
//! so that nothing of a document is lost or altered.

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::limits::Limits;

/// Opens every string that stands for a token that JSON does not have.
const MARK: &str = "\u{0}py:";
/// The mark as `serde_json` writes it.
const ESCAPED: &str = "\"\\u0000py:";

/// Reads a document out of a file.
///
/// # Errors
/// When the text is not JSON, with the line and column, or above a limit.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Json> {
    Limits::check("size of JSON in bytes", text.len() as u64, limits.json_bytes)?;
    // Every value but the first comes after one of these; some of them may stand in strings.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() as u64;
    Limits::check("values of the JSON document", values, limits.json_values)?;
    parse(text)
}

/// Reads a document.
///
/// # Errors
/// When the text is not JSON, with the line and column.
pub fn parse(text: &str) -> Result<Json> {
    serde_json::from_str(&mark_tokens(text)).map_err(|error| {
        // The only way to tell nesting that is too deep from bad syntax.
        let too_deep = error.to_string().starts_with("recursion limit");
        let kind = if too_deep { Error::limit } else { Error::damaged };
        kind(format_args!("not JSON: {error}")).with_source(error)
    })
}

/// Writes a document on one line, ASCII only, as Python's `json.dumps` does.
#[must_use]
pub fn print(json: &Json) -> String {
    let text = json.to_string();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(ESCAPED) {
        push_ascii(&mut out, &rest[..start]);
        let token = &rest[start + ESCAPED.len()..];
        let end = token.find('"').unwrap_or(token.len());
        out.push_str(&token[..end]);
        rest = token.get(end + 1..).unwrap_or("");
    }
    push_ascii(&mut out, rest);
    out
}

/// The number that a marked token stands for, if `json` is one.
#[must_use]
pub fn marked_number(json: &Json) -> Option<f64> {
    match json.as_str()?.strip_prefix(MARK)? {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        digits => digits.parse().ok(),
    }
}

/// A number as JSON, or as the marked token that stands for it.
#[must_use]
pub fn number(number: f64) -> Json {
    match number {
        _ if number.is_finite() => number.into(),
        _ if number.is_nan() => format!("{MARK}NaN").into(),
        _ if number > 0.0 => format!("{MARK}Infinity").into(),
        _ => format!("{MARK}-Infinity").into(),
    }
}

fn push_ascii(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

/// Replaces the tokens that JSON lacks, outside of strings, by marked strings.
fn mark_tokens(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'"' => string_end(bytes, at),
            b'N' | b'I' | b'-' | b'0'..=b'9' => word_end(bytes, at),
            _ => at + 1,
        };
        let word = &text[at..end];
        if byte != b'"' && is_foreign(word) {
            out.push_str(&text[copied..at]);
            out.push_str(ESCAPED);
            out.push_str(word);
            out.push('"');
            copied = end;
        }
        at = end;
    }
    out.push_str(&text[copied..]);
    out
}

fn is_foreign(word: &str) -> bool {
    matches!(word, "NaN" | "Infinity" | "-Infinity")
        || (word.len() > 18
            && word.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            && word.parse::<i64>().is_err()
            && word.parse::<u64>().is_err())
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    bytes[start..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |length| start + length.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_tokens_survive() {
        let text = r#"{"a":NaN,"b":[-Infinity,Infinity],"c":123456789012345678901234567890,"d":"NaN \" Infinity","e":-1.5e-7}"#;
        let json = parse(text).unwrap();
        assert!(marked_number(&json["a"]).unwrap().is_nan());
        assert_eq!(marked_number(&json["b"][0]), Some(f64::NEG_INFINITY));
        assert_eq!(json["d"], "NaN \" Infinity");
        assert_eq!(print(&json), text);
        for token in ["a", "b"] {
            let read = json[token].get(0).unwrap_or(&json[token]);
            assert_eq!(number(marked_number(read).unwrap()), *read);
        }
    }

    #[test]
    fn other_alphabets_are_escaped_as_python_does() {
        let json = parse("{\"schön\":\"\u{1d11e}\"}").unwrap();
        assert_eq!(print(&json), r#"{"sch\u00f6n":"\ud834\udd1e"}"#);
    }

    #[test]
    fn damage_is_an_error() {
        for text in ["", "{", "\"\\", "{\"a\":N}", "NaN0", "[1,]", "-", "\"é"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
