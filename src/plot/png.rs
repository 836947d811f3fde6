//! Pictures as PNG.

use std::sync::Arc;

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::svg::Fonts;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Units of an SVG to the inch.
const UNITS: f64 = 96.0;
/// Most pixels of a picture. Each takes four bytes.
const MOST_PIXELS: u64 = 1 << 28;

/// Reads a picture of ours with our fonts and no other.
pub(super) fn parse(svg: &str) -> Result<Tree> {
    let fonts = Fonts::new();
    let mut known = fontdb::Database::new();
    for font in [fonts.regular, fonts.bold] {
        known.load_font_source(fontdb::Source::Binary(Arc::new(font.data())));
    }
    let options =
        Options { fontdb: Arc::new(known), font_family: "DejaVu Sans".to_owned(), ..Options::default() };
    Tree::from_str(svg, &options).map_err(|error| Error::input("cannot draw").with_source(error))
}

/// The picture with so many pixels to the inch.
pub(super) fn draw(svg: &str, dpi: u32) -> Result<Vec<u8>> {
    let tree = parse(svg)?;
    let scale = f64::from(dpi.max(1)) / UNITS;
    let pixels = |units: f32| (f64::from(units) * scale).round().max(1.0) as u64;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let limit = Limits::check("pixels of a picture", width.saturating_mul(height), MOST_PIXELS);
    limit.map_err(|error| error.at(format_args!("{width} x {height} at {dpi} dpi")))?;
    let pixmap = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let pixmap = pixmap.and_then(|(width, height)| Pixmap::new(width, height));
    let mut pixmap = pixmap.ok_or_else(|| Error::limit("a picture too large for memory"))?;
    // Sizes are rounded, so that the picture may end within a pixel.
    pixmap.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| Error::input("cannot write a PNG").with_source(error))
}
