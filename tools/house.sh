#!/usr/bin/env bash
# Rules of the house that no linter knows: no path of this machine in any file, no registry's address in a lock file, no test
# that sleeps, no dependency without its reason. `make lint` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."

bad=0
files() { git ls-files -z --cached --others --exclude-standard --deduplicate -- "$@"; }
# refuse WHAT LINES: complains if there are lines.
refuse() {
	if [ -n "$2" ]; then
		printf '%s:\n%s\n' "$1" "$2" >&2
		bad=1
	fi
}

# Works here and nowhere else: this folder, the corpora beside it, Go's caches, the home of a person.
paths=("$PWD" "$(dirname "$PWD")/shared" "$(go env GOMODCACHE)" "$(go env GOCACHE)")
case ${HOME:-/} in / | /root) ;; *) paths+=("$HOME") ;; esac
patterns=()
for path in "${paths[@]}"; do
	# Whole, and not inside a longer word or address: /src/app is not in /src/application.
	escaped=$(sed 's/[][\.*^$+?(){}|]/\\&/g' <<<"$path")
	patterns+=(-e "(^|[^A-Za-z0-9_.~/-])$escaped(/|[^A-Za-z0-9_-]|\$)")
done
# A file may be listed and already gone, hence -s; no match is no error.
refuse "paths of this machine" "$(files | xargs -0 -r grep -ansE "${patterns[@]}" -- || true)"

# Which registry serves a package is a matter of the machine; the lock files name versions and digests.
refuse "registries by address" \
	"$(files '*package-lock.json' '*requirements*.txt' | xargs -0 -r grep -nsE '"resolved"|--(extra-)?index-url|--find-links' -- || true)"

# Inside testing/synctest, sleeping moves a false clock. Elsewhere it hides a race or wastes time.
refuse "tests that sleep outside testing/synctest" \
	"$(files '*_test.go' | xargs -0 -r grep -lsE 'time\.Sleep\(' -- | xargs -r grep -Ls '"testing/synctest"' -- || true)"

# A module is named by itself or with its family: otel's parts by otel.
named() {
	local module=$1
	while [[ $module == */* ]]; do
		grep -qF "\`$module\`" docs/dependencies.md && return
		module=${module%/*}
	done
	return 1
}
direct=$(sed -n '/^require (/,/^)/p' go.mod | grep -v '// indirect' | awk 'NF == 2 && $1 != "require" {print $1}')
refuse "direct dependencies that docs/dependencies.md does not name" \
	"$(while read -r module; do [ -z "$module" ] || named "$module" || echo "$module"; done <<<"$direct")"

exit $bad
