//! Values of a graph: tensors whose rank, element type and memory order are known at run time.

mod batch;
pub(crate) mod dft;
mod ops;
mod pick;
mod strings;

use burn::tensor::kind::{Basic, BridgeTensor};
use burn::tensor::{Bool, BoolStore, DType, Device, Int, Tensor, TensorData};

pub use batch::{Inputs, Outputs};
pub(crate) use ops::int_range;
pub use ops::{Binary, Compare, Reduce};
use strings::Strings;

use crate::config::Dtype;
use crate::error::{Error, Result};

/// The highest rank of a value, the batch axis included.
pub const MAX_RANK: usize = 6;

/// Runs an expression with a run-time rank as the constant `$d`; an error above [`MAX_RANK`].
#[doc(hidden)]
#[macro_export]
macro_rules! by_rank {
    ($rank:expr, $d:ident => $body:expr) => {
        match $rank {
            1 => {
                const $d: usize = 1;
                Ok($body)
            }
            2 => {
                const $d: usize = 2;
                Ok($body)
            }
            3 => {
                const $d: usize = 3;
                Ok($body)
            }
            4 => {
                const $d: usize = 4;
                Ok($body)
            }
            5 => {
                const $d: usize = 5;
                Ok($body)
            }
            6 => {
                const $d: usize = 6;
                Ok($body)
            }
            rank => Err($crate::value::unsupported_rank(rank)),
        }
    };
}

/// Runs an expression on the tensor of a value, whatever its rank and kind; the expression gives a
/// tensor, the whole a `Result<BridgeTensor>`.
macro_rules! on_tensor {
    ($tensor:expr, $x:ident => $body:expr) => {{
        let tensor = $tensor;
        let (rank, is_float, is_int) = (tensor.rank(), tensor.is_float(), tensor.is_int());
        $crate::by_rank!(rank, D => {
            if is_float {
                let $x = burn::tensor::Tensor::<D>::from_bridge(tensor);
                ($body).into_bridge()
            } else if is_int {
                let $x = burn::tensor::Tensor::<D, burn::tensor::Int>::from_bridge(tensor);
                ($body).into_bridge()
            } else {
                let $x = burn::tensor::Tensor::<D, burn::tensor::Bool>::from_bridge(tensor);
                ($body).into_bridge()
            }
        })
    }};
}
use on_tensor;

/// Runs an element by element expression on a value as floats, whatever its rank, and keeps its
/// memory order. Gives a `Result<Value>`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_keras::{Value, map_float};
///
/// let x = Value::from(Tensor::<2>::ones([2, 3], &Device::flex()));
/// let y = map_float!(x, t => t * 2.0)?;
/// assert_eq!(y.shape(), [2, 3]);
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[macro_export]
macro_rules! map_float {
    ($value:expr, $x:ident => $body:expr) => {{
        match $crate::Value::into_stored_float($value) {
            Ok((tensor, order)) => $crate::by_rank!(tensor.rank(), D => {
                let $x = burn::tensor::Tensor::<D>::from_bridge(tensor);
                $crate::Value::from_stored(burn::tensor::Tensor::<D, _>::into_bridge($body), order)
            }),
            Err(error) => Err(error),
        }
    }};
}

/// Runs an element by element expression on a value as integers, as [`map_float!`](crate::map_float!)
/// does on one as floats.
#[macro_export]
macro_rules! map_int {
    ($value:expr, $x:ident => $body:expr) => {{
        match $crate::Value::into_stored_int($value) {
            Ok((tensor, order)) => $crate::by_rank!(tensor.rank(), D => {
                let $x = burn::tensor::Tensor::<D, burn::tensor::Int>::from_bridge(tensor);
                $crate::Value::from_stored(burn::tensor::Tensor::<D, _>::into_bridge($body), order)
            }),
            Err(error) => Err(error),
        }
    }};
}

#[doc(hidden)]
#[must_use]
pub fn unsupported_rank(rank: usize) -> Error {
    Error::unsupported(format_args!("expected a rank from 1 to {MAX_RANK}, got {rank}"))
}

/// How the axes of a value lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As its shape says.
    Plain,
    /// The last axis of the shape is stored second: `[batch, spatial..., channels]` lies in memory
    /// as `[batch, channels, spatial...]`, which is what Burn's spatial operations want.
    ChannelsFirst,
    /// The shape has no axes; its one element is stored as a vector.
    Scalar,
}

impl Order {
    /// How plain data of a shape lies in memory.
    fn of(shape: &[usize]) -> Self {
        if shape.is_empty() { Self::Scalar } else { Self::Plain }
    }

