//! SavedModels of Keras 2, and checkpoints as `save_weights` writes them.

use std::path::Path;
use std::sync::Arc;

use super::objects::layers;
use super::{Layout, WeightsFile};
use crate::config::{Json, Map, json};
use crate::error::Result;
use crate::file::bundle::{Bundle, Objects};
use crate::file::h5::ElementType;
use crate::file::saved_model::{Keys, Resources, SavedModel};
use crate::file::store::Store;
use crate::limits::Limits;
use crate::versions::Origin;

/// What a SavedModel says of a model, and its variables.
pub(crate) struct Saved {
    pub(crate) config: Json,
    /// The version of Keras, and what it ran on.
    pub(crate) metadata: Json,
    pub(crate) weights: WeightsFile,
}

/// The SavedModel in a directory, if it is one.
///
/// # Errors
/// When it is damaged, beyond the limits, or nothing in it says of which layers it is made.
pub(crate) fn saved_model(path: &Path, limits: &Limits) -> Result<Option<Saved>> {
    if !SavedModel::is_at(path) {
        return Ok(None);
    }
    let saved = SavedModel::open(path, limits)?;
    let description =
        json::read(&saved.metadata, limits).map_err(|error| error.at("the description of the model"))?;
    let get = |key: &str| description.get(key).filter(|value| !value.is_null()).cloned();
    let class = get("class_name").unwrap_or_else(|| saved.identifier.as_str().into());
    let mut config = get("config").unwrap_or_else(|| Map::new().into());
    if let Some(config) = config.as_object_mut() {
        Tables { saved: &saved, resources: None }.fill(config, 0)?;
    }
    let mut model = Map::from_iter([("class_name".to_owned(), class), ("config".to_owned(), config)]);
    model.extend(get("training_config").map(|settings| ("training_config".to_owned(), settings)));
    let metadata = ["keras_version", "backend"].into_iter();
    let metadata: Map<_, _> = metadata.filter_map(|key| Some((key.to_owned(), get(key)?))).collect();
    let weights = weights_of(&saved.bundle, saved.objects);
    Ok(Some(Saved { config: model.into(), metadata: metadata.into(), weights }))
}

/// The checkpoint at a path: that of its index, the same without the ending, or a SavedModel.
///
/// # Errors
/// When it is damaged, or beyond the limits.
pub(crate) fn checkpoint(path: &Path, limits: &Limits) -> Result<Option<WeightsFile>> {
    let prefix = match path.extension().is_some_and(|ending| ending == "index") {
        true => path.with_extension(""),
        false if SavedModel::is_at(path) => SavedModel::checkpoint(path)?,
        false => path.to_owned(),
    };
    // A file of the name itself is a file of another kind.
    if prefix.is_file() || !Bundle::is_at(&prefix) {
        return Ok(None);
    }
    let bundle = Bundle::open(&prefix, limits)?;
    let objects = bundle.objects()?;
    Ok(Some(weights_of(&bundle, objects)))
}

fn weights_of(bundle: &Bundle, objects: Objects) -> WeightsFile {
    let store = Store { tensors: bundle.tensors().clone(), ..Store::default() };
    WeightsFile { store, layout: Layout::Objects(Arc::new(objects)), origin: Origin::default() }
}

/// Puts into the configs of layers what they have learnt to look up, which is elsewhere in a SavedModel.
struct Tables<'a> {
    saved: &'a SavedModel,
    /// Read when the first table is met.
    resources: Option<Resources>,
}

