//! What is between the entries of an array and outside of it, and images that are moved by it.

use burn::tensor::{Bool, Int, Tensor};

crate::keywords! {
    /// What is outside of an array `a b c d`.
    pub enum FillMode {
        /// `k k k k | a b c d | k k k k`
        Constant = "constant",
        /// `a a a a | a b c d | d d d d`
        Nearest = "nearest",
        /// `a b c d | a b c d | a b c d`
        Wrap = "wrap",
        /// `c d c b | a b c d | c b a b`
        Mirror = "mirror",
        /// `d c b a | a b c d | d c b a`
        Reflect = "reflect",
    }
}

crate::keywords! {
    /// What is between two pixels of a transformed image.
    pub enum Sampling {
        /// The nearer one.
        Nearest = "nearest",
        /// A straight line.
        Bilinear = "bilinear",
    }
}

/// How an array goes on where it has no entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continuation {
    pub sampling: Sampling,
    pub mode: FillMode,
    /// For [`FillMode::Constant`].
    pub value: f64,
}

/// The places to look at along one axis of an array.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub size: usize,
    /// How far apart its entries are in memory.
    pub stride: usize,
    pub coordinates: Tensor<1>,
}

/// An entry near every place of an axis: where it lies, how much it counts, whether there is one.
#[derive(Clone)]
struct Neighbor {
    offset: Tensor<1, Int>,
    weight: Option<Tensor<1>>,
    inside: Option<Tensor<1, Bool>>,
}

/// The numbers `0, 1, ..` up to `size`, as floats.
fn range(size: usize, like: &Tensor<4>) -> Tensor<1> {
    Tensor::<1, Int>::arange(0..size as i64, &like.device()).float().cast(like.dtype())
}

/// The remainder of a division, never negative. Exact for the whole numbers that floats can count.
fn modulo(x: Tensor<1>, by: f64) -> Tensor<1> {
    x.clone() - (x / by).floor() * by
}

impl Continuation {
    /// The entry of an axis that stands at an index, wherever it is.
    fn resolve(&self, index: Tensor<1>, size: usize) -> Tensor<1> {
        let length = size as f64;
        let triangle = |x: Tensor<1>, half: f64| (modulo(x + half, 2.0 * half) - half).abs();
        let index = match self.mode {
            FillMode::Constant | FillMode::Nearest => index,
            FillMode::Wrap => modulo(index, length),
            FillMode::Mirror if size < 2 => index,
            FillMode::Mirror => triangle(index, length - 1.0),
            FillMode::Reflect => ((triangle(index * 2.0 + 1.0, 2.0 * length) - 1.0) / 2.0).floor(),
        };
        index.clamp(0.0, length - 1.0)
    }

    fn neighbor(&self, places: &Places, index: Tensor<1>, weight: Option<Tensor<1>>) -> Neighbor {
        let inside = (self.mode == FillMode::Constant).then(|| {
            let below = index.clone().lower_elem(0.0);
            below.bool_or(index.clone().greater_equal_elem(places.size as f64)).bool_not()
        });
        let offset = self.resolve(index, places.size).int() * places.stride as i64;
        Neighbor { offset, weight, inside }
    }

    fn neighbors(&self, places: &Places) -> Vec<Neighbor> {
        let at = places.coordinates.clone();
        match self.sampling {
            // Halves go away from zero.
            Sampling::Nearest => {
                let nearest = (at.clone().abs() + 0.5).floor() * at.sign();
                vec![self.neighbor(places, nearest, None)]
            }
            Sampling::Bilinear => {
                let lower = at.clone().floor();
                let upper_weight = at - lower.clone();
                vec![
                    self.neighbor(places, lower.clone(), Some(1.0 - upper_weight.clone())),
                    self.neighbor(places, lower + 1.0, Some(upper_weight)),
                ]
            }
        }
    }

    /// The array at places between its entries.
    ///
    /// # Shapes
    /// - entries: `[entries]`, all axes in one
    /// - base: `[places]`, what is added to the offset of each place
    /// - output: `[places]`
    pub fn sample(&self, entries: &Tensor<1>, axes: &[Places], base: Option<Tensor<1, Int>>) -> Tensor<1> {
        let mut corners = vec![None::<Neighbor>];
        for places in axes {
            let neighbors = self.neighbors(places);
            corners = corners
                .into_iter()
                .flat_map(|corner| {
                    neighbors.iter().map(move |next| Some(joined(corner.clone(), next.clone())))
                })
                .collect();
        }
        let values = corners.into_iter().flatten().map(|corner| {
            let offset = match &base {
                Some(base) => corner.offset + base.clone(),
                None => corner.offset,
            };
            let mut value = entries.clone().select(0, offset);
            if let Some(inside) = corner.inside {
                value = value.mask_fill(inside.bool_not(), self.value);
            }
            match corner.weight {
                Some(weight) => value * weight,
                None => value,
            }
        });
        values.reduce(|sum, value| sum + value).unwrap_or_else(|| entries.clone())
    }

