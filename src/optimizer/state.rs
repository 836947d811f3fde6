//! The state of an optimizer: between Burn's record of it and the variables that Keras stores.
//!
//! Keras stores them under `optimizer/vars/0` and so on; the table of what each is for is the one by which files
//! of all versions are read.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::OptimizerRecord;
use burn::store::burn_pack::{Reader, Scalar, Tensor as Packed, Writer};
use burn::tensor::{Bytes, DType, Tensor, TensorData};

use super::parameter::Order;
use super::rules::Initial;
use super::update::{ITERATIONS, PRODUCT as PRODUCT_KEY};
use super::{AnyOptimizer, LossScale, Optimizer, Parameter};
use crate::config::Field;
use crate::error::{Error, Result};
use crate::model::KerasModel;
use crate::reorder::reorder;
use crate::versions::optimizer::{
    AVERAGE, DYNAMIC_SCALE, PRODUCT, Role, SCALING, STEP_COUNTER, Trainable, momentum_product, variables,
};
use crate::weights::optimizer::{INNER_VARIABLES, VARIABLES, put_state, stored_state};

/// The variables of an optimizer as Keras stores them, under their paths in a file such as `optimizer/vars/0`.
pub type Variables = Vec<(String, TensorData)>;

/// How far an optimizer is.
#[derive(Debug)]
pub struct Progress {
    /// What it keeps of every parameter, for
    /// [`ModuleOptimizer::load_record`](burn::optim::ModuleOptimizer::load_record).
    pub record: OptimizerRecord,
    /// How many gradients there were. The record's own number is used where it has one.
    pub iterations: u64,
    /// The learning rate as it is now; none when it follows a schedule.
    pub learning_rate: Option<f64>,
    /// The scale of the loss, if it is one that changes.
    pub loss_scale: Option<LossScale>,
}

impl Progress {
    /// That of an optimizer which has not done anything yet.
    ///
    /// # Errors
    /// When the optimizer is not one of Keras.
    pub fn start(optimizer: &Optimizer) -> Result<Self> {
        let rate = optimizer.known()?.common()?.learning_rate;
        let learning_rate = if rate.is_scheduled() { None } else { Some(rate.at(0)?) };
        let loss_scale = optimizer.loss_scale()?;
        Ok(Self { record: OptimizerRecord::default(), iterations: 0, learning_rate, loss_scale })
    }
}

/// What Keras calls the parameters.
fn trainable(parameters: &[Parameter]) -> Result<Vec<Trainable>> {
    let named = |parameter: &Parameter| {
        parameter.check()?;
        Ok((parameter.path.clone(), parameter.shape.clone()))
    };
    parameters.iter().map(named).collect()
}

/// The variables of an optimizer in the order of Keras, and their shapes; those of the inner one, too.
fn layout(optimizer: &Optimizer, parameters: &[Parameter]) -> Result<Vec<(String, Role, Vec<usize>)>> {
    optimizer.check()?;
    // With all its settings, for those that a file leaves out have their defaults.
    let known = optimizer.known()?;
    let json = Optimizer::from(known.clone()).write();
    let own = variables(&json, &trainable(parameters)?);
    let own = own.ok_or_else(|| Error::unsupported("the variables of this optimizer"))?;
    let inner = match known {
        AnyOptimizer::LossScaleOptimizer(_) => own.get(SCALING.len()..).unwrap_or_default().to_vec(),
        _ => Vec::new(),
    };
    let place = |group: &'static str| {
        move |(number, (role, shape)): (usize, (Role, Vec<usize>))| (format!("{group}/{number}"), role, shape)
    };
    let own = own.into_iter().enumerate().map(place(VARIABLES));
    Ok(own.chain(inner.into_iter().enumerate().map(place(INNER_VARIABLES))).collect())
}

/// Whether it is there before Keras knows which variables it trains.
fn is_early(role: &Role) -> bool {
    matches!(role, Role::Scalar("iteration" | "learning_rate" | "outer_iteration" | "outer_learning_rate"))
}

