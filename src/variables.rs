//! The variables of layers: what they are called, where they lie in a weights file, and how they
//! lie in a Burn module. One declaration serves loading and saving.

use burn::module::{Param, ParamId};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::config::Dtype;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::module::State;
use crate::regularizer::Regularizer;
use crate::reorder::{aligned, reorder};
use crate::value::{burn_dtype, held};

/// One Keras variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Keras' name of it: `kernel`.
    pub name: &'static str,
    /// The HDF5 group of its owner, below the group of the model: `layers/lstm/cell`.
    pub group: String,
    /// Its number in that group's `vars`.
    pub index: usize,
    /// Whether it lies there under its name and not its number, and Keras does not count it.
    pub is_named: bool,
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
    /// Whether no optimizer ever touches it, frozen or not: its layer itself may change it.
    pub is_fixed: bool,
    /// Whether the parameter has all axes in one: for layers whose variables have any rank.
    pub is_flat: bool,
    /// What it holds when it is fresh.
    pub initializer: Initializer,
    /// What is then done to the numbers of the initializer.
    pub finish: Option<fn(&mut [f32])>,
    /// What its values cost in training.
    pub regularizer: Regularizer,
    /// Where its values are brought back to in training.
    pub constraint: Constraint,
    /// Groups and numbers under which the file has it again.
    pub copies: Vec<(String, usize)>,
}

impl Variable {
    /// The path of the dataset in the weights file.
    #[must_use]
    pub fn dataset(&self) -> String {
        self.dataset_in(&self.group, self.index)
    }

    fn dataset_in(&self, group: &str, index: usize) -> String {
        let key = if self.is_named { self.name.to_owned() } else { index.to_string() };
        join(group, &format!("vars/{key}"), '/')
    }

    /// The groups and paths of all its datasets: its own, and those that have it again.
    pub(crate) fn datasets(&self) -> impl Iterator<Item = (&str, String)> {
        let copies =
            self.copies.iter().map(|(group, index)| (group.as_str(), self.dataset_in(group, *index)));
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

    /// The value that its parameter has, from that in a file.
    pub(crate) fn param_data(&self, data: TensorData) -> Result<TensorData> {
        let cast = |data: TensorData, dtype| match data.dtype() == dtype {
            true => Ok(data),
            false => aligned(data)
                .try_cast(dtype)
                .map_err(|error| Error::weights(format_args!("cannot convert to {}: {error}", self.dtype))),
        };
        let mut data = cast(data, burn_dtype(self.dtype)?)?;
        // Layers compute in one type, and training in fewer bits would lose small steps.
        if self.dtype.is_float() {
            data = cast(data, DType::F32)?;
        }
        // What is moved is copied, and any copy is aligned.
        self.to_param(data).map(aligned)
    }

    /// Whether the order of the parameter is not that of the file.
    pub(crate) fn moves(&self) -> bool {
        !self.axes.is_empty()
    }

    /// From the order of the file to that of the parameter.
    pub(crate) fn to_param(&self, data: TensorData) -> Result<TensorData> {
        reorder(data, &self.shape, &self.axes, &self.param_shape())
    }

    /// From the order of the parameter to that of the file.
    pub(crate) fn to_file(&self, data: TensorData) -> Result<TensorData> {
        reorder(data, &self.param_shape(), &self.inverse_axes(), &self.shape)
    }

    /// Which axis of the parameter each axis of the file is.
    pub(crate) fn inverse_axes(&self) -> Vec<usize> {
        let mut back = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(at, axis)| back[*axis] = at);
        back
    }
}

fn join(outer: &str, inner: &str, glue: char) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}{glue}{inner}"),
    }
}

/// A file that a layer has in the archive beside its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its file name: `vocabulary.txt`.
    pub name: &'static str,
    /// As in [`Variable::group`].
    pub group: String,
    /// The path of the module that is built with it, and its name.
    pub param: String,
}

impl Asset {
    /// Its path in the archive.
    #[must_use]
    pub fn member(&self) -> String {
        join("assets", &join(&self.group, self.name, '/'), '/')
    }
}

/// The variables of a layer, in Keras' order: those created as trainable first.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    all: Vec<Variable>,
    /// Whether the one just declared is left out, and what is said of it with it.
    left_out: bool,
    assets: Vec<Asset>,
}

impl Variables {
    /// Adds a trainable float variable; the Burn parameter has the same name.
    #[must_use]
    pub fn trainable(self, name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        self.add(name, shape.into(), Dtype::Float32, true)
    }

    /// Adds a trainable float variable if the config asks for it. Otherwise what is said of it next is
    /// left out, too.
    #[must_use]
    pub fn trainable_if(self, present: bool, name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        if present { self.trainable(name, shape) } else { Self { left_out: true, ..self } }
    }

    /// Adds a variable that no optimizer touches.
    #[must_use]
    pub fn fixed(self, name: &'static str, shape: impl Into<Vec<usize>>, dtype: Dtype) -> Self {
        self.add(name, shape.into(), dtype, false)
    }

    /// What the last variable holds when it is fresh: an initializer, or the name of one.
    #[must_use]
    pub fn initialized(self, initializer: impl Into<Initializer>) -> Self {
        self.last(|variable| variable.initializer = initializer.into())
    }

    /// What is done to the numbers of the last variable's initializer.
    #[must_use]
    pub fn finished(self, finish: fn(&mut [f32])) -> Self {
        self.last(|variable| variable.finish = Some(finish))
    }

