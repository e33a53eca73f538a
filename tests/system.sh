#!/usr/bin/env bash
# System packages that the tests need: a PostgreSQL server, util-linux tools to run it as its own user, and strace to inject faults.
set -euo pipefail
missing=()
postgres() { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
postgres || missing+=(postgresql)
command -v strace >/dev/null || missing+=(strace)
[ ${#missing[@]} -eq 0 ] && exit 0
sudo=""; [ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
postgres || { echo "the PostgreSQL server could not be installed" >&2; exit 1; }
command -v strace >/dev/null || { echo "strace could not be installed" >&2; exit 1; }
