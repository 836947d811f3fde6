//! What a model is saved as: its variables as they are now.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Int, Tensor, TensorData};
use bytes::Bytes;

use super::element;
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::h5::Attribute;
use crate::file::store::{Sink, Source, Store, Stored};
use crate::layer::Variable;
use crate::load::by_param;
use crate::model::KerasModel;
use crate::reorder::Memory;
use crate::value::{Value, burn_dtype};

/// The tensors of a model under the paths of Keras 3: its variables, and what else its file has.
pub(crate) fn present(model: &KerasModel) -> Result<Store> {
    let mut collect = Collect { path: Vec::new(), values: HashMap::new() };
    model.visit(&mut collect);
    let mut store = model.store().clone();
    for (param, variable) in by_param(model.origin().description.variables.iter())? {
        let value = collect.values.remove(&param);
        let value =
            value.ok_or_else(|| Error::weights(format_args!("the module has no parameter {param:?}")))?;
        if value.shape() != variable.param_shape() {
            let (expected, got) = (variable.param_shape(), value.shape());
            let message = format_args!("expected the shape {expected:?}, got {got:?}");
            return Err(Error::weights(message).at(param));
        }
        for (_, path) in variable.datasets() {
            let tensor = tensor(&value, &variable, store.tensors.get(&path))?;
            store.tensors.insert(path, tensor);
        }
    }
    Ok(store)
}

/// A variable as it is written, in place of what the file had.
fn tensor(value: &Value, variable: &Variable, stored: Option<&Stored>) -> Result<Stored> {
    // How wide integers are depends on the backend that Keras wrote them with.
    let stored_as = stored.and_then(|stored| Dtype::from_name(stored.element.keras_name()?));
    let width = stored_as.filter(|stored| stored.is_int() && variable.dtype.is_int());
    let variable = Variable { dtype: width.unwrap_or(variable.dtype), ..variable.clone() };
    let (element, dtype) = (element(&variable)?, burn_dtype(variable.dtype)?);
    let mut attributes = stored.map(|stored| stored.attributes.clone()).unwrap_or_default();
    if stored.is_none_or(|stored| stored.element != element) {
        attributes.retain(|name, value| name != "dtype" || !matches!(value, Attribute::Str(_)));
    }
    let shape = variable.shape.clone();
    let mut tensor = Stored::from_source(shape, element, Now { value: value.clone(), variable, dtype });
    tensor.attributes = attributes;
    Ok(tensor)
}

/// So many elements leave their device at a time: few enough for a cache to hold them until they are
/// used.
const PIECE: usize = 1 << 18;

/// The present value of a variable.
struct Now {
    value: Value,
    variable: Variable,
    dtype: DType,
}

impl Now {
    /// Its elements in the order of the parameter.
    fn pieces(&self, sink: &mut Sink<'_>) -> Result<()> {
        let len = self.value.shape().iter().product();
        let value = self.value.clone().reshape(&[len])?;
        (0..len).step_by(PIECE).try_for_each(|start| {
            let piece = value.clone().narrow(0, start, PIECE.min(len - start))?;
            let data = piece.cast(self.dtype)?.into_data().convert_dtype(self.dtype);
            sink(shared(data))
        })
    }
}

impl Source for Now {
    fn read(&self) -> Result<Bytes> {
        let shape = self.value.shape();
        let mut whole = Memory::new(shape.iter().product::<usize>().saturating_mul(self.dtype.size()));
        let mut filled = 0;
        self.pieces(&mut |piece| {
            let place = whole.as_mut().get_mut(filled..filled + piece.len());
            place.ok_or_else(|| Error::weights("longer than its shape"))?.copy_from_slice(&piece);
            filled += piece.len();
            Ok(())
        })?;
        let data = TensorData::from_bytes(whole.into_bytes(), shape, self.dtype);
        self.variable.to_file(data).map(shared)
    }

    fn write(&self, sink: &mut Sink<'_>) -> Result<()> {
        match self.variable.moves() {
            true => sink(self.read()?),
            false => self.pieces(sink),
        }
    }
}

/// Host memory of Burn's as an owner of bytes.
pub(super) struct Host(pub(super) burn::tensor::Bytes);

impl AsRef<[u8]> for Host {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Data on the host as bytes.
pub(crate) fn shared(data: TensorData) -> Bytes {
    Bytes::from_owner(Host(data.into_bytes()))
}

/// Collects every tensor of a module by its path.
struct Collect {
    path: Vec<String>,
    values: HashMap<String, Value>,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.insert(self.path.join("."), Value::from(param.val()));
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.values.insert(self.path.join("."), Value::from(param.val()));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
