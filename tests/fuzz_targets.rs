//! The fuzz targets of `fuzz/` for a fixed number of times: its corpus as it is, then damaged.

#[path = "common/damage.rs"]
mod damage;
#[path = "../fuzz/targets.rs"]
mod targets;

use damage::{Random, files, mutate, mutate_json, watched};

/// How often each target is called with damaged bytes. The README says it.
const MUTATIONS: usize = 4_000;

/// The most memory that a case may take, in mebibytes.
const MOST_MEMORY: f32 = 48.0;

type Seeds = Vec<(String, Vec<u8>)>;

fn fuzz(name: &str, target: fn(&[u8]), seeds: Seeds, change: impl Fn(&[u8], &[u8], &mut Random) -> Vec<u8>) {
    assert!(!seeds.is_empty());
    for (seed, bytes) in &seeds {
        watched(&format!("{name}: {seed}"), MOST_MEMORY, || target(bytes));
    }
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for turn in 0..MUTATIONS {
        let (seed, bytes) = random.pick(&seeds);
        let other = &random.pick(&seeds).1;
        let damaged = change(bytes, other, &mut random);
        watched(&format!("{name}: mutation {turn}, of {seed}"), MOST_MEMORY, || target(&damaged));
    }
}

fn corpus(target: &str) -> Seeds {
    files(&format!("fuzz/corpus/{target}"))
}

fn changed_bytes(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    mutate(&mut bytes, other, random);
    bytes
}

/// Half of the documents stay JSON.
fn changed_text(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    match serde_json::from_slice(bytes) {
        Ok(mut json) if random.below(4) > 0 => {
            mutate_json(&mut json, random);
            json.to_string().into_bytes()
        }
        _ => changed_bytes(bytes, other, random),
    }
}

/// A member of an archive is another, and the archive sound.
fn changed_member(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let which = random.below(8);
    let changed = targets::with_changed_member(bytes, which, |name, member| {
        *member = match name.ends_with(".json") {
            true => changed_text(member, other, random),
            false => changed_bytes(member, other, random),
        };
    });
    changed.unwrap_or_else(|| changed_bytes(bytes, other, random))
}

/// What stands before the tensors of a safetensors file is another document, mostly of the length that it says.
fn changed_header(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const LENGTH: usize = 8;
    let header = bytes.first_chunk::<LENGTH>().map(|len| u64::from_le_bytes(*len) as usize);
    let Some((header, data)) = header.and_then(|len| bytes[LENGTH..].split_at_checked(len)) else {
        return changed_bytes(bytes, other, random);
    };
    match random.below(4) {
        0 => changed_bytes(bytes, other, random),
        _ => {
            let header = changed_text(header, other, random);
            [&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat()
        }
    }
}

#[test]
fn archive() {
    fuzz("archive", targets::archive, corpus("archive"), changed_bytes);
}

#[test]
fn hdf5() {
    let fixtures = ["hostile", "hdf5"].map(|folder| files(&format!("tests/fixtures/{folder}")));
    let seeds = corpus("hdf5").into_iter().chain(fixtures.into_iter().flatten());
    fuzz("hdf5", targets::hdf5, seeds.filter(|(name, _)| name.ends_with(".h5")).collect(), changed_bytes);
}

#[test]
fn config() {
    fuzz("config", targets::config, corpus("config"), changed_text);
}

#[test]
fn load() {
    fuzz("load", targets::load, corpus("load"), changed_member);
}

#[test]
fn safetensors() {
    fuzz("safetensors", targets::safetensors, corpus("safetensors"), changed_header);
}

#[test]
fn burnpack() {
    fuzz("burnpack", targets::burnpack, corpus("burnpack"), changed_bytes);
}

#[test]
fn shards() {
    fuzz("shards", targets::shards, corpus("shards"), changed_member);
}
