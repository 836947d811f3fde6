"""Adaptive pooling."""

import keras
from keras import layers as L

from harness import family

case = family("adaptive")

SHAPES = {1: (7, 2), 2: (7, 5, 2), 3: (5, 3, 7, 2)}
# Seven windows are not among them: Keras on JAX divides inexactly there and gives NaN.
SIZES = {1: (1, 3, 5, 9), 2: (1, (3, 2), (5, 3), (4, 6)), 3: (1, (3, 2, 4), (6, 5, 3), 2)}

for rank, shape in SHAPES.items():
    for kind in ("Average", "Max"):
        layer = getattr(L, f"Adaptive{kind}Pooling{rank}D")
        name = f"{kind.lower()}{rank}d"
        case(name, x=shape, graph=lambda x, k=layer, r=rank: [k(size)(x) for size in SIZES[r]])
        case(f"{name}_first", x=(2, *shape[:-1]), graph=lambda x, k=layer, r=rank: [k(size, data_format="channels_first")(x) for size in SIZES[r][1:3]])
        case(f"{name}_free", x=(None, *shape[1:]), dtype="int32", graph=lambda x, k=layer: k(4)(k(2)(x)))

case("between_convolutions", x=(9, 8, 3), layer=lambda: [L.Conv2D(3, 3), L.AdaptiveMaxPooling2D((4, 5)), L.Conv2D(2, 2), L.AdaptiveAveragePooling2D((2, 3))])
