//! Files of a module that is no Keras model: its parameters, the state of its optimizer, and how far its training is.
//!
//! A parameter lies where Keras would have it if its module were a layer, `layers/encoder/vars/0`, and says its path
//! in the module. What Burn writes of the optimizer lies beside them, byte by byte.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{AllocationProperty, Bool, Bytes as BurnBytes, Int, Tensor};
use bytes::Bytes;

use super::super::{Saved, Snapshot};
use crate::error::{Error, Problems, Result};
use crate::file::h5::{Attribute, Attributes, ElementType};
use crate::file::save::save_file;
use crate::file::store::{Store, Stored};
use crate::limits::Limits;
use crate::model::KerasModel;
use crate::registry::nearest;
use crate::save::{SaveOptions, h5};
use crate::weights::{KerasWeights, Kind, pack};

pub(super) use crate::train::document::Document;

/// Where the bytes of Burn's record of the optimizer lie.
const OPTIMIZER: &str = "burn/optimizer";
/// What Burn calls the rank of a parameter there.
const RANK: &str = "__rank";
/// The attribute that says what a dataset is.
const NAME: &str = "name";

/// What a training is resumed with.
pub(super) struct State<M> {
    pub(super) model: M,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) document: Document,
}

/// The state of a training.
pub(super) struct Moment<M> {
    /// They are only read, but need not be shared between threads otherwise.
    held: Mutex<(M, ModuleOptimizer)>,
    document: Document,
    template: Option<KerasModel>,
}

impl<M> fmt::Debug for Moment<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").field("document", &self.document).finish_non_exhaustive()
    }
}

impl<M: Module> Moment<M> {
    pub(super) fn new(
        model: M,
        optimizer: ModuleOptimizer,
        document: Document,
        template: Option<KerasModel>,
    ) -> Self {
        Self { held: Mutex::new((model, optimizer)), document, template }
    }

    fn held(&self) -> (M, ModuleOptimizer) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn model(&self) -> M {
        self.held().0
    }

    /// Whether there is nothing in it that a file cannot hold.
    pub(super) fn check(&self) -> Result<()> {
        match &self.template {
            Some(template) => filled(template, self.model()).map(drop),
            None => h5(&tree(self.model())?).map(drop),
        }
    }
}

/// Whether a file of that name can be written.
pub(super) fn check_path(path: &Path, what: Saved, template: Option<&KerasModel>) -> Result<()> {
    let fault = match (what, template) {
        (_, Some(template)) => return template.check_target(path, what == Saved::Model),
        (Saved::Model, None) => {
            "a whole model takes its config: give the hook a Keras model as template, or save the weights only"
        }
        (Saved::Weights, None) if Kind::of(path) != Some(Kind::Keras3) => {
            "expected a name that ends in .weights.h5, for weights"
        }
        (Saved::Weights, None) => return Ok(()),
    };
    Err(Error::input(fault).in_file(path))
}

