//! Parameters that a record has transposed: a `Linear` of the layout `Col`. A store of Burn's would read and write what
//! the record has; Keras wants what the module computes with.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, Param};
use burn::store::burn_pack::Tensor as PackTensor;
use burn::store::{ApplyResult, bridge};
use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};
use crate::reorder::reorder;

/// Whether a record has the parameter transposed. Its value is not looked at.
pub(super) fn is_turned<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    let mut shape = [1; D];
    let [_, second] = shape.as_mut_slice() else { return false };
    *second = 2;
    let probe = Tensor::<D>::zeros(shape, &param.lazy_device());
    param.clone().transform_for_load(probe, param.id).lazy_shape().to_vec() != shape
}

/// What the module computes with, of what its record has.
///
/// # Errors
/// When it is no matrix.
pub(super) fn live(data: TensorData) -> Result<TensorData> {
    match data.shape().to_vec().as_slice() {
        [rows, columns] => reorder(data, &[*rows, *columns], &[1, 0], &[*columns, *rows]),
        shape => Err(Error::weights(format_args!("expected a matrix, got {shape:?}"))),
    }
}

/// The tensors of turned parameters, and all others.
pub(super) fn split(
    tensors: Vec<PackTensor>,
    turned: &HashSet<String>,
) -> (Vec<PackTensor>, Vec<PackTensor>) {
    tensors.into_iter().partition(|tensor| turned.contains(&tensor.name))
}

/// Gives a module the values that it computes with, past what is done to a record. The result then speaks of
/// them as of all others.
///
/// # Errors
/// When one cannot be read.
pub(super) fn set<M: Module>(
    module: &mut M,
    tensors: Vec<PackTensor>,
    skip_enum_variants: bool,
    result: &mut ApplyResult,
) -> Result<()> {
    if tensors.is_empty() {
        return Ok(());
    }
    let mut values = HashMap::new();
    for tensor in tensors {
        let path = tensor.name.clone();
        let data = bridge::into_data(tensor).map_err(|error| Error::weights(error).at(&path))?;
        values.insert(path, data);
    }
    let mut setter = Setter { path: Vec::new(), skip_enum_variants, values, set: HashSet::new() };
    *module = module.clone().map(&mut setter);
    result.missing.retain(|(path, _)| !setter.set.contains(path));
    result.applied.extend(setter.set);
    Ok(())
}

struct Setter {
    path: Vec<String>,
    skip_enum_variants: bool,
    values: HashMap<String, TensorData>,
    set: HashSet<String>,
}

impl ModuleMapper for Setter {
    fn enter_module(&mut self, name: &str, container: &str) {
        if !self.skip_enum_variants || !container.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        if !self.skip_enum_variants || !container.starts_with("Enum:") {
            self.path.pop();
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(data) = self.values.remove(&path) else { return param };
        self.set.insert(path);
        let (dtype, device) = (data.dtype(), param.lazy_device());
        param.map(|old| {
            let new = Tensor::from_data(data, (&device, dtype));
            new.set_require_grad(old.is_require_grad())
        })
    }
}
