//! NumPy's files: `.npz` archives and single `.npy` arrays, to and from host tensors.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use burn::tensor::{BoolStore, DType, Device, Element, TensorData};
use burn_keras::{Error, Result, Value};
use npyz::{DType as NpyType, NpyFile, Order, TypeChar, TypeStr, WriterBuilder};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The most characters that a string may have room for.
const LONGEST_STRING: u64 = 1 << 20;

/// An array of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Numbers or booleans.
    Numbers(TensorData),
    /// Strings in row-major order, and their shape.
    Strings(Vec<String>, Vec<usize>),
}

impl From<TensorData> for Array {
    fn from(data: TensorData) -> Self {
        Self::Numbers(data)
    }
}

impl Array {
    /// The array of a model's output.
    pub fn of(value: Value) -> Self {
        match value.strings() {
            Ok(strings) => Self::Strings(strings.to_vec(), value.shape()),
            Err(_) => Self::Numbers(value.into_data()),
        }
    }

    /// The array as a value of a model.
    pub fn into_value(self, device: &Device) -> Result<Value> {
        match self {
            Self::Numbers(data) => Value::from_data(data, device),
            Self::Strings(strings, shape) => Value::from_strings(strings, &shape, device),
        }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Numbers(data) => data.shape().as_slice(),
            Self::Strings(_, shape) => shape,
        }
    }

    /// How many bytes it takes.
    fn bytes(&self) -> usize {
        match self {
            Self::Numbers(data) => data.bytes().len(),
            Self::Strings(strings, _) => strings.len().saturating_mul(4 * width(strings)),
        }
    }

    /// The numbers.
    pub fn numbers(self) -> Result<TensorData> {
        match self {
            Self::Numbers(data) => Ok(data),
            Self::Strings(..) => Err(Error::input("expected numbers, got strings")),
        }
    }
}

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
pub fn read(path: &Path) -> Result<Vec<(String, Array)>> {
    let file = || File::open(path).map(BufReader::new).map_err(|source| Error::io("cannot open", source));
    let arrays = match is_single(path)? {
        true => file().and_then(read_array).map(|array| vec![(String::new(), array)]),
        false => file().and_then(read_archive),
    };
    arrays.map_err(|error| error.in_file(path))
}

