//! Small things about Rust source as text.

use std::collections::HashSet;

/// Text as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("{text:?}")
}

/// Source without its comments and without what is in its literals of text.
fn bare(source: &str) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), source);
    while let Some(start) = rest.find(['"', '/']) {
        let (before, from) = rest.split_at(start);
        let hashes = before.bytes().rev().take_while(|byte| *byte == b'#').count();
        let is_raw = before[..before.len() - hashes].ends_with('r');
        let length = match from {
            from if from.starts_with("//") => from.find('\n'),
            from if from.starts_with('/') => Some(1),
            from if is_raw => {
                let end = format!("\"{}", "#".repeat(hashes));
                from[1..].find(&end).map(|at| at + 1 + end.len())
            }
            from => end_of_text(from),
        };
        let is_slash = from.starts_with('/') && !from.starts_with("//");
        parts.push(if is_slash { &rest[..=start] } else { before });
        rest = &from[length.unwrap_or(from.len())..];
    }
    parts.push(rest);
    parts
}

/// Where a literal ends that starts here.
fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return Some(at + 1),
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    None
}

/// All identifiers and keywords in source, but for those that belong to what stands before them: `Bool` in
/// `Dtype::Bool`.
pub(super) fn words(source: &str) -> HashSet<&str> {
    let is_other = |c: char| !c.is_alphanumeric() && c != '_';
    let mut words = HashSet::new();
    for part in bare(source) {
        let mut at = 0;
        for word in part.split_inclusive(is_other) {
            if !part[..at].ends_with("::") {
                words.insert(word.trim_end_matches(is_other));
            }
            at += word.len();
        }
    }
    words
}

/// Source with another word in the place of one, but not in literals.
pub(super) fn replace_word(source: &str, from: &str, to: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut text, mut at) = (String::with_capacity(source.len()), 0);
    for part in bare(source) {
        // What lies between the parts are literals.
        let start = part.as_ptr() as usize - source.as_ptr() as usize;
        text.push_str(&source[at..start]);
        let mut rest = part;
        while let Some(found) = rest.find(from) {
            let (before, after) = (&rest[..found], &rest[found + from.len()..]);
            let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
            text.push_str(before);
            text.push_str(if is_word { to } else { from });
            rest = after;
        }
        text.push_str(rest);
        at = start + part.len();
    }
    text.push_str(&source[at..]);
    text
}

/// Whether there is a number in the source that clippy takes for one of the constants of mathematics.
pub(super) fn has_known_constant(source: &str) -> bool {
    use std::f64::consts;
    const KNOWN: &[f64] = &[
        consts::E,
        consts::FRAC_1_PI,
        consts::FRAC_1_SQRT_2,
        consts::FRAC_2_PI,
        consts::FRAC_2_SQRT_PI,
        consts::FRAC_PI_2,
        consts::FRAC_PI_3,
        consts::FRAC_PI_4,
        consts::FRAC_PI_6,
        consts::FRAC_PI_8,
        consts::LN_2,
        consts::LN_10,
        consts::LOG10_2,
        consts::LOG10_E,
        consts::LOG2_10,
        consts::LOG2_E,
        consts::PI,
        consts::SQRT_2,
        consts::TAU,
    ];
    let parts = bare(source).into_iter();
    let numbers = parts.flat_map(|part| part.split(|c: char| !c.is_ascii_digit() && c != '.'));
    let mut floats = numbers.filter(|text| text.len() > 3).filter_map(|text| text.parse::<f64>().ok());
    floats.any(|number| KNOWN.iter().any(|known| ((number - known) / known).abs() < 1e-2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_code() {
        let source = "let a = b::<C>(\"D \\\" E\", r#\"F \" G\"#) / h; // I\nj";
        let mut found: Vec<&str> = words(source).into_iter().filter(|word| !word.is_empty()).collect();
        found.sort_unstable();
        assert_eq!(found, ["C", "a", "b", "h", "j", "let", "r"]);
    }

    #[test]
    fn words_are_replaced_in_code_only() {
        let source = "Dropout::new(0.5).of(\"Dropout\") / SpatialDropout::Dropout";
        let expected = "D::new(0.5).of(\"Dropout\") / SpatialDropout::D";
        assert_eq!(replace_word(source, "Dropout", "D"), expected);
    }

    #[test]
    fn constants_are_seen() {
        assert!(has_known_constant("x * 3.1415"));
        assert!(!has_known_constant("x * 3.5 + 10.0 / 255.0"));
        assert!(!has_known_constant("f(\"3.1415\")"));
    }
}
