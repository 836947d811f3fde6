//! The forms that a module can have as a Keras layer, and whether a layer has one of them.

use std::ops::Range;

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::store::contract::{Fit, KerasUnit, KerasVariable, ModuleParam, ModuleUnit, Piece};

/// How freely a variable has the shape that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    /// It has it.
    So,
    /// Each axis may be several: `[in, heads, size]` for `[in, heads * size]`.
    Split,
    /// Its last axes are the only ones that are longer than 1.
    Last,
}

/// A parameter of the module as a part of a variable of the layer.
#[derive(Clone, Debug)]
pub(super) struct Link {
    param: String,
    variable: String,
    /// Of the variable.
    shape: Vec<usize>,
    lies: Lies,
    view: Vec<usize>,
    window: Vec<Range<usize>>,
    axes: Vec<usize>,
    /// What stands for it where one side has none.
    neutral: Option<f32>,
    adds: bool,
}

/// The parameter that is a variable of this shape.
pub(super) fn link(param: impl Into<String>, variable: impl Into<String>, shape: &[usize]) -> Link {
    Link {
        param: param.into(),
        variable: variable.into(),
        shape: shape.to_vec(),
        lies: Lies::So,
        view: shape.to_vec(),
        window: shape.iter().map(|len| 0..*len).collect(),
        axes: Vec::new(),
        neutral: None,
        adds: false,
    }
}

impl Link {
    /// Where one side lacks it, it is this number.
    pub fn or(self, neutral: f32) -> Self {
        Self { neutral: Some(neutral), ..self }
    }

    /// Each axis of the variable may be several.
    pub fn split(self) -> Self {
        Self { lies: Lies::Split, ..self }
    }

    /// The variable may have axes of length 1 in front.
    pub fn last(self) -> Self {
        Self { lies: Lies::Last, ..self }
    }

    /// Axis `i` of the parameter is axis `axes[i]` of the variable.
    pub fn moved(self, axes: impl IntoIterator<Item = usize>) -> Self {
        Self { axes: axes.into_iter().collect(), ..self }
    }

    /// The parameter is entry `at` of `axis`, if the variable is looked at in this shape.
    pub fn part(mut self, view: &[usize], axis: usize, at: usize) -> Self {
        self.view = view.to_vec();
        self.window = view.iter().map(|len| 0..*len).collect();
        if let Some(window) = self.window.get_mut(axis) {
            *window = at..at.saturating_add(1);
        }
        self
    }

    /// Another parameter is the same part, and this one a second summand.
    pub fn adds(self) -> Self {
        Self { adds: true, ..self }
    }

    /// The same below other names.
    pub fn below(mut self, param: &str, variable: &str) -> Self {
        self.param = format!("{param}.{}", self.param);
        self.variable = format!("{variable}.{}", self.variable);
        self
    }

    fn count(&self) -> usize {
        self.window.iter().map(Range::len).fold(1, usize::saturating_mul)
    }

    fn takes(&self, shape: &[usize]) -> bool {
        match self.lies {
            Lies::So => shape == self.shape,
            Lies::Split => is_split(shape, &self.shape),
            Lies::Last => {
                let ones = shape.iter().take_while(|len| **len == 1).count();
                let shape = &shape[ones.min(shape.len().saturating_sub(self.shape.len()))..];
                is_split(shape, &self.shape) && (shape.last() != Some(&1) || self.shape.last() == Some(&1))
            }
        }
    }
}

/// Whether each axis of `joined` is one or several neighbours of `split`.
fn is_split(split: &[usize], joined: &[usize]) -> bool {
    let mut rest = split;
    let fits = joined.iter().all(|len| {
        let mut product = 1_usize;
        let mut taken = 0;
        for axis in rest {
            if taken > 0 && product == *len {
                break;
            }
            (product, taken) = (product.saturating_mul(*axis), taken + 1);
        }
        rest = &rest[taken..];
        product == *len
    });
    fits && rest.iter().all(|len| *len == 1)
}

/// A layer that a module can be.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Its classes: the first is that of a new file.
    pub classes: Vec<String>,
    /// In Keras' order of the variables.
    pub links: Vec<Link>,
    /// What in the settings of the layer, if they are known, speaks against it.
    refusal: fn(&KerasUnit) -> Option<&'static str>,
    /// What no weights tell.
    note: fn(&KerasUnit) -> Option<String>,
}

