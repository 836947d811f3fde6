//! What was watched in a training, as curves.

use std::path::Path;

use burn_keras::train::History;
use burn_keras::{Error, Result};
use plotters::prelude::*;
use textplots::{Chart, LabelBuilder, LabelFormat, Plot, Shape};

/// Of the picture of one name, in pixels.
const SIZE: (u32, u32) = (640, 320);
const CAPTION: (&str, u32) = ("sans-serif", 18);
const COLORS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14)];
/// Of a drawing in the terminal, in dots: two by four of them are a character.
const DOTS: (u32, u32) = (120, 40);
/// Larger numbers are not drawn: sums and differences of them have to be numbers as well.
const MOST: f32 = 1e30;

/// A name with its numbers on the examples of the training and on those of the validation.
struct Curve {
    name: String,
    /// Epochs, from 1 on, with their numbers.
    lines: Vec<(&'static str, Vec<(f32, f32)>)>,
}

fn curves(history: &History) -> Vec<Curve> {
    let names = history.names();
    let base = names.iter().filter(|name| !name.strip_prefix("val_").is_some_and(|of| names.contains(&of)));
    let points = |name: &str| -> Vec<(f32, f32)> {
        let points =
            history.iter().filter_map(|(epoch, logs)| Some((epoch as f32 + 1.0, logs.get(name)? as f32)));
        points.filter(|(_, number)| number.abs() < MOST).collect()
    };
    let curve = |name: &&str| {
        let lines = [("training", points(name)), ("validation", points(&format!("val_{name}")))];
        let lines = lines.into_iter().filter(|(_, points)| !points.is_empty()).collect();
        // XML has no place for control characters.
        Curve { name: name.replace(char::is_control, " "), lines }
    };
    base.map(curve).collect()
}

impl Curve {
    /// The first and the last epoch, and the least and the largest number, with some room. None without points.
    fn ranges(&self) -> Option<[(f32, f32); 2]> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let range = |of: fn(&(f32, f32)) -> f32| {
            let (least, most) = (points().map(of).reduce(f32::min)?, points().map(of).reduce(f32::max)?);
            Some((least, most))
        };
        let room = |(least, most): (f32, f32)| {
            let room = ((most - least) * 0.05).max(least.abs().max(most.abs()) * 1e-3);
            let room = if room > 0.0 { room } else { 1.0 };
            (least - room, most + room)
        };
        Some([range(|point| point.0)?, room(range(|point| point.1)?)])
    }

    /// What it shows, and of what.
    fn title(&self) -> String {
        match self.lines.iter().map(|(name, _)| *name).collect::<Vec<_>>() {
            lines if lines.is_empty() => format!("{}: no numbers to draw", self.name),
            lines => format!("{} ({})", self.name, lines.join(", ")),
        }
    }
}

/// A number with four digits, in a few characters.
pub fn short(number: f64) -> String {
    match number.abs() {
        0.0 | 1e-3..1e5 => format!("{number:.4}"),
        _ => format!("{number:.3e}"),
    }
}

/// The curves of all names, for a terminal of 80 columns. Nothing before there are two epochs.
pub fn text(history: &History) -> String {
    let mut all = String::new();
    for curve in curves(history) {
        let Some([(first, last), (least, most)]) = curve.ranges().filter(|[(first, last), _]| first < last)
        else {
            continue;
        };
        let shapes: Vec<Shape<'_>> = curve.lines.iter().map(|(_, points)| Shape::Lines(points)).collect();
        let mut chart = Chart::new_with_y_range(DOTS.0, DOTS.1, first, last, least, most);
        let chart = shapes.iter().fold(&mut chart, |chart, shape| chart.lineplot(shape));
        let chart = chart
            .x_label_format(LabelFormat::Custom(Box::new(|epoch| format!("{epoch:.0}"))))
            .y_label_format(LabelFormat::Custom(Box::new(|number| short(number.into()))));
        chart.axis();
        chart.figures();
        all += &format!("{}\n{chart}\n", curve.title());
    }
    all
}

/// Draws the curves of all names into a file in SVG.
pub fn draw(history: &History, path: &Path) -> Result<()> {
    let curves = curves(history);
    let rows = u32::try_from(curves.len()).unwrap_or(u32::MAX).max(1);
    let mut picture = String::new();
    let drawn = (|| {
        let root =
            SVGBackend::with_string(&mut picture, (SIZE.0, SIZE.1.saturating_mul(rows))).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, curve) in root.split_evenly((rows as usize, 1)).iter().zip(&curves) {
            let Some([(first, last), (least, most)]) = curve.ranges() else {
                area.titled(&curve.title(), CAPTION)?;
                continue;
            };
            let mut chart = ChartBuilder::on(area)
                .caption(&curve.name, CAPTION)
                .margin(12)
                .x_label_area_size(28)
                .y_label_area_size(56)
                .build_cartesian_2d(first..last.max(first + 1.0), least..most)?;
            let epochs = (last - first) as usize + 1;
            chart
                .configure_mesh()
                .x_labels(epochs.min(12))
                .x_label_formatter(&|epoch| format!("{epoch:.0}"))
                .x_desc("epoch")
                .draw()?;
            for ((name, points), color) in curve.lines.iter().zip(COLORS) {
                // A line through a single epoch could not be seen.
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 2, color.filled())))?;
                let line = LineSeries::new(points.iter().copied(), color.stroke_width(2));
                let line = chart.draw_series(line)?.label(*name);
                line.legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
            }
            chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
        }
        root.present()
    })();
    drawn.map_err(|error| Error::input(format_args!("cannot draw: {error}")).in_file(path))?;
    std::fs::write(path, picture).map_err(|error| Error::io("cannot write", error).in_file(path))
}
