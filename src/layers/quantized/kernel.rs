//! A matrix in a few bits.

use burn::module::{Module, Param};
use burn::tensor::{DType, Int, Tensor};

use super::Mode;
use crate::error::Result;
use crate::layer::Weights;

/// A matrix `[rows, columns]` in a few bits, as its file has it. Every parameter is a vector in the
/// order of the file.
#[derive(Module, Debug)]
pub struct QuantizedKernel {
    /// The stored integers; several may share one.
    pub values: Param<Tensor<1, Int>>,
    /// What an integer is divided by (without groups) or multiplied with.
    pub scale: Param<Tensor<1>>,
    /// The integer that stands for 0, for every group and column.
    pub zero: Option<Param<Tensor<1, Int>>>,
    /// What rows were multiplied with before they were rounded.
    pub row_scale: Option<Param<Tensor<1>>>,
    /// The group of every row.
    pub group: Option<Param<Tensor<1>>>,
    #[module(skip)]
    mode: Mode,
    #[module(skip)]
    shape: [usize; 2],
}

impl QuantizedKernel {
    /// Takes the variables that [`Mode::variables`] declares.
    pub(super) fn build(mode: Mode, shape: [usize; 2], weights: &Weights<'_>) -> Result<Self> {
        let weights = weights.child("kernel");
        let has_groups = mode.groups(shape[0]).is_some();
        Ok(Self {
            values: weights.int("values")?,
            scale: weights.param("scale")?,
            zero: has_groups.then(|| weights.int("zero")).transpose()?,
            row_scale: weights.maybe("row_scale")?,
            group: weights.maybe("group")?,
            mode,
            shape,
        })
    }

    /// The matrix as floats: `[rows, columns]`.
    #[must_use]
    pub fn float(&self) -> Tensor<2> {
        let [rows, columns] = self.shape;
        let values = floats(self.values.val());
        let scale = self.scale.val();
        let stacked = |shape| {
            (scale.clone().reshape(shape), self.zero.as_ref().map(|zero| floats(zero.val()).reshape(shape)))
        };
        match self.mode {
            Mode::Int8 => values.reshape(self.shape) / scale.reshape([1, columns]),
            Mode::Int4 { block: None } => {
                signed(unpack(values.reshape([rows, columns.div_ceil(2)]), columns))
                    / scale.reshape([1, columns])
            }
            Mode::Int4 { .. } => {
                let values = signed(unpack(values.reshape([rows, columns.div_ceil(2)]), columns));
                let (scale, zero) = stacked([self.groups(), columns]);
                self.grouped(values, scale, zero)
            }
            Mode::Gptq { bits, .. } if bits != 4 => {
                let (scale, zero) = stacked([columns, self.groups()]);
                let values = values.reshape([columns, rows]).transpose();
                self.grouped(values, scale.transpose(), zero.map(Tensor::transpose))
            }
            Mode::Gptq { .. } | Mode::Awq { .. } => {
                let (scale, zero) = stacked([columns, self.groups()]);
                let packed = values.reshape([columns.div_ceil(2), rows]).transpose();
                self.grouped(unpack(packed, columns), scale.transpose(), zero.map(Tensor::transpose))
            }
        }
    }

    fn groups(&self) -> usize {
        self.mode.groups(self.shape[0]).unwrap_or(1)
    }

    /// `[rows, columns]` of integers with a scale and a zero `[groups, columns]`.
    fn grouped(&self, values: Tensor<2>, scale: Tensor<2>, zero: Option<Tensor<2>>) -> Tensor<2> {
        let (Some(zero), Some(group)) = (zero, &self.group) else { return values * scale };
        let group = group.val().int().clamp(0, self.groups() as i64 - 1);
        let floats = (values - zero.select(0, group.clone())) * scale.select(0, group);
        match &self.row_scale {
            Some(rows) => floats / rows.val().unsqueeze_dim(1),
            None => floats,
        }
    }
}

/// Inputs as Keras rounds them before it multiplies with integers: 8 bits of the largest entry of the
/// `axes`.
pub(super) fn rounded_inputs<const D: usize>(x: Tensor<D>, axes: &[usize]) -> Tensor<D> {
    let largest = axes.iter().fold(x.clone().abs(), |x, axis| x.max_dim(*axis));
    let scale = (largest + 1e-7).recip() * 127.0;
    let rounded = (x.clone() * scale.clone()).round().clamp(-127.0, 127.0) / scale;
    // Gradients pass as if nothing had been rounded.
    (rounded - x.clone()).detach() + x
}

/// Integers of any width as floats.
pub(super) fn floats<const D: usize>(integers: Tensor<D, Int>) -> Tensor<D> {
    integers.float().cast(DType::F32)
}

/// Two numbers of 4 bits out of every byte of the last axis, the low ones first, `columns` in all.
pub(super) fn unpack(bytes: Tensor<2>, columns: usize) -> Tensor<2> {
    let [rows, packed] = bytes.dims();
    let bytes = bytes.clone().lower_elem(0.0).float().cast(DType::F32) * 256.0 + bytes;
    let high = (bytes.clone() / 16.0).floor();
    let low = bytes - high.clone() * 16.0;
    Tensor::stack::<3>(vec![low, high], 2).reshape([rows, packed * 2]).narrow(1, 0, columns)
}

/// Numbers of 4 bits in two's complement.
pub(super) fn signed(nibbles: Tensor<2>) -> Tensor<2> {
    nibbles.clone() - nibbles.greater_elem(7.5).float().cast(DType::F32) * 16.0
}
