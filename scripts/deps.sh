#!/usr/bin/env bash
# Installs every package that building, running and testing Sluice needs, by name, from the
# distribution's own mirror: Debian 12 and newer, Ubuntu 24.04 and newer. Prints nothing and
# asks for no right when all of it is there already. `deps.sh fuzz` adds what `make fuzz` needs,
# `deps.sh bench` what `make bench` and `scripts/oltp` compare with, `deps.sh package` what `make
# package` needs, `deps.sh examples` what `make examples` runs the shops of examples/ with.
set -euo pipefail

# A word is one package; alternatives are separated by '|', the first one that exists is taken.
# libmysqlclient is deliberately absent: Connector/C speaks to MySQL and MariaDB alike.
packages=(
  g++ cmake make ninja-build pkg-config ccache
  "libboost1.81-dev|libboost1.83-dev|libboost-dev"
  libhiredis-dev libmariadb-dev libtomlplusplus-dev libcli11-dev
  libspdlog-dev libisal-dev libconcurrentqueue-dev libssl-dev
  libcctz-dev tzdata
  libbenchmark-dev libgtest-dev libgmock-dev
  redis-server mariadb-server mariadb-client openssl
  python3 python3-pytest python3-redis python3-pymysql python3-yaml
  systemd prometheus
  nodejs npm curl
  groff-base zsh fish
  chromium chromium-driver python3-selenium python3-jsonschema
)
# libFuzzer and the sanitizers' runtime come with clang, the coverage report with llvm.
# Distributions that split the runtime off name it after clang's version.
if [ "${1:-}" = fuzz ]; then
  packages+=(clang llvm
             "libclang-rt-dev|libclang-rt-14-dev|libclang-rt-18-dev|libclang-rt-19-dev")
fi

# What a package depends on is found by looking into its programs.
if [ "${1:-}" = package ]; then
  packages+=(dpkg-dev file)
fi

# Go modules and Maven's artifacts are fetched by their own tools, at the versions that are pinned.
if [ "${1:-}" = examples ]; then
  packages+=(golang-go default-jdk-headless maven php-cli php-redis)
fi

# nutcracker is twemproxy; `make bench` starts one of its own. A source that does not offer one is no
# reason to stop: the table then says that it was not there. sysbench loads MySQL in `scripts/oltp`.
# Ubuntu has Chromium as a snap only; the dashboard's tests are then skipped, and say so.
optional=(chromium chromium-driver)
if [ "${1:-}" = bench ]; then
  packages+=(nutcracker sysbench)
  optional+=(nutcracker sysbench)
fi

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# A tool that is on the PATH already, from wherever it came, need not come from a package.
provided() {
  case "$1" in
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    curl) command -v curl >/dev/null ;;
    golang-go) command -v go >/dev/null ;;
    default-jdk-headless) command -v javac >/dev/null ;;
    maven) command -v mvn >/dev/null ;;
    *) return 1 ;;
  esac
}

missing=() needed=()
for word in "${packages[@]}"; do
  IFS='|' read -r -a names <<<"$word"
  found=
  for name in "${names[@]}"; do
    if installed "$name" || provided "$name"; then found=1; break; fi
  done
  [ -z "$found" ] || continue
  missing+=("$word")
  [[ " ${optional[*]} " == *" $word "* ]] || needed+=("$word")
done
[ ${#missing[@]} -gt 0 ] || exit 0

can_install() {
  command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }
}
if [ ${#needed[@]} = 0 ] && ! can_install; then
  echo "deps: ${missing[*]} not installed, and nobody here may install it; doing without"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "deps: this machine has no apt-get; install by hand: ${missing[*]}" >&2
  exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "deps: packages are missing and this is not root and there is no sudo; as root run:" >&2
    echo "  apt-get install ${missing[*]%%|*}" >&2
    exit 1
  }
  sudo=sudo
fi

echo "deps: installing ${missing[*]%%|*}"
$sudo apt-get update -qq || {
  echo "deps: apt-get update failed; check /etc/apt/sources.list* and the network" >&2
  exit 1
}
names=()
for word in "${missing[@]}"; do
  IFS='|' read -r -a choices <<<"$word"
  chosen=
  for name in "${choices[@]}"; do
    # LC_ALL: the words of apt-cache are translated otherwise.
    candidate=$(LC_ALL=C apt-cache policy "$name" 2>/dev/null | sed -n 's/ *Candidate: //p')
    if [ -n "$candidate" ] && [ "$candidate" != "(none)" ]; then chosen=$name; break; fi
  done
  if [ -z "$chosen" ] && [[ " ${optional[*]} " == *" $word "* ]]; then
    echo "deps: no package source offers $word; doing without it"
    continue
  fi
  [ -n "$chosen" ] || {
    echo "deps: no package source offers any of: ${choices[*]}" >&2
    echo "  (Debian: section main; Ubuntu: sections main and universe)" >&2
    exit 1
  }
  names+=("$chosen")
done

[ ${#names[@]} -gt 0 ] || exit 0

# The servers are wanted as programs, not as services: what `make run` and the tests need they
# start themselves on free ports. policy-rc.d is Debian's own switch for that; one that exists
# already is the administrator's and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
  $sudo chmod 755 "$policy"
  trap '$sudo rm -f "$policy"' EXIT
fi
# --no-install-recommends: mariadb-server's recommendations alone are 40 packages.
# Another apt that runs (unattended upgrades of a fresh machine) is waited for.
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
  -o DPkg::Lock::Timeout=300 "${names[@]}" \
  | grep -E '^(Setting up|Unpacking|Get:)' | sed 's/^/deps: /' || true
for name in "${names[@]}"; do
  installed "$name" || {
    echo "deps: $name could not be installed; run apt-get install $name to see why" >&2
    exit 1
  }
done
echo "deps: done"
