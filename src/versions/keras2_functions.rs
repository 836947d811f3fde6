//! Operations of Keras 3 as functions of TensorFlow, which Keras 2 has as layers.

use serde_json::{Map, Value as Json, json};

use super::keras2_calls::Call;
use super::keras2_refused::is_whole;
use crate::config::Object;
use crate::config::call::Named;
use crate::error::{Error, Result};
use crate::layer::Tree;
use crate::layers::keras2::Meaning;

/// The functions that were seen to give the same numbers, by operation.
const FUNCTIONS: &[(&str, &str)] = &[
    ("Absolute", "math.abs"),
    ("Add", "math.add"),
    ("All", "math.reduce_all"),
    ("Any", "math.reduce_any"),
    ("Argmax", "math.argmax"),
    ("BroadcastTo", "broadcast_to"),
    ("Cast", "cast"),
    ("Ceil", "math.ceil"),
    ("Clip", "clip_by_value"),
    ("Concatenate", "concat"),
    ("Copy", "identity"),
    ("Cos", "math.cos"),
    ("Cumsum", "math.cumsum"),
    ("DepthToSpace", "nn.depth_to_space"),
    ("DivideNoNan", "math.divide_no_nan"),
    ("Elu", "nn.elu"),
    ("Equal", "math.equal"),
    ("Erf", "math.erf"),
    ("Exp", "math.exp"),
    ("ExpandDims", "expand_dims"),
    ("Expm1", "math.expm1"),
    ("Flip", "reverse"),
    ("Floor", "math.floor"),
    ("FloorDivide", "math.floordiv"),
    ("Gelu", "nn.gelu"),
    ("Greater", "math.greater"),
    ("GreaterEqual", "math.greater_equal"),
    ("Isnan", "math.is_nan"),
    ("LeakyRelu", "nn.leaky_relu"),
    ("Less", "math.less"),
    ("LessEqual", "math.less_equal"),
    ("Log", "math.log"),
    ("Log1p", "math.log1p"),
    ("LogSoftmax", "nn.log_softmax"),
    ("LogicalAnd", "math.logical_and"),
    ("LogicalNot", "math.logical_not"),
    ("LogicalOr", "math.logical_or"),
    ("LogicalXor", "math.logical_xor"),
    ("Logsumexp", "math.reduce_logsumexp"),
    ("Matmul", "linalg.matmul"),
    ("Max", "math.reduce_max"),
    ("Maximum", "math.maximum"),
    ("Mean", "math.reduce_mean"),
    ("Min", "math.reduce_min"),
    ("Minimum", "math.minimum"),
    ("Mod", "math.floormod"),
    ("Multiply", "math.multiply"),
    ("Negative", "math.negative"),
    ("NotEqual", "math.not_equal"),
    ("OneHot", "one_hot"),
    ("OnesLike", "ones_like"),
    ("Pad", "pad"),
    ("Power", "math.pow"),
    ("Prod", "math.reduce_prod"),
    ("Reciprocal", "math.reciprocal"),
    ("Relu", "nn.relu"),
    ("Relu6", "nn.relu6"),
    ("Repeat", "repeat"),
    ("Reshape", "reshape"),
    ("Roll", "roll"),
    ("Round", "math.round"),
    ("Rsqrt", "math.rsqrt"),
    ("Selu", "nn.selu"),
    ("Sigmoid", "math.sigmoid"),
    ("Sign", "math.sign"),
    ("Silu", "nn.silu"),
    ("Sin", "math.sin"),
    ("Slice", "slice"),
    ("Softmax", "nn.softmax"),
    ("Softplus", "math.softplus"),
    ("Softsign", "nn.softsign"),
    ("SpaceToDepth", "nn.space_to_depth"),
    ("Split", "split"),
    ("Sqrt", "math.sqrt"),
    ("Square", "math.square"),
    ("Squeeze", "squeeze"),
    ("Stack", "stack"),
    ("Std", "math.reduce_std"),
    ("StopGradient", "stop_gradient"),
    ("Subtract", "math.subtract"),
    ("Sum", "math.reduce_sum"),
    ("Take", "gather"),
    ("Tan", "math.tan"),
    ("Tanh", "math.tanh"),
    ("Tile", "tile"),
    ("Trace", "linalg.trace"),
    ("Transpose", "transpose"),
    ("TrueDivide", "math.truediv"),
    ("Unstack", "unstack"),
    ("Var", "math.reduce_variance"),
    ("Where", "where"),
    ("ZerosLike", "zeros_like"),
];

