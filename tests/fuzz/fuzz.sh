#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fuzz.sh FOLDER [SECONDS] [TARGET...]: builds the libFuzzer targets with clang in
# FOLDER (below the current build folder) and runs each for SECONDS (60). The
# last line counts them; a finding is kept in FOLDER/findings. A unit may take
# 100 s: the clock runs on while a busy machine keeps the fuzzer waiting.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1 seconds=${2:-60}
shift $(($# < 2 ? $# : 2))
command -v clang >/dev/null || { echo "fuzz: clang is needed (apt-get install clang libclang-rt-14-dev)" >&2; exit 1; }
mkdir -p "$folder/findings"
cd "$folder"
[ -f Makefile ] || "$source/configure" -q --disable-python \
    --enable-sanitizers=address,undefined,fuzzer-no-link CC=clang CFLAGS="-O1 -g"
make -s libruntime.la liblang.la libprotocol.la libkernel.la >/dev/null
libraries="$(find . -path '*/.libs/*.a' | sort | tr '\n' ' ')"
passed=0 failed=0
targets=${*:-$(cd "$source/tests/fuzz" && ls fuzz_*.c | sed 's/\.c$//')}
for target in $targets; do
    # shellcheck disable=SC2086,SC2046
    clang -g -O1 -DFUZZER -fsanitize=fuzzer,address,undefined -I"$source" -I. \
        "$source/tests/fuzz/$target.c" -o "$target" \
        -Wl,--start-group $libraries -Wl,--end-group \
        $(pkg-config --libs jansson libcrypto libzmq libpng zlib) -lm -lpthread -ldl
    mkdir -p "corpus/$target"
    seeds=$source/tests/fuzz/seeds/$target
    [ -d "$seeds" ] || seeds=
    if "./$target" -max_total_time="$seconds" -timeout=100 -rss_limit_mb=4096 \
        -artifact_prefix="findings/$target-" -print_final_stats=1 \
        "corpus/$target" $seeds >"$target.log" 2>&1; then
        passed=$((passed + 1))
        echo "$target: $(grep -m1 number_of_executed_units "$target.log")"
    else
        failed=$((failed + 1))
        tail -n 30 "$target.log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
