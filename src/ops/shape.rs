//! Operations that give elements another shape, or none of it.

use super::form::{Form, Sizes, forming, in_order, moving, one};
use crate::codegen::{Code, Place};
use crate::config::{Axes, Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::map_float;
use crate::value::Value;

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Reshape>(),
    row::<Ravel>(),
    row::<Squeeze>(),
    row::<ExpandDims>(),
    row::<BroadcastTo>(),
    row::<Transpose>(),
    row::<Swapaxes>(),
    row::<Moveaxis>(),
    row::<Rearrange>(),
    row::<Copy>(),
    row::<Array>(),
    row::<ConvertToTensor>(),
    row::<StopGradient>(),
];

/// The sizes after a reshape, where one may be left open: `-1`, or none for a size that was not known.
fn reshaped(sizes: &Sizes, shape: &[Option<i64>]) -> Result<Sizes> {
    let is_open = |size: &Option<i64>| size.is_none_or(|size| size == -1);
    let named = shape.iter().filter(|size| !is_open(size)).map(|size| {
        let size = size.and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| Error::config(format_args!("a negative size in {shape:?}")))
    });
    let named = named.collect::<Result<Vec<_>>>()?;
    let rest = match shape.len() - named.len() {
        0 => None,
        1 => {
            let count = sizes.iter().try_fold(1_usize, |count, size| Some(count.saturating_mul((*size)?)));
            let others = named.iter().fold(1_usize, |count, size| count.saturating_mul(*size));
            match count {
                Some(count) if others == 0 || count % others != 0 => {
                    return Err(Error::config(format_args!("{count} elements do not fit {shape:?}")));
                }
                count => count.map(|count| count / others),
            }
        }
        _ => return Err(Error::unsupported(format_args!("several unknown sizes in {shape:?}"))),
    };
    let mut named = named.into_iter();
    Ok(shape.iter().map(|size| if is_open(size) { rest } else { named.next() }).collect())
}

moving! {
    /// The operation `Reshape`.
    Reshape("x") {
        /// The shape of the result, with `-1` for what is left.
        newshape: Vec<Option<i64>>,
    } (this, x) => {
        let sizes = reshaped(&x.sizes(), &this.newshape).map_err(|error| error.at("newshape"))?;
        x.reshaped(&sizes)
    };

    /// The operation `Ravel`: one axis of all elements.
    Ravel("x") {} (_this, x) => x.flat();

    /// The operation `Squeeze`: without axes of size 1.
    Squeeze("x") {
        /// The axes; all of size 1 without any.
        axis: Option<Axes> = None,
    } (this, x) => {
        let mut sizes = x.sizes();
        match &this.axis {
            None => sizes.retain(|size| *size != Some(1)),
            Some(axes) => {
                for axis in axes.resolve(sizes.len()).map_err(|error| error.at("axis"))?.into_iter().rev() {
                    if sizes.remove(axis).is_some_and(|size| size != 1) {
                        return Err(Error::config(format_args!("axis {axis} is not of size 1")).at("axis"));
                    }
                }
            }
        }
        x.reshaped(&sizes)
    };

    /// The operation `ExpandDims`: new axes of size 1.
    ExpandDims("x") {
        /// Where they are in the result.
        axis: Axes,
    } (this, x) => {
        let added = match &this.axis {
            Axes::One(_) => 1,
            Axes::Many(axes) => axes.len(),
        };
        let axes = this.axis.resolve(x.axes().saturating_add(added)).map_err(|error| error.at("axis"))?;
        axes.into_iter().try_fold(x, Form::expanded)
    };

    /// The operation `BroadcastTo`: sizes of 1 spread to others.
    BroadcastTo("x") {
        /// The shape of the result.
        shape: Vec<Option<usize>>,
    } (this, x) => x.spread(&this.shape).map_err(|error| error.at("shape"));

    /// The operation `Transpose`: the axes in another order.
    Transpose("x") {
        /// The axes in their new order; reversed without any.
        axes: Option<Axes> = None,
    } (this, x) => match &this.axes {
        None => {
            let axes: Vec<usize> = (0..x.axes()).rev().collect();
            x.permuted(&axes)
        }
        Some(axes) => {
            let axes = in_order(axes, x.axes()).map_err(|error| error.at("axes"))?;
            x.permuted(&axes).map_err(|error| error.at("axes"))
        }
    };

    /// The operation `Swapaxes`: two axes in each other's place.
    Swapaxes("x") {
        /// The one.
        axis1: i64,
        /// The other.
        axis2: i64,
    } (this, x) => {
        let one = resolve_axis(this.axis1, x.axes()).map_err(|error| error.at("axis1"))?;
        let other = resolve_axis(this.axis2, x.axes()).map_err(|error| error.at("axis2"))?;
        let mut axes: Vec<usize> = (0..x.axes()).collect();
        axes.swap(one, other);
        x.permuted(&axes)
    };

    /// The operation `Moveaxis`: some axes in other places, the others in their order.
    Moveaxis("x") {
        /// Where they are.
        source: Axes,
        /// Where they are in the result.
        destination: Axes,
    } (this, x) => {
        let source = in_order(&this.source, x.axes()).map_err(|error| error.at("source"))?;
        let destination = in_order(&this.destination, x.axes()).map_err(|error| error.at("destination"))?;
        if source.len() != destination.len() {
            return Err(Error::config("expected as many axes as there are in source").at("destination"));
        }
        let mut axes: Vec<usize> = (0..x.axes()).filter(|axis| !source.contains(axis)).collect();
        let mut moves: Vec<_> = destination.into_iter().zip(source).collect();
        moves.sort_unstable();
        for (to, from) in moves {
            axes.insert(to.min(axes.len()), from);
        }
        x.permuted(&axes).map_err(|error| error.at("source"))
    };

    /// The operation `Copy`.
    Copy("x") {} (_this, x) => Ok(x);

    /// The operation `Array`: the operand, perhaps of another type.
    Array("x") {
        /// The element type, unless that of the operand.
        dtype: Option<Dtype> = None,
    } (this, x) => {
        let dtype = this.dtype.unwrap_or(x.dtype());
        x.typed(dtype)
    };

    /// The operation `ConvertToTensor`: the operand, perhaps of another type.
    ConvertToTensor("x") {
        /// The element type, unless that of the operand.
        dtype: Option<Dtype> = None,
        /// Whether most elements are left out; not supported.
        sparse: Option<bool> = None,
        /// Whether rows differ in length; not supported.
        ragged: Option<bool> = None,
    } (this, x) => {
        for (key, flag) in [("sparse", this.sparse), ("ragged", this.ragged)] {
            if flag == Some(true) {
                return Err(Error::unsupported(format_args!("a {key} tensor")).at(key));
            }
        }
        let dtype = this.dtype.unwrap_or(x.dtype());
        x.typed(dtype)
    };
}

