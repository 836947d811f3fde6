use burn::tensor::{DType, TensorData};

use super::*;
use crate::config::Dtype;
use crate::store::contract::{KerasVariable, ModuleParam};

/// Numbers that no two runs of a test differ in.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn len(&mut self) -> usize {
        1 + self.below(5)
    }

    fn is(&mut self) -> bool {
        self.below(2) == 0
    }

    fn data(&mut self, shape: &[usize]) -> TensorData {
        let numbers = (0..numbers(shape)).map(|_| self.below(1 << 20) as f32 / 1024.0 - 512.0);
        TensorData::new(numbers.collect::<Vec<_>>(), shape.to_vec())
    }
}

fn module(ty: &str, params: &[(&str, &[usize])]) -> ModuleUnit {
    let param = |(name, shape): &(&str, &[usize])| ModuleParam {
        name: (*name).to_owned(),
        shape: shape.to_vec(),
        dtype: DType::F32,
        axes: Vec::new(),
    };
    ModuleUnit { ty: ty.to_owned(), params: params.iter().map(param).collect(), ..ModuleUnit::default() }
}

fn keras(class: &str, variables: &[(&str, &[usize])]) -> KerasUnit {
    let variable = |(name, shape): &(&str, &[usize])| KerasVariable {
        name: (*name).to_owned(),
        shape: shape.to_vec(),
        dtype: Dtype::Float32,
        place: String::new(),
    };
    KerasUnit {
        class: class.to_owned(),
        variables: variables.iter().map(variable).collect(),
        ..KerasUnit::default()
    }
}

/// Names and shapes.
type Named = Vec<(String, Vec<usize>)>;

fn borrowed(named: &Named) -> Vec<(&str, &[usize])> {
    named.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
}

fn named<const N: usize>(all: [(&str, &[usize]); N]) -> Named {
    all.map(|(name, shape)| (name.to_owned(), shape.to_vec())).to_vec()
}

fn gate(name: &str, inputs: usize, units: usize, bias: bool) -> Named {
    let mut params = named([
        (&format!("{name}.input_transform.weight"), &[inputs, units]),
        (&format!("{name}.hidden_transform.weight"), &[units, units]),
    ]);
    if bias {
        params.insert(1, (format!("{name}.input_transform.bias"), vec![units]));
        params.push((format!("{name}.hidden_transform.bias"), vec![units]));
    }
    params
}

fn below(name: &str, all: &Named) -> Named {
    all.iter().map(|(inner, shape)| (format!("{name}.{inner}"), shape.clone())).collect()
}

/// A module and a layer that are the same, of random sizes. `bias` is whether both have what may be missing.
fn recurrent(ty: &str, bias: bool, random: &mut Random) -> (ModuleUnit, KerasUnit) {
    let (inputs, units) = (random.len(), random.len());
    let (class, gates): (_, &[&str]) = match ty.trim_start_matches("Bi") {
        "Lstm" => ("LSTM", &["input_gate", "forget_gate", "output_gate", "cell_gate"]),
        "Gru" => ("GRU", &["update_gate", "reset_gate", "new_gate"]),
        _ => ("SimpleRNN", &["gate"]),
    };
    let columns = gates.len() * units;
    let params: Named = gates.iter().flat_map(|name| gate(name, inputs, units, bias)).collect();
    let mut variables =
        named([("cell.kernel", &[inputs, columns]), ("cell.recurrent_kernel", &[units, columns])]);
    if bias {
        let rows = if class == "GRU" && random.is() { vec![2, columns] } else { vec![columns] };
        variables.push(("cell.bias".to_owned(), rows));
    }
    if !ty.starts_with("Bi") {
        return (module(ty, &borrowed(&params)), keras(class, &borrowed(&variables)));
    }
    let params = [below("forward", &params), below("reverse", &params)].concat();
    let variables = [below("forward_layer", &variables), below("backward_layer", &variables)].concat();
    (module(ty, &borrowed(&params)), keras("Bidirectional", &borrowed(&variables)))
}

