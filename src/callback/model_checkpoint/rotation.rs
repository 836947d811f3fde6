//! The files of a checkpoint: which there are, which is the best, which have to go.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::Direction;
use crate::config::Json;

/// A file that was written, or is about to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub path: String,
    /// What was monitored then. NaN counts as nothing.
    pub value: Option<f64>,
}

/// Which files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keep {
    pub best: Option<usize>,
    pub last: Option<usize>,
}

/// All files that this training wrote, here and before it was resumed.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub keep: Keep,
    pub direction: Option<Direction>,
    /// The oldest first.
    written: Vec<Entry>,
    /// Those that are not yet complete.
    started: Vec<Entry>,
}

impl Shelf {
    /// Whether a file of that value would be among the best ones.
    pub fn admits(&self, entry: &Entry) -> bool {
        let Some(most) = self.keep.best else { return true };
        let rank = self.rank(entry.value);
        let known = || self.written.iter().chain(&self.started);
        let replaced = known().any(|it| it.path == entry.path && self.rank(it.value) <= rank);
        let before = known().filter(|it| it.path != entry.path && self.rank(it.value) <= rank).count();
        rank < f64::INFINITY && !replaced && before < most
    }

    /// The lower the better, in the precision of Keras; what has no value comes last.
    fn rank(&self, value: Option<f64>) -> f64 {
        let value = value.map_or(f64::NAN, |value| f64::from(value as f32));
        match self.direction {
            _ if value.is_nan() => f64::INFINITY,
            Some(Direction::Up) => -value,
            _ => value,
        }
    }

    pub fn start(&mut self, entry: Entry) {
        self.started.push(entry);
    }

    /// It will not be written after all.
    pub fn abandon(&mut self, entry: &Entry) {
        self.started.retain(|it| it != entry);
    }

    /// Now it is complete. Those that have to go are given back.
    pub fn complete(&mut self, entry: Entry) -> Vec<String> {
        self.abandon(&entry);
        self.written.retain(|it| it.path != entry.path);
        self.written.push(entry);
        if self.keep == Keep::default() {
            return Vec::new();
        }
        let last = self.written.len().saturating_sub(self.keep.last.unwrap_or(0).max(1));
        let best = self.ranked().into_iter().take(self.keep.best.unwrap_or(0)).collect::<Vec<_>>();
        let stays = |index: usize, it: &Entry| index >= last || best.iter().any(|best| best.path == it.path);
        let goes = self.written.iter().enumerate().filter(|(index, it)| !stays(*index, it));
        goes.map(|(_, it)| it.path.clone()).collect()
    }

    pub fn forget(&mut self, path: &str) {
        self.written.retain(|it| it.path != path);
    }

    /// The best first; of equals the oldest.
    fn ranked(&self) -> Vec<Entry> {
        let mut ranked = self.written.clone();
        ranked.sort_by(|a, b| self.rank(a.value).total_cmp(&self.rank(b.value)));
        ranked
    }

    /// Those with a value that can be compared, the best first.
    fn best(&self) -> Vec<(PathBuf, f64)> {
        let known = if self.direction.is_some() { self.ranked() } else { Vec::new() };
        let valued =
            known.into_iter().filter_map(|it| Some((it.path.into(), it.value.filter(|x| !x.is_nan())?)));
        valued.collect()
    }

    /// What the next training has to know. Where nothing is ever deleted, the best and the last are enough.
    pub fn remembered(&self) -> Json {
        let all = self.written.iter().chain(&self.started);
        let best = self.best().into_iter().next();
        let last = all.clone().next_back();
        let is_kept = |it: &&Entry| {
            let is_best = best.as_ref().is_some_and(|(path, _)| path == Path::new(&it.path));
            self.keep != Keep::default() || is_best || last == Some(*it)
        };
        all.filter(is_kept).map(|it| json!({"path": it.path, "value": number(it.value)})).collect()
    }

    /// Takes the files of an earlier training back, if `is_ours` says so; their values, if they are of the same kind.
    pub fn recall(&mut self, files: &Json, same_kind: bool, is_ours: impl Fn(&str) -> bool) {
        let files = files.as_array().into_iter().flatten();
        let entries = files.filter_map(|it| {
            let path = it.get("path")?.as_str().filter(|path| is_ours(path))?;
            let value = it.get("value").and_then(read_number).filter(|_| same_kind);
            Some(Entry { path: path.to_owned(), value })
        });
        for entry in entries {
            self.written.retain(|it| it.path != entry.path);
            self.written.push(entry);
        }
    }
}

