//! Functions of TensorFlow in graphs of Keras 2, as far as there is an operation that does the same.

mod table;

use serde_json::{Map, Value as Json, json};

use crate::config::{Dtype, Field, Object, Reader, brief};
use crate::error::{Error, Result};
use crate::layer::{AnyConfig, Args, Context, Function, Spec, Tree, rows};
use crate::ops::{Form, GetItem};
use crate::value::Value;

use table::{FUNCTIONS, NODES};

/// What a function is called with: a value, its shape, or a tensor of a graph.
pub(crate) trait Argument: Clone {
    fn is_float(&self) -> bool;

    fn axes(&self) -> usize;

    fn permuted(self, axes: &[usize]) -> Result<Self>;
}

impl<T: Form> Argument for T {
    fn is_float(&self) -> bool {
        self.dtype().is_float()
    }

    fn axes(&self) -> usize {
        self.sizes().len()
    }

    fn permuted(self, axes: &[usize]) -> Result<Self> {
        Form::permuted(self, axes)
    }
}

/// Everything that a function is called with, by the names of TensorFlow.
pub(crate) type Parameters<T> = Vec<(String, Tree<T>)>;

/// The operation that a function of TensorFlow is.
pub(crate) struct Meaning {
    class: &'static str,
    /// Whether only floats are taken.
    pub(crate) floats: bool,
    /// Its arguments: own name, and that of TensorFlow.
    pub(crate) arguments: Vec<(&'static str, &'static str)>,
    /// Its options, likewise.
    pub(crate) options: Vec<(&'static str, &'static str)>,
    /// What must be false.
    refused: Vec<&'static str>,
}

impl Meaning {
    pub(crate) fn of(function: &str) -> Option<Self> {
        let (_, line) = FUNCTIONS.iter().find(|(name, _)| *name == function)?;
        let (class, parameters) = line.strip_suffix(')')?.split_once('(')?;
        let mut lists = parameters
            .split(';')
            .map(|list| list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>());
        let mut pairs = || -> Vec<_> {
            let names = lists.next().unwrap_or_default();
            names.into_iter().map(|name| name.split_once('=').unwrap_or((name, name))).collect()
        };
        let (arguments, options) = (pairs(), pairs());
        let (class, floats) = class.strip_prefix('~').map_or((class, false), |class| (class, true));
        Some(Self { class, floats, arguments, options, refused: lists.next().unwrap_or_default() })
    }
}

/// Takes a parameter that has been given.
fn take<T>(parameters: &mut Parameters<T>, name: &str) -> Option<Tree<T>> {
    let at = parameters.iter().position(|(known, _)| known == name)?;
    Some(parameters.remove(at).1)
}

/// The integers of a constant, one or a list of them.
fn integers<T>(tree: &Tree<T>) -> Option<Vec<i64>> {
    match tree {
        Tree::Constant(Json::Array(items)) => items.iter().map(Json::as_i64).collect(),
        Tree::Constant(json) => json.as_i64().map(|number| vec![number]),
        _ => None,
    }
}

