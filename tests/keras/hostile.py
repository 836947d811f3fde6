"""Makes the hostile HDF5 files of tests/fixtures/hostile: weights of a Dense(5) on 7 numbers, each with one evil."""

import json
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "fixtures/hostile"
# Tests overwrite it with the path of a file that nobody may open.
OUTSIDE = "/" * 120 + "outside"
KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"
DEPTH = 66


def honest(file):
    file.create_group("vars")
    file[KERNEL] = np.zeros((7, 5), "f4")
    file[BIAS] = np.zeros(5, "f4")
    file["layers/dense/vars"].attrs["name"] = "dense"


def external_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink(OUTSIDE, "/secret")


def external_link_to_group(file):
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink(OUTSIDE, "/secret")


def soft_link(file):
    file["layers/secret"] = np.ones((7, 5), "f4")
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/layers/secret")


def soft_link_loop(file):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/again")
    file["layers/dense/vars/again"] = h5py.SoftLink("/" + KERNEL)


def dangling_soft_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/nowhere")


def hard_link_cycle(file):
    file["layers/dense/again"] = file["layers"]


def hard_link_bomb(file):
    """Twenty groups, each twice in the next: a million paths."""
    for depth in range(20):
        inner = file.create_group(f"bomb{depth}")
        if depth:
            inner["a"] = inner["b"] = file[f"bomb{depth - 1}"]


def external_storage(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (7, 5), "f4", external=[(OUTSIDE, 0, 140)])


def virtual_dataset(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((7, 5), "f4")
    layout[:] = h5py.VirtualSource(OUTSIDE, "secret", (7, 5))
    file.create_virtual_dataset(KERNEL, layout)


def shape_bomb(file):
    """64 GiB declared, nothing stored."""
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 17, 1 << 17), "f4")


def shape_bomb_in_chunks(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 17, 1 << 17), "f4", chunks=(1 << 10, 1 << 10))


def shape_overflow(file):
    """2^64 bytes and a few: what is left of the product after an overflow is small."""
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 31, 1 << 31), "f4", chunks=(1, 1))


def unlimited_bomb(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (0, 5), "f4", maxshape=(None, 5), chunks=(7, 5))
    file[KERNEL].resize((1 << 40, 5))


def filter_bomb(file):
    """32 MiB of zeros in 32 KiB."""
    del file[KERNEL]
    zeros = np.zeros((1 << 21, 4), "f4")
    file.create_dataset(KERNEL, data=zeros, chunks=zeros.shape, compression="gzip", compression_opts=9)


def many_filters(file):
    """Zeros deflated four times over: a few hundred bytes are 512 MiB."""
    del file[KERNEL]
    chunk = (1 << 25, 4)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(chunk)
    for _ in range(4):
        plist.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (9,))
    space = h5py.h5s.create_simple(chunk)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    dataset = h5py.h5d.create(file.id, KERNEL.encode(), h5py.h5t.IEEE_F32LE, space, plist, links)
    packed = b"\0" * (512 << 20)
    for _ in range(4):
        packed = zlib.compress(packed, 9)
    dataset.write_direct_chunk((0, 0), packed)


def lzf_twice(file):
    """Zeros packed twice over with the filter that has no bound of its own."""
    del file[KERNEL]
    chunk, lzf, longest = (1 << 22, 4), 32000, 264
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(chunk)
    for _ in range(2):
        plist.set_filter(lzf, 0, (4, 261, 1 << 26))
    dataset = h5py.h5d.create(
        file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(chunk), plist
    )

    def again(period, size):
        """The first bytes, then copies from so far back."""
        return bytes([len(period) - 1]) + period + bytes([0xE0, 255, len(period) - 1]) * (size // longest)

    once = again(b"\0", 1 << 26)
    dataset.write_direct_chunk((0, 0), again(once[2:5], len(once)))


def deep_nesting(file):
    file.create_group("/".join(["g"] * DEPTH))


def huge_attribute(file):
    """A list of two thousand strings, which `main` makes all the same 16 KB: 32 MB."""
    names = ["x" * 16_000] + [""] * 1_999
    file["layers"].attrs.create("names", names, dtype=h5py.string_dtype())


def repeat_reference(path):
    data = path.read_bytes()
    at = data.index((16_000).to_bytes(4, "little"))
    end = at + 16 * 2_000
    path.write_bytes(data[:at] + data[at : at + 16] * 2_000 + data[end:])


def long_names(file):
    """Names of 4 KB below names of 4 KB: paths grow with the square of the depth."""
    group = file
    for _ in range(16):
        group = group.create_group("n" * 2_000)


def object_reference(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, data=[file["layers"].ref] * 35, dtype=h5py.ref_dtype)


def named_datatype(file):
    file["layers/dense/type"] = np.dtype("f4")


def nothing(_):
    pass


def legacy(file, *others):
    """A whole model of the old format."""
    dense = {"name": "dense", "units": 5, "activation": "linear", "batch_input_shape": [None, 7]}
    layers = [{"class_name": "Dense", "config": dense}, *others]
    config = {"class_name": "Sequential", "config": {"name": "model", "layers": layers}}
    file.attrs["keras_version"] = "2.15.0"
    file.attrs["backend"] = "tensorflow"
    file.attrs["model_config"] = json.dumps(config)
    weights = file.create_group("model_weights")
    weights.attrs["layer_names"] = np.array([b"dense"])
    weights["dense/dense/kernel:0"] = np.zeros((7, 5), "f4")
    weights["dense/dense/bias:0"] = np.zeros(5, "f4")
    weights["dense"].attrs["weight_names"] = np.array([b"dense/kernel:0", b"dense/bias:0"])


def legacy_lambda(file):
    """The same with the code of a function in it."""
    code = "4wEAAAAAAAAAAAAAAAAAAAABAAAABAAAAEMAAADzDAAAAGQBewBkAgQAUwA="
    evil = {"name": "evil", "function": [code, None, None], "function_type": "lambda", "arguments": {}}
    legacy(file, {"class_name": "Lambda", "config": evil})


EVILS = [
    nothing,
    external_link,
    external_link_to_group,
    soft_link,
    soft_link_loop,
    dangling_soft_link,
    hard_link_cycle,
    hard_link_bomb,
    external_storage,
    virtual_dataset,
    shape_bomb,
    shape_bomb_in_chunks,
    shape_overflow,
    unlimited_bomb,
    filter_bomb,
    many_filters,
    lzf_twice,
    deep_nesting,
    huge_attribute,
    long_names,
    object_reference,
    named_datatype,
    legacy,
    legacy_lambda,
]
# Groups of the new kind, which are smaller.
COMPACT = [deep_nesting, hard_link_bomb, long_names]


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for evil in EVILS:
        path = FOLDER / f"{evil.__name__}.h5"
        version = "latest" if evil in COMPACT else "earliest"
        with h5py.File(path, "w", libver=(version, "latest")) as file:
            honest(file)
            evil(file)
        if evil is huge_attribute:
            repeat_reference(path)
        print(f"{path.name}: {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
