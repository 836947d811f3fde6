//! How wide text is in the font of the pictures: read out of the font itself.

/// A TrueType font, as far as advance widths go.
#[derive(Clone, Copy)]
pub(super) struct Font {
    data: &'static [u8],
    /// Groups of characters with consecutive glyphs: format 12 of the table `cmap`.
    groups: &'static [u8],
    advances: &'static [u8],
    /// How many glyphs have an advance of their own; all others have that of the last one.
    count: usize,
    units_per_em: f64,
}

impl Font {
    pub(super) fn regular() -> Self {
        Self::new(dejavu::sans::regular())
    }

    pub(super) fn bold() -> Self {
        Self::new(dejavu::sans::bold())
    }

    fn new(data: &'static [u8]) -> Self {
        let table = |tag| table(data, tag).unwrap_or_default();
        let units_per_em = short(table(b"head"), 18).unwrap_or(2048).into();
        let count = short(table(b"hhea"), 34).unwrap_or(0).into();
        let groups = groups(table(b"cmap")).unwrap_or_default();
        Self { data, groups, advances: table(b"hmtx"), count, units_per_em }
    }

    /// The bytes of its file.
    pub(super) fn data(self) -> &'static [u8] {
        self.data
    }

    /// The width of a line of text of that size, in pixels.
    pub(super) fn width(self, text: &str, size: f64) -> f64 {
        let units: u64 = text.chars().map(|c| u64::from(self.advance(c))).sum();
        units as f64 * size / self.units_per_em
    }

    fn advance(self, c: char) -> u16 {
        let last = self.count.saturating_sub(1);
        short(self.advances, 4 * self.glyph(c).min(last)).unwrap_or(0)
    }

    /// The number of its glyph; 0, a box, for what the font does not have.
    fn glyph(self, c: char) -> usize {
        let group = |at: usize| {
            Some([long(self.groups, at)?, long(self.groups, at + 4)?, long(self.groups, at + 8)?])
        };
        let mut groups = (0..self.groups.len()).step_by(12).filter_map(group);
        let code = u32::from(c);
        let found = groups.find(|[first, last, _]| (first..=last).contains(&&code));
        found.map_or(0, |[first, _, glyph]| (glyph + (code - first)) as usize)
    }
}

fn table(data: &'static [u8], tag: &[u8; 4]) -> Option<&'static [u8]> {
    let entries = data.get(12..)?.chunks_exact(16).take(short(data, 4)?.into());
    let entry = entries.into_iter().find(|entry| entry.starts_with(tag))?;
    let (start, length) = (long(entry, 8)? as usize, long(entry, 12)? as usize);
    data.get(start..)?.get(..length)
}

fn groups(cmap: &'static [u8]) -> Option<&'static [u8]> {
    let starts = cmap.get(4..)?.chunks_exact(8).take(short(cmap, 2)?.into());
    let mut tables = starts.filter_map(|entry| cmap.get(long(entry, 4)? as usize..));
    let table = tables.find(|table| short(table, 0) == Some(12))?;
    table.get(16..)?.get(..12 * long(table, 12)? as usize)
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(data.get(at..)?.first_chunk().copied()?))
}

fn long(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(data.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the shaping of the renderer, which knows pairs of letters that move closer.
    #[test]
    fn text_is_as_wide_as_it_is_drawn() {
        for (font, weight) in [(Font::regular(), "400"), (Font::bold(), "700")] {
            for text in ["conv2d_10", "(None, 224, 224, 3)", "Grüße → ∑", "illi", "WWWW"] {
                let svg = format!(
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><text id=\"a\" \
                     font-size=\"100\" font-weight=\"{weight}\">{text}|</text></svg>"
                );
                let tree = crate::plot::png::parse(&svg).unwrap();
                let drawn = f64::from(tree.node_by_id("a").unwrap().bounding_box().width());
                let measured = font.width(&format!("{text}|"), 100.0);
                assert!((drawn - measured).abs() < 0.06 * measured, "{text}: {drawn}, not {measured}");
            }
        }
    }
}
