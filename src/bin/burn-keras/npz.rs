//! NumPy's files: `.npz` archives and single `.npy` arrays, to and from host tensors.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use npyz::{DType as NpyType, NpyFile, TypeChar, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

type Result<T> = std::result::Result<T, String>;

/// The arrays of a file with their names; that of a `.npy` file is empty. NumPy has arrays without
/// axes, which become vectors of one.
pub fn read(path: &Path) -> Result<Vec<(String, TensorData)>> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    if path.extension().is_some_and(|extension| extension == "npy") {
        return Ok(vec![(String::new(), read_array(BufReader::new(file))?)]);
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| error.to_string())?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(|error| error.to_string())?;
        let name = member.name().map_err(|error| error.to_string())?.trim_end_matches(".npy").to_owned();
        let array = read_array(member).map_err(|error| format!("{name:?}: {error}"))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// Writes arrays with their names; a `.npy` file takes just one.
pub fn write(path: &Path, arrays: &[(String, TensorData)]) -> Result<()> {
    let create = || File::create(path).map(BufWriter::new).map_err(|error| error.to_string());
    if path.extension().is_some_and(|extension| extension == "npy") {
        let [(_, array)] = arrays else {
            return Err(format!("a .npy file holds one array, there are {}", arrays.len()));
        };
        let mut out = create()?;
        write_array(&mut out, array)?;
        return out.flush().map_err(|error| error.to_string());
    }
    let mut archive = ZipWriter::new(create()?);
    for (name, array) in arrays {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(array.bytes().len() >= 1 << 31);
        archive.start_file(format!("{name}.npy"), options).map_err(|error| error.to_string())?;
        write_array(&mut archive, array)?;
    }
    finish(archive)
}

fn finish<W: Write + Seek>(archive: ZipWriter<W>) -> Result<()> {
    archive.finish().and_then(|mut out| out.flush().map_err(Into::into)).map_err(|error| error.to_string())
}

fn read_array(reader: impl Read) -> Result<TensorData> {
    let array = NpyFile::new(reader).map_err(|error| error.to_string())?;
    let mut shape = array.shape().iter().map(|size| *size as usize).collect::<Vec<_>>();
    if array.order() != npyz::Order::C && shape.len() > 1 {
        return Err("expected an array in C order".into());
    }
    if shape.is_empty() {
        shape.push(1);
    }
    let plain = match array.dtype() {
        NpyType::Plain(plain) => plain,
        other => return Err(format!("expected numbers, got {other:?}")),
    };
    macro_rules! numbers {
        ($ty:ty) => {
            TensorData::new(array.into_vec::<$ty>().map_err(|error| error.to_string())?, shape)
        };
    }
    Ok(match (plain.type_char(), plain.size_field()) {
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
        (TypeChar::Bool, _) => numbers!(bool),
        _ => return Err(format!("arrays of {plain} are not supported")),
    })
}

fn write_array(out: &mut impl Write, array: &TensorData) -> Result<()> {
    macro_rules! numbers {
        ($ty:ty) => {{
            let shape: Vec<u64> = array.shape().iter().map(|size| *size as u64).collect();
            let mut writer = npyz::WriteOptions::new()
                .default_dtype()
                .shape(&shape)
                .writer(&mut *out)
                .begin_nd()
                .map_err(|error| error.to_string())?;
            let numbers = array.as_slice::<$ty>().map_err(|error| format!("{error:?}"))?;
            writer.extend(numbers.iter().copied()).map_err(|error| error.to_string())?;
            writer.finish().map_err(|error| error.to_string())
        }};
    }
    match array.dtype() {
        DType::F32 => numbers!(f32),
        DType::F64 => numbers!(f64),
        DType::I64 => numbers!(i64),
        DType::I32 => numbers!(i32),
        DType::I16 => numbers!(i16),
        DType::I8 => numbers!(i8),
        DType::U64 => numbers!(u64),
        DType::U32 => numbers!(u32),
        DType::U16 => numbers!(u16),
        DType::U8 => numbers!(u8),
        DType::Bool(_) => numbers!(bool),
        other => Err(format!("NumPy has no arrays of {other:?}")),
    }
}
