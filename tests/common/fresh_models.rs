//! Models that start in Rust, with something for each of their inputs.

use burn::tensor::{Device, Distribution, Int, Tensor};
use burn_keras::build::*;
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
    let y = Dense::new(1).activation("sigmoid").on(Concatenate::new().on([&read, &mean]));
    Functional::new([("tokens", &tokens)], [("y", &y)])
}

/// Models in a model, one of them used twice.
pub fn nested() -> Functional {
    let inner = Input::new([10, 3]);
    let y = Conv1D::new(4, 3).padding("causal").on(&inner);
    let tower = Functional::new(&inner, GlobalAveragePooling1D::new().on(&y)).name("tower");
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
    Functional::new(&x, Dense::new(2).on(GlobalAveragePooling2D::new().on(&h)))
}

/// Further kinds of layers that take images.
pub fn images() -> Sequential {
    Sequential::new()
        .with(Input::new([9, 8, 4]))
        .with(Resizing::new(10, 8).interpolation("nearest"))
        .with(RandomFlip::new().mode("horizontal"))
        .with(RandomRotation::new(0.1).fill_mode("nearest"))
        .with(CenterCrop::new(9, 8))
        .with(Rescaling::new(0.5).offset(0.1))
        .with(ZeroPadding2D::new().padding([[1, 0], [2, 1]]))
        .with(Conv2DTranspose::new(6, 2).strides(2))
        .with(GroupNormalization::new().groups(3))
        .with(GaussianNoise::new(0.1))
        .with(LeakyReLU::new().negative_slope(0.1))
        .with(SpatialDropout2D::new(0.2))
        .with(Cropping2D::new().cropping([1, 2]))
        .with(AveragePooling2D::new(2).strides(1).padding("same"))
        .with(UpSampling2D::new().size(2).interpolation("bilinear"))
        .with(Conv2D::new(4, 3).dilation_rate(2).groups(2).data_format("channels_last"))
        .with(ELU::new().alpha(0.7))
        .with(GlobalMaxPooling2D::new())
        .with(AlphaDropout::new(0.1))
        .with(Dense::new(4).activation(LeakyReLU::new()).kernel_initializer(Orthogonal::default()))
        .with(Softmax::new().axis(1))
}

/// Further kinds of layers that take sequences, and those that merge.
pub fn sequences() -> Functional {
    let x = Input::new([12, 4]).dtype("float32").batch_shape([None, Some(12), Some(4)]);
    let masked = Masking::new().mask_value(0.5).on(&x);
    let gru = GRU::new(4).return_sequences(true).dropout(0.1).on(&masked);
    let conv = Conv1D::new(4, 3).padding("same").activation("swish").on(&x);
    let depthwise = DepthwiseConv1D::new(3).padding("same").on(&conv);
    let separable = SeparableConv1D::new(4, 3).padding("same").on(&conv);
    let merged = [
        Average::new().on([&gru, &conv]),
        Maximum::new().on([&depthwise, &separable]),
        Minimum::new().on([&conv, &separable]),
        Multiply::new().on([&conv, &depthwise]),
        Subtract::new().on([&separable, &conv]),
    ];
    let sum = Add::new().on(merged.to_vec());
    let normal = RMSNormalization::new().on(&sum);
    let unit = UnitNormalization::new().on(&normal);
    let pooled = MaxPooling1D::new().on(&unit);
    let averaged = AveragePooling1D::new(3).strides(2).on(&unit);
    let wide = UpSampling1D::new().size(2).on(&pooled);
    let short = Cropping1D::new().cropping([1, 3]).on(&wide);
    let long = ZeroPadding1D::new().padding(1).on(Conv1DTranspose::new(4, 2).on(&averaged));
    let dot = Dot::new([2, 2]).normalize(true).on([&short, &long]);
    let flat = Flatten::new().on(Permute::new([2, 1]).on(&dot));
    let shaped = Reshape::new([8, -1]).on(&flat);
    let dropped = SpatialDropout1D::new(0.1).on(&shaped);
    let noisy = GaussianDropout::new(0.1).on(Activation::new("tanh").on(Identity::new().on(&dropped)));
    let repeated = RepeatVector::new(3).on(GlobalMaxPooling1D::new().on(&noisy));
    let y =
        Dense::new(2).on(ReLU::new().max_value(6.0).on(ActivityRegularization::new().l2(0.01).on(&repeated)));
    Functional::new(&x, &y)
}

/// A chain for volumes.
pub fn volumes() -> Sequential {
    Sequential::new()
        .with(Input::new([5, 6, 4, 2]))
        .with(Normalization::new().mean(0.2).variance(1.5))
        .with(ZeroPadding3D::new())
        .with(Conv3D::new(3, [2, 3, 2]).activation("elu"))
        .with(SpatialDropout3D::new(0.1))
        .with(MaxPooling3D::new().pool_size([1, 2, 1]))
        .with(Cropping3D::new())
        .with(UpSampling3D::new().size([1, 2, 2]))
        .with(Conv3DTranspose::new(2, 2))
        .with(AveragePooling3D::new(1))
        .with(GlobalAveragePooling3D::new().keepdims(true))
        .with(Flatten::new())
        .with(Dense::new(2))
}

/// Layers that attend, and cells.
pub fn attending() -> Functional {
    let x = Input::new([6, 8]);
    let with = |value: &KerasTensor| [("value", Structure::from(value))];
    let start = Dense::new(8).kernel_initializer(Orthogonal::default()).on(&x);
    let heads = MultiHeadAttention::new(2, 4).kernel_regularizer("l2").use_bias(false);
    let a = LayerNormalization::new().on(&(&start + &heads.on_with(&start, with(&start))));
    let b = GroupQueryAttention::new(3, 4, 2).use_bias(false).on_with(&a, with(&start));
    let scaled = Attention::new().use_scale(true).score_mode("concat").on([&a, &b]);
    let added = AdditiveAttention::new().on([&scaled, &b]);
    let wide = EinsumDense::new("abc,cd->abd", [Some(6), Some(5)]).bias_axes("d").on(&added);
    let even = SpectralNormalization::new(Dense::new(4)).on(&wide);
    let cells = StackedRNNCells::new([LSTMCell::new(3).into(), SimpleRNNCell::new(4).into()]);
    let steps = RNN::new(cells).return_sequences(true).on(&even);
    let images = Reshape::new([2, 3, 2, 2]).on(&steps);
    let y = ConvLSTM2D::new(2, 2).padding("same").on(&images);
    Functional::new(&x, Flatten::new().on(AdaptiveAveragePooling2D::new([2, 2]).on(&y)))
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
            name: "attending",
            model: attending().seed(1).build(device)?,
            inputs: vec![("input_layer", floats([3, 6, 8], device))],
        },
        Example {
            name: "images",
            model: images().seed(1).build(device)?,
            inputs: vec![("input_layer", floats([3, 9, 8, 4], device))],
        },
        Example {
            name: "sequences",
            model: sequences().seed(1).build(device)?,
            inputs: vec![("input_layer", floats([3, 12, 4], device))],
        },
        Example {
            name: "volumes",
            model: volumes().seed(1).build(device)?,
            inputs: vec![("input_layer", floats([3, 5, 6, 4, 2], device))],
        },
        Example {
            name: "residual",
            model: residual().seed(1).build(device)?,
            inputs: vec![("image", floats([3, 16, 16, 1], device))],
        },
    ])
}