/// Changes parameters where TensorFlow means something else by them than Keras.
fn adapt<T: Argument>(function: &str, parameters: &mut Parameters<T>) -> Result<()> {
    parameters.retain(|(name, _)| name != "name");
    match function {
        "reshape" => {
            // A size that is itself a value is what the others leave.
            let is_list =
                parameters.iter().any(|(name, tree)| name == "shape" && matches!(tree, Tree::List(_)));
            if let Some(Tree::List(sizes)) = is_list.then(|| take(parameters, "shape")).flatten() {
                let sizes: Vec<Json> = sizes
                    .into_iter()
                    .map(|size| match size {
                        Tree::Constant(size) => size,
                        _ => json!(-1),
                    })
                    .collect();
                if sizes.iter().filter(|size| size.as_i64() == Some(-1)).count() > 1 {
                    return Err(Error::unsupported("several sizes that are not known").at("shape"));
                }
                parameters.push(("shape".to_owned(), Tree::Constant(sizes.into())));
            }
        }
        "split" => {
            let sizes = parameters.iter().find(|(name, _)| name == "num_or_size_splits");
            if let Some((_, Tree::Constant(Json::Array(_)))) = sizes {
                let sizes = sizes.and_then(|(_, sizes)| integers(sizes)).unwrap_or_default();
                if sizes.iter().any(|size| *size < 0) {
                    return Err(Error::unsupported("a size that is left open").at("num_or_size_splits"));
                }
                let ends = sizes.iter().scan(0_i64, |end, size| {
                    *end = end.saturating_add(*size);
                    Some(*end)
                });
                let ends: Vec<i64> = ends.take(sizes.len().saturating_sub(1)).collect();
                take(parameters, "num_or_size_splits");
                parameters.push(("num_or_size_splits".to_owned(), Tree::Constant(ends.into())));
            }
        }
        "pad" | "compat.v1.pad" => {
            if let Some((_, Tree::Constant(Json::String(mode)))) =
                parameters.iter_mut().find(|(name, _)| name == "mode")
            {
                *mode = mode.to_lowercase();
                if mode != "constant" {
                    take(parameters, "constant_values");
                }
            }
        }
        "linalg.matmul" => {
            for (flag, operand) in [("transpose_a", "a"), ("transpose_b", "b")] {
                if let Some(Tree::Constant(Json::Bool(true))) = take(parameters, flag) {
                    transpose(parameters, operand)?;
                }
            }
        }
        "compat.v1.gather" | "gather" => {
            let zero = |tree: &Tree<T>| matches!(tree, Tree::Constant(json) if json.as_i64() == Some(0));
            if take(parameters, "batch_dims").is_some_and(|dims| !zero(&dims)) {
                return Err(Error::unsupported("axes of a batch").at("batch_dims"));
            }
            take(parameters, "validate_indices");
            default(parameters, "axis", json!(0));
        }
        // The defaults of TensorFlow that are not those of Keras.
        "math.argmax" => default(parameters, "axis", json!(0)),
        "math.cumsum" => default(parameters, "axis", json!(0)),
        "nn.gelu" => default(parameters, "approximate", json!(false)),
        _ => {}
    }
    Ok(())
}

/// What a parameter is when it has not been given.
fn default<T>(parameters: &mut Parameters<T>, name: &str, json: Json) {
    if !parameters.iter().any(|(known, _)| known == name) {
        parameters.push((name.to_owned(), Tree::Constant(json)));
    }
}

/// A matrix with its last two axes in each other's place.
fn transpose<T: Argument>(parameters: &mut Parameters<T>, name: &str) -> Result<()> {
    match take(parameters, name) {
        Some(Tree::Leaf(x)) if x.axes() >= 2 => {
            let mut axes: Vec<usize> = (0..x.axes()).collect();
            axes.swap(x.axes() - 1, x.axes() - 2);
            parameters.push((name.to_owned(), Tree::Leaf(x.permuted(&axes)?)));
            Ok(())
        }
        _ => Err(Error::unsupported("a transposed constant").at(name)),
    }
}

/// The operation that a call of a function is, and the call of that.
pub(crate) fn lower<T: Argument>(
    function: &str,
    mut parameters: Parameters<T>,
) -> Result<(std::sync::Arc<dyn AnyConfig>, Args<T>)> {
    let unknown =
        || Error::unsupported(format_args!("the function {function:?} of TensorFlow")).at("function");
    let meaning = Meaning::of(function).ok_or_else(unknown)?;
    adapt(function, &mut parameters)?;
    if meaning.floats {
        for (name, tree) in &parameters {
            if tree.leaves().iter().any(|leaf| !leaf.is_float()) {
                return Err(Error::unsupported("of integers").at(name));
            }
        }
    }
    let mut keywords = Vec::new();
    for (own, name) in &meaning.arguments {
        keywords.extend(take(&mut parameters, name).map(|tree| ((*own).to_owned(), tree)));
    }
    let mut options = Map::new();
    for (own, name) in &meaning.options {
        match take(&mut parameters, name) {
            Some(Tree::Constant(json)) => {
                options.insert((*own).to_owned(), json);
            }
            Some(_) => return Err(Error::unsupported("a value for an option").at(name)),
            None => {}
        }
    }
    for name in &meaning.refused {
        let given = take(&mut parameters, name);
        if given.is_some_and(|tree| !matches!(tree, Tree::Constant(Json::Bool(false)))) {
            return Err(Error::unsupported("anything but false").at(name));
        }
    }
    if let Some((name, _)) = parameters.first() {
        return Err(Error::unsupported(format_args!("the parameter {name:?} of {function:?}")));
    }
    let object = json!({"class_name": meaning.class, "config": options});
    let row = rows().find(|row| row.operation && row.classes.contains(&meaning.class)).ok_or_else(unknown)?;
    let config = Reader::alone(|reader| (row.read)(&Object::of(&object)?, reader))?;
    let config = config.ok_or_else(unknown)?;
    let args = Args::bind(config.arg_names(), Vec::new(), keywords)?;
    Ok((config, args))
}

