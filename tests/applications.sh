#!/usr/bin/env bash
# The real graphs of keras.applications, with random weights, through load, predict, save and Keras again.
# Not part of tests/run.sh: it writes over a gigabyte, into target/applications.
#
#     bash tests/applications.sh [PATTERN]        PATTERN as in 'applications/ResNet*'
set -euo pipefail
cd "$(dirname "$0")/.."

export BURN_KERAS_FIXTURES="$PWD/target/applications"
python=$(sh tests/keras/venv.sh)
"$python" tests/keras/generate.py --module applications --only "${1:-*}"
cargo test --test conformance
cargo test --test reopen
