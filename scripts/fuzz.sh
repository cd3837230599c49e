#!/bin/sh
# Runs the fuzz targets: `scripts/fuzz.sh [SECONDS [TARGET...]]`, by default each for a minute. Needs a
# nightly compiler and `cargo install cargo-fuzz`; `make test` needs neither.
set -eu

cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- decode_json decode_cbor roundtrip timestamp topic

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz.sh: needs: rustup toolchain install nightly && cargo install cargo-fuzz" >&2
    exit 1
fi
# What ships is what is fuzzed: the same versions of everything.
cp Cargo.lock fuzz/Cargo.lock

for target in "$@"; do
    # New finds go to a folder of their own, so that the seeds stay few.
    mkdir -p "fuzz/found/$target"
    # A payload has at most 4,096 bytes; somewhat more, so that this is tried, too. No payload may make
    # the decoder ask for more than a megabyte at once, or take seconds.
    dictionary=fuzz/dictionaries/$target.dict
    [ -e "$dictionary" ] || dictionary=fuzz/dictionaries/decode_json.dict
    echo "$target: $seconds seconds"
    cargo +nightly fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -dict="$dictionary" -max_len=5000 -malloc_limit_mb=1 \
        -timeout=5 -print_final_stats=1
done
