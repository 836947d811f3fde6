//! Numbers as Python writes them: `repr`, and `format` with what stands after the colon in `{val_loss:.2f}`.

/// A number as `repr` gives it: `0.1`, `1e-05`, `3.0`, `nan`.
pub(crate) fn repr(number: f64) -> String {
    Spec::default().float(number)
}

/// A number that goes into a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An epoch or a batch.
    Int(i64),
    /// A number of the logs.
    Float(f64),
}

/// What a spec can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Int,
    Float,
    /// A number that was made a text before: `{epoch!r}`.
    Text,
}

/// `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    no_negative_zero: bool,
    pub alternate: bool,
    zero: bool,
    pub width: usize,
    separator: Option<char>,
    pub precision: Option<usize>,
    pub code: Option<char>,
}

/// No file has a longer name.
const LONGEST: usize = 255;

const INTEGER_CODES: &str = "bcdnoxX";
const FLOAT_CODES: &str = "eEfFgGn%";

impl Spec {
    pub fn parse(text: &str) -> Result<Self, String> {
        let all: Vec<char> = text.chars().collect();
        let mut rest = all.as_slice();
        let mut spec = Self::default();
        match rest {
            [fill, align @ ('<' | '>' | '=' | '^'), tail @ ..] => {
                (spec.fill, spec.align, rest) = (Some(*fill), Some(*align), tail);
            }
            _ => spec.align = take(&mut rest, "<>=^"),
        }
        if spec.fill.is_some_and(std::path::is_separator) {
            return Err("a filling that separates folders".to_owned());
        }
        spec.sign = take(&mut rest, "+- ");
        spec.no_negative_zero = take(&mut rest, "z").is_some();
        spec.alternate = take(&mut rest, "#").is_some();
        spec.zero = spec.fill.is_none() && take(&mut rest, "0").is_some();
        spec.width = count(&mut rest)?.unwrap_or(0);
        spec.separator = take(&mut rest, ",_");
        if take(&mut rest, ".").is_some() {
            spec.precision = Some(count(&mut rest)?.ok_or("no precision after the point")?);
        }
        spec.code = match rest {
            [] => None,
            [code] => Some(*code),
            _ => return Err(format!("{text:?} is no format of Python")),
        };
        Ok(spec)
    }

    /// Whether Python can format such a value with it.
    pub fn check(&self, kind: Kind) -> Result<(), String> {
        let code = self.code.map(String::from).unwrap_or_default();
        let is_integer = kind == Kind::Int && (code.is_empty() || INTEGER_CODES.contains(&code));
        let known = match kind {
            Kind::Text => code.is_empty() || code == "s",
            _ => code.is_empty() || is_integer || FLOAT_CODES.contains(&code),
        };
        let wrong = if !known {
            format!("the type {code:?}")
        } else if let Some(separator) = self.separator.filter(|it| !self.can_group(kind, *it)) {
            format!("the grouping {separator:?}")
        } else if is_integer && self.precision.is_some() {
            "a precision".to_owned()
        } else if self.no_negative_zero && (is_integer || kind == Kind::Text) {
            "z".to_owned()
        } else if (kind == Kind::Text || code == "c") && (self.sign.is_some() || self.alternate) {
            "a sign or #".to_owned()
        } else if kind == Kind::Text && self.align == Some('=') {
            "the alignment '='".to_owned()
        } else {
            return Ok(());
        };
        Err(match kind {
            Kind::Int => format!("{wrong} is not for whole numbers"),
            Kind::Float => format!("{wrong} is not for numbers with a fraction"),
            Kind::Text => format!("{wrong} is not for texts, which numbers are after a conversion"),
        })
    }

