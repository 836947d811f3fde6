#!/bin/sh
# Creates the virtual environment of the Keras proof when it is missing or
# requirements.txt changed, then prints the path of its Python.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${BURN_KERAS_VENV:-$root/target/keras-venv}
stamp=$venv/requirements.stamp

# Tests that run at the same time must not make it twice.
mkdir -p "$root/target"
exec 9>"$root/target/keras-venv.lock"
if command -v flock >/dev/null; then flock 9; fi

if ! cmp -s "$here/requirements.txt" "$stamp"; then
    python3 -m venv --clear "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$stamp"
fi
echo "$venv/bin/python"
