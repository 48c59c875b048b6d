#!/usr/bin/env bash
# Runs the tests of packages on other processors: QEMU_ARCH="arm:arm arm64:aarch64" tools/test-qemu.sh ./wal ...
# A pair is the processor as Go and as QEMU call it. A libSQL server that a test starts is the native one.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOOS=linux

for pair in ${QEMU_ARCH:-arm:arm arm64:aarch64}; do
  qemu=qemu-${pair#*:}
  command -v "$qemu" >/dev/null || qemu=$qemu-static
  # Tests that need a second process run it under the emulator too.
  export FLOE_TEST_EXEC=$qemu
  echo "test-qemu: linux/${pair%:*} under $qemu"
  # -vet=off: make cross vets these platforms. QEMU is slow, so the tests get time.
  # shellcheck disable=SC2086 # TESTFLAGS holds several words
  GOARCH=${pair%:*} go test -exec "$qemu" -vet=off -timeout 30m ${TESTFLAGS:-} "$@"
done