    /// What the last variable holds when it is fresh, and what becomes of it in training.
    #[must_use]
    pub fn with(self, initializer: &Initializer, regularizer: &Regularizer, constraint: &Constraint) -> Self {
        self.last(|variable| {
            variable.initializer = initializer.clone();
            variable.regularizer = regularizer.clone();
            variable.constraint = constraint.clone();
        })
    }

    /// The last variable lies in the module with its axes in another order: axis `i` of the
    /// parameter is axis `axes[i]` of the file.
    #[must_use]
    pub fn with_axes(self, axes: impl Into<Vec<usize>>) -> Self {
        self.last(|variable| variable.axes = axes.into())
    }

    /// The last variable lies in the module as a vector, in the order of the file.
    #[must_use]
    pub fn flat(self) -> Self {
        self.last(|variable| variable.is_flat = true)
    }

    /// The last variable lies in the file under its name, as a few of Keras' layers have it.
    #[must_use]
    pub fn named(self) -> Self {
        self.last(|variable| variable.is_named = true)
    }

    /// The last variable is not trained, as a kernel is not that a low-rank adaptation stands beside.
    #[must_use]
    pub fn frozen_if(self, frozen: bool) -> Self {
        self.last(|variable| variable.trainable &= !frozen)
    }

    /// The last variable lies in a field of the module that holds several.
    #[must_use]
    pub fn inside(self, field: &str) -> Self {
        self.last(|variable| variable.param = join(field, &variable.param, '.'))
    }

    /// Adds a file that the layer is built with.
    #[must_use]
    pub fn asset(mut self, name: &'static str) -> Self {
        self.assets.push(Asset { name, group: String::new(), param: name.to_owned() });
        self
    }

    /// Adds the variables of an inner object: its HDF5 group, and the module field that holds it.
    #[must_use]
    pub fn with_child(mut self, group: &str, field: &str, child: Self, trainable: bool) -> Self {
        self.assets.extend(child.assets.into_iter().map(|asset| Asset {
            group: join(group, &asset.group, '/'),
            param: join(field, &asset.param, '.'),
            ..asset
        }));
        self.all.extend(child.all.into_iter().map(|variable| Variable {
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
        if let Some(variable) = self.all.iter_mut().find(|variable| variable.param == param) {
            variable.copies.push((String::new(), index));
        }
        self
    }

    /// The same variables, those of `float32` that `chosen` picks in another type.
    pub(crate) fn stored_as(mut self, dtype: Dtype, chosen: impl Fn(&Variable) -> bool) -> Self {
        let floats = self.all.iter_mut().filter(|variable| variable.dtype == Dtype::Float32);
        floats.filter(|variable| chosen(variable)).for_each(|variable| variable.dtype = dtype);
        self
    }

    /// How many datasets are the layer's own, and not those of an inner object.
    fn own(&self) -> usize {
        self.all.iter().flat_map(Variable::datasets).filter(|(group, _)| group.is_empty()).count()
    }

    fn add(mut self, name: &'static str, shape: Vec<usize>, dtype: Dtype, trainable: bool) -> Self {
        let index = self.own();
        self.left_out = false;
        self.all.push(Variable {
            name,
            group: String::new(),
            index,
            shape,
            param: name.to_owned(),
            axes: Vec::new(),
            dtype,
            trainable,
            is_fixed: !trainable,
            is_flat: false,
            is_named: false,
            // As Keras, when a layer says nothing.
            initializer: if dtype.is_float() { "glorot_uniform" } else { "zeros" }.into(),
            finish: None,
            regularizer: Regularizer::none(),
            constraint: Constraint::none(),
            copies: Vec::new(),
        });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Variable)) -> Self {
        if let Some(variable) = self.all.last_mut().filter(|_| !self.left_out) {
            change(variable);
        }
        self
    }

    /// The files.
    #[must_use]
    pub fn assets(&self) -> &[Asset] {
        &self.assets
    }

    /// The variables.
    pub fn iter(&self) -> std::slice::Iter<'_, Variable> {
        self.all.iter()
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

    /// The text of `asset`.
    ///
    /// # Errors
    /// When there is none, or it is no text.
    fn text(&self, asset: &Asset) -> Result<String> {
        Err(Error::weights("there is no file to read it from").at(asset.name))
    }
}

/// Gives a layer under construction its variables, as Burn parameters.
pub struct Weights<'a> {
    pub(crate) variables: &'a std::collections::HashMap<String, Variable>,
    pub(crate) assets: &'a [Asset],
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
        let dtype = held(data.dtype(), self.device);
        Ok(Param::initialized(ParamId::new(), Tensor::from_data(data, (self.device, dtype))))
    }

    /// The text of the file of that name, if the layer declares one.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let path = join(&self.path, name, '.');
        let asset = self.assets.iter().find(|asset| asset.param == path);
        asset.map(|asset| self.source.text(asset)).transpose()
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
        Ok(Some((variable, variable.param_data(self.source.read(variable)?)?)))
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
    fn the_order_of_the_parameter_is_turned_back() {
        let shape = [2, 3, 4, 37];
        let numbers: Vec<f32> = (0..2 * 3 * 4 * 37).map(|n| n as f32).collect();
        for axes in [[3, 2, 0, 1], [0, 2, 1, 3], [3, 1, 2, 0], [1, 0, 3, 2]] {
            let variables = Variables::default().trainable("kernel", shape).with_axes(axes);
            let variable = variables.iter().next().unwrap();
            let there = variable.to_param(TensorData::new(numbers.clone(), shape)).unwrap();
            assert_eq!(there.shape().to_vec(), variable.param_shape());
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