/// The variables that Keras would store.
///
/// What the record has nothing of is as Keras starts it. `module` is the one with the parameters; it is looked at
/// only for slots that start as the weights.
///
/// # Errors
/// When the optimizer is not one of Keras, or the record is not that of these parameters.
pub fn to_keras<M: Module>(
    optimizer: &Optimizer,
    parameters: &[Parameter],
    module: &M,
    progress: Progress,
) -> Result<Variables> {
    let layout = layout(optimizer, parameters)?;
    let record = Record::read(progress.record)?;
    let iterations = record.iterations(parameters).unwrap_or(progress.iterations);
    let mut values: Option<HashMap<u64, TensorData>> = None;
    let mut out = Vec::with_capacity(layout.len());
    for (path, role, shape) in layout {
        let data = match &role {
            Role::Scalar("iteration") => count(iterations),
            Role::Scalar("outer_iteration") => count(0),
            Role::Scalar(STEP_COUNTER) => count(progress.loss_scale.map_or(0, |scale| scale.steps)),
            Role::Scalar("learning_rate") => {
                let start = Progress::start(optimizer)?.learning_rate;
                number(progress.learning_rate.or(start).unwrap_or_default())
            }
            Role::Scalar(DYNAMIC_SCALE) => {
                let scale = progress.loss_scale.or(optimizer.loss_scale()?);
                number(scale.map_or(1.0, |scale| scale.scale))
            }
            Role::Scalar(PRODUCT) => number(record.product(parameters).unwrap_or(1.0)),
            Role::Scalar(_) => number(0.0),
            Role::Unused => return Err(Error::unsupported("a variable without a meaning").at(path)),
            Role::Slot("r" | "c", _) if shape.is_empty() => count(0),
            Role::Slot(slot, at) => {
                let parameter =
                    parameters.get(*at).ok_or_else(|| Error::input("no such parameter").at(&path))?;
                let order = parameter.order();
                match record.slot(parameter, slot) {
                    Some(data) => {
                        order.to_file(slot, data, &shape).map_err(|error| error.at(&parameter.path))?
                    }
                    None => match initial(optimizer, slot, iterations)? {
                        Initial::Number(number) => filled(number, &shape),
                        Initial::Weights => {
                            let values = values.get_or_insert_with(|| Values::of(module));
                            let value = values.get(&parameter.id.val()).cloned();
                            let value = value
                                .ok_or_else(|| Error::input("the module lacks it").at(&parameter.path))?;
                            order.to_file(slot, value, &shape)?
                        }
                    },
                }
            }
        };
        out.push((path, data));
    }
    Ok(out)
}

/// What a slot is when there was no gradient yet for its parameter, but for others.
fn initial(optimizer: &Optimizer, slot: &str, iterations: u64) -> Result<Initial> {
    match slot == AVERAGE && iterations > 0 {
        // The average of weights that do not change.
        true => Ok(Initial::Weights),
        false => Ok(optimizer.inner()?.initial(slot)),
    }
}

impl Optimizer {
    /// The product of the momenta of a [`Nadam`](super::Nadam), where it is not stored.
    fn product(&self, iterations: u64) -> Result<f64> {
        let each = self.known()?.common()?.gradient_accumulation_steps.unwrap_or(1).max(1) as u64;
        Ok(match self.inner()? {
            AnyOptimizer::Nadam(nadam) => momentum_product(nadam.beta_1, iterations / each),
            _ => 1.0,
        })
    }
}