    /// Where an axis of a shape of `rank` axes lies in memory.
    #[must_use]
    pub fn axis(self, rank: usize, axis: usize) -> usize {
        ops::stored_axis(self, rank, axis)
    }

    /// Brings a tensor in the order of its shape to this one. Gives `[batch, channels, spatial...]`
    /// for `[batch, spatial..., channels]`, or the tensor itself.
    #[must_use]
    pub fn store<const D: usize, K: Basic>(self, tensor: Tensor<D, K>) -> Tensor<D, K> {
        if self != Self::ChannelsFirst || D < 3 {
            return tensor;
        }
        let mut axes: [isize; D] = std::array::from_fn(|axis| axis as isize);
        axes[1..].rotate_right(1);
        tensor.permute(axes)
    }
}

/// A tensor of any rank and element type, or strings, perhaps with a Keras mask.
///
/// Its shape is always Keras' own. Spatial layers keep the data channels-first between each other
/// without saying so in the shape; everything else sees plain tensors.
#[derive(Clone, Debug)]
pub struct Value {
    data: Data,
    order: Order,
    mask: Option<Box<Value>>,
}

#[derive(Clone, Debug)]
enum Data {
    Tensor(BridgeTensor),
    Strings(Strings),
}

impl<const D: usize, K: Basic> From<Tensor<D, K>> for Value {
    fn from(tensor: Tensor<D, K>) -> Self {
        Self::from_stored(tensor.into_bridge(), Order::Plain)
    }
}

impl Value {
    #[doc(hidden)]
    #[must_use]
    pub fn from_stored(tensor: BridgeTensor, order: Order) -> Self {
        let order = match order {
            Order::ChannelsFirst if tensor.rank() < 3 => Order::Plain,
            order => order,
        };
        Self { data: Data::Tensor(ops::truly_bool(tensor)), order, mask: None }
    }

    #[doc(hidden)]
    pub fn into_stored_float(self) -> Result<(BridgeTensor, Order)> {
        let order = self.order;
        Ok((ops::to_float(self.tensor()?), order))
    }

    /// The tensor as it is stored.
    fn tensor(self) -> Result<BridgeTensor> {
        match self.data {
            Data::Tensor(tensor) => Ok(tensor),
            Data::Strings(_) => Err(Error::input("expected numbers, got strings")),
        }
    }

    #[doc(hidden)]
    pub fn into_stored_int(self) -> Result<(BridgeTensor, Order)> {
        let order = self.order;
        Ok((ops::to_int(self.tensor()?), order))
    }

    /// A value of `[batch, channels, spatial...]` data whose shape is `[batch, spatial..., channels]`.
    #[must_use]
    pub fn from_channels_first<const D: usize>(tensor: Tensor<D>) -> Self {
        Self::from_stored(tensor.into_bridge(), Order::ChannelsFirst)
    }

    /// Copies host data to a device, keeping its element type.
    ///
    /// # Errors
    /// When the rank is above [`MAX_RANK`].
    pub fn from_data(data: TensorData, device: &Device) -> Result<Self> {
        let (dtype, order) = (held(data.dtype(), device), Order::of(data.shape()));
        let data = if order == Order::Scalar { with_shape(data, &[1]) } else { data };
        let tensor = by_rank!(data.shape().len(), D => {
            if dtype.is_float() {
                Tensor::<D>::from_data(data, (device, dtype)).into_bridge()
            } else if matches!(dtype, DType::Bool(_)) {
                Tensor::<D, Bool>::from_data(data, device).into_bridge()
            } else {
                Tensor::<D, Int>::from_data(data, (device, dtype)).into_bridge()
            }
        })?;
        Ok(Self::from_stored(tensor, order))
    }

    /// Copies the value to the host, in row-major order. Strings are no such data and give none: ask
    /// [`strings`](Self::strings).
    #[must_use]
    pub fn into_data(self) -> TensorData {
        let shape = self.shape();
        let data = self.plain().and_then(Self::tensor).and_then(|tensor| {
            let (is_float, is_int) = (tensor.is_float(), tensor.is_int());
            by_rank!(tensor.rank(), D => {
                if is_float {
                    Tensor::<D>::from_bridge(tensor).into_data()
                } else if is_int {
                    Tensor::<D, Int>::from_bridge(tensor).into_data()
                } else {
                    Tensor::<D, Bool>::from_bridge(tensor).into_data()
                }
            })
        });
        // A value of another rank cannot be made.
        data.map_or_else(|_| TensorData::new(Vec::<f32>::new(), [0]), |data| with_shape(data, &shape))
    }

