//! A method as statements: which value is in which variable, and where it is used up.

use std::collections::HashMap;

use super::draft::{Forward, Held, Pattern, Step, Use};
use super::names::Names;

/// The text of a method.
#[derive(Debug)]
pub(super) struct Statements {
    /// The names of the arguments.
    pub arguments: Vec<String>,
    /// All but the last have a semicolon.
    pub lines: Vec<String>,
}

/// Names of a value for which there is nothing but one use, in the very next statement.
const PASSING: [&str; 2] = ["x", "y"];

impl Statements {
    /// Writes a method; `names` are those that its variables can have.
    pub(super) fn of(forward: &Forward, names: &Names) -> Self {
        let (uses, variables) = (HashMap::new(), HashMap::new());
        let mut writer =
            Writer { forward, uses, names: names.clone(), variables, passing: PASSING[0].to_owned() };
        let steps = writer.with_conversions();
        writer.count(&steps);
        let arguments: Vec<String> = (0..forward.inputs).map(|value| writer.argument(value)).collect();
        writer.choose_passing();
        let mut lines = Vec::with_capacity(steps.len() + 1);
        for (at, step) in steps.iter().enumerate() {
            let expression = writer.expression(step, at);
            match writer.is_last(step, at, steps.len()) {
                true => {
                    let [(value, held)] = forward.outputs.as_slice() else { continue };
                    let value = &forward.values[*value];
                    lines.push(value.kind.convert(&expression, value.home, *held));
                }
                false => lines.push(format!("let {} = {expression};", writer.pattern(step, at))),
            }
        }
        let ends = steps.last().is_some_and(|step| writer.is_last(step, steps.len() - 1, steps.len()));
        if !ends {
            lines.push(writer.result(steps.len()));
        }
        Self { arguments, lines }
    }
}

struct Writer<'a> {
    forward: &'a Forward,
    /// The statements in which a value, held so, is used; the result counts as one more.
    uses: HashMap<Use, Vec<usize>>,
    names: Names,
    variables: HashMap<Use, String>,
    /// What values are called that only pass from one statement to the next.
    passing: String,
}