impl Tables<'_> {
    /// The layers of the model that is the object `node`, and of the models in it.
    fn fill(&mut self, model: &mut Map<String, Json>, node: usize) -> Result<()> {
        let layers = layers(&self.saved.objects, node, model).unwrap_or_default();
        for (place, node) in layers {
            let layer = model.get_mut("layers").and_then(|layers| layers.get_mut(place)?.get_mut("config"));
            let Some(config) = layer.and_then(Json::as_object_mut) else { continue };
            if config.contains_key("layers") {
                self.fill(config, node)?;
            } else if config.get("vocabulary").is_some_and(|words| !words.is_array()) {
                self.fill_layer(config, node)?;
            } else if config.get("bin_boundaries").is_some_and(Json::is_null) {
                self.fill_boundaries(config, node)?;
            }
        }
        Ok(())
    }

    fn fill_layer(&mut self, config: &mut Map<String, Json>, node: usize) -> Result<()> {
        let objects = &self.saved.objects;
        let owner = objects.find(node, &["_lookup_layer"]).unwrap_or(node);
        let Some(table) = objects.find(owner, &["lookup_table"]) else { return Ok(()) };
        let resources = match self.resources.take() {
            Some(resources) => resources,
            None => self.saved.resources()?,
        };
        let is_inverted = config.get("invert").is_some_and(|invert| invert == true);
        let place = config.get("name").and_then(Json::as_str).unwrap_or("vocabulary").to_owned();
        let keys = resources.table(objects, table, is_inverted).map_err(|error| error.at(&place))?;
        let (words, count): (Json, _) = match keys {
            Keys::Texts(texts) => (texts.as_slice().into(), texts.len()),
            Keys::Numbers(numbers) => (numbers.as_slice().into(), numbers.len()),
        };
        config.insert("vocabulary".to_owned(), words);
        self.resources = Some(resources);
        if config.get("output_mode").is_some_and(|mode| mode == "tf_idf")
            && config.get("idf_weights").is_none_or(Json::is_null)
            && let Some(key) = objects.find(owner, &["idf_weights"]).and_then(|node| objects.variable(node))
            && let Some(tensor) = self.saved.bundle.tensors().get(key)
        {
            // Those of unknown words stand first, and nothing or zeros behind.
            let unknown = config.get("num_oov_indices").and_then(Json::as_u64).unwrap_or(1);
            let bytes = tensor.read().map_err(|error| error.at(place))?;
            let (numbers, _) = bytes.as_chunks();
            let numbers = numbers.iter().map(|number| json::number(f32::from_le_bytes(*number).into()));
            let unknown = usize::try_from(unknown).unwrap_or(usize::MAX);
            config.insert("idf_weights".to_owned(), numbers.skip(unknown).take(count).collect());
        }
        Ok(())
    }

    /// The limits of bins, which follow from the values that were seen.
    fn fill_boundaries(&self, config: &mut Map<String, Json>, node: usize) -> Result<()> {
        let objects = &self.saved.objects;
        let summary = objects.find(node, &["summary"]).and_then(|node| objects.variable(node));
        let summary = summary.and_then(|key| self.saved.bundle.tensors().get(key));
        let bins = config.get("num_bins").and_then(Json::as_u64).filter(|bins| *bins > 0);
        let (Some(summary), Some(bins)) = (summary, bins) else { return Ok(()) };
        if summary.element != ElementType::F32 || summary.shape.first() != Some(&2) {
            return Ok(());
        }
        let bytes = summary.read()?;
        let numbers: Vec<f32> =
            bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        let limits = boundaries(&numbers, bins).into_iter().map(|limit| json::number(limit.into()));
        config.insert("bin_boundaries".to_owned(), limits.collect());
        config.insert("num_bins".to_owned(), Json::Null);
        Ok(())
    }
}

/// The limits of bins that hold equal shares of what was seen. `summary` has values in ascending order, and
/// then how many were near each.
fn boundaries(summary: &[f32], bins: u64) -> Vec<f32> {
    let (values, counts) = summary.split_at(summary.len() / 2);
    let share = 1.0 / bins as f64;
    let mut limits = if (values.len() as f64) * share < 1.0 {
        values.to_vec()
    } else {
        let sums: Vec<f32> = counts
            .iter()
            .scan(0.0_f32, |sum, count| {
                *sum += count;
                Some(*sum)
            })
            .collect();
        let total = sums.last().copied().unwrap_or(1.0);
        let shares: Vec<f64> = sums.iter().map(|sum| f64::from(sum / total)).collect();
        // No more than there are values; one more than there are bins where a share is rounded down.
        let wanted = (0..).map(|bin: u32| f64::from(bin) * share).take_while(|start| *start < 1.0);
        wanted.map(|start| between(share + start, &shares, values)).collect()
    };
    limits.pop();
    limits
}

/// The value at a share, on the straight line between those of its neighbours.
fn between(share: f64, shares: &[f64], values: &[f32]) -> f32 {
    let value = |at: usize| values.get(at).copied().map_or(0.0, f64::from);
    let after = shares.partition_point(|other| *other <= share);
    let (Some(before), Some(end)) = (after.checked_sub(1), shares.get(after)) else {
        return value(after.min(shares.len().saturating_sub(1))) as f32;
    };
    let start = shares.get(before).copied().unwrap_or_default();
    ((value(after) - value(before)) / (end - start) * (share - start) + value(before)) as f32
}
