//! Values of a Keras config, and [`config!`](crate::config!), which declares a config once for both
//! directions.

use std::num::NonZeroUsize;

use serde_json::{Map, Value as Json};

use super::{Reader, json, list};

use crate::error::Error;

/// The largest integer that a config may hold: sums and products of a few of them cannot overflow.
const LARGEST: u64 = i32::MAX as u64;

/// A value that appears in a config, in both directions.
pub trait Field: Sized {
    /// What is expected, for the error message: `a positive integer`.
    const EXPECTED: &'static str;

    /// Reads the value; `None` after noting what is wrong.
    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self>;

    /// Writes the value as Keras would.
    fn write(&self) -> Json;

    /// What an absent key means when the config declares no default.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether it means the same as another value.
    fn is_like(&self, other: &Self) -> bool {
        self.write() == other.write()
    }

    /// How a value reads in Rust source, where the method of a [fresh layer](crate::build::Fresh) takes it, if it
    /// has such a form.
    #[must_use]
    fn source(json: &Json) -> Option<String> {
        let _ = json;
        None
    }

    /// How a list of such values reads there.
    #[must_use]
    fn list_source(json: &Json) -> Option<String> {
        let _ = json;
        None
    }
}

/// Notes that `json` is not what `T` expects.
pub fn refuse<T: Field>(json: &Json, reader: &mut Reader<'_>) -> Option<T> {
    reader.push(Error::config(format_args!("expected {}, got {}", T::EXPECTED, brief(json))));
    None
}

/// A value as it may stand in a message: short.
#[must_use]
pub fn brief(json: &Json) -> String {
    let text = json::print(json);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

macro_rules! plain_field {
    ($ty:ty, $expected:literal, $read:expr $(, $list:ident)?) => {
        impl Field for $ty {
            const EXPECTED: &'static str = $expected;

            fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
                let read: fn(&Json) -> Option<Self> = $read;
                read(json).or_else(|| refuse(json, reader))
            }

            fn write(&self) -> Json {
                Json::from(self.clone())
            }

            fn source(json: &Json) -> Option<String> {
                let read: fn(&Json) -> Option<Self> = $read;
                read(json).map(|value| format!("{value:?}"))
            }

            $(fn list_source(json: &Json) -> Option<String> {
                $list::<Self>(json)
            })?
        }
    };
}

plain_field!(bool, "true or false", |json| json.as_bool());
plain_field!(String, "a string", |json| json.as_str().map(Into::into));
plain_field!(i64, "an integer", |json| json.as_i64().filter(|n| n.unsigned_abs() <= LARGEST), list);
plain_field!(
    usize,
    "a non-negative integer",
    |json| { json.as_u64().filter(|n| *n <= LARGEST).and_then(|n| usize::try_from(n).ok()) },
    list
);

impl Field for f64 {
    const EXPECTED: &'static str = "a number";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        json.as_f64().or_else(|| json::marked_number(json)).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        json::number(*self)
    }

    fn source(json: &Json) -> Option<String> {
        json.as_f64().filter(|number| number.is_finite()).map(|number| format!("{number:?}"))
    }

    fn list_source(json: &Json) -> Option<String> {
        list::<Self>(json)
    }
}

impl Field for NonZeroUsize {
    const EXPECTED: &'static str = "a positive integer";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let small = json.as_u64().filter(|n| *n <= LARGEST).and_then(|n| usize::try_from(n).ok());
        small.and_then(NonZeroUsize::new).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        self.get().into()
    }

    fn source(json: &Json) -> Option<String> {
        usize::source(json)
    }
}

impl<T: Field> Field for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        if json.is_null() { Some(None) } else { T::read(json, reader).map(Some) }
    }

    fn write(&self) -> Json {
        self.as_ref().map_or(Json::Null, Field::write)
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.is_like(other),
            (one, other) => one.is_none() == other.is_none(),
        }
    }

    fn source(json: &Json) -> Option<String> {
        if json.is_null() { None } else { T::source(json) }
    }
}

impl<T: Field> Field for Vec<T> {
    const EXPECTED: &'static str = "a list";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = json.as_array() else { return refuse(json, reader) };
        let read: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| reader.at(format_args!("[{index}]"), |reader| T::read(item, reader)))
            .collect();
        read.into_iter().collect()
    }

    fn write(&self) -> Json {
        self.iter().map(Field::write).collect()
    }

    fn source(json: &Json) -> Option<String> {
        T::list_source(json)
    }
}

