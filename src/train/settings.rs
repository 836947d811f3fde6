//! What a model is trained with, in the words of Keras' `compile`.

use serde_json::{Map, Value as Json};

use super::plan::Plan;
use crate::config::{Class, Described, Dtype, DtypePolicy, Field};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::{self, CompileLoss};
use crate::metric::{CompileMetrics, CustomMetrics};
use crate::model::KerasModel;
use crate::optimizer::{AnyOptimizer, LossScaleOptimizer, Optimizer};
use crate::registry::nearest;

/// Losses and metrics that are not of Keras, in Rust, by the names that a file has for them.
#[derive(Clone, Debug, Default)]
pub struct Custom {
    /// The losses.
    pub losses: loss::Custom,
    /// The metrics.
    pub metrics: CustomMetrics,
}

/// Losses or metrics as `compile` takes them: an object or its name, a list of them, or either by the name of
/// an output.
///
/// ```
/// use burn_keras::train::PerOutput;
///
/// let of_one = PerOutput::from("mse");
/// let of_two = PerOutput::from([("class", "sparse_categorical_crossentropy"), ("box", "mae")]);
/// let several = PerOutput::from([("class", vec!["accuracy"]), ("box", vec!["mae", "mse"])]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerOutput(Json);

impl PerOutput {
    /// As it stands in a file.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.0
    }

    /// What stands so in a file.
    #[must_use]
    pub fn of(json: &Json) -> Self {
        Self(json.clone())
    }
}

impl From<&str> for PerOutput {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<f64> for PerOutput {
    fn from(number: f64) -> Self {
        Self(crate::config::json::number(number))
    }
}

impl<C: Class> From<Described<C>> for PerOutput {
    fn from(object: Described<C>) -> Self {
        Self(Field::write(&object))
    }
}

impl<T: Into<PerOutput>> From<Option<T>> for PerOutput {
    fn from(item: Option<T>) -> Self {
        item.map_or_else(Self::default, Into::into)
    }
}

impl<T: Into<PerOutput>> From<Vec<T>> for PerOutput {
    fn from(items: Vec<T>) -> Self {
        Self(items.into_iter().map(|item| item.into().0).collect())
    }
}

impl<T: Into<PerOutput>, const COUNT: usize> From<[T; COUNT]> for PerOutput {
    fn from(items: [T; COUNT]) -> Self {
        Vec::from(items).into()
    }
}

impl<T: Into<PerOutput>, const COUNT: usize> From<[(&str, T); COUNT]> for PerOutput {
    fn from(items: [(&str, T); COUNT]) -> Self {
        Self(Json::Object(items.into_iter().map(|(name, item)| (name.to_owned(), item.into().0)).collect()))
    }
}

/// What a model is trained with: the arguments of Keras' `compile`, under their names.
///
/// ```
/// use burn_keras::train::Compile;
///
/// let settings = Compile::new("adam", "sparse_categorical_crossentropy").metrics(["accuracy"]);
/// assert_eq!(settings.json()["loss"], "sparse_categorical_crossentropy");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Compile {
    optimizer: Optimizer,
    loss: PerOutput,
    loss_weights: PerOutput,
    metrics: PerOutput,
    weighted_metrics: PerOutput,
    run_eagerly: bool,
    steps_per_execution: usize,
    jit_compile: bool,
    auto_scale_loss: bool,
}

impl Compile {
    /// An optimizer, and a loss for every output.
    #[must_use]
    pub fn new(optimizer: impl Into<Optimizer>, loss: impl Into<PerOutput>) -> Self {
        Self {
            optimizer: optimizer.into(),
            loss: loss.into(),
            loss_weights: PerOutput::default(),
            metrics: PerOutput::default(),
            weighted_metrics: PerOutput::default(),
            run_eagerly: false,
            steps_per_execution: 1,
            jit_compile: true,
            auto_scale_loss: true,
        }
    }

    /// What the loss of each output is multiplied by before they are added.
    #[must_use]
    pub fn loss_weights(mut self, weights: impl Into<PerOutput>) -> Self {
        self.loss_weights = weights.into();
        self
    }

    /// What is watched, without regard to sample weights.
    #[must_use]
    pub fn metrics(mut self, metrics: impl Into<PerOutput>) -> Self {
        self.metrics = metrics.into();
        self
    }

    /// What is watched, with sample weights.
    #[must_use]
    pub fn weighted_metrics(mut self, metrics: impl Into<PerOutput>) -> Self {
        self.weighted_metrics = metrics.into();
        self
    }

    /// After how many batches the callbacks are called. Default: 1.
    #[must_use]
    pub fn steps_per_execution(mut self, steps: usize) -> Self {
        self.steps_per_execution = steps;
        self
    }

    /// Whether Keras is to run without compiling anything. Kept for Keras.
    #[must_use]
    pub fn run_eagerly(mut self, eagerly: bool) -> Self {
        self.run_eagerly = eagerly;
        self.jit_compile &= !eagerly;
        self
    }

