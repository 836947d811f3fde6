//! Going on with a training from a file.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use super::document::Document;
use super::fit::Fit;
use super::looping::Sink;
use crate::error::Result;
use crate::limits::Limits;
use crate::model::KerasModel;

/// The files that a training may go on from, the newest first.
#[derive(Debug)]
pub(crate) struct Resume {
    candidates: Vec<Candidate>,
}

/// A file with what its name says.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    epoch: Option<u64>,
}

impl Fit {
    /// Goes on from a file that a callback wrote, such as `ModelCheckpoint`: with its weights, its optimizer, and
    /// from the batch at which it was written.
    ///
    /// A file of Keras itself says less. Then the number of epochs that are done is
    /// [`initial_epoch`](Self::initial_epoch).
    #[must_use]
    pub fn resume_from(self, path: impl AsRef<Path>) -> Self {
        let candidates = vec![Candidate { path: path.as_ref().to_owned(), epoch: None }];
        self.with_resume(Resume { candidates })
    }
}

impl Resume {
    /// Brings a model to where the newest file that is not damaged has it. None: there is no file.
    pub fn load(self, model: &mut KerasModel, sink: &Sink) -> Result<Option<Document>> {
        let _ = PoisonError::<()>::new;
        for candidate in self.candidates {
            match load(&candidate, model) {
                Ok(document) => return Ok(Some(document)),
                Err(error) => {
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    let _ = writeln!(sink, "skipped: {error}");
                }
            }
        }
        Ok(None)
    }
}

fn load(candidate: &Candidate, model: &mut KerasModel) -> Result<Document> {
    let path = &candidate.path;
    let document = Document::read(path, &Limits::default()).map_err(|error| error.in_file(path))?;
    let mut loaded = model.clone();
    loaded.load_weights(path)?;
    *model = loaded;
    Ok(document.unwrap_or_default())
}
