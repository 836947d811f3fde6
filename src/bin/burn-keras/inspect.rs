//! `burn-keras inspect`.

use burn_keras::config::{Json, Object};
use burn_keras::layer::Registry;
use burn_keras::{Error, KerasFile, Limits, Result, Summary};
use serde_json::json;

use crate::args::Inspect;
use crate::text::{printable, table};

/// What there is to know of a file without its tensors.
struct Facts {
    file: KerasFile,
    /// None when the model cannot be described.
    summary: Option<Summary>,
    problems: Option<Error>,
}

pub fn run(args: &Inspect) -> Result<String> {
    let file = KerasFile::open(&args.model, &Limits::default())?;
    let registry = Registry::new();
    let (summary, problems) = (file.summary(&registry).ok(), file.check(&registry).err());
    let facts = Facts { file, summary, problems };
    Ok(if args.json { format!("{:#}\n", facts.json()) } else { printable(&facts.text()) })
}

impl Facts {
    /// The class and the name of every layer, as the file has them.
    fn raw_layers(&self) -> Vec<[&str; 2]> {
        let layers = self.file.config().pointer("/config/layers").and_then(Json::as_array);
        let layers = layers.into_iter().flatten().map(|layer| {
            let object = Object::of(layer);
            let name = object.and_then(|it| it.text("name").or_else(|| it.config.get("name")?.as_str()));
            [name.unwrap_or("?"), object.map_or("?", |it| it.class)]
        });
        layers.collect()
    }

    fn class(&self) -> &str {
        self.file.config().get("class_name").and_then(Json::as_str).unwrap_or("?")
    }

    fn json(&self) -> Json {
        let layers: Vec<Json> = match &self.summary {
            Some(summary) => summary
                .rows
                .iter()
                .map(|row| {
                    let shapes: Vec<_> = row.outputs.iter().map(|spec| &spec.shape).collect();
                    json!({
                        "name": row.name, "class": row.class, "output_shapes": shapes,
                        "parameters": row.parameters, "inputs": row.inputs,
                    })
                })
                .collect(),
            None => (self.raw_layers().into_iter())
                .map(|[name, class]| {
                    json!({
                        "name": name, "class": class, "output_shapes": null,
                        "parameters": null, "inputs": null,
                    })
                })
                .collect(),
        };
        let datasets = self
            .file
            .datasets()
            .map(|it| json!({ "path": it.path, "shape": it.shape, "dtype": it.dtype, "bytes": it.bytes }));
        let problems = self.problems.iter().flat_map(Error::problems).map(|problem| {
            json!({
                "kind": problem.kind().to_string(), "place": problem.place(), "message": problem.message(),
            })
        });
        json!({
            "name": self.file.name(),
            "class": self.class(),
            "keras_version": self.file.keras_version(),
            "date_saved": self.file.date_saved(),
            "members": self.file.members().collect::<Vec<_>>(),
            "layers": layers,
            "trainable_parameters": self.summary.as_ref().map(|summary| summary.trainable),
            "non_trainable_parameters": self.summary.as_ref().map(|summary| summary.non_trainable),
            "datasets": datasets.collect::<Vec<_>>(),
            "compile": self.file.compile_config(),
            "problems": problems.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let version = self.file.keras_version().unwrap_or("of an unknown version");
        let date = self.file.date_saved().map(|date| format!(", saved {date}")).unwrap_or_default();
        let members: Vec<_> = self.file.members().collect();
        let mut text = format!("{} of Keras {version}{date}\n", self.class());
        text += &format!("Members: {}\n\n", members.join(", "));
        match &self.summary {
            Some(summary) => text += &format!("{summary}\n"),
            None => {
                let rows = self.raw_layers().into_iter().map(|row| row.map(str::to_owned).to_vec());
                let head = vec!["Layer".to_owned(), "Class".to_owned()];
                text += &format!("Model: {:?}, which cannot be described\n", self.file.name());
                text += &table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[]);
            }
        }
        text += &format!("\n{}\n{}", self.datasets_text(), self.compile_text());
        match &self.problems {
            Some(error) => {
                let problems: Vec<_> = error.problems().map(ToString::to_string).collect();
                text += &format!("\nProblems: {}\n", problems.len());
                problems.iter().for_each(|problem| text += &format!("  {problem}\n"));
            }
            None => text += "\nNo problems\n",
        }
        text
    }

    fn datasets_text(&self) -> String {
        let mut rows = vec![["Variable", "Shape", "Type", "Bytes"].map(str::to_owned).to_vec()];
        for it in self.file.datasets() {
            rows.push(vec![it.path, format!("{:?}", it.shape), it.dtype, it.bytes.to_string()]);
        }
        table(&rows, &[3])
    }

    fn compile_text(&self) -> String {
        let Some(settings) = self.file.compile_config() else { return "Not compiled\n".to_owned() };
        let mut text = "Compiled with\n".to_owned();
        for (key, value) in settings {
            match Object::of(value) {
                None => text += &format!("  {key}: {value}\n"),
                Some(object) => {
                    text += &format!("  {key}: {}\n", object.class);
                    for (key, value) in object.config {
                        text += &format!("    {key}: {value}\n");
                    }
                }
            }
        }
        text
    }
}
