//! Pictures of models: what they tell against what Keras tells, and how they are drawn.
#![cfg(feature = "plot")]

use std::path::{Path, PathBuf};

use burn_keras::layer::Registry;
use burn_keras::plot::{Direction, Plot};
use burn_keras::{Error, ErrorKind, KerasFile, Limits};
use resvg::tiny_skia::Pixmap;
use resvg::usvg::roxmltree::{Document, Node};
use serde_json::{Value as Json, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn plot(case: &str) -> Plot {
    let file = KerasFile::open(fixture(&format!("{case}.keras")), &Limits::default()).unwrap();
    Plot::of(&file, &Registry::new()).unwrap()
}

fn plot_of(config: &Json) -> Result<Plot, Error> {
    let file = KerasFile::from_bytes(config.to_string().into_bytes(), &Limits::default())?;
    Plot::of(&file, &Registry::new())
}

fn facts() -> serde_json::Map<String, Json> {
    let facts = std::fs::read(fixture("plot/facts.json")).unwrap();
    serde_json::from_slice(&facts).unwrap()
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&amp;", "&")
}

/// What a picture for Graphviz tells, in the form in which Keras' own is recorded.
fn told(dot: &str) -> Json {
    let mut open: Vec<(String, Vec<Json>)> = vec![(String::new(), Vec::new())];
    let (mut names, mut edges) = (Vec::new(), Vec::new());
    for line in dot.lines().map(str::trim) {
        if let Some((name, label)) = line.split_once(" [label=<") {
            names.push(name.to_owned());
            let cells = label.split("<td").skip(1).map(|cell| {
                let cell = cell.split_once('>').unwrap().1.split("</td>").next().unwrap();
                let texts = cell.split('<').map(|piece| piece.rsplit('>').next().unwrap());
                Json::from(unescape(&texts.collect::<String>()))
            });
            open.last_mut().unwrap().1.push(cells.collect());
        } else if line.starts_with("subgraph") {
            open.push((String::new(), Vec::new()));
        } else if let Some(label) = line.split("label=\"").nth(1) {
            open.last_mut().unwrap().0 = label.split('"').next().unwrap().to_owned();
        } else if let Some((from, to)) = line.trim_end_matches(';').split_once(" -> ") {
            let number = |name: &str| names.iter().position(|known| known == name).unwrap();
            edges.push((number(from), number(to)));
        } else if line == "}" && open.len() > 1 {
            let (name, parts) = open.pop().unwrap();
            open.last_mut().unwrap().1.push(json!({"name": name, "parts": parts}));
        }
    }
    edges.sort_unstable();
    json!({"parts": open.pop().unwrap().1, "edges": edges})
}

#[test]
fn it_tells_what_keras_tells() {
    let facts = facts();
    let mut expanded = 0;
    for (case, recorded) in &facts {
        let plot = plot(case).show_layer_activations(true).show_trainable(true);
        assert_eq!(told(&plot.dot()), recorded["collapsed"], "{case}");
        if let Some(inner) = recorded.get("expanded") {
            assert_eq!(told(&plot.clone().expand_nested(true).dot()), *inner, "{case}, expanded");
            expanded += 1;
        }
        if let Some(bare) = recorded.get("bare") {
            let plot = self::plot(case).show_shapes(false).show_dtype(false).show_layer_names(false);
            assert_eq!(told(&plot.dot()), *bare, "{case}, bare");
        }
    }
    assert!(facts.len() > 30 && expanded > 10, "{} cases, {expanded} expanded", facts.len());
}

/// A box of a picture: left, top, right, bottom.
type Box = [f64; 4];

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).unwrap_or("0").parse().unwrap()
}

fn box_of(rect: Node<'_, '_>, (x, y): (f64, f64)) -> Box {
    let (x, y) = (x + number(rect, "x"), y + number(rect, "y"));
    [x, y, x + number(rect, "width"), y + number(rect, "height")]
}

