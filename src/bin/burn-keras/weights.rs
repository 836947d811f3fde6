//! `burn-keras weights`.

use burn_keras::{KerasWeights, Limits, Result, SaveOptions};

use crate::args::Weights;
use crate::npz::{self, Array};
use crate::text::table;

/// Without anything else to do, lists what is there.
pub fn run(args: &Weights) -> Result<String> {
    let mut weights = KerasWeights::open(&args.file, &Limits::default())?;
    if let [path, to] = args.get.as_slice() {
        let array = Array::from(weights.read(path).map_err(|error| error.in_file(&args.file))?);
        npz::write(to.as_ref(), &[(path.replace('/', "."), array)])?;
    }
    let changed = rename(&mut weights, args).map_err(|error| error.in_file(&args.file))?;
    if changed {
        let to = args.output.as_ref().unwrap_or(&args.file);
        // The file itself is there to be changed; another one is not.
        let replaces = args.output.is_none() || args.overwrite;
        weights.save_with(to, &SaveOptions::new().overwrite(replaces))?;
    }
    Ok(if args.list || !changed && args.get.is_empty() { list(&weights) } else { String::new() })
}

fn rename(weights: &mut KerasWeights, args: &Weights) -> Result<bool> {
    for pair in args.rename.chunks_exact(2) {
        weights.rename(&pair[0], &pair[1])?;
    }
    args.drop.iter().try_for_each(|path| weights.remove(path))?;
    Ok(!args.rename.is_empty() || !args.drop.is_empty())
}

fn list(weights: &KerasWeights) -> String {
    let mut rows = vec![["Variable", "Shape", "Type", "Bytes"].map(str::to_owned).to_vec()];
    for it in weights.datasets() {
        rows.push(vec![it.path, format!("{:?}", it.shape), it.dtype, it.bytes.to_string()]);
    }
    table(&rows, &[3])
}
