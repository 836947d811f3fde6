//! `GaussianBlur`, `SobelEdges` and `SSIM`.

use super::{expect_floats, like};
use crate::config::{DataFormat, Dtype, PerAxis};
use crate::error::{Error, Result};
use crate::image::Layout;
use crate::image::filter::{Kernel, Similarity, sobel};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::spatial::check_elements;
use crate::value::Value;

crate::config! {
    /// The operation `GaussianBlur`: images smoothed by a bell curve.
    pub struct GaussianBlur {
        /// How wide and how high the window is.
        kernel_size: PerAxis = PerAxis::Each(vec![3, 3]),
        /// How wide and how high the bell is.
        sigma: Vec<f64> = vec![1.0, 1.0],
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl GaussianBlur {
    fn kernel(&self) -> Result<Kernel> {
        let size = self.kernel_size.positive(2).map_err(|error| error.at("kernel_size"))?;
        check_elements("elements of a kernel", size.iter().copied())?;
        match (size.as_slice(), self.sigma.as_slice()) {
            ([width, height], [wide, high]) => Ok(Kernel::gaussian([*height, *width], [*high, *wide])),
            _ => Err(Error::config("expected two numbers").at("sigma")),
        }
    }
}

impl Function for GaussianBlur {
    const CLASSES: &'static [&'static str] = &["GaussianBlur"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let images = args.input()?;
        expect_floats(images)?;
        Layout::of(images, self.data_format)?;
        self.kernel()?;
        Ok(images.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let (layout, dtype) = (Layout::of_value(&images, self.data_format)?, images.dtype());
        Ok(like(layout.give(self.kernel()?.around(layout.take(images)?))?, dtype)?.into())
    }
}

crate::config! {
    /// The operation `SobelEdges`: how much brighter images get downwards and to the right, on a new axis.
    pub struct SobelEdges {
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl Function for SobelEdges {
    const CLASSES: &'static [&'static str] = &["SobelEdges"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut output = args.input()?.clone();
        expect_floats(&output)?;
        output.expect_rank(4)?;
        output.shape.push(Some(2));
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let (layout, dtype) = (Layout::of_value(&images, self.data_format)?, images.dtype());
        let edges = sobel(layout.take(images)?).map(|edges| layout.give(edges)?.expand_dims(4));
        let edges = edges.into_iter().collect::<Result<_>>()?;
        Ok(like(Value::concat(edges, 4)?, dtype)?.into())
    }
}

crate::config! {
    /// The operation `SSIM`: the structural similarity of images.
    pub struct SSIM {
        /// The largest difference of two colors.
        max_val: f64 = 1.0,
        /// The size of the window in which images are compared.
        filter_size: usize = 11,
        /// How wide the bell of its weights is.
        filter_sigma: f64 = 1.5,
        /// What keeps the comparison of means from dividing by zero.
        k1: f64 = 0.01,
        /// What keeps the comparison of variances from dividing by zero.
        k2: f64 = 0.03,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl SSIM {
    /// Refuses images in which the window does not fit.
    fn check(&self, layout: Layout, lengths: &[Option<usize>]) -> Result<()> {
        let fits = |axis: usize| lengths[axis].is_none_or(|length| length >= self.filter_size);
        if self.filter_size == 0 || !layout.lengths().into_iter().all(fits) {
            let message = format_args!("a window of {} does not fit into {lengths:?}", self.filter_size);
            return Err(Error::config(message).at("filter_size"));
        }
        check_elements("elements of a window", [self.filter_size; 2])
    }
}

impl Function for SSIM {
    const CLASSES: &'static [&'static str] = &["SSIM"];
    const ARGS: &'static [&'static str] = &["image1", "image2"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [a, b] = args.leaves()[..] else { return Err(Error::unsupported("images that are constants")) };
        let layout = Layout::of(a, self.data_format)?;
        let alike = |(a, b): (&Option<usize>, &Option<usize>)| a.is_none() || b.is_none() || a == b;
        if a.rank() != b.rank() || !a.shape.iter().zip(&b.shape).all(alike) {
            return Err(Error::config(format_args!("cannot compare {a} and {b}")));
        }
        if a.dtype == Dtype::Bool {
            return Err(Error::unsupported("images of booleans"));
        }
        self.check(layout, &a.shape)?;
        self.check(layout, &b.shape)?;
        let shape = if a.rank() == 4 { vec![a.shape[0]] } else { Vec::new() };
        Ok(Spec::new(shape, a.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let [a, b] = args.leaves()[..] else { return Err(Error::input("expected two images")) };
        let (layout, dtype) = (Layout::of_value(a, self.data_format)?, a.dtype());
        let shape = a.shape();
        if shape != b.shape() {
            return Err(Error::input(format_args!("cannot compare {shape:?} and {:?}", b.shape())));
        }
        self.check(layout, &shape.iter().copied().map(Some).collect::<Vec<_>>())?;
        let similarity = Similarity {
            window: Kernel::gaussian([self.filter_size; 2], [self.filter_sigma; 2]),
            least_mean: (self.k1 * self.max_val).powi(2),
            least_variance: (self.k2 * self.max_val).powi(2),
        };
        let result = Value::from(similarity.of(layout.take(a.clone())?, layout.take(b.clone())?));
        let result = if shape.len() == 3 { result.reshape(&[])? } else { result };
        Ok(like(result, dtype)?.into())
    }
}
