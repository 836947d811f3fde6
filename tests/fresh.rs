//! Models that start in Rust.

use burn::tensor::{Device, Tensor};
use burn_keras::KerasModel;
use burn_keras::build::*;

fn cnn() -> Sequential {
    Sequential::new()
        .with(Input::new([12, 12, 3]))
        .with(Conv2D::new(4, 3).activation("relu").padding("same"))
        .with(BatchNormalization::new())
        .with(MaxPooling2D::new())
        .with(Conv2D::new(6, [3, 2]).strides([2, 1]).kernel_regularizer("l2"))
        .with(Flatten::new())
        .with(Dropout::new(0.3))
        .with(Dense::new(10).activation("softmax"))
        .seed(3)
}

#[test]
fn it_works() {
    let device = Device::flex();
    let model = cnn().build(&device).unwrap();
    println!("{}", model.summary());
    println!("{}", model.file().config());
    let y = model.predict(Tensor::<4>::ones([2, 12, 12, 3], &device)).unwrap().tensor::<2>().unwrap();
    println!("{y}");
    model.save("/tmp/fresh_cnn.keras").unwrap();
    let _again = KerasModel::load("/tmp/fresh_cnn.keras", &device).unwrap();
}
