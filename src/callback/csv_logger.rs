//! `CSVLogger`: a table of all epochs.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use csv::{Terminator, Writer, WriterBuilder};

use super::python::repr;
use super::{Callback, End, Training, settings};
use crate::error::{Error, Result};

/// Writes what is in the logs at the end of every epoch into a file, a line each, as `keras.callbacks.CSVLogger`.
///
/// ```
/// use burn_keras::callback::CSVLogger;
///
/// let callback = CSVLogger::new("training.csv").separator(';').append(true);
/// ```
pub struct CSVLogger {
    path: PathBuf,
    separator: char,
    append: bool,
    table: Option<Table>,
}

struct Table {
    file: Writer<File>,
    /// Whether the names of the columns are to be written.
    has_header: bool,
    /// The columns after the epoch, once the first one is over.
    columns: Option<Vec<String>>,
}

impl fmt::Debug for CSVLogger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CSVLogger").field("path", &self.path).finish_non_exhaustive()
    }
}

impl CSVLogger {
    /// Writes into that file.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), separator: ',', append: false, table: None }
    }

    settings! {
        /// What stands between the columns: an ASCII character. Default: a comma.
        separator: char;
        /// Whether lines are added to a file that is there, rather than to replace it. Default: no.
        append: bool;
    }

    fn open(&self) -> Result<Table> {
        let separator = u8::try_from(self.separator).ok().filter(u8::is_ascii).ok_or_else(|| {
            Error::input(format_args!("expected an ASCII character as separator, got {:?}", self.separator))
        })?;
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(self.append).truncate(!self.append);
        let file = options.open(&self.path).map_err(|source| Error::io("cannot open", source))?;
        let length = file.metadata().map_err(|source| Error::io("cannot read", source))?.len();
        let has_header = length == 0;
        let file = WriterBuilder::new()
            .delimiter(separator)
            .terminator(Terminator::CRLF)
            .flexible(true)
            .from_writer(file);
        Ok(Table { file, has_header, columns: None })
    }
}

impl Table {
    fn write(&mut self, epoch: usize, training: &mut dyn Training) -> Result<()> {
        let logs = training.logs()?;
        let columns = self.columns.get_or_insert_with(|| columns(logs.iter().map(|(name, _)| name)));
        let fail = |error: csv::Error| Error::io("cannot write", error.into());
        if std::mem::take(&mut self.has_header) {
            let header = std::iter::once("epoch").chain(columns.iter().map(String::as_str));
            self.file.write_record(header).map_err(fail)?;
        }
        let numbers = columns.iter().map(|name| logs.get(name).map_or_else(|| "NA".to_owned(), repr));
        self.file.write_record(std::iter::once(epoch.to_string()).chain(numbers)).map_err(fail)?;
        self.file.flush().map_err(|source| Error::io("cannot write", source))
    }
}

/// The columns for what is in the logs of the first epoch. Validation may come later.
fn columns<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut columns: Vec<String> = names.map(str::to_owned).collect();
    columns.sort();
    if !columns.iter().any(|name| name.starts_with("val_")) {
        let later: Vec<String> = columns.iter().map(|name| format!("val_{name}")).collect();
        columns.extend(later);
    }
    columns
}

impl Callback for CSVLogger {
    fn on_train_begin(&mut self, _: &mut dyn Training) -> Result<()> {
        self.table = Some(self.open().map_err(|error| error.in_file(&self.path))?);
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        let written = self.table.as_mut().map_or(Ok(()), |table| table.write(training.epoch(), training));
        written.map_err(|error| error.in_file(&self.path))
    }

    fn on_train_end(&mut self, _: End, _: &mut dyn Training) -> Result<()> {
        self.table = None;
        Ok(())
    }
}
