#!/usr/bin/env bash
# Fine-tunes a Keras model on Burn, then opens the best checkpoint in real Keras.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --example fine_tune
python=$(bash tests/keras/venv.sh)
"$python" examples/fine_tune.py target/fine_tune
