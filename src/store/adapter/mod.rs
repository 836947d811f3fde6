//! Which modules of burn-nn are which layers of Keras, and how their numbers become each other's.
//!
//! Everything here is said of the values that a module computes with: of a [`Linear`](burn::nn::Linear) of either
//! layout, `[in, out]`, not of the form that a record has.
#![allow(dead_code)]

use burn::tensor::TensorData;

use super::contract::{Fit, KerasUnit, ModuleUnit};
use crate::error::{Error, Result};

/// Reads a variable or parameter by its number in its unit.
pub(crate) type Read<'a> = &'a dyn Fn(usize) -> Result<TensorData>;

/// A class of Keras and its variables: names as in a [`KerasUnit`], shapes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KerasClass {
    pub class: &'static str,
    pub variables: Vec<(String, Vec<usize>)>,
}

/// Whether this type of burn-nn is one unit with all that is below it. Every other type is a unit only by
/// parameters that are its own fields.
pub(crate) fn is_unit(_ty: &str) -> bool {
    false
}

/// How the module and the layer are the same numbers.
///
/// # Errors
/// When they are not, saying why.
pub(crate) fn fit(module: &ModuleUnit, keras: &KerasUnit) -> Result<Fit> {
    Err(Error::unsupported(format_args!("a {} as a {}", module.ty, keras.class)))
}

/// The layer that a module becomes in a new file, if there is one.
pub(crate) fn class_of(_module: &ModuleUnit) -> Option<KerasClass> {
    None
}

impl Fit {
    /// The value of parameter `param`, in its own shape and element type, from variables in the file's.
    ///
    /// # Errors
    /// When a variable cannot be read, or is not what the unit says.
    pub(crate) fn param_data(
        &self,
        module: &ModuleUnit,
        _keras: &KerasUnit,
        param: usize,
        _read: Read<'_>,
    ) -> Result<TensorData> {
        let name = module.params.get(param).map_or("", |param| &param.name);
        Err(Error::unsupported(format_args!("reading {name}")))
    }

    /// The value of variable `variable`, in the shape and element type of the file, from parameters. None when it
    /// stays what it is in the file, because the module says nothing of it.
    ///
    /// # Errors
    /// When a parameter cannot be read, or is not what the unit says.
    pub(crate) fn variable_data(
        &self,
        _module: &ModuleUnit,
        keras: &KerasUnit,
        variable: usize,
        _read: Read<'_>,
    ) -> Result<Option<TensorData>> {
        let name = keras.variables.get(variable).map_or("", |variable| &variable.name);
        Err(Error::unsupported(format_args!("writing {name}")))
    }

    /// What is to be told of writing the module: constants that are none, biases that are summed.
    ///
    /// # Errors
    /// When a parameter cannot be read.
    pub(crate) fn notes(
        &self,
        _module: &ModuleUnit,
        _keras: &KerasUnit,
        _read: Read<'_>,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
