//! NumPy's files: `.npz` archives and single `.npy` arrays, to and from host tensors.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use burn::tensor::{BoolStore, DType, Element, TensorData, f16};
use burn_keras::{Error, Result};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself reads no longer ones of strangers.
const LONGEST_HEADER: u64 = 10_000;

/// Whether a file name stands for a single array, `.npy`, and not for an archive, `.npz`.
pub fn is_single(path: &Path) -> Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Ok(true),
        Some("npz") => Ok(false),
        _ => Err(Error::input("expected a name that ends in .npz or .npy").in_file(path)),
    }
}

/// The arrays of a file with their names; that of a `.npy` file is empty. NumPy has arrays without
/// axes, which become vectors of one.
pub fn read(path: &Path) -> Result<Vec<(String, TensorData)>> {
    let file = || File::open(path).map(BufReader::new).map_err(|source| Error::io("cannot open", source));
    let arrays = match is_single(path)? {
        true => file().and_then(read_array).map(|array| vec![(String::new(), array)]),
        false => file().and_then(read_archive),
    };
    arrays.map_err(|error| error.in_file(path))
}

fn read_archive(file: BufReader<File>) -> Result<Vec<(String, TensorData)>> {
    let mut archive = ZipArchive::new(file).map_err(zip_error)?;
    if archive.has_duplicate_names() {
        return Err(Error::damaged("two arrays have the same name"));
    }
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(zip_error)?;
        let name = member.name().map_err(zip_error)?.into_owned();
        let Some(name) = name.strip_suffix(".npy") else {
            return Err(Error::damaged(format_args!("expected arrays, got the member {name:?}")));
        };
        let array = read_array(member).map_err(|error| error.at(format_args!("array {name:?}")))?;
        arrays.push((name.to_owned(), array));
    }
    Ok(arrays)
}

/// Writes arrays with their names in place of whatever file is at `path`; a `.npy` file takes just
/// one.
pub fn write(path: &Path, arrays: &[(String, TensorData)]) -> Result<()> {
    let single = is_single(path)?;
    replace(path, |file| match (single, arrays) {
        (true, [(_, array)]) => write_array(file, array),
        (true, _) => {
            Err(Error::input(format_args!("a .npy file holds one array, there are {}", arrays.len())))
        }
        (false, _) => write_archive(file, arrays),
    })
    .map_err(|error| error.in_file(path))
}

/// A new file is written beside the old one and then renamed, so that there is never half of one.
fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".burn-keras-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder).map_err(|source| Error::io("cannot create", source))?;
    let mut out = BufWriter::new(temporary.as_file());
    write(&mut out)?;
    out.flush().and_then(|()| temporary.as_file().sync_all()).map_err(unwritten)?;
    drop(out);
    temporary.persist(path).map_err(|error| Error::io("cannot replace", error.error))?;
    Ok(())
}

fn write_archive(out: impl Write + Seek, arrays: &[(String, TensorData)]) -> Result<()> {
    let mut archive = ZipWriter::new(out);
    let mut seen = HashSet::new();
    for (name, array) in arrays {
        if !seen.insert(name) {
            return Err(Error::input(format_args!("two arrays are called {name:?}")));
        }
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(array.bytes().len() >= 1 << 31);
        archive.start_file(format!("{name}.npy"), options).map_err(zip_error)?;
        write_array(&mut archive, array)?;
    }
    archive.finish().map_err(zip_error)?;
    Ok(())
}

/// What stands before the numbers of an array.
#[derive(Debug, PartialEq)]
struct Header {
    /// Byte order, kind and size of the numbers: `<f4`.
    descr: String,
    /// Whether the first axis is the fastest.
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Self> {
        let version = match exact::<8>(reader)?.strip_prefix(MAGIC) {
            Some([version, _]) => *version,
            _ => return Err(Error::damaged("expected an array in NumPy's format, got something else")),
        };
        let length = match version {
            1 => u64::from(u16::from_le_bytes(exact(reader)?)),
            _ => u64::from(u32::from_le_bytes(exact(reader)?)),
        };
        if length > LONGEST_HEADER {
            return Err(Error::limit(format_args!("a header of {length} bytes, more than {LONGEST_HEADER}")));
        }
        let mut text = String::new();
        reader.take(length).read_to_string(&mut text).map_err(unread)?;
        Self::parse(&text).ok_or_else(|| {
            Error::damaged(format_args!("expected the header of an array of numbers, got {text:?}"))
        })
    }

    /// Reads the Python dictionary `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str) -> Option<Self> {
        let mut header = Self { descr: String::new(), fortran: false, shape: Vec::new() };
        let mut seen = Vec::new();
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            seen.push(key);
            match key {
                "descr" => {
                    let (descr, after) = quoted(rest)?;
                    (header.descr, rest) = (descr.to_owned(), after);
                }
                "fortran_order" => {
                    header.fortran = rest.starts_with("True");
                    rest = rest.strip_prefix("True").or_else(|| rest.strip_prefix("False"))?;
                }
                "shape" => {
                    let (sizes, after) = rest.strip_prefix('(')?.split_once(')')?;
                    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
                    header.shape = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
                    rest = after;
                }
                _ => return None,
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        seen.sort_unstable();
        (seen == ["descr", "fortran_order", "shape"]).then_some(header)
    }
}

fn exact<const SIZE: usize>(reader: &mut impl Read) -> Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    reader.read_exact(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

/// A Python string without escapes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text.get(1..)?.split_once(quote)
}

