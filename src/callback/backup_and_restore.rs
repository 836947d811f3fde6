//! `BackupAndRestore`: what a training that was cut off goes on from.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Callback, End, SaveFreq, Saved, Training, settings};
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
/// use burn_keras::callback::{BackupAndRestore, SaveFreq};
///
/// let callback = BackupAndRestore::new("backup").save_freq(SaveFreq::Batches(100)).double_checkpoint(true);
/// ```
#[derive(Clone, Debug)]
pub struct BackupAndRestore {
    folder: PathBuf,
    save_freq: SaveFreq,
    double_checkpoint: bool,
    delete_checkpoint: bool,
    /// The batches since it last saved, and when it did.
    last: (u64, Instant),
}

impl BackupAndRestore {
    /// Saves into that folder.
    #[must_use]
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            save_freq: SaveFreq::Epoch,
            double_checkpoint: false,
            delete_checkpoint: true,
            last: (0, Instant::now()),
        }
    }

    settings! {
        /// When it saves. Default: after every epoch.
        save_freq: SaveFreq;
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
        if self.save_freq == SaveFreq::Batches(0) {
            return Err(Error::input("BackupAndRestore: expected a save_freq of 1 batch at least"));
        }
        self.last = (0, Instant::now());
        training.check_path(&self.path(WEIGHTS), Saved::Weights)
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.last.0 = self.last.0.saturating_add(1);
        let is_time = match self.save_freq {
            SaveFreq::Epoch => false,
            SaveFreq::Batches(batches) => self.last.0 >= batches,
            SaveFreq::Every(time) => self.last.1.elapsed() >= time,
        };
        if !is_time {
            return Ok(());
        }
        self.last = (0, Instant::now());
        self.save(training.epoch(), batch, training)
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        match self.save_freq {
            SaveFreq::Epoch => self.save(training.epoch().saturating_add(1), 0, training),
            _ => Ok(()),
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
