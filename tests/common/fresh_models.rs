//! Models that start in Rust, with something for each of their inputs.

use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_keras::build::{
    Add, BatchNormalization, Bidirectional, Concatenate, Conv1D, Conv2D, Dense, DepthwiseConv2D, Dropout,
    Embedding, Flatten, Functional, GRU, GlobalAveragePooling1D, GlobalAveragePooling2D, Input, LSTM,
    LayerNormalization, MaxPooling2D, PReLU, SeparableConv2D, Sequential, SimpleRNN, Structure,
    TimeDistributed,
};
use burn_keras::constraint::MaxNorm;
use burn_keras::initializer::{Orthogonal, TruncatedNormal};
use burn_keras::regularizer::L1L2;
use burn_keras::{KerasModel, Result, Value};

fn floats<const D: usize>(shape: [usize; D], device: &Device) -> Value {
    Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), device).into()
}

fn ints<const D: usize>(shape: [usize; D], below: i64, device: &Device) -> Value {
    let count = shape.iter().product::<usize>() as i64;
    let numbers = Tensor::<1, Int>::arange(0..count, device) * 7 + 3;
    numbers.remainder_scalar(below).reshape(shape).into()
}

/// A chain for images.
pub fn cnn() -> Sequential {
    Sequential::new()
        .with(Input::new([12, 12, 3]))
        .with(Conv2D::new(4, 3).activation("relu").padding("same"))
        .with(BatchNormalization::new())
        .with(MaxPooling2D::new())
        .with(DepthwiseConv2D::new(3).depth_multiplier(2))
        .with(SeparableConv2D::new(6, [3, 2]).padding("same").pointwise_regularizer("l2"))
        .with(PReLU::new().shared_axes([1, 2]).alpha_initializer("uniform"))
        .with(Flatten::new())
        .with(Dropout::new(0.3))
        .with(
            Dense::new(10)
                .activation("softmax")
                .kernel_constraint(MaxNorm { max_value: 1.5, ..MaxNorm::default() }),
        )
}

/// A graph with a way around, a layer that is used twice, arithmetic, two inputs and two outputs.
pub fn graph() -> Functional {
    let (left, right) = (Input::new([8]).name("left"), Input::new([8]).name("right"));
    let tower = Dense::new(5).activation("tanh").kernel_initializer("he_normal").name("tower");
    let (a, b) = (tower.on(&left), tower.on(&right));
    let skip = Dense::new(5).use_bias(false).on(&left);
    let around = Add::new().on([&a, &skip, &b]);
    let mixed = &(&around * &b) - &(&a / 2.0);
    let normal = LayerNormalization::new().on(&mixed);
    let joined = Concatenate::new().on([&normal, &left.tensor(), &(-&a)]);
    let outputs = [Dense::new(3).name("first").on(&joined), Dense::new(1).name("second").on(&around)];
    Functional::new([&left, &right], outputs).name("siamese")
}

/// Layers with state, one of which gives it to another.
pub fn rnn() -> Functional {
    let x = Input::new([None, Some(6)]);
    let encoder = LSTM::new(4)
        .return_sequences(true)
        .return_state(true)
        .recurrent_initializer(Orthogonal { gain: 0.9, ..Orthogonal::default() });
    let [sequence, hidden, carried] = encoder.on(&x).outputs();
    let decoder = LSTM::new(4).return_sequences(true);
    let decoded = decoder.on_with(&sequence, [("initial_state", Structure::from([&hidden, &carried]))]);
    let both = Bidirectional::new(GRU::new(3).return_sequences(true)).merge_mode("sum").on(&decoded);
    let steps = TimeDistributed::new(Dense::new(2).activation("relu")).on(&both);
    let y = SimpleRNN::new(3).on(&steps);
    Functional::new(&x, &y)
}

/// Words, some of which are masked.
pub fn words() -> Functional {
    let tokens = Input::new([7]).dtype("int32").name("tokens");
    let table = TruncatedNormal { stddev: 0.2, ..TruncatedNormal::default() };
    let x = Embedding::new(20, 6).mask_zero(true).embeddings_initializer(table).on(&tokens);
    let x = BatchNormalization::new().momentum(0.9).on(&x);
    let read = GRU::new(5).bias_regularizer(L1L2 { l1: 0.01, l2: 0.02 }).on(&x);
    let mean = GlobalAveragePooling1D::new().on(&x);
    let y = Dense::new(1).activation("sigmoid").on(&Concatenate::new().on([&read, &mean]));
    Functional::new([("tokens", &tokens)], [("y", &y)])
}

/// Models in a model, one of them used twice.
pub fn nested() -> Functional {
    let inner = Input::new([10, 3]);
    let y = Conv1D::new(4, 3).padding("causal").on(&inner);
    let tower = Functional::new(&inner, &GlobalAveragePooling1D::new().on(&y)).name("tower");
    let head = Sequential::new().with(Dense::new(6).activation("gelu")).with(Dense::new(2));
    let (a, b) = (Input::new([10, 3]), Input::new([10, 3]));
    let joined = Concatenate::new().on([&tower.on(&a), &tower.on(&b)]);
    Functional::new([&a, &b], [&head.on(&joined), &tower.on(&b)])
}

/// A residual network whose layers are made in a loop.
pub fn residual() -> Functional {
    let x = Input::new([16, 16, 1]).name("image");
    let mut h = Conv2D::new(4, 3).padding("same").on(&x);
    for stride in [1, 2] {
        let start = h.clone();
        for at in 0..2 {
            h = BatchNormalization::new().on(&h);
            h = Conv2D::new(4, 3).strides(if at == 0 { stride } else { 1 }).padding("same").on(&h);
        }
        h = &h + &Conv2D::new(4, 1).strides(stride).on(&start);
    }
    Functional::new(&x, &Dense::new(2).on(&GlobalAveragePooling2D::new().on(&h)))
}

/// A model by its name, and something to put into it.
pub struct Example {
    pub name: &'static str,
    pub model: KerasModel,
    pub inputs: Vec<(&'static str, Value)>,
}

/// All of them with fresh weights.
pub fn examples(device: &Device) -> Result<Vec<Example>> {
    device.seed(5);
    let image = || floats([3, 12, 12, 3], device);
    let steps = || floats([3, 10, 3], device);
    Ok(vec![
        Example { name: "cnn", model: cnn().seed(1).build(device)?, inputs: vec![("input_layer", image())] },
        Example {
            name: "graph",
            model: graph().seed(1).build(device)?,
            inputs: vec![("left", floats([3, 8], device)), ("right", floats([3, 8], device))],
        },
        Example {
            name: "rnn",
            model: rnn().seed(1).build(device)?,
            inputs: vec![("input_layer", floats([3, 5, 6], device))],
        },
        Example {
            name: "words",
            model: words().seed(1).build(device)?,
            inputs: vec![("tokens", ints([3, 7], 20, device))],
        },
        Example {
            name: "nested",
            model: nested().seed(1).build(device)?,
            inputs: vec![("input_layer", steps()), ("input_layer_1", steps())],
        },
        Example {
            name: "residual",
            model: residual().seed(1).build(device)?,
            inputs: vec![("image", floats([3, 16, 16, 1], device))],
        },
    ])
}