/// The parameters of a call that names all but the first.
fn parameters<T: Form>(function: &str, args: &Args<T>) -> Parameters<T> {
    let first = Meaning::of(function).and_then(|meaning| meaning.arguments.first().map(|(_, name)| *name));
    let first = first.zip(args.get("first")).map(|(name, tree)| (name.to_owned(), tree.clone()));
    let others = match args.get("**others") {
        Some(Tree::Dict(others)) => others.as_slice(),
        _ => &[],
    };
    first.into_iter().chain(others.iter().cloned()).collect()
}

/// Runs what a call means.
fn call(function: &str, parameters: Parameters<Value>, cx: &Context) -> Result<Tree<Value>> {
    let (config, args) = lower(function, parameters)?;
    let layer = config.function().ok_or_else(|| Error::config("expected an operation"))?;
    layer.call(args, cx)
}

/// A layer of Keras 2 that stands for something else.
macro_rules! stand_in {
    ($name:ident, $args:expr) => {
        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = $args;

            // Like operations, they take values without axes and have no group in a weights file.
            fn group_name(&self) -> Option<String> {
                None
            }

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.symbolic(args)
            }

            fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
                self.run(&args, cx)
            }
        }
    };
}

crate::config! {
    /// `TFOpLambda`: a function of TensorFlow that was called on a tensor of Keras 2.
    ///
    /// # Shapes
    /// - inputs: what the function takes
    /// - outputs: what the function gives
    pub struct TFOpLambda {
        /// Its name, less `tf.`
        function: String,
    }
}

/// Replaces sizes that are values by their numbers.
fn settle(function: &str, parameters: &mut Parameters<Value>) {
    if function != "reshape" {
        return;
    }
    for (_, tree) in parameters.iter_mut().filter(|(name, _)| name == "shape") {
        let Tree::List(sizes) = tree else { continue };
        for size in sizes {
            if let Tree::Leaf(value) = size {
                let data = value.clone().into_data().convert_dtype(burn::tensor::DType::I64);
                let number = data.as_slice::<i64>().ok().and_then(|numbers| numbers.first().copied());
                *size = Tree::Constant(json!(number));
            }
        }
    }
}

/// The shape after a reshape to sizes of which several are not known yet.
fn open_shape(parameters: &Parameters<Spec>) -> Option<Spec> {
    let of = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, tree)| tree);
    let (Some(Tree::Leaf(x)), Some(Tree::List(sizes))) = (of("tensor"), of("shape")) else { return None };
    let sizes = sizes.iter().map(|size| match size {
        Tree::Constant(size) => size.as_u64().and_then(|size| usize::try_from(size).ok()),
        _ => None,
    });
    let sizes: Vec<Option<usize>> = sizes.collect();
    (sizes.iter().filter(|size| size.is_none()).count() > 1).then(|| Spec::new(sizes, x.dtype))
}

/// The function that gives the shape of a tensor as a tensor.
const SHAPES: &[&str] = &["shape", "compat.v1.shape"];