/// A function of TensorFlow, and what it is called with.
pub(super) struct Function {
    pub(super) name: &'static str,
    class: &'static str,
    meaning: Meaning,
    options: Map<String, Json>,
}

/// The function that an operation is.
pub(super) fn function(operation: &Object<'_>) -> Result<Function> {
    let class = operation.class;
    let known = FUNCTIONS.iter().find(|(known, _)| *known == class);
    let known = known.and_then(|(class, name)| Some((*class, *name, Meaning::of(name)?)));
    let (class, name, meaning) = known
        .ok_or_else(|| Error::unsupported(format_args!("Keras 2 has no layer for the operation {class}")))?;
    let mut options = Map::new();
    for (key, value) in operation.config.iter().filter(|(key, _)| *key != "name") {
        match meaning.options.iter().find(|(own, _)| own == key) {
            Some(_) if value.is_null() && MAY_BE_NULL.contains(&class) => {}
            Some((_, theirs)) => {
                check_option(class, key, value)?;
                options.insert((*theirs).to_owned(), value.clone());
            }
            None if value.is_null() || *value == Json::Bool(false) => {}
            None => {
                return Err(
                    Error::unsupported(format_args!("{name} of TensorFlow has no such option")).at(key)
                );
            }
        }
    }
    Ok(Function { name, class, meaning, options })
}

/// Operations that mean all axes by none, or turn all around, as their functions do.
const MAY_BE_NULL: &[&str] = &[
    "Sum",
    "Mean",
    "Max",
    "Min",
    "Prod",
    "Any",
    "All",
    "Std",
    "Var",
    "Logsumexp",
    "Transpose",
    "Squeeze",
    "OneHot",
    "ZerosLike",
    "OnesLike",
];

/// Operations for which a list means something else, or nothing, to TensorFlow.
const ONE_AXIS: &[&str] =
    &["Softmax", "LogSoftmax", "ExpandDims", "Split", "Roll", "Argmax", "Cumsum", "Stack", "Concatenate"];

fn check_option(class: &str, key: &str, value: &Json) -> Result<()> {
    let wrong = match class {
        _ if value.is_null() => true,
        "Tile" => !value.is_array(),
        "Pad" if key == "mode" => !matches!(value.as_str(), Some("constant" | "reflect" | "symmetric")),
        class => ONE_AXIS.contains(&class) && !(value.is_i64() || key == "dtype"),
    };
    match wrong {
        true => Err(Error::unsupported("TensorFlow means something else by it").at(key)),
        false => Ok(()),
    }
}

/// Operations that take values of any type.
const OF_ANYTHING: &[&str] = &[
    "Reshape",
    "Transpose",
    "ExpandDims",
    "Squeeze",
    "Concatenate",
    "Stack",
    "Unstack",
    "Split",
    "Repeat",
    "Flip",
    "Roll",
    "BroadcastTo",
    "Slice",
    "Take",
    "Where",
    "Cast",
    "Copy",
    "StopGradient",
    "ZerosLike",
    "OnesLike",
    "Tile",
    "OneHot",
    "Pad",
];

/// Operations that compute whole numbers as TensorFlow does.
const OF_INTEGERS: &[&str] = &[
    "Add",
    "Subtract",
    "Multiply",
    "Maximum",
    "Minimum",
    "Negative",
    "Absolute",
    "Square",
    "Greater",
    "GreaterEqual",
    "Less",
    "LessEqual",
    "Equal",
    "NotEqual",
    "Sum",
    "Max",
    "Min",
    "Prod",
    "Clip",
];

/// Operations of truth values.
const OF_TRUTH: &[&str] = &["LogicalAnd", "LogicalOr", "LogicalXor", "LogicalNot", "Any", "All"];

