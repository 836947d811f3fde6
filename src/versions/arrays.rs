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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::file::h5::ElementType;

    /// An array whose elements are their own numbers.
    fn counted(name: &str, shape: &[usize]) -> NamedArray {
        let bytes: Vec<u8> =
            (0..shape.iter().product()).flat_map(|n: usize| (n as f32).to_le_bytes()).collect();
        let tensor = Stored::new(shape.to_vec(), ElementType::F32, move || Ok(bytes.clone().into()));
        NamedArray { name: name.to_owned(), tensor }
    }

    fn numbers(array: &NamedArray) -> Vec<usize> {
        let bytes = array.tensor.read().unwrap();
        bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()) as usize).collect()
    }

    fn turned(
        class: &str,
        config: Json,
        origin: &Origin,
        arrays: Vec<NamedArray>,
    ) -> Result<Vec<NamedArray>> {
        modern_arrays(class, config.as_object().unwrap(), origin, arrays)
    }

    fn keras_2(backend: &str) -> Origin {
        Origin { keras_version: Some("2.1.3".to_owned()), backend: Some(backend.to_owned()) }
    }

    #[test]
    fn kernels_of_theano_run_backwards() {
        let config = json!({"filters": 1, "kernel_size": [2, 3], "data_format": "channels_last"});
        let arrays = || vec![counted("kernel", &[2, 3, 1, 1]), counted("bias", &[1])];
        let flipped = turned("Conv2D", config.clone(), &keras_2("theano"), arrays()).unwrap();
        assert_eq!(numbers(&flipped[0]), [5, 4, 3, 2, 1, 0]);
        assert_eq!(flipped[1].tensor.shape, [1]);
        let same = turned("Conv2D", config, &keras_2("tensorflow"), arrays()).unwrap();
        assert_eq!(numbers(&same[0]), [0, 1, 2, 3, 4, 5]);
        let inner = json!({"class_name": "Conv2D", "config": {"name": "c"}});
        let wrapped =
            turned("TimeDistributed", json!({"layer": inner}), &keras_2("theano"), arrays()).unwrap();
        assert_eq!(numbers(&wrapped[0]), [5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn layers_of_cudnn_are_laid_out_anew() {
        let (inputs, units) = (3, 2);
        let arrays = |gates: usize| {
            let shapes = [vec![inputs, gates * units], vec![units, gates * units], vec![2 * gates * units]];
            shapes.iter().map(|shape| counted("array", shape)).collect::<Vec<_>>()
        };
        for (class, gates, bias) in [("LSTM", 4, vec![8]), ("GRU", 3, vec![2, 6])] {
            let done = turned(class, json!({"units": 2}), &keras_2("tensorflow"), arrays(gates)).unwrap();
            let width = gates * units;
            let (kernel, recurrent) = (numbers(&done[0]), numbers(&done[1]));
            for (gate, row, unit) in
                (0..gates).flat_map(|g| (0..inputs).flat_map(move |r| (0..units).map(move |u| (g, r, u))))
            {
                // Element `row` of the row for `unit`, in a matrix that is stored as if it were the other way.
                let flat = unit * inputs + row;
                let stored = flat / units * width + gate * units + flat % units;
                assert_eq!(kernel[row * width + gate * units + unit], stored, "{class}");
                if row < units {
                    assert_eq!(
                        recurrent[row * width + gate * units + unit],
                        unit * width + gate * units + row
                    );
                }
            }
            assert_eq!(done[2].tensor.shape, bias);
        }
        let lstm = turned("LSTM", json!({"units": 2}), &keras_2("tensorflow"), arrays(4)).unwrap();
        assert_eq!(numbers(&lstm[2]), [8, 10, 12, 14, 16, 18, 20, 22]);
        let before = json!({"units": 2, "reset_after": false});
        assert!(turned("GRU", before, &keras_2("tensorflow"), arrays(3)).is_err());
    }

    #[test]
    fn arrays_that_are_not_those_of_the_layer_are_errors() {
        let gates = |count: usize| (0..count).map(|at| counted("gate", &[at + 1, 2])).collect();
        assert!(turned("LSTM", json!({}), &Origin::default(), gates(12)).is_err());
        let kernel = vec![counted("kernel", &[3, 2, 2, 2])];
        let config = json!({"filters": 5, "kernel_size": [7]});
        assert!(turned("Conv1D", config, &Origin::default(), kernel).is_err());
        for count in 0..4 {
            let _ = turned("Bidirectional", json!({"layer": {}}), &Origin::default(), gates(count));
        }
    }
}
