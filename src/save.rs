//! From a model back to a file.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Int, Tensor};
use bytes::Bytes;

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::h5::{Attribute, ElementType};
use crate::file::h5_write::{H5Builder, H5Layout};
use crate::file::save::{Content, Member, save_directory, save_zip, zip_to};
use crate::file::store::Store;
use crate::keras_file::{CONFIG, METADATA, WEIGHTS};
use crate::layer::Variable;
use crate::load::by_param;
use crate::model::KerasModel;
use crate::value::Value;

impl KerasModel {
    /// Writes the model as Keras would: a `.keras` zip file, or its directory form when `path` ends
    /// in a slash.
    ///
    /// The variables are the model's own; everything else of the file that it came from goes back
    /// unchanged: config, compile settings, optimizer state, assets. The new file takes its place
    /// whole, or not at all.
    ///
    /// # Errors
    /// When the path is neither, or writing fails; an existing file is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let is_directory = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_zip = path.extension().is_some_and(|extension| extension == "keras");
        let saved = match (is_directory, is_zip) {
            (true, _) => self.with_members(|members| save_directory(path, members)),
            (_, true) => self.with_members(|members| save_zip(path, members)),
            _ => Err(Error::input("expected a name that ends in .keras, or in / for a directory")),
        };
        saved.map_err(|error| error.in_file(path))
    }

    /// The bytes of a `.keras` zip file.
    ///
    /// # Errors
    /// When a variable cannot be read from its device.
    pub fn save_to_bytes(&self) -> Result<Vec<u8>> {
        self.with_members(|members| Ok(zip_to(Cursor::new(Vec::new()), members)?.into_inner()))
    }

    /// Assembles the members of the archive and hands them to `write`.
    fn with_members<T>(&self, write: impl FnOnce(&mut [Member<'_>]) -> Result<T>) -> Result<T> {
        let file = self.file();
        let store = &self.origin().store;
        let mut values = Values::of(self)?;
        let layout = layout(store, &values)?;
        let mut others = Vec::new();
        for (name, bytes) in file.documents()? {
            others.push(Member { name: name.to_owned(), content: Content::Bytes(bytes) });
        }
        for name in file.archive.names().filter(|name| ![METADATA, CONFIG, WEIGHTS].contains(name)) {
            let content = Content::Bytes(file.archive.read(name)?.unwrap_or_default());
            others.push(Member { name: name.to_owned(), content });
        }
        // As Keras orders them: the documents, the weights, the assets.
        others.sort_by_key(|member| (member.name.contains('/'), member.name == CONFIG));
        let documents = others.iter().take_while(|member| !member.name.contains('/')).count();
        let weights = Content::Stream {
            len: layout.len(),
            write: Box::new(|out| {
                layout.write(out, &mut |path| match values.take(path)? {
                    Some(bytes) => Ok(bytes),
                    None => store.tensors.get(path).ok_or_else(|| Error::weights("missing").at(path))?.read(),
                })
            }),
        };
        others.insert(documents, Member { name: WEIGHTS.to_owned(), content: weights });
        write(&mut others)
    }
}

/// Lays out a weights file with the groups and datasets of the one that the model came from.
fn layout(store: &Store, values: &Values) -> Result<H5Layout> {
    let mut builder = H5Builder::default();
    for (path, attributes) in &store.groups {
        builder.group(path, attributes.clone())?;
    }
    for (path, dataset) in &store.tensors {
        let element = match values.variables.get(path) {
            Some(variable) => ElementType::from_keras_name(variable.dtype.name())
                .ok_or_else(|| Error::unsupported(format_args!("variables of type {}", variable.dtype)))?,
            None => dataset.element.clone(),
        };
        let mut attributes = dataset.attributes.clone();
        if element != dataset.element {
            attributes.retain(|name, value| name != "dtype" || !matches!(value, Attribute::Str(_)));
        }
        builder.dataset(path, &dataset.shape, element, attributes)?;
    }
    builder.finish()
}

/// The present values of a model's variables, by the path of their dataset.
struct Values {
    variables: HashMap<String, Variable>,
    values: HashMap<String, Value>,
}

impl Values {
    fn of(model: &KerasModel) -> Result<Self> {
        let mut collect = Collect { path: Vec::new(), values: HashMap::new() };
        model.visit(&mut collect);
        let mut values = HashMap::new();
        let mut variables = HashMap::new();
        for (param, variable) in by_param(model.origin().description.variables.iter())? {
            let value = collect
                .values
                .remove(&param)
                .ok_or_else(|| Error::weights(format_args!("the module has no parameter {param:?}")))?;
            if value.shape() != variable.param_shape() {
                let (expected, got) = (variable.param_shape(), value.shape());
                return Err(
                    Error::weights(format_args!("expected the shape {expected:?}, got {got:?}")).at(param)
                );
            }
            for (_, path) in variable.datasets() {
                let stored = model.origin().store.tensors.get(&path);
                let stored = stored.and_then(|dataset| Dtype::from_name(dataset.element.keras_name()?));
                // How wide integers are depends on the backend that Keras wrote them with.
                let width = stored.filter(|stored| stored.is_int() && variable.dtype.is_int());
                let dtype = width.unwrap_or(variable.dtype);
                values.insert(path.clone(), value.clone());
                variables.insert(path, Variable { dtype, ..variable.clone() });
            }
        }
        Ok(Self { variables, values })
    }

    /// The bytes of a dataset, if it is a variable; its tensor is let go.
    fn take(&mut self, path: &str) -> Result<Option<Bytes>> {
        let (Some(value), Some(variable)) = (self.values.remove(path), self.variables.get(path)) else {
            return Ok(None);
        };
        let dtype = crate::value::burn_dtype(variable.dtype)?;
        let data = variable.to_file(value.cast(dtype)?.into_data().convert_dtype(dtype))?;
        Ok(Some(Bytes::from_owner(Host(data.into_bytes()))))
    }
}

/// Host memory of Burn's as an owner of bytes.
struct Host(burn::tensor::Bytes);

impl AsRef<[u8]> for Host {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Collects every tensor of a module by its path.
struct Collect {
    path: Vec<String>,
    values: HashMap<String, Value>,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.insert(self.path.join("."), Value::from(param.val()));
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.values.insert(self.path.join("."), Value::from(param.val()));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
