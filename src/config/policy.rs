//! Dtype policies: the types in which a layer computes, and keeps its variables.

use serde_json::Value as Json;

use super::{Dtype, Object};
use crate::error::{Error, Result};

/// What the `dtype` of a layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtypePolicy {
    /// The type of what enters the layer and of what it gives.
    pub compute: Dtype,
    /// The type of its variables.
    pub variable: Dtype,
}

impl Default for DtypePolicy {
    fn default() -> Self {
        Self { compute: Dtype::Float32, variable: Dtype::Float32 }
    }
}

impl DtypePolicy {
    /// Reads the name of a policy, or the object of one. None is Keras' default, `float32`.
    ///
    /// `float64` is computed and kept in `float32`, as Keras does on JAX.
    ///
    /// # Errors
    /// When there is no such policy, or a map of policies has several.
    pub fn read(json: Option<&Json>) -> Result<Self> {
        let name = match json {
            None | Some(Json::Null) => return Ok(Self::default()),
            Some(Json::String(name)) => name.as_str(),
            Some(policy) => match Object::of(policy).map(|object| (object.class, object.config)) {
                Some(("DTypePolicyMap", config)) => return Self::read_map(config),
                Some(("DTypePolicy", config)) => config.get("name").and_then(Json::as_str).unwrap_or(""),
                Some((class, _)) => return Err(Error::unsupported(format_args!("the dtype policy {class}"))),
                None => return Err(Error::config("expected the name of a dtype or a dtype policy")),
            },
        };
        let both = |dtype| Ok(Self { compute: dtype, variable: dtype });
        match name {
            "float32" | "float64" => both(Dtype::Float32),
            "float16" => both(Dtype::Float16),
            "bfloat16" => both(Dtype::Bfloat16),
            "mixed_float16" => Ok(Self { compute: Dtype::Float16, ..Self::default() }),
            "mixed_bfloat16" => Ok(Self { compute: Dtype::Bfloat16, ..Self::default() }),
            other => Err(Error::unsupported(format_args!("the dtype policy {other:?}"))),
        }
    }

    /// A policy for each layer inside of one: all must be the same.
    fn read_map(config: &serde_json::Map<String, Json>) -> Result<Self> {
        let default = Self::read(config.get("default_policy"))?;
        let others = config.get("policy_map").and_then(Json::as_object);
        for (path, policy) in others.into_iter().flatten() {
            if Self::read(Some(policy)).map_err(|error| error.at(path))? != default {
                return Err(Error::unsupported("another dtype policy inside of a layer").at(path));
            }
        }
        Ok(default)
    }
}

/// What a dtype policy does to the floats of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// What enters and what it gives have the type of the policy, and so do the variables when they are
    /// used.
    Cast,
    /// The same, but variables are used as they are stored.
    Stored,
    /// As `Stored`, and inputs may have any type.
    Uncast,
    /// Inputs and outputs have the type of the policy; the layers inside have policies of their own.
    Wrapper,
    /// It has no policy.
    Free,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies_are_names_or_objects() {
        let object = |class: &str, config: Json| json!({"class_name": class, "config": config});
        let mixed = DtypePolicy { compute: Dtype::Float16, variable: Dtype::Float32 };
        let map = |other: &str| {
            object("DTypePolicyMap", json!({"default_policy": "mixed_float16", "policy_map": {"a/b": other}}))
        };
        for json in [
            json!("mixed_float16"),
            object("DTypePolicy", json!({"name": "mixed_float16"})),
            map("mixed_float16"),
        ] {
            assert_eq!(DtypePolicy::read(Some(&json)).unwrap(), mixed, "{json}");
        }
        assert_eq!(DtypePolicy::read(None).unwrap(), DtypePolicy::default());
        for json in [json!("int8"), json!(["float16"]), map("float16"), object("Policy", json!({}))] {
            assert!(DtypePolicy::read(Some(&json)).is_err(), "{json}");
        }
    }
}
