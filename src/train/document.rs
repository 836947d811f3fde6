//! How far a training is, as a checkpoint says beside the model: `training.json`.

use std::path::Path;

use crate::callback::Logs;
use crate::config::{Json, Map, json};
use crate::error::{Error, Result};
use crate::file::archive::{Archive, HDF5_MAGIC};
use crate::file::h5::{Attribute, H5File};
use crate::file::map::map;
use crate::file::store::Store;
use crate::limits::Limits;
use crate::save::TRAINING;

/// How far a training is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    /// The epochs that are complete.
    pub epoch: usize,
    /// The batches of the next one that are done.
    pub batch: usize,
    /// All batches that were trained on.
    pub step: u64,
    /// What random numbers and the order of examples follow from.
    pub seed: u64,
    /// What callbacks remember.
    pub facts: Map<String, Json>,
    /// The logs of an epoch whose batches are all done, before its end.
    pub logs: Option<Logs>,
}

impl Document {
    pub fn json(&self) -> Json {
        let mut json = serde_json::json!({
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "seed": self.seed,
            "facts": self.facts,
        });
        if let Some(logs) = &self.logs {
            json["logs"] =
                logs.iter().map(|(name, number)| (name.to_owned(), json::number(number))).collect();
        }
        json
    }

    /// # Errors
    /// When something is not of its type.
    fn of(json: &Json) -> Result<Self> {
        let number = |key: &str| {
            let number = json.get(key).and_then(Json::as_u64);
            number.ok_or_else(|| Error::damaged("expected a non-negative integer").at(key).at(TRAINING))
        };
        let size = |key: &str| {
            // Counted up from here: far from the greatest number that there is.
            let size = u32::try_from(number(key)?);
            size.map(|size| size as usize).map_err(|_| Error::limit("too large").at(key).at(TRAINING))
        };
        let logs = json.get("logs").and_then(Json::as_object);
        let entry = |(name, number): (&String, &Json)| {
            Some((name.clone(), number.as_f64().or_else(|| json::marked_number(number))?))
        };
        Ok(Self {
            epoch: size("epoch")?,
            batch: size("batch")?,
            step: number("step")?,
            seed: number("seed")?,
            facts: json.get("facts").and_then(Json::as_object).cloned().unwrap_or_default(),
            logs: logs.map(|logs| logs.iter().filter_map(entry).collect()),
        })
    }

    /// What a file says, if it does.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(path: &Path, limits: &Limits) -> Result<Option<Self>> {
        let bytes = map(path)?;
        let text = if bytes.starts_with(HDF5_MAGIC) {
            let store = Store::from(H5File::open(bytes, limits)?);
            let root = store.groups.get("").and_then(|root| root.get(TRAINING));
            root.and_then(Attribute::text).map(str::to_owned)
        } else {
            let text = Archive::from_bytes(bytes, limits)?.read(TRAINING)?;
            let text = text.map(|text| String::from_utf8(text.to_vec()));
            text.transpose().map_err(|error| Error::damaged("not UTF-8").with_source(error).at(TRAINING))?
        };
        text.map(|text| Self::of(&json::read(&text, limits)?)).transpose()
    }
}
