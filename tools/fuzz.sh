#!/usr/bin/env bash
# fuzz.sh check: tools/fuzz.txt and the fuzz targets in the code agree. fuzz.sh run TIME: runs each for that long.
# Go passes a run whose target is gone, so the list is what notices.
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints `package target`, as the compiled tests list them.
compiled() {
	local status=0 out
	out=$(go test -list '^Fuzz' ./... 2>&1) || status=$?
	if [ "$status" != 0 ]; then
		echo "$out" >&2
		return "$status"
	fi
	awk '/^Fuzz/ {names[++n] = $1} $1 == "ok" {for (i = 1; i <= n; i++) print $2, names[i]; n = 0}' <<<"$out" |
		sed "s|^$(go list -m)|.|" | sort
}

# Prints the same from the sources, which takes no compiler.
written() {
	{ grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . || true; } |
		sed -E 's|/[^/]*:func | |; s|\($||' | sort
}

compare() {
	if ! diff <(sed 's/#.*//; /^[[:space:]]*$/d' tools/fuzz.txt | sort) - >bin/fuzz.diff; then
		echo "tools/fuzz.txt and the fuzz targets differ (< listed, but gone; > not listed):" >&2
		grep '^[<>]' bin/fuzz.diff >&2
		return 1
	fi
}

mkdir -p bin
case ${1:-} in
check) written | compare ;;
run)
	targets=$(compiled)
	printf '%s' "${targets:+$targets$'\n'}" | compare
	while read -r package target; do
		[ -n "$target" ] || continue
		echo "fuzzing $target in $package for $2"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$2" "$package"
	done <<<"$targets"
	;;
*)
	echo "usage: fuzz.sh check | run TIME" >&2
	exit 2
	;;
esac
