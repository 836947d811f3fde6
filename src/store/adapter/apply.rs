//! Makes parameters of variables, and variables of parameters.

use std::ops::Range;

use burn::tensor::{DType, TensorData};

use super::numbers;
use crate::error::{Error, Result};
use crate::reorder::{Memory, aligned, reorder};
use crate::store::contract::{Fit, KerasUnit, KerasVariable, ModuleUnit, Piece};
use crate::value::burn_dtype;

/// Reads a variable or parameter by its number in its unit.
pub(crate) type Read<'a> = &'a dyn Fn(usize) -> Result<TensorData>;

impl Fit {
    /// The value of parameter `param`, in its own shape and element type, from variables in the file's.
    ///
    /// # Errors
    /// When a variable cannot be read, or is not what the unit says.
    pub(crate) fn param_data(
        &self,
        module: &ModuleUnit,
        keras: &KerasUnit,
        param: usize,
        read: Read<'_>,
    ) -> Result<TensorData> {
        let target = at(&module.params, param)?;
        if let Some((_, number)) = self.constant.iter().find(|(constant, _)| *constant == param) {
            return full(*number, &target.shape, target.dtype);
        }
        let piece = self.pieces.iter().find(|piece| piece.param == param);
        let piece = piece.ok_or_else(|| Error::weights("nothing in the file is it").at(&target.name))?;
        if piece.adds {
            return full(0.0, &target.shape, target.dtype);
        }
        let variable = at(&keras.variables, piece.variable)?;
        let data = cast(checked(read(piece.variable)?, &variable.name, &variable.shape)?, target.dtype)?;
        let (data, shape) = match is_all(piece) {
            true => (data, piece.view.clone()),
            false => (block(data, piece)?, piece.window.iter().map(Range::len).collect()),
        };
        if numbers(&target.shape) != numbers(&shape) {
            return Err(
                Error::weights(format_args!("expected {:?}, got {shape:?}", target.shape)).at(&target.name)
            );
        }
        if piece.axes.is_empty() {
            return Ok(aligned(shaped(data, &target.shape)));
        }
        // What is moved is copied, and any copy is aligned.
        reorder(data, &shape, &piece.axes, &target.shape).map(aligned)
    }

    /// The value of variable `variable`, in the shape and element type of the file, from parameters. None when it
    /// stays what it is in the file, because the module says nothing of it.
    ///
    /// # Errors
    /// When a parameter cannot be read, or is not what the unit says.
    pub(crate) fn variable_data(
        &self,
        module: &ModuleUnit,
        keras: &KerasUnit,
        variable: usize,
        read: Read<'_>,
    ) -> Result<Option<TensorData>> {
        let target = at(&keras.variables, variable)?;
        let dtype = burn_dtype(target.dtype)?;
        if let Some((_, number)) = self.neutral.iter().find(|(neutral, _)| *neutral == variable) {
            return full(*number, &target.shape, dtype).map(Some);
        }
        let mut pieces = self.pieces.iter().filter(|piece| piece.variable == variable);
        let Some(first) = pieces.next() else { return Ok(None) };
        let source = |piece: &Piece| -> Result<TensorData> {
            let param = at(&module.params, piece.param)?;
            let data = checked(read(piece.param)?, &param.name, &param.shape)?;
            let (axes, shape) = inverse(piece);
            let window: Vec<usize> = piece.window.iter().map(Range::len).collect();
            if numbers(&param.shape) != numbers(&window) {
                return Err(Error::weights(format_args!("expected {window:?}")).at(&param.name));
            }
            if axes.is_empty() { Ok(data) } else { reorder(data, &shape, &axes, &window) }
        };
        if is_all(first) && !first.adds && pieces.next().is_none() {
            return cast(shaped(source(first)?, &target.shape), dtype).map(Some);
        }
        self.assembled(target, variable, &source).and_then(|data| cast(data, dtype)).map(Some)
    }

    /// A variable of several pieces, in the element type of the parameters.
    fn assembled(
        &self,
        target: &KerasVariable,
        variable: usize,
        source: &dyn Fn(&Piece) -> Result<TensorData>,
    ) -> Result<TensorData> {
        let pieces = || self.pieces.iter().filter(|piece| piece.variable == variable);
        let mut sums: Vec<(&Piece, TensorData)> = Vec::new();
        for piece in pieces().filter(|piece| !piece.adds) {
            sums.push((piece, source(piece)?));
        }
        for piece in pieces().filter(|piece| piece.adds) {
            let more = source(piece)?;
            let sum =
                sums.iter_mut().find(|(known, _)| known.view == piece.view && known.window == piece.window);
            let (_, sum) = sum.ok_or_else(|| Error::weights("nothing to add to").at(&target.name))?;
            *sum = added(sum, &more)?;
        }
        let dtype = sums.first().map_or(DType::F32, |(_, data)| data.dtype());
        let mut memory = Memory::new(numbers(&target.shape).saturating_mul(dtype.size()));
        for (piece, data) in sums {
            if data.dtype() != dtype {
                return Err(Error::weights("parameters of several element types").at(&target.name));
            }
            copy_runs(piece, dtype.size(), |whole, part| {
                let to = memory.as_mut().get_mut(whole)?;
                to.copy_from_slice(data.as_bytes().get(part)?);
                Some(())
            })?;
        }
        Ok(TensorData::from_bytes(memory.into_bytes(), target.shape.clone(), dtype))
    }

