//! `Lambda`: a function as a layer.
//!
//! A closure of [`Registry::with_lambda`](crate::layer::Registry::with_lambda) under the name of the
//! layer stands for it, whatever the file says. Without one, functions of `keras.activations` run by
//! their name, of those with arguments `relu`, `leaky_relu`, `elu`, `softmax` and `threshold`. All else
//! is refused: Python code in a file is never run.

use serde_json::{Map, Value as Json};

use super::relu::{ELU, LeakyReLU, ReLU};
use super::softmax::Softmax;
use crate::activation::Activation;
use crate::config::{Config, Object, Reader, brief};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::registry::Lambda as Closure;
use crate::value::Value;

/// `Lambda`: a closure of the registry, or a function of `keras.activations`.
///
/// The masks of the outputs are what a closure leaves of them; functions drop them, but for `linear`.
///
/// # Shapes
/// - inputs: what the function takes
/// - outputs: what the function gives
#[derive(Clone, Debug)]
pub struct Lambda {
    meaning: Meaning,
    json: Map<String, Json>,
}

#[derive(Clone, Debug)]
enum Meaning {
    Closure(Closure),
    Plain(Activation),
    ReLU(ReLU),
    LeakyReLU(LeakyReLU),
    Elu(ELU),
    Softmax(Softmax),
    Threshold(Threshold),
}

crate::config! {
    /// The arguments of `keras.activations.threshold`.
    pub struct Threshold {
        /// Values up to this one are replaced.
        threshold: f64,
        /// What replaces them.
        default_value: f64,
    }
}

/// What to do about a function that is not known.
const ADVICE: &str =
    "Python code is never run; Registry::with_lambda can give the layer its meaning under its name";

impl Meaning {
    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let empty = Map::new();
        let arguments = match json.get("arguments") {
            None | Some(Json::Null) => &empty,
            Some(Json::Object(arguments)) => arguments,
            Some(other) => {
                let message = format!("expected names with values, got {}", brief(other));
                reader.push(Error::config(message).at("arguments"));
                return None;
            }
        };
        if json.get("mask").is_some_and(|mask| !mask.is_null()) {
            reader.push(Error::unsupported(format_args!("a mask of its own; {ADVICE}")).at("mask"));
            return None;
        }
        let function = json.get("function").unwrap_or(&Json::Null);
        let name = match function {
            Json::String(name) => Some(name.as_str()),
            Json::Object(object) if object.get("class_name").is_some_and(|class| class == "function") => {
                object.get("config").and_then(Json::as_str)
            }
            _ => None,
        };
        let Some(name) = name else {
            reader.push(Error::unsupported(format_args!("a Python function; {ADVICE}")).at("function"));
            return None;
        };
        reader.at("arguments", |reader| match name {
            _ if arguments.is_empty() && Activation::from_name(name).is_some() => {
                Activation::from_name(name).map(Self::Plain)
            }
            "relu" => read_arguments(arguments, reader).map(Self::ReLU),
            "leaky_relu" => read_arguments(arguments, reader).map(Self::LeakyReLU),
            "elu" => read_arguments(arguments, reader).map(Self::Elu),
            "softmax" => read_arguments(arguments, reader).map(Self::Softmax),
            "threshold" => read_arguments(arguments, reader).map(Self::Threshold),
            name => {
                let given: Vec<_> = arguments.keys().collect();
                let message = format_args!("the function {name:?} with the arguments {given:?}; {ADVICE}");
                reader.push(Error::unsupported(message));
                None
            }
        })
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        match self {
            Self::Closure(closure) => {
                let inputs: Vec<Spec> = args.inputs().into_iter().cloned().collect();
                tree((closure.shape)(&inputs)?)
            }
            Self::Plain(function) => {
                let input = args.input()?;
                Ok(function.output(input.float(input.shape.clone()))?.into())
            }
            Self::ReLU(function) => function.outputs(args),
            Self::LeakyReLU(function) => function.outputs(args),
            Self::Elu(function) => function.outputs(args),
            Self::Softmax(function) => function.outputs(args),
            Self::Threshold(_) => super::support::like_input(args),
        }
    }
}

/// Reads the arguments of a function, refusing those that it does not have.
fn read_arguments<C: Config>(arguments: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<C> {
    for key in arguments.keys().filter(|key| !C::KEYS.contains(&key.as_str())) {
        reader.push(Error::unsupported(format_args!("unknown argument {key:?}; known are {:?}", C::KEYS)));
    }
    C::read(arguments, reader)
}

/// One result, or several.
fn tree<T>(mut results: Vec<T>) -> Result<Tree<T>> {
    match results.len() {
        0 => Err(Error::unsupported("a Lambda without results")),
        1 => Ok(Tree::Leaf(results.remove(0))),
        _ => Ok(Tree::list(results)),
    }
}

impl Lambda {
    /// Checks the shape that the file declares, which later layers of the file were built for.
    fn check_declared(&self, outputs: &Tree<Spec>) -> Result<()> {
        let declared = match self.json.get("output_shape") {
            None | Some(Json::Null) => return Ok(()),
            Some(declared) => declared,
        };
        let outputs = outputs.leaves();
        let inferred = outputs.first().map(|output| output.shape[1..].iter().copied().collect::<Json>());
        if outputs.len() == 1 && inferred.as_ref() == Some(declared) {
            return Ok(());
        }
        let message = format_args!("a declared shape other than the function's own: {}", brief(declared));
        Err(Error::unsupported(format_args!("{message}; {ADVICE}")).at("output_shape"))
    }
}

impl Config for Lambda {
    const KEYS: &'static [&'static str] = &["function", "output_shape", "mask", "arguments"];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let object = Object { class: "Lambda", config: json, envelope: &Map::new() };
        Self::read_object(&object, reader)
    }

    fn write(&self) -> Map<String, Json> {
        self.json.clone()
    }
}

