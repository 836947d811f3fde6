//! `burn-keras layers`.

use burn_keras::layer::{self, Row};

use crate::args::Layers;
use crate::text::table;

pub fn run(args: &Layers) -> String {
    let mut rows: Vec<&Row> = layer::rows().collect();
    rows.sort_by_key(|row| (row.operation, row.classes, row.kind()));
    if args.markdown {
        let lines = rows.iter().map(|row| format!("{row}\n"));
        return "| Class | Aliases | Config keys |\n|---|---|---|\n".to_owned() + &lines.collect::<String>();
    }
    let head = ["CLASS", "ALIASES", "CONFIG KEYS"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| cells(row).to_vec());
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[])
}

fn cells(row: &Row) -> [String; 3] {
    let (class, aliases) =
        row.classes.split_first().map_or(("", row.classes), |(first, rest)| (*first, rest));
    [format!("{class}{}", row.kind()), aliases.join(", "), row.keys.join(", ")]
}
