#!/bin/sh
# Makes .venv as uv.lock says, from nothing but Python 3.11 or later. Quick when nothing changed.
set -eu
cd "$(dirname "$0")/../.."

UV_VERSION=0.13.9
export UV_PYTHON_DOWNLOADS=never

fail() {
    echo "throughline: $1" >&2
    exit 1
}

find_python() {
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    fail "Python 3.11 or later is needed, and none is on PATH. Install one and try again."
}

# uv of our own, when none is on PATH.
bring_uv() {
    tools=.venv-tools
    if [ ! -x "$tools/bin/uv" ] || [ "$(cat "$tools/version" 2>/dev/null)" != "$UV_VERSION" ]; then
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$python has no 'venv'. On Debian and Ubuntu: apt-get install python3-venv. Or install uv."
        echo "Installing uv $UV_VERSION into $tools (once)" >&2
        rm -rf "$tools"
        "$python" -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2 ||
            fail "uv could not be installed with pip; is there a network?"
        echo "$UV_VERSION" >"$tools/version"
    fi
    echo "$tools/bin/uv"
}

uv=$(command -v uv || bring_uv)
if [ -x .venv/bin/throughline ]; then
    exec "$uv" sync --locked --quiet
fi
echo "Installing Throughline into .venv (once; some minutes at most)" >&2
exec "$uv" sync --locked --python "$(find_python)"
