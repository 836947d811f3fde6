//! Examples with what a model is to make of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::error::Result;
use crate::value::Value;

/// Some examples: what goes into a model, what is to come out, and how much each counts.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The inputs in the order of the model; their first axis is that of the examples.
    pub inputs: Vec<Value>,
    /// The targets in the order of the outputs; none for an output without a loss and metrics.
    pub targets: Vec<Option<Value>>,
    /// How much each example counts, or each step of it, for every output; none: all the same.
    pub sample_weight: Vec<Option<Value>>,
    /// Which part it is of the batch whose loss is asked for.
    pub(crate) share: f64,
}

impl Batch {
    /// Examples that all count the same.
    #[must_use]
    pub fn new(inputs: Vec<Value>, targets: Vec<Value>) -> Self {
        let sample_weight = targets.iter().map(|_| None).collect();
        Self { inputs, targets: targets.into_iter().map(Some).collect(), sample_weight, share: 1.0 }
    }

    /// The same with other targets: one for every output, or none.
    #[must_use]
    pub fn with_targets(self, targets: Vec<Option<Value>>) -> Self {
        Self { targets, ..self }
    }

    /// The same with weights of the examples: one array for every output, or none.
    #[must_use]
    pub fn with_sample_weight(self, sample_weight: Vec<Option<Value>>) -> Self {
        Self { sample_weight, ..self }
    }

    /// The same as so many examples of a batch of so many.
    pub(crate) fn counting_as(self, examples: usize, of: usize) -> Self {
        Self { share: examples as f64 / of.max(1) as f64, ..self }
    }

    /// The number of examples.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(0)
    }

    /// Every value after `change`.
    pub(crate) fn try_map(self, change: impl Fn(Value) -> Result<Value>) -> Result<Self> {
        let some = |values: Vec<Option<Value>>| {
            values.into_iter().map(|value| value.map(&change).transpose()).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            inputs: self.inputs.into_iter().map(&change).collect::<Result<_>>()?,
            targets: some(self.targets)?,
            sample_weight: some(self.sample_weight)?,
            share: self.share,
        })
    }
}

/// Examples in memory, in batches: the data loader of [`fit`](crate::KerasModel::fit).
#[derive(Debug)]
pub struct Arrays {
    all: Batch,
    /// From which example to which one.
    start: usize,
    end: usize,
    batch_size: usize,
    /// What the order of the examples follows from, with the number of the epoch; none: as they are.
    seed: Option<u64>,
    epoch: AtomicU64,
    /// Where batches go.
    device: Option<Device>,
}

impl Arrays {
    /// Examples in batches of that size; the last one may be smaller.
    #[must_use]
    pub fn new(all: Batch, batch_size: usize) -> Self {
        let end = all.examples();
        let (batch_size, epoch) = (batch_size.max(1), AtomicU64::new(0));
        Self { all, start: 0, end, batch_size, seed: None, epoch, device: None }
    }

    /// In another order every epoch, which follows from the seed.
    #[must_use]
    pub fn shuffled(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The next epoch is that one.
    #[must_use]
    pub fn from_epoch(self, epoch: u64) -> Self {
        Self { epoch: AtomicU64::new(epoch), ..self }
    }

    /// The number of batches in an epoch.
    #[must_use]
    pub fn batches(&self) -> usize {
        self.num_items().div_ceil(self.batch_size)
    }

    fn copy(&self) -> Self {
        let epoch = AtomicU64::new(self.epoch.load(Ordering::Relaxed));
        let (all, device) = (self.all.clone(), self.device.clone());
        Self { all, device, epoch, ..*self }
    }
}

impl DataLoader<Batch> for Arrays {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        let mut places: Vec<usize> = (self.start..self.end).collect();
        if let Some(seed) = self.seed {
            places.shuffle(&mut StdRng::seed_from_u64(mixed(seed, epoch)));
        }
        Box::new(Iter { arrays: self, places, done: 0 })
    }

    fn num_items(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        // Not all at once: there may be more of it than the device can hold.
        Arc::new(Self { device: Some(device.clone()), ..self.copy() })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let start = self.start.saturating_add(start).min(self.end);
        let end = self.start.saturating_add(end).clamp(start, self.end);
        Arc::new(Self { start, end, ..self.copy() })
    }
}

/// One number of two, none of which shows through.
pub(crate) fn mixed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
    }
    mixed ^ (mixed >> 31)
}

struct Iter<'a> {
    arrays: &'a Arrays,
    places: Vec<usize>,
    done: usize,
}

impl Iterator for Iter<'_> {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.done.saturating_add(self.arrays.batch_size).min(self.places.len());
        let places = self.places.get(self.done..end).filter(|places| !places.is_empty())?;
        self.done = end;
        let batch = self.arrays.all.clone().try_map(|value| {
            let value = value.pick(0, places)?;
            self.arrays.device.as_ref().map_or(Ok(value.clone()), |device| value.clone().to_device(device))
        });
        Some(batch.map_err(DatasetError::new))
    }
}

impl DataLoaderIterator<Batch> for Iter<'_> {
    fn progress(&self) -> Progress {
        Progress::new(self.done, self.places.len(), Some("items".to_owned()))
    }
}
