//! The variables of layers: what they are called, where they lie in a weights file, and how they
//! lie in a Burn module. One declaration serves loading and saving.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::module::State;
use crate::value::burn_dtype;

/// One Keras variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Keras' name of it: `kernel`.
    pub name: &'static str,
    /// The HDF5 group of its owner, below the group of the model: `layers/lstm/cell`.
    pub group: String,
    /// Its number in that group's `vars`.
    pub index: usize,
    /// The shape in the file.
    pub shape: Vec<usize>,
    /// The path of the Burn parameter: `lstm.kernel`.
    pub param: String,
    /// Which axis of the file each axis of the parameter is; empty when they are in the same order.
    pub axes: Vec<usize>,
    /// The element type.
    pub dtype: Dtype,
    /// Whether Keras would train it.
    pub trainable: bool,
    /// Whether the parameter has all axes in one: for layers whose variables have any rank.
    pub is_flat: bool,
    /// Groups and numbers under which the file has it again.
    pub copies: Vec<(String, usize)>,
}

impl Variable {
    /// The path of the dataset in the weights file.
    #[must_use]
    pub fn dataset(&self) -> String {
        dataset(&self.group, self.index)
    }

    /// The groups and paths of all its datasets: its own, and those that have it again.
    pub(crate) fn datasets(&self) -> impl Iterator<Item = (&str, String)> {
        let copies = self.copies.iter().map(|(group, index)| (group.as_str(), dataset(group, *index)));
        std::iter::once((self.group.as_str(), self.dataset())).chain(copies)
    }

    /// The shape of the Burn parameter. Scalars become vectors of one.
    #[must_use]
    pub fn param_shape(&self) -> Vec<usize> {
        match (self.shape.is_empty() || self.is_flat, self.axes.is_empty()) {
            (true, _) => vec![self.shape.iter().product()],
            (_, true) => self.shape.clone(),
            _ => self.axes.iter().map(|axis| self.shape[*axis]).collect(),
        }
    }

    /// From the order of the file to that of the parameter.
    pub(crate) fn to_param(&self, data: TensorData) -> Result<TensorData> {
        reorder(data, &self.shape, &self.axes, &self.param_shape())
    }

    /// From the order of the parameter to that of the file.
    pub(crate) fn to_file(&self, data: TensorData) -> Result<TensorData> {
        let mut back = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
        reorder(data, &self.param_shape(), &back, &self.shape)
    }
}

fn dataset(group: &str, index: usize) -> String {
    join(group, &format!("vars/{index}"), '/')
}

fn join(outer: &str, inner: &str, glue: char) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}{glue}{inner}"),
    }
}

