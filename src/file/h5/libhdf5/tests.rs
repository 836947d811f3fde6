//! The second opinion: whatever the pure reader says of a file, the C library says too.

#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use hdf5_metno::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Attribute as H5Attribute, Location, LocationType};

use super::*;
use crate::error::ErrorKind;
use crate::file::h5::{Attribute, Attributes, H5File};
use crate::limits::Limits;

/// A file as the C library alone sees it.
#[derive(Default)]
struct Tree {
    groups: BTreeMap<String, Attributes>,
    datasets: BTreeMap<String, Found>,
}

struct Found {
    shape: Vec<usize>,
    element: Option<ElementType>,
    attributes: Attributes,
    /// `None` where there is no telling.
    elements: Option<Bytes>,
}

/// The tree, the attributes and the elements that the C library finds in a file.
fn alone(bytes: &Bytes) -> Tree {
    let library = Opened::new(bytes).unwrap();
    let mut tree = Tree::default();
    let mut waiting = vec![(String::new(), library.file.as_group().unwrap())];
    while let Some((path, group)) = waiting.pop() {
        tree.groups.insert(path.clone(), attributes(&group));
        for name in group.member_names().unwrap() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            if group.loc_type_by_name(&name).unwrap() == LocationType::Group {
                waiting.push((path, group.group(&name).unwrap()));
            } else {
                tree.datasets.insert(path, found(&group.dataset(&name).unwrap(), bytes));
            }
        }
    }
    tree
}

fn found(dataset: &hdf5_metno::Dataset, file: &Bytes) -> Found {
    let attributes = attributes(dataset);
    let element = element(dataset, &attributes);
    let shape = if dataset.space().unwrap().is_null() { vec![0] } else { dataset.shape() };
    let len = element.as_ref().map(|element| shape.iter().product::<usize>() * element.size());
    let elements = len.and_then(|len| elements(dataset, element.as_ref()?, file, len));
    Found { shape, element, attributes, elements }
}

/// `None` for what no variable is made of.
fn element(dataset: &hdf5_metno::Dataset, attributes: &Attributes) -> Option<ElementType> {
    use {FloatSize as F, IntSize as I, TypeDescriptor as T};

    let datatype = dataset.dtype().unwrap();
    let class = match datatype.to_descriptor() {
        Ok(class) => class,
        Err(error) if error.to_string().contains("Unsupported datatype class") => {
            let brain = attributes.get("dtype") == Some(&Attribute::Str("bfloat16".into()));
            let opaque = ElementType::Opaque(u32::try_from(datatype.size()).unwrap());
            return Some(if brain { ElementType::BF16 } else { opaque });
        }
        Err(_) => return None,
    };
    Some(match class {
        T::Float(F::U2) => ElementType::F16,
        T::Float(F::U4) => ElementType::F32,
        T::Float(F::U8) => ElementType::F64,
        T::Integer(I::U1) => ElementType::I8,
        T::Integer(I::U2) => ElementType::I16,
        T::Integer(I::U4) => ElementType::I32,
        T::Integer(I::U8) => ElementType::I64,
        T::Unsigned(I::U1) => ElementType::U8,
        T::Unsigned(I::U2) => ElementType::U16,
        T::Unsigned(I::U4) => ElementType::U32,
        T::Unsigned(I::U8) => ElementType::U64,
        T::Boolean => ElementType::Bool,
        _ => return None,
    })
}

/// Of opaque elements the C library tells the place alone, if they have one.
fn elements(dataset: &hdf5_metno::Dataset, element: &ElementType, file: &Bytes, len: usize) -> Option<Bytes> {
    match element {
        _ if len == 0 => Some(Bytes::new()),
        ElementType::BF16 | ElementType::Opaque(_) => {
            let start = usize::try_from(dataset.offset()?).unwrap();
            Some(file.slice(start..start + len))
        }
        _ if missing(dataset).is_some() => None,
        _ => Some(decode(dataset, element).unwrap()),
    }
}

fn attributes(object: &Location) -> Attributes {
    let names = object.attr_names().unwrap();
    names.into_iter().map(|name| (name.clone(), attribute(&object.attr(&name).unwrap()))).collect()
}