/// A value that only fresh weights or training need, such as an initializer: kept as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept(pub Option<Json>);

impl Kept {
    /// Whether there is something, and not Python's `None`.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|json| !json.is_null())
    }
}

impl Field for Kept {
    const EXPECTED: &'static str = "anything";

    fn read(json: &Json, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self(Some(json.clone())))
    }

    fn write(&self) -> Json {
        self.0.clone().unwrap_or(Json::Null)
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }

    fn source(json: &Json) -> Option<String> {
        json.as_u64().map(|number| number.to_string())
    }
}

/// One integer for every axis, or a list with one for each: Keras takes either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerAxis {
    /// The same for every axis.
    One(usize),
    /// One for each.
    Each(Vec<usize>),
}

impl PerAxis {
    /// The numbers of `count` axes.
    ///
    /// # Errors
    /// When there is another number of them.
    pub fn numbers(&self, count: usize) -> crate::Result<Vec<usize>> {
        match self {
            Self::One(number) => Ok(vec![*number; count]),
            Self::Each(numbers) if numbers.len() == count => Ok(numbers.clone()),
            Self::Each(numbers) => {
                Err(Error::config(format_args!("expected {count} integers, got {numbers:?}")))
            }
        }
    }

    /// The numbers of `count` axes, none of them zero.
    ///
    /// # Errors
    /// When there is another number of them, or one is zero.
    pub fn positive(&self, count: usize) -> crate::Result<Vec<usize>> {
        let numbers = self.numbers(count)?;
        match numbers.contains(&0) {
            true => Err(Error::config(format_args!("expected positive integers, got {numbers:?}"))),
            false => Ok(numbers),
        }
    }
}

impl Field for PerAxis {
    const EXPECTED: &'static str = "an integer or a list of them";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::Each),
            Json::Number(_) => usize::read(json, reader).map(Self::One),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::One(number) => number.write(),
            Self::Each(numbers) => numbers.write(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::Each(each)) | (Self::Each(each), Self::One(one)) => {
                !each.is_empty() && each.iter().all(|number| number == one)
            }
            (one, other) => one == other,
        }
    }

    fn source(json: &Json) -> Option<String> {
        usize::source(json).or_else(|| usize::list_source(json))
    }
}

/// Axes as Keras gives them: an integer or a list, negative counting from the end, the batch included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axes {
    /// A single axis.
    One(i64),
    /// Several.
    Many(Vec<i64>),
}

impl Axes {
    /// The axes of a value of `rank`, counted from the front, in ascending order.
    ///
    /// # Errors
    /// When one is out of range or there twice.
    pub fn resolve(&self, rank: usize) -> crate::Result<Vec<usize>> {
        let given = match self {
            Self::One(axis) => std::slice::from_ref(axis),
            Self::Many(axes) => axes,
        };
        let mut axes =
            given.iter().map(|axis| resolve_axis(*axis, rank)).collect::<crate::Result<Vec<_>>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::config(format_args!("axis given twice in {given:?}")));
        }
        Ok(axes)
    }
}

/// An axis counted from the front.
///
/// # Errors
/// When it is out of range.
pub fn resolve_axis(axis: i64, rank: usize) -> crate::Result<usize> {
    let bound = i64::try_from(rank).unwrap_or(i64::MAX);
    let resolved = if axis < 0 { axis + bound } else { axis };
    usize::try_from(resolved)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| Error::config(format_args!("axis {axis} is out of range for a value of rank {rank}")))
}

impl Field for Axes {
    const EXPECTED: &'static str = "an integer or a list of them";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::Many),
            Json::Number(_) => i64::read(json, reader).map(Self::One),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::One(axis) => (*axis).into(),
            Self::Many(axes) => axes.write(),
        }
    }

    fn source(json: &Json) -> Option<String> {
        i64::source(json).or_else(|| i64::list_source(json))
    }
}

/// A config of a layer or another Keras object: what `get_config` returns in Python.
pub trait Config: Sized {
    /// The keys that it knows, without those that every layer has.
    const KEYS: &'static [&'static str];

    /// The same, with their defaults and types; nothing for a config that is not declared by
    /// [`config!`](crate::config!).
    const SOURCES: &'static [super::Key] = &[];

    /// Reads a config; `None` after noting everything that is wrong.
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self>;

    /// Writes the config as Keras would.
    fn write(&self) -> Map<String, Json>;
}

