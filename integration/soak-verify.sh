#!/usr/bin/env bash
# Attacks the same sandbox again and again: a verdict that differs from the
# prediction once in ROUNDS times is a flake, and ends it.
# usage: integration/soak-verify.sh BIN [ROUNDS]     (200)
set -euo pipefail

bin=$1 rounds=${2:-200}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
for ((i = 1; i <= rounds; i++)); do
	"$bin/safe-run" verify --verbose >"$said" 2>&1 || { cat "$said" && echo "round $i of $rounds failed" >&2 && exit 1; }
	((i % 10)) || echo "$i rounds, $((SECONDS / i)) s each"
done
echo "$rounds rounds of the battery in $SECONDS s, and no flake"
