//! Equalized histograms: brightness spread so that every shade is about as frequent as any other.
//!
//! They look shades up in tables, so no gradient passes through them, and the host makes the tables.

use burn::tensor::{DType, Tensor, TensorData};

/// Applies a change to every plane of pixels, `[height, width]` each, on the host.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`
/// - output: `[batch, channels, height, width]`
pub(crate) fn each_plane(images: Tensor<4>, change: impl Fn(&[f32], [usize; 2]) -> Vec<f32>) -> Tensor<4> {
    let (shape, device) = (images.dims(), images.device());
    let [_, _, height, width] = shape;
    let pixels = images.into_data().try_to_vec::<f32>().unwrap_or_default();
    let changed = pixels.chunks(height.saturating_mul(width).max(1));
    let changed: Vec<f32> = changed.flat_map(|plane| change(plane, [height, width])).collect();
    Tensor::from_data(TensorData::new(changed, shape), (&device, DType::F32))
}

/// Equalizes the histogram of shades from 0 to 255.
pub(crate) fn equalize(plane: &[f32], bins: usize) -> Vec<f32> {
    let last = bins.saturating_sub(1) as f32;
    let bin = |scaled: f32| scaled.clamp(0.0, last) as usize;
    let mut counts = vec![0_u32; bins];
    for shade in plane {
        if let Some(count) = counts.get_mut(bin(shade * last / 255.0)) {
            *count += 1;
        }
    }
    if counts.iter().filter(|count| **count > 0).count() <= 1 {
        return plane.to_vec();
    }
    let mut below = 0_u32;
    let sums: Vec<f32> = counts
        .into_iter()
        .map(|count| {
            below += count;
            below as f32
        })
        .collect();
    let least = sums.iter().copied().find(|sum| *sum > 0.0).unwrap_or(0.0);
    let spread = sums.last().copied().unwrap_or(0.0) - least;
    let spread = if spread == 0.0 { 1.0 } else { spread };
    let shade = |sum: f32| (((sum - least) * 255.0) / spread).round_ties_even().clamp(0.0, 255.0);
    let look_up = |x: &f32| sums.get(bin(x / 255.0 * last)).copied().map_or(*x, shade);
    plane.iter().map(look_up).collect()
}

/// How many shades the tables of [`Tiles`] have.
pub(crate) const SHADES: usize = 256;

/// An equalization of the histograms of tiles, each of limited contrast. Between the centers of tiles it
/// is interpolated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    /// How many tiles are below and beside each other.
    pub grid: [usize; 2],
    /// How often a shade counts at most, as a multiple of the mean; all of them unless it is positive.
    pub limit: f64,
}

/// Which entry stands at an index of an axis that is reflected about its ends.
fn reflected(index: usize, size: usize) -> usize {
    let at = index % (2 * size);
    if at < size { at } else { 2 * size - 1 - at }
}

/// The two tiles around a pixel along one axis, and how much the second counts.
struct Around {
    tiles: [usize; 2],
    weight: f32,
}

impl Around {
    /// Those of every pixel of an axis.
    fn each(length: usize, tile: usize, tiles: usize) -> Vec<Self> {
        let around = |pixel: usize| {
            let place = (pixel as f32 - tile as f32 / 2.0) / tile as f32 + 1.0;
            let before = place.floor();
            let at = |place: f32| (place.clamp(0.0, (tiles + 1) as f32) as usize).clamp(1, tiles) - 1;
            Self { tiles: [at(before), at(before + 1.0)], weight: place - before }
        };
        (0..length).map(around).collect()
    }

    /// What is between the values of the two tiles.
    fn mix(&self, value: impl Fn(usize) -> f32) -> f32 {
        value(self.tiles[0]) * (1.0 - self.weight) + value(self.tiles[1]) * self.weight
    }
}

impl Tiles {
    /// How long a tile is, along rows and columns.
    pub fn sizes(self, lengths: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| lengths[axis].div_ceil(self.grid[axis].max(1)))
    }

    /// Equalizes shades from 0 to 255.
    pub fn equalize(self, plane: &[f32], lengths: [usize; 2]) -> Vec<f32> {
        let sizes = self.sizes(lengths);
        let tables = self.tables(plane, lengths, sizes);
        let [rows, columns] = [0, 1].map(|axis| Around::each(lengths[axis], sizes[axis], self.grid[axis]));
        let look_up = |row: usize, column: usize, shade: usize| {
            tables.get((row * self.grid[1] + column) * SHADES + shade).copied().unwrap_or(0.0)
        };
        let mut equalized = Vec::with_capacity(plane.len());
        for (row, pixels) in rows.iter().zip(plane.chunks(lengths[1].max(1))) {
            equalized.extend(columns.iter().zip(pixels).map(|(column, x)| {
                let shade = x.clamp(0.0, 255.0) as usize;
                row.mix(|row| column.mix(|column| look_up(row, column, shade)))
            }));
        }
        equalized
    }

    /// What becomes of every shade, tile by tile.
    fn tables(self, plane: &[f32], [height, width]: [usize; 2], [tall, wide]: [usize; 2]) -> Vec<f32> {
        let mut tables = Vec::with_capacity(self.grid[0] * self.grid[1] * SHADES);
        for row in 0..self.grid[0] {
            for column in 0..self.grid[1] {
                let mut counts = [0.0_f32; SHADES];
                for y in row * tall..(row + 1) * tall {
                    for x in column * wide..(column + 1) * wide {
                        let at = reflected(y, height) * width + reflected(x, width);
                        let shade = plane.get(at).map_or(0.0, |x| x.clamp(0.0, 255.0)) as usize;
                        counts[shade.min(SHADES - 1)] += 1.0;
                    }
                }
                tables.extend(self.table(counts, (tall * wide) as f32));
            }
        }
        tables
    }

    /// What becomes of every shade of a tile.
    fn table(self, mut counts: [f32; SHADES], pixels: f32) -> impl Iterator<Item = f32> {
        if self.limit > 0.0 {
            let most = (self.limit * f64::from(pixels) / SHADES as f64) as f32;
            let clipped = counts.map(|count| count.min(most));
            let excess: f32 = counts.iter().zip(clipped).map(|(count, clipped)| count - clipped).sum();
            counts = clipped.map(|count| count + excess / SHADES as f32);
        }
        let mut below = 0.0_f32;
        let sums = counts.map(|count| {
            below += count;
            below
        });
        let least = sums[0];
        let spread = if pixels == least { 1.0 } else { pixels - least };
        sums.into_iter().map(move |sum| ((sum - least) * 255.0 / spread).clamp(0.0, 255.0))
    }
}