    /// Whether Keras is to use XLA. Kept for Keras.
    #[must_use]
    pub fn jit_compile(mut self, compile: bool) -> Self {
        self.jit_compile = compile;
        self
    }

    /// Whether [`KerasModel::compile`] puts a [`LossScaleOptimizer`] around the optimizer of a model with layers of
    /// the policy `mixed_float16`, whose small gradients would be lost. Default: yes.
    #[must_use]
    pub fn auto_scale_loss(mut self, scale: bool) -> Self {
        self.auto_scale_loss = scale;
        self
    }

    /// With the optimizer that scales losses, if the layers that this describes ask for it.
    fn scaled_for(mut self, config: &Json) -> Self {
        let is_plain = |known: &&AnyOptimizer| !matches!(known, AnyOptimizer::LossScaleOptimizer(_));
        if self.auto_scale_loss
            && has_mixed_float16(config)
            && let Some(inner) = self.optimizer.get().ok().flatten().filter(is_plain)
        {
            self.optimizer = LossScaleOptimizer::new(inner.clone()).into();
        }
        self
    }

    /// The optimizer.
    #[must_use]
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    pub(crate) fn plan(
        &self,
        outputs: &[String],
        custom: &Custom,
    ) -> (Result<CompileLoss>, Result<CompileMetrics>) {
        let loss = CompileLoss::new(&self.loss.0, &self.loss_weights.0, outputs, &custom.losses);
        let (metrics, weighted) = (&self.metrics.0, &self.weighted_metrics.0);
        (loss, CompileMetrics::new(metrics, weighted, outputs, &custom.metrics))
    }

    /// Whether a loss is reduced otherwise than to a mean over all examples.
    pub(crate) fn is_summed(&self) -> bool {
        fn any(json: &Json) -> bool {
            match json {
                Json::Array(items) => items.iter().any(any),
                Json::Object(items) => items.iter().any(|(key, value)| match value.as_str() {
                    Some(word) => key == "reduction" && ["sum", "mean_with_sample_weight"].contains(&word),
                    None => any(value),
                }),
                _ => false,
            }
        }
        any(&self.loss.0)
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps_per_execution.max(1)
    }

    /// `compile_config`, as a file of Keras has it.
    #[must_use]
    pub fn json(&self) -> Map<String, Json> {
        let settings = [
            ("optimizer", Field::write(&self.optimizer)),
            ("loss", self.loss.0.clone()),
            ("loss_weights", self.loss_weights.0.clone()),
            ("metrics", self.metrics.0.clone()),
            ("weighted_metrics", self.weighted_metrics.0.clone()),
            ("run_eagerly", self.run_eagerly.into()),
            ("steps_per_execution", self.steps_per_execution.into()),
            ("jit_compile", self.jit_compile.into()),
        ];
        settings.into_iter().map(|(key, json)| (key.to_owned(), json)).collect()
    }

    /// What `compile_config` of a file says. What is not there is as in Keras.
    ///
    /// # Errors
    /// When a setting is not of its type.
    pub fn of(settings: &Map<String, Json>) -> Result<Self> {
        let of = |key: &str| PerOutput(settings.get(key).cloned().unwrap_or_default());
        let is_on = |key: &str| settings.get(key).and_then(Json::as_bool).unwrap_or(false);
        let steps = settings.get("steps_per_execution").filter(|steps| !steps.is_null());
        let steps = steps.map_or(Some(1), Json::as_u64).and_then(|steps| usize::try_from(steps).ok());
        let steps = steps.filter(|steps| *steps > 0).ok_or_else(|| {
            Error::config("expected a positive integer").at("compile_config.steps_per_execution")
        })?;
        let optimizer = of("optimizer").0;
        Ok(Self {
            optimizer: if optimizer.is_null() { "rmsprop".into() } else { Optimizer::of(&optimizer) },
            loss: of("loss"),
            loss_weights: of("loss_weights"),
            metrics: of("metrics"),
            weighted_metrics: of("weighted_metrics"),
            run_eagerly: is_on("run_eagerly"),
            steps_per_execution: steps,
            jit_compile: is_on("jit_compile"),
            auto_scale_loss: true,
        })
    }
}

/// Whether a layer keeps its variables in 32 bits and computes in 16.
fn has_mixed_float16(config: &Json) -> bool {
    let is_mixed = |policy: &Json| {
        let read = DtypePolicy::read(Some(policy));
        read.is_ok_and(|read| (read.compute, read.variable) == (Dtype::Float16, Dtype::Float32))
    };
    match config {
        Json::Array(items) => items.iter().any(has_mixed_float16),
        Json::Object(items) => {
            items.get("dtype").is_some_and(is_mixed) || items.values().any(has_mixed_float16)
        }
        _ => false,
    }
}

impl From<&Compile> for Compile {
    fn from(settings: &Compile) -> Self {
        settings.clone()
    }
}

