//! Writes a model as Rust source.

use burn_keras::Result;
use burn_keras::codegen::Codegen;

use crate::args;

pub fn run(args: &args::Codegen) -> Result<String> {
    let mut codegen = Codegen::new(&args.model).out_dir(&args.out_dir).embed(args.embed);
    if let Some(name) = &args.name {
        codegen = codegen.name(name);
    }
    let generated = codegen.run()?;
    let files = generated.files.iter().map(|file| format!("{}\n", file.display()));
    let notes = generated.notes.iter().map(|note| format!("note: {note}\n"));
    Ok(files.chain(notes).collect())
}