    fn can_group(&self, kind: Kind, separator: char) -> bool {
        match self.code {
            None => kind != Kind::Text,
            Some('d' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => true,
            Some('b' | 'o' | 'x' | 'X') => separator == '_',
            Some(_) => false,
        }
    }

    /// `:.5f` for 5.
    pub fn decimals(count: usize, x: f64) -> String {
        Self { precision: Some(count), code: Some('f'), ..Self::default() }.float(x)
    }

    /// What Python's `format(number, spec)` gives.
    pub fn apply(&self, number: Number) -> Result<String, String> {
        match number {
            Number::Int(n) => {
                self.check(Kind::Int)?;
                match self.code {
                    Some(code) if FLOAT_CODES.contains(code) && code != 'n' => Ok(self.float(n as f64)),
                    _ => self.integer(n),
                }
            }
            Number::Float(x) => self.check(Kind::Float).map(|()| self.float(x)),
        }
    }

    /// The same for `str(number)`.
    pub fn apply_to_text(&self, number: Number) -> Result<String, String> {
        self.check(Kind::Text)?;
        let text = match number {
            Number::Int(n) => n.to_string(),
            Number::Float(x) => repr(x),
        };
        let text: String = text.chars().take(self.precision.unwrap_or(usize::MAX)).collect();
        Ok(self.pad(self.align.unwrap_or('<'), Parts { rest: text, ..Parts::default() }))
    }

    fn integer(&self, n: i64) -> Result<String, String> {
        let size = n.unsigned_abs();
        let (prefix, digits) = match self.code {
            Some('b') => ("0b", format!("{size:b}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('c') => {
                let character = u32::try_from(n).ok().and_then(char::from_u32);
                let rest = character.ok_or_else(|| format!("there is no character {n}"))?.to_string();
                return Ok(self.pad_number(Parts { rest, ..Parts::default() }));
            }
            _ => ("", size.to_string()),
        };
        let prefix = if self.alternate { prefix } else { "" };
        Ok(self.pad_number(Parts { negative: n < 0, prefix, digits, rest: String::new() }))
    }

    fn float(&self, x: f64) -> String {
        let percent = self.code == Some('%');
        let size = if percent { x.abs() * 100.0 } else { x.abs() };
        let mut text = if size.is_nan() {
            "nan".to_owned()
        } else if size.is_infinite() {
            "inf".to_owned()
        } else {
            self.finite(size)
        };
        if matches!(self.code, Some('E' | 'F' | 'G')) {
            text.make_ascii_uppercase();
        }
        let is_zero =
            size.is_finite() && !text.split(['e', 'E']).next().is_some_and(|it| it.contains(NOT_ZERO));
        let negative = x.is_sign_negative() && !x.is_nan() && !(is_zero && self.no_negative_zero);
        if percent {
            text.push('%');
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let rest = text.split_off(digits);
        self.pad_number(Parts { negative, prefix: "", digits: text, rest })
    }

    /// The digits of a number that is not below zero.
    fn finite(&self, x: f64) -> String {
        let precision = self.precision.unwrap_or(6);
        match self.code {
            Some('f' | 'F' | '%') => self.pointed(format!("{x:.precision$}")),
            Some('e' | 'E') => self.scientific(&format!("{x:.precision$e}")),
            None if self.precision.is_none() => {
                let shortest = format!("{x:e}");
                match exponent(&shortest) {
                    -4..16 => with_fraction(x.to_string()),
                    _ => self.scientific(&shortest),
                }
            }
            code => {
                // As many digits, wherever the point is.
                let last = precision.max(1) - 1;
                let rounded = format!("{x:.last$e}");
                let exponent = exponent(&rounded);
                // Without a type there is a digit after the point, which counts.
                let most = last as i64 - i64::from(code.is_none());
                if (-4..=most).contains(&exponent) {
                    let places = usize::try_from(last as i64 - exponent).unwrap_or(0);
                    let text = self.trimmed(format!("{x:.places$}"));
                    if code.is_none() { with_fraction(text) } else { text }
                } else {
                    let (digits, power) = rounded.split_once('e').unwrap_or((&rounded, "0"));
                    self.scientific(&format!("{}e{power}", self.trimmed(digits.to_owned())))
                }
            }
        }
    }

    /// Without the zeros at the end of a fraction, unless it is the alternate form.
    fn trimmed(&self, text: String) -> String {
        match text.contains('.') && !self.alternate {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => self.pointed(text),
        }
    }

    /// With a point in any case, if it is the alternate form.
    fn pointed(&self, mut text: String) -> String {
        if self.alternate && !text.contains('.') {
            text.push('.');
        }
        text
    }

    /// `1e5` of Rust is `1e+05` in Python.
    fn scientific(&self, text: &str) -> String {
        let (digits, _) = text.split_once('e').unwrap_or((text, ""));
        let exponent = exponent(text);
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", self.pointed(digits.to_owned()), exponent.abs())
    }

    pub fn filling(&self) -> char {
        self.fill.unwrap_or(if self.zero { '0' } else { ' ' })
    }

    fn pad_number(&self, mut parts: Parts) -> String {
        let align = self.align.unwrap_or(if self.zero { '=' } else { '>' });
        let fixed = self.sign(&parts).len() + parts.prefix.len() + parts.rest.chars().count();
        let zeros = self.filling() == '0' && align == '=';
        let fewest = if zeros { self.width.saturating_sub(fixed) } else { 0 };
        parts.digits = self.grouped(&parts.digits, fewest);
        self.pad(align, parts)
    }

    fn sign(&self, parts: &Parts) -> &'static str {
        match (parts.negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        }
    }

    fn pad(&self, align: char, parts: Parts) -> String {
        let sign = self.sign(&parts);
        let Parts { prefix, digits, rest, .. } = parts;
        let used = sign.len() + prefix.len() + digits.len() + rest.chars().count();
        let missing = self.width.saturating_sub(used);
        let fill = |count| String::from(self.filling()).repeat(count);
        let (left, inside, right) = match align {
            '<' => (0, 0, missing),
            '^' => (missing / 2, 0, missing - missing / 2),
            '=' => (0, missing, 0),
            _ => (missing, 0, 0),
        };
        format!("{}{sign}{prefix}{}{digits}{rest}{}", fill(left), fill(inside), fill(right))
    }

    /// Digits in groups, with zeros before them, as many as `fewest` characters need.
    fn grouped(&self, digits: &str, fewest: usize) -> String {
        let Some(separator) = self.separator else {
            return if digits.is_empty() { String::new() } else { format!("{digits:0>fewest$}") };
        };
        let size = if matches!(self.code, Some('b' | 'o' | 'x' | 'X')) { 4 } else { 3 };
        let (mut rest, mut fewest, mut groups) = (digits, fewest, Vec::new());
        while !digits.is_empty() {
            let length = size.min(rest.len().max(fewest).max(1));
            let (head, tail) = rest.split_at(rest.len().saturating_sub(length));
            groups.push(format!("{tail:0>length$}"));
            fewest = fewest.saturating_sub(length);
            rest = head;
            if rest.is_empty() && fewest == 0 {
                break;
            }
            fewest = fewest.saturating_sub(1);
        }
        groups.reverse();
        groups.join(&separator.to_string())
    }
}

#[derive(Default)]
struct Parts {
    negative: bool,
    prefix: &'static str,
    /// What is grouped.
    digits: String,
    /// What comes after them.
    rest: String,
}

const NOT_ZERO: [char; 9] = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];

fn take(rest: &mut &[char], wanted: &str) -> Option<char> {
    let (first, tail) = rest.split_first()?;
    wanted.contains(*first).then(|| {
        *rest = tail;
        *first
    })
}

fn count(rest: &mut &[char]) -> Result<Option<usize>, String> {
    let mut digits = String::new();
    while let Some(digit) = take(rest, "0123456789") {
        digits.push(digit);
    }
    match digits.parse() {
        Ok(count) if count <= LONGEST => Ok(Some(count)),
        Err(_) if digits.is_empty() => Ok(None),
        _ => Err(format!("{digits} characters are more than the name of a file can have")),
    }
}

fn with_fraction(text: String) -> String {
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn exponent(text: &str) -> i64 {
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_python() {
        let expected = [
            (0.1, "0.1"),
            (3.0, "3.0"),
            (-0.0, "-0.0"),
            (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (f64::from(0.1f32), "0.10000000149011612"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (number, text) in expected {
            assert_eq!(repr(number), text);
        }
    }
}