impl Function {
    /// `[layer, call, output, arguments]`, or a list of such when the first argument is a list.
    pub(super) fn call(&self, call: &Call, write: &dyn Fn(&Tree<Named>) -> Result<Json>) -> Result<Json> {
        self.check_types(call)?;
        let mut kwargs = self.options.clone();
        let mut first = None;
        for (place, (own, theirs)) in self.meaning.arguments.iter().enumerate() {
            let by_name = call.arguments.iter().find(|(name, _)| name == own);
            let positional = call.arguments.get(place).filter(|(name, _)| name.is_empty());
            let Some((_, argument)) = by_name.or(positional) else { continue };
            match place {
                0 => first = Some(argument),
                _ if matches!(argument, Tree::Constant(Json::Null)) => {}
                _ => {
                    let argument = write(argument)?;
                    kwargs.insert((*theirs).to_owned(), self.constant(call, &argument));
                }
            }
        }
        let tensor = |tree: &Tree<Named>| -> Result<Json> {
            let mut items = match tree {
                Tree::Leaf(_) => write(tree)?,
                _ => json!(["_CONSTANT_VALUE", -1, self.constant(call, &write(tree)?)]),
            };
            if let Some(items) = items.as_array_mut() {
                items.push(kwargs.clone().into());
            }
            Ok(items)
        };
        match first {
            Some(Tree::List(items)) => items.iter().map(tensor).collect(),
            Some(one) => tensor(one),
            None => Err(Error::config("a call without its first argument")),
        }
    }

    /// TensorFlow does not convert what it is given.
    fn check_types(&self, call: &Call) -> Result<()> {
        let dtypes: Vec<&str> = call.specs.iter().map(|spec| spec.dtype.as_str()).collect();
        let fraction =
            call.arguments.iter().any(|(_, tree)| matches!(tree, Tree::Constant(json) if json.is_f64()));
        let one = dtypes.iter().all(|dtype| dtypes.first() == Some(dtype));
        let fits = match dtypes.first().copied().unwrap_or_default() {
            _ if ["Where", "Take"].contains(&self.class) => true,
            _ if !one => false,
            _ if OF_ANYTHING.contains(&self.class) => true,
            "bool" => OF_TRUTH.contains(&self.class),
            "int32" | "int64" => OF_INTEGERS.contains(&self.class) && !fraction,
            dtype => !is_whole(dtype) && !OF_TRUTH.contains(&self.class),
        };
        match fits {
            true => Ok(()),
            false => {
                Err(Error::unsupported(format_args!("{} of TensorFlow does not take {dtypes:?}", self.name)))
            }
        }
    }

    /// A constant in the place of a tensor, of the type of the others.
    fn constant(&self, call: &Call, json: &Json) -> Json {
        let whole = call.specs.first().is_none_or(|spec| is_whole(&spec.dtype));
        match json.as_f64().filter(|_| !whole && !OF_ANYTHING.contains(&self.class)) {
            Some(number) => number.into(),
            None => json.clone(),
        }
    }
}

/// The operation of brackets behind a tensor, for which Keras 2 has a layer of its own.
pub(super) const SLICED: &str = "GetItem";

/// `[layer, call, output, arguments]` of such a layer.
pub(super) fn slices(call: &Call, write: &dyn Fn(&Tree<Named>) -> Result<Json>) -> Result<Json> {
    let [(_, tensor @ Tree::Leaf(_)), (_, key)] = call.arguments.as_slice() else {
        return Err(Error::unsupported("brackets behind something that is no tensor"));
    };
    let key = slice(key).ok_or_else(|| {
        Error::unsupported("Keras 2 takes nothing but whole numbers and slices in brackets")
    })?;
    let mut node = write(tensor)?;
    if let Some(items) = node.as_array_mut() {
        items.push(json!({"slice_spec": key}));
    }
    Ok(node)
}

fn slice(key: &Tree<Named>) -> Option<Json> {
    match key {
        Tree::Constant(json) => slice_of(json),
        Tree::List(items) => items.iter().map(slice).collect(),
        _ => None,
    }
}

fn slice_of(json: &Json) -> Option<Json> {
    match json {
        Json::Array(items) => items.iter().map(slice_of).collect(),
        Json::Object(fields) if fields.get("class_name")? == "__slice__" => {
            let ends = fields.get("config")?.as_object()?;
            ends.values().all(|end| end.is_null() || end.is_i64()).then(|| ends.clone().into())
        }
        number => number.is_i64().then(|| number.clone()),
    }
}