    /// The shape, as Keras sees it.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = match &self.data {
            Data::Tensor(tensor) => tensor.shape().to_vec(),
            Data::Strings(strings) => strings.shape().to_vec(),
        };
        match self.order {
            Order::Plain => {}
            Order::ChannelsFirst => shape[1..].rotate_left(1),
            Order::Scalar => shape.clear(),
        }
        shape
    }

    /// The number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        match &self.data {
            _ if self.order == Order::Scalar => 0,
            Data::Tensor(tensor) => tensor.rank(),
            Data::Strings(strings) => strings.shape().len(),
        }
    }

    /// The element type. Burn has none for strings: theirs is that of their bytes.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match &self.data {
            Data::Tensor(tensor) => tensor.dtype(),
            Data::Strings(_) => DType::U8,
        }
    }

    /// The element type under Keras' name.
    #[must_use]
    pub fn keras_dtype(&self) -> Dtype {
        match self.dtype() {
            _ if self.is_string() => Dtype::String,
            DType::F64 => Dtype::Float64,
            DType::F16 => Dtype::Float16,
            DType::BF16 => Dtype::Bfloat16,
            DType::I64 => Dtype::Int64,
            DType::I32 => Dtype::Int32,
            DType::I16 => Dtype::Int16,
            DType::I8 => Dtype::Int8,
            DType::U64 => Dtype::Uint64,
            DType::U32 => Dtype::Uint32,
            DType::U16 => Dtype::Uint16,
            DType::U8 => Dtype::Uint8,
            DType::Bool(_) => Dtype::Bool,
            _ => Dtype::Float32,
        }
    }

    /// Whether the elements are floating-point numbers.
    #[must_use]
    pub fn is_float(&self) -> bool {
        matches!(&self.data, Data::Tensor(tensor) if tensor.is_float())
    }

    /// How the data lies in memory.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// The mask, `[batch, time]` of booleans: false where a step is to be ignored.
    #[must_use]
    pub fn mask(&self) -> Option<&Value> {
        self.mask.as_deref()
    }

    /// The same value with another mask, or none.
    #[must_use]
    pub fn with_mask(mut self, mask: Option<Value>) -> Self {
        self.mask = mask.map(Box::new);
        self
    }

    /// The same value, its data in the order of its shape.
    ///
    /// # Errors
    /// When the rank is above [`MAX_RANK`].
    pub fn plain(self) -> Result<Self> {
        if self.order != Order::ChannelsFirst {
            return Ok(self);
        }
        let mut axes: Vec<usize> = (0..self.rank()).collect();
        axes[1..].rotate_left(1);
        let mask = self.mask;
        let plain = Self { data: self.data, order: Order::Plain, mask: None }.permute(&axes)?;
        Ok(Self { mask, ..plain })
    }

    /// The value as floats of rank `D`, in the order of its shape. Integers and booleans convert.
    ///
    /// # Errors
    /// When the rank is another.
    pub fn float<const D: usize>(self) -> Result<Tensor<D>> {
        self.expect_rank(D)?;
        Ok(Tensor::from_bridge(ops::to_float(self.plain()?.tensor()?)))
    }

    /// The value as integers of rank `D`. Floats lose their fraction; booleans convert.
    ///
    /// # Errors
    /// When the rank is another.
    pub fn int<const D: usize>(self) -> Result<Tensor<D, Int>> {
        self.expect_rank(D)?;
        Ok(Tensor::from_bridge(ops::to_int(self.plain()?.tensor()?)))
    }

    /// The value as booleans of rank `D`: true where it is not zero.
    ///
    /// # Errors
    /// When the rank is another.
    pub fn bool<const D: usize>(self) -> Result<Tensor<D, Bool>> {
        self.expect_rank(D)?;
        Ok(Tensor::from_bridge(ops::to_bool(self.plain()?.tensor()?)))
    }

    /// The value `[batch, spatial..., channels]` as floats `[batch, channels, spatial...]`.
    ///
    /// # Errors
    /// When the rank is not `D`.
    pub fn channels_first<const D: usize>(self) -> Result<Tensor<D>> {
        self.expect_rank(D)?;
        let order = self.order;
        let tensor = Tensor::from_bridge(ops::to_float(self.tensor()?));
        if order == Order::ChannelsFirst {
            return Ok(tensor);
        }
        let mut axes: [usize; D] = std::array::from_fn(|axis| axis);
        axes[1..].rotate_right(1);
        Ok(tensor.permute(axes.map(|axis| axis as isize)))
    }

    /// The device of the data.
    #[must_use]
    pub fn device(&self) -> Device {
        let tensor = match &self.data {
            Data::Tensor(tensor) => tensor.clone(),
            Data::Strings(strings) => return strings.device().clone(),
        };
        if tensor.is_float() {
            Tensor::<1>::from_bridge(tensor).device()
        } else if tensor.is_int() {
            Tensor::<1, Int>::from_bridge(tensor).device()
        } else {
            Tensor::<1, Bool>::from_bridge(tensor).device()
        }
    }

    /// The value on another device.
    ///
    /// # Errors
    /// When the rank is above [`MAX_RANK`].
    pub fn to_device(self, device: &Device) -> Result<Self> {
        let mask = self.mask.map(|mask| mask.to_device(device)).transpose()?;
        let data = match self.data {
            Data::Tensor(tensor) => Data::Tensor(on_tensor!(tensor, x => x.to_device(device))?),
            Data::Strings(strings) => Data::Strings(strings.moved_to(device)),
        };
        Ok(Self { data, order: self.order, mask: mask.map(Box::new) })
    }

    /// The value as part of a training: gradients flow through what is made of it, and layers that are
    /// called with it behave as in training.
    ///
    /// # Errors
    /// When the rank is above [`MAX_RANK`].
    #[cfg(feature = "train")]
    pub fn autodiff(self) -> Result<Self> {
        self.each_data(
            |tensor| on_tensor!(tensor, x => x.autodiff()),
            |strings| {
                let device = strings.device().clone();
                if device.is_autodiff() { strings } else { strings.moved_to(&device.autodiff()) }
            },
        )
    }

    /// The value as no part of a training any more.
    ///
    /// # Errors
    /// When the rank is above [`MAX_RANK`].
    #[cfg(feature = "train")]
    pub fn without_autodiff(self) -> Result<Self> {
        self.each_data(
            |tensor| on_tensor!(tensor, x => x.without_autodiff()),
            |strings| {
                let device = strings.device().clone().inner();
                strings.moved_to(&device)
            },
        )
    }

    #[cfg(feature = "train")]
    fn each_data(
        self,
        of_tensor: fn(BridgeTensor) -> Result<BridgeTensor>,
        of_strings: fn(Strings) -> Strings,
    ) -> Result<Self> {
        let each = |mask: Box<Self>| mask.each_data(of_tensor, of_strings).map(Box::new);
        let mask = self.mask.map(each).transpose()?;
        let data = match self.data {
            Data::Tensor(tensor) => Data::Tensor(of_tensor(tensor)?),
            Data::Strings(strings) => Data::Strings(of_strings(strings)),
        };
        Ok(Self { data, order: self.order, mask })
    }

    fn expect_rank(&self, rank: usize) -> Result<()> {
        if self.rank() == rank {
            return Ok(());
        }
        Err(Error::input(format_args!("expected a value of rank {rank}, got the shape {:?}", self.shape())))
    }
}

