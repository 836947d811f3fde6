//! Bytes and trees: archives, HDF5 files, and putting them on disk whole.
//!
//! Nothing here knows what a layer is. Whatever a file claims is checked against [`crate::Limits`]
//! or against bytes that exist before it is believed.

pub(crate) mod archive;
pub(crate) mod bundle;
pub(crate) mod h5;
pub(crate) mod h5_write;
pub(crate) mod map;
mod proto;
pub(crate) mod safetensors;
pub(crate) mod save;
pub(crate) mod saved_model;
pub(crate) mod store;
mod table;

/// Why a member of an archive may not be called `name`.
fn fault_of_name(name: &str) -> Option<&'static str> {
    let mut parts = name.split('/');
    if name.is_empty() {
        Some("is empty")
    } else if name.contains('\\') {
        Some("contains a backslash")
    } else if name.contains('\0') {
        Some("contains a NUL")
    } else if name.starts_with('/') || name.split('/').next().is_some_and(|first| first.ends_with(':')) {
        Some("is an absolute path")
    } else if parts.any(|part| part == "..") {
        Some("leaves the archive with \"..\"")
    } else if name.split('/').any(|part| part.is_empty() || part == ".") {
        Some("has an empty part or a \".\"")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_names_are_told_from_safe_ones() {
        for name in ["", "/etc/x", "C:/x", "a\\b", "../x", "a/../b", "a//b", "a/", "./a", "a\0b"] {
            assert!(fault_of_name(name).is_some(), "{name:?}");
        }
        for name in ["config.json", "assets/layers/text_vectorization/vocabulary.txt", "..a", "a:b", "\u{e9}"]
        {
            assert_eq!(fault_of_name(name), None, "{name:?}");
        }
    }
}