/// JSON has no infinite numbers; they are texts.
pub(super) fn number(value: Option<f64>) -> Json {
    match value {
        Some(value) if value.is_finite() => value.into(),
        Some(value) => value.to_string().into(),
        None => Json::Null,
    }
}

pub(super) fn read_number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// What a [`ModelCheckpoint`](super::ModelCheckpoint) has written, for the time after it was given to a training.
/// Files that were deleted since are not in it.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints(Arc<Mutex<Shelf>>);

impl Checkpoints {
    /// The file with the best value of what is monitored; of equals the oldest. Nothing, when nothing was written
    /// or nothing can be compared.
    #[must_use]
    pub fn best_model_path(&self) -> Option<PathBuf> {
        self.best_k_models().into_iter().next().map(|(path, _)| path)
    }

    /// All files with their values, the best first.
    #[must_use]
    pub fn best_k_models(&self) -> Vec<(PathBuf, f64)> {
        self.shelf().best()
    }

    /// The file that was written last.
    #[must_use]
    pub fn last_model_path(&self) -> Option<PathBuf> {
        self.shelf().written.last().map(|it| PathBuf::from(&it.path))
    }

    /// A thread that panics leaves it as consistent as it was.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, value: f64) -> Entry {
        Entry { path: path.to_owned(), value: Some(value).filter(|value| !value.is_nan()) }
    }

    fn shelf(best: Option<usize>, last: Option<usize>) -> Shelf {
        Shelf { keep: Keep { best, last }, direction: Some(Direction::Down), ..Shelf::default() }
    }

    /// Writes what is admitted, and says what is left.
    fn left(mut shelf: Shelf, values: &[f64]) -> Vec<String> {
        for (index, value) in values.iter().enumerate() {
            let entry = entry(&index.to_string(), *value);
            if shelf.keep.last.is_some() || shelf.admits(&entry) {
                for path in shelf.complete(entry) {
                    shelf.forget(&path);
                }
            }
        }
        shelf.written.into_iter().map(|it| it.path).collect()
    }

    #[test]
    fn the_best_and_the_last_are_kept() {
        let values = [0.5, 0.3, 0.4, 0.3, 0.2, f64::NAN, 0.9];
        assert_eq!(left(shelf(None, None), &values).len(), 7);
        assert_eq!(left(shelf(None, Some(2)), &values), ["5", "6"]);
        // Of the two 0.3 the older one stays.
        assert_eq!(left(shelf(Some(2), None), &values), ["1", "4"]);
        assert_eq!(left(shelf(Some(3), None), &values), ["1", "3", "4"]);
        assert_eq!(left(shelf(Some(2), Some(2)), &values), ["1", "4", "5", "6"]);
        let up = Shelf { direction: Some(Direction::Up), ..shelf(Some(2), None) };
        assert_eq!(left(up, &values), ["0", "6"]);
    }

    #[test]
    fn a_file_is_not_replaced_by_a_worse_one_of_its_name() {
        let mut shelf = shelf(Some(1), None);
        assert!(shelf.complete(entry("model", 0.5)).is_empty());
        assert!(!shelf.admits(&entry("model", 0.5)) && shelf.admits(&entry("model", 0.4)));
        assert!(shelf.complete(entry("model", 0.4)).is_empty());
        assert_eq!(shelf.best(), [(PathBuf::from("model"), 0.4)]);
    }

    #[test]
    fn what_is_being_written_counts_and_may_be_dropped() {
        let mut shelf = shelf(Some(1), None);
        shelf.start(entry("a", 0.5));
        assert!(!shelf.admits(&entry("b", 0.6)));
        shelf.abandon(&entry("a", 0.5));
        assert!(shelf.admits(&entry("b", 0.6)));
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let mut before = shelf(Some(2), None);
        for (path, value) in [("a", 0.5), ("b", f64::NEG_INFINITY)] {
            before.complete(entry(path, value));
        }
        before.start(entry("c", 0.25));
        let json = before.remembered();
        let mut after = shelf(Some(2), None);
        after.recall(&json, true, |path| path != "a");
        assert_eq!(after.written, [entry("b", f64::NEG_INFINITY), entry("c", 0.25)]);
        // Nothing is deleted: the list does not grow.
        let mut all = shelf(None, None);
        for (path, value) in [("a", 0.5), ("b", 0.1), ("c", 0.3), ("d", 0.2)] {
            all.complete(entry(path, value));
        }
        assert_eq!(all.remembered().as_array().unwrap().len(), 2);
        all.recall(&json!({"path": 3}), true, |_| true);
        all.recall(&json!([3, {"path": 3}, {"value": 1}]), true, |_| true);
        assert_eq!(all.written.len(), 4);
    }
}
