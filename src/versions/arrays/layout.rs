//! Tensors with their elements in another order, made when they are read.

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::file::h5::ElementType;
use crate::file::store::Stored;

/// The tensor of another shape whose element number `n` is number `index(n)` of this one.
pub(super) fn gathered(
    tensor: Stored,
    shape: Vec<usize>,
    index: impl Fn(usize) -> usize + Send + Sync + 'static,
) -> Result<Stored> {
    let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if elements.map(|elements| elements as u64) != Some(tensor.elements()) {
        return Err(Error::weights(format_args!("expected the shape {shape:?}, got {:?}", tensor.shape)));
    }
    let size = tensor.element.size();
    Ok(tensor.map(shape, move |bytes| {
        let mut out = Vec::with_capacity(bytes.len());
        for at in 0..bytes.len() / size.max(1) {
            let start = index(at).saturating_mul(size);
            out.extend_from_slice(bytes.get(start..start.saturating_add(size)).ok_or_else(short)?);
        }
        Ok(out.into())
    }))
}

fn short() -> Error {
    Error::damaged("the data does not fill its shape")
}

/// Axis `i` of the result is `axes[i]` of the tensor; the first `flipped` of them run backwards.
pub(super) fn permuted(tensor: Stored, axes: &[usize], flipped: usize) -> Result<Stored> {
    let mut strides = vec![1_usize; tensor.shape.len()];
    for axis in (1..tensor.shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(tensor.shape[axis]);
    }
    let source = |axis: &usize| Some((*tensor.shape.get(*axis)?, *strides.get(*axis)?));
    let walk: Option<Vec<(usize, usize)>> = axes.iter().map(source).collect();
    let walk = walk.filter(|walk| walk.len() == tensor.shape.len()).ok_or_else(|| {
        Error::weights(format_args!("expected {} axes, got the shape {:?}", axes.len(), tensor.shape))
    })?;
    let shape = walk.iter().map(|(size, _)| *size).collect();
    gathered(tensor, shape, move |mut at| {
        let mut index = 0;
        for (axis, (size, stride)) in walk.iter().enumerate().rev() {
            let place = at % size;
            at /= size;
            index += stride * if axis < flipped { size - 1 - place } else { place };
        }
        index
    })
}

/// Tensors side by side along their last axis.
pub(super) fn joined(tensors: Vec<Stored>) -> Result<Stored> {
    let first = tensors.first().ok_or_else(|| Error::weights("no arrays"))?;
    let (element, size) = (first.element.clone(), first.element.size());
    let (_, outer) = first.shape.split_last().ok_or_else(|| Error::weights("expected an array with axes"))?;
    let fits = |tensor: &Stored| {
        tensor.element == element && tensor.shape.split_last().is_some_and(|(_, own)| own == outer)
    };
    if !tensors.iter().all(fits) {
        let shapes: Vec<_> = tensors.iter().map(|tensor| &tensor.shape).collect();
        return Err(Error::weights(format_args!("arrays of one layer that do not fit: {shapes:?}")));
    }
    let widths: Vec<usize> =
        tensors.iter().filter_map(|tensor| tensor.shape.last()).map(|width| width * size).collect();
    let rows =
        outer.iter().try_fold(1_usize, |product, size| product.checked_mul(*size)).ok_or_else(short)?;
    let mut shape = outer.to_vec();
    shape.push(tensors.iter().filter_map(|tensor| tensor.shape.last()).sum());
    Ok(Stored::new(shape, element, move || {
        let parts = tensors.iter().map(Stored::read).collect::<Result<Vec<_>>>()?;
        let mut out = Vec::with_capacity(parts.iter().map(Bytes::len).sum());
        for row in 0..rows {
            for (part, width) in parts.iter().zip(&widths) {
                out.extend_from_slice(part.get(row * width..(row + 1) * width).ok_or_else(short)?);
            }
        }
        Ok(out.into())
    }))
}

/// The kernel of a recurrent layer whose gates lie as CuDNN has them: each of them transposed, that of the
/// inputs under the shape that it has without that.
pub(super) fn from_cudnn(kernel: Stored, gates: usize, is_recurrent: bool) -> Result<Stored> {
    let [rows, columns] = kernel.shape[..] else {
        return Err(Error::weights(format_args!("expected a matrix, got the shape {:?}", kernel.shape)));
    };
    let units = columns / gates;
    if units == 0 || (is_recurrent && rows != units) {
        return Err(Error::weights(format_args!("not a kernel of {gates} gates: {:?}", kernel.shape)));
    }
    gathered(kernel, vec![rows, columns], move |at| {
        let (row, column) = (at / columns, at % columns);
        let (gate, unit) = (column / units, column % units);
        let flat = row + unit * rows;
        flat / units * columns + gate * units + flat % units
    })
}

/// Two biases as their sum.
pub(super) fn sum_of_halves(bias: Stored) -> Result<Stored> {
    if bias.element != ElementType::F32 {
        return Err(Error::unsupported(format_args!("biases of CuDNN that are {:?}", bias.element)));
    }
    let shape = bias.shape.iter().map(|size| size / 2).collect();
    Ok(bias.map(shape, |bytes| {
        let (left, right) = bytes.split_at(bytes.len() / 2);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0.0, f32::from_le_bytes);
        let sums = left.chunks_exact(4).zip(right.chunks_exact(4)).map(|(a, b)| number(a) + number(b));
        Ok(sums.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into())
    }))
}
