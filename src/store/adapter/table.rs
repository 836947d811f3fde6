//! One row for each type of burn-nn that is a layer of Keras.
//!
//! What no weights tell is up to whoever makes the module; the rows say what must be set for the same numbers.

use serde_json::Value as Json;

use super::form::{Form, Link, link, numbers, said, setting};
use crate::error::{Error, Result};
use crate::store::contract::{KerasUnit, ModuleParam, ModuleUnit};

type Row = (&'static str, fn(&ModuleUnit) -> Result<Vec<Form>>);

/// The types that are one unit with all that is below them.
pub(super) const TABLE: &[Row] = &[
    ("Linear", linear),
    ("Conv1d", conv::<1>),
    ("Conv2d", conv::<2>),
    ("Conv3d", conv::<3>),
    ("ConvTranspose1d", conv_transpose::<1>),
    ("ConvTranspose2d", conv_transpose::<2>),
    ("ConvTranspose3d", conv_transpose::<3>),
    ("BatchNorm", batch_norm),
    ("LayerNorm", layer_norm),
    ("GroupNorm", group_norm),
    ("InstanceNorm", instance_norm),
    ("RmsNorm", rms_norm),
    ("Embedding", embedding),
    ("PRelu", prelu),
    ("Lstm", lstm),
    ("BiLstm", |module| both_ways(module, lstm)),
    ("Gru", gru),
    ("BiGru", |module| both_ways(module, gru)),
    ("Rnn", rnn),
    ("BiRnn", |module| both_ways(module, rnn)),
    ("MultiHeadAttention", attention),
    ("CrossAttention", attention),
];

/// The shape of a parameter that the module must have.
fn dims<const D: usize>(module: &ModuleUnit, name: &str) -> Result<[usize; D]> {
    let param = module.params.iter().find(|param| param.name == name);
    param
        .and_then(|param| param.shape.as_slice().try_into().ok())
        .ok_or_else(|| Error::unsupported(format_args!("{}: expected {name} with {D} axes", said(module))))
}

/// The first of these parameters that the module has.
fn len_of(module: &ModuleUnit, names: &[&str]) -> Result<usize> {
    let param = module.params.iter().find(|param| names.contains(&param.name.as_str()));
    match param.map(|param| param.shape.as_slice()) {
        Some([len]) => Ok(*len),
        _ => Err(Error::unsupported(format_args!("{}: expected {}", said(module), names.join(" or ")))),
    }
}

/// `Linear` is `Dense`, and `EinsumDense` if its equation is the product with a matrix when axes are joined.
fn linear(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [inputs, outputs] = dims(module, "weight")?;
    let kernel = link("weight", "kernel", &[inputs, outputs]);
    let bias = link("bias", "bias", &[outputs]).or(0.0);
    Ok(vec![
        Form::new(&["Dense"], [kernel.clone(), bias.clone()]),
        Form::new(&["EinsumDense"], [kernel.split(), bias.last()]).unless(|keras| {
            let equation = setting(keras, "equation")?.as_str().unwrap_or_default();
            (!is_matrix(equation)).then_some("its equation is not the product with a matrix")
        }),
    ])
}

/// Whether the equation sums over the last axes of its input, which are the first of the kernel in the same order,
/// and gives the rest of the kernel as the last axes of its output: `abc,bcde->ade`.
pub(super) fn is_matrix(equation: &str) -> bool {
    let equation = equation.replace([' ', '.'], "");
    let parts =
        equation.split_once("->").and_then(|(inputs, output)| Some((inputs.split_once(',')?, output)));
    let Some(((input, kernel), output)) = parts else { return false };
    let summed: String = kernel.chars().take_while(|axis| input.contains(*axis)).collect();
    let Some(given) = kernel.strip_prefix(summed.as_str()) else { return false };
    match (input.strip_suffix(summed.as_str()), output.strip_suffix(given)) {
        (Some(batch), Some(same)) => {
            batch == same
                && !summed.is_empty()
                && !given.is_empty()
                && !given.contains(|axis| input.contains(axis))
        }
        _ => false,
    }
}

/// The order of the axes of a kernel `[spatial..., a, b]` as `[b, a, spatial...]`.
fn channels_in_front<const N: usize>() -> impl Iterator<Item = usize> {
    [N + 1, N].into_iter().chain(0..N)
}

/// `ConvNd` is `ConvND` of the same groups, and `DepthwiseConvND` if `groups` is the number of input channels.
///
/// Keras' `same` puts the odd one of the padding at the end: `PaddingConfig2d::Explicit(top, left, bottom, right)`
/// with `total = (ceil(length / stride) - 1) * stride + reach - length` (0 at least), half of it in front, rounded
/// down, and the rest behind; `reach = (kernel - 1) * dilation + 1`. Without strides and dilation `Same` is that.
fn conv<const N: usize>(module: &ModuleUnit) -> Result<Vec<Form>> {
    const PLAIN: [&str; 3] = ["Conv1D", "Conv2D", "Conv3D"];
    const DEPTHWISE: [&str; 2] = ["DepthwiseConv1D", "DepthwiseConv2D"];
    let (filters, inputs, window) = kernel::<N>(module)?;
    let bias = link("bias", "bias", &[filters]).or(0.0);
    let shape = [window.clone(), vec![inputs, filters]].concat();
    let mut forms = vec![Form::new(
        &[PLAIN[N - 1]],
        [link("weight", "kernel", &shape).moved(channels_in_front::<N>()), bias.clone()],
    )];
    if let (1, Some(class)) = (inputs, DEPTHWISE.get(N - 1)) {
        let shape = [window, vec![filters]].concat();
        let kernel = link("weight", "kernel", &shape).split().moved([N].into_iter().chain(0..N));
        forms.push(Form::new(&[class], [kernel, bias]));
    }
    Ok(forms)
}

/// `ConvTransposeNd` is `ConvNDTranspose`, without groups: a kernel `[spatial..., filters, channels]`, not flipped.
///
/// Keras' `valid` is no padding, with `padding_out = max(stride - reach, 0)`. Its `same` cuts the output to
/// `length * stride`; what is cut from the start is `reach - 1 - min((stride + reach - 1) / 2, reach - 1)`.
fn conv_transpose<const N: usize>(module: &ModuleUnit) -> Result<Vec<Form>> {
    const CLASSES: [&str; 3] = ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"];
    let (inputs, filters, window) = kernel::<N>(module)?;
    let shape = [window, vec![filters, inputs]].concat();
    let kernel = link("weight", "kernel", &shape).moved(channels_in_front::<N>());
    Ok(vec![Form::new(&[CLASSES[N - 1]], [kernel, link("bias", "bias", &[filters]).or(0.0)])])
}

/// The first two axes of the weight of a convolution, and the others.
fn kernel<const N: usize>(module: &ModuleUnit) -> Result<(usize, usize, Vec<usize>)> {
    let weight = module.params.iter().find(|param| param.name == "weight");
    match weight.map(|param| param.shape.as_slice()) {
        Some([first, second, window @ ..]) if window.len() == N => Ok((*first, *second, window.to_vec())),
        _ => Err(Error::unsupported(format_args!("{}: expected weight with {} axes", said(module), N + 2))),
    }
}

fn scale_and_center(channels: usize) -> [Link; 2] {
    [link("gamma", "gamma", &[channels]).or(1.0), link("beta", "beta", &[channels]).or(0.0)]
}

/// `BatchNorm` is `BatchNormalization`: `epsilon` is 1e-3 in Keras, and `momentum` the rest to 1 of Keras' (0.01 for
/// 0.99).
fn batch_norm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [channels] = dims(module, "gamma")?;
    let [gamma, beta] = scale_and_center(channels);
    let mean = link("running_mean", "moving_mean", &[channels]);
    let variance = link("running_var", "moving_variance", &[channels]);
    Ok(vec![Form::new(&["BatchNormalization"], [gamma, beta, mean, variance])])
}

