//! What an optimizer stores beside the model, in the order of each format.
//!
//! A table says which slots every optimizer keeps for a variable, under the names of each generation of
//! Keras. From it follows a list of roles per format; two lists make a translation, in either direction.
//!
//! The numbers mean the same wherever a slot is in one row of the table. What is done with them next differs
//! in places, which no state can mend:
//! - `RMSprop` without momentum and `Adagrad` of Keras 1 and of the legacy optimizers of Keras 2 add epsilon
//!   to the root; later ones to what the root is taken of.
//! - `Nadam` of those has another schedule of its momentum, so that its state is refused.
//! - `Nadam` of Keras 2 does not store the product of its momenta. It follows from the number of steps; when
//!   Keras 2 itself reads a file, it starts that product again, and in a compiled training step it
//!   multiplies it once for every variable.
//! - Keras 2 does not store the dynamic loss scale: it starts again at its initial value.
//! - An average of weights starts as the weights in Keras 2, and as those after the first step in Keras 3.
//!
//! Slots have the axes of their variables. Where reading a model permutes or splits a variable (kernels of
//! Theano, gates of recurrent layers of Keras 1), its slots would have to follow: the state is to be dropped.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json};

use super::Target;
use super::compile::optimizer_class;

/// A stored variable of an optimizer: its name in the file and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotName {
    pub name: String,
    pub shape: Vec<usize>,
}

/// What fills a variable of an optimizer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The stored variable of this index, cast to the type of the one it fills.
    Stored(usize),
    /// This number everywhere in this shape: what the format lacks, or what nothing has been added to yet.
    Constant(f64, Vec<usize>),
    /// [`momentum_product`] of this `beta_1` and of the number of steps, which is stored.
    MomentumProduct(f64),
}

/// A trainable variable of the model: its path or name, and its shape in the file.
pub(crate) type Trainable = (String, Vec<usize>);

/// The orders in which the variables of an optimizer are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `optimizer/vars/N` of Keras 3, and its legacy HDF5.
    Keras3,
    /// The optimizers of Keras 2.11 and later.
    Keras2,
    /// Those of TensorFlow 1.13 to 2.10, which Keras 2 calls legacy.
    Legacy,
    /// Those before: Keras 1, and Keras 2 apart from TensorFlow.
    Keras1,
}

impl Layout {
    /// The layout of a legacy HDF5 file or of a checkpoint, by the name of the first variable.
    pub(crate) fn of(stored: &[SlotName]) -> Self {
        let first = stored.first().map_or("", |slot| slot.name.as_str());
        match (last_segment(first), first.ends_with(":0")) {
            ("iteration", true) | ("_iterations", _) => Self::Keras2,
            ("iteration", false) => Self::Keras3,
            ("iter", _) => Self::Legacy,
            _ => Self::Keras1,
        }
    }
}

/// The shape of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// That of its variable.
    Same,
    /// Without its last axis; nothing for vectors.
    Rows,
    /// Without the axis before the last; nothing for vectors.
    Columns,
}

/// A slot by its names in Keras 3, in Keras 2, and in the legacy optimizers. An empty name: not there.
#[derive(Clone, Copy, Debug)]
struct Row {
    slot: &'static str,
    keras2: &'static str,
    legacy: &'static str,
    /// The key of the config that it is kept for, unless always.
    only: Option<&'static str>,
    shape: Shape,
}

const fn row(slot: &'static str, keras2: &'static str, legacy: &'static str) -> Row {
    Row { slot, keras2, legacy, only: None, shape: Shape::Same }
}

const fn only(key: &'static str, row: Row) -> Row {
    Row { only: Some(key), ..row }
}

const fn factor(slot: &'static str, shape: Shape) -> Row {
    Row { shape, ..row(slot, slot, "") }
}

/// An optimizer: its class, its learning rate unless the config says, and its slots. The slots of a block
/// alternate for each variable; one block follows another.
struct Kind {
    class: &'static str,
    learning_rate: f64,
    blocks: &'static [&'static [Row]],
}