/// Row-major data with its axes in another order: axis `i` of the result is `axes[i]` of `shape`.
fn reorder(data: TensorData, shape: &[usize], axes: &[usize], result: &[usize]) -> Result<TensorData> {
    let (bytes, _, dtype) = data.into_parts();
    if axes.is_empty() {
        return Ok(TensorData::from_bytes(bytes, result.to_vec(), dtype));
    }
    let strides = strides(shape);
    let strides: Vec<usize> = axes.iter().map(|axis| strides[*axis]).collect();
    let out = match dtype.size() {
        4 => gather::<4>(&bytes, result, &strides),
        2 => gather::<2>(&bytes, result, &strides),
        8 => gather::<8>(&bytes, result, &strides),
        1 => gather::<1>(&bytes, result, &strides),
        size => return Err(Error::unsupported(format_args!("elements of {size} bytes"))),
    };
    Ok(TensorData::from_bytes_vec(out, result.to_vec(), dtype))
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// Collects elements of `N` bytes in row-major order of `shape`, each axis a stride apart in `bytes`.
///
/// Both sides of a transposition cannot be walked in order. This walks the result in order, some
/// entries of the axis that is contiguous in `bytes` at a time, so that every read is a whole cache
/// line and every write goes on where the one before it ended.
fn gather<const N: usize>(bytes: &[u8], shape: &[usize], strides: &[usize]) -> Vec<u8> {
    const TILE: usize = 16;
    let (elements, _) = bytes.as_chunks::<N>();
    let mut out = vec![[0; N]; elements.len()];
    let contiguous = (0..shape.len()).filter(|axis| strides[*axis] == 1).max_by_key(|axis| shape[*axis]);
    let Some(contiguous) = contiguous else { return bytes.to_vec() };
    let steps = self::strides(shape);
    let others: Vec<usize> = (0..shape.len()).filter(|axis| *axis != contiguous).collect();
    let places: usize = others.iter().map(|axis| shape[*axis]).product();
    for start in (0..shape[contiguous]).step_by(TILE) {
        let width = TILE.min(shape[contiguous] - start);
        let mut index = vec![0; others.len()];
        let (mut from, mut to) = (start, start * steps[contiguous]);
        for _ in 0..places {
            for (at, element) in elements[from..from + width].iter().enumerate() {
                out[to + at * steps[contiguous]] = *element;
            }
            for (index, axis) in index.iter_mut().zip(&others).rev() {
                (*index, from, to) = (*index + 1, from + strides[*axis], to + steps[*axis]);
                if *index < shape[*axis] {
                    break;
                }
                (from, to) = (from - strides[*axis] * shape[*axis], to - steps[*axis] * shape[*axis]);
                *index = 0;
            }
        }
    }
    out.into_flattened()
}

/// The variables of a layer, in Keras' order: those created as trainable first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<Variable>);

impl Variables {
    /// Adds a trainable float variable; the Burn parameter has the same name.
    #[must_use]
    pub fn trainable(self, name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        self.add(name, shape.into(), Dtype::Float32, true)
    }

    /// Adds a trainable float variable if the config asks for it.
    #[must_use]
    pub fn trainable_if(self, present: bool, name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        if present { self.trainable(name, shape) } else { self }
    }

    /// Adds a variable that no optimizer touches.
    #[must_use]
    pub fn fixed(self, name: &'static str, shape: impl Into<Vec<usize>>, dtype: Dtype) -> Self {
        self.add(name, shape.into(), dtype, false)
    }

    /// The last variable lies in the module with its axes in another order: axis `i` of the
    /// parameter is axis `axes[i]` of the file.
    #[must_use]
    pub fn with_axes(mut self, axes: impl Into<Vec<usize>>) -> Self {
        if let Some(variable) = self.0.last_mut() {
            variable.axes = axes.into();
        }
        self
    }

    /// The last variable lies in the module as a vector, in the order of the file.
    #[must_use]
    pub fn flat(mut self) -> Self {
        if let Some(variable) = self.0.last_mut() {
            variable.is_flat = true;
        }
        self
    }

    /// The last variable lies in a field of the module that holds several.
    #[must_use]
    pub fn inside(mut self, field: &str) -> Self {
        if let Some(variable) = self.0.last_mut() {
            variable.param = join(field, &variable.param, '.');
        }
        self
    }

    /// Adds the variables of an inner object: its HDF5 group, and the module field that holds it.
    #[must_use]
    pub fn with_child(mut self, group: &str, field: &str, child: Self, trainable: bool) -> Self {
        self.0.extend(child.0.into_iter().map(|variable| Variable {
            group: join(group, &variable.group, '/'),
            param: join(field, &variable.param, '.'),
            trainable: variable.trainable && trainable,
            copies: variable.copies.into_iter().map(|(own, index)| (join(group, &own, '/'), index)).collect(),
            ..variable
        }));
        self
    }

    /// Of the variable with that Burn path the file has a copy, as the next of the layer's own.
    #[must_use]
    pub fn with_copy(mut self, param: &str) -> Self {
        let index = self.own();
        if let Some(variable) = self.0.iter_mut().find(|variable| variable.param == param) {
            variable.copies.push((String::new(), index));
        }
        self
    }

    /// How many datasets are the layer's own, and not those of an inner object.
    fn own(&self) -> usize {
        self.0.iter().flat_map(Variable::datasets).filter(|(group, _)| group.is_empty()).count()
    }

    fn add(mut self, name: &'static str, shape: Vec<usize>, dtype: Dtype, trainable: bool) -> Self {
        let index = self.own();
        let (group, param, axes) = (String::new(), name.to_owned(), Vec::new());
        let (is_flat, copies) = (false, Vec::new());
        self.0.push(Variable { name, group, index, shape, param, axes, dtype, trainable, is_flat, copies });
        self
    }

    /// The variables.
    pub fn iter(&self) -> std::slice::Iter<'_, Variable> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Variables {
    type Item = &'a Variable;
    type IntoIter = std::slice::Iter<'a, Variable>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Where [`Weights`] come from: the value of a variable, in the order and type of the file.
pub trait WeightSource {
    /// The value of `variable`.
    ///
    /// # Errors
    /// When there is none, or it does not fit.
    fn read(&self, variable: &Variable) -> Result<TensorData>;
}

/// Gives a layer under construction its variables, as Burn parameters.
pub struct Weights<'a> {
    pub(crate) variables: &'a std::collections::HashMap<String, Variable>,
    pub(crate) source: &'a dyn WeightSource,
    pub(crate) device: &'a Device,
    pub(crate) path: String,
    pub(crate) trainable: bool,
}

impl std::fmt::Debug for Weights<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weights").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Weights<'_> {
    /// The device on which the layer is built.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.device
    }

    /// Whether the layer may be trained: neither it nor a model around it is frozen. Matters to layers
    /// that behave differently in training.
    #[must_use]
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// The same weights, for a layer that is frozen unless `trainable`.
    #[must_use]
    pub fn frozen_unless(self, trainable: bool) -> Self {
        Self { trainable: self.trainable && trainable, ..self }
    }

    /// The weights of an inner object, by the module field that holds it.
    #[must_use]
    pub fn child(&self, field: &str) -> Weights<'_> {
        Weights { path: join(&self.path, field, '.'), ..*self }
    }

    /// The parameter of that name.
    ///
    /// # Errors
    /// When the layer declares no such variable, or its value does not fit.
    pub fn param<const D: usize>(&self, name: &str) -> Result<Param<Tensor<D>>> {
        self.maybe(name)?.ok_or_else(|| self.undeclared(name))
    }

    /// The parameter of that name, if the layer declares such a variable.
    ///
    /// # Errors
    /// When its value does not fit.
    pub fn maybe<const D: usize>(&self, name: &str) -> Result<Option<Param<Tensor<D>>>> {
        let Some((variable, tensor)) = self.tensor::<D>(name)? else { return Ok(None) };
        let (shape, device, trainable) = (tensor.shape(), self.device.clone(), variable.trainable);
        // Burn reads `require_grad` off the value, which a plain device cannot carry; an initializer
        // that is run at once carries it for a later move to an autodiff device.
        let init = move |device: &Device, grad: bool| tensor.to_device(device).set_require_grad(grad);
        let param = Param::uninitialized(ParamId::new(), init, device, trainable, shape);
        let _ = param.val();
        Ok(Some(param))
    }

    /// The state of that name: a variable that the layer itself updates.
    ///
    /// # Errors
    /// When the layer declares no such variable, or its value does not fit.
    pub fn state<const D: usize>(&self, name: &str) -> Result<State<D>> {
        let (_, tensor) = self.tensor::<D>(name)?.ok_or_else(|| self.undeclared(name))?;
        Ok(State::new(tensor))
    }

    /// The integer variable of that name.
    ///
    /// # Errors
    /// When the layer declares no such variable, or its value does not fit.
    pub fn int<const D: usize>(&self, name: &str) -> Result<Param<Tensor<D, Int>>> {
        let (_, data) = self.data(name)?.ok_or_else(|| self.undeclared(name))?;
        let dtype = data.dtype();
        Ok(Param::initialized(ParamId::new(), Tensor::from_data(data, (self.device, dtype))))
    }

    fn tensor<const D: usize>(&self, name: &str) -> Result<Option<(&Variable, Tensor<D>)>> {
        let Some((variable, data)) = self.data(name)? else { return Ok(None) };
        if data.shape().len() != D {
            return Err(Error::weights(format_args!(
                "declared with {:?}, built with rank {D}",
                data.shape()
            )));
        }
        let dtype = data.dtype();
        Ok(Some((variable, Tensor::from_data(data, (self.device, dtype)))))
    }

    fn data(&self, name: &str) -> Result<Option<(&Variable, TensorData)>> {
        let Some(variable) = self.variables.get(&join(&self.path, name, '.')) else { return Ok(None) };
        let data = self.source.read(variable)?;
        let dtype = burn_dtype(variable.dtype)?;
        let data = if data.dtype() == dtype {
            data
        } else {
            data.try_cast(dtype).map_err(|error| {
                Error::weights(format_args!("cannot convert to {}: {error}", variable.dtype))
            })?
        };
        Ok(Some((variable, variable.to_param(data)?)))
    }

    fn undeclared(&self, name: &str) -> Error {
        Error::weights(format_args!("built with the variable {name:?}, which is not declared"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    #[test]
    fn reordering_agrees_with_the_definition_and_inverts() {
        let shape = [2, 3, 4, 37];
        let numbers: Vec<f32> = (0..2 * 3 * 4 * 37).map(|n| n as f32).collect();
        for axes in [[3, 2, 0, 1], [0, 2, 1, 3], [3, 1, 2, 0], [1, 0, 3, 2]] {
            let variables = Variables::default().trainable("kernel", shape).with_axes(axes);
            let variable = variables.iter().next().unwrap();
            let there = variable.to_param(TensorData::new(numbers.clone(), shape)).unwrap();
            let to = variable.param_shape();
            let slice = there.as_slice::<f32>().unwrap();
            for (at, value) in slice.iter().enumerate() {
                let mut rest = at;
                let mut index = [0; 4];
                for axis in (0..4).rev() {
                    index[axes[axis]] = rest % to[axis];
                    rest /= to[axis];
                }
                let from = index.iter().zip(strides(&shape)).map(|(i, s)| i * s).sum::<usize>();
                assert_eq!(*value, numbers[from]);
            }
            let back = variable.to_file(there).unwrap();
            assert_eq!(back.as_slice::<f32>().unwrap(), numbers);
        }
    }

    #[test]
    fn scalars_are_vectors_of_one() {
        let variables = Variables::default().fixed("count", [], Dtype::Int32);
        let variable = variables.iter().next().unwrap();
        let data = variable.to_param(TensorData::new(vec![7_i32], [1])).unwrap();
        assert_eq!(data.shape().to_vec(), [1]);
        assert_eq!(variable.to_file(data).unwrap().dtype(), DType::I32);
        assert_eq!(variable.dataset(), "vars/0");
    }
}
