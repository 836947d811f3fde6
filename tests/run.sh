#!/usr/bin/env bash
# Passes all tests: formatting, lints, the library alone, every test, the examples, real Keras.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --check
step cargo clippy --all-targets -- -D warnings
step cargo test
step cargo run --example digits
step cargo run --example hand_written
step bash examples/fine_tune.sh
step bash examples/forecast.sh
step bash examples/mobilenet_v2.sh
RUSTDOCFLAGS="-D warnings" step cargo doc --no-deps
# The library without its program, and without any backend.
step cargo check --lib --no-default-features
