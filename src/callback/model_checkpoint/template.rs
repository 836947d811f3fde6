//! Names of files with fields in them, as Python's `str.format` fills them.

use std::path::Path;

use crate::callback::python::{Kind, Number, Spec};
use crate::error::{Error, Problems, Result};
use crate::registry::nearest;

/// The name of a file with fields: `best_{epoch:02d}-{val_loss:.2f}.keras`.
///
/// A field is the name of a number, and how it is written: all of Python's format specs for numbers, `!r`, `!s`
/// and `!a`. `{{` and `}}` are braces. Refused are widths and precisions above 255, which no name of a file has room
/// for, fields inside of a format, and attributes or elements of a number.
///
/// ```
/// use burn_keras::callback::{Number, Template};
///
/// let template = Template::parse("best_{epoch:02d}-{val_loss:.2f}.keras")?;
/// let name = template.fill(|name| match name {
///     "epoch" => Some(Number::Int(3)),
///     "val_loss" => Some(Number::Float(0.256)),
///     _ => None,
/// })?;
/// assert_eq!(name, "best_03-0.26.keras");
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pub(super) pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Field(Field),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    /// Whether the number becomes a text first.
    pub converted: bool,
    pub spec: Spec,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When Python could not read it either, or it has something that is refused.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        match pieces(&text) {
            Ok(pieces) => Ok(Self { text, pieces }),
            Err(why) => Err(Error::input(format_args!("the name {text:?} cannot be filled: {why}"))),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields().map(|field| field.name.as_str())
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Text(_) => None,
        })
    }

    /// Whether all fields can be filled, given the names of the whole numbers and of those with a fraction.
    pub(super) fn check(&self, whole: &[&str], fractions: &[&str]) -> Result<()> {
        let mut problems = Problems::default();
        for field in self.fields() {
            let name = field.name.as_str();
            let kind = match (whole.contains(&name), fractions.contains(&name)) {
                (true, _) => Kind::Int,
                (false, true) => Kind::Float,
                _ => {
                    let known = || whole.iter().chain(fractions).copied();
                    let all = known().collect::<Vec<_>>().join(", ");
                    let near = nearest(name, known());
                    let message = format!("there is no {name:?} for {:?}; there are: {all}{near}", self.text);
                    problems.push(Error::input(message));
                    continue;
                }
            };
            if let Err(why) = field.spec.check(if field.converted { Kind::Text } else { kind }) {
                problems.push(Error::input(format_args!("{{{name}}} in {:?}: {why}", self.text)));
            }
        }
        problems.finish()
    }

    /// The name, with what `number` gives for its fields.
    ///
    /// # Errors
    /// When there is no such number, or it cannot be written like that.
    pub fn fill(&self, number: impl Fn(&str) -> Option<Number>) -> Result<String> {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Field(field) => {
                    let filled = number(&field.name).ok_or("there is no such number".to_owned());
                    let filled = filled.and_then(|number| field.fill(number)).map_err(|why| {
                        Error::input(format_args!("{{{}}} in {:?}: {why}", field.name, self.text))
                    });
                    name.push_str(&filled?);
                }
            }
        }
        Ok(name)
    }
}

impl AsRef<Path> for Template {
    fn as_ref(&self) -> &Path {
        Path::new(&self.text)
    }
}

impl Field {
    pub fn fill(&self, number: Number) -> Result<String, String> {
        match self.converted {
            true => self.spec.apply_to_text(number),
            false => self.spec.apply(number),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_at(text.find(['!', ':']).unwrap_or(text.len()));
        if name.contains(['.', '[']) {
            return Err(format!("{name:?} is an attribute or an element, which numbers have not"));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("a field without a name".to_owned());
        }
        let (converted, rest) = match rest.strip_prefix('!') {
            None => (false, rest),
            Some(rest) => {
                (true, rest.strip_prefix(['r', 's', 'a']).ok_or("a conversion that is not r, s or a")?)
            }
        };
        let spec = match rest.strip_prefix(':') {
            Some(spec) => Spec::parse(spec)?,
            None if rest.is_empty() => Spec::default(),
            None => return Err("no ':' after a conversion".to_owned()),
        };
        Ok(Self { name: name.to_owned(), converted, spec })
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        literal.push_str(before);
        if let Some((brace, tail)) = ["{{", "}}"].iter().find_map(|it| Some((it, braces.strip_prefix(it)?))) {
            literal.extend(brace.chars().next());
            rest = tail;
            continue;
        }
        let inside = braces.strip_prefix('{').ok_or("a single '}'")?;
        let (field, tail) = inside.split_once('}').ok_or("a '{' that is never closed")?;
        if field.contains('{') {
            return Err("a field inside of a field".to_owned());
        }
        pieces.push(Piece::Text(std::mem::take(&mut literal)));
        pieces.push(Piece::Field(Field::parse(field)?));
        rest = tail;
    }
    literal.push_str(rest);
    pieces.push(Piece::Text(literal));
    Ok(pieces)
}
