//! Operations that put values together, or take them apart.

use super::form::{Form, Picks, Sizes, forming, pair, several};
use crate::config::{Axes, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Row, Tree, row};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Concatenate>(),
    row::<Append>(),
    row::<Stack>(),
    row::<Hstack>(),
    row::<Vstack>(),
    row::<Dstack>(),
    row::<Split>(),
    row::<ArraySplit>(),
    row::<Hsplit>(),
    row::<Vsplit>(),
    row::<Dsplit>(),
    row::<Unstack>(),
    row::<Meshgrid>(),
];

fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    resolve_axis(axis, rank).map_err(|error| error.at("axis"))
}

fn rank_of<T: Form>(parts: &[T]) -> Result<usize> {
    parts.first().map(Form::axes).ok_or_else(|| Error::config("nothing to join"))
}

/// An operand as a matrix of one row, unless it has more axes.
fn rows<T: Form>(x: T) -> Result<T> {
    x.raised(2)
}

forming! {
    /// The operation `Concatenate`: values beside each other along an axis.
    Concatenate("xs") {
        /// The axis.
        axis: i64 = 0,
    } (this, args) => {
        let parts = several(&args, "xs")?;
        let axis = axis_of(this.axis, rank_of(&parts)?)?;
        T::joined(parts, axis).map(Tree::Leaf)
    };

    /// The operation `Append`: one value after the other along an axis.
    Append("x1", "x2") {
        /// The axis; without one, all elements in a row.
        axis: Option<i64> = None,
    } (this, args) => {
        let (a, b) = pair(&args, ["x1", "x2"])?;
        match this.axis {
            None => T::joined(vec![a.flat()?, b.flat()?], 0),
            Some(axis) => {
                let axis = axis_of(axis, a.axes())?;
                T::joined(vec![a, b], axis)
            }
        }
        .map(Tree::Leaf)
    };

    /// The operation `Stack`: values beside each other along a new axis.
    Stack("x") {
        /// Where the axis is in the result.
        axis: i64 = 0,
    } (this, args) => {
        let parts = several(&args, "x")?;
        let axis = axis_of(this.axis, rank_of(&parts)?.saturating_add(1))?;
        let parts = parts.into_iter().map(|part| part.expanded(axis));
        T::joined(parts.collect::<Result<_>>()?, axis).map(Tree::Leaf)
    };

    /// The operation `Hstack`: values beside each other along the second axis, or the only one.
    Hstack("xs") {} (_this, args) => {
        let parts: Vec<T> = several(&args, "xs")?.into_iter().map(|x: T| x.raised(1)).collect::<Result<_>>()?;
        let axis = rank_of(&parts)?.saturating_sub(1).min(1);
        T::joined(parts, axis).map(Tree::Leaf)
    };

    /// The operation `Vstack`: values beside each other along the first axis; vectors are rows.
    Vstack("xs") {} (_this, args) => {
        let parts = several(&args, "xs")?.into_iter().map(rows);
        T::joined(parts.collect::<Result<_>>()?, 0).map(Tree::Leaf)
    };

    /// The operation `Dstack`: values beside each other along the third axis.
    Dstack("xs") {} (_this, args) => {
        let parts = several(&args, "xs")?.into_iter().map(|x: T| {
            let x = rows(x)?;
            if x.axes() == 2 { x.expanded(2) } else { Ok(x) }
        });
        T::joined(parts.collect::<Result<_>>()?, 2).map(Tree::Leaf)
    };

    /// The operation `Split`: the parts of an axis.
    Split("x") {
        /// How many equal parts, or where they end.
        indices_or_sections: Axes,
        /// The axis.
        axis: i64 = 0,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = axis_of(this.axis, x.axes())?;
        split(x, &this.indices_or_sections, axis, true)
    };

    /// The operation `ArraySplit`: the parts of an axis, the first ones larger if need be.
    ArraySplit("x") {
        /// How many parts, or where they end.
        indices_or_sections: Axes,
        /// The axis.
        axis: i64 = 0,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = axis_of(this.axis, x.axes())?;
        split(x, &this.indices_or_sections, axis, false)
    };

    /// The operation `Hsplit`: the parts of the second axis, or the only one.
    Hsplit("x") {
        /// How many equal parts, or where they end.
        indices_or_sections: Axes,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = resolve_axis(i64::from(x.axes() > 1), x.axes())?;
        split(x, &this.indices_or_sections, axis, true)
    };

    /// The operation `Vsplit`: the parts of the first axis.
    Vsplit("x") {
        /// How many equal parts, or where they end.
        indices_or_sections: Axes,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = resolve_axis(0, x.axes())?;
        split(x, &this.indices_or_sections, axis, true)
    };

    /// The operation `Dsplit`: the parts of the third axis.
    Dsplit("x") {
        /// How many equal parts, or where they end.
        indices_or_sections: Axes,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = resolve_axis(2, x.axes())?;
        split(x, &this.indices_or_sections, axis, true)
    };

    /// The operation `Unstack`: the entries of an axis, without it.
    Unstack("x") {
        /// How many there are.
        num: Option<usize> = None,
        /// The axis.
        axis: i64 = 0,
    } (this, args) => {
        let x = args.into_input()?;
        let axis = axis_of(this.axis, x.axes())?;
        let size = x.sizes()[axis];
        let count = match (this.num, size) {
            (Some(num), Some(size)) if num != size => {
                return Err(Error::config(format_args!("expected the size {size} of the axis")).at("num"));
            }
            (num, size) => num.or(size).ok_or_else(|| Error::config("expected a number").at("num"))?,
        };
        bounded(count)?;
        let entries = (0..count).map(|place| x.clone().at(axis, |_| Ok(place)).map(Tree::Leaf));
        entries.collect::<Result<_>>().map(Tree::List)
    };

    /// The operation `Meshgrid`: vectors spread along an axis for each.
    Meshgrid("*x") {
        /// Whether the first two axes are swapped, as in `x` and `y` of a picture.
        indexing: Indexing = Indexing::Xy,
    } (this, args) => {
        let vectors: Vec<T> = several_as_they_are(&args)?;
        let mut order: Vec<usize> = (0..vectors.len()).collect();
        if this.indexing == Indexing::Xy && order.len() > 1 {
            order.swap(0, 1);
        }
        let full: Sizes = order.iter().map(|at| vectors[*at].count()).collect();
        let grids = vectors.into_iter().enumerate().map(|(at, vector)| {
            let mut sizes = vec![Some(1); full.len()];
            sizes[order[at]] = vector.count();
            vector.reshaped(&sizes)?.spread(&full).map(Tree::Leaf)
        });
        grids.collect::<Result<_>>().map(Tree::List)
    };
}

