#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME (3s), one after the other:
# go test fuzzes one target of one package at a time. Making what was found
# smaller would take all of a short time where an input has some kilobytes.
set -euo pipefail

count=0
while IFS=: read -r file _ line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "fuzz $(dirname "$file") $name ${FUZZTIME:-3s}"
	if ! out=$(go test -tags "${TAGS:-}" -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-3s}" -fuzzminimizetime 10x "./$(dirname "$file")" 2>&1); then
		echo "$out"
		exit 1
	fi
	count=$((count + 1))
done < <(git grep -n -E '^func Fuzz[A-Z]' -- '*_test.go')

[ "$count" -gt 0 ] || { echo 'no fuzz target found' >&2 && exit 1; }
echo "$count fuzz targets ran without a finding"
