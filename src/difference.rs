//! What tells two model files apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value as Json;

use crate::config::{Dtype, brief};
use crate::error::{Error, Result};
use crate::file::store::Stored;
use crate::keras_file::{Described, KerasFile};
use crate::layer::Registry;
use crate::load::tensor_data;
use crate::value::burn_dtype;

/// What tells two model files apart. Both are compared in the form of today's Keras, so that files of
/// different kinds and versions can be.
///
/// ```no_run
/// use burn_keras::layer::Registry;
/// use burn_keras::{KerasFile, Limits};
///
/// let open = |path| KerasFile::open(path, &Limits::default());
/// let difference = open("before.keras")?.difference(&open("after.h5")?, &Registry::new())?;
/// println!("{difference}");
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where the model descriptions and the settings of `compile` say something else.
    pub config: Vec<ConfigDifference>,
    /// The variables that are not the same, those of the optimizer too.
    pub tensors: Vec<TensorDifference>,
}

/// A place where two model descriptions say something else.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigDifference {
    /// The place: `layers["dense"].units`.
    pub place: String,
    /// What the first says there, if anything.
    pub left: Option<Json>,
    /// What the second says there, if anything.
    pub right: Option<Json>,
}

/// A variable that is not the same in two files.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDifference {
    /// Its path in a weights file of Keras 3.
    pub path: String,
    /// In what it is not.
    pub apart: Apart,
}

/// In what a variable differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Apart {
    /// Only the first file has it, with that shape.
    Left(Vec<usize>),
    /// Only the second file has it, with that shape.
    Right(Vec<usize>),
    /// The shapes are not the same.
    Shapes(Vec<usize>, Vec<usize>),
    /// The values are not the same.
    Values {
        /// The largest difference of two values; infinite when only one of them is a number.
        largest: f64,
        /// The mean difference.
        mean: f64,
    },
}

impl Difference {
    /// Whether nothing tells the files apart.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.config.is_empty() && self.tensors.is_empty()
    }
}

impl KerasFile {
    /// What tells this file from another one: model description, compile settings, variables, and the
    /// state of the optimizer. Names of the file's own making, such as dates, are not looked at.
    ///
    /// # Errors
    /// When one of the model descriptions or a tensor cannot be read.
    pub fn difference(&self, other: &Self, registry: &Registry) -> Result<Difference> {
        let mut difference = Difference::default();
        compare(Some(self.config()), Some(other.config()), "", &mut difference.config);
        let Described { store: left, .. } = self.describe(registry, true)?;
        let Described { store: right, .. } = other.describe(registry, true)?;
        let paths: BTreeSet<&String> = left.tensors.keys().chain(right.tensors.keys()).collect();
        for path in paths {
            let apart = apart(left.tensors.get(path), right.tensors.get(path));
            let apart = apart.map_err(|error| error.at(path))?;
            difference.tensors.extend(apart.map(|apart| TensorDifference { path: path.clone(), apart }));
        }
        Ok(difference)
    }
}

/// What says nothing of a model: where an object was in memory, and shapes that follow from the rest.
const SILENT: [&str; 2] = ["shared_object_id", "build_config"];

/// Compares two documents; lists of named objects by name, whatever their order.
fn compare(left: Option<&Json>, right: Option<&Json>, place: &str, found: &mut Vec<ConfigDifference>) {
    let said =
        |json: Option<&Json>| json.is_some_and(|json| json.as_object().is_none_or(|it| !it.is_empty()));
    if left == right || !said(left) && !said(right) {
        return;
    }
    match (left, right) {
        (Some(Json::Object(a)), Some(Json::Object(b))) => {
            let dot = if place.is_empty() { "" } else { "." };
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let keys = keys.filter(|key| !SILENT.contains(&key.as_str()));
            keys.for_each(|key| compare(a.get(key), b.get(key), &format!("{place}{dot}{key}"), found));
        }
        (Some(Json::Array(a)), Some(Json::Array(b))) => match (named(a), named(b)) {
            (Some(a), Some(b)) => {
                let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
                for name in names {
                    let (left, right) = (a.get(name).copied(), b.get(name).copied());
                    compare(left, right, &format!("{place}[{name:?}]"), found);
                }
            }
            _ if a.len() == b.len() => {
                let pairs = a.iter().zip(b).enumerate();
                pairs.for_each(|(at, (a, b))| compare(Some(a), Some(b), &format!("{place}[{at}]"), found));
            }
            _ => found.push(entry(left, right, place)),
        },
        _ => found.push(entry(left, right, place)),
    }
}

fn entry(left: Option<&Json>, right: Option<&Json>, place: &str) -> ConfigDifference {
    ConfigDifference { place: place.to_owned(), left: left.cloned(), right: right.cloned() }
}

/// The objects of a list by their names, if each has one of its own.
fn named(items: &[Json]) -> Option<BTreeMap<&str, &Json>> {
    let named = items.iter().map(|json| Some((json.pointer("/config/name")?.as_str()?, json)));
    let named: BTreeMap<_, _> = named.collect::<Option<_>>()?;
    (named.len() == items.len()).then_some(named)
}

fn apart(left: Option<&Stored>, right: Option<&Stored>) -> Result<Option<Apart>> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (Some(left), None) => return Ok(Some(Apart::Left(left.shape.clone()))),
        (None, Some(right)) => return Ok(Some(Apart::Right(right.shape.clone()))),
        (None, None) => return Ok(None),
    };
    if left.shape != right.shape {
        return Ok(Some(Apart::Shapes(left.shape.clone(), right.shape.clone())));
    }
    match (left.is_planned(), right.is_planned()) {
        (true, true) => return Ok(None),
        (true, false) => return Ok(Some(Apart::Right(right.shape.clone()))),
        (false, true) => return Ok(Some(Apart::Left(left.shape.clone()))),
        (false, false) => {}
    }
    let (left, right) = (numbers(left)?, numbers(right)?);
    let distance = |(a, b): (&f64, &f64)| match a == b || (a.is_nan() && b.is_nan()) {
        true => 0.0,
        false => Some((a - b).abs()).filter(|distance| !distance.is_nan()).unwrap_or(f64::INFINITY),
    };
    let distances = || left.iter().zip(&right).map(distance);
    let largest = distances().fold(0.0, f64::max);
    let mean = distances().sum::<f64>() / left.len().max(1) as f64;
    Ok((largest > 0.0).then_some(Apart::Values { largest, mean }))
}

fn numbers(tensor: &Stored) -> Result<Vec<f64>> {
    let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
    let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
    let data = tensor_data(tensor.read()?, &tensor.shape, dtype)?.convert::<f64>();
    Ok(data.iter::<f64>().collect())
}

impl fmt::Display for Difference {
    /// A line for everything that is not the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |json: &Option<Json>| json.as_ref().map_or_else(|| "nothing".to_owned(), brief);
        for ConfigDifference { place, left, right } in &self.config {
            writeln!(f, "{place}: {} -> {}", text(left), text(right))?;
        }
        self.tensors.iter().try_for_each(|it| writeln!(f, "{}: {}", it.path, it.apart))
    }
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(shape) => write!(f, "{shape:?} in the first only"),
            Self::Right(shape) => write!(f, "{shape:?} in the second only"),
            Self::Shapes(left, right) => write!(f, "{left:?} -> {right:?}"),
            Self::Values { largest, mean } => {
                write!(f, "differs by {largest:.3e} at most, {mean:.3e} on average")
            }
        }
    }
}