const MOMENTUM: Row = row("momentum", "m", "m");
const VELOCITY: Row = row("velocity", "v", "v");
const VELOCITY_HAT: Row = only("amsgrad", row("velocity_hat", "vhat", "vhat"));

const KINDS: &[Kind] = &[
    Kind {
        class: "SGD",
        learning_rate: 0.01,
        blocks: &[&[only("momentum", row("momentum", "m", "momentum"))]],
    },
    Kind {
        class: "RMSprop",
        learning_rate: 0.001,
        blocks: &[
            &[row("velocity", "velocity", "rms")],
            &[only("momentum", row("momentum", "momentum", "momentum"))],
            &[only("centered", row("average_gradient", "average_gradient", "mg"))],
        ],
    },
    Kind { class: "Adam", learning_rate: 0.001, blocks: &[&[MOMENTUM, VELOCITY], &[VELOCITY_HAT]] },
    Kind {
        class: "AdamW",
        learning_rate: 0.001,
        blocks: &[
            &[row("momentum", "m", ""), row("velocity", "v", "")],
            &[only("amsgrad", row("velocity_hat", "vhat", ""))],
        ],
    },
    Kind {
        class: "Adadelta",
        learning_rate: 0.001,
        blocks: &[&[
            row("accumulated_grad", "accumulated_grad", "accum_grad"),
            row("accumulated_delta_var", "accumulated_delta_var", "accum_var"),
        ]],
    },
    Kind {
        class: "Adagrad",
        learning_rate: 0.001,
        blocks: &[&[row("accumulator", "accumulator", "accumulator")]],
    },
    Kind { class: "Adamax", learning_rate: 0.001, blocks: &[&[MOMENTUM, row("norm", "u", "v")]] },
    Kind {
        class: "Nadam",
        learning_rate: 0.001,
        blocks: &[&[row("momentum", "m", ""), row("velocity", "v", "")]],
    },
    Kind {
        class: "Ftrl",
        learning_rate: 0.001,
        blocks: &[&[row("accumulator", "accumulator", "accumulator"), row("linear", "linear", "linear")]],
    },
    Kind { class: "Lion", learning_rate: 0.001, blocks: &[&[row("momentum", "m", "")]] },
    Kind {
        class: "Adafactor",
        learning_rate: 0.001,
        blocks: &[&[factor("r", Shape::Rows), factor("c", Shape::Columns), row("velocity", "v", "")]],
    },
    Kind {
        class: "Lamb",
        learning_rate: 0.001,
        blocks: &[&[row("momentum", "", ""), row("velocity", "", "")]],
    },
    Kind {
        class: "Muon",
        learning_rate: 0.001,
        blocks: &[&[row("momentum", "", ""), row("velocity", "", "")]],
    },
    Kind {
        class: "ScheduleFreeAdamW",
        learning_rate: 0.0025,
        blocks: &[&[row("momentum", "", ""), row("velocity", "", "")]],
    },
];

/// What a variable of an optimizer is for, whatever the format.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Scalar(&'static str),
    /// A slot of the trainable variable of this index.
    Slot(&'static str, usize),
    /// What no other format has.
    Unused,
}

/// The variables of Keras 3's optimizer, in order: what each is for, and its shape. None when the optimizer is
/// not one of Keras.
#[cfg(feature = "train")]
pub(crate) fn variables(optimizer: &Json, trainable: &[Trainable]) -> Option<Vec<(Role, Vec<usize>)>> {
    let optimizer = Optimizer::of(optimizer)?;
    let roles = optimizer.roles(Layout::Keras3, trainable)?.into_iter();
    roles.map(|role| optimizer.shape(&role, trainable).map(|shape| (role, shape))).collect()
}

/// The names of all slots.
#[cfg(feature = "train")]
pub(crate) fn slot_names() -> impl Iterator<Item = &'static str> {
    let mut names = vec![AVERAGE, ACCUMULATOR];
    for row in KINDS.iter().flat_map(|kind| kind.blocks).flat_map(|block| block.iter()) {
        if !names.contains(&row.slot) {
            names.push(row.slot);
        }
    }
    names.into_iter()
}

