#!/bin/sh
# The rules of the house that neither the compiler nor clippy can check. Prints every breach and
# fails when there is one.
set -u

cd "$(dirname "$0")/.." || exit 1
breaches=0

# Reads lines "file:line:text" or "file" and reports them under the rule they break.
report() { # RULE
    found=$(cat)
    [ -z "$found" ] && return
    echo "house rule broken: $1" >&2
    echo "$found" | sed 's/^/    /' >&2
    breaches=$((breaches + 1))
}

# The names of the crates that a manifest depends on, tests and build scripts included.
dependencies() { # MANIFEST
    awk '
        /^\[/ { inside = /dependencies\]$/ }
        /^\[.*dependencies\.[A-Za-z0-9_-]+\]$/ { sub(/^.*dependencies\./, ""); sub(/\]$/, ""); print }
        inside && /^[A-Za-z0-9_-]+[ .=]/ { sub(/[ .=].*/, ""); print }
    ' "$1"
}

# Reports dependencies of a manifest that are in a list.
forbid() { # MANIFEST RULE NAME...
    manifest=$1 rule=$2
    shift 2
    [ -f "$manifest" ] || return 0
    used=$(dependencies "$manifest")
    breaking=
    for name in "$@"; do
        if echo "$used" | grep -qx -- "$name"; then
            breaking="$breaking$manifest: depends on $name
"
        fi
    done
    # Not through a pipe: report counts in this shell.
    report "$rule" <<END
${breaking%?}
END
}

# --- model and detector are pure ---
for crate in model detector; do
    forbid "crates/$crate/Cargo.toml" "model and detector do no I/O: everything is passed in" \
        tokio tokio-util sqlx rumqttc axum cadence tracing store
done

# --- SQL is in store only ---
for manifest in crates/*/Cargo.toml tests/Cargo.toml benches/Cargo.toml; do
    case "$manifest" in
        crates/store/*) ;;
        *) forbid "$manifest" "SQL is in crates/store only" sqlx ;;
    esac
done
report "SQL is in crates/store only" <<END
$(grep -rnE 'sqlx::|\bquery(_as|_scalar)?!?\("[[:space:]]*(select|insert|update|delete)\b' \
    --include='*.rs' --exclude-dir=target crates tests benches 2>/dev/null |
    grep -v '^crates/store/')
END

# --- roles meet in Postgres only ---
roles="ingest exporter watch headcount-api"
for role in $roles; do
    others=
    for other in $roles; do
        [ "$other" = "$role" ] || others="$others $other"
    done
    # The crate of the role headcount-api lives in crates/api.
    # shellcheck disable=SC2086 # a list of words
    forbid "crates/${role#headcount-}/Cargo.toml" "no role depends on another role" $others
done
for manifest in crates/store/Cargo.toml crates/model/Cargo.toml crates/telemetry/Cargo.toml; do
    # shellcheck disable=SC2086
    forbid "$manifest" "what roles share knows no role" $roles headcount
done

# --- decisions are listed ---
if [ -f docs/adr/README.md ]; then
    report "every decision in docs/adr is linked from its README.md" <<END
$(for decision in docs/adr/*.md; do
    name=${decision##*/}
    [ "$name" = README.md ] || grep -qF "($name)" docs/adr/README.md || echo "$decision"
done)
END
fi

# --- what a document says is tested, is ---
report "tests named in docs/bad-input.md exist" <<END
$(sed -n 's/^|.*|\([^|]*\)|$/\1/p' docs/bad-input.md |
    grep -oE '[a-z0-9]+(_[a-z0-9]+){2,}' | sort -u | while read -r name; do
    grep -rq "fn $name" crates tests --include='*.rs' || echo "$name"
done)
END

# --- nothing is left for later ---
# Written so that this file does not break its own rule.
report "unfinished work belongs into the issue tracker, not into the code" <<END
$(grep -rnIwE 'TO[D]O|FIX[M]E|tod[o]!|unimplemente[d]!' . \
    --exclude-dir=target --exclude-dir=node_modules --exclude-dir=dist --exclude-dir=.git \
    --exclude='*.lock' --exclude='*.csv' --exclude='package-lock.json')
END

# --- scripts are sound ---
for script in scripts/* .ci/run; do
    [ -f "$script" ] || continue
    [ -x "$script" ] || report "scripts can be executed" <<END
$script
END
    case "$(head -n 1 "$script")" in
        '#!/bin/sh') sh -n "$script" || breaches=$((breaches + 1)) ;;
        *bash*) bash -n "$script" || breaches=$((breaches + 1)) ;;
    esac
done
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck scripts/*.sh scripts/python-with .ci/run || breaches=$((breaches + 1))
fi

if [ "$breaches" -gt 0 ]; then
    echo "house-rules: $breaches broken" >&2
    exit 1
fi
echo "house-rules: all kept"