impl<M: Module + 'static> Snapshot for Moment<M> {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        let (model, optimizer) = self.held();
        let state = bytes_of(optimizer.to_record().into_bytes())?;
        let options = SaveOptions::new().training(&self.document.json());
        let Some(template) = &self.template else {
            let mut tree = tree(model)?;
            options.put_training(&mut tree);
            tree.tensors.insert(OPTIMIZER.to_owned(), blob(state));
            let written = h5(&tree).and_then(|content| save_file(path, content));
            return written.map_err(|error| error.in_file(path));
        };
        let filled = filled(template, model)?;
        let mut store = filled.store().clone();
        // What is there is of another training.
        store.remove("optimizer");
        store.tensors.insert(OPTIMIZER.to_owned(), blob(state));
        let filled = filled.with_store(store);
        match what {
            Saved::Model => filled.save_with(path, &options).map(drop),
            Saved::Weights => filled.save_weights_with(path, &options),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn blob(bytes: Bytes) -> Stored {
    Stored::new(vec![bytes.len()], ElementType::U8, move || Ok(bytes.clone()))
}

fn bytes_of(record: Result<BurnBytes, RecordError>) -> Result<Bytes> {
    let record = record.map_err(|error| Error::input(format_args!("no record: {error}")))?;
    Ok(Bytes::copy_from_slice(&record))
}

fn shared(bytes: Bytes) -> BurnBytes {
    BurnBytes::from_shared(bytes, AllocationProperty::Other)
}

/// The parameters of a module by their paths.
fn params<M: Module>(model: M) -> Result<Store> {
    let bytes = bytes_of(model.into_record().into_bytes())?;
    Ok(pack::read(&bytes, &Limits::default())?.0)
}

/// The parameters of a module where they lie in a file.
fn tree<M: Module>(model: M) -> Result<Store> {
    let mut all = params(model.clone())?;
    let mut tree = Store { groups: BTreeMap::from([(String::new(), Attributes::new())]), ..Store::default() };
    let mut counts: HashMap<String, usize> = HashMap::new();
    for Parameter { path, .. } in parameters(&model) {
        let Some(mut tensor) = all.tensors.remove(&path) else { continue };
        let group = group_of(&path);
        let count = counts.entry(group.clone()).or_default();
        // Which parameter is whose state says the optimizer's record, by paths.
        tensor.attributes = Attributes::from([(NAME.to_owned(), Attribute::Str(path))]);
        tree.tensors.insert(format!("{group}/vars/{count}"), tensor);
        *count = count.saturating_add(1);
    }
    Ok(tree)
}

/// The group of the module that a parameter is in.
fn group_of(param: &str) -> String {
    let module = param.rsplit_once('.').map_or("", |(module, _)| module);
    let parts = module.split(['.', '/']).map(|part| match part {
        "" => "_",
        // There are the variables.
        "vars" => "vars_",
        part => part,
    });
    parts.fold("layers".to_owned(), |path, part| path + "/" + part)
}

/// Reads the parameters of a module out of a `.weights.h5` that a callback wrote in its training.
///
/// ```no_run
/// # use burn::module::Module;
/// # fn load(net: impl Module) -> burn_keras::Result<()> {
/// let net = burn_keras::callback::hook::load("best.weights.h5", net)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Everything that does not fit the module, all at once.
pub fn load<M: Module>(path: impl AsRef<Path>, module: M) -> Result<M> {
    let path = path.as_ref();
    let read = KerasWeights::open(path, &Limits::default());
    read.and_then(|file| with_params(&own(file.store())?, module)).map_err(|error| error.in_file(path))
}

/// The parameters of a file, under their paths in the module.
fn own(file: &Store) -> Result<Store> {
    let mut store = Store::default();
    let mut problems = Problems::default();
    for (path, tensor) in file.tensors.iter().filter(|(path, _)| path.starts_with("layers/")) {
        let twice = match tensor.attributes.get(NAME).and_then(Attribute::text) {
            None => Some("does not say which parameter of a module it is"),
            Some(name) => {
                let known = store.tensors.insert(name.to_owned(), tensor.clone());
                known.map(|_| "is of a parameter that is there twice")
            }
        };
        if let Some(fault) = twice {
            problems.push(Error::damaged(fault).at(path));
        }
    }
    problems.finish()?;
    Ok(store)
}

/// A parameter of a module.
struct Parameter {
    path: String,
    id: u64,
    shape: Vec<usize>,
}

/// All of a module, in its order.
fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut list = List::default();
    module.visit(&mut list);
    list.found
}

