//! What is refused before a training starts.

use std::path::Path;

use super::{ModelCheckpoint, SaveFreq, Template, Training};
use crate::callback::python::Number;
use crate::error::{Error, Problems, Result};
use crate::registry::nearest;

impl ModelCheckpoint {
    /// Everything that cannot work; otherwise the template.
    pub(super) fn check(&mut self, training: &dyn Training) -> Result<Template> {
        let mut problems = Problems::default();
        let template = problems.note(self.check_name(training));
        problems.note(self.check_monitor(training));
        for (is_wrong, why) in self.contradictions(template.as_ref()) {
            if is_wrong {
                problems.push(Error::input(why));
            }
        }
        problems.finish().map_err(|error| error.at("ModelCheckpoint"))?;
        template.ok_or_else(|| Error::input("no name"))
    }

    fn check_name(&self, training: &dyn Training) -> Result<Template> {
        let Some(text) = self.filepath.to_str() else {
            return Err(Error::input(format_args!("{:?} is not a name in Unicode", self.filepath)));
        };
        let mut problems = Problems::default();
        let endings: &[&str] = if self.save_weights_only { &[".weights.h5"] } else { &[".keras", ".h5"] };
        if !endings.iter().any(|ending| text.ends_with(ending)) {
            let what = if self.save_weights_only { "weights" } else { "a whole model" };
            let endings = endings.join(" or ");
            problems.push(Error::input(format_args!(
                "a file of {what} has a name that ends in {endings}, got {text:?}"
            )));
        }
        let after_epochs = self.save_freq == SaveFreq::Epoch;
        let whole: &[&str] = if after_epochs { &["epoch"] } else { &["epoch", "batch"] };
        let watched = training.watched();
        let there = watched.iter().filter(|it| after_epochs || it.in_batches).map(|it| it.name.as_str());
        let template = problems.note(Template::parse(text));
        if let Some(template) = &template {
            problems.note(template.check(whole, &there.collect::<Vec<_>>()));
            if problems.is_empty() {
                let example = template.fill(|name| {
                    Some(if whole.contains(&name) { Number::Int(1) } else { Number::Float(0.0) })
                });
                let fits = example.and_then(|path| {
                    check_place(Path::new(&path))?;
                    training.check_path(Path::new(&path), self.what())
                });
                problems.note(fits);
            }
        }
        problems.finish()?;
        template.ok_or_else(|| Error::input("no name"))
    }

    fn check_monitor(&mut self, training: &dyn Training) -> Result<()> {
        let watched = training.watched();
        let resolved = self.monitor.resolve(&watched);
        if !self.compares() {
            return Ok(());
        }
        resolved?;
        let in_time = |name: &str| watched.iter().any(|it| it.name == name && it.in_batches);
        if self.save_freq == SaveFreq::Epoch || in_time(&self.monitor.name) {
            return Ok(());
        }
        let name = &self.monitor.name;
        let there: Vec<_> = watched.iter().filter(|it| it.in_batches).map(|it| it.name.as_str()).collect();
        let (all, near) = (there.join(", "), nearest(name, there.iter().copied()));
        Err(Error::input(format_args!(
            "{name:?} is there only after epochs, and cannot be compared after batches; there are: {all}{near}"
        )))
    }

    /// Arguments that make no sense together.
    fn contradictions(&self, template: Option<&Template>) -> [(bool, &'static str); 6] {
        let has = |name: &str| template.is_none_or(|template| template.names().any(|it| it == name));
        let differ = has("epoch") && (self.save_freq == SaveFreq::Epoch || has("batch"));
        let several = self.keep.best.unwrap_or(0).saturating_add(self.keep.last.unwrap_or(0)) > 1;
        let keeps_best = self.save_best_only || self.keep.best.is_some();
        [
            (self.save_freq == SaveFreq::Batches(0), "save_freq: after 0 batches is never"),
            (self.period == 0, "period: after 0 epochs is never"),
            (
                self.period > 1 && self.save_freq != SaveFreq::Epoch,
                "period counts epochs, but save_freq says that it does not save after epochs",
            ),
            (
                self.keep.best == Some(0) || self.keep.last == Some(0),
                "keep_best and keep_last: nothing would be kept",
            ),
            (
                !differ && (several || (self.save_on_interrupt && keeps_best)),
                "files would replace each other that are to be kept: put {epoch} into the name, and {batch} where \
                 it is not saved after epochs",
            ),
            (
                self.initial_value_threshold.is_some_and(f64::is_nan),
                "initial_value_threshold: nothing is better than NaN",
            ),
        ]
    }
}

/// Whether something can be written there. Nothing is left behind.
fn check_place(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::input("this is a directory").in_file(path));
    }
    let folders = path.ancestors().skip(1);
    let here = |folder: &Path| {
        if folder.as_os_str().is_empty() { Path::new(".").to_owned() } else { folder.to_owned() }
    };
    let Some(folder) = folders.map(here).find(|folder| folder.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    match tempfile::tempfile_in(&folder) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::io("no file can be written into this folder", source).in_file(&folder)),
    }
}
