//! A training in which nothing is trained, and files in which its step and its facts are.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn_keras::callback::{Direction, Logs, Saved, Snapshot, Training, Watched};
use burn_keras::{Error, Result};
use serde_json::{Value as Json, json};

/// What happens before a file is written.
type Before = Arc<dyn Fn(&Path) -> Result<()> + Send + Sync>;

pub struct Fake {
    pub epoch: usize,
    pub step: u64,
    pub watched: Vec<Watched>,
    pub logs: Logs,
    pub facts: BTreeMap<String, Json>,
    pub said: Vec<String>,
    pub restored: Vec<u64>,
    /// The files that were written, in this order.
    pub written: Arc<Mutex<Vec<(PathBuf, Saved)>>>,
    pub before: Before,
}

impl Fake {
    pub fn new(watched: &[(&str, Option<Direction>, bool)]) -> Self {
        let watched = watched.iter().map(|(name, direction, in_batches)| Watched {
            name: (*name).to_owned(),
            direction: *direction,
            in_batches: *in_batches,
        });
        Self {
            epoch: 0,
            step: 0,
            watched: watched.collect(),
            logs: Logs::default(),
            facts: BTreeMap::new(),
            said: Vec::new(),
            restored: Vec::new(),
            written: Arc::default(),
            before: Arc::new(|_| Ok(())),
        }
    }

    /// The same training, in another process, from one of its files.
    pub fn resumed(&self, path: &Path) -> Self {
        let file: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let facts = file["facts"].as_object().unwrap();
        Self {
            epoch: file["epoch"].as_u64().unwrap() as usize + 1,
            step: file["step"].as_u64().unwrap(),
            watched: self.watched.clone(),
            logs: Logs::default(),
            facts: facts.iter().map(|(key, fact)| (key.clone(), fact.clone())).collect(),
            said: Vec::new(),
            restored: Vec::new(),
            written: Arc::default(),
            before: Arc::new(|_| Ok(())),
        }
    }

    /// What was written since this was asked last.
    pub fn take_written(&self) -> Vec<(PathBuf, Saved)> {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

impl Training for Fake {
    fn epoch(&self) -> usize {
        self.epoch
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        None
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn watched(&self) -> Vec<Watched> {
        self.watched.clone()
    }

    fn logs(&mut self) -> Result<Logs> {
        Ok(self.logs.clone())
    }

    fn log(&mut self, name: &str, number: f64) {
        self.logs.set(name, number);
    }

    fn learning_rate(&self) -> Result<f64> {
        Ok(0.1)
    }

    fn set_learning_rate(&mut self, _: f64) -> Result<()> {
        Ok(())
    }

    fn check_path(&self, path: &Path, _: Saved) -> Result<()> {
        match path.to_string_lossy().contains("forbidden") {
            true => Err(Error::input("such a name is forbidden")),
            false => Ok(()),
        }
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(FakeSnapshot {
            step: self.step,
            content: json!({"epoch": self.epoch, "step": self.step, "facts": self.facts}),
            written: self.written.clone(),
            before: self.before.clone(),
        }))
    }

    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        let snapshot =
            snapshot.as_any().downcast_ref::<FakeSnapshot>().ok_or_else(|| Error::input("another"))?;
        self.restored.push(snapshot.step);
        Ok(())
    }

    fn load_weights(&mut self, path: &Path) -> Result<()> {
        let file: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        self.restored.push(file["step"].as_u64().unwrap());
        Ok(())
    }

    fn remember(&mut self, key: &str, fact: Json) {
        self.facts.insert(key.to_owned(), fact);
    }

    fn remembered(&self, key: &str) -> Option<Json> {
        self.facts.get(key).cloned()
    }

    fn stop(&mut self, _: &str) {}

    fn say(&mut self, message: &str) {
        self.said.push(message.to_owned());
    }
}

struct FakeSnapshot {
    step: u64,
    content: Json,
    written: Arc<Mutex<Vec<(PathBuf, Saved)>>>,
    before: Before,
}

impl fmt::Debug for FakeSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeSnapshot {}", self.step)
    }
}

impl Snapshot for FakeSnapshot {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        (self.before)(path)?;
        std::fs::write(path, self.content.to_string()).map_err(|error| Error::io("cannot write", error))?;
        self.written.lock().unwrap().push((path.to_owned(), what));
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
