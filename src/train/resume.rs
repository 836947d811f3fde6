//! Going on with a training from a file.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::document::Document;
use super::fit::Fit;
use super::looping::Sink;
use super::plan::Plan;
use super::settings::Custom;
use crate::callback::Template;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::model::KerasModel;

/// Where a training goes on from.
#[derive(Debug)]
pub(crate) enum Resume {
    /// One of these files, the newest first.
    Files(Vec<PathBuf>),
    /// The newest file of such a name.
    Template(String),
}

/// A file, with the epochs and batches that its name says were done.
struct Candidate {
    path: PathBuf,
    done: Option<(usize, usize)>,
}

impl Fit {
    /// Goes on from the newest file that a [`ModelCheckpoint`](crate::callback::ModelCheckpoint) of this name wrote,
    /// here or in Python: with its weights and the state of its optimizer, and at the very batch after which it was
    /// written. Without any file, the training starts.
    ///
    /// Files say how far they are when they were written here. Of one of Keras' own, the epoch is the `{epoch}` in
    /// its name, else [`initial_epoch`](Self::initial_epoch). What metrics had counted of an epoch in the middle of
    /// which a training goes on is not known any more: its logs are those of the batches that are left.
    ///
    /// A damaged file is skipped for the one before, with a message.
    #[must_use]
    pub fn resume(self, template: impl Into<String>) -> Self {
        self.with_resume(Resume::Template(template.into()))
    }

    /// The same with the files themselves, the newest first.
    #[must_use]
    pub fn resume_from<P: AsRef<Path>>(self, files: impl IntoIterator<Item = P>) -> Self {
        let files = files.into_iter().map(|file| file.as_ref().to_owned()).collect();
        self.with_resume(Resume::Files(files))
    }
}

impl Resume {
    fn candidates(self) -> Result<Vec<Candidate>> {
        let template = match self {
            Self::Files(files) => {
                return Ok(files.into_iter().map(|path| Candidate { path, done: None }).collect());
            }
            Self::Template(template) => Template::parse(template)?,
        };
        let done = |epoch: Option<u64>, batch: Option<u64>| {
            let number = |number: u64| u32::try_from(number).ok().map(|number| number as usize);
            let epoch = number(epoch?)?;
            Some(match batch {
                Some(batch) => (epoch.saturating_sub(1), number(batch)?),
                None => (epoch, 0),
            })
        };
        let found = template.matching(Path::new(""))?.into_iter();
        Ok(found.map(|file| Candidate { done: done(file.epoch, file.batch), path: file.path }).collect())
    }

    /// Brings a model to where the newest file has it that is not damaged, and tells how far that is. None: there
    /// is no file.
    pub fn load(self, model: &mut KerasModel, custom: &Custom, sink: &Sink) -> Result<Option<Resumed>> {
        let mut last = None;
        for candidate in self.candidates()? {
            match load(&candidate, model, custom) {
                Ok(resumed) => return Ok(Some(resumed)),
                Err(error) => {
                    let error = error.in_file(&candidate.path);
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    // It is told again if no other file will do.
                    let _ = writeln!(sink, "WARNING: not resumed from this file: {error}");
                    last = Some(error);
                }
            }
        }
        last.map_or(Ok(None), Err)
    }
}

/// How far a training is that goes on.
pub(crate) enum Resumed {
    /// As the file says.
    Exactly(Document),
    /// As far as a file of Keras tells: its steps, and perhaps its epochs and batches.
    Roughly(u64, Option<(usize, usize)>),
}

fn load(candidate: &Candidate, model: &mut KerasModel, custom: &Custom) -> Result<Resumed> {
    let document = match candidate.path.is_dir() {
        true => return Err(Error::unsupported("a folder to go on from")),
        false => Document::read(&candidate.path, &Limits::default())?,
    };
    let mut loaded = model.without_optimizer_state();
    loaded.load_weights(&candidate.path)?;
    let (_, progress) = Plan::new(&loaded, custom)?.optimizer_of(&loaded)?;
    *model = loaded;
    Ok(match document {
        Some(document) => Resumed::Exactly(document),
        None => Resumed::Roughly(progress.iterations, candidate.done),
    })
}
