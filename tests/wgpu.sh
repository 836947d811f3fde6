#!/usr/bin/env bash
# Runs the conformance suite on wgpu, without a graphics card: on the software Vulkan driver that Debian's
# mesa-vulkan-drivers brings. Not part of tests/run.sh: compiling Burn's wgpu takes too long for it.
#
#     bash tests/wgpu.sh [FILTER]
set -euo pipefail
cd "$(dirname "$0")/.."

if ! dpkg -s mesa-vulkan-drivers libvulkan1 >/dev/null 2>&1; then
    apt-get update
    apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1
fi
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$(mktemp -d)}"
export BURN_KERAS_DEVICE=wgpu
exec cargo test --features wgpu --test conformance -- "$@"
