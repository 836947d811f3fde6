"""Trains the digit classifier of the example: writes assets/digits.keras and .npz."""

from pathlib import Path

from sklearn.datasets import load_digits

from judge import keras, np

ASSETS = Path(__file__).resolve().parents[2] / "assets"
HELD_BACK = 360
L = keras.layers


def network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            L.Rescaling(1 / 16),
            L.Conv2D(16, 3, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.Conv2D(24, 3, padding="same", activation="relu"),
            L.MaxPooling2D(),
            L.Dropout(0.2),
            L.Conv2D(32, 3, activation="relu"),
            L.Flatten(),
            L.Dense(48, activation="relu"),
            L.Dropout(0.3),
            L.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )


def main():
    keras.utils.set_random_seed(7)
    digits = load_digits()
    images = digits.images[..., None].astype("float32")
    labels = digits.target.astype("int32")
    order = np.random.default_rng(7).permutation(len(images))
    held, rest = order[:HELD_BACK], order[HELD_BACK:]

    model = network()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images[rest], labels[rest], batch_size=64, epochs=25, verbose=0)

    ASSETS.mkdir(exist_ok=True)
    model.save(ASSETS / "digits.keras")
    model = keras.models.load_model(ASSETS / "digits.keras")
    probabilities = model.predict(images[held], batch_size=HELD_BACK, verbose=0)
    accuracy = float(np.mean(probabilities.argmax(-1) == labels[held]))
    np.savez_compressed(
        ASSETS / "digits.npz",
        images=images[held],
        labels=labels[held],
        keras_accuracy=np.float32(accuracy),
        keras_probabilities=probabilities,
    )
    print(f"{model.count_params()} parameters, accuracy {accuracy:.4f} on {HELD_BACK} images")


if __name__ == "__main__":
    main()
