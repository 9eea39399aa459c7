#!/usr/bin/env bash
# need.sh PACKAGE CHECK...: does nothing if the command CHECK succeeds. Otherwise it installs the Debian package if it may,
# or says in one line what to install, and fails.
set -euo pipefail

package=$1
shift
if "$@" >/dev/null 2>&1; then
	exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "installing $package"
	# Several targets may need something at once: wait for the lock instead of failing.
	apt-get -qq -o DPkg::Lock::Timeout=120 update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$package" >/dev/null
	"$@" >/dev/null
	exit 0
fi
echo "missing: $package (on Debian: apt-get install $package); it is there when this succeeds: $*" >&2
exit 1
