//! The parameters of a module, as an optimizer of Keras sees them.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use regex::Regex;

use super::AnyOptimizer;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::load::by_param;
use crate::model::KerasModel;
use crate::versions::optimizer::is_excluded_by_muon;
use crate::weights::optimizer::trained;

/// A trainable parameter of a module.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its identity in Burn.
    pub id: ParamId,
    /// Its path: `dense/kernel` of a Keras model, `linear/weight` of another module.
    pub path: String,
    /// The shape that the variable has in Keras.
    pub shape: Vec<usize>,
    /// Which axis of that each axis of the parameter is; empty when they are in the same order.
    pub axes: Vec<usize>,
    /// Whether the parameter is a vector, whatever the shape in Keras.
    pub is_flat: bool,
    /// Whether weight decay is for it.
    pub decays: bool,
}

/// What is special about a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Role {
    pub(super) decays: bool,
    /// Whether it is one of those that Muon treats as AdamW does, though a matrix.
    pub(super) excluded: bool,
    /// Its order, where the rule depends on it.
    pub(super) order: Option<Order>,
}

impl Default for Role {
    fn default() -> Self {
        Self { decays: true, excluded: false, order: None }
    }
}

/// The axes of a variable of Keras, and of the parameter that it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) shape: Vec<usize>,
    pub(super) axes: Vec<usize>,
    pub(super) is_flat: bool,
}

impl Order {
    /// The shape of a slot with the axes of Keras, those kept that Keras leaves out.
    pub(super) fn slot(&self, slot: &str) -> Vec<usize> {
        let mut shape = self.shape.clone();
        let left_out = match slot {
            "r" => shape.len().checked_sub(1),
            "c" => shape.len().checked_sub(2),
            _ => None,
        };
        if let Some(axis) = left_out.filter(|_| shape.len() > 1).and_then(|axis| shape.get_mut(axis)) {
            *axis = 1;
        }
        shape
    }

    /// The shape of that slot with the axes of the parameter.
    pub(super) fn param(&self, slot: &[usize]) -> Vec<usize> {
        match self.is_flat || slot.is_empty() {
            true => vec![slot.iter().product()],
            false if self.axes.is_empty() => slot.to_vec(),
            false => self.axes.iter().filter_map(|axis| slot.get(*axis).copied()).collect(),
        }
    }

    /// Which axis of the parameter each axis of Keras is.
    pub(super) fn inverse(&self) -> Vec<usize> {
        let mut back = vec![0; self.axes.len()];
        for (at, axis) in self.axes.iter().enumerate() {
            if let Some(place) = back.get_mut(*axis) {
                *place = at;
            }
        }
        back
    }
}

impl Parameter {
    pub(super) fn order(&self) -> Order {
        Order { shape: self.shape.clone(), axes: self.axes.clone(), is_flat: self.is_flat }
    }

    /// Whether the axes are those of the shape.
    pub(super) fn check(&self) -> Result<()> {
        let mut axes = self.axes.clone();
        axes.sort_unstable();
        if self.axes.is_empty() || (!self.is_flat && axes.iter().copied().eq(0..self.shape.len())) {
            return Ok(());
        }
        let message = format_args!("expected the axes of the shape {:?}, got {:?}", self.shape, self.axes);
        Err(Error::input(message).at(&self.path))
    }

    /// What the rule of that optimizer has to know of it.
    pub(super) fn role(&self, optimizer: &AnyOptimizer) -> Result<Role> {
        self.check()?;
        let rank = self.shape.len();
        let moves = !self.axes.is_empty() || (self.is_flat && rank > 1);
        let matters = matches!(optimizer, AnyOptimizer::Adafactor(_) | AnyOptimizer::Muon(_));
        if matters && moves && rank > 6 {
            return Err(Error::unsupported(format_args!("a variable of rank {rank}")).at(&self.path));
        }
        let excluded = match optimizer {
            AnyOptimizer::Muon(muon) => {
                let config = Config::write(muon);
                is_excluded_by_muon(&config, &self.path).ok_or_else(|| {
                    Error::unsupported("a pattern of a kind that only Python has").at("exclude_layers")
                })?
            }
            _ => false,
        };
        let order = (matters && moves && rank > 1).then(|| self.order());
        Ok(Role { decays: self.decays, excluded, order })
    }
}

/// The trainable parameters of a module, in its own order. Of a [`KerasModel`] take [`parameters_of`].
#[must_use]
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut list = List { path: Vec::new(), parameters: Vec::new() };
    module.visit(&mut list);
    list.parameters.retain(|(_, trained)| *trained);
    list.parameters.into_iter().map(|(parameter, _)| parameter).collect()
}

/// The trainable parameters of a Keras model, in the order in which Keras has them.
///
/// # Errors
/// When the module is not that of its file.
pub fn parameters_of(model: &KerasModel) -> Result<Vec<Parameter>> {
    let mut list = List { path: Vec::new(), parameters: Vec::new() };
    model.visit(&mut list);
    let ids = list.parameters.into_iter().map(|(parameter, _)| (parameter.path, parameter.id));
    let ids: HashMap<String, ParamId> = ids.collect();
    let description = &model.origin().description;
    by_param(description.variables.iter())?;
    let parameters = trained(description).into_iter().map(|(path, variable)| {
        let id = ids.get(&variable.param.replace('.', "/"));
        let id = id.ok_or_else(|| Error::weights("the module has no such parameter").at(&variable.param))?;
        Ok(Parameter {
            id: *id,
            path,
            shape: variable.shape.clone(),
            axes: variable.axes.clone(),
            is_flat: variable.is_flat,
            decays: true,
        })
    });
    parameters.collect()
}

/// Excludes from weight decay every parameter in whose name one of some patterns is, as the method of Keras'
/// optimizers of this name does. The name of `dense/bias` is `bias`. Files do not say what is excluded.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use burn_keras::optimizer::{AdamW, Optimizer, exclude_from_weight_decay, parameters};
///
/// let linear = LinearConfig::new(3, 1).init(&Device::flex().autodiff());
/// let mut parameters = parameters(&linear);
/// exclude_from_weight_decay(&mut parameters, &["bias"])?;
/// let burn = Optimizer::from(AdamW::new()).for_parameters(&parameters)?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
///
/// # Errors
/// When one is not a pattern.
pub fn exclude_from_weight_decay(parameters: &mut [Parameter], names: &[&str]) -> Result<()> {
    let pattern = |name: &&str| {
        Regex::new(name).map_err(|error| Error::unsupported(format_args!("the pattern {name:?}: {error}")))
    };
    let patterns = names.iter().map(pattern).collect::<Result<Vec<_>>>()?;
    for parameter in parameters {
        let name = parameter.path.rsplit('/').next().unwrap_or_default();
        parameter.decays &= !patterns.iter().any(|pattern| pattern.is_match(name));
    }
    Ok(())
}

/// Lists parameters, and whether they are trained.
struct List {
    path: Vec<String>,
    parameters: Vec<(Parameter, bool)>,
}

impl ModuleVisitor for List {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parameter = Parameter {
            id: param.id,
            path: self.path.join("/"),
            shape: param.shape().to_vec(),
            axes: Vec::new(),
            is_flat: false,
            decays: true,
        };
        self.parameters.push((parameter, param.is_require_grad()));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
