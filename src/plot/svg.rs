//! Pictures as SVG.

use std::fmt::Write as _;

use super::card::{Card, Cell, FAMILIES, HEAD, LABEL, LINE, PADDING, TITLE, VALUE};
use super::facts::Scene;
use super::font::Font;
use super::layout::{Picture, Point, Rect, Route};
use super::{Direction, escape};

/// The fonts of the pictures; Verdana is as wide, where there is no DejaVu Sans.
const FAMILY: &str = "'DejaVu Sans', Verdana, sans-serif";
const STROKE: &str = "#94a3b8";
const BORDER: &str = "#cbd5e1";
/// The length of the tip of a line, in pixels, and half its width.
const TIP: (f64, f64) = (8.0, 4.0);
const ROUND: f64 = 7.0;

#[derive(Clone, Copy)]
pub(super) struct Fonts {
    pub regular: Font,
    pub bold: Font,
}

impl Fonts {
    pub(super) fn new() -> Self {
        Self { regular: Font::regular(), bold: Font::bold() }
    }
}

/// The whole document: boxes of models, lines, cards. Groups tell by their classes and data what they are.
pub(super) fn draw(
    scene: &Scene<'_>,
    cards: &[Card<'_>],
    picture: &Picture<'_>,
    rankdir: Direction,
) -> String {
    let (width, height) = (picture.width.ceil(), picture.height.ceil());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FAMILY}\">\n<title>{}</title>\n<style>\n",
        escape(scene.root.name)
    );
    out += ".box { fill: #fff; stroke: #cbd5e1; } .label { fill: #64748b; } .value { fill: #0f172a; font-weight: bold; }\n";
    for family in FAMILIES {
        let (name, fill, ink) = (family.name, family.fill, family.ink);
        let _ = writeln!(out, ".{name} .head {{ fill: {fill}; }} .{name} .title {{ fill: {ink}; }}");
    }
    out += "</style>\n";
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>");
    for (_, rect) in &picture.clusters {
        let _ = writeln!(
            out,
            "<rect class=\"model-box\" {} rx=\"{ROUND}\" fill=\"#64748b\" fill-opacity=\"0.06\" stroke=\"{STROKE}\" \
             stroke-dasharray=\"5 4\"/>",
            place(*rect)
        );
    }
    for ((from, to), route) in scene.edges.iter().zip(&picture.routes) {
        line(&mut out, (*from, *to), route, rankdir);
    }
    for (name, rect) in &picture.clusters {
        let (x, y) = (rect.x + PADDING, rect.y + 21.0);
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{TITLE}\" font-weight=\"bold\" fill=\"#475569\">{}</text>",
            escape(name)
        );
    }
    for (number, (card, rect)) in cards.iter().zip(&picture.cards).enumerate() {
        draw_card(&mut out, number, card, *rect);
    }
    out + "</svg>\n"
}

fn place(rect: Rect) -> String {
    let Rect { x, y, width, height } = rect;
    format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"")
}