/// Whether Muon leaves the variable of that path to AdamW whatever its shape, by its config. None when that cannot
/// be said, because a pattern is of a kind that only Python has.
pub(crate) fn is_excluded_by_muon(config: &Map<String, Json>, path: &str) -> Option<bool> {
    let embeddings = config.get("exclude_embeddings").and_then(Json::as_bool).unwrap_or(true);
    let patterns = config.get("exclude_layers").and_then(Json::as_array).into_iter().flatten();
    let matches = patterns.map(|pattern| is_found(pattern.as_str()?, path)).collect::<Option<Vec<_>>>()?;
    Some((embeddings && path.to_lowercase().contains("embedding")) || matches.contains(&true))
}

#[cfg(feature = "train")]
fn is_found(pattern: &str, text: &str) -> Option<bool> {
    Some(regex::Regex::new(pattern).ok()?.is_match(text))
}

/// Patterns are run where training is.
#[cfg(not(feature = "train"))]
fn is_found(_: &str, _: &str) -> Option<bool> {
    None
}

/// Variables 0.. of Keras 3's optimizer from what an older file stores; none when they do not fit, such as
/// after layers were frozen. `optimizer` is its descriptor or name in the form of Keras 3.
pub(crate) fn from_legacy(
    optimizer: &Json,
    stored: &[SlotName],
    trainable: &[Trainable],
) -> Option<Vec<Slot>> {
    from_layout(optimizer, Layout::of(stored), stored, trainable)
}

/// The same where the layout is known: names that are numbers say nothing.
pub(crate) fn from_layout(
    optimizer: &Json,
    layout: Layout,
    stored: &[SlotName],
    trainable: &[Trainable],
) -> Option<Vec<Slot>> {
    let Some(optimizer) = Optimizer::of(optimizer) else {
        // Keras 3 gives its own variables in its own order, whatever the class.
        return (layout == Layout::Keras3).then(|| (0..stored.len()).map(Slot::Stored).collect());
    };
    let have = match layout {
        Layout::Keras1 => optimizer.keras1(trainable, stored)?,
        _ => optimizer.roles(layout, trainable)?,
    };
    let have = with_learning_rate(have, stored);
    let fits = |(role, slot): (&Role, &SlotName)| {
        (*role == Role::Unused || optimizer.shape(role, trainable).as_deref() == Some(&slot.shape))
            && optimizer.is_named(role, layout, &slot.name)
    };
    if have.len() != stored.len() || !have.iter().zip(stored).all(fits) {
        return None;
    }
    optimizer.translate(&have, &optimizer.roles(Layout::Keras3, trainable)?, trainable)
}

/// The variables of an optimizer in a legacy HDF5 file, and in a `.keras` file of Keras 2 but for their names:
/// names in order, and what of Keras 3's variables fills each. The number of steps is an integer of 64 bits for Keras 2. None when Keras 2 has no such optimizer.
pub(crate) fn to_legacy(
    optimizer: &Json,
    trainable: &[Trainable],
    target: Target,
) -> Option<Vec<(String, Slot)>> {
    let layout = match target {
        Target::Keras3 => Layout::Keras3,
        Target::Keras2 => Layout::Keras2,
    };
    let optimizer = Optimizer::of(optimizer)?;
    let roles = optimizer.roles(layout, trainable)?;
    let slots = optimizer.translate(&optimizer.roles(Layout::Keras3, trainable)?, &roles, trainable)?;
    let mut taken = HashSet::new();
    let names = roles.iter().map(|role| {
        let mut name = optimizer.name(role, layout, trainable);
        while !taken.insert(name.clone()) {
            name.push('_');
        }
        name
    });
    Some(names.zip(slots).collect())
}