impl Form {
    pub fn new(classes: &[&str], links: impl IntoIterator<Item = Link>) -> Self {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Self { classes, links: links.into_iter().collect(), refusal: |_| None, note: |_| None }
    }

    /// The same with other classes and links.
    pub fn with(self, classes: Vec<String>, links: Vec<Link>) -> Self {
        Self { classes, links, ..self }
    }

    /// What in the settings of the layer speaks against it.
    pub fn unless(self, refusal: fn(&KerasUnit) -> Option<&'static str>) -> Self {
        Self { refusal, ..self }
    }

    /// Whether axes of its variables may be several, and then which is not known.
    pub fn is_split(&self) -> bool {
        self.links.iter().any(|link| link.lies == Lies::Split && link.shape.len() > 1)
    }

    /// What no weights tell, and whoever makes the module must know.
    pub fn note(self, note: fn(&KerasUnit) -> Option<String>) -> Self {
        Self { note, ..self }
    }

    /// The variables of the parameters that the module has: names and shapes.
    pub fn variables(&self, module: &ModuleUnit) -> Vec<(String, Vec<usize>)> {
        let mut variables: Vec<(String, Vec<usize>)> = Vec::new();
        for link in self.links.iter().filter(|link| param(module, &link.param).is_some()) {
            if !variables.iter().any(|(name, _)| *name == link.variable) {
                variables.push((link.variable.clone(), link.shape.clone()));
            }
        }
        variables
    }

    /// The same layer, whose variables go by their order: with the names that they would have.
    pub fn named(&self, keras: &KerasUnit) -> Option<KerasUnit> {
        let names = |all: bool| {
            let mut names: Vec<&str> = Vec::new();
            for link in self.links.iter().filter(|link| all || link.neutral.is_none()) {
                if !names.contains(&link.variable.as_str()) {
                    names.push(&link.variable);
                }
            }
            names
        };
        let fits = |names: &Vec<&str>| names.len() == keras.variables.len();
        let names = Some(names(true)).filter(fits).or_else(|| Some(names(false)).filter(fits))?;
        let variables = keras.variables.iter().zip(names);
        let variables =
            variables.map(|(variable, name)| KerasVariable { name: name.to_owned(), ..variable.clone() });
        Some(KerasUnit { variables: variables.collect(), ..keras.clone() })
    }

    /// How the module and the layer are the same numbers.
    ///
    /// # Errors
    /// When they are not, with all reasons.
    pub fn fit(&self, module: &ModuleUnit, keras: &KerasUnit) -> Result<Fit> {
        let mut fit = Fit { notes: (self.note)(keras).into_iter().collect(), ..Fit::default() };
        let mut wrong: Vec<String> = (self.refusal)(keras).map(str::to_owned).into_iter().collect();
        for link in &self.links {
            join(link, module, keras, &mut fit).unwrap_or_else(|why| wrong.push(why));
        }
        self.rest(module, keras, &mut fit, &mut wrong);
        if wrong.is_empty() {
            return Ok(fit);
        }
        wrong.dedup();
        let message =
            format_args!("{} is not {}: {}", said(module), told(keras), wrong.join("; ")).to_string();
        Err(Error::weights(message))
    }

    /// What no link is about.
    fn rest(&self, module: &ModuleUnit, keras: &KerasUnit, fit: &mut Fit, wrong: &mut Vec<String>) {
        for (at, variable) in keras.variables.iter().enumerate() {
            let written = fit.pieces.iter().filter(|piece| piece.variable == at && !piece.adds);
            let written = written.flat_map(|piece| sizes(&piece.window)).collect::<Vec<_>>();
            let is_known = self.links.iter().any(|link| same_name(&link.variable, &variable.name));
            let is_random = variable.name.contains("seed_generator");
            match (is_known, written.is_empty()) {
                (false, _) if is_random => {
                    fit.surplus
                        .push((at, "the state of random numbers, which Burn keeps per device".to_owned()));
                }
                (false, _) => {
                    wrong.push(format!("it has no place for {}", shown(&variable.name, &variable.shape)))
                }
                (true, false) if written.iter().sum::<usize>() != numbers(&variable.shape) => {
                    wrong.push(format!("it has a place for a part of {}", variable.name));
                }
                _ => {}
            }
        }
        for (at, param) in module.params.iter().enumerate() {
            let is_known = fit.pieces.iter().any(|piece| piece.param == at)
                || fit.constant.iter().any(|(constant, _)| *constant == at)
                || self.links.iter().any(|link| link.param == param.name);
            if !is_known {
                wrong.push(format!("nothing is {}", shown(&param.name, &param.shape)));
            }
        }
    }
}

