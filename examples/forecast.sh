#!/usr/bin/env bash
# Trains an LSTM with Burn, then forecasts with it in real Keras.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo run --example forecast
python=$(bash tests/keras/venv.sh)
"$python" examples/forecast.py target/forecast
