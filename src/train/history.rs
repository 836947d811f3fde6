//! What was watched, epoch by epoch.

use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::callback::Logs;
use crate::config::json;
use crate::error::{Error, Result};

/// What was in the logs at the end of every epoch: Keras' `History`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: Vec<(usize, Logs)>,
}

impl History {
    /// Every epoch with its logs; the first epoch is 0.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &Logs)> {
        self.epochs.iter().map(|(epoch, logs)| (*epoch, logs))
    }

    /// What was watched, in the order in which it appeared.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|(_, logs)| logs.iter()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The numbers of one name, one for each epoch that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|(_, logs)| logs.get(name)).collect()
    }

    /// The logs of the last epoch.
    #[must_use]
    pub fn last(&self) -> Option<&Logs> {
        self.epochs.last().map(|(_, logs)| logs)
    }

    pub(crate) fn push(&mut self, epoch: usize, logs: Logs) {
        self.epochs.push((epoch, logs));
    }

    /// As JSON: the numbers of the epochs, and a list under every name, `null` where an epoch has none.
    #[must_use]
    pub fn json(&self) -> Json {
        let list = |name: &str| -> Json {
            let number = |logs: &Logs| logs.get(name).map_or(Json::Null, json::number);
            self.epochs.iter().map(|(_, logs)| number(logs)).collect()
        };
        let epochs = self.epochs.iter().map(|(epoch, _)| Json::from(*epoch)).collect();
        let lists = self.names().into_iter().map(|name| (name.to_owned(), list(name)));
        Json::Object(std::iter::once(("epoch".to_owned(), epochs)).chain(lists).collect::<Map<_, _>>())
    }

    /// Writes it as a table: a line for each epoch, after one of names.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let write = || -> Result<(), csv::Error> {
            let names = self.names();
            let mut table = csv::Writer::from_path(path)?;
            table.write_record(std::iter::once("epoch").chain(names.iter().copied()))?;
            for (epoch, logs) in &self.epochs {
                let numbers = names.iter().map(|name| logs.get(name).map_or_else(String::new, text));
                table.write_record(std::iter::once(epoch.to_string()).chain(numbers))?;
            }
            Ok(table.flush()?)
        };
        write().map_err(|error| {
            Error::io("cannot write the history", std::io::Error::other(error)).in_file(path)
        })
    }
}

fn text(number: f64) -> String {
    number.to_string()
}