/// What of a state the files of that Keras do not hold, though they hold the rest.
pub(crate) fn lost(optimizer: &Json, target: Target) -> Vec<&'static str> {
    let Some(optimizer) = Optimizer::of(optimizer).filter(|_| target == Target::Keras2) else {
        return Vec::new();
    };
    let scale = "Keras 2 starts again with the first loss scale";
    let product = "Keras 2 starts again with the product of momenta of Nadam";
    let lost = [(optimizer.scale.is_some(), scale), (optimizer.kind.class == "Nadam", product)];
    lost.into_iter().filter_map(|(is_lost, what)| is_lost.then_some(what)).collect()
}

/// The product of the momenta that Nadam has used in its steps so far.
pub(crate) fn momentum_product(beta_1: f64, steps: u64) -> f64 {
    // From here on, the momentum is `beta_1` to the last bit.
    let changing = steps.min(2048);
    let changed: f64 = (1..=changing).map(|step| 1.0 - 0.5 * 0.96_f64.powf(step as f64)).product();
    changed * beta_1.powf(steps as f64)
}

/// An optimizer of the table, as its descriptor says.
struct Optimizer<'a> {
    kind: &'static Kind,
    config: Option<&'a Map<String, Json>>,
    /// The config of the optimizer around it that scales its losses.
    scale: Option<&'a Map<String, Json>>,
}

impl<'a> Optimizer<'a> {
    fn of(json: &'a Json) -> Option<Self> {
        let class = json.as_str().or_else(|| json.get("class_name")?.as_str())?;
        let config = json.get("config").and_then(Json::as_object);
        let class = optimizer_class(class)?;
        if class == "LossScaleOptimizer" {
            let inner = Self::of(config?.get("inner_optimizer")?)?;
            // A scaled optimizer in another one is nothing that Keras makes.
            return inner.scale.is_none().then_some(Self { scale: config, ..inner });
        }
        let kind = KINDS.iter().find(|kind| kind.class == class)?;
        Some(Self { kind, config, scale: None })
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.config?.get(key)
    }

