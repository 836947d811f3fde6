#![no_main]

#[path = "../members.rs"]
mod members;
#[path = "../targets.rs"]
mod targets;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|bytes: &[u8]| targets::load(bytes));
fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| members::mutate(data, size, most, seed));
