//! Where the cards, the boxes of expanded models and the lines of a picture are.
//!
//! Everything is placed as if the data flowed downwards, and turned at the end. A cluster is laid out by itself
//! and is one large box in the one around it. Lines into it start at its upper border, lines out of it end at
//! its lower one, above or below of what they belong to.

use std::collections::HashMap;

use super::Direction;
use super::card::{Card, PADDING, TITLE};
use super::facts::{Cluster, Part, Scene};
use super::ranks::{Ranks, place};
use super::svg::Fonts;
use crate::error::Result;

/// Between rows, in pixels; more where lines go far to the side.
const ROW_GAP: f64 = 34.0;
const STEEPNESS: f64 = 0.08;
const MOST_GAP: f64 = 90.0;
/// Around what is in the box of a model, and its title.
const INSET: f64 = 18.0;
const BAND: f64 = 30.0;
/// Around everything.
const MARGIN: f64 = 16.0;
/// How long a line is straight before its end.
const TIP: f64 = 8.0;
/// How far the line of a layer that takes what it gives goes to the side.
const LOOP: f64 = 14.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// A line through these points: straight where it goes with the flow or across it, a curve otherwise.
pub(super) type Route = Vec<Point>;

/// Places for everything that is drawn.
#[derive(Debug, Default)]
pub(super) struct Picture<'a> {
    pub width: f64,
    pub height: f64,
    /// By the numbers of the nodes.
    pub cards: Vec<Rect>,
    /// The boxes of expanded models, outer ones first.
    pub clusters: Vec<(&'a str, Rect)>,
    /// By the numbers of the edges.
    pub routes: Vec<Route>,
}

/// A part of a picture that is laid out by itself.
#[derive(Default)]
struct Laid<'a> {
    width: f64,
    height: f64,
    cards: Vec<(usize, Rect)>,
    clusters: Vec<(&'a str, Rect)>,
    routes: Vec<(usize, Route)>,
    /// By node: lines from the upper border to it, and from it to the lower border.
    entries: HashMap<usize, Route>,
    exits: HashMap<usize, Route>,
}

/// An edge, as far as a cluster has to do with it: its number, and the nodes at its ends that are inside.
/// One that goes upwards is drawn from its end to its start.
#[derive(Clone, Copy)]
struct Edge {
    number: usize,
    from: Option<usize>,
    to: Option<usize>,
    is_turned: bool,
}

/// A line between two boxes of a cluster, and the nodes in them that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Link {
    from: usize,
    to: usize,
    source: Option<usize>,
    target: Option<usize>,
}

struct Layouter<'a, 'b> {
    scene: &'b Scene<'a>,
    cards: &'b [Card<'a>],
    fonts: &'b Fonts,
    rankdir: Direction,
    /// For every node, its way from the outside: numbers of parts.
    homes: Vec<Vec<usize>>,
}

/// Finds a place for everything.
///
/// # Errors
/// When there is too much.
pub(super) fn lay_out<'a>(
    scene: &Scene<'a>,
    cards: &[Card<'a>],
    fonts: &Fonts,
    rankdir: Direction,
) -> Result<Picture<'a>> {
    let mut homes = vec![Vec::new(); scene.nodes.len()];
    find_homes(&scene.root, &mut Vec::new(), &mut homes);
    let edges = scene.edges.iter().enumerate();
    let edges: Vec<Edge> = edges
        .map(|(number, (from, to))| Edge { number, from: Some(*from), to: Some(*to), is_turned: false })
        .collect();
    let layouter = Layouter { scene, cards, fonts, rankdir, homes };
    let mut laid = layouter.lay(&layouter.scene.root, 0, &edges)?;
    laid.shift(MARGIN, MARGIN);
    let (width, height) = (laid.width + 2.0 * MARGIN, laid.height + 2.0 * MARGIN);

    let turn = |point: Point| {
        let point = if rankdir.is_backwards() { Point { y: height - point.y, ..point } } else { point };
        if rankdir.is_sideways() { Point { x: point.y, y: point.x } } else { point }
    };
    let turn_rect = |rect: Rect| {
        let a = turn(Point { x: rect.x, y: rect.y });
        let b = turn(Point { x: rect.x + rect.width, y: rect.y + rect.height });
        Rect { x: a.x.min(b.x), y: a.y.min(b.y), width: (a.x - b.x).abs(), height: (a.y - b.y).abs() }
    };
    let mut picture = Picture {
        cards: vec![Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 }; cards.len()],
        routes: vec![Route::new(); scene.edges.len()],
        clusters: laid.clusters.into_iter().map(|(name, rect)| (name, turn_rect(rect))).collect(),
        ..Picture::default()
    };
    (picture.width, picture.height) = if rankdir.is_sideways() { (height, width) } else { (width, height) };
    for (node, rect) in laid.cards {
        picture.cards[node] = turn_rect(rect);
    }
    for (edge, route) in laid.routes {
        picture.routes[edge] = route.into_iter().map(turn).collect();
    }
    Ok(picture)
}

