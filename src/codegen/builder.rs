//! From a Keras file to files of Rust source.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::draft::Draft;
use super::model::{Calls, Drafter};
use super::names::{Names, pascal};
use super::rustfmt::formatted;
use super::write::{About, GENERATED, source, taken};
use crate::config::{json, snake_case};
use crate::error::{Error, Result};
use crate::file::save::{Content, save_file};
use crate::keras_file::{Format, KerasFile};
use crate::layer::Registry;
use crate::limits::Limits;
use crate::module::graph_of;

/// Writes a Keras model as a Burn module in Rust source.
///
/// In a `build.rs`:
///
/// ```no_run
/// // burn_keras::codegen::Codegen::new("mobilenet.keras").name("MobileNetV2").run_from_build_script()?;
/// # burn_keras::codegen::Codegen::new("mobilenet.keras").name("MobileNetV2").run_from_build_script()?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
///
/// and in the crate itself `include!(concat!(env!("OUT_DIR"), "/mobile_net_v2.rs"));`.
#[derive(Clone, Debug)]
pub struct Codegen {
    model: PathBuf,
    name: Option<String>,
    out_dir: PathBuf,
    embed: bool,
    limits: Limits,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// The files, the source first.
    pub files: Vec<PathBuf>,
    /// What of the model is not in them, and what else has to be known.
    pub notes: Vec<String>,
}

/// The source, and what belongs to it.
pub(super) struct Written {
    stem: String,
    pub source: String,
    file: KerasFile,
    notes: Vec<String>,
}

impl Codegen {
    /// For a model file of any kind that [`KerasFile::open`] knows.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        let limits = Limits::default();
        Self { model: model.into(), name: None, out_dir: PathBuf::from("."), embed: false, limits }
    }

    /// What the struct is called, and the files after it: `MobileNetV2` lies in `mobile_net_v2.rs`. Default: the name
    /// of the model file.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The folder for the files. It is made if it is not there. Default: the present one.
    #[must_use]
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = folder.into();
        self
    }

    /// Whether the weights become part of the program, too, for `embedded`. Only the weights of a `.keras` file can.
    /// Default: no.
    #[must_use]
    pub fn embed(mut self, embed: bool) -> Self {
        self.embed = embed;
        self
    }

    /// How much the file may ask for.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes the source, the description of the model beside it, and the weights if they are wanted. Of files that
    /// are there already, only such are replaced as were written by this crate.
    ///
    /// # Errors
    /// Everything that keeps the model from being written, all at once, before any file is touched.
    pub fn run(&self) -> Result<Generated> {
        self.write(&self.out_dir, false)
    }

    /// [`run`](Self::run) in a build script: writes to cargo's `OUT_DIR`, for `include!`, and tells cargo to run it
    /// again when the model file changes.
    ///
    /// # Errors
    /// Those of [`run`](Self::run), and when it is no build script that it is called in.
    #[allow(clippy::print_stdout, reason = "so build scripts talk to cargo")]
    pub fn run_from_build_script(&self) -> Result<Generated> {
        let folder = std::env::var_os("OUT_DIR").map(PathBuf::from);
        let folder = folder.ok_or_else(|| Error::input("there is no OUT_DIR: this is no build script"))?;
        println!("cargo::rerun-if-changed={}", self.model.display());
        self.write(&folder, true)
    }

    /// The source that [`run`](Self::run) writes, and no file.
    ///
    /// # Errors
    /// Everything that keeps the model from being written, all at once.
    pub fn source(&self) -> Result<String> {
        self.draft(&self.out_dir, false).map(|written| written.source)
    }

    fn write(&self, folder: &Path, is_included: bool) -> Result<Generated> {
        let Written { stem, source, file, notes } = self.draft(folder, is_included)?;
        let weights = self.embed.then(|| self.weights(&file)).transpose()?;
        let path = |ending: &str| folder.join(format!("{stem}.{ending}"));
        check_replaceable(&path("rs"))?;
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::io("cannot make the folder", source).in_file(folder))?;
        let source = Bytes::from(source);
        let config = Bytes::from(json::print(file.config()));
        let contents = [("json", Some(config)), ("keras", weights), ("rs", Some(source))];
        let mut files = Vec::new();
        for (ending, content) in contents {
            let Some(content) = content else { continue };
            let path = path(ending);
            save_file(&path, Content::Bytes(content)).map_err(|error| error.in_file(&path))?;
            files.insert(0, path);
        }
        Ok(Generated { files, notes })
    }

    fn draft(&self, folder: &Path, is_included: bool) -> Result<Written> {
        let mut written = self.unformatted(is_included).map_err(|error| error.in_file(&self.model))?;
        match formatted(&written.source, Some(folder)) {
            Ok(source) => written.source = source,
            Err(why) => written.notes.push(format!("The source is not formatted: {why}.")),
        }
        Ok(written)
    }

    pub(super) fn unformatted(&self, is_included: bool) -> Result<Written> {
        let file = KerasFile::open(&self.model, &self.limits)?;
        let name = self.type_name()?;
        let stem = snake_case(&name);
        let mut draft = drafted(&file, &name)?;
        if file.compile_config().is_some() {
            let note = "The settings of `compile` are no part of a Burn module: its optimizer and its loss are yours.";
            draft.notes.push(note.to_owned());
        }
        let model =
            self.model.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (keras_version, embed) = (file.keras_version(), self.embed);
        let about = About { model: &model, keras_version, stem: &stem, embed, is_included };
        let source = source(&draft, &about);
        Ok(Written { stem, source, file, notes: draft.notes })
    }

    /// The name of the struct.
    fn type_name(&self) -> Result<String> {
        let stem = || self.model.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = pascal(&self.name.clone().or_else(stem).unwrap_or_default());
        match Names::without(taken(&Draft::new())).is_free(&name) {
            true => Ok(name),
            false => Err(Error::input(format_args!(
                "{name} means something else in the source: choose another name"
            ))),
        }
    }

    /// The file as a `.keras` file.
    fn weights(&self, file: &KerasFile) -> Result<Bytes> {
        if file.format() != Format::Keras {
            let message =
                "only the weights of a .keras file can be embedded: convert the model to one before";
            return Err(Error::unsupported(message).in_file(&self.model));
        }
        let bytes = std::fs::read(&self.model);
        bytes.map(Bytes::from).map_err(|source| Error::io("cannot read", source).in_file(&self.model))
    }
}

/// The draft of the model of a file.
fn drafted(file: &KerasFile, name: &str) -> Result<Draft> {
    let (description, _) = file.read_model(&Registry::new())?;
    let root = description.root.as_ref();
    let graph = graph_of(root).ok_or_else(|| Error::unsupported("it is no model"))?;
    let calls = Calls::once(graph);
    let draft = |taken: &Draft| {
        let mut drafter = Drafter::new(super::write::taken(taken));
        drafter.model(root, name, &calls, true);
        drafter.finish()
    };
    // Which items are named is known only afterwards, and no struct may be called like one of them.
    let first = draft(&Draft::new())?;
    let second = draft(&first)?;
    match second.structs.last() {
        Some(model) if model.name == name => Ok(second),
        _ => {
            Err(Error::input(format_args!("{name} means something else in the source: choose another name")))
        }
    }
}

/// Refuses to replace what somebody else wrote.
fn check_replaceable(path: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(()) };
    match text.lines().next().is_some_and(|line| line.contains(GENERATED)) {
        true => Ok(()),
        false => {
            let message = "there is something of this name already, which was not generated";
            Err(Error::input(message).in_file(path))
        }
    }
}