#[derive(Default)]
struct List {
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl List {
    fn push(&mut self, id: u64, shape: Vec<usize>) {
        self.found.push(Parameter { path: self.path.join("."), id, shape });
    }
}

impl ModuleVisitor for List {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.push(param.id.val(), param.lazy_shape().to_vec());
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.push(param.id.val(), param.lazy_shape().to_vec());
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.push(param.id.val(), param.lazy_shape().to_vec());
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// A module with other values for all its parameters.
fn with_params<M: Module>(values: &Store, module: M) -> Result<M> {
    let own = parameters(&module);
    let mut problems = Problems::default();
    let mut store = Store::default();
    for Parameter { path, id, shape } in &own {
        let names = || values.tensors.keys().map(String::as_str);
        match values.tensors.get(path) {
            None => problems.push(Error::weights(format_args!("missing{}", nearest(path, names()))).at(path)),
            Some(found) if found.shape != *shape => {
                let found = &found.shape;
                problems.push(
                    Error::weights(format_args!("expected the shape {shape:?}, got {found:?}")).at(path),
                );
            }
            Some(found) => {
                let mut found = found.clone();
                found.attributes = pack::id(*id);
                store.tensors.insert(path.clone(), found);
            }
        }
    }
    let known: HashMap<&str, ()> = own.iter().map(|param| (param.path.as_str(), ())).collect();
    for path in values.tensors.keys().filter(|path| !known.contains_key(path.as_str())) {
        problems.push(Error::weights("the module has no such parameter").at(path));
    }
    problems.finish()?;
    let bytes = pack::to_bytes(&store, &pack::Extra::default())?;
    let record = ModuleRecord::from_bytes(shared(bytes)).map_err(Error::damaged)?;
    module.try_load_record(record).map_err(Error::weights)
}

/// What stands before the paths of a template in a module: nothing, or the path of the field that it is in.
fn prefix(template: &[Parameter], module: &[Parameter]) -> Result<String> {
    let misfit = || {
        Error::input(
            "the parameters of the template are not those of the module: all below one path, and no others",
        )
    };
    let (Some(first), Some(own)) = (template.first(), module.first()) else { return Err(misfit()) };
    let prefix = own.path.strip_suffix(first.path.as_str()).ok_or_else(misfit)?;
    let is_there = |param: &Parameter| module.iter().any(|own| own.path == format!("{prefix}{}", param.path));
    match template.len() == module.len() && template.iter().all(is_there) {
        true => Ok(prefix.to_owned()),
        false => Err(misfit()),
    }
}

/// The template with the weights of a module.
fn filled<M: Module>(template: &KerasModel, model: M) -> Result<KerasModel> {
    let prefix = prefix(&parameters(template), &parameters(&model))?;
    let values = params(model)?.tensors.into_iter();
    let values = values.filter_map(|(path, tensor)| Some((path.strip_prefix(&prefix)?.to_owned(), tensor)));
    with_params(&Store { tensors: values.collect(), ..Store::default() }, template.clone())
}

/// A module with the weights of a file that a callback wrote.
pub(super) fn with_weights<M: Module>(
    path: &Path,
    file: &Store,
    model: M,
    template: Option<&KerasModel>,
) -> Result<M> {
    let Some(template) = template else { return with_params(&own(file)?, model) };
    let mut template = template.clone();
    template.load_weights(path)?;
    let prefix = prefix(&parameters(&template), &parameters(&model))?;
    let values = params(template)?.tensors.into_iter();
    let values = values.map(|(path, tensor)| (format!("{prefix}{path}"), tensor));
    with_params(&Store { tensors: values.collect(), ..Store::default() }, model)
}

/// The state of a training that a callback wrote.
pub(super) fn resume<M: Module>(
    path: &Path,
    state: State<M>,
    template: Option<&KerasModel>,
    limits: &Limits,
) -> Result<State<M>> {
    let document = Document::read(path, limits)?
        .ok_or_else(|| Error::input("it does not say how far a training is: no callback wrote it"))?;
    let file = KerasWeights::open(path, limits)?;
    let model = with_weights(path, file.store(), state.model, template)?;
    let Some(stored) = file.store().tensors.get(OPTIMIZER) else {
        return Err(Error::weights("missing").at(OPTIMIZER));
    };
    let record =
        optimizer(&stored.read()?, &parameters(&model), limits).map_err(|error| error.at(OPTIMIZER))?;
    Ok(State { model, optimizer: state.optimizer.load_record(record), document })
}

/// The record of an optimizer for a module whose parameters have other numbers, as those of every new module.
fn optimizer(bytes: &Bytes, module: &[Parameter], limits: &Limits) -> Result<OptimizerRecord> {
    let (store, extra) = pack::read(bytes, limits)?;
    let by_path: HashMap<&str, &Parameter> = module.iter().map(|it| (it.path.as_str(), it)).collect();
    let find = |name: &str| {
        let (id, rest) = name.split_once('.').unwrap_or((name, ""));
        let path = extra.texts.get(id).ok_or_else(|| Error::damaged("of no parameter").at(name))?;
        let found = by_path.get(path.as_str());
        let found = found.ok_or_else(|| Error::weights("the module has no such parameter").at(path))?;
        Ok((*found, rest.to_owned()))
    };
    let mut problems = Problems::default();
    let (mut renamed, mut others) = (Store::default(), pack::Extra::default());
    for (name, mut tensor) in store.tensors {
        if let Some((param, rest)) = problems.note(find(&name)) {
            // Whatever Burn's optimizers keep has the shape of the parameter, or is reduced along some axes.
            let fits = |(size, own): (&usize, &usize)| *size == 1 || size == own;
            if tensor.shape.len() != param.shape.len() || !tensor.shape.iter().zip(&param.shape).all(fits) {
                let (found, own) = (&tensor.shape, &param.shape);
                let message = format_args!("a state of the shape {found:?} for a parameter of {own:?}");
                problems.push(Error::weights(message).at(&param.path));
            }
            tensor.attributes = pack::id(param.id);
            renamed.tensors.insert(format!("{}.{rest}", param.id), tensor);
        }
    }
    for (name, scalar) in &extra.scalars {
        let Some((param, rest)) = problems.note(find(name)) else { continue };
        if rest == RANK && usize::try_from(*scalar).ok() != Some(param.shape.len()) {
            problems.push(Error::weights("a state of another rank").at(&param.path));
        }
        others.scalars.insert(format!("{}.{rest}", param.id), *scalar);
    }
    for id in extra.texts.keys() {
        if let Some((param, _)) = problems.note(find(id)) {
            others.texts.insert(param.id.to_string(), param.path.clone());
        }
    }
    problems.finish()?;
    let bytes = pack::to_bytes(&renamed, &others)?;
    OptimizerRecord::from_bytes(shared(bytes)).map_err(Error::damaged)
}
