//! A Burn module as a list of units.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, DType, Int, Tensor};

use super::adapter::is_unit;
use super::contract::{ModuleParam, ModuleUnit};
use super::turned::is_turned;
use crate::error::{Error, Problems, Result};

/// How the container types of this crate's own layers begin.
const KERAS: &str = "Keras:";

/// What is in a module.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// In the order in which Burn visits their parameters.
    pub units: Vec<ModuleUnit>,
    /// What every parameter is in, by its path: `Struct:Digits.Struct:Linear`.
    pub containers: HashMap<String, String>,
    /// The parameters that a record has transposed.
    pub turned: HashSet<String>,
}

/// Looks at all parameters of a module. None of them is read.
///
/// # Errors
/// When two have the same path.
pub(crate) fn walk<M: Module>(module: &M, skip_enum_variants: bool) -> Result<Walked> {
    let mut walk = Walk { skip_enum_variants, ..Walk::default() };
    module.visit(&mut walk);
    walk.problems.finish().map(|()| walk.walked)
}

/// The path of a parameter, as burn-store has it.
pub(crate) fn param_path(unit: &ModuleUnit, param: &ModuleParam) -> String {
    join([unit.path.as_str(), &param.name])
}

/// Whether a unit is the parameters of a struct that no adapter knows.
pub(crate) fn is_foreign(unit: &ModuleUnit) -> bool {
    !unit.ty.starts_with(KERAS) && !is_unit(&unit.ty)
}

/// Each parameter as a unit of its own.
pub(crate) fn split(unit: ModuleUnit) -> impl Iterator<Item = ModuleUnit> {
    let ModuleUnit { path, ty, params } = unit;
    params.into_iter().map(move |param| ModuleUnit {
        path: join([path.as_str(), &param.name]),
        ty: ty.clone(),
        params: vec![ModuleParam { name: String::new(), ..param }],
    })
}

fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// A field that leads to a parameter.
struct Step {
    name: String,
    /// What it is a field of, in Burn's words: `Struct:Linear`.
    container: String,
}

impl Step {
    fn ty(&self) -> &str {
        let container = self.container.as_str();
        let ty = container.strip_prefix("Struct:").or_else(|| container.strip_prefix("Enum:"));
        match (ty, container.strip_prefix(KERAS)) {
            (Some(ty), _) => ty,
            // Without the axes.
            (None, Some(class)) => {
                let class = class.split(':').next().unwrap_or(class);
                container.get(..KERAS.len() + class.len()).unwrap_or(container)
            }
            (None, None) => container,
        }
    }

    fn is_unit(&self) -> bool {
        self.container.starts_with(KERAS) || self.container.strip_prefix("Struct:").is_some_and(is_unit)
    }

    fn is_enum(&self) -> bool {
        self.container.starts_with("Enum:")
    }

    /// The axes that a layer of this crate says of its parameter.
    fn axes(&self) -> Vec<usize> {
        let axes = self.container.strip_prefix(KERAS).and_then(|class| class.split_once(':'));
        axes.map_or_else(Vec::new, |(_, axes)| axes.split(',').filter_map(|axis| axis.parse().ok()).collect())
    }
}

#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    walked: Walked,
    problems: Problems,
    /// The numbers of units by path and type.
    known: HashMap<(String, String), usize>,
    skip_enum_variants: bool,
}

impl Walk {
    fn note(&mut self, shape: Vec<usize>, dtype: DType, turned: bool) {
        // A collection owns nothing, and neither does an enum.
        let is_owner = |step: &Step| step.container.starts_with("Struct:");
        let start = (self.steps.iter().position(Step::is_unit))
            .or_else(|| self.steps.iter().rposition(is_owner))
            .unwrap_or(0);
        let path = |steps: &[Step]| {
            let seen = steps.iter().filter(|step| !self.skip_enum_variants || !step.is_enum());
            join(seen.map(|step| step.name.as_str()))
        };
        let (outer, inner) = self.steps.split_at(start);
        let (path, name) = (path(outer), path(inner));
        let ty = inner.first().map_or("", Step::ty).to_owned();
        let axes = inner.last().map_or_else(Vec::new, Step::axes);
        let containers: Vec<&str> = self.steps.iter().map(|step| step.container.as_str()).collect();
        let full = join([path.as_str(), &name]);
        if turned {
            self.walked.turned.insert(full.clone());
        }
        if self.walked.containers.insert(full.clone(), containers.join(".")).is_some() {
            self.problems.push(Error::unsupported("two parameters of the module have this path").at(full));
        }
        let units = &mut self.walked.units;
        let at = *self.known.entry((path.clone(), ty.clone())).or_insert(units.len());
        if at == units.len() {
            units.push(ModuleUnit { path, ty, params: Vec::new() });
        }
        if let Some(unit) = units.get_mut(at) {
            unit.params.push(ModuleParam { name, shape, dtype, axes });
        }
    }
}

/// Notes a parameter. One that is still to be filled with random numbers is not made for that.
macro_rules! note {
    ($walk:expr, $param:expr, $fresh:expr, $turned:expr) => {{
        let dtype = match $param.is_initialized() {
            true => $param.val().dtype(),
            false => $fresh,
        };
        $walk.note($param.lazy_shape().to_vec(), dtype, $turned);
    }};
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.steps.push(Step { name: name.to_owned(), container: container.to_owned() });
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.steps.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let turned = is_turned(param);
        if turned {
            // Only a value tells its shape.
            let _ = param.val();
        }
        note!(self, param, param.lazy_device().settings().float_dtype.into(), turned);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        note!(self, param, param.lazy_device().settings().int_dtype.into(), false);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        note!(self, param, param.lazy_device().settings().bool_dtype.into(), false);
    }
}