fn draw_card(out: &mut String, number: usize, card: &Card<'_>, rect: Rect) {
    let Rect { x, y, width, height } = rect;
    let _ = writeln!(
        out,
        "<g id=\"n{number}\" class=\"node {}\" transform=\"translate({x:.1} {y:.1})\">",
        card.family.name
    );
    let _ = writeln!(out, "<rect class=\"box\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{ROUND}\"/>");
    // Round above, straight where the facts begin.
    let (inner, round) = (width - 1.0, ROUND - 0.5);
    let foot = if card.rows.is_empty() { round } else { 0.0 };
    let _ = writeln!(
        out,
        "<path class=\"head\" d=\"M0.5 {round} a{round} {round} 0 0 1 {round} -{round} h{:.1} a{round} {round} 0 0 1 {round} {round} \
         V{:.1} a{foot} {foot} 0 0 1 -{foot} {foot} h-{:.1} a{foot} {foot} 0 0 1 -{foot} -{foot} z\"/>",
        inner - 2.0 * round,
        HEAD - foot,
        inner - 2.0 * foot,
    );
    let baseline = HEAD / 2.0 + TITLE * 0.36;
    match card.name {
        Some(name) => {
            let _ = writeln!(
                out,
                "<text class=\"title\" y=\"{baseline:.1}\" font-size=\"{TITLE}\"><tspan x=\"{PADDING}\" font-weight=\"bold\">{}</tspan>\
                 <tspan x=\"{:.1}\" text-anchor=\"end\" fill-opacity=\"0.75\">{}</tspan></text>",
                escape(name),
                width - PADDING,
                escape(card.class)
            );
        }
        None => {
            let _ = writeln!(
                out,
                "<text class=\"title\" x=\"{:.1}\" y=\"{baseline:.1}\" font-size=\"{TITLE}\" font-weight=\"bold\" text-anchor=\"middle\">{}</text>",
                width / 2.0,
                escape(card.class)
            );
        }
    }
    let mut top = HEAD;
    for row in &card.rows {
        let _ = writeln!(out, "<path d=\"M0 {top} h{width:.1}\" stroke=\"{BORDER}\"/>");
        let mut left = 0.0;
        for (column, cell) in row.cells.iter().enumerate() {
            if column > 0 {
                let height = row.height;
                let _ = writeln!(out, "<path d=\"M{left:.1} {top} v{height}\" stroke=\"{BORDER}\"/>");
            }
            draw_cell(out, cell, left + PADDING, top);
            left += cell.width;
        }
        top += row.height;
    }
    *out += "</g>\n";
}

fn draw_cell(out: &mut String, cell: &Cell, x: f64, top: f64) {
    let y = top + LINE;
    let _ = write!(
        out,
        "<text><tspan class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{LABEL}\">{}</tspan>",
        cell.label
    );
    for (number, line) in cell.value.iter().enumerate() {
        let y = y + 0.5 + LINE * (number + 1) as f64;
        let _ = write!(
            out,
            "<tspan class=\"value\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{VALUE}\">{}</tspan>",
            escape(line)
        );
    }
    *out += "</text>\n";
}

/// A line with a tip at its end.
fn line(out: &mut String, (from, to): (usize, usize), route: &Route, rankdir: Direction) {
    let [.., before, end] = route.as_slice() else {
        return;
    };
    let start = route.first().unwrap_or(before);
    let (dx, dy) = heading(*before, *end, rankdir);
    let mut path = format!("M{:.1} {:.1}", start.x, start.y);
    for pair in route.windows(2) {
        let [a, b] = pair else { continue };
        let _ = match a.x == b.x || a.y == b.y {
            true => write!(path, " L{:.1} {:.1}", b.x, b.y),
            false => {
                let [one, other] = controls(*a, *b, rankdir);
                write!(
                    path,
                    " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                    one.x, one.y, other.x, other.y, b.x, b.y
                )
            }
        };
    }
    let (back, half) = TIP;
    let (x, y) = (end.x - dx * back, end.y - dy * back);
    let _ = writeln!(
        out,
        "<g class=\"edge\" data-from=\"n{from}\" data-to=\"n{to}\"><path d=\"{path}\" fill=\"none\" stroke=\"{STROKE}\" \
         stroke-width=\"1.5\"/><path d=\"M{:.1} {:.1} L{:.1} {:.1} L{:.1} {:.1} z\" fill=\"{STROKE}\"/></g>",
        end.x,
        end.y,
        x - dy * half,
        y + dx * half,
        x + dy * half,
        y - dx * half
    );
}

/// Where a line goes at its end, as a vector of length one: curves arrive with the flow.
fn heading(before: Point, end: Point, rankdir: Direction) -> (f64, f64) {
    let is_across = if rankdir.is_sideways() { before.x == end.x } else { before.y == end.y };
    match is_across == rankdir.is_sideways() {
        true => (0.0, (end.y - before.y).signum()),
        false => ((end.x - before.x).signum(), 0.0),
    }
}

/// A curve that leaves and arrives with the flow.
fn controls(a: Point, b: Point, rankdir: Direction) -> [Point; 2] {
    match rankdir.is_sideways() {
        true => {
            let x = (a.x + b.x) / 2.0;
            [Point { x, y: a.y }, Point { x, y: b.y }]
        }
        false => {
            let y = (a.y + b.y) / 2.0;
            [Point { x: a.x, y }, Point { x: b.x, y }]
        }
    }
}
