//! What happens to floats at the border of a layer, as its dtype policy says.
//!
//! Inside, every layer computes in `float32`: not every backend can multiply or convolve numbers of 16
//! bits, and Keras itself computes sums and normalizations of such numbers in `float32`. What enters a
//! layer, what it gives, and the variables that it uses are rounded to the type of its policy.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor};
use serde_json::{Map, Value as Json};

use super::AnyLayer;
use crate::codegen::{Code, Place};
use crate::config::{Dtype, DtypePolicy};
use crate::error::{Error, Result};
use crate::layer::{AnyConfig, Args, Borders, MaskRule, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::{Value, burn_dtype};

/// A kind of layer under a dtype policy.
#[derive(Clone, Debug)]
pub(crate) struct Governed {
    pub config: Arc<dyn AnyConfig>,
    pub policy: DtypePolicy,
    pub borders: Borders,
}

impl Governed {
    /// The arguments as the layer sees them.
    fn inside(&self, args: &Args<Spec>) -> Result<Args<Spec>> {
        let is_free = self.borders == Borders::Free;
        args.try_map(&mut |spec| {
            let is_cast = spec.dtype.is_float() && !is_free;
            Ok(if is_cast { spec.with_dtype(Dtype::Float32) } else { spec.clone() })
        })
    }
}

impl AnyConfig for Governed {
    fn class(&self) -> &'static str {
        self.config.class()
    }
    fn arg_names(&self) -> &'static [&'static str] {
        self.config.arg_names()
    }
    fn mask_rule(&self) -> MaskRule {
        self.config.mask_rule()
    }
    fn takes_masks(&self) -> bool {
        self.config.takes_masks()
    }
    fn borders(&self) -> Borders {
        self.borders
    }
    fn is_input(&self) -> bool {
        self.config.is_input()
    }
    fn takes_strings(&self) -> bool {
        self.config.takes_strings()
    }
    fn first_call(&self) -> usize {
        self.config.first_call()
    }
    fn group_name(&self) -> Option<String> {
        self.config.group_name()
    }
    fn input(&self) -> Option<Spec> {
        self.config.input()
    }
    fn function(&self) -> Option<AnyLayer> {
        let border = Border::new(self.borders, self.policy, Vec::new());
        Some(self.config.function()?.with_border(border.ok()?))
    }
    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
        self.config.activity_regularizer(given)
    }
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let outputs = self.config.outputs(&self.inside(args)?)?;
        let (leaves, compute) = (outputs.leaves(), self.policy.compute);
        let differs = leaves.iter().any(|spec| spec.dtype.is_float() && spec.dtype != compute);
        match self.borders {
            Borders::Free => return Ok(outputs),
            // Keras casts some of them.
            Borders::Wrapper if differs && leaves.len() > 1 => {
                return Err(Error::unsupported("several outputs of a layer of another type").at("dtype"));
            }
            _ => {}
        }
        outputs.try_map(&mut |spec| {
            Ok(if spec.dtype.is_float() { spec.with_dtype(compute) } else { spec.clone() })
        })
    }
    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let variables = self.config.variables(&self.inside(args)?)?;
        Ok(match self.borders {
            Borders::Free => variables,
            Borders::Wrapper => {
                variables.stored_as(self.policy.variable, |variable| variable.group.is_empty())
            }
            _ => variables.stored_as(self.policy.variable, |_| true),
        })
    }
    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer> {
        let outputs = match self.borders {
            Borders::Free => self.outputs(args)?.into_leaves().into_iter().map(|spec| spec.dtype).collect(),
            _ => Vec::new(),
        };
        let border = Border::new(self.borders, self.policy, outputs)?;
        Ok(self.config.build(&self.inside(args)?, weights)?.with_border(border))
    }
    fn gives_masks(&self, masked: bool) -> bool {
        self.config.gives_masks(masked)
    }
    fn code(&self, place: &Place<'_>) -> Option<Code> {
        // Burn's modules compute in the type of their parameters and inputs, and round nothing.
        let is_plain = self.borders == Borders::Free || self.policy == DtypePolicy::default();
        self.config.code(place).filter(|_| is_plain)
    }
    fn write(&self) -> Map<String, Json> {
        self.config.write()
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self.config.as_any()
    }
}

/// How the floats of a built layer are cast.
#[derive(Clone, Debug)]
pub(crate) struct Border {
    compute: DType,
    borders: Borders,
    /// The types of the outputs of what has no policy, if they are floats.
    outputs: Vec<Option<DType>>,
}

impl Border {
    fn new(borders: Borders, policy: DtypePolicy, outputs: Vec<Dtype>) -> Result<Self> {
        let float = |dtype: Dtype| dtype.is_float().then(|| burn_dtype(dtype)).transpose();
        let outputs = outputs.into_iter().map(float).collect::<Result<_>>()?;
        Ok(Self { compute: burn_dtype(policy.compute)?, borders, outputs })
    }

    /// Whether variables are rounded before they are used.
    pub fn rounds_variables(&self) -> bool {
        self.compute != DType::F32 && self.borders == Borders::Cast
    }

    /// A layer whose variables are rounded. Gradients reach the variables themselves.
    pub fn round<M: Module>(&self, module: M) -> M {
        module.map(&mut Rounder(self.compute))
    }

    /// The arguments as the layer sees them.
    pub fn enter(&self, args: Args<Value>) -> Result<Args<Value>> {
        if self.borders == Borders::Free || (self.compute == DType::F32 && is_plain(args.leaves())) {
            return Ok(args);
        }
        let rounds = !matches!(self.borders, Borders::Uncast);
        args.try_map(&mut |value| match value.is_float() {
            true if rounds => value.clone().cast(self.compute)?.cast(DType::F32),
            true => value.clone().cast(DType::F32),
            false => Ok(value.clone()),
        })
    }

    /// The outputs as others see them.
    pub fn leave(&self, outputs: Tree<Value>) -> Result<Tree<Value>> {
        let gives_plain = |dtype: &Option<DType>| dtype.is_none_or(|dtype| dtype == DType::F32);
        if self.compute == DType::F32 && self.outputs.iter().all(gives_plain) && is_plain(outputs.leaves()) {
            return Ok(outputs);
        }
        let mut at = 0;
        outputs.try_map(&mut |value| {
            let own = self.outputs.get(at).copied().flatten();
            at += 1;
            let keeps = own.is_none() && self.borders == Borders::Free;
            match value.is_float() && !keeps {
                true => value.clone().cast(own.unwrap_or(self.compute)),
                false => Ok(value.clone()),
            }
        })
    }
}

/// Whether floats have the type in which layers compute.
fn is_plain(values: Vec<&Value>) -> bool {
    values.into_iter().all(|value| !value.is_float() || value.dtype() == DType::F32)
}

struct Rounder(DType);

impl ModuleMapper for Rounder {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, _) = param.consume();
        let dtype = crate::value::held(self.0, &value.device());
        Param::initialized(id, value.cast(dtype).cast(DType::F32))
    }
}