/// Whether a setting is known to be that.
fn is(keras: &KerasUnit, key: &str, value: bool) -> bool {
    setting(keras, key).is_some_and(|known| *known == Json::Bool(value))
}

/// `LayerNorm` is `LayerNormalization` over the last axis, or over all axes that are joined for it. `epsilon` is 1e-3
/// in Keras.
fn layer_norm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [channels] = dims(module, "gamma")?;
    let [gamma, beta] = scale_and_center(channels);
    let form = Form::new(&["LayerNormalization"], [gamma.split(), beta.split()]);
    Ok(vec![form.unless(|keras| {
        let why = "with rms_scaling it divides by the root of the variance, and subtracts no mean";
        is(keras, "rms_scaling", true).then_some(why)
    })])
}

/// `GroupNorm` is `GroupNormalization` of as many groups. `epsilon` is 1e-3 in Keras.
fn group_norm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let channels = len_of(module, &["gamma", "beta"])?;
    Ok(vec![Form::new(&["GroupNormalization"], scale_and_center(channels))])
}

/// `InstanceNorm` is `GroupNormalization` with a group for every channel. `epsilon` is 1e-3 in Keras.
fn instance_norm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let channels = len_of(module, &["gamma", "beta"])?;
    let form = Form::new(&["GroupNormalization"], scale_and_center(channels));
    let form = form.unless(|keras| {
        let (groups, variable) = (setting(keras, "groups")?, keras.variables.first()?);
        let is_each = *groups == -1 || *groups == numbers(&variable.shape);
        (!is_each).then_some("it has no group for every channel")
    });
    Ok(vec![form.note(|keras| {
        let note = "only with a group for every channel (groups=-1) is a GroupNormalization an InstanceNorm";
        setting(keras, "groups").is_none().then(|| note.to_owned())
    })])
}

