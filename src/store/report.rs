//! What was done, in Keras' words.

use std::fmt;

use super::plan::{Found, Plan};

/// What a [`KerasStore`](super::KerasStore) did when it loaded or saved a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    pub(super) plan: Plan,
    pub(super) notes: Vec<String>,
}

impl StoreReport {
    /// Which layer each module was, and what was left over on both sides.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What else is to be told, a sentence each: variables that the module has no place for, parameters that the layer
    /// has nothing for, biases that are summed, the state of an optimizer that is left out.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.plan.modules();
        let count = |is_asked: fn(Found) -> bool| rows.iter().filter(|row| is_asked(row.found)).count();
        let found = |found| matches!(found, Found::Given | Found::Name | Found::Shape | Found::Order);
        writeln!(f, "{} of {} modules have a layer", count(found), rows.len())?;
        for row in rows.iter().filter(|row| !found(row.found)) {
            writeln!(f, "without a layer: {} ({}): {}", row.module, row.ty, row.found)?;
        }
        for layer in self.plan.unused() {
            let variables: Vec<_> = layer.variables.iter().map(ToString::to_string).collect();
            writeln!(f, "not in the module: {} ({}): {}", layer.layer, layer.class, variables.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
