#!/usr/bin/env bash
# System packages that the tests need: a PostgreSQL server, util-linux tools to run it as its own user, strace to inject faults, the
# command openssl as a second opinion on signatures, and git for what a release is built from.
set -euo pipefail
missing=()
postgres() { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
postgres || missing+=(postgresql)
for tool in strace openssl git; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] && exit 0
sudo=""; [ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
postgres || { echo "the PostgreSQL server could not be installed" >&2; exit 1; }
for tool in strace openssl git; do command -v "$tool" >/dev/null || { echo "$tool could not be installed" >&2; exit 1; }; done