crate::keywords! {
    /// Which axis of a grid the first vector lies along.
    pub enum Indexing {
        /// The second.
        Xy = "xy",
        /// The first.
        Ij = "ij",
    }
}

/// The vectors of a grid, each of its own type.
fn several_as_they_are<T: Form>(args: &crate::layer::Args<T>) -> Result<Vec<T>> {
    let vectors = super::kit::operands(args, "*x", T::device(args).as_ref())?;
    let vectors: Vec<T> = vectors.into_iter().map(|vector| vector.operand).collect();
    match vectors.iter().all(|vector| vector.axes() <= 1) {
        true => Ok(vectors),
        false => Err(Error::config("expected vectors")),
    }
}

/// More parts than any model has would take long to count.
fn bounded(parts: usize) -> Result<()> {
    match parts <= 100_000 {
        true => Ok(()),
        false => Err(Error::unsupported(format_args!("{parts} parts of a value"))),
    }
}

/// The parts of an axis: so many of one size, or those that end at some places.
fn split<T: Form>(x: T, parts: &Axes, axis: usize, equal: bool) -> Result<Tree<T>> {
    let wrong = |message: String| Error::config(message).at("indices_or_sections");
    let count = match parts {
        Axes::One(count) => usize::try_from(*count).unwrap_or(0),
        Axes::Many(places) => places.len().saturating_add(1),
    };
    if count == 0 {
        return Err(wrong("expected at least one part".to_owned()));
    }
    bounded(count)?;
    let ends = |size: usize| -> Result<Vec<usize>> {
        Ok(match parts {
            Axes::One(_) if equal && !size.is_multiple_of(count) => {
                return Err(wrong(format!("an axis of {size} has no {count} equal parts")));
            }
            Axes::One(_) => (1..=count).map(|at| at * (size / count) + at.min(size % count)).collect(),
            Axes::Many(places) => {
                let from_front = |place: &i64| if *place < 0 { *place + size as i64 } else { *place };
                let ends = places.iter().map(|place| from_front(place).clamp(0, size as i64) as usize);
                ends.chain([size]).collect()
            }
        })
    };
    let part = |at: usize| {
        let part = x.clone().picked(axis, |size| {
            let ends = ends(size)?;
            let start = if at == 0 { 0 } else { ends[at - 1] };
            Ok(Picks::range(start, ends[at]))
        });
        part.map(Tree::Leaf)
    };
    (0..count).map(part).collect::<Result<_>>().map(Tree::List)
}