    /// What is to be told of writing the module: constants that are none, biases that are summed.
    ///
    /// # Errors
    /// When a parameter cannot be read.
    pub(crate) fn notes(
        &self,
        module: &ModuleUnit,
        keras: &KerasUnit,
        read: Read<'_>,
    ) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for (param, number) in &self.constant {
            let known = at(&module.params, *param)?;
            if !is_full(read(*param)?, *number)? {
                notes.push(format!(
                    "{}: the {} has none, as if it were {number}; other numbers are lost",
                    known.name, keras.class
                ));
            }
        }
        for piece in self.pieces.iter().filter(|piece| piece.adds) {
            let (param, variable) = (at(&module.params, piece.param)?, at(&keras.variables, piece.variable)?);
            if !is_full(read(piece.param)?, 0.0)? {
                notes.push(format!("{}: becomes a summand of {}", param.name, variable.name));
            }
        }
        Ok(notes)
    }
}

fn at<T>(all: &[T], index: usize) -> Result<&T> {
    all.get(index).ok_or_else(|| Error::weights("a fit of other units"))
}

/// Whether the piece is the whole variable.
fn is_all(piece: &Piece) -> bool {
    piece.window.iter().zip(&piece.view).all(|(window, len)| *window == (0..*len))
}

/// From the axes of the parameter, without those of length 1 that come and go, back to the window's: which axis of
/// it each axis of the window is, and its shape.
fn inverse(piece: &Piece) -> (Vec<usize>, Vec<usize>) {
    let mut back = vec![0; piece.axes.len()];
    for (at, axis) in piece.axes.iter().enumerate() {
        if let Some(place) = back.get_mut(*axis) {
            *place = at;
        }
    }
    let shape = piece.axes.iter().map(|axis| piece.window.get(*axis).map_or(0, Range::len));
    (back, shape.collect())
}

/// Calls `copy` with the bytes of every contiguous run of the window: in the whole, and in the part.
fn copy_runs(
    piece: &Piece,
    size: usize,
    mut copy: impl FnMut(Range<usize>, Range<usize>) -> Option<()>,
) -> Result<()> {
    // Axes from here on are whole, and so is every run of them.
    let is_whole = |(window, len): (&Range<usize>, &usize)| *window == (0..*len);
    let whole = piece.window.iter().zip(&piece.view).rev().take_while(|pair| is_whole(*pair)).count();
    let last = piece.view.len().saturating_sub(whole + 1);
    let inner = numbers(piece.view.get(last + 1..).unwrap_or_default()).saturating_mul(size);
    let run = piece.window.get(last).map_or(1, Range::len).saturating_mul(inner);
    let mut starts = vec![0_usize];
    for (window, len) in piece.window.iter().zip(&piece.view).take(last) {
        let inside =
            |start: usize| window.clone().map(move |at| start.saturating_mul(*len).saturating_add(at));
        starts = starts.into_iter().flat_map(inside).collect();
    }
    let (len, first) = match (piece.view.get(last), piece.window.get(last)) {
        (Some(len), Some(window)) => (*len, window.start),
        _ => (1, 0),
    };
    for (number, start) in starts.into_iter().enumerate() {
        let from = start.saturating_mul(len).saturating_add(first).saturating_mul(inner);
        let to = number.saturating_mul(run);
        let ranges = (from..from.saturating_add(run), to..to.saturating_add(run));
        copy(ranges.0, ranges.1).ok_or_else(|| Error::weights("fewer numbers than its shape says"))?;
    }
    Ok(())
}

/// The window of a variable.
fn block(data: TensorData, piece: &Piece) -> Result<TensorData> {
    let (dtype, shape) = (data.dtype(), piece.window.iter().map(Range::len).collect::<Vec<_>>());
    let mut memory = Memory::new(numbers(&shape).saturating_mul(dtype.size()));
    copy_runs(piece, dtype.size(), |whole, part| {
        memory.as_mut().get_mut(part)?.copy_from_slice(data.as_bytes().get(whole)?);
        Some(())
    })?;
    Ok(TensorData::from_bytes(memory.into_bytes(), shape, dtype))
}

/// The data, if it has that shape.
fn checked(data: TensorData, name: &str, shape: &[usize]) -> Result<TensorData> {
    if data.shape().as_slice() == shape
        || numbers(data.shape().as_slice()) == numbers(shape) && shape.is_empty()
    {
        return Ok(data);
    }
    Err(Error::weights(format_args!("expected {shape:?}, got {:?}", data.shape())).at(name))
}

fn shaped(data: TensorData, shape: &[usize]) -> TensorData {
    let (bytes, _, dtype) = data.into_parts();
    TensorData::from_bytes(bytes, shape.to_vec(), dtype)
}

fn cast(data: TensorData, dtype: DType) -> Result<TensorData> {
    match data.dtype() == dtype {
        true => Ok(data),
        false => {
            let from = data.dtype();
            let cast = aligned(data).try_cast(dtype);
            cast.map_err(|error| {
                Error::weights(format_args!("cannot convert {from:?} to {dtype:?}: {error}"))
            })
        }
    }
}

fn full(number: f32, shape: &[usize], dtype: DType) -> Result<TensorData> {
    cast(TensorData::new(vec![number; numbers(shape)], shape.to_vec()), dtype)
}

fn floats(data: TensorData) -> Result<Vec<f32>> {
    let data = cast(data, DType::F32)?;
    aligned(data).try_to_vec().map_err(|error| Error::weights(format_args!("{error:?}")))
}

fn added(one: &TensorData, other: &TensorData) -> Result<TensorData> {
    let (shape, dtype) = (one.shape().to_vec(), one.dtype());
    let sum =
        floats(one.clone())?.into_iter().zip(floats(other.clone())?).map(|(a, b)| a + b).collect::<Vec<_>>();
    cast(TensorData::new(sum, shape), dtype)
}

fn is_full(data: TensorData, number: f32) -> Result<bool> {
    Ok(floats(data)?.into_iter().all(|known| known == number))
}