impl Writer<'_> {
    fn home(&self, value: usize) -> Use {
        (value, self.forward.values[value].home)
    }

    /// The steps, and one for every value that is needed more than once in another way than it is held at home.
    fn with_conversions(&mut self) -> Vec<Step> {
        let mut times: HashMap<Use, usize> = HashMap::new();
        let steps = self.forward.steps.iter().flat_map(|step| &step.takes);
        for used in steps.chain(&self.forward.outputs) {
            *times.entry(*used).or_default() += 1;
        }
        let mut all = Vec::with_capacity(self.forward.steps.len());
        for step in &self.forward.steps {
            for used in &step.takes {
                // Once it is there, it is no longer counted.
                if *used != self.home(used.0) && times.get(used).is_some_and(|times| *times > 1) {
                    times.insert(*used, 0);
                    all.push(self.conversion(*used));
                }
            }
            all.push(step.clone());
        }
        all
    }

    /// A step that gives nothing but a value in the way that it takes it.
    fn conversion(&mut self, used: Use) -> Step {
        self.uses.insert(used, Vec::new());
        Step {
            call: "{0}".to_owned(),
            takes: vec![used],
            gives: Vec::new(),
            pattern: Pattern::Tuple,
            is_generic: false,
        }
    }

    fn is_conversion(step: &Step) -> bool {
        step.gives.is_empty()
    }

    /// The variable out of which a use of a value is made: one of its own, or that which holds it at home.
    fn source(&self, used: Use, step: Option<&Step>) -> Use {
        let own = self.uses.contains_key(&used) && !step.is_some_and(Self::is_conversion);
        if own { used } else { self.home(used.0) }
    }

    fn count(&mut self, steps: &[Step]) {
        let mut counted: Vec<(Use, usize)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            counted.extend(step.takes.iter().map(|used| (self.source(*used, Some(step)), at)));
        }
        counted.extend(self.forward.outputs.iter().map(|used| (self.source(*used, None), steps.len())));
        for (used, at) in counted {
            self.uses.entry(used).or_default().push(at);
        }
    }

    fn argument(&mut self, value: usize) -> String {
        let name = self.forward.values[value].name.clone();
        let used = self.home(value);
        let name = if self.uses.contains_key(&used) { name } else { format!("_{name}") };
        let name = self.names.give(&name);
        self.variables.insert(used, name.clone());
        name
    }

    /// An argument gives up its name only where nothing asks for it after the first statement.
    fn choose_passing(&mut self) {
        let [usual, other] = PASSING;
        let lives_on = |(used, name): (&Use, &String)| {
            name == usual && self.uses.get(used).is_some_and(|uses| uses.iter().any(|at| *at > 0))
        };
        let is_taken = self.variables.iter().any(lives_on);
        let is_argument = self.variables.values().any(|name| name == usual);
        self.passing = match (is_taken, is_argument) {
            (true, _) => self.names.give(other),
            (false, true) => usual.to_owned(),
            (false, false) => self.names.give(usual),
        };
    }

    /// The statement's expression, with every value in it moved or cloned.
    fn expression(&self, step: &Step, at: usize) -> String {
        let mut places: Vec<(usize, usize)> = (0..step.takes.len())
            .filter_map(|number| Some((step.call.find(&format!("{{{number}}}"))?, number)))
            .collect();
        places.sort_unstable();
        let (mut text, mut rest) = (String::new(), 0);
        for (index, (start, number)) in places.iter().enumerate() {
            let later: Vec<Use> = places[index + 1..].iter().map(|(_, number)| step.takes[*number]).collect();
            text.push_str(&step.call[rest..*start]);
            text.push_str(&self.used(step.takes[*number], Some(step), at, &later));
            rest = start + number.to_string().len() + 2;
        }
        text.push_str(&step.call[rest..]);
        text
    }

    /// A value as it is needed; `later` are the uses that follow in the same statement.
    fn used(&self, used: Use, step: Option<&Step>, at: usize, later: &[Use]) -> String {
        let source = self.source(used, step);
        let variable = self.variables.get(&source).map_or(self.passing.as_str(), String::as_str);
        let is_last =
            self.uses.get(&source).and_then(|uses| uses.iter().max()).is_none_or(|last| *last <= at)
                && !later.iter().any(|later| self.source(*later, step) == source);
        let owned = if is_last { variable.to_owned() } else { format!("{variable}.clone()") };
        self.forward.values[used.0].kind.convert(&owned, source.1, used.1)
    }

    /// Whether what the last step gives is the result.
    fn is_last(&self, step: &Step, at: usize, steps: usize) -> bool {
        let [given] = step.gives.as_slice() else { return false };
        // What has its axes moved needs a name, since it may be a sum.
        let is_moved = |used: &Use| matches!((self.home(used.0).1, used.1), (Held::Tensor(home), Held::Tensor(held)) if home != held);
        let outputs = self.forward.outputs.as_slice();
        let is_result = matches!(outputs, [used] if used.0 == *given && !is_moved(used));
        at + 1 == steps && is_result && self.forward.result == Pattern::Tuple
    }

    /// The variables of a statement.
    fn pattern(&mut self, step: &Step, at: usize) -> String {
        if let (true, Some(used)) = (Self::is_conversion(step), step.takes.first()) {
            return self.variable(*used, at);
        }
        let gives = step.gives.clone();
        let alone = gives.len() == 1;
        let variables: Vec<String> = gives
            .iter()
            .map(|value| match self.uses.contains_key(&self.home(*value)) {
                true => self.variable(self.home(*value), if alone { at } else { usize::MAX }),
                false => "_".to_owned(),
            })
            .collect();
        let types = gives.iter().map(|value| {
            let local = &self.forward.values[*value];
            local.kind.held(local.home)
        });
        let types: Vec<String> = types.collect();
        let pattern = match &step.pattern {
            Pattern::Struct(name, fields) => {
                let fields = fields.iter().zip(&variables).map(|(field, variable)| match field == variable {
                    true => field.clone(),
                    false => format!("{field}: {variable}"),
                });
                return format!("{name} {{ {} }}", fields.collect::<Vec<_>>().join(", "));
            }
            Pattern::Tuple => tuple(&variables),
        };
        if step.is_generic { format!("{pattern}: {}", tuple(&types)) } else { pattern }
    }

    /// A new variable, for what statement `at` gives.
    fn variable(&mut self, used: Use, at: usize) -> String {
        let passes = self.uses.get(&used).is_some_and(|uses| *uses == [at.wrapping_add(1)]);
        if passes {
            return self.passing.clone();
        }
        let local = &self.forward.values[used.0];
        let name = match used.1 {
            held if held == local.home => local.name.clone(),
            Held::Value => format!("{}_value", local.name),
            Held::Tensor(super::Layout::ChannelsFirst) => format!("{}_channels_first", local.name),
            Held::Tensor(super::Layout::Keras) => format!("{}_channels_last", local.name),
        };
        let name = self.names.give(&name);
        self.variables.insert(used, name.clone());
        name
    }

    /// What the method gives, out of variables.
    fn result(&self, at: usize) -> String {
        let outputs = &self.forward.outputs;
        let values =
            outputs.iter().enumerate().map(|(index, used)| self.used(*used, None, at, &outputs[index + 1..]));
        let values: Vec<String> = values.collect();
        match &self.forward.result {
            Pattern::Tuple => tuple(&values),
            Pattern::Struct(name, fields) => {
                let fields = fields.iter().zip(&values).map(|(field, value)| match field == value {
                    true => field.clone(),
                    false => format!("{field}: {value}"),
                });
                format!("{name} {{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// `(a, b)`, or `a` alone.
pub(super) fn tuple(items: &[String]) -> String {
    match items {
        [item] => item.clone(),
        items => format!("({})", items.join(", ")),
    }
}
