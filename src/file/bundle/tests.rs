use super::*;
use crate::error::ErrorKind;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/saved_model").join(name)
}

fn open(name: &str) -> Bundle {
    Bundle::open(&fixture(name), &Limits::default()).unwrap()
}

/// Copies a checkpoint, changes its files, and reads all of it.
fn attempt(name: &str, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> Result<Bundle> {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("ck");
    let [index, data] = [".index", ".data-00000-of-00001"];
    let mut bytes = [index, data].map(|ending| std::fs::read(beside(&fixture(name), ending)).unwrap());
    let [index_bytes, data_bytes] = &mut bytes;
    change(index_bytes, data_bytes);
    for (ending, bytes) in [index, data].iter().zip(&bytes) {
        std::fs::write(beside(&prefix, ending), bytes).unwrap();
    }
    let bundle = Bundle::open(&prefix, &Limits::default())?;
    bundle.objects()?;
    bundle.tensors().values().try_for_each(|tensor| tensor.read().map(drop))?;
    Ok(bundle)
}

#[test]
fn tensors_are_those_that_tensorflow_reads() {
    let mut compared = 0;
    for name in ["dense_bn", "old_optimizer", "recurrent", "nested", "attention", "tabular"] {
        let bundle = open(&format!("{name}/variables/variables"));
        let expected = std::fs::File::open(fixture(&format!("{name}.npz"))).unwrap();
        let mut expected = zip::ZipArchive::new(expected).unwrap();
        let mut found = 0;
        for index in 0..expected.len() {
            let member = expected.by_index(index).unwrap();
            let key = member.name().unwrap().trim_end_matches(".npy").to_owned();
            if !key.ends_with("VARIABLE_VALUE") {
                continue;
            }
            let tensor = &bundle.tensors()[&key];
            let array = npyz::NpyFile::new(member).unwrap();
            let shape: Vec<usize> = array.shape().iter().map(|size| *size as usize).collect();
            assert_eq!(tensor.shape, shape, "{key}");
            let bytes: Vec<u8> = match tensor.element {
                ElementType::F32 => {
                    array.into_vec::<f32>().unwrap().into_iter().flat_map(f32::to_le_bytes).collect()
                }
                _ => array.into_vec::<i64>().unwrap().into_iter().flat_map(i64::to_le_bytes).collect(),
            };
            assert_eq!(tensor.read().unwrap(), bytes, "{key}");
            found += 1;
        }
        assert_eq!(found, bundle.tensors().len(), "{name}");
        compared += found;
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn objects_lead_to_keys() {
    let bundle = open("recurrent.ckpt/ck");
    let objects = bundle.objects().unwrap();
    for (path, shape) in [
        (&["layer_with_weights-0", "layer", "kernel"][..], &[3, 2][..]),
        (&["layer_with_weights-1", "backward_layer", "cell", "bias"], &[8]),
        (&["layer_with_weights-2", "cell", "cells", "0", "bias"], &[2, 6]),
    ] {
        let key = objects.find(0, path).and_then(|node| objects.variable(node)).unwrap();
        assert_eq!(bundle.tensors()[key].shape, shape, "{key}");
    }
    assert_eq!(objects.find(0, &["layer_with_weights-3"]), None);
    assert_eq!(objects.variable(0), None);

    let bundle = open("old_optimizer.ckpt/ck");
    let objects = bundle.objects().unwrap();
    let kernel = objects.find(0, &["layer_with_weights-0", "kernel"]).unwrap();
    let slots: Vec<_> = objects.slots(objects.find(0, &["optimizer"]).unwrap()).collect();
    let (_, _, moment) = slots.iter().find(|(of, name, _)| *of == kernel && *name == "v").unwrap();
    let key = "layer_with_weights-0/kernel/.OPTIMIZER_SLOT/optimizer/v/.ATTRIBUTES/VARIABLE_VALUE";
    assert_eq!(objects.variable(*moment), Some(key));
}

#[test]
fn damage_is_an_error() {
    assert!(attempt("nested.ckpt/ck", |_, _| {}).is_ok());
    let lengths = ["index", "data-00000-of-00001"].map(|ending| {
        std::fs::metadata(fixture(&format!("nested.ckpt/ck.{ending}"))).unwrap().len() as usize
    });
    for length in (0..lengths[0]).step_by(3) {
        assert!(
            attempt("nested.ckpt/ck", |index, _| index.truncate(length)).is_err(),
            "index cut to {length}"
        );
    }
    for length in (0..lengths[1]).step_by(7) {
        assert!(attempt("nested.ckpt/ck", |_, data| data.truncate(length)).is_err(), "data cut to {length}");
    }
    // Nobody reads the statistics before the index of blocks, nor the padding of the footer behind it.
    for bit in (0..8 * (lengths[0] - 48)).step_by(3) {
        let flip = |index: &mut Vec<u8>, _: &mut Vec<u8>| index[bit / 8] ^= 1 << (bit % 8);
        assert!(
            attempt("nested.ckpt/ck", flip).is_err() || bit / 8 > lengths[0] - 100,
            "bit {bit} of the index"
        );
    }
    for bit in 8 * (lengths[0] - 48)..8 * lengths[0] {
        let _ = attempt("nested.ckpt/ck", |index, _| index[bit / 8] ^= 1 << (bit % 8));
    }
    for bit in (0..8 * lengths[1]).step_by(13) {
        let flip = |_: &mut Vec<u8>, data: &mut Vec<u8>| data[bit / 8] ^= 1 << (bit % 8);
        assert!(attempt("nested.ckpt/ck", flip).is_err(), "bit {bit} of the data");
    }
}

/// Damage with sound checksums: what an entry claims is compared with the data.
#[test]
fn claims_are_compared_with_the_data() {
    use prost::Message;

    let mut bundle = Bundle { tensors: BTreeMap::new(), strings: BTreeMap::new(), limits: Limits::default() };
    let data = Bytes::from_static(&[0; 16]);
    let axes = |sizes: &[i64]| {
        let axes = sizes.iter().map(|size| super::super::proto::Axis { size: *size }).collect();
        Some(TensorShape { axes, has_unknown_rank: false })
    };
    let entry = BundleEntry { dtype: 1, shape: axes(&[2, 2]), size: 16, ..BundleEntry::default() };
    assert!(bundle.insert("a", entry.clone(), &data).is_ok());
    assert!(bundle.tensors["a"].read().unwrap_err().to_string().contains("checksum"));
    let huge = i64::MAX;
    for damaged in [
        BundleEntry { offset: 1, ..entry.clone() },
        BundleEntry { offset: -1, ..entry.clone() },
        BundleEntry { offset: huge, ..entry.clone() },
        BundleEntry { size: huge, ..entry.clone() },
        BundleEntry { shape: axes(&[2, 1]), ..entry.clone() },
        BundleEntry { shape: axes(&[2, -2]), ..entry.clone() },
        BundleEntry { shape: axes(&[huge, huge, huge]), ..entry.clone() },
        BundleEntry { shape: axes(&[1; 255]), ..entry.clone() },
        BundleEntry { shape: None, ..entry.clone() },
    ] {
        let error = bundle.insert("b", damaged, &data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
    let slices = vec![Bytes::new()];
    for unreadable in [
        BundleEntry { slices, ..entry.clone() },
        BundleEntry { dtype: 8, ..entry.clone() },
        BundleEntry { dtype: 0, ..entry.clone() },
    ] {
        bundle.insert("c", unreadable, &data).unwrap();
        assert_eq!(bundle.tensors["c"].read().unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let strings = BundleEntry { dtype: STRING, shape: axes(&[huge]), ..entry };
    bundle.insert("d", strings, &data).unwrap();
    assert_eq!(bundle.strings("d").unwrap_err().kind(), ErrorKind::Limit);

    let child = |node| TrackableObject {
        children: vec![super::super::proto::Child { node, name: "x".into() }],
        ..TrackableObject::default()
    };
    for node in [-1, 1, i32::MAX] {
        let child = child(node).encode_to_vec();
        let graph = [&[0x0a, child.len() as u8], child.as_slice()].concat();
        assert!(Objects::read(&graph.into(), &Limits::default()).is_err(), "{node}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("nested.ckpt");
    std::fs::copy(source.join("ck.index"), dir.path().join("ck.index")).unwrap();
    let data = "ck.data-00000-of-00001";
    std::os::unix::fs::symlink(source.join(data), dir.path().join(data)).unwrap();
    let error = Bundle::open(&dir.path().join("ck"), &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
}
