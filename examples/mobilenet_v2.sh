#!/usr/bin/env bash
# MobileNetV2 from Keras as generated Burn code, fine-tuned there, and back in Keras.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(bash tests/keras/venv.sh)
"$python" examples/mobilenet_v2.py make target/mobilenet_v2
cargo run --example mobilenet_v2
"$python" examples/mobilenet_v2.py open target/mobilenet_v2
