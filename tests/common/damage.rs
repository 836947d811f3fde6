//! Damage, and what it may cost: every case is watched for panics, memory and standstill.

#![allow(dead_code, reason = "every test uses another part of it")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use serde_json::{Value as Json, json};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// After this long a case is taken for one that never ends.
const FOREVER: Duration = Duration::from_secs(60);

static RUNNING: Mutex<Option<(String, Instant)>> = Mutex::new(None);

/// Does one case, one at a time. It may take `most` mebibytes.
pub fn watched<T>(name: &str, most: f32, case: impl FnOnce() -> T) -> T {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static WATCHDOG: Once = Once::new();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    WATCHDOG.call_once(|| drop(std::thread::spawn(watch)));
    let running = || RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    *running() = Some((name.to_owned(), Instant::now()));
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage_as_mb();
    let result = catch_unwind(AssertUnwindSafe(case));
    let used = ALLOCATOR.peak_usage_as_mb() - before;
    *running() = None;
    let result = result.unwrap_or_else(|panic| {
        eprintln!("the case {name} panicked");
        resume_unwind(panic)
    });
    assert!(used < most, "{name} took {used} MiB");
    result
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, since)) = running.as_ref()
            && since.elapsed() > FOREVER
        {
            eprintln!("the case {name} did not end");
            std::process::abort();
        }
    }
}

/// The same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The files of a folder of the project, by name.
pub fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// What means something to one of the readers.
const TOKENS: &[&[u8]] = &[
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"../",
    b"/etc/passwd",
    b"\x89HDF\r\n\x1a\n",
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"GCOL",
    b"OHDR",
    b"OCHK",
    b"FRHP",
    b"BTHD",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"null",
    b"NaN",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"[[[[",
    b"{}",
    b"\\ud800",
];

/// One to four changes of bytes.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = at + random.below(bytes.len() - at).min(64);
        match random.below(12) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                let from = random.below(other.len().max(1));
                let spliced: Vec<u8> = other.iter().skip(from).take(end - at).copied().collect();
                bytes.splice(at..end, spliced);
            }
            4 | 5 => {
                let token = random.pick(TOKENS);
                let end = (at + token.len()).min(bytes.len());
                bytes.splice(at..end, token.iter().copied());
            }
            6..9 => {
                let numbers =
                    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 1 << 31, u64::from(u32::MAX), 1 << 40, u64::MAX];
                let number = random.pick(&numbers).to_le_bytes();
                let width = *random.pick(&[1, 2, 4, 8]);
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}

/// One to three changes of a document that leave it one.
pub fn mutate_json(json: &mut Json, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let mut nodes = Vec::new();
        collect(json, &mut nodes);
        let donor = random.pick(&nodes).clone();
        let at = random.below(nodes.len());
        let node = nth(json, &mut { at }).unwrap();
        let odd = [
            json!(null),
            json!(-1),
            json!(0),
            json!(2_147_483_647),
            json!(u64::MAX),
            json!(1e300),
            json!(true),
            json!("x"),
            json!([]),
            json!({}),
            json!([null, 1 << 20, 1 << 20]),
        ];
        match (random.below(6), node) {
            (0, Json::Array(items)) if !items.is_empty() => drop(items.remove(random.below(items.len()))),
            (0, Json::Object(items)) if !items.is_empty() => {
                let key = items.keys().nth(random.below(items.len())).unwrap().clone();
                items.remove(&key);
            }
            (1, Json::Array(items)) if !items.is_empty() => items.push(random.pick(items).clone()),
            (1 | 2, node) => *node = donor,
            (3, node) => *node = json!([node.take()]),
            (_, node) => *node = random.pick(&odd).clone(),
        }
    }
}

fn collect(json: &Json, found: &mut Vec<Json>) {
    found.push(json.clone());
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Json::Object(items) => items.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The node of that number, counted from the root down.
fn nth<'a>(json: &'a mut Json, number: &mut usize) -> Option<&'a mut Json> {
    if *number == 0 {
        return Some(json);
    }
    *number -= 1;
    match json {
        Json::Array(items) => items.iter_mut().find_map(|item| nth(item, number)),
        Json::Object(items) => items.values_mut().find_map(|item| nth(item, number)),
        _ => None,
    }
}
