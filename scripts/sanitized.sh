#!/bin/sh
# SPDX-License-Identifier: MIT
# sanitized.sh FOLDER SANITIZERS CC MAKE: configures FOLDER (below the current
# build folder) with the sanitizers and runs the C tests there.
set -e
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
cd "$1"
test -f Makefile || "$source/configure" -q --disable-python \
    --enable-sanitizers="$2" CC="$3" CFLAGS="-O1 -g"
# A forked child of a threaded process goes on: the pool makes new workers.
TSAN_OPTIONS="die_after_fork=0 $TSAN_OPTIONS" exec $4 check
