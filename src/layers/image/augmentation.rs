//! What all random changes of images have in common: outside of training they change nothing.
//!
//! The random numbers are Burn's, so Keras' `seed` has no bearing on them. In training all images are
//! floats; Keras lets some layers add to bytes, which then run over.

use std::fmt::Debug;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use super::images;
use crate::config::{DataFormat, Dtype};
use crate::error::Result;
use crate::image::Layout;
use crate::layer::{Args, Context, Layer, Spec, Tree};
use crate::module::Training;
use crate::value::Value;

/// A random change of images.
pub(super) trait Augmentation: Debug + Send + Sync {
    /// Whether integers become floats even where nothing else happens to them. Keras has both.
    fn casts(&self) -> bool {
        true
    }

    /// Where the channels are.
    fn format(&self) -> Option<DataFormat>;

    /// Refuses a config that Keras refuses.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The shape of the changed images.
    fn shape(&self, input: &Spec) -> Result<Vec<Option<usize>>> {
        Ok(input.shape.clone())
    }

    /// Changes images, each in its own way.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - output: `[batch, channels, height, width]`
    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>>;
}

/// The outputs of a layer of such changes.
pub(super) fn outputs<A: Augmentation>(augmentation: &A, args: &Args<Spec>) -> Result<Tree<Spec>> {
    let input = images(args)?;
    augmentation.check()?;
    Layout::of(input, augmentation.format())?;
    let dtype = if augmentation.casts() && !input.dtype.is_float() { Dtype::Float32 } else { input.dtype };
    Ok(Spec::new(augmentation.shape(input)?, dtype).into())
}

/// Changes images at random in training, and not at all otherwise.
///
/// # Shapes
/// - inputs: `[batch, height, width, channels]`, for `channels_first` `[batch, channels, height, width]`,
///   or one image without the batch
/// - outputs: as the inputs
#[derive(Module, Debug)]
pub struct Augmented {
    training: Training,
    #[module(skip)]
    augmentation: Arc<dyn Augmentation>,
}

impl Augmented {
    pub(super) fn new<A: Augmentation + 'static>(augmentation: A) -> Self {
        Self { training: Training::default(), augmentation: Arc::new(augmentation) }
    }
}

impl Layer for Augmented {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let layout = Layout::of_value(&images, self.augmentation.format())?;
        if self.training.is_on(&images.device(), cx) && !images.shape().contains(&0) {
            return Ok(layout.give(self.augmentation.augment(layout.take(images)?)?)?.into());
        }
        let cast = self.augmentation.casts() && !images.is_float();
        Ok(if cast { images.cast(DType::F32)? } else { images }.into())
    }
}

/// Declares the config of an [`Augmentation`] with the keys that all of them have, and makes it a layer.
macro_rules! augmentation {
    ($(#[$meta:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        crate::layer_config! {
            $(#[$meta])*
            pub struct $name {
                $($fields)*
                /// Where the channels are.
                data_format: Option<crate::config::DataFormat> = None,
                /// For boxes around what is in the images.
                bounding_box_format: crate::config::Kept = crate::config::Kept::default(),
            }
        }

        impl crate::layer::LayerConfig for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];

            type Layer = crate::layers::image::augmentation::Augmented;

            fn outputs(
                &self,
                args: &crate::layer::Args<crate::layer::Spec>,
            ) -> crate::Result<crate::layer::Tree<crate::layer::Spec>> {
                crate::layers::image::augmentation::outputs(self, args)
            }

            fn build(
                &self,
                _: &crate::layer::Args<crate::layer::Spec>,
                _: &mut crate::layer::Weights<'_>,
            ) -> crate::Result<Self::Layer> {
                Ok(crate::layers::image::augmentation::Augmented::new(self.clone()))
            }
        }
    };
}
pub(super) use augmentation;