fn attribute(attribute: &H5Attribute) -> Attribute {
    use TypeDescriptor as T;

    const WIDEST: usize = 1 << 16;
    let space = attribute.space().unwrap();
    if space.is_null() {
        return Attribute::Other;
    }
    let scalar = attribute.is_scalar();
    if space.size() == 0 {
        return Attribute::Strs(Vec::new());
    }
    let texts = |texts: Vec<String>| match texts.as_slice() {
        [only] if scalar => Attribute::Str(only.clone()),
        _ => Attribute::Strs(texts),
    };
    let class = attribute.dtype().unwrap().to_descriptor();
    match class.unwrap_or(T::VarLenArray(Box::new(T::Boolean))) {
        T::VarLenUnicode => texts(strings::<VarLenUnicode>(attribute)),
        T::VarLenAscii => texts(strings::<VarLenAscii>(attribute)),
        T::FixedUnicode(..=WIDEST) => texts(strings::<FixedUnicode<WIDEST>>(attribute)),
        T::FixedAscii(..=WIDEST) => texts(strings::<FixedAscii<WIDEST>>(attribute)),
        T::Unsigned(_) if scalar => {
            let value = i64::try_from(attribute.read_scalar::<u64>().unwrap());
            value.map_or(Attribute::Other, Attribute::Int)
        }
        T::Integer(_) | T::Boolean if scalar => Attribute::Int(attribute.read_scalar().unwrap()),
        T::Float(FloatSize::U4 | FloatSize::U8) if scalar => {
            Attribute::Float(attribute.read_scalar().unwrap())
        }
        _ => Attribute::Other,
    }
}

fn strings<T: H5Type + ToString>(attribute: &H5Attribute) -> Vec<String> {
    attribute.read_raw::<T>().unwrap().iter().map(ToString::to_string).collect()
}

/// Compares everything that both readers say of a file. Returns how many datasets it has.
pub(crate) fn agree(bytes: &Bytes, what: &str) -> usize {
    let file = H5File::open(bytes.clone(), &Limits::default()).unwrap();
    let tree = alone(bytes);
    assert_eq!(file.groups(), &tree.groups, "{what}");
    assert!(file.datasets().keys().eq(tree.datasets.keys()), "{what}");
    for (path, Found { shape, element, attributes, elements }) in &tree.datasets {
        let (dataset, place) = (&file.datasets()[path], format!("{what}: {path}"));
        assert_eq!((&dataset.shape, &dataset.attributes), (shape, attributes), "{place}");
        let other = matches!(dataset.element, ElementType::Other { .. });
        assert_eq!(Some(&dataset.element).filter(|_| !other), element.as_ref(), "{place}");
        if let Some(elements) = elements {
            assert!(file.read(path).unwrap() == elements, "{place}: other elements");
        }
        if dataset.len > 0 && !matches!(dataset.element, ElementType::BF16 | ElementType::Opaque(_)) {
            // As if the pure reader had failed.
            let second = file.library.read(bytes, path, dataset, &Error::unsupported("a test"));
            let lacks_plugin = second.as_ref().is_err_and(|error| error.to_string().contains("no plugin"));
            assert!(lacks_plugin || second.ok() == file.read(path).ok(), "{place}: other elements");
        }
    }
    tree.datasets.len()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn made_by_h5py(name: &str) -> Bytes {
    std::fs::read(fixtures().join("hdf5").join(name)).unwrap().into()
}

/// Every HDF5 file below a folder, those in archives too.
fn below(folder: &Path, found: &mut Vec<(PathBuf, Bytes)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if path.is_dir() {
            below(&path, found);
        } else if matches!(extension, "h5" | "hdf5") {
            found.push((path.clone(), std::fs::read(path).unwrap().into()));
        } else if extension == "keras" {
            let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
            for index in 0..archive.len() {
                let mut member = archive.by_index(index).unwrap();
                let name = member.name().unwrap().into_owned();
                if name.ends_with(".h5") {
                    let mut bytes = Vec::new();
                    member.read_to_end(&mut bytes).unwrap();
                    found.push((path.join(name), bytes.into()));
                }
            }
        }
    }
}

/// `BURN_KERAS_H5` names a folder of further files.
#[test]
fn both_say_the_same_of_every_fixture() {
    let mut files = Vec::new();
    below(&fixtures(), &mut files);
    // What is refused is not for the second reader either.
    files.retain(|(path, _)| !path.starts_with(fixtures().join("hostile")));
    if let Some(folder) = std::env::var_os("BURN_KERAS_H5") {
        below(Path::new(&folder), &mut files);
    }
    let mut datasets = 0;
    for (path, bytes) in &files {
        datasets += agree(bytes, &path.display().to_string());
    }
    println!("{} files, {datasets} datasets", files.len());
    assert!(files.len() > 1_000 && datasets > 3_000, "{} files, {datasets} datasets", files.len());
}

fn open(name: &str) -> H5File {
    H5File::open(made_by_h5py(name), &Limits::default()).unwrap()
}

