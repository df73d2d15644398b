#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME (2s), one on each processor.
# A package's test program is built once with the instrumentation for fuzzing,
# and run once a target: go test would link it anew for each.
set -euo pipefail

time=${FUZZTIME:-2s}
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT

build() {
	go test -c -tags "${TAGS:-}" -fuzz . -o "$programs/${1//\//_}" "./$1"
}

# Making what was found smaller would take all of a short time where an input has
# some kilobytes. What is found belongs to testdata, beside the seeds.
run() {
	(cd "$1" && "$programs/${1//\//_}" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" \
		-test.fuzzminimizetime 10x -test.parallel 1 -test.fuzzcachedir "$cache/$1") 2>&1
}

fuzz() {
	local out
	echo "fuzz $1 $2 $time"
	out=$(run "$1" "$2") && return
	# The end of the time is sometimes taken for a failure. A finding always names
	# its input.
	if [[ $out == *'context deadline exceeded'* && $out != *'Failing input'* ]]; then
		echo "again, because time ran out in the middle of an input: $1 $2"
		out=$(run "$1" "$2") && return
	fi
	printf '%s\n' "$out"
	return 255 # xargs starts nothing more
}

cache=$(go env GOCACHE)/fuzz/$(go list -m)
export TAGS time programs cache
export -f run fuzz

targets=$(git grep -n -E '^func Fuzz[A-Z]' -- '*_test.go' |
	sed -E 's,^(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*,\1 \2,' | sort -u)
[ -n "$targets" ] || { echo 'no fuzz target found' >&2 && exit 1; }

while read -r package; do build "$package"; done < <(cut -d' ' -f1 <<<"$targets" | uniq)
xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$1" "$2"' fuzz <<<"$targets"
echo "$(wc -l <<<"$targets") fuzz targets ran without a finding"
