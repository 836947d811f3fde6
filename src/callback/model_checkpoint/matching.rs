//! The way back: from the names of files to the epochs and batches that they are of.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use regex::Regex;

use super::template::{Field, Piece, Template};
use crate::callback::python::Number;
use crate::error::{Error, Result};

/// A file whose name a [`Template`] may have given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// The epoch in its name, if there is one; the first is 1.
    pub epoch: Option<u64>,
    /// The batch in its name, if there is one; the first is 1.
    pub batch: Option<u64>,
    /// When it was last written.
    pub modified: SystemTime,
}

/// What a name says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub epoch: Option<u64>,
    pub batch: Option<u64>,
}

impl Template {
    /// All files that this template may have named, the newest first; those written at the same time by their
    /// epochs and batches. A template that is a relative path starts in `folder`.
    ///
    /// Where fields follow each other with nothing between, it is a guess which digits are whose.
    ///
    /// # Errors
    /// When a folder is there and cannot be read.
    pub fn matching(&self, folder: &Path) -> Result<Vec<Found>> {
        let mut parts = self.parts().into_iter();
        let mut reached =
            vec![(folder.join(parts.next().as_deref().and_then(fixed).unwrap_or("")), Numbers::default())];
        for part in parts {
            let pattern = Pattern::of(&part)?;
            let mut next = Vec::new();
            for (folder, before) in reached {
                for name in names_in(&folder)? {
                    let also = pattern.read(&name).and_then(|numbers| before.and(numbers));
                    next.extend(also.map(|numbers| (folder.join(&name), numbers)));
                }
            }
            reached = next;
        }
        let mut found: Vec<Found> = reached
            .into_iter()
            .filter_map(|(path, Numbers { epoch, batch })| {
                let about = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
                Some(Found { path, epoch, batch, modified: about.modified().ok()? })
            })
            .collect();
        found.sort_by(|a, b| {
            let key = |it: &Found| (it.modified, it.epoch, it.batch);
            key(b).cmp(&key(a)).then_with(|| b.path.cmp(&a.path))
        });
        Ok(found)
    }

    /// What a path that this template gave says, or nothing when it is not of this template.
    pub(super) fn read(&self, path: &str) -> Option<Numbers> {
        Pattern::of(&self.pieces).ok()?.read(path)
    }

    /// The folders before any field, and then the name in each folder below.
    fn parts(&self) -> Vec<Vec<Piece>> {
        let mut parts = vec![Vec::new()];
        let mut push = |piece, ends: bool| {
            if let Some(part) = parts.last_mut() {
                part.push(piece);
            }
            if ends {
                parts.push(Vec::new());
            }
        };
        let mut is_fixed = true;
        for piece in &self.pieces {
            match piece {
                Piece::Field(_) => push(piece.clone(), false),
                Piece::Text(text) if is_fixed => {
                    let (folders, name) =
                        text.split_at(text.rfind(std::path::is_separator).map_or(0, |at| at + 1));
                    push(Piece::Text(folders.to_owned()), true);
                    push(Piece::Text(name.to_owned()), false);
                    is_fixed = false;
                }
                Piece::Text(text) => {
                    let mut names = text.split(std::path::is_separator).peekable();
                    while let Some(name) = names.next() {
                        push(Piece::Text(name.to_owned()), names.peek().is_some());
                    }
                }
            }
        }
        parts
    }
}

impl Numbers {
    /// Both, unless they contradict each other.
    fn and(self, other: Self) -> Option<Self> {
        let both = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) if a != b => None,
            _ => Some(a.or(b)),
        };
        Some(Self { epoch: both(self.epoch, other.epoch)?, batch: both(self.batch, other.batch)? })
    }
}

/// What all names of some pieces look like.
struct Pattern<'a> {
    regex: Regex,
    fields: Vec<&'a Field>,
}

impl<'a> Pattern<'a> {
    fn of(pieces: &'a [Piece]) -> Result<Self> {
        let (mut text, mut fields) = ("(?s)^".to_owned(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(&regex::escape(literal)),
                Piece::Field(field) => {
                    text.push_str(&field.pattern());
                    fields.push(field);
                }
            }
        }
        text.push('$');
        let regex =
            Regex::new(&text).map_err(|error| Error::input("no pattern for the name").with_source(error))?;
        Ok(Self { regex, fields })
    }