impl TFOpLambda {
    fn symbolic(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if SHAPES.contains(&self.function.as_str()) {
            let rank = args.input()?.rank();
            return match parameters(&self.function, args).iter().find(|(name, _)| name == "out_type") {
                None => Ok(Spec::new(vec![Some(rank)], Dtype::Int32).into()),
                Some((_, Tree::Constant(json))) if json == "int32" => {
                    Ok(Spec::new(vec![Some(rank)], Dtype::Int32).into())
                }
                Some(_) => Err(Error::unsupported("another type than int32").at("out_type")),
            };
        }
        let parameters = parameters(&self.function, args);
        if self.function == "reshape"
            && let Some(open) = open_shape(&parameters)
        {
            return Ok(open.into());
        }
        let (config, args) = lower(&self.function, parameters)?;
        config.outputs(&args)
    }

    fn run(&self, args: &Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        if SHAPES.contains(&self.function.as_str()) {
            let x = args.input()?;
            let shape: Vec<i32> =
                x.shape().into_iter().map(|size| i32::try_from(size).unwrap_or(i32::MAX)).collect();
            let count = shape.len();
            return Value::from_data(burn::tensor::TensorData::new(shape, [count]), &x.device())
                .map(Tree::Leaf);
        }
        let mut parameters = parameters(&self.function, args);
        settle(&self.function, &mut parameters);
        call(&self.function, parameters, cx)
    }
}

stand_in!(TFOpLambda, &["first", "**others"]);

crate::config! {
    /// `SlicingOpLambda`: a part of a tensor of Keras 2, by a key in brackets.
    ///
    /// # Shapes
    /// - inputs: any
    /// - outputs: what the key says
    pub struct SlicingOpLambda {
        /// `__operators__.getitem`
        function: String,
    }
}

/// A key of Keras 2 as Keras 3 writes it.
pub(crate) fn key(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(key).collect(),
        Json::Object(slice) if slice.contains_key("start") => {
            json!({"class_name": "__slice__", "config": slice})
        }
        Json::Object(other) if other.get("class_name").is_some_and(|class| class == "__ellipsis__") => {
            json!({"class_name": "__ellipsis__", "config": {}})
        }
        other => other.clone(),
    }
}

impl SlicingOpLambda {
    fn lower<T: Form>(&self, args: &Args<T>) -> Result<Args<T>> {
        if self.function != "__operators__.getitem" {
            return Err(Error::unsupported(format_args!("the function {:?}", self.function)).at("function"));
        }
        let x = args.get("x").cloned().ok_or_else(|| Error::config("expected a tensor"))?;
        let key = match args.get("slice_spec") {
            None => Json::Null,
            Some(Tree::Constant(json)) => key(json),
            Some(_) => return Err(Error::unsupported("tensors between brackets").at("slice_spec")),
        };
        let key = if key.is_array() { key } else { json!([key]) };
        Args::bind(<GetItem as Function>::ARGS, vec![x, Tree::Constant(key)], Vec::new())
    }

    fn symbolic(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Function::outputs(&GetItem {}, &self.lower(args)?)
    }

    fn run(&self, args: &Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        Function::call(&GetItem {}, self.lower(args)?, cx)
    }
}

stand_in!(SlicingOpLambda, &["x", "slice_spec"]);

crate::config! {
    /// `TensorFlowOpLayer`: a node of a TensorFlow graph, in files of Keras 2 up to TensorFlow 2.3.
    ///
    /// # Shapes
    /// - inputs: what the node takes, less its constants
    /// - outputs: what the node gives
    pub struct TensorFlowOpLayer {
        /// The node: its operation, inputs and attributes.
        node_def: Node,
        /// Inputs that are constants, by their number.
        constants: Constants,
    }
}

/// A node of a TensorFlow graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node(Json);

impl Field for Node {
    const EXPECTED: &'static str = "a node of a TensorFlow graph in JSON";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let parsed = match json {
            Json::String(text) => crate::config::json::parse(text).ok(),
            other => Some(other.clone()),
        };
        let node = parsed.filter(|node| node.get("op").is_some_and(Json::is_string));
        node.map(Self).or_else(|| crate::config::refuse(json, reader))
    }

    fn write(&self) -> Json {
        self.0.clone()
    }
}

/// Constants by their number among the inputs of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Constants(Map<String, Json>);

