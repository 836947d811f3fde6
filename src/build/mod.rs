//! Models that start in Rust, without a file. The words are those of Keras.
//!
//! A chain of layers:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_keras::build::{Conv2D, Dense, Flatten, Input, MaxPooling2D, Sequential};
//!
//! let device = Device::flex();
//! let model = Sequential::new()
//!     .with(Input::new([28, 28, 1]))
//!     .with(Conv2D::new(32, 3).activation("relu"))
//!     .with(MaxPooling2D::new())
//!     .with(Flatten::new())
//!     .with(Dense::new(10).activation("softmax").kernel_initializer("he_normal"))
//!     .build(&device)?;
//! let y = model.predict(Tensor::<4>::ones([2, 28, 28, 1], &device))?;
//! assert_eq!(y.tensor::<2>()?.dims(), [2, 10]);
//! # Ok::<(), burn_keras::Error>(())
//! ```
//!
//! A graph of layers, here with two inputs, a layer that is used twice, and arithmetic:
//!
//! ```
//! use burn::tensor::Device;
//! use burn_keras::build::{Concatenate, Dense, Functional, Input};
//!
//! let (left, right) = (Input::new([8]).name("left"), Input::new([8]).name("right"));
//! let tower = Dense::new(4).activation("relu");
//! let (a, b) = (tower.on(&left), tower.on(&right));
//! let both = Concatenate::new().on([&(&a + &b), &(&a * &b)]);
//! let model = Functional::new([&left, &right], &Dense::new(1).on(&both)).build(&Device::flex())?;
//! assert_eq!(model.input_names(), ["left", "right"]);
//! # Ok::<(), burn_keras::Error>(())
//! ```
//!
//! What comes of it is a [`KerasModel`](crate::KerasModel) like one out of a file; saved, it opens in
//! Keras. Nothing is looked at before `build`, which tells everything that is wrong at once.

mod aliases;
mod fresh;
mod functional;
mod layer;
mod operators;
mod order;
mod sequential;
mod settings;
mod tensor;

pub(crate) use aliases::ALIASES;
pub use aliases::*;
pub use functional::Functional;
pub use layer::{Fresh, FreshLayer};
pub use sequential::Sequential;
pub use settings::Setting;
pub(crate) use settings::{layer_config, settings};
pub use tensor::{KerasTensor, Structure};