fn find_homes(cluster: &Cluster<'_>, home: &mut Vec<usize>, homes: &mut [Vec<usize>]) {
    for (at, part) in cluster.parts.iter().enumerate() {
        home.push(at);
        match part {
            Part::Node(node) => homes[*node].clone_from(home),
            Part::Cluster(inner) => find_homes(inner, home, homes),
        }
        home.pop();
    }
}

impl Laid<'_> {
    fn shift(&mut self, x: f64, y: f64) {
        let routes = self.routes.iter_mut().map(|(_, route)| route);
        let routes = routes.chain(self.entries.values_mut()).chain(self.exits.values_mut());
        for point in routes.flatten() {
            (point.x, point.y) = (point.x + x, point.y + y);
        }
        let rects = self.cards.iter_mut().map(|(_, rect)| rect);
        for rect in rects.chain(self.clusters.iter_mut().map(|(_, rect)| rect)) {
            (rect.x, rect.y) = (rect.x + x, rect.y + y);
        }
    }
}

/// What is to be laid out in a cluster.
struct Boxes<'a> {
    /// What is in the parts that are clusters.
    inner: Vec<Option<Laid<'a>>>,
    /// Widths and heights of all boxes: the upper border if there is one, the parts, the lower border.
    sizes: Vec<(f64, f64)>,
    /// With the numbers of their edges, and whether they are turned.
    links: Vec<(Link, Vec<(usize, bool)>)>,
    /// Edges from a node to itself, and its part.
    loops: Vec<(usize, usize)>,
    has_borders: bool,
}

