use std::sync::Mutex;

use bytes::Bytes;

use super::*;
use crate::error::ErrorKind;
use crate::file::h5::H5File;
use crate::limits::Limits;

fn none() -> Attributes {
    Attributes::new()
}

fn strings(values: &[&str]) -> Attribute {
    Attribute::Strs(values.iter().map(|value| (*value).into()).collect())
}

fn write(builder: H5Builder, data: &BTreeMap<String, Vec<u8>>) -> Bytes {
    let layout = builder.finish().unwrap();
    let mut out = Vec::new();
    layout
        .write(&mut out, |path, sink| {
            data[path].chunks(5).try_for_each(|piece| sink(Bytes::copy_from_slice(piece)))
        })
        .unwrap();
    assert_eq!(out.len() as u64, layout.len());
    out.into()
}

/// What was declared, to be compared with what is read.
#[derive(Default)]
struct Expected {
    builder: H5Builder,
    groups: BTreeMap<String, Attributes>,
    datasets: BTreeMap<String, (Vec<usize>, ElementType, Attributes)>,
    data: BTreeMap<String, Vec<u8>>,
}

impl Expected {
    fn parents(&mut self, path: &str) {
        self.groups.entry(String::new()).or_default();
        for (end, _) in path.match_indices('/') {
            self.groups.entry(path[..end].into()).or_default();
        }
    }

    fn group(&mut self, path: &str, attributes: Attributes) {
        self.parents(path);
        self.groups.entry(path.into()).or_default().extend(attributes.clone());
        self.builder.group(path, attributes).unwrap();
    }

    fn dataset(&mut self, path: &str, shape: &[usize], element: ElementType, mut attributes: Attributes) {
        self.parents(path);
        self.builder.dataset(path, shape, element.clone(), attributes.clone()).unwrap();
        let len = shape.iter().product::<usize>() * element.size();
        let seed = path.len() + self.data.len();
        let bytes = (0..len).map(|i| ((i * 31 + seed) % 251) as u8).collect();
        self.data.insert(path.into(), bytes);
        if element == ElementType::BF16 {
            attributes.insert("dtype".into(), Attribute::Str("bfloat16".into()));
        }
        self.datasets.insert(path.into(), (shape.to_vec(), element, attributes));
    }

    fn check(self) -> Bytes {
        let bytes = write(self.builder, &self.data);
        let file = H5File::open(bytes.clone(), &Limits::default()).unwrap();
        assert_eq!(file.groups(), &self.groups);
        assert!(file.datasets().keys().eq(self.datasets.keys()));
        for (path, (shape, element, attributes)) in &self.datasets {
            let dataset = &file.datasets()[path];
            assert_eq!((&dataset.shape, &dataset.element), (shape, element), "{path}");
            assert_eq!(&dataset.attributes, attributes, "{path}");
            let data = file.read(path).unwrap();
            assert_eq!(data, self.data[path], "{path}");
            if !data.is_empty() {
                assert!(bytes.as_ptr_range().contains(&data.as_ptr()), "{path} was copied");
                assert_eq!((data.as_ptr() as usize - bytes.as_ptr() as usize) % 64, 0, "{path}");
            }
        }
        #[cfg(feature = "libhdf5")]
        crate::file::h5::libhdf5::tests::agree(&bytes, "what was written");
        bytes
    }
}

#[test]
fn every_element_type_and_shape_reads_back() {
    let mut tree = Expected::default();
    let types = ElementType::named().chain([ElementType::Opaque(3), ElementType::Opaque(2)]);
    for (index, element) in types.enumerate() {
        for shape in [&[][..], &[1], &[7], &[3, 4], &[2, 1, 5], &[0], &[4, 0], &[1; 32]] {
            let path = format!("layers/t{index}/{}", shape.len() * 100 + shape.iter().sum::<usize>());
            tree.dataset(&path, shape, element.clone(), none());
        }
    }
    tree.check();
}

#[test]
fn attributes_read_back() {
    let mut tree = Expected::default();
    let long = "\u{e4}bc ".repeat(12_000);
    let names: Vec<String> = (0..4_000).map(|index| format!("layer_{index}")).collect();
    let all = Attributes::from([
        ("name".into(), Attribute::Str("dense_1".into())),
        ("empty".into(), Attribute::Str(String::new())),
        ("long".into(), Attribute::Str(long.clone())),
        ("names".into(), strings(&["a", "", "\u{1f600}"])),
        ("many".into(), Attribute::Strs(names)),
        ("nothing".into(), strings(&[])),
        ("int".into(), Attribute::Int(-3)),
        ("least".into(), Attribute::Int(i64::MIN)),
        ("float".into(), Attribute::Float(-0.5)),
        ("n".repeat(300), Attribute::Int(1)),
    ]);
    tree.group("", all.clone());
    tree.group("layers/dense/vars", all.clone());
    tree.dataset("layers/dense/vars/0", &[3], ElementType::F32, all);
    tree.check();
}

#[test]
fn groups_of_any_size_and_names_of_any_length_read_back() {
    for count in [0, 1, 8, 9, 256, 257, 1_500, 8_193] {
        let mut tree = Expected::default();
        tree.group("layers", none());
        for index in 0..count {
            tree.group(&format!("layers/dense_{index}"), none());
        }
        tree.check();
    }
    let mut tree = Expected::default();
    for index in 0..1_500 {
        tree.dataset(&format!("vars/{index}"), &[2], ElementType::F32, none());
    }
    tree.dataset(&"long".repeat(2_000), &[1], ElementType::I8, none());
    tree.dataset(&vec!["deep"; 60].join("/"), &[1], ElementType::I8, none());
    tree.dataset("sp ace/\u{fc}\u{1f600}/kernel:0", &[1], ElementType::I8, none());
    tree.check();
}

