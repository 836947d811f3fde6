//! Objects of Keras inside of a layer's config: initializers, regularizers, constraints.

use serde_json::{Map, Value as Json};

use super::{Field, Object, Reader, brief};
use crate::error::{Error, Result};

/// The classes of one kind of object, such as initializers. The work of `classes!`.
pub trait Class: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// What they are, for messages: `initializer`.
    const KIND: &'static str;
    /// Where Keras has them: `keras.initializers`.
    const MODULE: &'static str;
    /// The class that wraps functions, where a function is not the class of the same name.
    const WRAPPER: Option<&'static str> = None;
    /// The names of all of them.
    const CLASSES: &'static [&'static str];

    /// Reads the object of that class or alias; `None` after noting what is wrong.
    fn read(name: &str, config: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self>;

    /// The name of the class.
    fn class(&self) -> &'static str;

    /// What `get_config` returns.
    fn config(&self) -> Map<String, Json>;
}

/// An object of one of the classes `C`, or none, as a config has it: by name or with a config of its
/// own.
///
/// One that is not understood, such as a class of the model's author, is kept like any other. It is an
/// error only to ask for what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct Described<C> {
    meaning: Result<Option<C>, String>,
    json: Json,
}

impl<C: Class> Described<C> {
    /// No object: Python's `None`.
    #[must_use]
    pub fn none() -> Self {
        Self { meaning: Ok(None), json: Json::Null }
    }

    /// Whether there is no object.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.json.is_null()
    }

    /// The object, if there is one.
    ///
    /// # Errors
    /// When there is one that is not understood.
    pub fn get(&self) -> Result<Option<&C>> {
        self.meaning.as_ref().map(Option::as_ref).map_err(Error::unsupported)
    }

    /// The object that `json` describes.
    #[must_use]
    pub fn of(json: &Json) -> Self {
        Self { meaning: understand(json).map_err(|error| error.to_string()), json: json.clone() }
    }
}

fn understand<C: Class>(json: &Json) -> Result<Option<C>> {
    let none = Map::new();
    let mut settings = Map::new();
    let (name, config) = match (json, Object::of(json), function(json), C::WRAPPER) {
        (Json::Null, ..) => return Ok(None),
        (Json::Object(_), _, Some(_), Some(wrapper)) => {
            settings.insert("fn".to_owned(), json.clone());
            (wrapper, &settings)
        }
        (_, _, Some(name), _) => (name, &none),
        (_, Some(object), ..) if is_of_keras(&object) => {
            match wrapped(&object).filter(|_| C::WRAPPER.is_none()) {
                // The class that is this function has the same settings.
                Some(name) => {
                    settings.extend(object.config.iter().filter(|(key, _)| *key != "fn").map(cloned));
                    (name, &settings)
                }
                None => (object.class, object.config),
            }
        }
        (_, Some(object), ..) => {
            return Err(foreign::<C>(object.text("registered_name").unwrap_or(object.class)));
        }
        _ => return Err(Error::unsupported(format_args!("the {} {}", C::KIND, brief(json)))),
    };
    let object = Reader::alone(|reader| C::read(name, config, reader));
    // A name alone may be misspelt; a function that was saved is somebody's.
    match json.is_object() && function(json) == Some(name) {
        true => object.map_err(|_| foreign::<C>(name)),
        false => object,
    }
}

fn foreign<C: Class>(name: &str) -> Error {
    Error::unsupported(format_args!("the {} {name:?}, which is not of Keras", C::KIND))
}

fn cloned((key, value): (&String, &Json)) -> (String, Json) {
    (key.clone(), value.clone())
}

/// The name of a function, by itself or as Keras writes functions.
pub(crate) fn function(json: &Json) -> Option<&str> {
    json.as_str().or_else(|| {
        (json.get("class_name")?.as_str()? == "function").then(|| json.get("config")?.as_str()).flatten()
    })
}

/// The function that an object such as a `LossFunctionWrapper` wraps.
pub(crate) fn wrapped<'a>(object: &Object<'a>) -> Option<&'a str> {
    object.class.ends_with("Wrapper").then(|| function(object.config.get("fn")?)).flatten()
}

