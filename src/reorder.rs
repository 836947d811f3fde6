//! Moves tensors in memory, on all cores where it pays: to where they are aligned, or their axes into
//! another order.

use burn::tensor::{AllocationProperty, Bytes, TensorData};
use memmap2::MmapMut;
use rayon::prelude::*;

use crate::error::{Error, Result};

/// Rows and columns that are turned at a time: what a cache holds, read and written in whole lines.
const HIGH: usize = 32;
const WIDE: usize = 8;
/// Up to so many elements a thread does alone, rather than to wake another.
const ALONE: usize = 1 << 17;

/// From so many bytes on, memory comes from the system in its large pages.
const LARGE: usize = 2 << 20;
/// No element needs more.
const ALIGNMENT: usize = 16;

/// Fresh memory, all zeros. Most of the time of a copy goes into the pages that it is written to, so large
/// ones are asked for.
pub(crate) enum Memory {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl Memory {
    pub(crate) fn new(len: usize) -> Self {
        Self::pages(len).unwrap_or_else(|| Self::Heap(vec![0; len]))
    }

    #[cfg(target_os = "linux")]
    fn pages(len: usize) -> Option<Self> {
        let memory = MmapMut::map_anon(len).ok().filter(|_| len >= LARGE)?;
        // A system without them has small ones.
        let _ = memory.advise(memmap2::Advice::HugePage);
        Some(Self::Pages(memory))
    }

    #[cfg(not(target_os = "linux"))]
    fn pages(_: usize) -> Option<Self> {
        None
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Pages(bytes) => bytes,
        }
    }

    /// The memory as it is, aligned for all elements.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Self::Heap(bytes) if bytes.as_ptr().align_offset(ALIGNMENT) == 0 => Bytes::from_elems(bytes),
            Self::Heap(bytes) => Bytes::from_bytes_vec(bytes),
            Self::Pages(bytes) => {
                Bytes::from_shared(bytes::Bytes::from_owner(bytes), AllocationProperty::Other)
            }
        }
    }
}

/// The same data, copied if it lies where its elements are not aligned, as in a mapped file: the first
/// operation of Burn's would panic there.
pub(crate) fn aligned(data: TensorData) -> TensorData {
    let size = data.dtype().size().max(1);
    if data.as_bytes().as_ptr().align_offset(size) == 0 {
        return data;
    }
    let (bytes, shape, dtype) = data.into_parts();
    let mut copy = Memory::new(bytes.len());
    match bytes.len() {
        ..=ALONE => copy.as_mut().copy_from_slice(&bytes),
        _ => {
            let pieces = copy.as_mut().par_chunks_mut(ALONE).zip(bytes.par_chunks(ALONE));
            pieces.for_each(|(to, from)| to.copy_from_slice(from));
        }
    }
    TensorData::from_bytes(copy.into_bytes(), shape, dtype)
}

/// An axis of the result: how long it is, and how far apart its entries lie in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    len: usize,
    stride: usize,
}

/// Row-major data with its axes in another order: axis `i` of the result is `axes[i]` of `shape`.
///
/// # Errors
/// When the elements have a size that no number has.
pub(crate) fn reorder(
    data: TensorData,
    shape: &[usize],
    axes: &[usize],
    result: &[usize],
) -> Result<TensorData> {
    let (bytes, _, dtype) = data.into_parts();
    let axes = merged(shape, axes);
    if bytes.is_empty() || axes.len() < 2 {
        return Ok(TensorData::from_bytes(bytes, result.to_vec(), dtype));
    }
    let out = match dtype.size() {
        4 => gather::<4>(&bytes, &axes),
        2 => gather::<2>(&bytes, &axes),
        8 => gather::<8>(&bytes, &axes),
        1 => gather::<1>(&bytes, &axes),
        size => return Err(Error::unsupported(format_args!("elements of {size} bytes"))),
    };
    Ok(TensorData::from_bytes(out.into_bytes(), result.to_vec(), dtype))
}

