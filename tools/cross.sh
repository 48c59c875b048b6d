#!/usr/bin/env bash
# Builds everything, tests type-checked, for other platforms: tools/cross.sh windows/amd64 linux/arm ...
# For the platforms in LINKED the test programs are linked too, which nothing here can run.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0

for platform in "$@"; do
  export GOOS=${platform%/*} GOARCH=${platform#*/}
  start=$SECONDS
  go build ./...
  go vet ./...
  linked=
  if [[ " ${LINKED:-} " == *" $platform "* ]]; then
    go test -exec true -run '^$' ./... >/dev/null
    linked=", tests linked"
  fi
  echo "cross: $platform builds$linked ($((SECONDS - start)) s)"
done
