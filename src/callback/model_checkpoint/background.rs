//! Writes the files: at once, or in a thread of its own while the training goes on.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::rotation::{Checkpoints, Entry};
use super::{Saved, Snapshot};
use crate::error::{Error, Result};

/// What happens to a checkpoint when the one before it waits to be written, and one before that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It takes the place of the one that waits, which is never written. The training never waits.
    NewestWins,
    /// The training waits until there is room. Every checkpoint is written.
    Wait,
}

/// A file to be written.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub entry: Entry,
    pub snapshot: Arc<dyn Snapshot>,
    pub what: Saved,
    /// What is told when it is complete.
    pub done: Option<String>,
}

/// What became of jobs: something to tell the user, or an error.
type Outcomes = Vec<Result<String>>;

#[derive(Debug)]
pub(super) struct Writer {
    results: Checkpoints,
    thread: Option<(Queue, Arc<Shared>, JoinHandle<()>)>,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: Option<Job>,
    is_closed: bool,
    outcomes: VecDeque<Result<String>>,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner)
    }

    /// What the thread does until it is told that nothing more will come.
    fn work(&self, results: &Checkpoints) {
        let mut desk = self.desk();
        loop {
            if let Some(job) = desk.waiting.take() {
                self.changed.notify_all();
                drop(desk);
                let outcomes = write(job, results);
                desk = self.desk();
                desk.outcomes.extend(outcomes);
            } else if desk.is_closed {
                return;
            } else {
                desk = self.wait(desk);
            }
        }
    }
}

impl Writer {
    /// # Errors
    /// When the system has no thread left.
    pub fn new(queue: Option<Queue>, results: Checkpoints) -> Result<Self> {
        let thread = match queue {
            None => None,
            Some(queue) => {
                let shared = Arc::new(Shared::default());
                let (desk, shelf) = (shared.clone(), results.clone());
                let named = std::thread::Builder::new().name("checkpoint".to_owned());
                let handle = named.spawn(move || desk.work(&shelf));
                let handle = handle.map_err(|source| Error::io("no thread to write checkpoints", source))?;
                Some((queue, shared, handle))
            }
        };
        Ok(Self { results, thread })
    }

    /// Writes a file, or has it written. The shelf knows already that it is started.
    pub fn submit(&self, job: Job) -> Outcomes {
        let Some((queue, shared, _)) = &self.thread else { return write(job, &self.results) };
        let mut desk = shared.desk();
        while *queue == Queue::Wait && desk.waiting.is_some() {
            desk = shared.wait(desk);
        }
        if let Some(dropped) = desk.waiting.replace(job) {
            self.results.shelf().abandon(&dropped.entry);
        }
        shared.changed.notify_all();
        desk.outcomes.drain(..).collect()
    }

    /// What became of jobs since this was asked last.
    pub fn outcomes(&self) -> Outcomes {
        self.thread
            .as_ref()
            .map_or_else(Vec::new, |(_, shared, _)| shared.desk().outcomes.drain(..).collect())
    }

    /// Waits until everything is written. From then on, files are written at once.
    pub fn finish(&mut self) -> Outcomes {
        let Some((_, shared, handle)) = self.thread.take() else { return Vec::new() };
        shared.desk().is_closed = true;
        shared.changed.notify_all();
        let is_sound = handle.join().is_ok();
        let mut outcomes: Outcomes = shared.desk().outcomes.drain(..).collect();
        if !is_sound {
            outcomes
                .push(Err(Error::new(crate::ErrorKind::Io, "the thread that writes checkpoints panicked")));
        }
        outcomes
    }
}

impl Drop for Writer {
    /// A training that panics still has its checkpoints.
    fn drop(&mut self) {
        self.finish();
    }
}

/// Writes a file, and then deletes those that have to go.
fn write(job: Job, results: &Checkpoints) -> Outcomes {
    let path = Path::new(&job.entry.path);
    let saved = catch_unwind(AssertUnwindSafe(|| save(path, &job)));
    let saved = saved.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it said nothing");
        Err(Error::new(crate::ErrorKind::Io, format_args!("writing panicked: {said}")))
    });
    if let Err(error) = saved {
        results.shelf().abandon(&job.entry);
        return vec![Err(error.at("ModelCheckpoint"))];
    }
    let condemned = results.shelf().complete(job.entry);
    let mut outcomes: Outcomes = job.done.into_iter().map(Ok).collect();
    for old in condemned {
        match fs::remove_file(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                outcomes.push(Ok(format!("ModelCheckpoint: cannot delete {old}: {error}")));
            }
            _ => results.shelf().forget(&old),
        }
    }
    outcomes
}

fn save(path: &Path, job: &Job) -> Result<()> {
    if path.is_dir() {
        let name = path.display();
        return Err(Error::input(format_args!("a checkpoint cannot take the place of the directory {name}")));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = fs::create_dir_all(folder);
        made.map_err(|source| Error::io("cannot create the folder", source).in_file(folder))?;
    }
    job.snapshot.save(path, job.what)
}
