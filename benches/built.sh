#!/usr/bin/env bash
# Builds a bench and prints the path of its program: benches/built.sh NAME [cargo's arguments].
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
program=$(cargo bench --bench "$name" "${@:2}" --no-run --message-format=json 2>/dev/null |
    sed -n "s/.*\"name\":\"$name\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -1) || true
[ -x "$program" ] || { echo "the bench \`$name\` does not build: cargo bench --bench $name ${*:2} --no-run" >&2; exit 1; }
echo "$program"