impl Field for Constants {
    const EXPECTED: &'static str = "constants by number";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let numbered = json.as_object().filter(|map| map.keys().all(|key| key.parse::<usize>().is_ok()));
        numbered.cloned().map(Self).or_else(|| crate::config::refuse(json, reader))
    }

    fn write(&self) -> Json {
        self.0.clone().into()
    }

    fn absent() -> Option<Self> {
        Some(Self(Map::new()))
    }
}

impl TensorFlowOpLayer {
    /// The function that the node is, and what it is called with.
    fn parameters<T: Form>(&self, args: &Args<T>) -> Result<(&'static str, Parameters<T>)> {
        let op = self.node_def.0.get("op").and_then(Json::as_str).unwrap_or("");
        let known = NODES.iter().find(|(known, ..)| *known == op);
        let unknown =
            || Error::unsupported(format_args!("the operation {op:?} of TensorFlow")).at("node_def");
        let (_, function, names) = known.ok_or_else(unknown)?;
        let mut tensors = match args.get("first") {
            Some(Tree::List(tensors)) => tensors.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        }
        .into_iter();
        let mut parameters: Parameters<T> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let tree = match self.constants.0.get(&at.to_string()) {
                Some(json) => Tree::Constant(json.clone()),
                None => tensors
                    .next()
                    .ok_or_else(|| Error::config(format_args!("expected a tensor for {name}")))?,
            };
            parameters.push(((*name).to_owned(), tree));
        }
        if tensors.next().is_some() {
            return Err(Error::config("called with more tensors than the node has inputs"));
        }
        let attributes = self.node_def.0.get("attr").and_then(Json::as_object);
        for (name, value) in attributes.into_iter().flatten() {
            parameters.extend(attribute(name, value).map_err(|error| error.at(name).at("node_def"))?);
        }
        Ok((function, parameters))
    }

    fn symbolic(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (function, parameters) = self.parameters(args)?;
        let (config, args) = lower(function, parameters)?;
        config.outputs(&args)
    }

    fn run(&self, args: &Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let (function, parameters) = self.parameters(args)?;
        call(function, parameters, cx)
    }
}

/// An attribute of a node as a parameter of its function; those that only name types say nothing.
fn attribute<T>(name: &str, value: &Json) -> Result<Option<(String, Tree<T>)>> {
    let parameter = match name {
        "T" | "Tidx" | "Tshape" | "Tperm" | "Tpaddings" | "Tdim" | "Tmultiples" | "Treal" => return Ok(None),
        name if name.starts_with('_') => return Ok(None),
        "keep_dims" => "keepdims",
        "squeeze_dims" => "axis",
        "transpose_a" | "adj_x" => "transpose_a",
        "transpose_b" | "adj_y" => "transpose_b",
        other => other,
    };
    // Integers are strings in the JSON of protocol buffers.
    let number = |json: &Json| json.as_str().and_then(|text| text.parse::<i64>().ok()).or(json.as_i64());
    let constant = if let Some(flag) = value.get("b").and_then(Json::as_bool) {
        json!(flag)
    } else if let Some(items) = value.pointer("/list/i").and_then(Json::as_array) {
        items.iter().map(number).collect::<Option<Vec<_>>>().map_or(Json::Null, Json::from)
    } else if value.get("list").is_some() {
        return Ok(None);
    } else {
        return Err(Error::unsupported(format_args!("the attribute {}", brief(value))));
    };
    Ok(Some((parameter.to_owned(), Tree::Constant(constant))))
}

stand_in!(TensorFlowOpLayer, &["first"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_one_that_can_be_read() {
        for (function, line) in FUNCTIONS {
            let meaning = Meaning::of(function).unwrap_or_else(|| panic!("{function}: {line}"));
            assert!(!meaning.arguments.is_empty(), "{function}");
            if let Some(row) = rows().find(|row| row.operation && row.classes.contains(&meaning.class)) {
                for (own, _) in &meaning.options {
                    assert!(row.keys.contains(own), "{function}: {own}");
                }
            }
        }
        for (op, function, _) in NODES {
            assert!(Meaning::of(function).is_some(), "{op}");
        }
    }
}
