#!/usr/bin/env bash
# System packages that the tests need: a PostgreSQL server, and util-linux tools to run it as its own user.
set -euo pipefail
have() { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
have && exit 0
sudo=""; [ "$(id -u)" -eq 0 ] || sudo=sudo
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends postgresql >/dev/null
have || { echo "the PostgreSQL server could not be installed" >&2; exit 1; }
