//! The arrays of legacy weights files: what Keras 1, Theano and CuDNN laid out in another way.
//!
//! The rules are those by which Keras 2.3.1 itself read such files.

use serde_json::{Map, Value as Json};

use super::{Era, Origin, text};
use crate::error::{Error, Result};
use crate::file::store::Stored;

mod layout;

use layout::{from_cudnn, gathered, joined, permuted, sum_of_halves};

/// An array of a legacy weights file.
#[derive(Clone, Debug)]
pub(crate) struct NamedArray {
    pub(crate) name: String,
    pub(crate) tensor: Stored,
}

impl NamedArray {
    fn map(self, change: impl FnOnce(Stored) -> Result<Stored>) -> Result<Self> {
        let Self { name, tensor } = self;
        Ok(Self { tensor: change(tensor).map_err(|error| error.at(&name))?, name })
    }
}

/// Layers whose kernels Theano flips, with how many axes of space they have.
const FLIPPED: &[(&str, usize)] =
    &[("Conv1D", 1), ("Conv2D", 2), ("Conv3D", 3), ("Conv2DTranspose", 2), ("ConvLSTM2D", 2)];

/// The arrays of one layer of a legacy weights file in the number, order, shapes and layout that the
/// layer declares today.
///
/// # Errors
/// When they are not those of such a layer.
pub(crate) fn modern_arrays(
    class: &str,
    config: &Map<String, Json>,
    origin: &Origin,
    arrays: Vec<NamedArray>,
) -> Result<Vec<NamedArray>> {
    let inner = |key: &str| {
        let layer = config.get(key)?;
        Some((layer.get("class_name")?.as_str()?, layer.get("config")?.as_object()?))
    };
    match (class, inner("layer")) {
        ("Bidirectional", Some((class, forward))) => {
            let (backward_class, backward) = inner("backward_layer").unwrap_or((class, forward));
            let mut arrays = arrays;
            let others = arrays.split_off(arrays.len() / 2);
            let mut arrays = modern_arrays(class, forward, origin, arrays)?;
            arrays.extend(modern_arrays(backward_class, backward, origin, others)?);
            Ok(arrays)
        }
        ("TimeDistributed", Some((class, config))) => modern_arrays(class, config, origin, arrays),
        _ if config.contains_key("layers") => by_owner(config, origin, arrays),
        _ => of_layer(class, config, origin, arrays),
    }
}

/// A model inside of a model: its layers' arrays stand side by side, each under the name of its layer.
fn by_owner(config: &Map<String, Json>, origin: &Origin, arrays: Vec<NamedArray>) -> Result<Vec<NamedArray>> {
    let layers: Vec<Layer<'_>> = leaves(config);
    let mut done = Vec::with_capacity(arrays.len());
    let mut run: Vec<NamedArray> = Vec::new();
    let mut owner: Option<usize> = None;
    let mut finish = |owner: Option<usize>, run: Vec<NamedArray>| -> Result<()> {
        done.extend(match owner.and_then(|at| layers.get(at)) {
            Some(layer) => modern_arrays(layer.class, layer.config, origin, run)?,
            None => run,
        });
        Ok(())
    };
    for array in arrays {
        let lengths = layers.iter().map(|layer| layer.owns(&array.name));
        let own = lengths.enumerate().filter(|(_, length)| *length > 0).max_by_key(|(_, length)| *length);
        let own = own.map(|(at, _)| at);
        if own != owner {
            finish(owner, std::mem::take(&mut run))?;
            owner = own;
        }
        run.push(array);
    }
    finish(owner, run)?;
    Ok(done)
}

/// A layer of a model that has no layers of its own, or wraps them.
struct Layer<'a> {
    class: &'a str,
    config: &'a Map<String, Json>,
    /// The names that its arrays begin with.
    names: Vec<String>,
}

impl Layer<'_> {
    /// How much of an array's name is that of the layer: `dense_1` of `dense_1_W` and `dense_1/kernel:0`.
    fn owns(&self, array: &str) -> usize {
        let of = |name: &str| {
            let is = |part: &str| {
                part.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
            };
            if array.split('/').any(is) { name.len() } else { 0 }
        };
        self.names.iter().map(|name| of(name)).max().unwrap_or(0)
    }
}

fn leaves(config: &Map<String, Json>) -> Vec<Layer<'_>> {
    let layers = config.get("layers").and_then(Json::as_array).into_iter().flatten();
    let found = layers.filter_map(|layer| {
        let class = layer.get("class_name")?.as_str()?;
        let config = layer.get("config")?.as_object()?;
        if config.contains_key("layers") {
            return Some(leaves(config));
        }
        let mut names = vec![text(config, "name")?.to_owned()];
        if let Some(inner) = config.get("layer").and_then(|layer| layer.pointer("/config/name")?.as_str()) {
            names.extend(["", "forward_", "backward_"].map(|side| format!("{side}{inner}")));
        }
        Some(vec![Layer { class, config, names }])
    });
    found.flatten().collect()
}

