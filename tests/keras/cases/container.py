"""Unusual containers and HDF5 encodings of one small model."""

import io
import json
import zipfile

import h5py
from keras import layers as L

from archive import read_members, write_members
from harness import family

case = family("container")
WEIGHTS = "model.weights.h5"


def net():
    return [L.Conv1D(4, 3, activation="relu"), L.BatchNormalization(), L.LSTM(3), L.Dense(2)]


def rewrite_weights(dataset=None, **file_options):
    """Copies the HDF5 member; `dataset` gives the values and options of each copy."""

    def edit(path):
        members = dict(read_members(path))
        target = io.BytesIO()
        with (
            h5py.File(io.BytesIO(members[WEIGHTS]), "r") as old,
            h5py.File(target, "w", **file_options) as new,
        ):
            copy_group(old, new, dataset or (lambda values: {"data": values}))
        members[WEIGHTS] = target.getvalue()
        write_members(path, members.items())

    return edit


def copy_group(old, new, dataset):
    new.attrs.update(old.attrs)
    for name, item in old.items():
        if isinstance(item, h5py.Group):
            copy_group(item, new.create_group(name), dataset)
        else:
            new.create_dataset(name, **dataset(item[()]))


def chunked(values):
    chunks = tuple(max(1, size // 2) for size in values.shape)
    return {"data": values, "chunks": chunks, "compression": "gzip", "compression_opts": 4, "shuffle": True}


def checked(values):
    return {"data": values, "chunks": values.shape, "fletcher32": True}


def unlimited(values):
    return {"data": values, "chunks": True, "maxshape": (None,) * values.ndim}


def as_type(dtype):
    return lambda values: {"data": values.astype(dtype)}


def through_half(model, rng, inputs):
    """Makes every weight exact in half precision, so that nothing is lost."""
    for variable in model.weights:
        variable.assign(variable.numpy().astype("float16").astype("float32"))


def archive_as(arrange, compression=zipfile.ZIP_STORED):
    """Rewrites the archive with the members that `arrange` makes of the old ones."""
    return lambda path: write_members(path, arrange(dict(read_members(path))), compression)


def extracted(path):
    """Replaces the archive with the directory form."""
    folder = path.with_suffix(".dir")
    folder.mkdir(exist_ok=True)
    for name, data in read_members(path):
        (folder / name).write_bytes(data)
    path.unlink()
    return folder


def with_unknown_members(members):
    extra = {"notes.txt": b"left by another tool", "extra/deep/file.bin": bytes(range(64))}
    return [("first.bin", b"\x00" * 7), *members.items(), *extra.items()]


def indented(members):
    """Pretty-prints the configuration and drops what the loader does not need."""
    config = json.dumps(json.loads(members["config.json"]), indent=2, ensure_ascii=False)
    return [("config.json", config.encode()), (WEIGHTS, members[WEIGHTS])]


EDITS = {
    "plain": None,
    "deflate": archive_as(lambda members: members.items(), zipfile.ZIP_DEFLATED),
    "directory": extracted,
    "weights_first": archive_as(lambda members: [(name, members[name]) for name in (WEIGHTS, "config.json")]),
    "unknown_members": archive_as(with_unknown_members),
    "indented_config": archive_as(indented),
    "h5_latest": rewrite_weights(libver="latest"),
    "h5_v108": rewrite_weights(libver=("v108", "v108")),
    "h5_latest_chunked": rewrite_weights(chunked, libver="latest"),
    "h5_chunked_gzip_shuffle": rewrite_weights(chunked),
    "h5_fletcher32": rewrite_weights(checked),
    "h5_unlimited": rewrite_weights(unlimited),
    "h5_latest_unlimited": rewrite_weights(unlimited, libver="latest"),
    "h5_big_endian": rewrite_weights(as_type(">f4")),
    "h5_float64": rewrite_weights(as_type("<f8")),
    "h5_float64_big_endian": rewrite_weights(as_type(">f8")),
    "h5_track_order": rewrite_weights(track_order=True),
    "h5_user_block": rewrite_weights(userblock_size=512),
}
for name, edit in EDITS.items():
    case(name, x=(9, 3), layer=net, edit=edit)
case("h5_float16", x=(9, 3), layer=net, train=through_half, edit=rewrite_weights(as_type("<f2")))
case("unicode_config", x=(7,), layer=lambda: L.Dense(2, name="überraschung"), edit=archive_as(indented))
case("empty_weights", x=(7,), layer=lambda: [L.ReLU(), L.Reshape((7, 1)), L.Flatten()])
