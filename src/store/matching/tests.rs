use burn::tensor::DType;

use super::*;
use crate::config::Dtype;
use crate::store::contract::{KerasVariable, ModuleParam};

fn linear(path: &str, weight: [usize; 2]) -> ModuleUnit {
    let param = |name: &str, shape: &[usize]| ModuleParam {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: DType::F32,
        axes: Vec::new(),
    };
    let params = vec![param("weight", &weight), param("bias", &weight[1..])];
    ModuleUnit { path: path.to_owned(), ty: "Linear".to_owned(), params }
}

fn dense(path: &str, kernel: [usize; 2]) -> KerasUnit {
    let variable = |name: &str, shape: &[usize]| KerasVariable {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype: Dtype::Float32,
        place: format!("{path}/{name}"),
    };
    KerasUnit {
        path: path.to_owned(),
        class: "Dense".to_owned(),
        variables: vec![variable("kernel", &kernel), variable("bias", &kernel[1..])],
        ..KerasUnit::default()
    }
}

/// Layers in order, and what became of each module: how, and which.
fn decided(
    modules: &[(&str, [usize; 2])],
    layers: &[(&str, [usize; 2])],
    order: Order,
) -> Vec<(Found, Vec<String>)> {
    let modules: Vec<_> = modules.iter().map(|(path, shape)| linear(path, *shape)).collect();
    let keras: Vec<_> = layers.iter().map(|(path, shape)| dense(path, *shape)).collect();
    let names: Vec<_> = keras.iter().map(|unit| unit.path.clone()).collect();
    let sides = Sides { modules: &modules, keras: &keras, names: &names, order };
    let decisions = decide(sides, &vec![false; modules.len()], &[]).unwrap();
    let path = |layer: &usize| keras[*layer].path.clone();
    let told = |decision: &Decision| {
        (decision.found, decision.layer.iter().chain(&decision.candidates).map(path).collect())
    };
    decisions.iter().map(told).collect()
}

fn one(found: Found, layer: &str) -> (Found, Vec<String>) {
    (found, vec![layer.to_owned()])
}

fn open(layers: &[&str]) -> (Found, Vec<String>) {
    (Found::Undecided, layers.iter().map(|layer| (*layer).to_owned()).collect())
}

const S: [usize; 2] = [4, 4];
const T: [usize; 2] = [4, 3];

#[test]
fn names_are_compared_without_what_languages_add() {
    for (module, layer) in
        [("encoder.conv_1", "encoder.Conv-1"), ("block1.conv", "block1/conv"), ("r#type", "type")]
    {
        assert_eq!(normalized(module), normalized(layer), "{module} {layer}");
    }
    assert_ne!(normalized("conv1"), normalized("conv_1"));
}

#[test]
fn names_come_before_the_order() {
    let layers = [("b", S), ("a", S)];
    let expected = [one(Found::Name, "a"), one(Found::Name, "b")];
    assert_eq!(decided(&[("a", S), ("b", S)], &layers, Order::All), expected);
    // The last part alone, as long as nobody else is called so.
    let nested = [("x.b", S), ("y.a", S)];
    assert_eq!(decided(&[("a", S), ("b", S)], &nested, Order::All)[0], one(Found::Name, "y.a"));
    let twice = [("x.a", S), ("y.a", S)];
    let expected = [one(Found::Order, "x.a"), one(Found::Order, "y.a")];
    assert_eq!(decided(&[("a", S), ("b", S)], &twice, Order::All), expected);
}

#[test]
fn numbered_names_that_begin_elsewhere_are_no_trap() {
    // Keras begins with `dense`; the author of the module began with one.
    let layers = [("dense", S), ("dense_1", S), ("dense_2", S)];
    let modules = [("dense_1", S), ("dense_2", S), ("dense_3", S)];
    let decisions = decided(&modules, &layers, Order::All);
    assert!(decisions.iter().all(|(found, _)| *found == Found::Undecided), "{decisions:?}");
    assert_eq!(decisions[2], open(&["dense", "dense_1", "dense_2"]));
    // With shapes that differ there is nothing to confuse, only a name that does not fit.
    let layers = [("dense", [2, 4]), ("dense_1", S), ("dense_2", T)];
    let modules = [("dense_1", [2, 4]), ("dense_2", S), ("dense_3", T)];
    let found: Vec<Found> = decided(&modules, &layers, Order::All).into_iter().map(|it| it.0).collect();
    assert_eq!(found[..2], [Found::Refused; 2]);
}

