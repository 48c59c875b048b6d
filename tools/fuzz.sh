#!/usr/bin/env bash
# Runs each fuzz target of the module, or of some packages, for a time: tools/fuzz.sh 10s [./PACKAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh DURATION [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz runs one target: fuzz PACKAGE NAME
fuzz() {
  echo "fuzz: $2 in $1"
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x "$1" </dev/null 2>&1 | tee "$log" && return
  only_deadline "$log" || return 1
  echo "fuzz: $2 found nothing; go test took the end of its time for a failure (golang.org/issue/75804)"
}

# only_deadline reports whether the end of the time is all that a failed run has to say. Before Go 1.27 a worker that is
# stopped by it can be reported as a failure of the target. A finding writes its input to a file and says so, and
# an input that hangs says that the process hung.
only_deadline() {
  ! grep -qiE 'failing input|hung or terminated|panic|no space|fatal error' "$1" &&
    [ "$(grep -A 1 '^--- FAIL: ' "$1" | tail -n +2)" = "    context deadline exceeded" ]
}

# go test -list prints the targets of a package and then a line "ok PACKAGE TIME".
listed=$(go test -list '^Fuzz' "$@")
targets=$(awk '/^Fuzz/ { names[n++] = $1 } /^(ok|\?)/ { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' <<<"$listed")
[ -n "$targets" ] || { echo "fuzz: found no fuzz target" >&2; exit 1; }

while read -r package name; do
  fuzz "$package" "$name"
done <<<"$targets"