/// Reads one key. The work of [`config!`](crate::config!).
pub fn read_key<T: Field>(
    json: &Map<String, Json>,
    key: &str,
    default: Option<T>,
    reader: &mut Reader<'_>,
) -> Option<T> {
    reader.at(key, |reader| match json.get(key) {
        Some(value) => T::read(value, reader),
        None => default.or_else(T::absent).or_else(|| {
            reader.push(Error::config(format_args!("missing: expected {}", T::EXPECTED)));
            None
        }),
    })
}

/// A set of words, declared by [`keywords!`](crate::keywords!).
pub trait Keyword: Field {}

/// A set of words of which a key holds one, declared once for both directions.
///
/// ```
/// burn_keras::keywords! {
///     /// How a bridge is crossed.
///     pub enum Crossing { Walk = "walk", Ride = "ride" }
/// }
/// ```
#[macro_export]
macro_rules! keywords {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $(#[$variant_meta])* $variant),+
        }
        impl $crate::config::Keyword for $name {}
        impl $crate::config::Field for $name {
            const EXPECTED: &'static str = concat!("one of", $(" ", $word),+);

            fn read(json: &$crate::config::Json, reader: &mut $crate::config::Reader<'_>) -> Option<Self> {
                match json.as_str() {
                    $(Some($word) => Some(Self::$variant),)+
                    _ => $crate::config::refuse(json, reader),
                }
            }

            fn write(&self) -> $crate::config::Json {
                match self { $(Self::$variant => $word.into()),+ }
            }

            fn source(json: &$crate::config::Json) -> Option<String> {
                json.as_str().filter(|word| [$($word),+].contains(word)).map(|word| format!("{word:?}"))
            }
        }
    };
}

/// Declares a config: the struct, its defaults, reading and writing, from one list of keys.
///
/// A key without a default is required. The struct gets public fields and the
/// [`Config`](crate::config::Config) trait, and [`Default`] when nothing is required.
///
/// ```
/// burn_keras::config! {
///     /// Multiplies by a constant.
///     pub struct ScaleConfig {
///         /// The factor.
///         factor: f64,
///         /// Whether to do it at all.
///         enabled: bool = true,
///     }
/// }
/// ```
#[macro_export]
macro_rules! config {
    ($(#[$meta:meta])* pub struct $name:ident $(<const $generic:ident: usize>)? {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty = $default:expr,)*
    }) => {
        $crate::config! {
            @declare $(#[$meta])* pub struct $name $(<const $generic: usize>)? {
                $($(#[$field_meta])* $field: $ty = $default,)*
            }
        }
        impl $(<const $generic: usize>)? Default for $name $(<$generic>)? {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident $(<const $generic:ident: usize>)? { $($fields:tt)* }) => {
        $crate::config! {
            @declare $(#[$meta])* pub struct $name $(<const $generic: usize>)? { $($fields)* }
        }
    };
    (@is_required) => { true };
    (@is_required $default:expr) => { false };
    (@declare $(#[$meta:meta])* pub struct $name:ident $(<const $generic:ident: usize>)? {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty $(= $default:expr)?,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<const $generic: usize>)? {
            $($(#[$field_meta])* pub $field: $ty,)*
        }
        impl $(<const $generic: usize>)? $crate::config::Config for $name $(<$generic>)? {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];

            const SOURCES: &'static [$crate::config::Key] = &[$($crate::config::Key {
                name: stringify!($field),
                is_required: $crate::config!(@is_required $($default)?),
                is_default: |json| {
                    #[allow(unused_mut, unused_assignments)]
                    let mut default: Option<$ty> = None;
                    $(default = Some($default);)?
                    $crate::config::means(json, default)
                },
                source: <$ty as $crate::config::Field>::source,
            }),*];

            #[allow(unused_mut, unused_assignments, unused_variables)]
            fn read(
                json: &$crate::config::Map<String, $crate::config::Json>,
                reader: &mut $crate::config::Reader<'_>,
            ) -> Option<Self> {
                $(let $field = {
                    let mut default: Option<$ty> = None;
                    $(default = Some($default);)?
                    $crate::config::read_key(json, stringify!($field), default, reader)
                };)*
                Some(Self { $($field: $field?,)* })
            }

            #[allow(unused_mut)]
            fn write(&self) -> $crate::config::Map<String, $crate::config::Json> {
                let mut json = $crate::config::Map::new();
                $(json.insert(stringify!($field).into(), $crate::config::Field::write(&self.$field));)*
                json
            }
        }
    };
}
