//! What can go wrong, whose fault it is, and where.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault a problem is: what to do about it follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused to read or write.
    Io,
    /// The file is not what it claims to be: truncated, corrupt, or of another format.
    Damaged,
    /// The file asks for more than the [`Limits`](crate::Limits) allow.
    Limit,
    /// The model description is wrong in a way that Keras itself would refuse.
    Config,
    /// Valid Keras that this crate cannot do.
    Unsupported,
    /// The stored weights do not fit the model: missing, superfluous or of another shape.
    Weights,
    /// The caller's own arguments are wrong.
    Input,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "I/O",
            Self::Damaged => "damaged file",
            Self::Limit => "limit",
            Self::Config => "bad config",
            Self::Unsupported => "unsupported",
            Self::Weights => "weights",
            Self::Input => "input",
        })
    }
}

/// One thing that is wrong, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ErrorKind,
    file: Option<String>,
    place: String,
    message: String,
}

impl Problem {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file that it is in, when it is known.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Where it is, such as `layers[4] "dense_1" (Dense).units`; empty when it concerns the whole.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong, without its place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts a place in front of its own. Names out of a file are as long as its author likes.
    fn prefix(&mut self, place: &str) {
        let place = shortened(place, 300);
        let glue = match self.place.chars().next() {
            None | Some('[') => "",
            Some(_) => ".",
        };
        self.place = format!("{place}{glue}{}", self.place);
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// Everything that is wrong with a file or a call, reported at once.
///
/// There is always at least one [`Problem`]; [`kind`](Self::kind) is the first one's.
pub struct Error(Box<Inner>);

struct Inner {
    first: Problem,
    rest: Vec<Problem>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A single problem.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        let message = shortened(&message.to_string(), 4_000).into_owned();
        let first = Problem { kind, file: None, place: String::new(), message };
        Self(Box::new(Inner { first, rest: Vec::new(), source: None }))
    }

    /// [`ErrorKind::Damaged`].
    pub fn damaged(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// [`ErrorKind::Limit`].
    pub fn limit(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// [`ErrorKind::Config`].
    pub fn config(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// [`ErrorKind::Weights`].
    pub fn weights(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Weights, message)
    }

    /// [`ErrorKind::Input`].
    pub fn input(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// [`ErrorKind::Io`], keeping the operating system's error as the source.
    pub fn io(message: impl fmt::Display, source: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format_args!("{message}: {source}")).with_source(source)
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Puts a place in front of every problem's own.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        let place = place.to_string();
        self.0.first.prefix(&place);
        self.0.rest.iter_mut().for_each(|problem| problem.prefix(&place));
        self
    }

    /// Says which file every problem is in.
    #[must_use]
    pub fn in_file(mut self, path: &std::path::Path) -> Self {
        let file = Some(path.display().to_string());
        std::iter::once(&mut self.0.first)
            .chain(&mut self.0.rest)
            .for_each(|problem| problem.file.clone_from(&file));
        self
    }

    /// Whose fault the first problem is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.first.kind
    }

    /// Everything that is wrong, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.0.first).chain(&self.0.rest)
    }
}

impl fmt::Display for Error {
    /// The problem; when there are several, one line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.rest.is_empty() {
            writeln!(f, "{} problems", self.0.rest.len() + 1)?;
        }
        for (index, problem) in self.problems().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("problems", &self.problems().collect::<Vec<_>>())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Collects problems while reading goes on, each at the place being read.
#[derive(Debug, Default)]
pub struct Problems {
    place: Vec<String>,
    errors: Vec<Error>,
    count: usize,
}

/// Most problems that are told: a hostile file has as many as it likes.
const MOST_PROBLEMS: usize = 10_000;

impl Problems {
    /// Reads something below `place`.
    pub fn at<T>(&mut self, place: impl fmt::Display, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(place.to_string());
        let result = read(self);
        self.place.pop();
        result
    }

    /// Notes an error at the present place.
    pub fn push(&mut self, error: Error) {
        if self.count > MOST_PROBLEMS {
            return;
        }
        self.count += error.problems().count();
        let error = self.place.iter().rev().fold(error, |error, place| error.at(place));
        self.errors.push(error);
        if self.count > MOST_PROBLEMS {
            self.errors.push(Error::limit("there may be more problems than these"));
        }
    }

    /// The value, or a note of why there is none.
    pub fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether nothing has been noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Everything noted, as one error.
    ///
    /// # Errors
    /// When anything has been noted.
    pub fn finish(self) -> Result<()> {
        let mut errors = self.errors.into_iter();
        let Some(mut all) = errors.next() else { return Ok(()) };
        for error in errors {
            all.0.rest.push(error.0.first);
            all.0.rest.extend(error.0.rest);
        }
        Err(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_nest_and_all_problems_are_kept() {
        let mut problems = Problems::default();
        problems.at("layers[4] \"dense_1\" (Dense)", |problems| {
            problems
                .at("units", |problems| problems.push(Error::config("expected a positive integer, got -3")));
            problems.push(Error::unsupported("no").at("[2]"));
        });
        let error = problems.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "2 problems\nlayers[4] \"dense_1\" (Dense).units: expected a positive integer, got -3\nlayers[4] \"dense_1\" (Dense)[2]: no"
        );
    }
}