impl KerasModel {
    /// Sets what the model is trained with, as Keras' `compile`. The state of an earlier optimizer is gone.
    ///
    /// What is not of Keras is kept, and asked for when the model is trained.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use burn_keras::build::{Dense, Input, Sequential};
    /// use burn_keras::optimizer::Adam;
    /// use burn_keras::train::Compile;
    ///
    /// let mut model = Sequential::new().with(Input::new([4])).with(Dense::new(1)).build(&Device::flex())?;
    /// model.compile(Compile::new(Adam::new().learning_rate(0.01), "mse").metrics(["mae"]))?;
    /// assert!(model.compile(Compile::new("adam", [("other", "mse")])).is_err());
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// When Keras would refuse a setting; all of them at once. The model is then as it was.
    pub fn compile(&mut self, settings: impl Into<Compile>) -> Result<()> {
        let mut config = self.file().config().clone();
        // Keras goes by a setting of the process, which no file has, and leaves to it to do the same again.
        let settings = settings.into().scaled_for(&config["config"]);
        config["compile_config"] = Json::Object(settings.json());
        let model = self.without_optimizer_state();
        if let Err(error) = Plan::of(&settings, &model, &Custom::default()) {
            // What is only unknown here may be known when it trains.
            if error.problems().any(|problem| problem.kind() != ErrorKind::Unsupported) {
                return Err(error);
            }
        }
        *self = model.with_file(model.file().with_config(config), model.store().clone());
        Ok(())
    }

    /// What the model is trained with, as its file or [`compile`](Self::compile) says; none if it was never
    /// compiled.
    ///
    /// # Errors
    /// When a setting is not of its type.
    pub fn compiled(&self) -> Result<Option<Compile>> {
        self.file().compile_config().map(Compile::of).transpose()
    }
}

impl KerasModel {
    /// Freezes a layer, or lets it be trained again, as Keras' `layer.trainable`: with all layers inside of
    /// it. A layer of an inner model goes by `inner/layer`. The state of the optimizer is gone when it is that
    /// of other variables.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn set_trainable(&mut self, layer: &str, trainable: bool) -> Result<()> {
        let mut config = self.file().config().clone();
        let place = layer.split('/').try_fold(config.get_mut("config"), |config, name| {
            let layers = config?.get_mut("layers")?.as_array_mut()?;
            let of_name = |layer: &&mut Json| layer.pointer("/config/name").is_some_and(|own| own == name);
            Some(layers.iter_mut().find(of_name)?.get_mut("config"))
        });
        match place.flatten() {
            Some(place) => set_trainable(place, trainable),
            None if self.any_layer(layer).is_ok() => {
                return Err(Error::unsupported("its description says no name").at(layer));
            }
            None => {
                let paths = config.get("config").map(paths).unwrap_or_default();
                let hint = nearest(layer, paths.iter().map(String::as_str));
                return Err(Error::input(format_args!("no layer {layer:?}{hint}")));
            }
        }
        let model = self.rebuilt(self.file().with_config(config))?;
        *self = if trained(&model) == trained(self) { model } else { model.without_optimizer_state() };
        Ok(())
    }

    /// The same model as if its optimizer had made no step.
    pub(crate) fn without_optimizer_state(&self) -> Self {
        let mut store = self.store().clone();
        store.remove("optimizer");
        self.with_file(self.file().clone(), store)
    }
}

/// The paths of the variables that an optimizer changes.
fn trained(model: &KerasModel) -> Vec<&str> {
    let variables = model.origin().description.variables.iter();
    variables.filter(|variable| variable.trainable).map(|variable| variable.param.as_str()).collect()
}

/// The names of all layers of a model's config; those of inner models as `inner/layer`.
fn paths(config: &Json) -> Vec<String> {
    let layers = config.get("layers").and_then(Json::as_array).into_iter().flatten();
    let of_layer = |layer: &Json| -> Vec<String> {
        let Some((config, name)) = layer.get("config").and_then(|it| Some((it, it.get("name")?.as_str()?)))
        else {
            return Vec::new();
        };
        let inside = paths(config).into_iter().map(|path| format!("{name}/{path}"));
        std::iter::once(name.to_owned()).chain(inside).collect()
    };
    layers.flat_map(of_layer).collect()
}

/// Sets it for a layer's config, and those of all layers inside.
fn set_trainable(config: &mut Json, trainable: bool) {
    let Some(config) = config.as_object_mut() else { return };
    // A model without it goes by its layers.
    if config.contains_key("trainable") || !config.contains_key("layers") {
        config.insert("trainable".to_owned(), trainable.into());
    }
    config.values_mut().for_each(|value| set_inside(value, trainable));
}

fn set_inside(json: &mut Json, trainable: bool) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| set_inside(item, trainable)),
        Json::Object(object) if object.contains_key("class_name") => {
            if let Some(config) = object.get_mut("config").filter(|config| is_layer(config)) {
                set_trainable(config, trainable);
            }
        }
        _ => {}
    }
}

fn is_layer(config: &Json) -> bool {
    ["trainable", "layers"].iter().any(|key| config.get(key).is_some())
}