fn convolution(ty: &str, depthwise: bool, bias: bool, random: &mut Random) -> (ModuleUnit, KerasUnit) {
    let rank = ty.chars().rev().nth(1).and_then(|digit| digit.to_digit(10)).unwrap() as usize;
    let window: Vec<usize> = (0..rank).map(|_| random.len()).collect();
    let (inputs, filters, times) = (random.len(), random.len(), random.len());
    let is_transpose = ty.starts_with("ConvTranspose");
    let (weight, kernel, class) = match (is_transpose, depthwise) {
        (true, _) => ([inputs, filters], vec![filters, inputs], format!("Conv{rank}DTranspose")),
        (_, true) => ([filters * times, 1], vec![filters, times], format!("DepthwiseConv{rank}D")),
        _ => ([filters, inputs], vec![inputs, filters], format!("Conv{rank}D")),
    };
    let outputs = if is_transpose { filters } else { weight[0] };
    let (weight, kernel) = ([weight.to_vec(), window.clone()].concat(), [window, kernel].concat());
    let count = 1 + usize::from(bias);
    let params: [(&str, &[usize]); 2] = [("weight", &weight), ("bias", &[outputs])];
    let variables: [(&str, &[usize]); 2] = [("kernel", &kernel), ("bias", &[outputs])];
    (module(ty, &params[..count]), keras(&class, &variables[..count]))
}

fn attention(ty: &str, bias: bool, random: &mut Random) -> (ModuleUnit, KerasUnit) {
    let (heads, size) = (random.len(), random.len());
    let joined = heads * size;
    let model = if ty == "CrossAttention" { random.len() } else { joined };
    let (mut params, mut variables) = (Named::new(), Named::new());
    for name in ["query", "key", "value"] {
        params.push((format!("{name}.weight"), vec![model, joined]));
        variables.push((format!("{name}_dense.kernel"), vec![model, heads, size]));
        if bias {
            params.push((format!("{name}.bias"), vec![joined]));
            variables.push((format!("{name}_dense.bias"), vec![heads, size]));
        }
    }
    params.push(("output.weight".to_owned(), vec![joined, model]));
    variables.push(("output_dense.kernel".to_owned(), vec![heads, size, model]));
    if bias {
        params.push(("output.bias".to_owned(), vec![model]));
        variables.push(("output_dense.bias".to_owned(), vec![model]));
    }
    (module(ty, &borrowed(&params)), keras("MultiHeadAttention", &borrowed(&variables)))
}