/// The axes of the result, those that stay together as one: the fewer there are, the longer are they.
fn merged(shape: &[usize], axes: &[usize]) -> Vec<Axis> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    let mut merged: Vec<Axis> = Vec::new();
    for axis in axes {
        let Axis { len, stride } = Axis { len: shape[*axis], stride: strides[*axis] };
        match merged.last_mut() {
            _ if len == 1 => {}
            Some(last) if last.stride == len * stride => *last = Axis { len: last.len * len, stride },
            _ => merged.push(Axis { len, stride }),
        }
    }
    merged
}

/// Collects elements of `N` bytes in the row-major order of `axes`.
///
/// Both sides of a transposition cannot be walked in order. The axis that is contiguous in the source
/// makes the rows of one; all axes after it are its columns.
fn gather<const N: usize>(bytes: &[u8], axes: &[Axis]) -> Memory {
    let (elements, _) = bytes.as_chunks::<N>();
    let mut memory = Memory::new(bytes.len());
    let (out, _) = memory.as_mut().as_chunks_mut::<N>();
    let at = axes.iter().position(|axis| axis.stride == 1).unwrap_or(0);
    let (before, after) = (offsets(&axes[..at]), offsets(&axes[at + 1..]));
    for (out, from) in out.chunks_exact_mut(axes[at].len * after.len()).zip(before) {
        transpose(&elements[from..], &after, out);
    }
    memory
}

/// Where the entries of some axes start, in row-major order.
fn offsets(axes: &[Axis]) -> Vec<usize> {
    axes.iter().fold(vec![0], |starts, axis| {
        let entries = |start| (0..axis.len).map(move |at| start + at * axis.stride);
        starts.into_iter().flat_map(entries).collect()
    })
}

/// Row `y` and column `x` of the result is element `columns[x] + y`.
fn transpose<const N: usize>(elements: &[[u8; N]], columns: &[usize], out: &mut [[u8; N]]) {
    let rows = out.len() / columns.len();
    if rows > HIGH && out.len() > ALONE {
        let half = (rows / 2).next_multiple_of(HIGH);
        let (top, bottom) = out.split_at_mut(half * columns.len());
        let top = || transpose(elements, columns, top);
        rayon::join(top, || transpose(&elements[half..], columns, bottom));
        return;
    }
    for (at, out) in out.chunks_mut(HIGH * columns.len()).enumerate() {
        band(&elements[at * HIGH..], columns, out);
    }
}