/// One side of a pattern of einops: for every axis, the names of what it is made of.
fn groups(side: &str) -> Result<Vec<Vec<&str>>> {
    let wrong = || Error::unsupported(format_args!("the pattern {side:?}"));
    let (mut groups, mut rest) = (Vec::new(), side.trim());
    while !rest.is_empty() {
        let (group, after) = match rest.strip_prefix('(') {
            Some(inner) => inner.split_once(')').ok_or_else(wrong)?,
            None => rest.split_at(rest.find([' ', '(']).unwrap_or(rest.len())),
        };
        let names: Vec<&str> = group.split_whitespace().collect();
        let is_name = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if names.is_empty() || !names.iter().all(is_name) {
            return Err(wrong());
        }
        groups.push(names);
        rest = after.trim_start();
    }
    Ok(groups)
}

/// The sizes of the parts of an axis, one of which may be left open.
fn parts(names: &[&str], size: Option<usize>, given: &[(String, usize)]) -> Result<Sizes> {
    let of = |name: &&str| given.iter().find(|(known, _)| known == name).map(|(_, size)| *size);
    let known: Vec<_> = names.iter().map(of).collect();
    let product = known.iter().flatten().fold(1_usize, |product, size| product.saturating_mul(*size));
    let open = known.iter().filter(|size| size.is_none()).count();
    if open > 1
        || product == 0
        || size.is_some_and(|size| size % product != 0 || (open == 0 && size != product))
    {
        return Err(Error::config(format_args!("an axis of {size:?} has no parts {names:?}")));
    }
    Ok(known.into_iter().map(|known| known.or(size.map(|size| size / product))).collect())
}

forming! {
    /// The operation `Rearrange`: axes taken apart, put into another order, and joined, as a pattern of
    /// einops says.
    Rearrange("tensor", "pattern", "**axes_lengths") {} (_this, args) => {
        let x: T = one(&args, "tensor")?.operand;
        let pattern = match args.get("pattern") {
            Some(Tree::Constant(json)) => json.as_str(),
            _ => None,
        };
        let sides = pattern.and_then(|pattern| pattern.split_once("->"));
        let (from, to) = sides.ok_or_else(|| Error::config("expected a pattern with ->"))?;
        let (from, to) = (groups(from)?, groups(to)?);
        let mut given = Vec::new();
        if let Some(Tree::Dict(lengths)) = args.get("**axes_lengths") {
            for (name, length) in lengths {
                let Tree::Constant(json) = length else { return Err(Error::unsupported(format_args!("a tensor as {name:?}"))) };
                let length = json.as_u64().and_then(|length| usize::try_from(length).ok());
                given.push((name.clone(), length.ok_or_else(|| Error::config("expected a size").at(name))?));
            }
        }
        if from.len() != x.axes() {
            return Err(Error::config(format_args!("{} axes do not fit the pattern {pattern:?}", x.axes())));
        }
        let mut sizes = Sizes::new();
        for (names, size) in from.iter().zip(x.sizes()) {
            sizes.extend(parts(names, size, &given)?);
        }
        let names: Vec<&str> = from.concat();
        let place = |name: &&str| {
            let place = names.iter().position(|known| known == name);
            place.ok_or_else(|| Error::config(format_args!("no axis {name:?} on the left of {pattern:?}")))
        };
        let order = to.concat().iter().map(place).collect::<Result<Vec<_>>>()?;
        let taken = x.reshaped(&sizes)?.permuted(&order)?;
        let mut sizes = taken.sizes().into_iter();
        let joined: Sizes = to.iter().map(|names| {
            sizes.by_ref().take(names.len()).try_fold(1_usize, |product, size| Some(product.saturating_mul(size?)))
        }).collect();
        taken.reshaped(&joined).map(Tree::Leaf)
    };
}

crate::config! {
    /// The operation `StopGradient`: the operand, as if it did not depend on anything.
    pub struct StopGradient {}
}

impl Function for StopGradient {
    const CLASSES: &'static [&'static str] = &["StopGradient"];
    const ARGS: &'static [&'static str] = &["variable"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if x.is_float() { Ok(map_float!(x, x => x.detach())?.into()) } else { Ok(x.into()) }
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.elementwise("{0}.detach()")
    }
}