    /// Images whose pixels come from other places, given as rows and columns.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - rows, columns: broadcast to the images
    /// - output: `[batch, channels, height, width]`
    pub fn remap(&self, images: Tensor<4>, rows: Tensor<4>, columns: Tensor<4>) -> Tensor<4> {
        let shape = images.dims();
        let [batch, channels, height, width] = shape;
        let (planes, pixels) = (batch * channels, height * width);
        if planes * pixels == 0 {
            return images;
        }
        let flat = |x: Tensor<4>| x.expand(shape).reshape([planes * pixels]);
        let base = Tensor::<1, Int>::arange(0..planes as i64, &images.device()) * pixels as i64;
        let base = base.reshape([planes, 1]).expand([planes, pixels]).reshape([planes * pixels]);
        let axes = [
            Places { size: height, stride: width, coordinates: flat(rows) },
            Places { size: width, stride: 1, coordinates: flat(columns) },
        ];
        self.sample(&images.reshape([planes * pixels]), &axes, Some(base)).reshape(shape)
    }

    /// Images whose pixels come from places beside their own, so many rows and columns further.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - rows, columns: `[batch, 1, height, width]`
    /// - output: `[batch, channels, height, width]`
    pub fn displace(&self, images: Tensor<4>, rows: Tensor<4>, columns: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let y = range(height, &images).reshape([1, 1, height, 1]);
        let x = range(width, &images).reshape([1, 1, 1, width]);
        self.remap(images, rows + y, columns + x)
    }

    /// Images under affine maps: `(a0 x + a1 y + a2, b0 x + b1 y + b2)` is where the pixel `(x, y)` of the
    /// result comes from, for a row `a0, a1, a2, b0, b1, b2, c0, c1`.
    ///
    /// The last two would make a projection of it. JAX multiplies them by the number of the channel.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - transforms: `[batch, 8]`
    /// - output: `[batch, channels, height, width]`
    pub fn affine(&self, images: Tensor<4>, transforms: Tensor<2>) -> Tensor<4> {
        let [batch, channels, height, width] = images.dims();
        let channel = range(channels, &images).reshape([1, channels, 1, 1]);
        let y = range(height, &images).reshape([1, 1, height, 1]);
        let x = range(width, &images).reshape([1, 1, 1, width]);
        let entry = |at: usize| transforms.clone().narrow(1, at, 1).reshape([batch, 1, 1, 1]);
        let place = |first: usize, third: usize| {
            x.clone() * entry(first)
                + y.clone() * entry(first + 1)
                + channel.clone() * entry(third)
                + entry(first + 2)
        };
        let (columns, rows) = (place(0, 7), place(3, 6));
        self.remap(images, rows, columns)
    }

    /// Images under projections: `((t0 x + t1 y + t2) / k, (t3 x + t4 y + t5) / k)` with
    /// `k = t6 x + t7 y + 1` is where the pixel `(x, y)` of the result comes from.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`
    /// - transforms: `[batch, 8]`
    /// - output: `[batch, channels, height, width]`
    pub fn project(&self, images: Tensor<4>, transforms: Tensor<2>) -> Tensor<4> {
        let [batch, _, height, width] = images.dims();
        let y = range(height, &images).reshape([1, 1, height, 1]);
        let x = range(width, &images).reshape([1, 1, 1, width]);
        let entry = |at: usize| transforms.clone().narrow(1, at, 1).reshape([batch, 1, 1, 1]);
        let sum = |at: usize| x.clone() * entry(at) + y.clone() * entry(at + 1);
        let depth = sum(6) + 1.0;
        let columns = (sum(0) + entry(2)) / depth.clone();
        let rows = (sum(3) + entry(5)) / depth;
        self.remap(images, rows, columns)
    }
}

/// The entry at an index of further axes.
fn joined(corner: Option<Neighbor>, next: Neighbor) -> Neighbor {
    let Some(corner) = corner else { return next };
    let both = |a: Option<Tensor<1>>, b: Option<Tensor<1>>| match (a, b) {
        (Some(a), Some(b)) => Some(a * b),
        (a, b) => a.or(b),
    };
    Neighbor {
        offset: corner.offset + next.offset,
        weight: both(corner.weight, next.weight),
        inside: match (corner.inside, next.inside) {
            (Some(a), Some(b)) => Some(a.bool_and(b)),
            (a, b) => a.or(b),
        },
    }
}

/// The projection, as [`Continuation::project`] takes it, that moves four points of an image from `start`
/// to `end`; none when three of them are on a line.
pub(crate) fn homography(start: &[[f64; 2]; 4], end: &[[f64; 2]; 4]) -> Option<[f32; 8]> {
    let mut matrix = nalgebra::SMatrix::<f64, 8, 8>::zeros();
    let mut target = nalgebra::SVector::<f64, 8>::zeros();
    for (at, ([start_x, start_y], [x, y])) in start.iter().zip(end).enumerate() {
        let across = [*x, *y, 1.0, 0.0, 0.0, 0.0, -start_x * x, -start_x * y];
        let down = [0.0, 0.0, 0.0, *x, *y, 1.0, -start_y * x, -start_y * y];
        for column in 0..8 {
            matrix[(at, column)] = across[column];
            matrix[(at + 4, column)] = down[column];
        }
        target[at] = *start_x;
        target[at + 4] = *start_y;
    }
    let solution = matrix.lu().solve(&target)?;
    Some(std::array::from_fn(|at| solution[at] as f32))
}