fn read_archive(file: BufReader<File>) -> Result<Vec<(String, Array)>> {
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
pub fn write(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
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

fn write_archive(out: impl Write + Seek, arrays: &[(String, Array)]) -> Result<()> {
    let mut archive = ZipWriter::new(out);
    let mut seen = HashSet::new();
    for (name, array) in arrays {
        if !seen.insert(name) {
            return Err(Error::input(format_args!("two arrays are called {name:?}")));
        }
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(array.bytes() >= 1 << 31);
        archive.start_file(format!("{name}.npy"), options).map_err(zip_error)?;
        write_array(&mut archive, array)?;
    }
    archive.finish().map_err(zip_error)?;
    Ok(())
}

fn read_array(reader: impl Read) -> Result<Array> {
    let array = NpyFile::new(reader).map_err(unread_header)?;
    let NpyType::Plain(element) = array.dtype() else {
        return Err(Error::unsupported(format_args!("arrays of {}", array.dtype().descr())));
    };
    macro_rules! numbers {
        ($ty:ty) => {
            numbers::<$ty>(array)
        };
    }
    match (element.type_char(), element.size_field()) {
        (TypeChar::Float, 4) => numbers!(f32),
        (TypeChar::Float, 8) => numbers!(f64),
        (TypeChar::Int, 1) => numbers!(i8),
        (TypeChar::Int, 2) => numbers!(i16),
        (TypeChar::Int, 4) => numbers!(i32),
        (TypeChar::Int, 8) => numbers!(i64),
        (TypeChar::Uint, 1) => numbers!(u8),
        (TypeChar::Uint, 2) => numbers!(u16),
        (TypeChar::Uint, 4) => numbers!(u32),
        (TypeChar::Uint, 8) => numbers!(u64),
        (TypeChar::Bool, 1) => numbers!(bool),
        (TypeChar::UnicodeStr | TypeChar::ByteStr, 1..=LONGEST_STRING) => {
            let (strings, shape) = elements::<String>(array)?;
            Ok(Array::Strings(strings, shape))
        }
        _ => Err(Error::unsupported(format_args!("arrays of {element}"))),
    }
}

fn numbers<T: Element + npyz::Deserialize>(array: NpyFile<impl Read>) -> Result<Array> {
    let (numbers, shape) = elements::<T>(array)?;
    Ok(TensorData::new(numbers, shape).into())
}

/// Reads the elements of an array. Memory grows with what is really there, whatever the header says.
fn elements<T: Clone + npyz::Deserialize>(array: NpyFile<impl Read>) -> Result<(Vec<T>, Vec<usize>)> {
    let shape =
        array.shape().iter().map(|size| usize::try_from(*size)).collect::<std::result::Result<Vec<_>, _>>();
    let shape = shape.map_err(|error| Error::limit("an array larger than the memory").with_source(error))?;
    let is_fortran = array.order() == Order::Fortran;
    let data = array.data::<T>().map_err(|error| Error::unsupported(&error).with_source(error))?;
    let mut elements = Vec::new();
    for element in data {
        elements.push(element.map_err(unread)?);
    }
    let expected = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if expected != Some(elements.len()) {
        let message = format_args!("expected the elements for the shape {shape:?}, got {}", elements.len());
        return Err(Error::damaged(message));
    }
    let elements = if is_fortran { row_major(&elements, &shape) } else { elements };
    Ok((elements, if shape.is_empty() { vec![1] } else { shape }))
}

/// Brings elements whose first axis is the fastest into the order in which the last one is.
fn row_major<T: Clone>(elements: &[T], shape: &[usize]) -> Vec<T> {
    let mut axes = Vec::new();
    let mut stride = 1;
    for size in shape {
        axes.push((*size, stride, 0));
        stride *= size;
    }
    let mut at = 0;
    let mut out = Vec::with_capacity(elements.len());
    while let (Some(element), true) = (elements.get(at), out.len() < elements.len()) {
        out.push(element.clone());
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

fn write_array(out: &mut impl Write, array: &Array) -> Result<()> {
    match array {
        Array::Numbers(data) => write_numbers(out, data),
        Array::Strings(strings, shape) => write_strings(out, strings, shape),
    }
}

/// Writes strings as NumPy's `<U`: each with room for the longest.
fn write_strings(out: &mut impl Write, strings: &[String], shape: &[usize]) -> Result<()> {
    let descr = format!("<U{}", width(strings));
    let element: TypeStr = descr.parse().map_err(|_| Error::input(format_args!("no arrays of {descr}")))?;
    let shape: Vec<u64> = shape.iter().map(|size| *size as u64).collect();
    let options = npyz::WriteOptions::new().dtype(NpyType::Plain(element)).shape(&shape);
    let mut writer = options.writer(out).begin_nd().map_err(unwritten)?;
    writer.extend(strings).map_err(unwritten)?;
    writer.finish().map_err(unwritten)
}

/// The characters of the longest string.
fn width(strings: &[String]) -> usize {
    strings.iter().map(|string| string.chars().count()).max().unwrap_or(0).max(1)
}

fn write_numbers(out: &mut impl Write, array: &TensorData) -> Result<()> {
    macro_rules! numbers {
        ($ty:ty) => {{
            let shape: Vec<u64> = array.shape().iter().map(|size| *size as u64).collect();
            let numbers = array.as_slice::<$ty>().map_err(|error| Error::input(format_args!("{error:?}")))?;
            let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
            let mut writer = options.writer(out).begin_nd().map_err(unwritten)?;
            writer.extend(numbers.iter().copied()).map_err(unwritten)?;
            writer.finish().map_err(unwritten)
        }};
    }
    match array.dtype() {
        DType::F64 => numbers!(f64),
        DType::F32 => numbers!(f32),
        // Not every type of 16 bits is one of NumPy's.
        DType::F16 | DType::BF16 => write_numbers(out, &array.clone().convert_dtype(DType::F32)),
        DType::I64 => numbers!(i64),
        DType::I32 => numbers!(i32),
        DType::I16 => numbers!(i16),
        DType::I8 => numbers!(i8),
        DType::U64 => numbers!(u64),
        DType::U32 => numbers!(u32),
        DType::U16 => numbers!(u16),
        DType::U8 => numbers!(u8),
        DType::Bool(BoolStore::Native) => numbers!(bool),
        DType::Bool(_) => write_numbers(out, &array.clone().convert_dtype(DType::Bool(BoolStore::Native))),
        other => Err(Error::unsupported(format_args!("NumPy has no arrays of {other:?}"))),
    }
}

/// Object arrays are pickles, and those are programs: they are not opened.
fn unread_header(source: std::io::Error) -> Error {
    match source.to_string().contains("Invalid type-string") {
        true => Error::unsupported("arrays of Python objects; strings go into an array of type str or bytes")
            .with_source(source),
        false => unread(source),
    }
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
