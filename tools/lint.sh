#!/usr/bin/env bash
# Checks the format of all Go files, go vet and staticcheck. Both modules are checked for format, the main one for all.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "lint: run gofmt -w on:" >&2
  echo "$unformatted" >&2
  exit 1
fi
go vet ./...
.tools/staticcheck ./...
echo "lint: gofmt, go vet and staticcheck have nothing to say"