/// Goes on from the variables that Keras stored. Without any, or with those only that Keras has before it trains,
/// it starts.
///
/// # Errors
/// When the variables are not those of this optimizer and these parameters. Keras warns, and starts.
pub fn from_keras(optimizer: &Optimizer, parameters: &[Parameter], variables: Variables) -> Result<Progress> {
    let layout = layout(optimizer, parameters)?;
    let mut stored: HashMap<String, TensorData> = variables.into_iter().collect();
    let mut progress = Progress::start(optimizer)?;
    if stored.is_empty() {
        return Ok(progress);
    }
    let own = |path: &str| path.rsplit_once('/').is_some_and(|(group, _)| group == VARIABLES);
    let found = stored.keys().filter(|path| own(path)).count();
    let mut layout: Vec<_> = layout.into_iter().filter(|(path, ..)| own(path)).collect();
    let expected = layout.len();
    let early = layout.iter().filter(|(_, role, _)| is_early(role)).count();
    if found == early && found < expected {
        layout.retain(|(_, role, _)| is_early(role));
        for (number, (path, ..)) in layout.iter_mut().enumerate() {
            *path = format!("{VARIABLES}/{number}");
        }
    } else if found != expected {
        let message = "the saved optimizer has other variables than this one has for the trainable variables of \
                       the model: another optimizer, or other layers are frozen";
        let message = format_args!("{message} (expected {expected}, got {found})");
        return Err(Error::weights(message).at(VARIABLES));
    }
    let mut record = Record::default();
    let mut product = None;
    for (path, role, shape) in layout {
        let data = stored.remove(&path).ok_or_else(|| Error::weights("missing").at(&path))?;
        let got = data.shape().to_vec();
        if got != shape && !(shape.is_empty() && got == [1]) {
            let message = format_args!("expected the shape {shape:?}, got {got:?}");
            return Err(Error::weights(message).at(path));
        }
        match role {
            Role::Scalar("iteration") => {
                progress.iterations = whole(&data).map_err(|error| error.at(path))?
            }
            Role::Scalar("learning_rate") => progress.learning_rate = Some(single(&data)),
            Role::Scalar(PRODUCT) => product = Some(single(&data)),
            Role::Scalar(STEP_COUNTER) => {
                let steps = whole(&data).map_err(|error| error.at(path))?;
                progress.loss_scale = progress.loss_scale.map(|scale| LossScale { steps, ..scale });
            }
            Role::Scalar(DYNAMIC_SCALE) => {
                let number = single(&data);
                progress.loss_scale = progress.loss_scale.map(|scale| LossScale { scale: number, ..scale });
            }
            Role::Scalar(_) | Role::Unused => {}
            Role::Slot("r" | "c", _) if shape.is_empty() => {}
            Role::Slot(slot, at) => {
                let parameter =
                    parameters.get(at).ok_or_else(|| Error::input("no such parameter").at(&path))?;
                let data = parameter.order().from_file(slot, data).map_err(|error| error.at(path))?;
                record.tensors.insert((parameter.id.val(), slot.to_owned()), data);
            }
        }
    }
    if found == expected {
        let product = product.map_or_else(|| optimizer.product(progress.iterations), Ok)?;
        for parameter in parameters {
            let rank = parameter.order().param(&parameter.shape).len();
            record.start(parameter.id.val(), rank, progress.iterations, product);
        }
        progress.record = record.write()?;
    }
    Ok(progress)
}

/// The variables of the optimizer that are in the file a model came from, or were last put into it.
///
/// # Errors
/// When they cannot be read.
pub fn stored(model: &KerasModel) -> Result<Variables> {
    stored_state(model.store())
}

/// The model with the variables of its optimizer, which are saved with it, in place of those that it had.
///
/// # Errors
/// When they are of types that no optimizer has.
pub fn put(model: KerasModel, variables: Variables) -> Result<KerasModel> {
    let mut store = model.store().clone();
    put_state(&mut store, variables)?;
    Ok(model.with_store(store))
}

/// A module whose weights have become their moving averages, as Keras does at the end of `fit`. Without
/// [`use_ema`](super::Adam::use_ema) it stays as it is.
///
/// # Errors
/// When the record cannot be read.
pub fn finalize<M: Module>(module: M, record: OptimizerRecord) -> Result<M> {
    let mut averages = Averages(Record::read(record)?);
    Ok(module.map(&mut averages))
}

/// Replaces weights by their averages.
struct Averages(Record);

impl ModuleMapper for Averages {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let average = self.0.tensors.remove(&(param.id.val(), AVERAGE.to_owned()));
        match average.filter(|average| *average.shape() == param.shape()) {
            Some(average) => param.map(|old| {
                let new = Tensor::from_data(average, (&old.device(), old.dtype()));
                new.set_require_grad(old.is_require_grad())
            }),
            None => param,
        }
    }
}

impl Order {
    /// A slot from the order of the parameter to that of Keras.
    fn to_file(&self, slot: &str, data: TensorData, shape: &[usize]) -> Result<TensorData> {
        let there = self.param(&self.slot(slot));
        if data.shape().to_vec() != there {
            let message = format_args!("expected the shape {there:?}, got {:?}", data.shape());
            return Err(Error::weights(message).at(slot));
        }
        reorder(data, &there, &self.inverse(), shape)
    }

    /// The other way round; the state is of 32 bits.
    fn from_file(&self, slot: &str, data: TensorData) -> Result<TensorData> {
        let data = data.try_cast(DType::F32);
        let data = data.map_err(|error| Error::weights(format_args!("expected numbers: {error}")))?;
        let here = self.slot(slot);
        let axes = if self.is_flat { &[] } else { self.axes.as_slice() };
        reorder(data, &here, axes, &self.param(&here))
    }
}

/// A record of Burn's, taken apart.
#[derive(Default)]
struct Record {
    tensors: BTreeMap<(u64, String), TensorData>,
    scalars: BTreeMap<String, Scalar>,
}

