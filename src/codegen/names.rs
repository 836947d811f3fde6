//! Names out of files as identifiers of Rust.

use std::collections::HashSet;

/// Words that no identifier may be: those of the language, and what every generated file names.
const TAKEN: &[&str] = &[
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "Self",
    "AsRef",
    "Bool",
    "Box",
    "Debug",
    "Device",
    "Err",
    "Int",
    "BurnpackStore",
    "Error",
    "KerasStore",
    "Module",
    "ModuleSnapshot",
    "None",
    "Ok",
    "Option",
    "Path",
    "Result",
    "Some",
    "String",
    "Tensor",
    "Value",
    "Vec",
];

/// Longest identifier, in characters.
const LONGEST: usize = 60;

/// The words of a name out of a file: letters and digits of ASCII, in lower case.
fn words(name: &str) -> Vec<String> {
    let lower = name.chars().take(LONGEST).map(|c| c.to_ascii_lowercase()).collect::<String>();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A name for a field or a variable: `block_1_conv` for `Block_1/conv`.
pub(super) fn snake(name: &str) -> String {
    let name = words(name).join("_");
    match name.chars().next() {
        None => "layer".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("layer_{name}"),
        Some(_) => name,
    }
}

/// A name for a type: `Block1Conv` for `block_1/conv`. What is one already stays as it is.
pub(super) fn pascal(name: &str) -> String {
    let name: String = name.chars().take(LONGEST).collect();
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    });
    let name: String = words.collect();
    match name.chars().next() {
        None => "Model".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("Model{name}"),
        Some(_) => name,
    }
}

/// A name as stores compare them.
pub(super) fn normalized(name: &str) -> String {
    let one = |c: char| if c.is_alphanumeric() { c } else { '_' };
    name.to_lowercase().chars().map(one).collect()
}

/// Identifiers of one scope, each given once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashSet<String>);

impl Names {
    /// A scope in which words of the language, and these, are taken.
    pub(super) fn without<'a>(taken: impl IntoIterator<Item = &'a str>) -> Self {
        Self(TAKEN.iter().copied().chain(taken).map(str::to_owned).collect())
    }

    /// Whether the name may still be given.
    pub(super) fn is_free(&self, name: &str) -> bool {
        !self.0.contains(name)
    }

    /// The name, or the first of `name_1`, `name_2`, ... that is free; a type's name has no `_` in it.
    pub(super) fn give(&mut self, name: &str) -> String {
        let glue = if name.starts_with(|c: char| c.is_ascii_uppercase()) { "" } else { "_" };
        let mut given = name.to_owned();
        let mut number = 0_usize;
        while !self.0.insert(given.clone()) {
            number += 1;
            given = format!("{name}{glue}{number}");
        }
        given
    }
}

/// Text out of a file, for a line of documentation: of one line, and nothing in it that Markdown has a meaning for.
pub(super) fn plain(text: &str) -> String {
    const LONGEST_TEXT: usize = 120;
    let harmless = |c: char| match c {
        '`' | '\\' => '\'',
        c if c.is_control() || is_invisible(c) => ' ',
        c => c,
    };
    text.chars().take(LONGEST_TEXT).map(harmless).collect()
}

/// Characters that change how a line is read without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_layers_become_identifiers() {
        for (name, snake_name, pascal_name) in [
            ("conv1", "conv1", "Conv1"),
            ("Block_1/Conv", "block_1_conv", "Block1Conv"),
            ("2x", "layer_2x", "Model2x"),
            ("a__b_", "a_b", "AB"),
            ("größe", "gr_e", "GrE"),
            ("", "layer", "Model"),
            ("}; fn f() {", "fn_f", "FnF"),
            ("MobileNetV2", "mobilenetv2", "MobileNetV2"),
        ] {
            assert_eq!((snake(name).as_str(), pascal(name).as_str()), (snake_name, pascal_name), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_given_once() {
        let mut names = Names::without(["relu"]);
        let given =
            ["type", "relu", "dense", "dense", "dense_1", "Linear", "Linear"].map(|name| names.give(name));
        assert_eq!(given, ["type_1", "relu_1", "dense", "dense_1", "dense_1_1", "Linear", "Linear1"]);
    }

    #[test]
    fn documentation_stays_in_its_line() {
        assert_eq!(plain("a`b\nuse x;\u{202e}"), "a'b use x; ");
        assert_eq!(plain(&"x".repeat(500)).len(), 120);
    }
}
