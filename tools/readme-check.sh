#!/usr/bin/env bash
# Runs the commands of the README as they are written there: each block fenced as ```sh with the line <!-- ci -->
# before it, in order, in one shell, in a temporary clone of the last commit. A libSQL server that holds one
# small table listens on every loopback port that the commands name.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

work=$(mktemp -d)
servers=()
cleanup() {
  for pid in "${servers[@]}"; do
    kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
die() { echo "readme-check: $*" >&2; exit 1; }

# commands prints the marked blocks of a file.
commands() {
  awk '
    inside && /^```/ { inside = 0; next }
    inside           { print; next }
    marked && /^```sh$/ { inside = 1 }
    { marked = /^<!-- ci -->$/ }
  ' "$1"
}

start_server() {
  local port=$1 sqld=${FLOE_SQLD:-$root/.tools/sqld} deadline=$((SECONDS + 60))
  [ -x "$sqld" ] || die "no libSQL server: run tools/setup.sh server"
  ! listening "$port" || die "the README needs port $port, but something listens on it"
  "$sqld" --no-welcome --db-path "$work/sqld-$port" --http-listen-addr "127.0.0.1:$port" >"$work/sqld-$port.log" 2>&1 </dev/null &
  servers+=($!)
  until listening "$port"; do
    [ "$SECONDS" -lt "$deadline" ] || { cat "$work/sqld-$port.log" >&2; die "the server on port $port does not listen"; }
    sleep 0.1
  done
  create_table "$port" || die "the server on port $port makes no table"
}

# create_table writes one table. It speaks HTTP by hand because a bare machine has bash but not always curl.
create_table() {
  local sql="CREATE TABLE greeting AS SELECT 'hello' AS word" answer
  local body='{"requests":[{"type":"execute","stmt":{"sql":"'$sql'"}},{"type":"close"}]}'
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'POST /v3/pipeline HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s' \
    "${#body}" "$body" >&3
  answer=$(cat <&3)
  exec 3>&-
  [[ $answer == *'"affected_row_count"'* ]] || { echo "$answer" >&2; return 1; }
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

git clone --quiet "$root" "$work/floe"
[ ! -d "$root/.tools" ] || ln -s "$root/.tools" "$work/floe/.tools"
commands "$work/floe/README.md" >"$work/commands.sh"
[ -s "$work/commands.sh" ] || die "README.md has no block to run"

for port in $(grep -oE '(127\.0\.0\.1|localhost):[0-9]+' "$work/commands.sh" | grep -oE '[0-9]+$' | sort -u); do
  start_server "$port"
done

cd "$work/floe"
# What the commands install goes into the clone, where they also find it.
GOBIN=$work/floe/bin PATH=$work/floe/bin:$PATH bash -euxo pipefail "$work/commands.sh" </dev/null ||
  die "the last command above fails"
echo "readme-check: every command of the README works"