impl<'a> Layouter<'a, '_> {
    fn lay(&self, cluster: &Cluster<'a>, depth: usize, edges: &[Edge]) -> Result<Laid<'a>> {
        let boxes = self.boxes(cluster, depth, edges)?;
        let mut ends: Vec<(usize, usize)> =
            boxes.links.iter().map(|(link, _)| (link.from, link.to)).collect();
        ends.extend(boxes.ties());
        // The ties come last and are drawn nowhere.
        let mut order: Vec<usize> = (0..ends.len()).collect();
        order.sort_by_key(|link| ends[*link]);
        let widths: Vec<f64> = boxes.sizes.iter().map(|(width, _)| *width).collect();
        let sorted: Vec<_> = order.iter().map(|link| ends[*link]).collect();
        let mut ranks = place(&widths, &sorted)?;
        let mut bends = vec![Vec::new(); ends.len()];
        for (link, passed) in order.into_iter().zip(std::mem::take(&mut ranks.bends)) {
            bends[link] = passed;
        }
        ranks.bends = bends;
        Ok(self.assemble(cluster, boxes, &ranks))
    }

    /// The boxes of a cluster and what connects them.
    fn boxes(&self, cluster: &Cluster<'a>, depth: usize, edges: &[Edge]) -> Result<Boxes<'a>> {
        let has_borders = depth > 0;
        let first = usize::from(has_borders);
        let lower = first + cluster.parts.len();
        let part = |node: Option<usize>| node.and_then(|node| self.homes[node].get(depth).copied());
        let mut inner_edges = vec![Vec::new(); cluster.parts.len()];
        let mut links: HashMap<Link, Vec<(usize, bool)>> = HashMap::new();
        let mut loops = Vec::new();
        for edge in edges {
            let mut edge = *edge;
            let (mut from, mut to) = (part(edge.from), part(edge.to));
            if let (Some(one), Some(other)) = (from, to) {
                if one == other {
                    match cluster.parts[one] {
                        Part::Cluster(_) => inner_edges[one].push(edge),
                        Part::Node(_) => loops.push((edge.number, one)),
                    }
                    continue;
                }
                if one > other {
                    (from, to) = (to, from);
                    edge = Edge { from: edge.to, to: edge.from, is_turned: true, ..edge };
                }
            }
            for (part, inside) in [(from, Edge { to: None, ..edge }), (to, Edge { from: None, ..edge })] {
                if let Some(part) = part.filter(|part| matches!(cluster.parts[*part], Part::Cluster(_))) {
                    inner_edges[part].push(inside);
                }
            }
            let (from, to) = (from.map_or(0, |part| part + first), to.map_or(lower, |part| part + first));
            let link = Link { from, to, source: edge.from, target: edge.to };
            links.entry(link).or_default().push((edge.number, edge.is_turned));
        }
        let mut links: Vec<_> = links.into_iter().collect();
        links.sort_unstable_by_key(|(link, _)| *link);

        let mut sizes = vec![(1.0, 0.0); first];
        let mut inner = Vec::with_capacity(cluster.parts.len());
        for (at, (part, edges)) in cluster.parts.iter().zip(inner_edges).enumerate() {
            let (size, laid) = match part {
                Part::Node(node) => {
                    let card = &self.cards[*node];
                    let size = (card.width, card.height);
                    (if self.rankdir.is_sideways() { (size.1, size.0) } else { size }, None)
                }
                Part::Cluster(cluster) => {
                    let laid = self.lay(cluster, depth + 1, &edges)?;
                    ((laid.width, laid.height), Some(laid))
                }
            };
            let has_loop = loops.iter().any(|(_, part)| *part == at);
            sizes.push(if has_loop { (size.0 + 2.0 * LOOP, size.1) } else { size });
            inner.push(laid);
        }
        sizes.extend(has_borders.then_some((1.0, 0.0)));
        Ok(Boxes { inner, sizes, links, loops, has_borders })
    }
}

/// Where the rows of a cluster are.
struct Rows {
    /// The upper and the lower side of each.
    sides: Vec<(f64, f64)>,
    /// The lower border of the cluster.
    height: f64,
}

/// How much room there is around what is in a cluster: before it and after it, across the flow and with it.
struct Insets {
    across: (f64, f64),
    along: (f64, f64),
}

impl Insets {
    fn new(has_borders: bool, rankdir: Direction) -> Self {
        // The title is at the top of the picture, wherever the data flows to.
        let (across, along) = match rankdir {
            _ if !has_borders => ((0.0, 0.0), (0.0, 0.0)),
            Direction::TopToBottom => ((INSET, INSET), (BAND + INSET, INSET)),
            Direction::BottomToTop => ((INSET, INSET), (INSET, BAND + INSET)),
            Direction::LeftToRight | Direction::RightToLeft => ((BAND, INSET), (INSET, INSET)),
        };
        Self { across, along }
    }
}

impl<'a> Layouter<'a, '_> {
    /// Draws all lines of a cluster between its boxes.
    fn assemble(&self, cluster: &Cluster<'a>, mut boxes: Boxes<'a>, ranks: &Ranks) -> Laid<'a> {
        let insets = Insets::new(boxes.has_borders, self.rankdir);
        let sides = |at: usize| {
            let half = boxes.sizes[at].0 / 2.0;
            [ranks.middles[at] - half, ranks.middles[at] + half]
        };
        let first = usize::from(boxes.has_borders);
        let parts = first..first + cluster.parts.len();
        let links = 0..boxes.links.len();
        let reached =
            parts.clone().flat_map(sides).chain(links.flat_map(|link| ranks.bends[link].iter().copied()));
        let (least, most) =
            reached.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)));
        let shift = insets.across.0 - least;
        let mut width = most - least + insets.across.0 + insets.across.1;

        let across: Vec<Vec<f64>> =
            (0..boxes.links.len()).map(|link| boxes.across(link, ranks, shift)).collect();
        let rows = boxes.rows(ranks, &across, &insets);
        let mut height = rows.height;
        if boxes.has_borders {
            let title = self.fonts.bold.width(cluster.name, TITLE) + 2.0 * PADDING;
            let titled = if self.rankdir.is_sideways() { &mut height } else { &mut width };
            *titled = titled.max(title);
        }

        let mut laid = Laid { width, height, ..Laid::default() };
        let mut rects = vec![Rect { x: 0.0, y: 0.0, width: 0.0, height: 0.0 }; boxes.sizes.len()];
        for at in parts {
            let (top, bottom) = rows.sides[ranks.rows[at]];
            let (width, height) = boxes.sizes[at];
            let (x, y) = (ranks.middles[at] + shift - width / 2.0, (top + bottom - height) / 2.0);
            rects[at] = Rect { x, y, width, height };
            if let Some(inner) = &mut boxes.inner[at - first] {
                inner.shift(x, y);
            }
        }
        boxes.connect(ranks, &across, &rows, &rects, &mut laid);
        for (at, (part, inner)) in cluster.parts.iter().zip(boxes.inner).enumerate() {
            let rect = rects[at + first];
            match (part, inner) {
                (Part::Cluster(cluster), Some(inner)) => {
                    laid.clusters.push((cluster.name, rect));
                    laid.clusters.extend(inner.clusters);
                    laid.cards.extend(inner.cards);
                    laid.routes.extend(inner.routes);
                }
                (Part::Node(node), _) => {
                    let looped = boxes.loops.iter().filter(|(_, part)| *part == at);
                    let mut card = rect;
                    for (number, _) in looped {
                        card = Rect { x: rect.x + LOOP, width: rect.width - 2.0 * LOOP, ..rect };
                        laid.routes.push((*number, around(card)));
                    }
                    laid.cards.push((*node, card));
                }
                _ => {}
            }
        }
        laid
    }
}