/// A pair that fits without rest.
fn pair(kind: &str, random: &mut Random) -> (ModuleUnit, KerasUnit) {
    let (a, b, c, d) = (random.len(), random.len(), random.len(), random.len());
    let bias = random.is();
    let count = 1 + usize::from(bias);
    let gamma_beta: [(&str, &[usize]); 2] = [("gamma", &[a * b]), ("beta", &[a * b])];
    match kind {
        "Dense" => {
            let params: [(&str, &[usize]); 2] = [("weight", &[a, b]), ("bias", &[b])];
            let variables: [(&str, &[usize]); 2] = [("kernel", &[a, b]), ("bias", &[b])];
            (module("Linear", &params[..count]), keras("Dense", &variables[..count]))
        }
        "EinsumDense" => {
            let params: [(&str, &[usize]); 2] = [("weight", &[a * b, c * (d + 1)]), ("bias", &[c * (d + 1)])];
            let variables: [(&str, &[usize]); 2] = [("kernel", &[a, b, c, d + 1]), ("bias", &[1, c, d + 1])];
            (module("Linear", &params[..count]), keras("EinsumDense", &variables[..count]))
        }
        "BatchNorm" => {
            let of = |names: [&str; 4]| names.map(|name| (name.to_owned(), vec![a])).to_vec();
            let params = of(["gamma", "beta", "running_mean", "running_var"]);
            let variables = of(["gamma", "beta", "moving_mean", "moving_variance"]);
            (module(kind, &borrowed(&params)), keras("BatchNormalization", &borrowed(&variables)))
        }
        "LayerNorm" => {
            let variables: [(&str, &[usize]); 2] = [("gamma", &[a, b]), ("beta", &[a, b])];
            (module(kind, &gamma_beta[..count]), keras("LayerNormalization", &variables[..count]))
        }
        "GroupNorm" | "InstanceNorm" => (module(kind, &gamma_beta), keras("GroupNormalization", &gamma_beta)),
        "RmsNorm" => (module(kind, &gamma_beta[..1]), keras("RMSNormalization", &[("scale", &[a * b])])),
        "Embedding" => (module(kind, &[("weight", &[a, b])]), keras(kind, &[("embeddings", &[a, b])])),
        "PRelu" => (module(kind, &[("alpha", &[a])]), keras("PReLU", &[("alpha", &[1, 1, a])])),
        "Lstm" | "BiLstm" | "Gru" | "BiGru" | "Rnn" | "BiRnn" => recurrent(kind, bias, random),
        "MultiHeadAttention" | "CrossAttention" => attention(kind, bias, random),
        "Depthwise1d" | "Depthwise2d" => {
            let ty = kind.replace("Depthwise", "Conv");
            convolution(&ty, true, bias, random)
        }
        "Keras:Conv2D" => {
            let mut unit = module(kind, &[("kernel", &[d, c, a, b]), ("bias", &[d])]);
            unit.params[0].axes = vec![3, 2, 0, 1];
            (unit, keras("Conv2D", &[("kernel", &[a, b, c, d]), ("bias", &[d])]))
        }
        "bare" => (module("Model", &[("scale", &[a, b])]), keras("Scale", &[("w", &[a, b])])),
        ty => convolution(ty, false, bias, random),
    }
}

const KINDS: &[&str] = &[
    "Dense",
    "EinsumDense",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Depthwise1d",
    "Depthwise2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "BatchNorm",
    "LayerNorm",
    "GroupNorm",
    "InstanceNorm",
    "RmsNorm",
    "Embedding",
    "PRelu",
    "Lstm",
    "BiLstm",
    "Gru",
    "BiGru",
    "Rnn",
    "BiRnn",
    "MultiHeadAttention",
    "CrossAttention",
    "Keras:Conv2D",
    "bare",
];

fn params_of(fit: &Fit, module: &ModuleUnit, keras: &KerasUnit, variables: &[TensorData]) -> Vec<TensorData> {
    let read = |at: usize| Ok(variables[at].clone());
    (0..module.params.len()).map(|at| fit.param_data(module, keras, at, &read).unwrap()).collect()
}

fn variables_of(fit: &Fit, module: &ModuleUnit, keras: &KerasUnit, params: &[TensorData]) -> Vec<TensorData> {
    let read = |at: usize| Ok(params[at].clone());
    let variable = |at| fit.variable_data(module, keras, at, &read).unwrap().unwrap();
    (0..keras.variables.len()).map(variable).collect()
}

#[test]
fn every_row_is_tried() {
    for (ty, _) in table::TABLE {
        assert!(*ty == "Linear" || KINDS.contains(ty), "{ty}");
        assert!(is_unit(ty));
    }
    assert!(!is_unit("GateController") && is_unit("Keras:Dense"));
}

