//! Devices by name, for programs that take one as an argument.
//!
//! Which backends there are is decided when this crate is compiled, by its cargo features:
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! let device = burn_keras::device::device("flex")?;
//! assert!(burn_keras::device::compiled().any(|name| name == "flex"));
//! # let _ = device;
//! # }
//! # Ok::<(), burn_keras::Error>(())
//! ```

#![allow(deprecated, reason = "Burn 0.22 still has the backends that it deprecates")]

use burn::tensor::{Device, DeviceIndex, DeviceKind};

use crate::error::{Error, Result};
use crate::registry::nearest;

/// Opens a device by what follows the backend's name and a colon.
type Open = fn(Option<&str>) -> Result<Device>;

/// A backend of Burn's. Its cargo feature has its name.
struct Backend {
    name: &'static str,
    open: Option<Open>,
}

macro_rules! backends {
    ($($name:tt => $open:expr,)*) => {
        &[$(
            #[cfg(feature = $name)]
            Backend { name: $name, open: Some($open) },
            #[cfg(not(feature = $name))]
            Backend { name: $name, open: None },
        )*]
    };
}

/// Every backend. A processor is always there, so those come before what needs a graphics card.
static BACKENDS: &[Backend] = backends! {
    "flex" => |which| only(which, Device::flex),
    "cpu" => |which| only(which, Device::cpu),
    "ndarray" => |which| only(which, Device::ndarray),
    "tch" => |which| match which.map(|which| which.split_once(':').unwrap_or((which, ""))) {
        Some(("cuda", number)) => Ok(Device::libtorch_cuda(index(Some(number).filter(|it| !it.is_empty()))?)),
        _ => only(which, Device::libtorch),
    },
    "cuda" => |which| Ok(Device::cuda(index(which)?)),
    "metal" => |which| Ok(Device::metal(kind(which)?)),
    "rocm" => |which| Ok(Device::rocm(index(which)?)),
    "vulkan" => |which| Ok(Device::vulkan(kind(which)?)),
    "webgpu" => |which| Ok(Device::webgpu(kind(which)?)),
    "wgpu" => |which| Ok(Device::wgpu(kind(which)?)),
};

/// The device of that name: a backend, and which of its devices when there can be several.
///
/// - `flex`, `cpu`, `ndarray`, `tch`: the processor;
/// - `cuda`, `rocm`, `tch:cuda`: the default graphics card; `cuda:1`, `tch:cuda:1`: that one;
/// - `wgpu`, `vulkan`, `metal`, `webgpu`: the default adapter; `wgpu:1`: that discrete graphics card;
///   `wgpu:integrated:0`, `wgpu:virtual:0`: that integrated or virtual one; `wgpu:cpu`: the processor.
///
/// Burn opens the hardware when it is first used, and panics then if it is not there.
///
/// # Errors
/// When there is no such backend, or this crate was compiled without it.
pub fn device(name: &str) -> Result<Device> {
    let (backend, which) = match name.split_once(':') {
        Some((backend, which)) => (backend, Some(which)),
        None => (name, None),
    };
    let Some(known) = BACKENDS.iter().find(|known| known.name == backend) else {
        let hint = nearest(backend, BACKENDS.iter().map(|known| known.name));
        return Err(Error::input(format_args!("no backend {backend:?}{hint}")));
    };
    let Some(open) = known.open else {
        return Err(Error::unsupported(format_args!(
            "the backend {backend:?} was not compiled in, which takes the cargo feature {backend:?}; {}",
            present()
        )));
    };
    open(which).map_err(|error| error.at(format_args!("device {name:?}")))
}

/// The names of the backends that were compiled in, as [`device`] takes them.
pub fn compiled() -> impl Iterator<Item = &'static str> {
    BACKENDS.iter().filter(|backend| backend.open.is_some()).map(|backend| backend.name)
}

/// The default device of the first backend that was compiled in: a processor if possible.
///
/// # Errors
/// When no backend was compiled in.
pub fn default_device() -> Result<Device> {
    match BACKENDS.iter().find_map(|backend| backend.open) {
        Some(open) => open(None),
        None => Err(Error::unsupported("no backend was compiled in; enable the cargo feature \"flex\"")),
    }
}

fn present() -> String {
    let names: Vec<_> = compiled().collect();
    if names.is_empty() { "none was".to_owned() } else { format!("compiled in: {}", names.join(", ")) }
}

#[allow(dead_code, reason = "used by some backends only")]
fn only(which: Option<&str>, open: fn() -> Device) -> Result<Device> {
    match which {
        None => Ok(open()),
        Some(which) => Err(Error::input(format_args!("there is just one device, got {which:?}"))),
    }
}

#[allow(dead_code, reason = "used by some backends only")]
fn index(which: Option<&str>) -> Result<DeviceIndex> {
    let Some(which) = which else { return Ok(DeviceIndex::Default) };
    which
        .parse()
        .map(DeviceIndex::Specified)
        .map_err(|_| Error::input(format_args!("expected the number of a device, got {which:?}")))
}

#[allow(dead_code, reason = "used by some backends only")]
fn kind(which: Option<&str>) -> Result<DeviceKind> {
    let Some(which) = which else { return Ok(DeviceKind::DefaultDevice) };
    let (kind, number): (fn(usize) -> DeviceKind, _) = match which.split_once(':') {
        None if which == "cpu" => return Ok(DeviceKind::Cpu),
        None => (DeviceKind::DiscreteGpu, which),
        Some(("integrated", number)) => (DeviceKind::IntegratedGpu, number),
        Some(("virtual", number)) => (DeviceKind::VirtualGpu, number),
        Some(_) => (DeviceKind::DiscreteGpu, which),
    };
    number.parse().map(kind).map_err(|_| {
        let expected = "expected cpu, or the number of a device, perhaps after integrated: or virtual:";
        Error::input(format_args!("{expected}, got {which:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn which_device_of_a_backend() {
        assert_eq!(index(None).unwrap(), DeviceIndex::Default);
        assert_eq!(index(Some("2")).unwrap(), DeviceIndex::Specified(2));
        assert_eq!(kind(None).unwrap(), DeviceKind::DefaultDevice);
        assert_eq!(kind(Some("cpu")).unwrap(), DeviceKind::Cpu);
        assert_eq!(kind(Some("1")).unwrap(), DeviceKind::DiscreteGpu(1));
        assert_eq!(kind(Some("integrated:0")).unwrap(), DeviceKind::IntegratedGpu(0));
        for wrong in ["", "-1", "x", "cpu:1", "integrated:", "1:2"] {
            assert_eq!(kind(Some(wrong)).unwrap_err().kind(), ErrorKind::Input, "{wrong:?}");
            assert_eq!(index(Some(wrong)).unwrap_err().kind(), ErrorKind::Input, "{wrong:?}");
        }
    }

    #[test]
    fn every_backend_opens_or_names_its_feature() {
        for backend in BACKENDS {
            match device(backend.name) {
                Ok(_) => assert!(compiled().any(|name| name == backend.name)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unsupported);
                    assert!(error.to_string().contains(&format!("cargo feature {:?}", backend.name)));
                    assert!(compiled().all(|name| error.to_string().contains(name)));
                }
            }
        }
        let error = device("flax").unwrap_err();
        assert_eq!(error.to_string(), "no backend \"flax\"; did you mean \"flex\"?");
    }

    #[test]
    #[cfg(feature = "flex")]
    fn the_default_is_a_processor() {
        assert_eq!(default_device().unwrap(), Device::flex());
        assert_eq!(device("flex:0").unwrap_err().kind(), ErrorKind::Input);
    }
}
