# SPDX-License-Identifier: MIT
# What ./quickstart and ./check share: packages, virtual environment, build,
# installation into the virtual environment. Sourced, not run; expects $top.
# Every step is skipped when there is nothing to do, so that a second run takes
# seconds.

debian_packages="autoconf automake gcc libc6-dev libjansson-dev libopenblas-dev
 libpng-dev libssl-dev libtool libzmq3-dev make pkg-config python3-dev
 python3-venv zlib1g-dev"
venv=$top/.venv
build=$top/build
log=$top/build/setup.log

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs quietly; shows the end of its output only when it fails.
quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        fail "this step failed: $*  (whole output: $log)"
    fi
}

missing_packages() {
    local p
    for p in $1; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null |
            grep -q 'install ok installed' || printf '%s ' "$p"
    done
}

# install_packages "list": through apt where it may, else prints the line to run.
install_packages() {
    command -v dpkg-query >/dev/null || {
        say "not a Debian system: expecting the packages to be there: $1"
        return
    }
    local missing as_root=
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if sudo -n true 2>/dev/null; then
            as_root=sudo
        else
            echo "These Debian packages are missing. Run this line, then start again:" >&2
            echo "    sudo apt-get install -y --no-install-recommends $missing" >&2
            exit 1
        fi
    fi
    say "installing Debian packages: $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    quietly $as_root apt-get update
    # shellcheck disable=SC2086
    quietly $as_root apt-get install -y --no-install-recommends $missing
}

find_python() {
    local p
    for p in "${PYTHON:-}" python3 /usr/bin/python3; do
        [ -n "$p" ] && "$p" -c '
import sys, sysconfig, os, venv, ensurepip
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not (sys.version_info >= (3, 9) and os.path.exists(header)))' \
            2>/dev/null && { echo "$p"; return; }
    done
    fail "no Python 3.9 or newer with headers and venv was found (set PYTHON=...)"
}

# install_python "requirements file"...: into .venv, once per content.
install_python() {
    if [ ! -x "$venv/bin/python" ]; then
        say "making the virtual environment .venv"
        quietly "$(find_python)" -m venv "$venv"
    fi
    local stamp file
    for file in "$@"; do
        stamp=$venv/.$(basename "$file").installed
        cmp -s "$file" "$stamp" && continue
        say "installing Python packages ($(basename "$file" .txt))"
        quietly "$venv/bin/python" -m pip install --disable-pip-version-check \
            -r "$file"
        cp "$file" "$stamp"
    done
}

# Configures when needed, builds, installs into .venv.
build_and_install() {
    local jobs
    jobs=$(getconf _NPROCESSORS_ONLN)
    if [ ! -x "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
        say "generating configure"
        (cd "$top" && quietly ./autogen.sh)
    fi
    if [ ! -f "$build/Makefile" ] || [ "$top/configure" -nt "$build/config.status" ]; then
        say "configuring in build/"
        (cd "$build" && quietly ../configure --prefix="$venv" \
            PYTHON="$venv/bin/python" ${CC:+CC="$CC"})
    fi
    say "building"
    quietly make -C "$build" -j"$jobs"
    quietly make -C "$build" install
}

mkdir -p "$build"
