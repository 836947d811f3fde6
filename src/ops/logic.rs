//! Comparisons and logic of two operands, element by element.

use serde_json::Value as Json;

use super::kit::operand;
use super::pattern::map_number;
use super::pattern::{Binary, Pattern, Unary, Words, float, operations, same, shape_of, truth, zip_float};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Compare, Value};

macro_rules! comparisons {
    ($($name:ident = $burn:literal)+) => {
        operations! {
            COMPARISONS["x1", "x2"]:
            $($name {} = |_| Binary {
                names: ["x1", "x2"],
                common: same,
                result: truth,
                run: |a, b| a.compare(Compare::$name, b),
                words: Some(Words {
                    types: &[Dtype::Float32, Dtype::Int32],
                    pair: concat!("{0}.", $burn, "({1})"),
                    number: concat!("{0}.", $burn, "_elem({1})"),
                    turned: None,
                }),
            };)+
        }
    };
}

comparisons! {
    Equal = "equal"
    Greater = "greater"
    GreaterEqual = "greater_equal"
    Less = "lower"
    LessEqual = "lower_equal"
    NotEqual = "not_equal"
}

macro_rules! logic {
    ($($name:ident = $burn:literal, |$a:ident, $b:ident| $body:expr;)+) => {
        operations! {
            LOGIC["x1", "x2"]:
            $($name {} = |_| Binary {
                names: ["x1", "x2"],
                common: truth,
                result: truth,
                run: |$a, $b| $body,
                words: Some(Words {
                    types: &[Dtype::Bool],
                    pair: concat!("{0}.", $burn, "({1})"),
                    number: "",
                    turned: None,
                }),
            };)+
        }
    };
}

logic! {
    LogicalAnd = "bool_and", |a, b| not(not(a)?.or(not(b)?)?);
    LogicalOr = "bool_or", |a, b| a.or(b);
    LogicalXor = "bool_xor", |a, b| a.compare(Compare::NotEqual, b);
}

operations! { NOT["x"]:
    LogicalNot {} = |_| Unary { result: truth, run: not, words: Some((Dtype::Bool, "x.bool_not()")) };
}

/// Whether a value is false, element by element.
pub(super) fn not(x: Value) -> Result<Value> {
    map_number!(x, x => x.equal_elem(0))
}

operations! { CLOSE["x1", "x2", "rtol", "atol"]:
    Isclose {
        /// Whether NaN is close to NaN.
        equal_nan: bool = false,
    } = |config| Close { equal_nan: config.equal_nan, tolerances: None };
}

operations! { ALL_CLOSE["x1", "x2"]:
    AllClose {
        /// How far apart, relative to the second operand.
        rtol: f64 = 1e-5,
        /// How far apart in any case.
        atol: f64 = 1e-8,
        /// Whether NaN is close to NaN.
        equal_nan: bool = false,
    } = |config| Close { equal_nan: config.equal_nan, tolerances: Some((config.rtol, config.atol)) };
}

/// [`Isclose`], or [`AllClose`] where the tolerances are in the config.
struct Close {
    equal_nan: bool,
    tolerances: Option<(f64, f64)>,
}

impl Close {
    const OPERANDS: Binary =
        Binary { names: ["x1", "x2"], common: float, result: truth, run: |_, b| Ok(b), words: None };

    fn tolerance<T>(args: &Args<T>, name: &str, default: f64) -> Result<f64> {
        match args.get(name) {
            None => Ok(default),
            Some(Tree::Constant(Json::Number(number))) => Ok(number.as_f64().unwrap_or(default)),
            Some(_) => Err(Error::unsupported("a tolerance that is no number").at(name)),
        }
    }
}

impl Pattern for Close {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Self::tolerance(args, "rtol", 0.0)?;
        Self::tolerance(args, "atol", 0.0)?;
        let close = Self::OPERANDS.outputs(args)?;
        Ok(if self.tolerances.is_some() { Spec::new(Vec::new(), Dtype::Bool).into() } else { close })
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let (rtol, atol) = match self.tolerances {
            Some(tolerances) => tolerances,
            None => (Self::tolerance(args, "rtol", 1e-5)?, Self::tolerance(args, "atol", 1e-8)?),
        };
        let device = super::kit::device(args)?;
        let (a, b) =
            (operand(args, "x1", Some(&device))?.operand, operand(args, "x2", Some(&device))?.operand);
        let count: usize = shape_of(&[&a, &b])?.iter().product();
        let close = zip_float!(a, b, (a, b) => {
            let near = (a.clone() - b.clone()).abs().lower_equal(b.clone().abs() * rtol + atol);
            // Infinities are close to themselves only.
            let finite = a.clone().is_finite().bool_and(b.clone().is_finite());
            let close = near.bool_and(finite).bool_or(a.clone().equal(b.clone()));
            match self.equal_nan {
                true => close.bool_or(a.is_nan().bool_and(b.is_nan())),
                false => close,
            }
        })?;
        if self.tolerances.is_none() {
            return Ok(close.into());
        }
        let close = close.reshape(&[count])?.bool::<1>()?;
        Ok(Value::from(close.all_dim(0)).reshape(&[])?.into())
    }
}
