#!/bin/sh
# Checks licences, forbidden crates, sources and known weaknesses of what we depend on (deny.toml).
# Says so and passes where the means are missing: cargo-deny, or the network to ask for weaknesses.
set -eu

cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}

if ! "$cargo" deny --version >/dev/null 2>&1; then
    echo "deny: skipped: install cargo-deny with 'cargo install --locked cargo-deny'"
    exit 0
fi

"$cargo" deny --locked check bans licenses sources
if "$cargo" deny --locked fetch db >/dev/null 2>&1; then
    "$cargo" deny --locked check advisories
else
    echo "deny: advisories skipped: their database cannot be reached"
fi
