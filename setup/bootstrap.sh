#!/usr/bin/env bash
# From a bare Debian-like machine to a working environment: packages, Python, jars.
# `bootstrap.sh tests` also brings what only tests need.
# Each step is skipped when it is done already. Needs Python 3.11 and, for packages, root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
. setup/lib.sh

home=${MILLRACE_HOME:-$PWD/.millrace}
logs=$home/setup
stamps=$home/setup
mkdir -p "$logs"

find_python() {
  local candidate
  for candidate in python3.11 python3; do
    if command -v "$candidate" >/dev/null && [ "$("$candidate" -c 'import sys; print(*sys.version_info[:2])')" = "3 11" ]; then
      command -v "$candidate"
      return
    fi
  done
  fail "Python 3.11 is not installed" "Install python3.11 and python3.11-venv."
}

has() { # the sign in setup/packages.txt
  case $1 in
    java-17) [ -n "$(ls -d /usr/lib/jvm/*17*/bin/java 2>/dev/null)" ] || [[ "$(java -version 2>&1)" == *'"17'* ]] ;;
    python-venv) "$python" -c 'import ensurepip' 2>/dev/null ;;
    initdb) [ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || command -v initdb >/dev/null ;;
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

missing_packages() {
  local sign package
  while read -r sign package; do
    case $sign in '' | '#'*) continue ;; esac
    has "$sign" || echo "$package"
  done <setup/packages.txt
}

install_packages() {
  local root=()
  if [ "$(id -u)" != 0 ]; then root=(sudo -n); fi
  # RUNLEVEL=1 keeps Debian from starting its own services; ours run from .millrace.
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends "$@"
}

require_apt() {
  command -v apt-get >/dev/null ||
    fail "$(echo "$@") missing, and this machine has no apt-get" "Install them, then run this again."
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    command -v sudo >/dev/null && [ -t 0 ] && sudo true ||
      fail "installing $(echo "$@") needs root" "Run: sudo apt-get install --no-install-recommends $(echo "$@")"
  fi
}

make_environment() {
  local python=$1 tools=$home/tools
  if [ ! -x "$tools/bin/uv" ] || [ "$("$tools/bin/uv" --version | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    "$python" -m venv --clear "$tools"
    "$tools/bin/python" -m pip install -q --disable-pip-version-check "uv==$UV_VERSION"
  fi
  [ -x .venv/bin/python ] || "$tools/bin/uv" venv -q --python "$python" .venv
  "$tools/bin/uv" pip sync --python .venv/bin/python --require-hashes requirements/core.txt
  "$tools/bin/uv" pip install --python .venv/bin/python --no-deps --no-build-isolation -e .
}

collect_jars() {
  mvn -B -q -f "${1:-pom.xml}" -Djars.directory="$home/jars" process-resources
}

more_jars() { # folder, pom, what they are for
  if ! current "$stamps/$1" "$2" || [ ! -d "$home/jars/$1" ]; then
    rm -rf "${home:?}/jars/$1"
    step "$3" "$logs/$1.log" collect_jars "$2"
    fingerprint "$2" >"$stamps/$1"
  fi
}

in_bucket() { # whether the settings put anything of the lake into one
  [[ "${MILLRACE_LAKE__WAREHOUSE:-}${MILLRACE_LAKE__ARCHIVE:-}" == *s3://* ]] ||
    [ -n "${MILLRACE_LAKE__S3_ENDPOINT:-}${MILLRACE_LAKE__S3_REGION:-}" ]
}

UV_VERSION=0.13.9
python=$(find_python)

packages=$(missing_packages)
if [ -n "$packages" ]; then
  # shellcheck disable=SC2086
  require_apt $packages
  # shellcheck disable=SC2086
  step "Debian packages" "$logs/packages.log" install_packages $packages
fi
if ! current "$stamps/environment" requirements/core.txt pyproject.toml || [ ! -x .venv/bin/millrace ] ||
  [ ! -x "$home/tools/bin/uv" ]; then
  step "Python environment" "$logs/environment.log" make_environment "$python"
  fingerprint requirements/core.txt pyproject.toml >"$stamps/environment"
fi
if ! current "$stamps/jars" pom.xml || [ ! -d "$home/jars/kafka" ] || [ ! -d "$home/jars/flink" ] ||
  [ ! -d "$home/jars/spark" ]; then
  step "Jars" "$logs/jars.log" collect_jars
  fingerprint pom.xml >"$stamps/jars"
fi
if [ "${1:-}" = tests ] || in_bucket; then
  more_jars s3 setup/s3.pom.xml "Jars for buckets"
fi
if [ "${1:-}" = tests ]; then
  more_jars lake-servers tests/integration/lake_servers.pom.xml "Servers for tests"
fi
