//! `BackupAndRestore`: what a training that was cut off goes on from.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Callback, End, Saved, Training, settings};
use crate::error::{Error, Result};
use crate::file::save::{Content, save_file};

const WEIGHTS: &str = "latest.weights.h5";
/// What real Keras reads the epoch from.
const METADATA: &str = "training_metadata.json";
const PREVIOUS: &str = "bkp";

/// Saves the newest state of a training into a folder, and removes it when the training is complete, as
/// `keras.callbacks.BackupAndRestore`, which can go on from the folder, too.
///
/// A training that was cut off goes on from [`backups`](Self::backups).
///
/// ```
/// use burn_keras::callback::BackupAndRestore;
///
/// let callback = BackupAndRestore::new("backup").save_freq(100).double_checkpoint(true);
/// ```
#[derive(Clone, Debug)]
pub struct BackupAndRestore {
    folder: PathBuf,
    batches: Option<usize>,
    double_checkpoint: bool,
    delete_checkpoint: bool,
    since_last: usize,
}

impl BackupAndRestore {
    /// Saves into that folder after every epoch.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            batches: None,
            double_checkpoint: false,
            delete_checkpoint: true,
            since_last: 0,
        }
    }

    /// Saves after so many batches, counted across epochs, and not at the end of epochs.
    #[must_use]
    pub fn save_freq(mut self, batches: usize) -> Self {
        self.batches = Some(batches);
        self
    }

    settings! {
        /// Whether the state before the newest one is kept as well. Default: no.
        double_checkpoint: bool;
        /// Whether the files are removed when the training is complete. Default: yes.
        delete_checkpoint: bool;
    }

    /// What there is to go on from, the newest first.
    #[must_use]
    pub fn backups(&self) -> Vec<PathBuf> {
        let names = [self.path(WEIGHTS), previous(&self.path(WEIGHTS))];
        names.into_iter().filter(|path| path.is_file()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn save(&self, epochs: usize, batch: usize, training: &mut dyn Training) -> Result<()> {
        let snapshot = training.snapshot()?;
        fs::create_dir_all(&self.folder)
            .map_err(|source| Error::io("cannot create the folder", source).in_file(&self.folder))?;
        let (weights, metadata) = (self.path(WEIGHTS), self.path(METADATA));
        if self.double_checkpoint {
            // One of the two is there at any moment.
            for path in [&weights, &metadata] {
                unless_missing(fs::rename(path, previous(path)), "rename", path)?;
            }
        }
        snapshot.save(&weights, Saved::Weights)?;
        let text = format!("{{\"epoch\": {epochs}, \"batch\": {batch}}}");
        save_file(&metadata, Content::Bytes(text.into()))
    }
}

fn previous(path: &Path) -> PathBuf {
    path.with_added_extension(PREVIOUS)
}

fn unless_missing(done: std::io::Result<()>, doing: &str, path: &Path) -> Result<()> {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io(format_args!("cannot {doing}"), error).in_file(path))
        }
        _ => Ok(()),
    }
}

impl Callback for BackupAndRestore {
    fn comes_last(&self) -> bool {
        true
    }

    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        if self.batches == Some(0) {
            return Err(Error::input("BackupAndRestore: expected a save_freq of 1 batch at least"));
        }
        self.since_last = 0;
        training.check_path(&self.path(WEIGHTS), Saved::Weights)
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        let Some(batches) = self.batches else { return Ok(()) };
        self.since_last = self.since_last.saturating_add(1);
        if self.since_last < batches {
            return Ok(());
        }
        self.since_last = 0;
        self.save(training.epoch(), batch, training)
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        match self.batches {
            None => self.save(training.epoch().saturating_add(1), 0, training),
            Some(_) => Ok(()),
        }
    }

    fn on_train_end(&mut self, end: End, _: &mut dyn Training) -> Result<()> {
        if end != End::Complete || !self.delete_checkpoint {
            return Ok(());
        }
        for path in [self.path(WEIGHTS), self.path(METADATA)] {
            for path in [previous(&path), path] {
                unless_missing(fs::remove_file(&path), "remove", &path)?;
            }
        }
        // Whatever else is in the folder is not ours.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}