#[test]
fn both_directions_are_each_others_inverse() {
    let mut random = Random(7);
    for kind in KINDS.iter().cycle().take(60 * KINDS.len()) {
        let (module, keras) = pair(kind, &mut random);
        let fit = fit(&module, &keras).unwrap();
        assert!(fit.surplus.is_empty() && fit.constant.is_empty(), "{kind}");
        let variables: Vec<_> = keras.variables.iter().map(|known| random.data(&known.shape)).collect();
        let params = params_of(&fit, &module, &keras, &variables);
        for (param, data) in module.params.iter().zip(&params) {
            assert_eq!(data.shape().to_vec(), param.shape, "{kind} {}", param.name);
        }
        assert_eq!(variables_of(&fit, &module, &keras, &params), variables, "{kind} {module:?} {keras:?}");

        let params: Vec<_> = module.params.iter().map(|known| random.data(&known.shape)).collect();
        let variables = variables_of(&fit, &module, &keras, &params);
        for (variable, data) in keras.variables.iter().zip(&variables) {
            assert_eq!(data.shape().to_vec(), variable.shape, "{kind} {}", variable.name);
        }
        let back = params_of(&fit, &module, &keras, &variables);
        for (at, (param, back)) in params.iter().zip(&back).enumerate() {
            let piece = fit.pieces.iter().find(|piece| piece.param == at).unwrap();
            let part = |known: &&crate::store::contract::Piece| {
                known.variable == piece.variable && known.window == piece.window && known.param != at
            };
            match fit.pieces.iter().find(part) {
                None => assert_eq!(back, param, "{kind}"),
                Some(_) if piece.adds => assert!(back.as_slice::<f32>().unwrap().iter().all(|n| *n == 0.0)),
                Some(other) => {
                    let both =
                        param.as_slice::<f32>().unwrap().iter().zip(params[other.param].as_slice().unwrap());
                    let sums: Vec<f32> = both.map(|(one, other): (&f32, &f32)| one + other).collect();
                    assert_eq!(back.as_slice::<f32>().unwrap(), sums, "{kind}");
                }
            }
        }
        let notes = fit.notes(&module, &keras, &|at| Ok(params[at].clone())).unwrap();
        assert_eq!(notes.is_empty(), fit.pieces.iter().all(|piece| !piece.adds), "{kind} {notes:?}");
    }
}

#[test]
fn a_new_file_has_what_fits() {
    let mut random = Random(11);
    for kind in KINDS.iter().cycle().take(10 * KINDS.len()) {
        let (module, _) = pair(kind, &mut random);
        let Some(class) = class_of(&module) else {
            // With biases, only the settings of the first two tell what they mean.
            let silent = ["Gru", "BiGru", "MultiHeadAttention", "CrossAttention", "bare"];
            assert!(silent.contains(kind), "{kind}");
            continue;
        };
        let keras = keras(&class.class, &borrowed(&class.variables));
        let fit = fit(&module, &keras).unwrap();
        assert!(fit.surplus.is_empty() && fit.constant.is_empty(), "{kind} {class:?}");
    }
}

#[test]
fn numbers_lie_where_the_definitions_say() {
    let mut random = Random(3);
    let (inputs, units) = (3, 2);
    let params: Named = ["input_gate", "forget_gate", "output_gate", "cell_gate"]
        .iter()
        .flat_map(|name| gate(name, inputs, units, true))
        .collect();
    let module = module("Lstm", &borrowed(&params));
    let keras =
        keras("LSTM", &[("cell.kernel", &[3, 8]), ("cell.recurrent_kernel", &[2, 8]), ("cell.bias", &[8])]);
    let variables: Vec<_> = keras.variables.iter().map(|known| random.data(&known.shape)).collect();
    let fit = fit(&module, &keras).unwrap();
    let data = params_of(&fit, &module, &keras, &variables);
    let kernel = variables[0].as_slice::<f32>().unwrap();
    for (at, gate) in ["input_gate", "forget_gate", "cell_gate", "output_gate"].iter().enumerate() {
        let name = format!("{gate}.input_transform.weight");
        let param = params.iter().position(|(known, _)| *known == name).unwrap();
        let weight = data[param].as_slice::<f32>().unwrap();
        for (row, column) in (0..inputs).flat_map(|row| (0..units).map(move |column| (row, column))) {
            assert_eq!(weight[row * units + column], kernel[row * 4 * units + at * units + column]);
        }
    }
}

