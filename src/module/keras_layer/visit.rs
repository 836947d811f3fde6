//! How the parameters of a layer are shown to visitors and mappers.

use std::collections::HashMap;

use burn::module::{Flag, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// Passes on what a layer shows, but for the types around its parameters: those say which class of Keras it is,
/// `Keras:Dense`, and where the axes of a parameter are not those of the file, which of them each is:
/// `Keras:Conv2D:3,2,0,1`.
pub(super) struct Renamed<'a, T> {
    inner: &'a mut T,
    class: &'static str,
    axes: &'a HashMap<String, Vec<usize>>,
    path: Vec<String>,
}

impl<'a, T> Renamed<'a, T> {
    pub(super) fn new(inner: &'a mut T, class: &'static str, axes: &'a HashMap<String, Vec<usize>>) -> Self {
        Self { inner, class, axes, path: Vec::new() }
    }

    /// The type around what the path leads to.
    fn container(&self) -> String {
        let class = self.class;
        match self.axes.get(&self.path.join(".")) {
            Some(axes) => {
                let axes: Vec<String> = axes.iter().map(ToString::to_string).collect();
                format!("Keras:{class}:{}", axes.join(","))
            }
            None => format!("Keras:{class}"),
        }
    }
}

impl<V: ModuleVisitor> ModuleVisitor for Renamed<'_, V> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.inner.visit_float(param);
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.inner.visit_int(param);
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.inner.visit_bool(param);
    }
    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.inner.visit_flag(flag);
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
        self.inner.enter_module(name, &self.container());
    }
    fn exit_module(&mut self, name: &str, _: &str) {
        self.inner.exit_module(name, &self.container());
        self.path.pop();
    }
}

impl<M: ModuleMapper> ModuleMapper for Renamed<'_, M> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.inner.map_float(param)
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        self.inner.map_int(param)
    }
    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        self.inner.map_bool(param)
    }
    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        self.inner.map_flag(flag)
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
        self.inner.enter_module(name, &self.container());
    }
    fn exit_module(&mut self, name: &str, _: &str) {
        self.inner.exit_module(name, &self.container());
        self.path.pop();
    }
}