impl Function for Lambda {
    const CLASSES: &'static [&'static str] = &["Lambda"];
    const MASK: MaskRule = MaskRule::Own;

    fn read_object(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let name = object.text("name").or_else(|| object.config.get("name").and_then(Json::as_str));
        let meaning = match name.and_then(|name| reader.registry().lambda(name)) {
            Some(closure) => Meaning::Closure(closure.clone()),
            None => Meaning::read(object.config, reader)?,
        };
        let known = object.config.iter().filter(|(key, _)| Self::KEYS.contains(&key.as_str()));
        Some(Self { meaning, json: known.map(|(key, json)| (key.clone(), json.clone())).collect() })
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let outputs = self.meaning.outputs(args)?;
        if !matches!(self.meaning, Meaning::Closure(_)) {
            self.check_declared(&outputs)?;
        }
        Ok(outputs)
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let outputs = match &self.meaning {
            Meaning::Closure(closure) => return tree((closure.call)(args.into_inputs())?),
            // What it gives is the very tensor that it got, with its mask.
            Meaning::Plain(Activation::Linear) => return Ok(args.into_input()?.into()),
            Meaning::Plain(function) => function.apply(args.into_input()?)?.into(),
            Meaning::ReLU(function) => function.call(args, cx)?,
            Meaning::LeakyReLU(function) => function.call(args, cx)?,
            Meaning::Elu(function) => function.call(args, cx)?,
            Meaning::Softmax(function) => function.call(Args::one(args.into_input()?.with_mask(None)), cx)?,
            Meaning::Threshold(Threshold { threshold, default_value }) => {
                let y = map_float!(args.into_input()?, x => {
                    let replaced = x.clone().greater_elem(*threshold).bool_not();
                    x.mask_fill(replaced, *default_value)
                });
                y?.into()
            }
        };
        outputs.try_map(&mut |output| Ok(output.clone().with_mask(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dtype;
    use crate::layer::Registry;
    use serde_json::json;

    fn read(config: &Json, registry: &Registry) -> Result<Lambda> {
        let limits = crate::Limits::default();
        let mut reader = Reader::new(registry, &limits);
        let lambda = Lambda::read(config.as_object().unwrap(), &mut reader);
        reader.finish().map(|()| lambda.unwrap())
    }

    #[test]
    fn python_code_is_refused_unless_a_closure_stands_for_it() {
        let code = json!({
            "name": "double",
            "function": {"class_name": "__lambda__", "config": {"code": "4wE=", "defaults": null}},
            "output_shape": {"class_name": "__lambda__", "config": {"code": "4wE="}},
        });
        let error = read(&code, &Registry::new()).unwrap_err().to_string();
        assert!(error.contains("Registry::with_lambda"), "{error}");

        let registry = Registry::new().with_lambda(
            "double",
            |specs| Ok(specs.to_vec()),
            |values| values.into_iter().map(|value| map_float!(value, x => x * 2.0)).collect(),
        );
        let lambda = read(&code, &registry).unwrap();
        let x = Value::from_data([1.0_f32, 2.0].into(), &burn::tensor::Device::flex()).unwrap();
        let y = lambda.call(Args::one(x), &Context::default()).unwrap().into_leaves().remove(0);
        assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [2.0, 4.0]);
    }

    #[test]
    fn only_known_functions_and_arguments_are_run() {
        let config = |name: &str, arguments: Json| {
            json!({
                "function": {"class_name": "function", "config": name, "module": "builtins"},
                "arguments": arguments,
            })
        };
        for (name, arguments) in [
            ("tanh", json!({})),
            ("relu", json!({"max_value": 2.0})),
            ("threshold", json!({"threshold": 0.5, "default_value": -1.0})),
        ] {
            assert!(read(&config(name, arguments), &Registry::new()).is_ok(), "{name}");
        }
        for (name, arguments) in [
            ("mine>double", json!({})),
            ("tanh", json!({"x": 2.0})),
            ("relu", json!({"slope": 2.0})),
            ("threshold", json!({})),
            ("relu", json!([1])),
        ] {
            assert!(read(&config(name, arguments), &Registry::new()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_declared_shape_must_be_the_true_one() {
        let args = Args::one(Spec::new(vec![None, Some(3)], Dtype::Float32));
        for (declared, fits) in
            [(json!([3]), true), (json!(null), true), (json!([4]), false), (json!("f"), false)]
        {
            let lambda =
                read(&json!({"function": "relu", "output_shape": declared}), &Registry::new()).unwrap();
            assert_eq!(Function::outputs(&lambda, &args).is_ok(), fits, "{declared}");
        }
    }
}
