//! Changes of archives, for a fuzzer that knows bytes only.

use libfuzzer_sys::fuzzer_mutate;

use crate::targets::with_changed_member;

/// How much longer a member may get at once.
const GROWTH: usize = 64;

/// Changes a member of an archive: a change of the archive's own bytes would be found by the checksum.
pub fn mutate(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let changed = with_changed_member(&data[..size], seed as usize, |_, member| {
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
}