/// Which datasets of which files the pure reader cannot decode: exactly those with rare filters.
#[test]
fn only_rare_filters_need_the_library() {
    let files = std::fs::read_dir(fixtures().join("hdf5")).unwrap();
    let names: BTreeSet<String> =
        files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let file = open(&name);
        for path in file.datasets().keys() {
            let pure = crate::file::h5::guarded(|| file.file.dataset(path)?.read_raw_bytes());
            let lacks = pure.is_err_and(|error| error.kind() == ErrorKind::Unsupported);
            assert_eq!(lacks, name == "rare_filters.h5" && !path.starts_with("lzf"), "{name}: {path}");
        }
    }
}

#[test]
fn rare_filters_give_what_common_ones_give() {
    let (rare, common) = (open("rare_filters.h5"), open("filters.h5"));
    assert_eq!(rare.datasets().len(), 10);
    for path in rare.datasets().keys() {
        let (_, element) = path.split_once('/').unwrap();
        assert!(rare.read(path).unwrap() == common.read(&format!("gzip/{element}")).unwrap(), "{path}");
    }
}

/// What the C library does with damaged files, without our checks before it and behind them. The one
/// thing to be asserted is that this process survives: it lets others try.
#[test]
#[ignore = "a measurement of three minutes, and no proof"]
fn flipped_bits_in_other_processes() {
    for mode in ["library alone", "library behind the checks", "as users read"] {
        let mut outcomes = BTreeMap::<String, usize>::new();
        for file in FLIPPED {
            let mut next = 0;
            while next < FLIPS {
                let (done, outcome) = flips_in_a_child(mode, file, next);
                *outcomes.entry("survived".into()).or_default() += done - next;
                if let Some(outcome) = outcome {
                    *outcomes.entry(outcome).or_default() += 1;
                }
                next = done + 1;
            }
        }
        println!("{mode}: {outcomes:?}");
    }
}

const FLIPPED: [&str; 6] =
    ["rare_filters.h5", "filters.h5", "packed.h5", "types.h5", "layouts_earliest.h5", "attributes_v110.h5"];
const FLIPS: usize = 1_000;

/// How far a child came that starts with a certain flip, and what ended it if it did not finish.
fn flips_in_a_child(mode: &str, file: &str, first: usize) -> (usize, Option<String>) {
    const SECONDS: &str = "10";
    let mut progress = NamedTempFile::new().unwrap();
    progress.write_all(first.to_string().as_bytes()).unwrap();
    let run = "ulimit -v 4000000; exec \"$0\" --exact \"$1\" --ignored";
    let status = Command::new("sh")
        .args(["-c", run])
        .arg(std::env::current_exe().unwrap())
        .arg("file::h5::libhdf5::tests::flips")
        .env("BURN_KERAS_FLIPS", format!("{mode}|{file}|{}|{SECONDS}", progress.path().display()))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    let done = std::fs::read_to_string(progress.path()).unwrap().parse().unwrap();
    let outcome = match status.code() {
        Some(0) => None,
        Some(TIMED_OUT) => Some("timed out".into()),
        _ => Some(status.to_string()),
    };
    (if outcome.is_none() { FLIPS } else { done }, outcome)
}

const TIMED_OUT: i32 = 77;

/// The child's part.
#[test]
#[ignore = "started by the measurement above"]
fn flips() {
    let Ok(task) = std::env::var("BURN_KERAS_FLIPS") else { return };
    let [mode, file, progress, seconds] = task.split('|').collect::<Vec<_>>().try_into().unwrap();
    let seconds: u64 = seconds.parse().unwrap();
    let bytes = made_by_h5py(file);
    let first: usize = std::fs::read_to_string(progress).unwrap().parse().unwrap();
    for flip in first..FLIPS {
        std::fs::write(progress, flip.to_string()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            if receiver.recv_timeout(std::time::Duration::from_secs(seconds)) == Err(Timeout) {
                std::process::exit(TIMED_OUT);
            }
        });
        let bytes = flipped(&bytes, flip);
        let _ = catch_unwind(|| match mode {
            "library alone" => drop(alone(&bytes)),
            mode => behind(&bytes, mode == "as users read"),
        });
        drop(sender);
    }
}

fn behind(bytes: &Bytes, as_users: bool) {
    let Ok(file) = H5File::open(bytes.clone(), &Limits::default()) else { return };
    for (path, dataset) in file.datasets() {
        let _ = if as_users {
            file.read(path)
        } else {
            file.library.read(bytes, path, dataset, &Error::unsupported("a test"))
        };
    }
}

/// One to three bits of the file turned around.
fn flipped(bytes: &Bytes, seed: usize) -> Bytes {
    let mut random = 0x2545_f491_4f6c_dd1d_u64 ^ (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        bytes[at] ^= 1 << next(8);
    }
    bytes.into()
}