/// Whether it is not a class of somebody else's that only has a familiar name.
fn is_of_keras(object: &Object<'_>) -> bool {
    let is = |key: &str, known: fn(&str, &str) -> bool| {
        object.text(key).is_none_or(|text| known(text, object.class))
    };
    is("module", |module, _| module.contains("keras")) && is("registered_name", |name, class| name == class)
}

impl<C: Class> Default for Described<C> {
    fn default() -> Self {
        Self::none()
    }
}

impl<C: Class> From<C> for Described<C> {
    fn from(object: C) -> Self {
        let json = serde_json::json!({
            "module": C::MODULE,
            "class_name": object.class(),
            "config": object.config(),
            "registered_name": null,
        });
        Self { meaning: Ok(Some(object)), json }
    }
}

impl<C: Class> From<&str> for Described<C> {
    /// The object of that class or alias, with its defaults.
    fn from(name: &str) -> Self {
        let named = Self::of(&name.into());
        match named.meaning {
            Ok(Some(object)) => object.into(),
            _ => named,
        }
    }
}

impl<C: Class> Field for Described<C> {
    const EXPECTED: &'static str = "an object of Keras, or its name";

    fn read(json: &Json, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self::of(json))
    }

    fn write(&self) -> Json {
        self.json.clone()
    }

    fn is_like(&self, other: &Self) -> bool {
        match (&self.meaning, &other.meaning) {
            (Ok(one), Ok(other)) => one == other,
            _ => self.json == other.json,
        }
    }

    fn source(json: &Json) -> Option<String> {
        let given = Self::of(json);
        let name = super::snake_case(given.get().ok()??.class());
        Self::from(name.as_str()).is_like(&given).then(|| format!("{name:?}"))
    }
}

/// Declares the classes of one kind of object, each a [`config!`](crate::config!) of the same name.
/// Keras knows them by that name, by the same in snake case, and by the aliases given here.
macro_rules! classes {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $kind:literal of $module:literal $(around $wrapper:literal)? { $($class:ident $(| $alias:literal)*),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $(#[doc = concat!("`", stringify!($class), "`")] $class($class),)+
        }

        impl $crate::config::Class for $name {
            const KIND: &'static str = $kind;
            const MODULE: &'static str = $module;
            $(const WRAPPER: Option<&'static str> = Some($wrapper);)?
            const CLASSES: &'static [&'static str] = &[$(stringify!($class)),+];

            fn read(
                name: &str,
                config: &$crate::config::Map<String, $crate::config::Json>,
                reader: &mut $crate::config::Reader<'_>,
            ) -> Option<Self> {
                $(if [stringify!($class), $($alias),*].contains(&name)
                    || $crate::config::snake_case(stringify!($class)) == name
                {
                    return reader.at(name, |reader| {
                        $crate::config::check_keys::<$class>(config, reader);
                        <$class as $crate::config::Config>::read(config, reader).map(Self::$class)
                    });
                })+
                let hint = $crate::registry::nearest(name, [$(stringify!($class)),+].into_iter());
                let message = format_args!("unknown {} {name:?}{hint}", $kind);
                reader.push($crate::Error::unsupported(message));
                None
            }

            fn class(&self) -> &'static str {
                match self { $(Self::$class(_) => stringify!($class),)+ }
            }

            fn config(&self) -> $crate::config::Map<String, $crate::config::Json> {
                match self { $(Self::$class(object) => $crate::config::Config::write(object),)+ }
            }
        }

        $(impl From<$class> for $crate::config::Described<$name> {
            fn from(object: $class) -> Self {
                $name::$class(object).into()
            }
        }

        impl $crate::build::Setting<$crate::config::Described<$name>> for $class {
            fn json(self) -> $crate::config::Json {
                $crate::config::Field::write(&$crate::config::Described::<$name>::from(self))
            }
        })+
    };
}
pub(crate) use classes;

/// Notes keys that a class does not have. One with the key `**` takes any, as in Python.
pub fn check_keys<C: super::Config>(config: &Map<String, Json>, reader: &mut Reader<'_>) {
    // Keras 2 gave every initializer a dtype.
    let known = |key: &str| key == "dtype" || C::KEYS.contains(&key) || C::KEYS.contains(&"**");
    for (key, _) in config.iter().filter(|(key, value)| !known(key) && !value.is_null()) {
        let hint = crate::registry::nearest(key, C::KEYS.iter().copied());
        reader.push(Error::unsupported(format_args!("unknown key{hint}")).at(key));
    }
}