#[test]
fn what_stays_in_order_is_not_copied() {
    let module = module("Linear", &[("weight", &[64, 48])]);
    let keras = keras("Dense", &[("kernel", &[64, 48])]);
    let fit = fit(&module, &keras).unwrap();
    let bytes = bytes::Bytes::from_owner(
        vec![0_u128; 64 * 48 / 4].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>(),
    );
    let shared = burn::tensor::Bytes::from_shared(bytes, burn::tensor::AllocationProperty::File);
    let data = TensorData::from_bytes(shared, vec![64, 48], DType::F32);
    let place = data.as_bytes().as_ptr();
    let read = |_: usize| Ok(data.clone());
    assert_eq!(fit.param_data(&module, &keras, 0, &read).unwrap().as_bytes().as_ptr(), place);
    assert_eq!(fit.variable_data(&module, &keras, 0, &read).unwrap().unwrap().as_bytes().as_ptr(), place);
}

#[test]
fn element_types_are_those_of_each_side() {
    let module = module("Linear", &[("weight", &[2, 3])]);
    for (dtype, burn) in
        [(Dtype::Float16, DType::F16), (Dtype::Bfloat16, DType::BF16), (Dtype::Float64, DType::F64)]
    {
        let mut keras = keras("Dense", &[("kernel", &[2, 3])]);
        keras.variables[0].dtype = dtype;
        let fit = fit(&module, &keras).unwrap();
        let data = TensorData::new(vec![1.0_f32, -2.0, 0.5, 4.0, 8.0, -0.25], [2, 3]);
        let stored = fit.variable_data(&module, &keras, 0, &|_| Ok(data.clone())).unwrap().unwrap();
        assert_eq!(stored.dtype(), burn);
        let read = fit.param_data(&module, &keras, 0, &|_| Ok(stored.clone())).unwrap();
        assert_eq!((read.dtype(), &read), (DType::F32, &data));
    }
}

#[test]
fn what_one_side_lacks_is_a_number() {
    let norm = module(
        "BatchNorm",
        &[("gamma", &[3]), ("beta", &[3]), ("running_mean", &[3]), ("running_var", &[3])],
    );
    let bare = keras("BatchNormalization", &[("moving_mean", &[3]), ("moving_variance", &[3])]);
    let fitting = fit(&norm, &bare).unwrap();
    assert_eq!(fitting.constant, [(0, 1.0), (1, 0.0)]);
    let ones = |_: usize| Ok(TensorData::new(vec![1.0_f32; 3], [3]));
    assert_eq!(fitting.param_data(&norm, &bare, 0, &ones).unwrap(), ones(0).unwrap());
    let notes = fitting.notes(&norm, &bare, &ones).unwrap();
    assert!(notes.len() == 1 && notes[0].starts_with("beta: "), "{notes:?}");

    let linear = module("Linear", &[("weight", &[2, 3])]);
    let dense = keras("Dense", &[("kernel", &[2, 3]), ("bias", &[3])]);
    let fitting = fit(&linear, &dense).unwrap();
    assert_eq!(fitting.surplus.len(), 1);
    let zeros = fitting.variable_data(&linear, &dense, 1, &ones).unwrap().unwrap();
    assert_eq!(zeros, TensorData::new(vec![0.0_f32; 3], [3]));
}

fn refused(module: &ModuleUnit, keras: &KerasUnit, said: &[&str]) {
    let message = fit(module, keras).unwrap_err().to_string();
    for said in said {
        assert!(message.contains(said), "{said:?} is not in {message:?}");
    }
}

