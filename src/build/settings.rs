//! What can be given for the keys of a config, and the methods that take it.

use std::num::NonZeroUsize;

use serde_json::Value as Json;

use super::{Fresh, FreshLayer, Functional, Sequential};
use crate::activation::Activation;
use crate::config::{Array, Axes, Class, Described, Dtype, Field, Kept, Keyword, PerAxis};
use crate::initializer::Seed;
use crate::layer::{Child, LayerConfig, Row};
use crate::layers::{ColorRange, Factor, Margins, Vocabulary};

/// What can be given for a key of type `T`: a `T`, or what Keras would take in its place, such as a name.
///
/// Whether it makes sense is looked at when the model is built.
pub trait Setting<T> {
    /// It, as it stands in a config.
    fn json(self) -> Json;

    /// The kinds of layers in it.
    #[doc(hidden)]
    fn kinds(&self) -> Vec<Row> {
        Vec::new()
    }
}

impl<T: Field> Setting<T> for T {
    fn json(self) -> Json {
        self.write()
    }
}

impl<T: Field> Setting<Option<T>> for T {
    fn json(self) -> Json {
        self.write()
    }
}

impl<K: Keyword> Setting<K> for &str {
    fn json(self) -> Json {
        self.into()
    }
}

impl<K: Keyword> Setting<Option<K>> for &str {
    fn json(self) -> Json {
        self.into()
    }
}

impl<C: Class> Setting<Described<C>> for &str {
    fn json(self) -> Json {
        Described::<C>::from(self).write()
    }
}

/// Layers inside of a layer's settings.
macro_rules! layers {
    ($($(@ $kind:ident)? $from:ty => $to:ty;)+) => {
        $(impl$(<$kind: LayerConfig>)? Setting<$to> for $from {
            fn json(self) -> Json {
                FreshLayer::from(self).object()
            }

            fn kinds(&self) -> Vec<Row> {
                FreshLayer::from(self.clone()).kinds
            }
        })+
    };
}

layers! {
    @C Fresh<C> => Child;
    @C Fresh<C> => Option<Child>;
    @C Fresh<C> => Activation;
    FreshLayer => Child;
    FreshLayer => Option<Child>;
    FreshLayer => Activation;
    Sequential => Child;
    Functional => Child;
}

impl<const N: usize> Setting<Vec<Child>> for [FreshLayer; N] {
    fn json(self) -> Json {
        self.iter().map(FreshLayer::object).collect()
    }

    fn kinds(&self) -> Vec<Row> {
        self.iter().flat_map(|layer| layer.kinds.clone()).collect()
    }
}

/// Further types of which something may be given.
macro_rules! given {
    ($($from:ty => $($to:ty),+;)+) => {
        $($(impl Setting<$to> for $from {
            fn json(self) -> Json {
                self.into()
            }
        })+)+
    };
}

given! {
    &str => Activation, Dtype, Option<Dtype>, String, Option<String>;
    usize => NonZeroUsize, Option<NonZeroUsize>, PerAxis, Option<PerAxis>, Margins;
    i64 => Axes, Option<Axes>;
    f64 => Array, Option<Array>, Factor, Option<Factor>;
    u64 => Seed, Kept;
    Json => Kept;
}

/// Arrays for which lists may stand.
macro_rules! lists {
    ($($from:ty => $($to:ty),+;)+) => {
        $($(impl<const N: usize> Setting<$to> for [$from; N] {
            fn json(self) -> Json {
                self.into_iter().map(|item| Setting::<$from>::json(item)).collect()
            }
        })+)+
    };
}

lists! {
    usize => PerAxis, Option<PerAxis>, Margins, Vec<usize>, Option<Vec<usize>>;
    i64 => Axes, Option<Axes>, Vec<i64>, Option<Vec<i64>>, Vec<Option<i64>>;
    [usize; 2] => Margins;
    Option<usize> => Vec<Option<usize>>, Option<Vec<Option<NonZeroUsize>>>;
    f64 => Array, Option<Array>, Vec<f64>, Option<Vec<f64>>, Factor, Option<Factor>, ColorRange;
}

impl<const N: usize> Setting<Option<Vocabulary>> for [&str; N] {
    fn json(self) -> Json {
        self.into_iter().collect()
    }
}

impl Setting<[usize; 2]> for [usize; 2] {
    fn json(self) -> Json {
        self.into_iter().collect()
    }
}

/// [`config!`](crate::config!) for a kind of layer: beside the config it declares how a fresh layer of
/// that kind is made.
macro_rules! layer_config {
    ($(#[$meta:meta])* pub struct $name:ident $(<const $generic:ident: usize>)? { $($fields:tt)* }) => {
        $crate::config! {
            $(#[$meta])* pub struct $name $(<const $generic: usize>)? { $($fields)* }
        }
        $crate::build::settings! { [$name $(<const $generic: usize>)?] [] [] $($fields)* }
    };
}

/// The constructor, with what a config cannot do without, and a method for every key.
macro_rules! settings {
    ($head:tt [$($required:tt)*] [$($all:tt)*]
        $(#[$meta:meta])* $key:ident: $ty:ty = $default:expr, $($rest:tt)*) => {
        $crate::build::settings! {
            $head [$($required)*] [$($all)* $(#[$meta])* $key: $ty,] $($rest)*
        }
    };
    ($head:tt [$($required:tt)*] [$($all:tt)*] $(#[$meta:meta])* $key:ident: $ty:ty, $($rest:tt)*) => {
        $crate::build::settings! {
            $head [$($required)* $key: $ty,] [$($all)* $(#[$meta])* $key: $ty,] $($rest)*
        }
    };
    ([$name:ident $(<const $generic:ident: usize>)?] [$($required:ident: $required_ty:ty,)*]
        [$($(#[$meta:meta])* $key:ident: $ty:ty,)*]) => {
        impl $(<const $generic: usize>)? $crate::build::Fresh<$name $(<$generic>)?> {
            /// A layer with Keras' defaults, but for what has none.
            #[must_use]
            pub fn new($($required: impl $crate::build::Setting<$required_ty>),*) -> Self {
                Self::bare()$(.set::<$required_ty>(stringify!($required), $required))*
            }

            $($(#[$meta])*
            #[must_use]
            pub fn $key(self, $key: impl $crate::build::Setting<$ty>) -> Self {
                self.set::<$ty>(stringify!($key), $key)
            })*
        }
    };
}

pub(crate) use {layer_config, settings};