/// The arrays of a layer that has no other inside.
fn of_layer(
    class: &str,
    config: &Map<String, Json>,
    origin: &Origin,
    mut arrays: Vec<NamedArray>,
) -> Result<Vec<NamedArray>> {
    if Era::of(&Json::Null, origin) == Era::Keras1 {
        let kernel = |array: NamedArray| array.map(|kernel| kernel_of_keras_1(class, config, kernel));
        arrays = arrays.into_iter().map(kernel).collect::<Result<_>>()?;
        arrays = gates(class, arrays)?;
    }
    let space = FLIPPED.iter().find(|(known, _)| *known == class).map(|(_, space)| *space);
    if let Some(space) = space.filter(|_| origin.backend.as_deref() == Some("theano")) {
        let axes: Vec<usize> = (0..space + 2).collect();
        let flip = |array: NamedArray| match array.tensor.shape.len() == axes.len() {
            true => array.map(|kernel| permuted(kernel, &axes, space)),
            false => Ok(array),
        };
        arrays = arrays.into_iter().map(flip).collect::<Result<_>>()?;
    }
    plain_gates(class, config, arrays)
}

/// Keras 1 has three arrays for every gate of a recurrent layer, unless it was built for a GPU.
fn gates(class: &str, arrays: Vec<NamedArray>) -> Result<Vec<NamedArray>> {
    // The order of today, by the places of the past: the gates of an LSTM were i, c, f and o.
    let order: &[usize] = match (class, arrays.len()) {
        ("LSTM" | "ConvLSTM2D", 12) => &[0, 2, 1, 3],
        ("GRU", 9) => &[0, 1, 2],
        _ => return Ok(arrays),
    };
    let part = |kind: usize| {
        let gates = order.iter().filter_map(|gate| arrays.get(gate * 3 + kind).cloned());
        let (names, tensors): (Vec<_>, Vec<_>) = gates.map(|gate| (gate.name, gate.tensor)).unzip();
        let name = names.join(" + ");
        let tensor = joined(tensors).map_err(|error| error.at(&name))?;
        Ok(NamedArray { name, tensor })
    };
    (0..3).map(part).collect()
}

/// A kernel with its axes where they are today: space, inputs, outputs.
fn kernel_of_keras_1(class: &str, config: &Map<String, Json>, kernel: Stored) -> Result<Stored> {
    let is_channels_first = text(config, "data_format") == Some("channels_first");
    let axes: &[usize] = match (class, is_channels_first, kernel.shape.len()) {
        ("Conv1D", _, 4) => {
            let [length, width, ..] = kernel.shape[..] else { return Ok(kernel) };
            let number = |key: &str| match config.get(key) {
                Some(Json::Array(items)) => items.first().and_then(Json::as_u64),
                other => other.and_then(Json::as_u64),
            };
            let is_recent = number("kernel_size") == Some(length as u64)
                && width == 1
                && number("filters") == kernel.shape.last().map(|size| *size as u64);
            let kernel = if is_recent { kernel } else { permuted(kernel, &[2, 3, 1, 0], 0)? };
            let [length, 1, inputs, outputs] = kernel.shape[..] else {
                return Err(Error::weights(format_args!("not a kernel of a Conv1D: {:?}", kernel.shape)));
            };
            return gathered(kernel, vec![length, inputs, outputs], |at| at);
        }
        ("Conv2D" | "ConvLSTM2D" | "SeparableConv2D", true, 4) => &[2, 3, 1, 0],
        ("Conv2DTranspose", true, 4) => &[2, 3, 0, 1],
        ("Conv2DTranspose", false, 4) => &[0, 1, 3, 2],
        ("Conv3D", true, 5) => &[2, 3, 4, 1, 0],
        _ => return Ok(kernel),
    };
    permuted(kernel, axes, 0)
}

/// The arrays of a recurrent layer, which may have been saved from its twin for CuDNN.
fn plain_gates(class: &str, config: &Map<String, Json>, arrays: Vec<NamedArray>) -> Result<Vec<NamedArray>> {
    let gates = match class {
        "LSTM" => 4,
        "GRU" => 3,
        _ => return Ok(arrays),
    };
    let [kernel, recurrent, bias] = &arrays[..] else { return Ok(arrays) };
    let units = recurrent.tensor.shape.first().copied().unwrap_or(0);
    let is_cudnn = bias.tensor.shape == [units.saturating_mul(gates * 2)]
        && kernel.tensor.shape.get(1) == Some(&units.saturating_mul(gates));
    if !is_cudnn {
        return Ok(arrays);
    }
    if class == "GRU" && config.get("reset_after") == Some(&Json::Bool(false)) {
        return Err(Error::weights("a CuDNNGRU resets after the product, and this GRU before").at(&bias.name));
    }
    let [kernel, recurrent, bias] = [kernel, recurrent, bias].map(Clone::clone);
    let kernel = kernel.map(|kernel| from_cudnn(kernel, gates, false))?;
    let recurrent = recurrent.map(|recurrent| from_cudnn(recurrent, gates, true))?;
    let bias = bias.map(|bias| match class {
        "LSTM" => sum_of_halves(bias),
        _ => gathered(bias, vec![2, units * gates], |at| at),
    })?;
    Ok(vec![kernel, recurrent, bias])
}