/// What Burn itself notes of a parameter in a record.
const RANK: &str = "__rank";

impl Record {
    fn read(record: OptimizerRecord) -> Result<Self> {
        let unreadable =
            |error: &dyn std::fmt::Display| Error::weights(format_args!("a record that is none: {error}"));
        let bytes = record.into_bytes().map_err(|error| unreadable(&error))?;
        let reader = Reader::from_bytes(bytes).map_err(|error| unreadable(&error))?;
        let scalars = reader.scalars().clone();
        let mut tensors = BTreeMap::new();
        for tensor in reader.into_tensors().map_err(|error| unreadable(&error))? {
            let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(|error| unreadable(&error))?;
            let slot = name.split_once('.').map_or(name.as_str(), |(_, slot)| slot).to_owned();
            tensors.insert((id.unwrap_or_default(), slot), TensorData::from_bytes(bytes, shape, dtype));
        }
        Ok(Self { tensors, scalars })
    }

    fn write(self) -> Result<OptimizerRecord> {
        let pack = |((id, slot), data): ((u64, String), TensorData)| {
            let (bytes, shape, dtype) = data.into_parts();
            Packed::new(format!("{id}.{slot}"), dtype, shape, Some(id), bytes)
        };
        let mut writer = Writer::new(self.tensors.into_iter().map(pack).collect());
        for (name, scalar) in self.scalars {
            writer = writer.with_scalar(&name, scalar);
        }
        let bytes =
            writer.into_bytes().map_err(|error| Error::weights(format_args!("no record: {error}")))?;
        OptimizerRecord::from_bytes(bytes).map_err(|error| Error::weights(format_args!("no record: {error}")))
    }

    /// Begins with a parameter.
    fn start(&mut self, id: u64, rank: usize, iterations: u64, product: f64) {
        let scalars = [
            (RANK, Scalar::from(rank)),
            (ITERATIONS, Scalar::from(iterations)),
            (PRODUCT_KEY, Scalar::from(product)),
        ];
        self.scalars.extend(scalars.map(|(key, scalar)| (format!("{id}.{key}"), scalar)));
    }

    fn slot(&self, parameter: &Parameter, slot: &str) -> Option<TensorData> {
        self.tensors.get(&(parameter.id.val(), slot.to_owned())).cloned()
    }

    fn scalars<'a>(&'a self, parameters: &'a [Parameter], key: &'a str) -> impl Iterator<Item = Scalar> + 'a {
        parameters.iter().filter_map(move |it| self.scalars.get(&format!("{}.{key}", it.id.val())).copied())
    }

    /// The steps so far; a parameter that had a gradient later has fewer.
    fn iterations(&self, parameters: &[Parameter]) -> Option<u64> {
        self.scalars(parameters, ITERATIONS).filter_map(|scalar| u64::try_from(scalar).ok()).max()
    }

    /// The product of the parameter with most steps.
    fn product(&self, parameters: &[Parameter]) -> Option<f64> {
        let products = self.scalars(parameters, PRODUCT_KEY).filter_map(|scalar| f64::try_from(scalar).ok());
        products.min_by(f64::total_cmp)
    }
}

fn count(count: u64) -> TensorData {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    scalar(count.to_le_bytes(), DType::I32)
}

fn number(number: f64) -> TensorData {
    scalar((number as f32).to_le_bytes(), DType::F32)
}

fn scalar(bytes: [u8; 4], dtype: DType) -> TensorData {
    TensorData::from_bytes_vec(bytes.to_vec(), Vec::<usize>::new(), dtype)
}

fn filled(number: f64, shape: &[usize]) -> TensorData {
    let elements = shape.iter().product();
    TensorData::from_bytes(Bytes::from_elems(vec![number as f32; elements]), shape.to_vec(), DType::F32)
}

fn single(data: &TensorData) -> f64 {
    data.iter::<f64>().next().unwrap_or_default()
}

fn whole(data: &TensorData) -> Result<u64> {
    let count = data.iter::<i64>().next().and_then(|count| u64::try_from(count).ok());
    count.ok_or_else(|| Error::damaged("expected a number of steps"))
}

/// The values of a module's parameters.
struct Values(HashMap<u64, TensorData>);

impl Values {
    fn of<M: Module>(module: &M) -> HashMap<u64, TensorData> {
        let mut values = Self(HashMap::new());
        module.visit(&mut values);
        values.0
    }
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id.val(), param.val().into_data().convert_dtype(DType::F32));
    }
}