/// The type in which a device holds elements of another. Some have no integers of 8 and 16 bits, or no
/// floats of 16.
pub(crate) fn held(dtype: DType, device: &Device) -> DType {
    let is_narrow = matches!(dtype, DType::I8 | DType::I16 | DType::U8 | DType::U16);
    let is_half = matches!(dtype, DType::F16 | DType::BF16);
    match device.supports_dtype(dtype) {
        false if is_narrow => DType::I32,
        false if is_half => DType::F32,
        _ => dtype,
    }
}

fn with_shape(data: TensorData, shape: &[usize]) -> TensorData {
    let (bytes, _, dtype) = data.into_parts();
    TensorData::from_bytes(bytes, shape.to_vec(), dtype)
}

/// Burn's element type for Keras' name of it.
///
/// # Errors
/// When there is none: strings are not tensors.
pub fn burn_dtype(dtype: Dtype) -> Result<DType> {
    Ok(match dtype {
        Dtype::Float16 => DType::F16,
        Dtype::Bfloat16 => DType::BF16,
        Dtype::Float32 => DType::F32,
        Dtype::Float64 => DType::F64,
        Dtype::Int8 => DType::I8,
        Dtype::Int16 => DType::I16,
        Dtype::Int32 => DType::I32,
        Dtype::Int64 => DType::I64,
        Dtype::Uint8 => DType::U8,
        Dtype::Uint16 => DType::U16,
        Dtype::Uint32 => DType::U32,
        Dtype::Uint64 => DType::U64,
        Dtype::Bool => DType::Bool(BoolStore::Native),
        Dtype::String => return Err(Error::unsupported("strings are no tensors")),
    })
}
