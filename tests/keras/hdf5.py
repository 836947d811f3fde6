"""Writes tests/fixtures/hdf5: what HDF5 can do and Keras does not, by way of h5py.

    pip install h5py==3.14.0 hdf5plugin==7.1.0
    python tests/keras/hdf5.py
"""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "hdf5"

# The newest form that the libhdf5 of common systems reads.
NEWER = ("v110", "v110")

NUMBERS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]

COMMON_FILTERS = {
    "gzip": dict(compression="gzip"),
    "gzip_shuffle": dict(compression="gzip", shuffle=True),
    "shuffle": dict(shuffle=True),
    "fletcher32": dict(fletcher32=True),
    "all": dict(compression="gzip", shuffle=True, fletcher32=True),
    "szip_nn": dict(compression="szip", compression_opts=("nn", 8)),
    "szip_ec": dict(compression="szip", compression_opts=("ec", 16)),
}

RARE_FILTERS = {
    "lzf": dict(compression="lzf"),
    "lzf_shuffle": dict(compression="lzf", shuffle=True, fletcher32=True),
    "lz4": hdf5plugin.LZ4(),
    "blosc": hdf5plugin.Blosc(cname="lz4", shuffle=hdf5plugin.Blosc.SHUFFLE),
    "bzip2": hdf5plugin.BZip2(),
}


def numbers(shape, dtype="f4"):
    """Few different values, so that every filter finds something to do."""
    size = int(np.prod(shape))
    return (np.arange(size).reshape(shape) % 23 - (0 if np.dtype(dtype).kind == "u" else 7)).astype(dtype)


