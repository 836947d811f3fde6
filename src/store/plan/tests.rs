use super::*;

#[test]
fn everything_wrong_with_a_document_is_told_at_once() {
    let json = serde_json::json!({
        "modules": [
            {"module": "a", "layer": 3},
            {"layer": "dense"},
            {"module": "b", "layer": null, "found": "by magic"},
            {"module": "c", "layer": "x", "params": [{"name": "weight", "shape": [-1]}]},
            7
        ],
        "unused": {}
    });
    let error = Plan::from_json(&json).unwrap_err();
    let places: Vec<&str> = error.problems().map(crate::Problem::place).collect();
    let expected = [
        "modules[0].layer",
        "modules[1]",
        "modules[2].found",
        "modules[3].params[0].shape",
        "modules[4]",
        "unused",
    ];
    assert_eq!(places, expected, "{error}");
    assert!(Plan::from_json(&serde_json::json!([])).is_err());
}

#[test]
fn little_is_enough_for_a_plan() {
    let json =
        serde_json::json!({"modules": [{"module": "a", "layer": "x"}, {"module": "b", "layer": null}]});
    let plan = Plan::from_json(&json).unwrap();
    assert_eq!(plan.given().collect::<Vec<_>>(), [("a", Some("x")), ("b", None)]);
    assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
}

#[test]
fn a_plan_says_nothing_of_what_is_open() {
    let modules = ["missing", "undecided", "skipped"].map(|found| PlannedModule {
        found: Found::from_name(found).unwrap(),
        ..PlannedModule::named(found.to_owned())
    });
    let mut plan = Plan { modules: modules.to_vec(), ..Plan::default() };
    assert_eq!(plan.given().collect::<Vec<_>>(), [("skipped", None)]);
    plan.assign("missing", "x").unassign("undecided").assign("new", "y");
    let given = [("missing", Some("x")), ("undecided", None), ("skipped", None), ("new", Some("y"))];
    assert_eq!(plan.given().collect::<Vec<_>>(), given);
}

#[test]
fn documents_are_bounded() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("plan.json");
    Plan::default().save(&path).unwrap();
    assert_eq!(Plan::open(&path, &Limits::default()).unwrap(), Plan::default());
    let tight = Limits { json_bytes: 3, ..Limits::default() };
    assert_eq!(Plan::open(&path, &tight).unwrap_err().kind(), crate::ErrorKind::Limit);
}