fn has_class(node: &Node<'_, '_>, class: &str) -> bool {
    node.attribute("class").is_some_and(|classes| classes.split(' ').any(|known| known == class))
}

fn nodes(svg: &Document<'_>) -> Vec<(String, Box)> {
    let nodes = svg.descendants().filter(|node| has_class(node, "node"));
    let boxes = nodes.map(|node| {
        let moved = node.attribute("transform").unwrap();
        let moved = moved.trim_start_matches("translate(").trim_end_matches(')').split_once(' ').unwrap();
        let moved = (moved.0.parse().unwrap(), moved.1.parse().unwrap());
        let rect = node.children().find(|child| has_class(child, "box")).unwrap();
        (node.attribute("id").unwrap().to_owned(), box_of(rect, moved))
    });
    boxes.collect()
}

/// Every corner of a path, and both ends of its curves.
fn points(path: &str) -> Vec<(f64, f64)> {
    let numbers: Vec<f64> =
        path.split([' ', 'M', 'L', 'C']).filter_map(|number| number.parse().ok()).collect();
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

fn is_on_border([left, top, right, bottom]: Box, (x, y): (f64, f64)) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() < 0.2;
    let (within_x, within_y) = (left - 0.2 <= x && x <= right + 0.2, top - 0.2 <= y && y <= bottom + 0.2);
    (within_x && (near(y, top) || near(y, bottom))) || (within_y && (near(x, left) || near(x, right)))
}

