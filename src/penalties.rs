//! What regularizers and constraints mean for the training of a whole model.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::by_rank;
use crate::error::{Error, Problems, Result};
use crate::layer::Variable;
use crate::load::by_param;
use crate::model::KerasModel;

impl KerasModel {
    /// What the regularizers of the trainable variables add to the loss of a training: a tensor of one
    /// number through which gradients flow, or none if there are no regularizers.
    ///
    /// Regularizers of what layers give are not in it: see
    /// [`forward_with_losses`](Self::forward_with_losses).
    ///
    /// # Errors
    /// When a regularizer is not one of Keras, or not for variables of that rank.
    pub fn regularization_loss(&self) -> Result<Option<Tensor<1>>> {
        let regularized = |variable: &Variable| variable.trainable && !variable.regularizer.is_none();
        let mut sum = Sum {
            path: Vec::new(),
            variables: self.variables_that(regularized)?,
            losses: Vec::new(),
            problems: Problems::default(),
        };
        self.visit(&mut sum);
        sum.problems.finish()?;
        Ok(sum.losses.into_iter().reduce(|a, b| a + b))
    }

    /// Brings the trainable variables back to where their constraints want them, as Keras does after each
    /// step of an optimizer.
    ///
    /// # Errors
    /// When a constraint is not one of Keras, or has an axis that is not there.
    pub fn apply_constraints(self) -> Result<Self> {
        let constrained = |variable: &Variable| variable.trainable && !variable.constraint.is_none();
        let variables = self.variables_that(constrained)?;
        if variables.is_empty() {
            return Ok(self);
        }
        let mut project = Project { path: Vec::new(), variables, problems: Problems::default() };
        let model = self.map(&mut project);
        project.problems.finish()?;
        Ok(model)
    }

    /// The variables of a kind, by the path of their parameter.
    fn variables_that(&self, holds: impl Fn(&Variable) -> bool) -> Result<HashMap<String, Variable>> {
        by_param(self.origin().description.variables.iter().filter(|variable| holds(variable)))
    }
}

impl Variable {
    /// A parameter of `D` axes with the `R` axes of the Keras variable.
    fn in_order_of_keras<const D: usize, const R: usize>(&self, param: Tensor<D>) -> Result<Tensor<R>> {
        let shape = exactly(if self.axes.is_empty() { self.shape.clone() } else { self.param_shape() })?;
        let param = param.reshape::<R, _>(shape);
        Ok(if self.axes.is_empty() { param } else { param.permute(exactly(self.inverse_axes())?) })
    }

    /// The other way round.
    fn in_order_of_param<const R: usize, const D: usize>(&self, value: Tensor<R>) -> Result<Tensor<D>> {
        let value = if self.axes.is_empty() { value } else { value.permute(exactly(self.axes.clone())?) };
        Ok(value.reshape::<D, _>(exactly(self.param_shape())?))
    }
}

fn exactly<const N: usize>(numbers: Vec<usize>) -> Result<[usize; N]> {
    numbers.try_into().map_err(|numbers: Vec<usize>| {
        Error::weights(format_args!("expected {N} axes, got {}", numbers.len()))
    })
}

/// Adds penalties up.
struct Sum {
    path: Vec<String>,
    variables: HashMap<String, Variable>,
    losses: Vec<Tensor<1>>,
    problems: Problems,
}

impl ModuleVisitor for Sum {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let Some(variable) = self.variables.remove(&path) else { return };
        let loss = by_rank!(variable.shape.len(), R => {
            let value = variable.in_order_of_keras::<D, R>(param.val());
            value.and_then(|value| variable.regularizer.penalty(value))
        });
        let loss = loss.and_then(|loss| loss);
        self.losses.extend(self.problems.note(loss.map_err(|error| error.at(path))));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// Replaces values by those that keep the constraints.
struct Project {
    path: Vec<String>,
    variables: HashMap<String, Variable>,
    problems: Problems,
}

impl ModuleMapper for Project {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some(variable) = self.variables.remove(&path) else { return param };
        let projected = by_rank!(variable.shape.len(), R => {
            let value = variable.in_order_of_keras::<D, R>(param.val().detach());
            let value = value.and_then(|value| variable.constraint.project(value));
            value.and_then(|value| variable.in_order_of_param::<R, D>(value))
        });
        let projected = projected.and_then(|value| value).map_err(|error| error.at(path));
        match self.problems.note(projected) {
            Some(value) => param.map(|old| value.detach().set_require_grad(old.is_require_grad())),
            None => param,
        }
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
