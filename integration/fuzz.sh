#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME (2s), one after the other:
# go test fuzzes one target of one package at a time. Making what was found
# smaller would take all of a short time where an input has some kilobytes.
set -euo pipefail

fuzz() {
	go test -tags "${TAGS:-}" -run '^$' -fuzz "^$1\$" -fuzztime "${FUZZTIME:-2s}" -fuzzminimizetime 10x "$2" 2>&1
}

count=0
while IFS=: read -r file _ line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "fuzz $(dirname "$file") $name ${FUZZTIME:-2s}"
	if ! out=$(fuzz "$name" "./$(dirname "$file")"); then
		# The go command sometimes takes the end of the time for a failure. A
		# finding always names its input.
		if [[ $out == *'context deadline exceeded'* && $out != *'Failing input'* ]]; then
			echo "again, because time ran out in the middle of an input: $name"
			out=$(fuzz "$name" "./$(dirname "$file")") && count=$((count + 1)) && continue
		fi
		echo "$out"
		exit 1
	fi
	count=$((count + 1))
done < <(git grep -n -E '^func Fuzz[A-Z]' -- '*_test.go')

[ "$count" -gt 0 ] || { echo 'no fuzz target found' >&2 && exit 1; }
echo "$count fuzz targets ran without a finding"