def low_level(group, name, data, change):
    """A dataset with what h5py's usual interface has no word for."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    file_type = change(plist, h5py.h5t.py_create(data.dtype).copy()) or h5py.h5t.py_create(data.dtype)
    dataset = h5py.h5d.create(
        group.id, name.encode(), file_type, h5py.h5s.create_simple(data.shape), plist
    )
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(data))


def filters(file, table):
    for name, options in table.items():
        for dtype in ["f4", "i2"]:
            dataset = file.create_dataset(f"{name}/{dtype}", data=numbers((40, 8), dtype), chunks=(32, 8), **options)
            for chunk in range(dataset.id.get_num_chunks()):
                # A filter that gains nothing is left out.
                assert dataset.id.get_chunk_info(chunk).filter_mask == 0, (name, dtype, chunk)


def packed(file):
    """Scale and offset, and fewer bits than the type has."""
    for dtype in ["i2", "u1", "i8"]:
        file.create_dataset(f"scaleoffset/{dtype}", data=numbers((9, 5), dtype), chunks=(4, 4), scaleoffset=0)
    for dtype in ["f4", "f8"]:
        data = numbers((9, 5), dtype) / 4
        file.create_dataset(f"scaleoffset/{dtype}", data=data, chunks=(4, 4), scaleoffset=2)

    def nbit(plist, _):
        plist.set_chunk((4, 4))
        plist.set_filter(h5py.h5z.FILTER_NBIT)

    group = file.create_group("nbit")
    for dtype in ["i4", "f4", "u2"]:
        low_level(group, dtype, numbers((9, 5), dtype), nbit)


def layouts(file):
    def compact(plist, _):
        plist.set_layout(h5py.h5d.COMPACT)

    low_level(file, "compact", numbers((3, 4)), compact)
    file.create_dataset("contiguous", data=numbers((3, 4)))
    file.create_dataset("chunked", data=numbers((9, 5)), chunks=(4, 4))
    file.create_dataset("growing", data=numbers((9, 5)), chunks=(4, 4), maxshape=(None, 5))
    file.create_dataset("growing_all_ways", data=numbers((9, 5)), chunks=(2, 2), maxshape=(None, None))
    file.create_dataset("one_chunk", data=numbers((9, 5)), chunks=(9, 5), compression="gzip")
    file.create_dataset("many_chunks", data=numbers((90, 7)), chunks=(1, 7))
    file.create_dataset("never_written", (3, 4), "f4", fillvalue=2.5)
    file.create_dataset("never_written_chunks", (9, 5), "f4", chunks=(4, 4), fillvalue=-1)
    partly = file.create_dataset("partly_written", (9, 5), "i4", chunks=(4, 4), fillvalue=7)
    partly[5:7, 1:2] = 3
    file.create_dataset("scalar", data=np.float32(1.5))
    file.create_dataset("empty", (0, 4), "f4")
    file.create_dataset("null", data=h5py.Empty("f4"))

    def early(plist, _):
        plist.set_chunk((4, 4))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)

    low_level(file, "early", numbers((9, 5)), early)


def types(file):
    for dtype in NUMBERS:
        file[f"little/{dtype}"] = numbers((3, 2), "<" + dtype)
        file[f"big/{dtype}"] = numbers((3, 2), ">" + dtype)
    for dtype in ["<f2", ">f4", ">i8"]:
        data = numbers((3, 2), dtype)
        file.create_dataset(f"gzip{dtype[1:]}", data=data, chunks=(2, 2), compression="gzip")
    file["bool"] = np.array([True, False, True])
    file.create_dataset("bool_gzip", data=np.array([True, False, True]), chunks=(2,), compression="gzip")
    # As Keras stores it.
    brain = np.array([0x3F80, 0x4000, 0xFF80], "<u2").view("V2")
    file["bfloat16"] = brain
    file["bfloat16"].attrs["dtype"] = "bfloat16"
    file.create_dataset("bfloat16_gzip", data=brain, chunks=(2,), compression="gzip")
    file["bfloat16_gzip"].attrs["dtype"] = "bfloat16"
    file["opaque"] = np.array([b"abc", b"def"], "V3")
    # None of these can be a variable.
    file.create_dataset("enum", data=numbers((4,), "u1"), dtype=h5py.enum_dtype({"A": 0, "B": 1}, "u1"))
    file["text"] = "not a number"
    file["texts"] = np.array([b"ab", b"c"])
    file["compound"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
    file["array"] = np.zeros(2, np.dtype(("f4", (3,))))
    file["complex"] = np.zeros(2, "c8")
    file["long_double"] = np.zeros(2, "g")


def attributes(file):
    """Of all kinds, and so many that they move out of the object's header."""
    attrs = file.create_group("few").attrs
    attrs["text"] = "variable, UTF-8: \u00e9"
    attrs.create("ascii", "variable, ASCII", dtype=h5py.string_dtype("ascii"))
    attrs.create("fixed", np.bytes_("fixed, ASCII"))
    attrs.create("fixed_utf8", "\u00e9\u00e9".encode(), dtype=h5py.string_dtype("utf-8", 6))
    attrs["texts"] = ["a", "bc", ""]
    attrs["fixed_texts"] = np.array([b"a", b"bc", b""], "S3")
    attrs["no_texts"] = []
    attrs["int"] = np.int32(-5)
    attrs["big"] = np.array(7, ">i2")
    attrs["unsigned"] = np.uint64(9)
    attrs["bool"] = np.bool_(True)
    attrs["float"] = 1.5
    attrs["single"] = np.float32(-0.25)
    attrs["floats"] = np.array([1.0, 2.0])
    attrs["nothing"] = h5py.Empty("f4")
    many = file.create_group("many").attrs
    for index in range(20):
        many[f"a{index}"] = f"value {index}"
    dataset = file.create_dataset("dataset", data=numbers((3,)))
    dataset.attrs["name"] = "kernel"
    for index in range(10):
        file.create_group(f"groups/g{index}")


def user_block(file):
    """The addresses in such a file do not count from its beginning."""
    file["a/contiguous"] = numbers((3, 4))
    file.create_dataset("a/chunked", data=numbers((9, 5)), chunks=(4, 4), compression="gzip")
    file["a"].attrs["text"] = "in a heap"


def write(name, *fill, **options):
    with h5py.File(FOLDER / f"{name}.h5", "w", **options) as file:
        for step in fill:
            step(file)


def main():
    FOLDER.mkdir(exist_ok=True)
    write("filters", lambda file: filters(file, COMMON_FILTERS), libver=NEWER)
    write("packed", packed, libver=NEWER)
    write("rare_filters", lambda file: filters(file, RARE_FILTERS), libver=NEWER)
    write("types", types)
    for era, libver in [("earliest", "earliest"), ("v110", NEWER)]:
        write(f"layouts_{era}", layouts, libver=libver)
        write(f"attributes_{era}", attributes, libver=libver)
    write("creation_order", attributes, libver=NEWER, track_order=True)
    write("user_block", user_block, userblock_size=512)


if __name__ == "__main__":
    main()