fn overlap(a: Box, b: Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Cards and boxes of models do not overlap, lines go from card to card and across no other.
fn check(svg: &str, edges: usize, what: &str) {
    let svg = Document::parse(svg).unwrap();
    let (width, height) = (number(svg.root_element(), "width"), number(svg.root_element(), "height"));
    let nodes = nodes(&svg);
    for (at, (name, card)) in nodes.iter().enumerate() {
        assert!(card[0] >= 0.0 && card[1] >= 0.0 && card[2] <= width && card[3] <= height, "{what}: {name}");
        for (other, area) in &nodes[at + 1..] {
            assert!(!overlap(*card, *area), "{what}: {name} lies on {other}");
        }
    }
    for model in svg.descendants().filter(|node| has_class(node, "model-box")) {
        let model = box_of(model, (0.0, 0.0));
        for (name, card) in &nodes {
            let within = model[0] < card[0] && model[1] < card[1] && card[2] < model[2] && card[3] < model[3];
            assert!(within || !overlap(model, *card), "{what}: {name} is half in a model");
        }
    }
    let lines: Vec<_> = svg.descendants().filter(|node| has_class(node, "edge")).collect();
    assert_eq!(lines.len(), edges, "{what}");
    for line in lines {
        let at = |key: &str| {
            let name = line.attribute(key).unwrap();
            nodes.iter().find(|(node, _)| node == name).unwrap().1
        };
        let points = points(line.first_element_child().unwrap().attribute("d").unwrap());
        let (start, end) = (*points.first().unwrap(), *points.last().unwrap());
        assert!(is_on_border(at("data-from"), start), "{what}: {line:?} starts at {start:?}");
        assert!(is_on_border(at("data-to"), end), "{what}: {line:?} ends at {end:?}");
        for (x, y) in points {
            assert!(x >= 0.0 && y >= 0.0 && x <= width && y <= height, "{what}: {line:?} leaves it");
            let hit = nodes.iter().find(|(_, [left, top, right, bottom])| {
                left + 0.2 < x && x < right - 0.2 && top + 0.2 < y && y < bottom - 0.2
            });
            assert!(hit.is_none(), "{what}: {line:?} crosses {hit:?}");
        }
    }
}

#[test]
fn nothing_overlaps_and_lines_end_at_their_layers() {
    use Direction::{BottomToTop, LeftToRight, RightToLeft, TopToBottom};
    let networks = ["architecture/nasnet", "architecture/densenet", "graph/net_unet", "graph/net_inception"];
    let facts = facts();
    for case in facts.keys().map(String::as_str).chain(networks) {
        for expand in [false, true] {
            let plot = plot(case).expand_nested(expand).show_trainable(true).show_layer_activations(true);
            let edges = told(&plot.dot())["edges"].as_array().unwrap().len();
            for direction in [TopToBottom, BottomToTop, LeftToRight, RightToLeft] {
                let svg = plot.clone().rankdir(direction).svg().unwrap();
                check(&svg, edges, &format!("{case}, {direction:?}, expanded: {expand}"));
            }
        }
    }
}

#[test]
fn data_flows_where_it_is_to() {
    for (direction, axis, sign) in [
        (Direction::TopToBottom, 1, 1.0),
        (Direction::BottomToTop, 1, -1.0),
        (Direction::LeftToRight, 0, 1.0),
        (Direction::RightToLeft, 0, -1.0),
    ] {
        let plot = plot("graph/net_residual").rankdir(direction);
        assert!(plot.dot().contains(&format!("rankdir={}", direction.name())));
        let svg = plot.svg().unwrap();
        let svg = Document::parse(&svg).unwrap();
        let nodes = nodes(&svg);
        let place = |name: &str| nodes.iter().find(|(node, _)| node == name).unwrap().1[axis];
        for edge in svg.descendants().filter(|node| has_class(node, "edge")) {
            let [from, to] = ["data-from", "data-to"].map(|key| place(edge.attribute(key).unwrap()));
            assert!((to - from) * sign > 0.0, "{direction:?}: {edge:?}");
        }
    }
}

#[test]
fn a_png_has_the_size_and_the_colors_of_the_svg() {
    let plot = plot("graph/functional_two_levels").expand_nested(true);
    let svg = plot.svg().unwrap();
    let svg = Document::parse(&svg).unwrap();
    let units = ["width", "height"].map(|side| number(svg.root_element(), side));
    for dpi in [48_u32, 96, 192] {
        let png = plot.clone().dpi(dpi).png().unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        let expected = units.map(|side| (side * f64::from(dpi) / 96.0).round() as u32);
        assert_eq!([picture.width(), picture.height()], expected);
        let dark = picture.pixels().iter().filter(|pixel| pixel.red() < 80).count();
        assert!(picture.pixels().iter().all(|pixel| pixel.alpha() == 255));
        // Text, that is: nothing else is as dark.
        assert!(dark > picture.pixels().len() / 500, "{dark} dark pixels at {dpi} dpi");
    }
    let error = plot.dpi(100_000).png().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("pixels of a picture"), "{error}");
}

#[test]
fn a_file_is_written_by_its_name_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let plot = plot("graph/siamese");
    let at = |name: &str| folder.path().join(name);
    for (name, start) in
        [("a.svg", &b"<svg"[..]), ("b.PNG", b"\x89PNG"), ("c.dot", b"digraph"), ("d.gv", b"digraph")]
    {
        plot.save(at(name)).unwrap();
        assert!(std::fs::read(at(name)).unwrap().starts_with(start), "{name}");
    }
    for name in ["e.jpg", "e", "e.svg.txt"] {
        let error = plot.save(at(name)).unwrap_err().to_string();
        assert!(error.contains(".png"), "{error}");
    }
    std::fs::write(at("old.png"), "old").unwrap();
    assert!(plot.dpi(1_000_000).save(at("old.png")).is_err());
    assert_eq!(std::fs::read(at("old.png")).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}

