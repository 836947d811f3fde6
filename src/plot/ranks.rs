//! Rows for boxes, and an order within each: by the crate `layout-rs`.

use layout::core::base::Orientation;
use layout::core::geometry::{Point, Position};
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;
use layout::topo::placer::Placer;

use super::align::Rows;
use crate::error::Result;
use crate::limits::Limits;

/// Most boxes of a picture, together with the bends of lines between rows that are not beside each other.
/// The time for a layout grows with its square.
const MOST_BOXES: u64 = 8_000;
/// With more work than this, nobody looks for an order with few crossings: there would be too many to be
/// followed anyway.
const MOST_WORK: u64 = 4_000_000;
/// Between boxes, and between lines that pass by, in pixels.
const GAP: f64 = 28.0;
const LINE_GAP: f64 = 14.0;

/// Where boxes are in the rows of a picture.
#[derive(Debug)]
pub(super) struct Ranks {
    /// For every box, its row.
    pub rows: Vec<usize>,
    /// For every box, its middle across the rows, from anywhere.
    pub middles: Vec<f64>,
    /// For every link, where it passes the rows between its ends, one after the other.
    pub bends: Vec<Vec<f64>>,
}

/// Finds places for boxes of these widths. A link goes from a box to a later one; they are sorted by
/// their starts, so that no search for loops in the layout has anything to look at.
pub(super) fn place(widths: &[f64], links: &[(usize, usize)]) -> Result<Ranks> {
    let earliest = earliest_rows(widths.len(), links);
    let spans = links.iter().map(|(from, to)| (earliest[*to] - earliest[*from] - 1) as u64);
    let boxes = (widths.len() as u64).saturating_add(spans.fold(0, u64::saturating_add));
    Limits::check("boxes and bends of lines in a picture", boxes, MOST_BOXES)?;
    let is_wild = crossing_work(&earliest, links) > MOST_WORK;

    let mut graph = VisualGraph::new(Orientation::TopToBottom);
    // It checks after every step that there is no loop, by walking every path through the graph.
    graph.dag.set_validate(false);
    let at = |size: f64, gap: f64| {
        Position::new(Point::zero(), Point::new(size, 1.0), Point::zero(), Point::splat(gap))
    };
    let boxes: Vec<_> = widths
        .iter()
        .map(|width| {
            let mut element = Element::create(
                ShapeKind::new_box(""),
                StyleAttr::simple(),
                Orientation::TopToBottom,
                Point::zero(),
            );
            element.pos = at(*width, GAP);
            graph.add_node(element)
        })
        .collect();
    for (from, to) in links {
        graph.add_edge(Arrow::default(), boxes[*from], boxes[*to]);
    }
    graph.to_valid_dag();
    graph.split_long_edges(is_wild);
    let all: Vec<_> = graph.iter_nodes().collect();
    for bend in all.iter().skip(boxes.len()) {
        *graph.pos_mut(*bend) = at(1.0, LINE_GAP);
    }
    Placer::new(&mut graph).layout(false);

    let mut rows = vec![0; all.len()];
    for (row, members) in graph.dag.ranks().iter().enumerate() {
        for member in members {
            rows[member.get_index()] = row;
        }
    }
    let mut middles: Vec<f64> = all.iter().map(|node| graph.pos(*node).center().x).collect();
    let order: Vec<Vec<usize>> =
        graph.dag.ranks().iter().map(|row| row.iter().map(|node| node.get_index()).collect()).collect();
    // Bends come in the order of the links that they are made for.
    let mut next = boxes.len();
    let chains: Vec<Vec<usize>> = links
        .iter()
        .map(|(from, to)| {
            let first = next;
            next += rows[*to].saturating_sub(rows[*from] + 1);
            (first..next).collect()
        })
        .collect();
    let sizes: Vec<f64> = all.iter().map(|node| graph.pos(*node).size(true).x).collect();
    Rows::new(boxes.len(), links, &chains, &order, &sizes).settle(&mut middles);
    straighten(&chains, links, &rows, &order, &sizes, &mut middles);
    let bends = chains.iter().map(|chain| chain.iter().map(|bend| middles[*bend]).collect()).collect();
    middles.truncate(widths.len());
    rows.truncate(widths.len());
    Ok(Ranks { rows, middles, bends })
}

/// The row of every box, when each is as early as it can be.
fn earliest_rows(boxes: usize, links: &[(usize, usize)]) -> Vec<usize> {
    let mut rows = vec![0; boxes];
    for (from, to) in links {
        rows[*to] = rows[*to].max(rows[*from] + 1);
    }
    rows
}

/// How much work it is to look for an order with few crossings: every two members of a row are compared with
/// all of the rows beside it.
fn crossing_work(rows: &[usize], links: &[(usize, usize)]) -> u64 {
    let mut sizes = vec![0_u64; rows.iter().max().map_or(0, |last| last + 1)];
    for row in rows {
        sizes[*row] += 1;
    }
    for (from, to) in links {
        sizes[rows[*from] + 1..rows[*to]].iter_mut().for_each(|size| *size += 1);
    }
    let work = sizes.windows(2).map(|pair| pair[0].saturating_mul(pair[1]).saturating_mul(pair[0] + pair[1]));
    work.fold(0, u64::saturating_add)
}

/// Moves bends of a line above each other, as far as their neighbours in the rows let them. Long lines first.
fn straighten(
    chains: &[Vec<usize>],
    links: &[(usize, usize)],
    rows: &[usize],
    order: &[Vec<usize>],
    sizes: &[f64],
    middles: &mut [f64],
) {
    let mut places = vec![0; middles.len()];
    for row in order {
        for (place, member) in row.iter().enumerate() {
            places[*member] = place;
        }
    }
    let mut longest: Vec<usize> = (0..chains.len()).collect();
    longest.sort_by_key(|link| std::cmp::Reverse(chains[*link].len()));
    for link in longest {
        let (from, to) = links[link];
        let mut run: Vec<usize> = Vec::new();
        let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
        for bend in &chains[link] {
            let row = &order[rows[*bend]];
            let apart = |other: &usize| (sizes[*bend] + sizes[*other]) / 2.0;
            let left = places[*bend].checked_sub(1).and_then(|left| row.get(left));
            let right = row.get(places[*bend] + 1);
            let left = left.map_or(f64::NEG_INFINITY, |left| middles[*left] + apart(left));
            let right = right.map_or(f64::INFINITY, |right| middles[*right] - apart(right));
            if least.max(left) > most.min(right) {
                align(&mut run, (least, most), (from, to), middles);
                (least, most) = (left, right);
            } else {
                (least, most) = (least.max(left), most.min(right));
            }
            run.push(*bend);
        }
        align(&mut run, (least, most), (from, to), middles);
    }
}

/// Puts bends at one place between `least` and `most`: at an end of the line, or where they are on average.
fn align(run: &mut Vec<usize>, (least, most): (f64, f64), ends: (usize, usize), middles: &mut [f64]) {
    if run.is_empty() || least > most {
        run.clear();
        return;
    }
    let mean = run.iter().map(|bend| middles[*bend]).sum::<f64>() / run.len() as f64;
    let ends = [ends.0, ends.1].map(|end| middles[end]);
    let wanted = ends.into_iter().find(|end| (least..=most).contains(end)).unwrap_or(mean);
    for bend in run.drain(..) {
        middles[bend] = wanted.max(least).min(most);
    }
}
