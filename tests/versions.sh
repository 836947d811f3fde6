#!/usr/bin/env bash
# Every version of Keras opens what we wrote. The environments below target/ take 2 GB and some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
BURN_KERAS_EVERY_VERSION=1 cargo test --test versions