/// `RmsNorm` is `RMSNormalization` (`epsilon` is 1e-6 in Keras). `LayerNormalization` with `rms_scaling` is not, for
/// all its name: it divides by the root of the variance.
fn rms_norm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [channels] = dims(module, "gamma")?;
    Ok(vec![Form::new(&["RMSNormalization"], [link("gamma", "scale", &[channels]).split().or(1.0)])])
}

/// `Embedding` is `Embedding`, and the table of `ReversibleEmbedding`.
fn embedding(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [rows, columns] = dims(module, "weight")?;
    let table = link("weight", "embeddings", &[rows, columns]);
    let reverse = link("reverse", "reverse_embeddings", &[columns, rows]).or(0.0);
    Ok(vec![
        Form::new(&["Embedding"], [table.clone()]),
        Form::new(&["ReversibleEmbedding"], [table, reverse]),
    ])
}

/// `PRelu` is `PReLU` with one slope for each channel, `shared_axes` being all others.
fn prelu(module: &ModuleUnit) -> Result<Vec<Form>> {
    let [slopes] = dims(module, "alpha")?;
    Ok(vec![Form::new(&["PReLU"], [link("alpha", "alpha", &[slopes]).last()])])
}

/// The gates of a recurrent layer, in Keras' order, as parts of its variables.
fn gates(module: &ModuleUnit, gates: &[&str], bias_rows: usize) -> Result<Vec<Link>> {
    let first = gates.first().copied().unwrap_or_default();
    let [inputs, units] = dims(module, &format!("{first}.input_transform.weight"))?;
    let count = gates.len();
    let columns = units.saturating_mul(count);
    let all = |link: &dyn Fn(&str, usize) -> Link| {
        gates.iter().enumerate().map(|(at, gate)| link(gate, at)).collect::<Vec<_>>()
    };
    let kernel = |transform: &'static str, variable: &'static str, rows: usize| {
        all(&move |gate, at| {
            let weight = link(format!("{gate}.{transform}.weight"), variable, &[rows, columns]);
            weight.part(&[rows, count, units], 1, at)
        })
    };
    let bias = |transform: &'static str, row: usize| {
        all(&move |gate, at| {
            let (name, at) = (format!("{gate}.{transform}.bias"), row * count + at);
            let shape = if bias_rows == 2 { vec![2, columns] } else { vec![columns] };
            link(name, "cell.bias", &shape).part(&[bias_rows * count, units], 0, at).or(0.0)
        })
    };
    let hidden = match bias_rows {
        2 => bias("hidden_transform", 1),
        _ => bias("hidden_transform", 0).into_iter().map(Link::adds).collect(),
    };
    let kernels = [
        kernel("input_transform", "cell.kernel", inputs),
        kernel("hidden_transform", "cell.recurrent_kernel", units),
    ];
    Ok(kernels.into_iter().chain([bias("input_transform", 0), hidden]).flatten().collect())
}