/// [`transpose`] for at most [`HIGH`] rows.
fn band<const N: usize>(elements: &[[u8; N]], columns: &[usize], out: &mut [[u8; N]]) {
    let mut tile = [[[0; N]; WIDE]; HIGH];
    for (at, tile_columns) in columns.chunks(WIDE).enumerate() {
        let rows = out.chunks_exact_mut(columns.len()).map(|row| &mut row[at * WIDE..]);
        if rows.len() < HIGH || tile_columns.len() < WIDE {
            for (y, row) in rows.enumerate() {
                row.iter_mut().zip(tile_columns).for_each(|(to, from)| *to = elements[from + y]);
            }
            continue;
        }
        for (x, from) in tile_columns.iter().enumerate() {
            for (row, element) in tile.iter_mut().zip(&elements[*from..from + HIGH]) {
                row[x] = *element;
            }
        }
        for (row, tile) in rows.zip(&tile) {
            row[..WIDE].copy_from_slice(tile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The element that the definition has at each place.
    fn slowly(numbers: &[u32], shape: &[usize], axes: &[usize]) -> Vec<u32> {
        let result: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
        let places = (0..numbers.len()).map(|mut place| {
            let mut index = vec![0; shape.len()];
            for (axis, len) in axes.iter().zip(&result).rev() {
                (index[*axis], place) = (place % len, place / len);
            }
            index.iter().zip(shape).fold(0, |from, (at, len)| from * len + at)
        });
        places.map(|from| numbers[from]).collect()
    }

    fn check(shape: &[usize], axes: &[usize]) {
        let numbers: Vec<u32> = (0..shape.iter().product::<usize>() as u32).collect();
        let result: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
        let data = TensorData::new(numbers.clone(), shape.to_vec());
        let there = reorder(data, shape, axes, &result).unwrap();
        assert_eq!(there.shape().to_vec(), result);
        let expected = slowly(&numbers, shape, axes);
        assert!(there.as_slice::<u32>().unwrap() == expected, "{shape:?} {axes:?}");
    }

    #[test]
    fn every_order_of_odd_and_even_shapes_agrees_with_the_definition() {
        let orders = |rank: usize| {
            (0..rank.pow(rank as u32))
                .map(move |n| (0..rank as u32).map(|at| n / rank.pow(at) % rank).collect::<Vec<_>>())
        };
        for shape in [[1, 1, 40, 16].as_slice(), &[2, 3, 5, 37], &[3, 1, 64, 8], &[33, 9, 1], &[0, 3], &[7]] {
            for axes in orders(shape.len()) {
                if (0..shape.len()).all(|axis| axes.contains(&axis)) {
                    check(shape, &axes);
                }
            }
        }
    }

    #[test]
    fn what_takes_several_threads_agrees_as_well() {
        check(&[3, 3, 130, 257], &[3, 2, 0, 1]);
        check(&[257, 130, 3, 3], &[2, 3, 1, 0]);
        check(&[1, 1, 500, 700], &[3, 2, 0, 1]);
        check(&[1, 1, 700, 800], &[3, 2, 0, 1]);
    }

    #[test]
    fn elements_of_every_size_are_moved() {
        fn turned<E: burn::tensor::Element>(numbers: [E; 6]) -> Vec<E> {
            let data = TensorData::new(numbers.to_vec(), [2, 3]);
            reorder(data, &[2, 3], &[1, 0], &[3, 2]).unwrap().try_to_vec().unwrap()
        }
        assert_eq!(turned([0_u8, 1, 2, 3, 4, 5]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(turned([0_i16, 1, 2, 3, 4, 5]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(turned([0_f64, 1., 2., 3., 4., 5.]), [0., 3., 1., 4., 2., 5.]);
    }

    #[test]
    fn only_what_is_misaligned_is_copied() {
        for len in [3, ALONE, LARGE / 4 + 3] {
            let bytes = bytes::Bytes::from_owner(vec![[1_u8, 2, 3, 4]; len + 1].into_flattened());
            let start = bytes.as_ptr().align_offset(4);
            let data = |shift: usize| {
                let bytes = bytes.slice(start + shift..start + shift + 4 * (len - 1));
                let bytes = Bytes::from_shared(bytes, burn::tensor::AllocationProperty::File);
                TensorData::from_bytes(bytes, [len - 1], burn::tensor::DType::U32)
            };
            let there = data(0).as_bytes().as_ptr();
            assert_eq!(aligned(data(0)).as_bytes().as_ptr(), there);
            let expected: Vec<u8> = data(1).as_bytes().to_vec();
            assert!(aligned(data(1)).as_slice::<u32>().is_ok());
            assert!(aligned(data(1)).as_bytes() == expected);
        }
    }

    #[test]
    fn what_stays_together_is_one_axis() {
        let axis = |len, stride| Axis { len, stride };
        assert_eq!(merged(&[1, 1, 8, 4], &[3, 2, 0, 1]), [axis(4, 1), axis(8, 4)]);
        assert_eq!(merged(&[3, 3, 8, 4], &[3, 2, 0, 1]), [axis(4, 1), axis(8, 4), axis(9, 32)]);
        assert_eq!(merged(&[3, 3, 8, 4], &[0, 1, 2, 3]), [axis(288, 1)]);
        assert_eq!(merged(&[3, 3], &[]), []);
    }
}
