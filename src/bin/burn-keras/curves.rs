//! What was watched in a training, as curves.

use std::path::Path;

use burn_keras::train::History;
use burn_keras::{Error, Result};
use plotters::prelude::*;
use textplots::{Chart, Plot, Shape};

/// Of the picture of one name, in pixels.
const SIZE: (u32, u32) = (640, 320);
const COLORS: [RGBColor; 2] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14)];
/// Of a drawing in the terminal, in dots: two by four of them are a character.
const DOTS: (u32, u32) = (120, 40);

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
        points.filter(|(_, number)| number.is_finite()).collect()
    };
    let curve = |name: &&str| {
        let lines = [("training", points(name)), ("validation", points(&format!("val_{name}")))];
        let lines = lines.into_iter().filter(|(_, points)| !points.is_empty()).collect();
        Curve { name: (*name).to_owned(), lines }
    };
    base.map(curve).filter(|curve| !curve.lines.is_empty()).collect()
}

impl Curve {
    fn points(&self) -> impl Iterator<Item = &(f32, f32)> {
        self.lines.iter().flat_map(|(_, points)| points)
    }

    /// The first and the last epoch, and the least and the largest number, with some room.
    fn ranges(&self) -> [(f32, f32); 2] {
        let range = |of: fn(&(f32, f32)) -> f32| {
            let numbers = self.points().map(of);
            numbers.fold((f32::MAX, f32::MIN), |(least, most), number| (least.min(number), most.max(number)))
        };
        let room = |(least, most): (f32, f32)| {
            let room = ((most - least) * 0.05).max(f32::EPSILON.max(most.abs() * 1e-3));
            (least - room, most + room)
        };
        [range(|point| point.0), room(range(|point| point.1))]
    }
}

/// The curves of all names, for a terminal. Nothing before there are two epochs.
pub fn text(history: &History) -> String {
    let mut all = String::new();
    for curve in curves(history) {
        let [(first, last), (least, most)] = curve.ranges();
        if first >= last {
            continue;
        }
        let shapes: Vec<Shape<'_>> = curve.lines.iter().map(|(_, points)| Shape::Lines(points)).collect();
        let mut chart = Chart::new_with_y_range(DOTS.0, DOTS.1, first, last, least, most);
        let chart = shapes.iter().fold(&mut chart, |chart, shape| chart.lineplot(shape));
        chart.axis();
        chart.figures();
        let names: Vec<&str> = curve.lines.iter().map(|(name, _)| *name).collect();
        all += &format!("{} ({})\n{chart}\n", curve.name, names.join(", "));
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
            let [(first, last), (least, most)] = curve.ranges();
            let mut chart = ChartBuilder::on(area)
                .caption(&curve.name, ("sans-serif", 18))
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