/// Adds what `link` says to `fit`.
fn join(link: &Link, module: &ModuleUnit, keras: &KerasUnit, fit: &mut Fit) -> Result<(), String> {
    let variable =
        keras.variables.iter().enumerate().find(|(_, known)| same_name(&known.name, &link.variable));
    match (variable, param(module, &link.param)) {
        (Some((at, variable)), Some((param, known))) => {
            if !link.takes(&variable.shape) {
                let expected = shown(&link.variable, &link.shape);
                return Err(format!("expected {expected}, got {:?}", variable.shape));
            }
            if numbers(&known.shape) != link.count() {
                return Err(format!(
                    "{} does not fit its other parameters",
                    shown(&known.name, &known.shape)
                ));
            }
            fit.pieces.push(Piece {
                variable: at,
                param,
                view: link.view.clone(),
                window: link.window.clone(),
                axes: link.axes.clone(),
                adds: link.adds,
            });
            Ok(())
        }
        (None, Some((param, _))) => match link.neutral {
            Some(neutral) => {
                fit.constant.push((param, neutral));
                Ok(())
            }
            None => Err(format!("it has no {}", link.variable)),
        },
        (Some((at, _)), None) => match link.neutral {
            Some(neutral) => {
                let is_placed = fit.pieces.iter().any(|piece| piece.variable == at);
                if !is_placed && !fit.surplus.iter().any(|(known, _)| *known == at) {
                    let why = format!("the module has none, as if it were {neutral}");
                    fit.surplus.push((at, why));
                    fit.neutral.push((at, neutral));
                }
                Ok(())
            }
            None => Err(format!("the module has no {}", link.param)),
        },
        (None, None) => match link.neutral {
            Some(_) => Ok(()),
            None => Err(format!("there is no {}", link.variable)),
        },
    }
}

fn param<'a>(module: &'a ModuleUnit, name: &str) -> Option<(usize, &'a ModuleParam)> {
    module.params.iter().enumerate().find(|(_, param)| param.name == name)
}

/// A setting of the layer, or of the one inside of it.
pub(super) fn setting<'a>(keras: &'a KerasUnit, key: &str) -> Option<&'a Json> {
    let inner = || keras.config.get("layer")?.get("config")?.get(key);
    keras.config.get(key).or_else(inner)
}

/// The names of a variable agree, whatever the layer around it calls its parts.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| {
        let parts = name.split('.').map(|part| part.trim_start_matches('_').to_owned());
        parts.skip_while(|part| part == "layer").collect::<Vec<_>>()
    };
    plain(one) == plain(other)
}

fn sizes(window: &[Range<usize>]) -> Option<usize> {
    window.iter().map(Range::len).try_fold(1, usize::checked_mul)
}

pub(super) fn numbers(shape: &[usize]) -> usize {
    shape.iter().copied().fold(1, usize::saturating_mul)
}

fn shown(name: &str, shape: &[usize]) -> String {
    format!("{name} {shape:?}")
}

/// The module and its parameters.
pub(super) fn said(module: &ModuleUnit) -> String {
    let params = module.params.iter().map(|param| shown(&param.name, &param.shape));
    format!("a {} ({})", module.ty, few(params))
}

/// The layer and its variables.
pub(super) fn told(keras: &KerasUnit) -> String {
    let variables = keras.variables.iter().map(|variable| shown(&variable.name, &variable.shape));
    format!("this {} ({})", keras.class, few(variables))
}

fn few(all: impl Iterator<Item = String>) -> String {
    const MOST: usize = 4;
    let all: Vec<_> = all.collect();
    let more = if all.len() > MOST { ", ..." } else { "" };
    format!("{}{more}", all.iter().take(MOST).cloned().collect::<Vec<_>>().join(", "))
}