#[test]
fn random_trees_read_back() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let types: Vec<ElementType> = ElementType::named().collect();
    for _ in 0..30 {
        let mut tree = Expected::default();
        for _ in 0..random(120) {
            let mut path = "x".repeat(1 + random(3));
            for _ in 0..random(5) {
                path += &format!("/{}{}", ["a", "b", "_c", "Z"][random(4)], random(12));
            }
            let attributes: Attributes = (0..random(3))
                .map(|index| (format!("k{index}"), Attribute::Str("v".repeat(random(300)))))
                .collect();
            // A path below a dataset is refused, and must leave the builder usable.
            let below = tree.datasets.keys().any(|other| path.starts_with(&format!("{other}/")));
            if below || tree.datasets.contains_key(&path) {
                assert_eq!(tree.builder.group(&path, none()).unwrap_err().kind(), ErrorKind::Input);
            } else if tree.groups.contains_key(&path) || random(3) == 0 {
                tree.group(&path, attributes);
            } else {
                let shape: Vec<usize> = (0..random(4)).map(|_| random(5)).collect();
                tree.dataset(&path, &shape, types[random(types.len())].clone(), attributes);
            }
        }
        if !tree.groups.is_empty() {
            tree.check();
        }
    }
}

#[test]
fn an_empty_file_has_a_root() {
    let file = H5File::open(write(H5Builder::default(), &BTreeMap::new()), &Limits::default()).unwrap();
    assert!(file.groups().keys().eq([""]));
    assert!(file.datasets().is_empty());
}

#[test]
fn data_is_asked_for_in_the_order_of_declaration() {
    let mut builder = H5Builder::default();
    for path in ["z", "a", "m/b"] {
        builder.dataset(path, &[1], ElementType::U8, none()).unwrap();
    }
    let asked = Mutex::new(Vec::new());
    let layout = builder.finish().unwrap();
    layout
        .write(&mut Vec::new(), |path, sink| {
            asked.lock().unwrap().push(path.to_owned());
            sink(Bytes::from_static(&[1]))
        })
        .unwrap();
    assert_eq!(asked.into_inner().unwrap(), ["z", "a", "m/b"]);
    let error = layout.write(&mut Vec::new(), |_, sink| sink(Bytes::from_static(&[1, 2]))).unwrap_err();
    assert_eq!(error.to_string(), "\"z\": expected 1 bytes, got 2");
    let error = layout.write(&mut Vec::new(), |_, _| Err(Error::weights("no"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Weights);
}

#[test]
fn impossible_trees_are_refused() {
    let mut builder = H5Builder::default();
    builder.dataset("a/b", &[], ElementType::F32, none()).unwrap();
    for path in ["a", "a/b", "a/b/c", "/x", "x/", "x//y", ".", "x/./y", "", "x\0"] {
        let error = builder.dataset(path, &[], ElementType::F32, none()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{path:?}");
    }
    assert!(builder.dataset("r", &[1; 33], ElementType::F32, none()).is_err());
    assert!(builder.dataset("s", &[usize::MAX, 2], ElementType::F32, none()).is_err());
    let other = ElementType::Other { description: "strings".into(), size: 16 };
    assert!(builder.dataset("t", &[], other, none()).unwrap_err().to_string().contains("strings"));
    let conflict = Attributes::from([("dtype".into(), Attribute::Str("float32".into()))]);
    assert!(builder.dataset("u", &[], ElementType::BF16, conflict).is_err());
}

#[test]
fn attributes_that_do_not_fit_are_refused_by_name() {
    for attribute in
        [Attribute::Strs(vec!["x".into(); 4_096]), Attribute::Other, Attribute::Str("nul\0".into())]
    {
        let mut builder = H5Builder::default();
        builder.group("g", Attributes::from([("big".into(), attribute)])).unwrap();
        let error = builder.finish().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().starts_with("\"g\".attribute \"big\": "), "{error}");
    }
}

/// Objects of several names, groups with all that is in them, are read under each; their headers count them.
#[test]
fn hard_links_are_other_names() {
    let mut builder = H5Builder::default();
    builder.dataset("layers/a/vars/0", &[2], ElementType::U8, none()).unwrap();
    builder.group("layers/a/vars", Attributes::from([("name".to_owned(), strings(&["x"]))])).unwrap();
    for path in ["_one/a/vars", "_one/b/vars", "_two"] {
        builder.link(path, "layers/a/vars").unwrap();
    }
    for (path, object) in [("_two", "layers"), ("_two/inside", "layers"), ("layers/z", "layers/a"), ("", "x")]
    {
        assert!(builder.link(path, object).is_err(), "{path}");
    }
    let bytes = write(builder, &BTreeMap::from([("layers/a/vars/0".to_owned(), vec![7, 9])]));
    let file = H5File::open(bytes.clone(), &Limits::default()).unwrap();
    for path in ["layers/a/vars", "_one/a/vars", "_one/b/vars", "_two"] {
        assert_eq!(&file.read(&format!("{path}/0")).unwrap()[..], [7, 9], "{path}");
        assert_eq!(file.groups()[path]["name"], strings(&["x"]));
    }
    assert_eq!(bytes.windows(8).filter(|header| **header == [1, 0, 2, 0, 4, 0, 0, 0]).count(), 1);
    let mut builder = H5Builder::default();
    builder.link("a", "b").unwrap();
    assert!(builder.finish().is_err());
}