/// A chain of layers, each with a skip to the last one if `dense` is set.
fn network(names: &[String], dense: bool) -> Json {
    let tensor = |name: &str| {
        json!({"class_name": "__keras_tensor__", "config":
        {"shape": [null, 2], "dtype": "float32", "keras_history": [name, 0, 0]}})
    };
    let mut layers = vec![json!({"module": "keras.layers", "class_name": "InputLayer", "name": names[0],
        "config": {"name": names[0], "batch_shape": [null, 2], "dtype": "float32"}, "inbound_nodes": []})];
    for (at, name) in names.iter().enumerate().skip(1) {
        let (class, args) = match dense && at > 1 {
            true => ("Add", json!([names[..at].iter().map(|name| tensor(name)).collect::<Vec<_>>()])),
            false => ("Identity", json!([tensor(&names[at - 1])])),
        };
        layers.push(json!({"module": "keras.layers", "class_name": class, "name": name,
            "config": {"name": name}, "inbound_nodes": [{"args": args, "kwargs": {}}]}));
    }
    let last = names.last().unwrap();
    json!({"module": "keras", "class_name": "Functional", "config": {"name": names[1], "layers": layers,
        "input_layers": [[names[0], 0, 0]], "output_layers": [[last, 0, 0]]}})
}

#[test]
fn hostile_names_do_no_harm() {
    let hostile = [
        "x\"]; evil [label=\"",
        "</text><script>alert(1)</script>",
        "<b>&amp;'\\",
        "\\N\\G\\",
        "a\u{1b}[31m\u{0}\r\nb\u{202e}c\u{feff}\u{ffff}",
        "]]>--><!--",
        "日本語 ∀ 😀",
    ];
    let mut names: Vec<String> = hostile.map(str::to_owned).to_vec();
    names.push("long ".repeat(180));
    for first in 0..names.len() {
        names.rotate_left(usize::from(first > 0));
        let plot = plot_of(&network(&names, false)).unwrap();
        let svg = plot.svg().unwrap();
        check(&svg, names.len() - 1, "hostile");
        let document = Document::parse(&svg).unwrap();
        assert!(!document.descendants().any(|node| node.has_tag_name("script")));
        let shown: Vec<String> = document
            .descendants()
            .filter(|node| has_class(node, "title"))
            .map(|title| title.first_element_child().unwrap().text().unwrap().to_owned())
            .collect();
        assert_eq!(shown.len(), names.len());
        for (name, shown) in names.iter().zip(&shown) {
            assert!(shown.chars().count() <= 64 && !shown.chars().any(char::is_control), "{shown:?}");
            let is_plain = name.chars().count() <= 64 && !name.contains('\u{1b}');
            assert!(!is_plain || shown == name, "{shown:?}");
        }
        let dot = plot.dot();
        // One line for every node and edge: no name ends a label or a line.
        assert_eq!(dot.lines().count(), 5 + names.len() + names.len() - 1, "{dot}");
        let cells = told(&dot)["parts"].clone();
        for (at, shown) in shown.iter().enumerate() {
            let title = cells[at][0].as_str().unwrap();
            assert!(title.starts_with(&format!("{shown} (")), "{title}");
        }
        plot.dpi(20).png().unwrap();
    }
}

#[test]
fn what_is_too_large_is_refused_by_name_and_soon() {
    let names = |count: usize| (0..count).map(|at| format!("layer_{at}")).collect::<Vec<_>>();
    let start = std::time::Instant::now();
    let svg = plot_of(&network(&names(500), false)).unwrap().svg().unwrap();
    check(&svg, 499, "a long chain");
    let svg = plot_of(&network(&names(20), true)).unwrap().svg().unwrap();
    check(&svg, 19 * 20 / 2, "everything with everything");
    for (count, dense) in [(9_000, false), (60, true)] {
        let plot = plot_of(&network(&names(count), dense)).unwrap();
        let error = plot.svg().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.to_string().contains("boxes and bends"), "{error}");
        assert_eq!(told(&plot.dot())["parts"].as_array().unwrap().len(), count);
    }
    assert!(start.elapsed().as_secs() < 120, "it took {:?}", start.elapsed());
}
