//! The Keras side of a store: any Keras file as layers with variables, and the way back into it.
#![allow(dead_code, unused_variables)]

use std::path::Path;

use burn::tensor::TensorData;
use bytes::Bytes;

use super::contract::KerasUnit;
use crate::error::{Error, Result};
use crate::file::store::Stored;
use crate::keras_file::KerasFile;
use crate::layer::Registry;
use crate::limits::Limits;
use crate::save::SaveOptions;

/// Where a Keras file lies.
#[derive(Clone, Debug)]
pub(crate) enum Place<'a> {
    Path(&'a Path),
    /// A whole file in memory; no directory and no index of several files.
    Bytes(Bytes),
}

/// A Keras file, opened or still to be written: its layers and their variables.
#[derive(Debug)]
pub(crate) struct KerasSide {
    units: Vec<KerasUnit>,
    is_ordered: bool,
}

impl KerasSide {
    /// Opens a file of any kind. Without a `model`, what the file itself says of its model counts; and where it
    /// says nothing, what its tensors are called. No tensor is read.
    ///
    /// # Errors
    /// When it is damaged or beyond the limits, its tensors do not fit the model, or it cannot be read without one.
    pub(crate) fn open(
        place: Place<'_>,
        model: Option<&KerasFile>,
        registry: &Registry,
        limits: &Limits,
    ) -> Result<Self> {
        Err(Error::unsupported("not yet"))
    }

    /// A file that is to be written: of the kind that the name `path` stands for, of a described model. Variables
    /// have the values that are in the file of the description, if any are.
    ///
    /// # Errors
    /// When the name stands for no kind of file that can be written, or the description cannot be read.
    pub(crate) fn of_model(path: &Path, model: &KerasFile, registry: &Registry) -> Result<Self> {
        Err(Error::unsupported("not yet"))
    }

    /// A file of weights that is to be written, for a flat model of these layers in this order; their places do
    /// not matter. The name stands for the kind of file: `.weights.h5`, `.weights.json`, `.h5`, `.safetensors`.
    ///
    /// # Errors
    /// When the name stands for a file that needs a description of the model.
    pub(crate) fn of_units(path: &Path, units: Vec<KerasUnit>) -> Result<Self> {
        Err(Error::unsupported("not yet"))
    }

    /// The layers that have variables, with the places of these.
    pub(crate) fn units(&self) -> &[KerasUnit] {
        &self.units
    }

    /// Whether the units are in the order of Keras' `model.layers`. Otherwise only layers of the same class are
    /// in the order in which the model has them.
    pub(crate) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// The tensor at a place, not read yet.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn stored(&self, place: &str) -> Result<&Stored> {
        Err(Error::unsupported("not yet"))
    }

    /// The tensor at a place in the order, shape and type of the file; a scalar has a shape without axes. It stays
    /// where it is mapped, so it may be aligned for no element: see `crate::reorder::aligned`.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub(crate) fn read(&self, place: &str) -> Result<TensorData> {
        Err(Error::unsupported("not yet"))
    }

    /// Lets `draw` give the tensor at a place, in the order and shape of the file, when it is written; the type of
    /// its elements is brought to that of the file.
    ///
    /// # Errors
    /// When there is none, or the file has it in a form that nothing is brought back to.
    pub(crate) fn replace(
        &mut self,
        place: &str,
        draw: impl Fn() -> Result<TensorData> + Send + Sync + 'static,
    ) -> Result<()> {
        Err(Error::unsupported("not yet"))
    }

    /// Leaves out the state of the optimizer, and how far a training was. What that was, in words.
    pub(crate) fn drop_optimizer(&mut self) -> Option<String> {
        None
    }

    /// Whether a file of its kind can be written at all, and every variable has a value: everything that stands
    /// against it, before any work.
    ///
    /// # Errors
    /// All of it.
    pub(crate) fn check_writable(&self) -> Result<()> {
        Err(Error::unsupported("not yet"))
    }

    /// Writes a file of its kind, whole or not at all; it may take the place of its own. What else was in it stays
    /// as it is.
    ///
    /// # Errors
    /// Those of [`check_writable`](Self::check_writable), of what draws, and when writing fails.
    pub(crate) fn save(&self, path: &Path, options: &SaveOptions) -> Result<()> {
        Err(Error::unsupported("not yet"))
    }

    /// The bytes of that file, if it is a single one.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        Err(Error::unsupported("not yet"))
    }
}
