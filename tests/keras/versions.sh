#!/bin/sh
# Prints a Python that has the Keras of that version, made when it is missing:
# versions.sh 2.15.0 (module keras), 2.21.0 (module tf_keras), 3.0.5, ... (module keras)
#
# The newest ones live in the environment of venv.sh, all others in one with TensorFlow 2.15 and
# an older JAX. A Keras 3 is nothing but a folder that is looked into before that environment.
set -eu
version=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
all=${BURN_KERAS_VERSIONS:-$root/target/keras-versions}
python=$all/$version/bin/python
old=$all/2.15.0

case $version in
    3.15.1) exec sh "$here/venv.sh" ;;
    2.21.0) base=$(sh "$here/venv.sh") package=tf_keras ;;
    *) base=$old/bin/python package=keras ;;
esac
if [ "$package" = keras ] && ! cmp -s "$here/versions.txt" "$old/requirements.stamp"; then
    python3 -m venv --clear "$old" >&2
    "$base" -m pip install --quiet --no-cache-dir --disable-pip-version-check -r "$here/versions.txt" >&2
    cp "$here/versions.txt" "$old/requirements.stamp"
fi
if ! [ -x "$python" ]; then
    # A target of its own, so that what the environment has stays as it is.
    "$base" -m pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --target "$all/$version/lib" "$package==$version" >&2
    mkdir -p "$all/$version/bin"
    cat >"$python.new" <<END
#!/bin/sh
PYTHONPATH=$all/$version/lib exec $base "\$@"
END
    chmod +x "$python.new"
    mv "$python.new" "$python"
fi
echo "$python"
