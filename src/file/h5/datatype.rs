//! Which of our element types an HDF5 datatype is.

use hdf5_reader::{ByteOrder, Datatype};

use super::ElementType;

/// Sign, exponent position and size, mantissa position and size, bias.
type Float = (u8, [u8; 4], u32);

const F16: Float = (15, [10, 5, 0, 10], 15);
const BF16: Float = (15, [7, 8, 0, 7], 127);
const F32: Float = (31, [23, 8, 0, 23], 127);
const F64: Float = (63, [52, 11, 0, 52], 1023);

/// The element type, and whether it is stored big-endian. `raw` is the datatype as encoded, which
/// says where the bits of a number are; `datatype` itself does not.
pub(super) fn element(datatype: &Datatype, raw: &[u8], size: u32) -> (ElementType, bool) {
    let (element, order) = match datatype {
        Datatype::FixedPoint { size, signed, byte_order } if whole(raw, *size) => {
            (integer(*size, *signed), *byte_order)
        }
        Datatype::FloatingPoint { size, byte_order } => (float(raw, *size), *byte_order),
        Datatype::Enum { base, members } => {
            let named = |name: &str, value| {
                members.iter().any(|member| member.name == name && member.value == [value])
            };
            let byte = matches!(**base, Datatype::FixedPoint { size: 1, .. });
            let bool = byte && members.len() == 2 && named("FALSE", 0) && named("TRUE", 1);
            (bool.then_some(ElementType::Bool), ByteOrder::LittleEndian)
        }
        Datatype::Opaque { size, tag } if tag != "HDF5_TIME" => {
            (Some(ElementType::Opaque(*size)), ByteOrder::LittleEndian)
        }
        _ => (None, ByteOrder::LittleEndian),
    };
    match element {
        Some(element) => (element, order == ByteOrder::BigEndian),
        None => (ElementType::Other { description: describe(datatype), size }, false),
    }
}

fn integer(size: u8, signed: bool) -> Option<ElementType> {
    match (size, signed) {
        (1, true) => Some(ElementType::I8),
        (2, true) => Some(ElementType::I16),
        (4, true) => Some(ElementType::I32),
        (8, true) => Some(ElementType::I64),
        (1, false) => Some(ElementType::U8),
        (2, false) => Some(ElementType::U16),
        (4, false) => Some(ElementType::U32),
        (8, false) => Some(ElementType::U64),
        _ => None,
    }
}

fn float(raw: &[u8], size: u8) -> Option<ElementType> {
    const VAX: u8 = 0x40;
    const NORMALIZATION: u8 = 0x30;
    const IMPLIED_LEADING_BIT: u8 = 0x20;
    let flags = *raw.get(1)?;
    if flags & VAX != 0 || flags & NORMALIZATION != IMPLIED_LEADING_BIT || !whole(raw, size) {
        return None;
    }
    let parts = raw.get(12..16)?.try_into().ok()?;
    let bias = u32::from_le_bytes(raw.get(16..20)?.try_into().ok()?);
    match (size, (*raw.get(2)?, parts, bias)) {
        (2, F16) => Some(ElementType::F16),
        (2, BF16) => Some(ElementType::BF16),
        (4, F32) => Some(ElementType::F32),
        (8, F64) => Some(ElementType::F64),
        _ => None,
    }
}

/// Whether a number fills all bits of its `size` bytes.
fn whole(raw: &[u8], size: u8) -> bool {
    raw.get(8..10) == Some(&[0, 0]) && raw.get(10..12) == Some(&(u16::from(size) * 8).to_le_bytes())
}

fn describe(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FixedPoint { size, .. } => format!("integers of an unusual form in {size} bytes"),
        Datatype::FloatingPoint { size, .. } => format!("floats of an unusual form in {size} bytes"),
        Datatype::String { .. } => "strings".into(),
        Datatype::Compound { .. } => "compounds".into(),
        Datatype::Array { .. } => "arrays".into(),
        Datatype::Enum { .. } => "an enumeration".into(),
        Datatype::VarLen { .. } => "of variable length".into(),
        Datatype::Opaque { .. } => "times".into(),
        Datatype::Reference { .. } => "references".into(),
        Datatype::Bitfield { .. } => "bit fields".into(),
    }
}
