"""Texts and hashes: TextVectorization, Hashing and HashedCrossing."""

import numpy as np
from keras import layers as L

from harness import family

case = family("strings")

TEXTS = [
    "the Cat sat on the mat.",
    "The dog's  bone,\tThe cat\vthe\x1cdog",
    "",
    "Ärger? ÄRGER! the ärger",
    "cat",
    "[UNK] the-cat ! a b c d e",
    "on on on the mat the cat",
]
WORDS = ["the", "cat", "dogs", "mat", "the cat"]
STRINGS = {"dtype": "string", "strings": TEXTS, "backend": "tensorflow", "batch": 6}
CHARACTERS = list("aäcteh TA")


def learned(**options):
    layer = L.TextVectorization(**options)
    # A word with a break of lines in it would be lost when Keras reads the asset again.
    layer.adapt(np.array([text.replace("\x1c", " ") for text in TEXTS]))
    return layer


def texts_to_numbers(x):
    return [
        learned(name="learned")(x),
        learned(name="three", output_sequence_length=3, max_tokens=6)(x),
        L.TextVectorization(vocabulary=WORDS, name="given")(x),
        L.TextVectorization(vocabulary=["", "[UNK]", *WORDS], standardize="lower", name="lower")(x),
        L.TextVectorization(vocabulary=WORDS, standardize="strip_punctuation", name="strip", ngrams=2)(x),
        L.TextVectorization(
            vocabulary=WORDS, standardize=None, ngrams=(2, 1), output_sequence_length=9, name="pairs"
        )(x),
        L.TextVectorization(vocabulary=CHARACTERS, split="character", name="characters")(x),
        L.TextVectorization(vocabulary=["the cat sat on the mat", "cat"], split=None, name="whole")(x),
        L.TextVectorization(vocabulary=["cat"], split=None, output_sequence_length=3, name="padded")(x),
    ]


case("texts", (1,), graph=texts_to_numbers, **STRINGS)
case("texts_flat", (), lambda: L.TextVectorization(vocabulary=WORDS, ngrams=3), **STRINGS)


def texts_to_vectors(x):
    return [
        learned(name="multi", output_mode="multi_hot")(x),
        learned(name="count", output_mode="count", max_tokens=4)(x),
        learned(name="padded", output_mode="multi_hot", max_tokens=40, pad_to_max_tokens=True, ngrams=2)(x),
        learned(name="weighted", output_mode="tf_idf", ngrams=(1, 3))(x),
        L.TextVectorization(
            vocabulary=WORDS, idf_weights=[0.5, 1.0, 2.0, 4.0, 8.0], output_mode="tf_idf", ngrams=2, name="given"
        )(x),
    ]


case("text_vectors", (1,), graph=texts_to_vectors, **STRINGS)


def many_texts(x):
    return [
        L.TextVectorization(vocabulary=["cat", "the"], split=None, ngrams=2, standardize="lower", name="pairs")(x),
        L.TextVectorization(vocabulary=["cat"], split=None, output_sequence_length=2, name="two")(x),
        L.TextVectorization(vocabulary=["cat"], split=None, output_mode="count", name="count")(x),
        L.TextVectorization(vocabulary=["cat"], split=None, output_mode="one_hot", name="one")(x),
    ]


case("texts_side_by_side", (3,), graph=many_texts, **STRINGS)


def bins(x):
    return [
        L.Hashing(7, name="plain")(x),
        L.Hashing(1000, mask_value="cat", name="masked")(x),
        L.Hashing(1000, salt=133, name="salted")(x),
        L.Hashing(9, salt=[133, 137], mask_value="", name="both", dtype="int32")(x),
        L.Hashing(1, mask_value="cat", name="single")(x),
        L.Hashing(5, output_mode="one_hot", name="one")(x),
        L.Hashing(5, output_mode="multi_hot", mask_value="cat", name="multi")(x),
        L.Hashing(5, output_mode="count", name="count")(x),
    ]


case("hashing", (3,), graph=bins, **STRINGS)
case("hashing_one", (1,), lambda: L.Hashing(5, output_mode="one_hot"), **STRINGS)


def bins_of_numbers(x):
    signed = x - 5
    return [
        L.Hashing(100, name="plain")(signed),
        L.Hashing(100, mask_value=0, name="masked")(signed),
        L.Hashing(100, salt=[1, 2], name="salted")(signed),
        L.Hashing(6, output_mode="count", name="count")(x),
    ]


INTS = {"dtype": "int32", "ints": 12, "backend": "tensorflow", "batch": 6}
case("hashing_ints", (4,), graph=bins_of_numbers, **INTS)
case("hashing_floats", (2, 3), lambda: L.Hashing(50), scale=9.0, backend="tensorflow")


def crossings(x, y, z):
    return [
        L.HashedCrossing(500, name="strings")([x, y]),
        L.HashedCrossing(500, name="mixed")([x, z]),
        L.HashedCrossing(500, name="numbers")([z, z]),
        L.HashedCrossing(6, output_mode="one_hot", name="one")([x, z]),
    ]


MIXED = STRINGS | {"dtype": ["string", "string", "int64"], "ints": 9}
case("crossing", [(1,), (1,), (1,)], graph=crossings, **MIXED)
case("crossing_flat", [(), ()], graph=lambda x, y: L.HashedCrossing(9)([x, y]), **STRINGS)
case("crossing_flat_one", [(), ()], graph=lambda x, y: L.HashedCrossing(9, output_mode="one_hot")([x, y]), **STRINGS)
