#!/bin/sh
# Builds .venv from constraints.txt and pyproject.toml, or repairs a half-built one.
# A stamp keyed on both files is written last, so an interrupted run is done again.
set -eu
cd "$(dirname "$0")/.."

fail() { echo "error: $*" >&2; exit 1; }

fresh_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 && fresh_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "no Python 3.11 or newer found (tried python3.13, python3.12, python3.11, python3);" \
        "install one, or name it: make ${MAKECMDGOALS:-demo} PYTHON=/path/to/python3"
}

check_parts() {
    "$1" -c 'import venv' 2>/dev/null ||
        fail "$1 lacks the module venv; on Debian and Ubuntu: apt install python3-venv"
    "$1" -c 'import ensurepip' 2>/dev/null ||
        fail "$1 lacks the module ensurepip; on Debian and Ubuntu: apt install python3-venv"
}

check_disk() {
    # Linux on x86-64 gets the torch build with CUDA libraries, several times the size.
    case "$(uname -sm)" in "Linux x86_64") need=8 ;; *) need=3 ;; esac
    need="${HIPROBE_NEED_GB:-$need}"
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$need" ] || fail "$free GB free in $(pwd), about $need GB are needed for .venv;" \
        "free some space, or set HIPROBE_NEED_GB lower if you know better (0 = do not check)"
}

python=$(find_python)
key=$("$python" -c 'import hashlib, pathlib
files = ("constraints.txt", "pyproject.toml")
text = b"".join(pathlib.Path(f).read_bytes() for f in files)
print(hashlib.sha256(text).hexdigest()[:16])')
stamp=".venv/ready-$key"
[ -f "$stamp" ] && fresh_enough .venv/bin/python && [ -x .venv/bin/hiprobe ] && exit 0

check_parts "$python"
check_disk
if [ -e .venv ] && ! { fresh_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    echo ".venv is not usable (half-built, or its Python is gone): building it anew" >&2
    rm -rf .venv
fi
rm -f .venv/ready-*
[ -d .venv ] || "$python" -m venv .venv
echo "Installing the locked packages into .venv (a few minutes the first time) ..." >&2
# pip and setuptools first: the build then runs without isolation, on the locked versions too.
.venv/bin/python -m pip install --quiet -c constraints.txt pip setuptools
.venv/bin/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev,ray,review]'
: >"$stamp"