#[test]
fn what_is_not_the_same_is_refused_with_both_shapes() {
    let linear = module("Linear", &[("weight", &[2, 3]), ("bias", &[3])]);
    refused(&linear, &keras("Dense", &[("kernel", &[3, 2]), ("bias", &[3])]), &["[2, 3]", "[3, 2]"]);
    refused(&linear, &keras("Embedding", &[("embeddings", &[2, 3])]), &["Linear", "Embedding"]);
    let lora = keras("Dense", &[("kernel", &[2, 3]), ("bias", &[3]), ("lora_kernel_a", &[2, 1])]);
    refused(&linear, &lora, &["lora_kernel_a"]);
    let along_time = keras("EinsumDense", &[("kernel", &[2, 3]), ("bias", &[3, 1])]);
    refused(&linear, &along_time, &["bias"]);

    let mut turned = keras("EinsumDense", &[("kernel", &[3, 3])]);
    turned.config.insert("equation".to_owned(), "abc,dc->abd".into());
    refused(&module("Linear", &[("weight", &[3, 3])]), &turned, &["equation"]);

    let coupled: Named =
        ["input_gate", "output_gate", "cell_gate"].iter().flat_map(|name| gate(name, 3, 2, false)).collect();
    let lstm = keras("LSTM", &[("cell.kernel", &[3, 8]), ("cell.recurrent_kernel", &[2, 8])]);
    refused(&module("Lstm", &borrowed(&coupled)), &lstm, &["forget_gate"]);

    let norm = module("LayerNorm", &[("gamma", &[3])]);
    let mut rms = keras("LayerNormalization", &[("gamma", &[3])]);
    rms.config.insert("rms_scaling".to_owned(), true.into());
    refused(&norm, &rms, &["rms_scaling"]);
    refused(&module("RmsNorm", &[("gamma", &[3])]), &rms, &["RmsNorm", "LayerNormalization"]);
}

#[test]
fn groups_are_told_from_instances() {
    let norm = module("InstanceNorm", &[("gamma", &[6]), ("beta", &[6])]);
    let mut groups = keras("GroupNormalization", &[("gamma", &[6]), ("beta", &[6])]);
    assert_eq!(fit(&norm, &groups).unwrap().notes.len(), 1);
    for (count, is_each) in [(-1, true), (6, true), (3, false)] {
        groups.config.insert("groups".to_owned(), count.into());
        assert_eq!(fit(&norm, &groups).is_ok_and(|fit| fit.notes.is_empty()), is_each, "{count}");
    }
}

#[test]
fn a_gru_tells_by_its_bias_when_it_resets() {
    let params: Named =
        ["update_gate", "reset_gate", "new_gate"].iter().flat_map(|name| gate(name, 3, 2, true)).collect();
    let module = module("Gru", &borrowed(&params));
    let gru = |bias: &[usize]| {
        keras("GRU", &[("cell.kernel", &[3, 6]), ("cell.recurrent_kernel", &[2, 6]), ("cell.bias", bias)])
    };
    assert!(fit(&module, &gru(&[2, 6])).unwrap().notes.is_empty());
    assert!(fit(&module, &gru(&[6])).unwrap().notes[0].contains("with_reset_after(false)"));
    let mut unlikely = gru(&[2, 6]);
    unlikely.config.insert("reset_after".to_owned(), false.into());
    refused(&module, &unlikely, &["reset"]);
}

#[test]
fn equations_of_matrices_are_told_from_others() {
    for equation in ["ab,bc->ac", "abc,cd->abd", "abc,bcde->ade", "...x,xy->...y", "abc, cde -> abde"] {
        assert!(table::is_matrix(equation), "{equation}");
    }
    for equation in
        ["ab,cb->ac", "abc,bcd->abd", "abc,cbd->ad", "ab,bc->ca", "abc,cde->abed", "ab,b->a", "ab"]
    {
        assert!(!table::is_matrix(equation), "{equation}");
    }
}

#[test]
fn groups_without_a_description_go_by_their_names_or_their_order() {
    let linear = module("Linear", &[("weight", &[2, 3]), ("bias", &[3])]);
    assert!(fit(&linear, &keras("dense_12", &[("kernel", &[2, 3]), ("bias", &[3])])).is_ok());
    assert!(fit(&linear, &keras("fc1", &[("0", &[2, 3]), ("1", &[3])])).is_ok());
    refused(&linear, &keras("dense", &[("0", &[2, 3]), ("1", &[3])]), &["kernel"]);
    refused(&linear, &keras("fc1", &[("0", &[3, 2]), ("1", &[3])]), &["[3, 2]"]);
}

#[test]
fn the_readme_lists_the_modules() {
    let mut names: Vec<String> = table::TABLE.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.sort_unstable();
    let readme: Vec<&str> = include_str!("../../../README.md").split_whitespace().collect();
    let list = names.join(", ");
    assert!(readme.join(" ").contains(&list), "the README should say: {list}");
}