/// From the right side of a box back to it.
fn around(card: Rect) -> Route {
    let (right, middle) = (card.x + card.width, card.y + card.height / 2.0);
    let corners =
        [(right, middle + LOOP), (right + LOOP, middle + LOOP), (right + LOOP, middle), (right, middle)];
    corners.into_iter().map(|(x, y)| Point { x, y }).collect()
}

impl Boxes<'_> {
    /// Where a link is in each of its rows.
    fn across(&self, number: usize, ranks: &Ranks, shift: f64) -> Vec<f64> {
        let (link, _) = &self.links[number];
        let port = |at: usize, node: Option<usize>, is_start: bool| {
            if self.is_border(at) {
                return None;
            }
            let inner = self.inner.get(at - usize::from(self.has_borders)).and_then(Option::as_ref);
            let route = inner.zip(node).and_then(|(inner, node)| match is_start {
                true => inner.exits.get(&node)?.last(),
                false => inner.entries.get(&node)?.first(),
            });
            let offset = route.map_or(0.0, |point| point.x - self.sizes[at].0 / 2.0);
            Some(ranks.middles[at] + offset + shift)
        };
        let bends = ranks.bends[number].iter().map(|bend| bend + shift);
        let (start, end) = (port(link.from, link.source, true), port(link.to, link.target, false));
        let mut across: Vec<f64> = start.into_iter().chain(bends).chain(end).collect();
        // At a border it is where it is in the row beside it.
        if start.is_none() {
            across.insert(0, across.first().copied().unwrap_or_default());
        }
        if end.is_none() {
            across.push(across.last().copied().unwrap_or_default());
        }
        across
    }

    fn is_border(&self, at: usize) -> bool {
        self.has_borders && (at == 0 || at + 1 == self.sizes.len())
    }

    fn rows(&self, ranks: &Ranks, across: &[Vec<f64>], insets: &Insets) -> Rows {
        let count = ranks.rows.iter().max().map_or(0, |last| last + 1);
        let mut heights: Vec<Option<f64>> = vec![None; count];
        for (at, row) in ranks.rows.iter().enumerate().filter(|(at, _)| !self.is_border(*at)) {
            heights[*row] = Some(self.sizes[at].1.max(heights[*row].unwrap_or(0.0)));
        }
        let mut gaps = vec![ROW_GAP; count];
        for ((link, _), across) in self.links.iter().zip(across) {
            for (step, pair) in across.windows(2).enumerate() {
                let gap = &mut gaps[ranks.rows[link.from] + step];
                *gap = gap.max(ROW_GAP + STEEPNESS * (pair[1] - pair[0]).abs()).min(MOST_GAP);
            }
        }
        let last = heights.iter().rposition(Option::is_some);
        let mut y = insets.along.0;
        let mut sides = Vec::with_capacity(count);
        for (row, height) in heights.into_iter().enumerate() {
            sides.push((y, y + height.unwrap_or(0.0)));
            y += height.map_or(0.0, |height| height + if Some(row) == last { 0.0 } else { gaps[row] });
        }
        Rows { sides, height: y + insets.along.1 }
    }

    /// The lines of all links, together with those inside of the clusters at their ends.
    fn connect(&self, ranks: &Ranks, across: &[Vec<f64>], rows: &Rows, rects: &[Rect], laid: &mut Laid<'_>) {
        for ((link, edges), across) in self.links.iter().zip(across) {
            let start = match self.is_border(link.from) {
                true => 0.0,
                false => rects[link.from].y + rects[link.from].height,
            };
            let end = if self.is_border(link.to) { laid.height } else { rects[link.to].y };
            let mut route = self.inner_route(link.from, link.source, true);
            let mut y = start;
            for (step, x) in across.iter().enumerate() {
                let (top, bottom) = rows.sides[ranks.rows[link.from] + step];
                // Room for the tip of the line.
                let top = (top - TIP).max(y);
                let (before, after) =
                    (if step == 0 { y } else { top }, if step + 1 == across.len() { end } else { bottom });
                route.push(Point { x: *x, y: before });
                route.push(Point { x: *x, y: after });
                y = after;
            }
            route.extend(self.inner_route(link.to, link.target, false));
            route.dedup();
            match (link.source, link.target) {
                (None, Some(target)) => drop(laid.entries.insert(target, route)),
                (Some(source), None) => drop(laid.exits.insert(source, route)),
                _ => laid.routes.extend(edges.iter().map(|(number, is_turned)| {
                    let mut route = route.clone();
                    if *is_turned {
                        route.reverse();
                    }
                    (*number, route)
                })),
            }
        }
    }

    /// The line of a node inside of a cluster from or to the border of that.
    fn inner_route(&self, at: usize, node: Option<usize>, is_start: bool) -> Route {
        let at = at.checked_sub(usize::from(self.has_borders));
        let inner = at.and_then(|at| self.inner.get(at)).and_then(Option::as_ref);
        let route = inner.zip(node).and_then(|(inner, node)| match is_start {
            true => inner.exits.get(&node),
            false => inner.entries.get(&node),
        });
        route.cloned().unwrap_or_default()
    }

    /// Links that keep everything between the borders.
    fn ties(&self) -> Vec<(usize, usize)> {
        let lower = self.sizes.len() - 1;
        let inside = 1..if self.has_borders { lower } else { 1 };
        let (mut is_entered, mut is_left) = (vec![false; self.sizes.len()], vec![false; self.sizes.len()]);
        for (link, _) in &self.links {
            (is_entered[link.to], is_left[link.from]) = (true, true);
        }
        let starts = inside.clone().filter(|part| !is_entered[*part]).map(|part| (0, part));
        starts.chain(inside.filter(|part| !is_left[*part]).map(|part| (part, lower))).collect()
    }
}