fn read_array(mut reader: impl Read) -> Result<TensorData> {
    let header = Header::read(&mut reader)?;
    let big = header.descr.starts_with('>');
    macro_rules! numbers {
        ($ty:ty) => {
            array(reader, &header, |bytes| match big {
                true => <$ty>::from_be_bytes(bytes),
                false => <$ty>::from_le_bytes(bytes),
            })
        };
    }
    match header.descr.trim_start_matches(['<', '>', '|', '=']) {
        "f2" => Ok(numbers!(f16)?.convert_dtype(DType::F32)),
        "f4" => numbers!(f32),
        "f8" => numbers!(f64),
        "i1" => numbers!(i8),
        "i2" => numbers!(i16),
        "i4" => numbers!(i32),
        "i8" => numbers!(i64),
        "u1" => numbers!(u8),
        "u2" => numbers!(u16),
        "u4" => numbers!(u32),
        "u8" => numbers!(u64),
        "b1" => array(reader, &header, |[byte]| byte != 0),
        _ => Err(Error::unsupported(format_args!("arrays of {:?}", header.descr))),
    }
}

/// Reads the numbers of an array. Memory grows with what is really there, whatever the header says.
fn array<T: Element, const SIZE: usize>(
    reader: impl Read,
    header: &Header,
    number: impl Fn([u8; SIZE]) -> T,
) -> Result<TensorData> {
    let Header { shape, fortran, .. } = header;
    let expected = shape
        .iter()
        .try_fold(SIZE, |product, size| product.checked_mul(*size))
        .and_then(|expected| u64::try_from(expected).ok()?.checked_add(1))
        .ok_or_else(|| Error::limit(format_args!("an array of the shape {shape:?}")))?
        - 1;
    let mut bytes = Vec::new();
    reader.take(expected + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 != expected {
        let got = if bytes.len() as u64 > expected { "more".to_owned() } else { bytes.len().to_string() };
        return Err(Error::damaged(format_args!(
            "expected {expected} bytes for the shape {shape:?}, got {got}"
        )));
    }
    let (numbers, _) = bytes.as_chunks::<SIZE>();
    let numbers = numbers.iter().map(|bytes| number(*bytes));
    let numbers = if *fortran { row_major(&numbers.collect::<Vec<_>>(), shape) } else { numbers.collect() };
    let shape = if shape.is_empty() { vec![1] } else { shape.clone() };
    Ok(TensorData::new(numbers, shape))
}

/// Brings numbers whose first axis is the fastest into the order in which the last one is.
fn row_major<T: Copy>(numbers: &[T], shape: &[usize]) -> Vec<T> {
    let mut axes = Vec::new();
    let mut stride = 1;
    for size in shape {
        axes.push((*size, stride, 0));
        stride *= size;
    }
    let mut at = 0;
    let mut out = Vec::with_capacity(numbers.len());
    while let (Some(number), true) = (numbers.get(at), out.len() < numbers.len()) {
        out.push(*number);
        for (size, stride, index) in axes.iter_mut().rev() {
            (*index, at) = (*index + 1, at + *stride);
            if *index < *size {
                break;
            }
            at -= *size * *stride;
            *index = 0;
        }
    }
    out
}

fn write_array(out: &mut impl Write, array: &TensorData) -> Result<()> {
    macro_rules! numbers {
        ($descr:literal, $ty:ty) => {{
            write_header(out, $descr, array.shape())?;
            let numbers = array.as_slice::<$ty>().map_err(|error| Error::input(format_args!("{error:?}")))?;
            numbers.iter().try_for_each(|number| out.write_all(&number.to_le_bytes())).map_err(unwritten)
        }};
    }
    match array.dtype() {
        DType::F64 => numbers!("<f8", f64),
        DType::F32 => numbers!("<f4", f32),
        DType::F16 => numbers!("<f2", f16),
        DType::I64 => numbers!("<i8", i64),
        DType::I32 => numbers!("<i4", i32),
        DType::I16 => numbers!("<i2", i16),
        DType::I8 => numbers!("|i1", i8),
        DType::U64 => numbers!("<u8", u64),
        DType::U32 => numbers!("<u4", u32),
        DType::U16 => numbers!("<u2", u16),
        DType::U8 => numbers!("|u1", u8),
        DType::Bool(_) => {
            write_header(out, "|b1", array.shape())?;
            let array = array.clone().convert_dtype(DType::Bool(BoolStore::Native));
            let bytes: Vec<u8> = array.iter::<bool>().map(u8::from).collect();
            out.write_all(&bytes).map_err(unwritten)
        }
        other => Err(Error::unsupported(format_args!("NumPy has no arrays of {other:?}"))),
    }
}

fn write_header(out: &mut impl Write, descr: &str, shape: &[usize]) -> Result<()> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let sizes = if shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The numbers begin at a multiple of 64 bytes, after the magic, the version and the length.
    let end = (10 + header.len() + 1).next_multiple_of(64);
    header += &" ".repeat(end - 10 - header.len() - 1);
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|_| Error::limit("a header that is too long"))?;
    let parts = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()];
    parts.iter().try_for_each(|part| out.write_all(part)).map_err(unwritten)
}

fn unread(source: std::io::Error) -> Error {
    match source.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
            Error::damaged(format_args!("cannot be read: {source}")).with_source(source)
        }
        _ => Error::io("cannot read", source),
    }
}

fn unwritten(source: std::io::Error) -> Error {
    Error::io("cannot write", source)
}

fn zip_error(error: ZipError) -> Error {
    match error {
        ZipError::Io(source) => unread(source),
        error => Error::damaged(format_args!("no sound archive of arrays: {error}")).with_source(error),
    }
}
