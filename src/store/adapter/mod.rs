//! Which modules of burn-nn are which layers of Keras, and how their numbers become each other's.
//!
//! Everything here is said of the values that a module computes with: of a [`Linear`](burn::nn::Linear) of either
//! layout, `[in, out]`, not of the form that a record has.

mod apply;
mod form;
mod table;
#[cfg(test)]
mod tests;

use form::{Form, link, numbers, said, told};

use super::contract::{Fit, KerasUnit, ModuleUnit};
use crate::error::{Error, Result};

/// A class of Keras and its variables: names as in a [`KerasUnit`], shapes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KerasClass {
    pub class: String,
    pub variables: Vec<(String, Vec<usize>)>,
}

/// In front of the class, the type of a unit that is a layer of this crate.
const OWN: &str = "Keras:";

/// Whether this type of burn-nn is one unit with all that is below it. Every other type is a unit only by
/// parameters that are its own fields.
pub(crate) fn is_unit(ty: &str) -> bool {
    ty.starts_with(OWN) || table::TABLE.iter().any(|(known, _)| *known == ty)
}

/// How the module and the layer are the same numbers.
///
/// # Errors
/// When they are not, saying why.
pub(crate) fn fit(module: &ModuleUnit, keras: &KerasUnit) -> Result<Fit> {
    let forms = forms(module)?;
    let (is_own, is_table) = (module.ty.starts_with(OWN), is_unit(&module.ty));
    let is_wrapper = same_class(&keras.class, "TimeDistributed");
    let named: Vec<&Form> = forms
        .iter()
        .filter(|form| is_wrapper || form.classes.iter().any(|class| same_class(class, &keras.class)))
        .collect();
    let is_known = knows(&keras.class);
    let candidates = match (is_own, is_table, named.is_empty()) {
        // A layer of this crate is of its own class only, a bare parameter of any.
        (false, false, _) => forms.iter().collect(),
        (_, _, false) => named,
        // The group of a file without a model description may have any name.
        (false, _, true) if !is_known => forms.iter().collect(),
        _ => {
            let message = format_args!("{} is not {}, whatever its numbers", said(module), told(keras));
            return Err(Error::weights(message));
        }
    };
    let by_name = best(candidates.iter().map(|form| form.fit(module, keras)));
    let is_nameless = !is_known || !is_table || is_own;
    by_name.or_else(|error| {
        let by_order = candidates.iter().filter(|_| is_nameless).filter_map(|form| {
            let named = form.named(keras)?;
            Some(form.fit(module, &named))
        });
        best(by_order).map_err(|_| error)
    })
}

/// The fit that leaves least over, or why the first is none.
fn best(fits: impl Iterator<Item = Result<Fit>>) -> Result<Fit> {
    let mut problem = None;
    let mut fitting = Vec::new();
    for fit in fits {
        fit.map(|fit| fitting.push(fit)).unwrap_or_else(|error| {
            problem.get_or_insert(error);
        });
    }
    let left = |fit: &Fit| fit.surplus.len() + fit.constant.len();
    let best = fitting.into_iter().min_by_key(left);
    best.ok_or_else(|| problem.unwrap_or_else(|| Error::weights("nothing fits")))
}

/// The layer that a module becomes in a new file. None where its parameters do not tell.
pub(crate) fn class_of(module: &ModuleUnit) -> Option<KerasClass> {
    let forms = forms(module).ok()?;
    let form = forms.first()?;
    let class = form.classes.first().filter(|class| !class.is_empty())?.clone();
    let variables = form.variables(module);
    // How many heads share an axis is no parameter's business, nor is when a Gru resets.
    let is_other =
        |other: &Form| other.classes.first() == Some(&class) && other.variables(module) != variables;
    let is_told = !form.is_split() && !forms.iter().any(is_other);
    is_told.then_some(KerasClass { class, variables })
}

/// All that a module can be.
fn forms(module: &ModuleUnit) -> Result<Vec<Form>> {
    if let Some((_, forms)) = table::TABLE.iter().find(|(ty, _)| *ty == module.ty) {
        return forms(module);
    }
    let links = module.params.iter().map(|param| {
        let mut shape = param.shape.clone();
        for (len, axis) in param.shape.iter().zip(&param.axes) {
            *shape.get_mut(*axis).ok_or_else(|| Error::weights("an axis that there is not"))? = *len;
        }
        let link = link(&param.name, &param.name, &shape);
        // A layer of this crate may have all axes of a variable in one.
        let is_flat = param.axes.is_empty() && shape.len() == 1;
        Ok(if is_flat { link.split() } else { link.moved(param.axes.iter().copied()) })
    });
    let class = module.ty.strip_prefix(OWN).unwrap_or_default();
    Ok(vec![Form::new(&[class], links.collect::<Result<Vec<_>>>()?)])
}

/// Whether two names are one class: `Conv2D`, `Convolution2D`, and the groups `conv2d` and `conv2d_1`.
fn same_class(one: &str, other: &str) -> bool {
    let (one, other) = (plain(one), plain(other));
    one == other || synonyms().any(|names| names.contains(&one) && names.contains(&other))
}

/// Whether it is a class of Keras, and not a name that someone gave a layer.
fn knows(class: &str) -> bool {
    let class = plain(class);
    synonyms().any(|names| names.contains(&class))
}

fn synonyms() -> impl Iterator<Item = Vec<String>> {
    crate::registry::rows().map(|row| row.classes.iter().map(|class| plain(class)).collect())
}

/// A class as all ways of writing it have it.
fn plain(class: &str) -> String {
    let numbered =
        class.rsplit_once('_').filter(|(_, number)| number.chars().all(|digit| digit.is_ascii_digit()));
    let name = numbered.map_or(class, |(name, _)| name);
    name.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect()
}
