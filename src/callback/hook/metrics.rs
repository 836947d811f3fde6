//! Burn's metrics, as Keras would call them.

use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use burn::train::metric::{Metric, MetricAttributes};

use super::super::{Direction, Logs, Watched};
use crate::error::{Error, Result};

/// A metric of Burn, and its name in the logs.
#[derive(Clone, Debug)]
pub struct Named {
    metric: String,
    name: String,
    direction: Option<Direction>,
}

impl Named {
    fn of<M: Metric>(metric: &M) -> Self {
        let direction = match metric.attributes() {
            MetricAttributes::Numeric(numeric) if numeric.higher_is_better => Some(Direction::Up),
            MetricAttributes::Numeric(_) => Some(Direction::Down),
            MetricAttributes::None => None,
        };
        let metric = metric.name().to_string();
        Self { name: keras_name(&metric), metric, direction }
    }
}

/// Several numeric metrics of Burn: a tuple of up to six.
pub trait Metrics {
    /// Each with its name.
    #[doc(hidden)]
    fn named(&self) -> Vec<Named>;
}

macro_rules! tuples {
    ($(($($metric:ident)+))+) => {$(
        impl<$($metric: Metric),+> Metrics for ($($metric,)+) {
            #[allow(non_snake_case)]
            fn named(&self) -> Vec<Named> {
                let ($($metric,)+) = self;
                vec![$(Named::of($metric)),+]
            }
        }
    )+};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

/// `Top-K Accuracy` is `top_k_accuracy`.
fn keras_name(metric: &str) -> String {
    let words = metric.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// Gives metrics the names that the user wants.
pub(super) fn rename(metrics: &mut [Named], names: &[(String, String)]) -> Result<()> {
    for (metric, name) in names {
        let Some(found) = metrics.iter_mut().find(|it| it.metric == *metric) else {
            let known: Vec<&str> = metrics.iter().map(|it| it.metric.as_str()).collect();
            let known = known.join(", ");
            return Err(Error::input(format_args!("there is no metric {metric:?}; there are: {known}")));
        };
        found.name.clone_from(name);
    }
    let mut names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::input(format_args!("two metrics are called {:?}: rename one", pair[0]))),
        None => Ok(()),
    }
}

/// The name of a number on the validation data.
fn validated(name: &str) -> String {
    format!("val_{name}")
}

/// What will be in the logs: the loss first, as far as it is known without a metric, and all validation last.
pub(super) fn watched(metrics: &[Named], has_loss: bool) -> Vec<Watched> {
    let loss = Watched { name: "loss".to_owned(), direction: Some(Direction::Down), in_batches: true };
    let metric =
        |metric: &Named, name: String| Watched { name, direction: metric.direction, in_batches: false };
    let trained = metrics.iter().map(|it| metric(it, it.name.clone()));
    let trained = trained.filter(|it| !(has_loss && it.name == "loss"));
    let valid = metrics.iter().map(|it| metric(it, validated(&it.name)));
    has_loss.then_some(loss).into_iter().chain(trained).chain(valid).collect()
}

/// What Burn knows of an epoch, of which the first is 1.
pub(super) fn logs(metrics: &[Named], loss: Option<f64>, epoch: usize, store: &EventStoreClient) -> Logs {
    let mut logs: Logs = loss.map(|loss| ("loss", loss)).into_iter().collect();
    for (split, name) in [(Split::Train, str::to_owned as fn(&str) -> String), (Split::Valid, validated)] {
        for metric in metrics {
            if let Some(number) = store.find_metric(&metric.metric, epoch, Aggregate::Mean, &split) {
                logs.set(name(&metric.name), number);
            }
        }
    }
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_keras() {
        for (metric, name) in
            [("Loss", "loss"), ("Top-K Accuracy @ TopK(2)", "top_k_accuracy_topk_2"), ("ROUGE-L", "rouge_l")]
        {
            assert_eq!(keras_name(metric), name);
        }
    }
}