#[test]
fn the_order_decides_only_if_it_leaves_no_choice() {
    let three = [("x", S), ("y", S), ("z", S)];
    let expected = [one(Found::Order, "x"), one(Found::Order, "y"), one(Found::Order, "z")];
    assert_eq!(decided(&[("a", S), ("b", S), ("c", S)], &three, Order::All), expected);
    assert_eq!(decided(&[("a", S), ("b", S)], &three, Order::All), [open(&["x", "y"]), open(&["y", "z"])]);
    // Others between them can be what decides.
    let between = [("x", S), ("y", T), ("z", S), ("u", T)];
    let expected =
        [one(Found::Order, "x"), one(Found::Order, "y"), one(Found::Order, "z"), one(Found::Order, "u")];
    assert_eq!(decided(&[("a", S), ("b", T), ("c", S), ("d", T)], &between, Order::All), expected);
    // Modules that are declared in another order are not brought into the file's by force.
    let crossed = decided(&[("a", T), ("b", S), ("c", T), ("d", S)], &between, Order::All);
    assert!(crossed.iter().all(|(found, _)| *found == Found::Undecided), "{crossed:?}");
    // More modules than layers: one of them has none, and nobody knows which.
    assert_eq!(decided(&[("a", S), ("b", S)], &[("x", S)], Order::All), [open(&["x"]), open(&["x"])]);
}

#[test]
fn an_order_that_a_file_does_not_have_decides_nothing() {
    let layers = [("x", S), ("y", S)];
    let modules = [("a", S), ("b", S)];
    let expected = [one(Found::Order, "x"), one(Found::Order, "y")];
    assert_eq!(decided(&modules, &layers, Order::OfClass), expected);
    assert_eq!(decided(&modules, &layers, Order::Nothing), [open(&["x", "y"]), open(&["x", "y"])]);
    // Nested models have an order each.
    let layers = [("m.x", S), ("n.y", S)];
    assert_eq!(decided(&modules, &layers, Order::OfClass), [open(&["m.x", "n.y"]), open(&["m.x", "n.y"])]);
    // What is there once needs none.
    let layers = [("x", S), ("y", T)];
    let expected = [one(Found::Shape, "y"), one(Found::Shape, "x")];
    assert_eq!(decided(&[("a", T), ("b", S)], &layers, Order::Nothing), expected);
}

#[test]
fn modules_that_nothing_fits_are_missing_and_do_not_keep_others_from_their_order() {
    let modules = [("a", S), ("new", [9, 9]), ("b", S)];
    let expected = [one(Found::Order, "x"), (Found::Missing, Vec::new()), one(Found::Order, "y")];
    assert_eq!(decided(&modules, &[("x", S), ("y", S)], Order::All), expected);
}

/// Against all alignments, one by one.
#[test]
fn partners_are_those_of_all_best_alignments() {
    fn all(rows: usize, columns: usize, fits: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<Option<usize>>> {
        let Some(row) = rows.checked_sub(1) else { return vec![Vec::new()] };
        let extended = |choice: Option<usize>| {
            let rest = all(row, choice.unwrap_or(columns), fits);
            rest.into_iter().map(move |mut partners| {
                partners.push(choice);
                partners
            })
        };
        let choices = (0..columns).filter(|column| fits(row, *column)).map(Some).chain([None]);
        choices.flat_map(extended).collect()
    }
    for pattern in 0..1_u32 << 12 {
        let fits = |row: usize, column: usize| pattern >> (row * 4 + column) & 1 == 1;
        let every = all(3, 4, &fits);
        let size = |partners: &[Option<usize>]| partners.iter().flatten().count();
        let best = every.iter().map(|partners| size(partners)).max().unwrap();
        let expected = (0..3).map(|row| {
            let best = every.iter().filter(|partners| size(partners) == best);
            best.filter_map(|partners| partners[row]).collect::<BTreeSet<usize>>().into_iter().collect()
        });
        let expected: Vec<Vec<usize>> = expected.collect();
        assert_eq!(alignments(3, 4, &fits), (best, expected), "{pattern:b}");
    }
}
