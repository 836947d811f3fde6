#![no_main]

#[path = "../targets.rs"]
mod targets;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// How much longer a member may get at once.
const GROWTH: usize = 64;

fuzz_target!(|bytes: &[u8]| targets::load(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    let changed = targets::with_changed_member(&data[..size], seed as usize, |_, member| {
        let len = member.len();
        member.resize(len + GROWTH, 0);
        let new = fuzzer_mutate(member, len, len + GROWTH);
        member.truncate(new);
    });
    match changed.filter(|changed| changed.len() <= most) {
        Some(changed) => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(data, size, most),
    }
});