/// `Lstm` is `LSTM`: its two biases are summed, so Keras' is the first and the second is 0. With `input_forget` it is
/// no layer of Keras. `reverse` is `go_backwards`, but for the order of the outputs, which Keras leaves turned.
fn lstm(module: &ModuleUnit) -> Result<Vec<Form>> {
    let links = gates(module, &["input_gate", "forget_gate", "cell_gate", "output_gate"], 1)?;
    Ok(vec![Form::new(&["LSTM"], links)])
}

/// `Gru` is `GRU` with the same `reset_after`, which is true in both unless said otherwise. Only the bias tells: `[2,
/// 3 * units]` with it, `[3 * units]` without.
fn gru(module: &ModuleUnit) -> Result<Vec<Form>> {
    let names = ["update_gate", "reset_gate", "new_gate"];
    let after = Form::new(&["GRU"], gates(module, &names, 2)?);
    let before = Form::new(&["GRU"], gates(module, &names, 1)?);
    Ok(vec![
        after.unless(|keras| {
            is(keras, "reset_after", false).then_some("it resets before the product, with one bias")
        }),
        before
            .unless(|keras| {
                is(keras, "reset_after", true).then_some("it resets after the product, with two biases")
            })
            .note(|_| {
                let note = "it has reset_after=False: the module must be made with_reset_after(false), too";
                Some(note.to_owned())
            }),
    ])
}

/// `Rnn` is `SimpleRNN`, with biases as an `Lstm` has them.
fn rnn(module: &ModuleUnit) -> Result<Vec<Form>> {
    Ok(vec![Form::new(&["SimpleRNN"], gates(module, &["gate"], 1)?)])
}

/// A module that runs both ways is `Bidirectional` with `merge_mode="concat"`.
fn both_ways(module: &ModuleUnit, one: fn(&ModuleUnit) -> Result<Vec<Form>>) -> Result<Vec<Form>> {
    let inner = |field: &str| {
        let params = module.params.iter().filter_map(|param| {
            let name = param.name.strip_prefix(field)?.strip_prefix('.')?.to_owned();
            Some(ModuleParam { name, ..param.clone() })
        });
        one(&ModuleUnit { params: params.collect(), ..module.clone() })
    };
    let forms = inner("forward")?.into_iter().zip(inner("reverse")?);
    let joined = forms.map(|(forward, reverse)| {
        let mut classes = vec!["Bidirectional".to_owned()];
        classes.extend(forward.classes.iter().cloned());
        let ahead = forward.links.iter().cloned().map(|link| link.below("forward", "forward_layer"));
        let back = reverse.links.into_iter().map(|link| link.below("reverse", "backward_layer"));
        let links = ahead.chain(back).collect();
        forward.with(classes, links)
    });
    Ok(joined.collect())
}

/// `MultiHeadAttention` is `MultiHeadAttention` with `key_dim * num_heads`, `value_dim * num_heads` and the size of
/// what goes in and out all the same; `CrossAttention` needs only `value_dim` to be `key_dim`, and is
/// `GroupQueryAttention`, too.
fn attention(module: &ModuleUnit) -> Result<Vec<Form>> {
    let mut links = Vec::new();
    for name in ["query", "key", "value", "output"] {
        let [inputs, outputs] = dims(module, &format!("{name}.weight"))?;
        let below = format!("{name}_dense");
        links.push(link("weight", "kernel", &[inputs, outputs]).split().below(name, &below));
        links.push(link("bias", "bias", &[outputs]).split().or(0.0).below(name, &below));
    }
    let classes: &[&str] = match module.ty.as_str() {
        "CrossAttention" => &["MultiHeadAttention", "GroupQueryAttention"],
        _ => &["MultiHeadAttention"],
    };
    Ok(vec![Form::new(classes, links).note(|keras| {
        let kernel = keras.variables.iter().find(|variable| variable.name.ends_with("query_dense.kernel"))?;
        let [.., heads, _] = kernel.shape.as_slice() else { return None };
        Some(format!("the module must be made with {heads} heads, as this {} is", keras.class))
    })])
}
