#!/usr/bin/env bash
# Runs each fuzz target of the module, or of some packages, for a time: tools/fuzz.sh 10s [./PACKAGE...]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?usage: tools/fuzz.sh DURATION [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

# go test -list prints the targets of a package and then a line "ok PACKAGE TIME".
listed=$(go test -list '^Fuzz' "$@")
targets=$(awk '/^Fuzz/ { names[n++] = $1 } /^(ok|\?)/ { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' <<<"$listed")
[ -n "$targets" ] || { echo "fuzz: found no fuzz target" >&2; exit 1; }

while read -r package name; do
  echo "fuzz: $name in $package"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null
done <<<"$targets"
