//! Two ways into this crate, for those who know one of its sides.

#[doc = include_str!("coming_from_keras.md")]
pub mod coming_from_keras {}

#[doc = include_str!("coming_from_burn.md")]
pub mod coming_from_burn {}