    fn read(&self, name: &str) -> Option<Numbers> {
        let groups = self.regex.captures(name)?;
        let mut numbers = Numbers::default();
        for (index, field) in self.fields.iter().enumerate() {
            let group = |offset: usize| groups.get(2 * index + offset).map(|it| it.as_str());
            let (whole, digits) = (group(1)?, group(2)?);
            let is = match field.name.as_str() {
                "epoch" => Numbers { epoch: field.whole_number(whole, digits)?, batch: None },
                "batch" => Numbers { epoch: None, batch: field.whole_number(whole, digits)? },
                _ if field.can_be(whole, digits) => continue,
                _ => return None,
            };
            numbers = numbers.and(is)?;
        }
        Some(numbers)
    }
}

impl Field {
    /// What it is filled with, in two groups: all of it, and the number without sign and filling.
    fn pattern(&self) -> String {
        let fill = match self.spec.width {
            0 => String::new(),
            // As little of it as can be: it may look like a digit.
            _ => format!("{}*?", regex::escape(&self.spec.filling().to_string())),
        };
        let digits = match self.spec.code {
            _ if self.converted && self.spec.precision.is_some() => r"[^/\\]*?",
            Some('c') => r"[^/\\]",
            Some('b' | 'o' | 'x' | 'X') => "[0-9a-fA-F][0-9a-fA-F_]*",
            Some('d') => "[0-9][0-9_,]*",
            _ if self.name == "epoch" || self.name == "batch" => r"[0-9][0-9_,]*\.?[0-9]*(?:[eE][-+][0-9]+)?",
            _ => r"[0-9][0-9_,]*\.?[0-9]*(?:[eE][-+][0-9]+)?|(?i:nan|inf)",
        };
        let percent = if self.spec.code == Some('%') { "%" } else { "" };
        let prefix = if self.spec.alternate { "(?:0[bBoOxX])?" } else { "" };
        format!("({fill}[-+ ]?{prefix}{fill}({digits}){percent}{fill})")
    }

    /// Whether some number is written like that.
    fn can_be(&self, whole: &str, digits: &str) -> bool {
        // More digits than a number has do not tell which number it was.
        const SURE: usize = 15;
        let plain: String = digits.chars().filter(|digit| !matches!(digit, '_' | ',')).collect();
        let mantissa = plain.split(['e', 'E']).next().unwrap_or_default();
        let is_cut = self.converted && self.spec.precision.is_some();
        if is_cut || mantissa.bytes().filter(u8::is_ascii_digit).count() > SURE {
            return true;
        }
        let unit = if self.spec.code == Some('%') { 100.0 } else { 1.0 };
        let is_whole = |x: f64| self.fill(Number::Float(x)).is_ok_and(|text| text == whole);
        plain.parse::<f64>().is_ok_and(|x| {
            // The greatest of all, rounded up.
            let is_beyond = x.is_infinite() && !mantissa.starts_with(|it: char| it.is_ascii_alphabetic());
            is_beyond || is_whole(x / unit) || is_whole(-x / unit)
        })
    }

    /// The number of an epoch or batch, if it can be told; nothing at all when this field cannot have given the
    /// text.
    fn whole_number(&self, whole: &str, digits: &str) -> Option<Option<u64>> {
        let plain: String = digits.chars().filter(|digit| !matches!(digit, '_' | ',')).collect();
        let radix = |radix| i64::from_str_radix(&plain, radix).ok();
        let float = |unit: f64| plain.parse::<f64>().ok().map(|x| (x / unit).round() as i64);
        let (number, is_exact) = match self.spec.code {
            _ if self.converted => (radix(10), self.spec.precision.is_none()),
            Some('c') => (digits.chars().next().map(|it| i64::from(u32::from(it))), true),
            Some('b') => (radix(2), true),
            Some('o') => (radix(8), true),
            Some('x' | 'X') => (radix(16), true),
            None | Some('d' | 'n') => (radix(10), true),
            Some('%') => (float(100.0), false),
            Some(_) => (float(1.0), false),
        };
        let number = number.filter(|number| self.fill(Number::Int(*number)).is_ok_and(|text| text == whole));
        match number.and_then(|number| u64::try_from(number).ok()) {
            None if is_exact => None,
            number => Some(number),
        }
    }
}

