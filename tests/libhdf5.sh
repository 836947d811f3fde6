#!/usr/bin/env bash
# The second opinion: reads every fixture and every file that the writer's tests make with libhdf5 too, and
# compares. Not part of tests/run.sh: it needs the C library and its plugins, which this installs on Debian.
#
#     bash tests/libhdf5.sh                what has to pass
#     bash tests/libhdf5.sh measure        how libhdf5 bears damaged files, alone and behind our checks
#
# BURN_KERAS_H5 names a folder of further files to compare.
set -euo pipefail
cd "$(dirname "$0")/.."

packages="libhdf5-dev hdf5-filter-plugin hdf5-filter-plugin-blosc-serial"
if ! dpkg -s $packages >/dev/null 2>&1; then
    if ! { apt-get update && apt-get install -y --no-install-recommends $packages; }; then
        echo "!! These tests did not run: they need $packages." >&2
        exit 1
    fi
fi
if [ "${1:-}" = measure ]; then
    exec cargo test --lib --features libhdf5 -- --ignored --exact --nocapture \
        file::h5::libhdf5::tests::flipped_bits_in_other_processes
fi
exec cargo test --lib --features libhdf5 -- --nocapture file::h5
