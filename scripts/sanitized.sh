#!/bin/sh
# SPDX-License-Identifier: MIT
# sanitized.sh FOLDER SANITIZERS CC MAKE PYTHON: configures FOLDER (below the
# current build folder) with the sanitizers, runs the C tests and the golden
# cells there, then a kernel session (if PYTHON has jupyter_client).
set -e
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"
test -f Makefile || "$source/configure" -q --disable-python \
    --enable-sanitizers="$2" CC="$3" CFLAGS="-O1 -g"
# A forked child of a threaded process goes on: the pool makes new workers.
# libzmq hands messages to its own thread by atomics that TSan does not see, as
# it is not compiled for it: what libzmq itself does to memory is left out.
export TSAN_OPTIONS="die_after_fork=0 ignore_noninstrumented_modules=1 \
$TSAN_OPTIONS"
$4 check
if "$5" -c 'import jupyter_client'; then
    "$5" "$source/tests/kernel/session.py" .
else
    echo "sanitized.sh: no kernel session: $5 has no jupyter_client"
fi