fn fixed(part: &[Piece]) -> Option<&str> {
    match part {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

/// Those that are texts; others cannot come from a template.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |source| Error::io("cannot read the folder of the checkpoints", source).in_file(here);
    let entries = match fs::read_dir(here) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch_of(template: &str, path: &str) -> Option<Option<u64>> {
        Template::parse(template).unwrap().read(path).map(|numbers| numbers.epoch)
    }

    #[test]
    fn every_epoch_is_read_back() {
        let specs = [
            "", ":d", ":02d", ":05", ":<6", ":>6", ":^7", ":*^7", ":=+8", ":+", ": ", ":,", ":09,d", ":_",
            ":x", ":#x", ":#010x", ":b", ":#_b", ":o", ":X", ":n", ":.1f", ":.0%", ":e", "!r", "!s:>6",
            "!r:0>5", ":é>4", ":1>3d", ":03x",
        ];
        for spec in specs {
            let template = Template::parse(format!("a/m{{epoch{spec}}}-{{val_loss:.2f}}.keras")).unwrap();
            for (epoch, loss) in
                (1..1300).zip([0.25, 123456.0, -1e-9, f64::NAN, f64::INFINITY].iter().cycle())
            {
                // Such a filling is a digit of the number, too.
                if spec == ":1>3d" && epoch < 100 {
                    continue;
                }
                let fields = |name: &str| match name {
                    "epoch" => Some(Number::Int(epoch)),
                    _ => Some(Number::Float(*loss)),
                };
                let name = template.fill(fields).unwrap();
                let read = template.read(&name).unwrap_or_else(|| panic!("{spec}: {name}"));
                assert_eq!(read.epoch, u64::try_from(epoch).ok(), "{spec}: {name}");
            }
        }
    }

    #[test]
    fn every_number_is_recognized() {
        let specs = [
            "", ":.2f", ":.0f", ":08.3f", ":+.3e", ":g", ":.3g", ":>9.1f", ":*^12.2E", ":,.2f", ":_.1f",
            ":012,.1f", ":.1%", ":.3", "!r", "!r:.4", ":.20f", ":-<9.2f", ":#.3g", ":z.1f",
        ];
        let mut numbers =
            vec![0.0, -0.0, f64::NAN, f64::INFINITY, -f64::INFINITY, 5e-324, f64::MAX, 0.1 + 0.2];
        numbers.extend((0..400).map(|n| f64::from(n * n).sin() * 10f64.powi(n % 23 - 9)));
        numbers.extend((0..100).map(|n| f64::from((f64::from(n) / 7.0) as f32)));
        for spec in specs {
            let template = Template::parse(format!("m-{{loss{spec}}}_{{epoch}}.keras")).unwrap();
            for loss in &numbers {
                let fields =
                    |name: &str| Some(if name == "epoch" { Number::Int(7) } else { Number::Float(*loss) });
                let name = template.fill(fields).unwrap();
                let read = template.read(&name).unwrap_or_else(|| panic!("{spec}: {name}"));
                assert_eq!(read.epoch, Some(7), "{spec}: {name}");
            }
        }
    }

    #[test]
    fn other_names_are_not_read() {
        assert_eq!(epoch_of("m{loss:.2f}.keras", "m0.5.keras"), None);
        assert_eq!(epoch_of("m{loss}.keras", "m00.5.keras"), None);
        assert_eq!(epoch_of("m{epoch:02d}.keras", "m3.keras"), None);
        assert_eq!(epoch_of("m{epoch:02d}.keras", "m003.keras"), None);
        assert_eq!(epoch_of("m{epoch}.keras", "m3.keras~"), None);
        assert_eq!(epoch_of("m{epoch}.keras", "m3xkeras"), None);
        assert_eq!(epoch_of("m{epoch}.keras", "../m3.keras"), None);
        assert_eq!(epoch_of("m{epoch}.keras", "m99999999999999999999.keras"), None);
        assert_eq!(epoch_of("m{loss}.keras", "m.keras"), None);
        assert_eq!(epoch_of("m{loss!r:.3}.keras", "ma/b.keras"), None);
        assert_eq!(epoch_of("m{epoch}-{epoch}.keras", "m3-4.keras"), None);
        assert_eq!(epoch_of("m{epoch}-{epoch}.keras", "m3-3.keras"), Some(Some(3)));
        assert_eq!(epoch_of("m{loss:.3f}.keras", "m0.125.keras"), Some(None));
        // It does not say which epoch it was.
        assert_eq!(epoch_of("m{epoch:.1e}.keras", "m1.2e+03.keras"), Some(Some(1200)));
    }
}