    /// Whether a switch is on, or a number is not zero.
    fn has(&self, key: &str) -> bool {
        let is_on = |value: &Json| value.as_bool().or_else(|| Some(value.as_f64()? != 0.0));
        self.get(key).and_then(is_on).unwrap_or(false)
    }

    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        self.kind.blocks.iter().flat_map(|block| block.iter())
    }

    /// What a format stores, in its order; none when it has no such optimizer.
    fn roles(&self, layout: Layout, trainable: &[Trainable]) -> Option<Vec<Role>> {
        let scalars: &[&[&'static str]] = match layout {
            Layout::Keras3 => &[
                if self.scale.is_some() { SCALING } else { &[] },
                &["iteration"],
                if self.get("learning_rate").is_some_and(Json::is_object) { &[] } else { &["learning_rate"] },
            ],
            _ => &[&["iteration"]],
        };
        let mut roles: Vec<Role> = scalars.concat().into_iter().map(Role::Scalar).collect();
        let common = [(AVERAGE, self.has("use_ema")), (ACCUMULATOR, self.has(ACCUMULATION))];
        for (slot, is_kept) in common {
            match (is_kept, layout) {
                (true, Layout::Keras3) => {}
                (true, Layout::Keras2) if slot != ACCUMULATOR => {}
                (true, _) => return None,
                (false, _) => continue,
            }
            roles.extend((0..trainable.len()).map(|variable| Role::Slot(slot, variable)));
        }
        // Alone among the legacy optimizers, Ftrl made its slots variable by variable.
        let is_split = layout == Layout::Legacy && self.kind.class != "Ftrl";
        for block in self.kind.blocks {
            let split: Vec<&[Row]> = if is_split { block.chunks(1).collect() } else { vec![*block] };
            for rows in split {
                roles.extend(self.block(layout, rows, trainable)?);
            }
        }
        // Keras forgets it when another optimizer is around.
        if layout == Layout::Keras3 && self.kind.class == "Nadam" && self.scale.is_none() {
            roles.push(Role::Scalar(PRODUCT));
        }
        Some(roles)
    }

    fn block(&self, layout: Layout, rows: &[Row], trainable: &[Trainable]) -> Option<Vec<Role>> {
        let is_missing = |row: &Row| match layout {
            Layout::Keras3 => false,
            Layout::Keras2 => row.keras2.is_empty(),
            Layout::Legacy | Layout::Keras1 => row.legacy.is_empty(),
        };
        let is_unclear =
            |(path, _): &Trainable| self.kind.class == "Muon" && self.is_excluded(path).is_none();
        if rows.iter().any(is_missing) || trainable.iter().any(is_unclear) {
            return None;
        }
        let mut roles = Vec::new();
        for (variable, trainable) in trainable.iter().enumerate() {
            let kept = rows.iter().filter(|row| self.keeps(row, layout, trainable));
            roles.extend(kept.map(|row| Role::Slot(row.slot, variable)));
        }
        Some(roles)
    }

    fn keeps(&self, row: &Row, layout: Layout, (path, shape): &Trainable) -> bool {
        match (self.kind.class, layout) {
            // These allocate it in any case.
            ("SGD", Layout::Keras2 | Layout::Keras1) => true,
            ("Adafactor", _) if layout == Layout::Keras2 || self.scale.is_some() => {
                row.shape == Shape::Same || shape.len() > 1
            }
            ("Muon", _) if row.slot == VELOCITY.slot => {
                shape.len() != 2 || self.is_excluded(path) == Some(true)
            }
            _ => row.only.is_none_or(|key| self.has(key)),
        }
    }

    fn is_excluded(&self, path: &str) -> Option<bool> {
        is_excluded_by_muon(self.config.unwrap_or(&Map::new()), path)
    }

    /// The layout of Keras 1 says less than it stores: some optimizers do not count their steps, and
    /// some versions of Adam have slots that they do not use.
    fn keras1(&self, trainable: &[Trainable], stored: &[SlotName]) -> Option<Vec<Role>> {
        if ["Ftrl", "Nadam"].contains(&self.kind.class) {
            return None;
        }
        let mut slots = Vec::new();
        for row in self.rows().collect::<Vec<_>>() {
            slots.extend(self.block(Layout::Keras1, std::slice::from_ref(row), trainable)?);
        }
        let counts = (slots.len(), stored.len());
        let steps = [Role::Scalar("iteration")];
        match counts.1.checked_sub(counts.0)? {
            0 => Some(slots),
            1 => Some([&steps, slots.as_slice()].concat()),
            extra if self.kind.class == "Adam" && extra == 1 + trainable.len() => {
                let unused = vec![Role::Unused; trainable.len()];
                Some([&steps, slots.as_slice(), &unused].concat())
            }
            _ => None,
        }
    }

    fn shape(&self, role: &Role, trainable: &[Trainable]) -> Option<Vec<usize>> {
        let Role::Slot(slot, variable) = role else { return Some(Vec::new()) };
        let (_, shape) = trainable.get(*variable)?;
        let kind = self.rows().find(|row| row.slot == *slot).map_or(Shape::Same, |row| row.shape);
        Some(match (kind, shape.as_slice()) {
            (Shape::Same, shape) => shape.to_vec(),
            (Shape::Rows, [outer @ .., rows, _]) => [outer, &[*rows]].concat(),
            (Shape::Columns, [outer @ .., _, columns]) => [outer, &[*columns]].concat(),
            _ => Vec::new(),
        })
    }

    /// Fills every variable of one format from those of another.
    fn translate(&self, have: &[Role], want: &[Role], trainable: &[Trainable]) -> Option<Vec<Slot>> {
        let places: HashMap<&Role, usize> = have.iter().enumerate().map(|(at, role)| (role, at)).collect();
        let fill = |role: &Role| match places.get(role) {
            Some(at) => Some(Slot::Stored(*at)),
            None => self.absent(role, trainable),
        };
        want.iter().map(fill).collect()
    }

    /// What fills a variable that the other format lacks.
    fn absent(&self, role: &Role, trainable: &[Trainable]) -> Option<Slot> {
        let number = |config: Option<&Map<String, Json>>, key: &str| config?.get(key)?.as_f64();
        let is_zero = match role {
            Role::Slot("momentum", _) => self.kind.class == "SGD" && !self.has("momentum"),
            Role::Slot("r" | "c", variable) => trainable.get(*variable)?.1.len() < 2,
            Role::Slot(..) | Role::Unused => false,
            Role::Scalar(_) => true,
        };
        let constant = match role {
            Role::Scalar(name) if *name == PRODUCT => {
                return Some(Slot::MomentumProduct(number(self.config, "beta_1").unwrap_or(0.9)));
            }
            Role::Scalar("learning_rate") => {
                number(self.config, "learning_rate").unwrap_or(self.kind.learning_rate)
            }
            Role::Scalar("dynamic_scale") => number(self.scale, "initial_scale").unwrap_or(32768.0),
            _ if is_zero => 0.0,
            _ => return None,
        };
        Some(Slot::Constant(constant, self.shape(role, trainable)?))
    }

    /// Whether a variable may have this name. Numbers say nothing.
    fn is_named(&self, role: &Role, layout: Layout, name: &str) -> bool {
        let last = last_segment(name);
        let Role::Slot(slot, _) = role else { return true };
        let row = self.rows().find(|row| row.slot == *slot);
        let names = row.map_or((*slot, *slot, *slot), |row| (row.slot, row.keras2, row.legacy));
        last.bytes().all(|byte| byte.is_ascii_digit())
            || match layout {
                Layout::Keras3 => last.ends_with(names.0),
                Layout::Keras2 => name.split('/').any(|segment| segment == names.1),
                Layout::Legacy => last.starts_with(names.2),
                Layout::Keras1 => true,
            }
    }

    /// The name that Keras gives a variable in a legacy HDF5 file.
    fn name(&self, role: &Role, layout: Layout, trainable: &[Trainable]) -> String {
        let own = self.get("name").and_then(Json::as_str).unwrap_or(self.kind.class);
        let is_keras2 = layout == Layout::Keras2;
        match role {
            Role::Scalar(name) if is_keras2 => format!("{name}:0"),
            Role::Scalar(name) if SCALING.contains(name) => {
                format!("loss_scale_optimizer/{}", name.trim_start_matches("outer_"))
            }
            Role::Scalar(name) => format!("{own}/{name}"),
            Role::Slot(slot, variable) => {
                let path = trainable.get(*variable).map_or("", |(path, _)| path.trim_end_matches(":0"));
                let row = self.rows().find(|row| row.slot == *slot);
                match (is_keras2, row) {
                    (true, row) => format!("{own}/{}/{path}:0", row.map_or(*slot, |row| row.keras2)),
                    (false, _) => format!("{own}/{}_{slot}", path.replace('/', "_")),
                }
            }
            Role::Unused => String::new(),
        }
    }
}

/// What comes before all else where losses are scaled, and is not there again with what the inner optimizer
/// stores. The first two never change.
pub(crate) const SCALING: &[&str] = &["outer_iteration", "outer_learning_rate", STEP_COUNTER, DYNAMIC_SCALE];
pub(crate) const STEP_COUNTER: &str = "step_counter";
pub(crate) const DYNAMIC_SCALE: &str = "dynamic_scale";
pub(crate) const AVERAGE: &str = "average";
pub(crate) const ACCUMULATOR: &str = "gradient_accumulator";
const ACCUMULATION: &str = "gradient_accumulation_steps";
pub(crate) const PRODUCT: &str = "variable";

/// Checkpoints of Keras 2 hold the learning rate, too.
fn with_learning_rate(mut roles: Vec<Role>, stored: &[SlotName]) -> Vec<Role> {
    if stored.get(1).is_some_and(|slot| last_segment(&slot.name) == "_learning_rate") {
        roles.insert(1.min(roles.len()), Role::Scalar("learning_rate"));
    }
    roles
}

fn last_segment(name: &str) -> &str {
    let name = name.strip_suffix(":0").unwrap_or(name);
    name.rsplit('/').next().unwrap_or(name)
}
