#!/bin/sh
# Installs the Debian packages that `make run` or `make test` needs and that
# are missing; says which, and stops, where it may not install.
set -eu
cd "$(dirname "$0")/.."

mode=${1:-run}
# Debian 12 has the well-kept branch of LuaJIT as luajit2, later ones have it as luajit.
case $( (. /etc/os-release && echo "${VERSION_ID:-}") 2>/dev/null) in
  12) luajit="luajit2 libluajit2-5.1-dev" ;;
  *) luajit="luajit libluajit-5.1-dev" ;;
esac
want="gcc make pkg-config libc6-dev $luajit libuv1-dev libssl-dev
      libmicrohttpd-dev liburing-dev libjemalloc-dev uthash-dev lua-cjson libedit2"
if [ "$mode" = test ]; then
  want="$want lua-busted lua-luv lua-check luarocks chromium clang libclang-rt-dev clang-format
        procps codespell"
  # Node often comes from elsewhere than Debian, and then brings its npm.
  command -v node >/dev/null || want="$want nodejs"
  ! command -v node >/dev/null || command -v npm >/dev/null || want="$want npm"
fi

missing=
if command -v dpkg-query >/dev/null; then
  have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $want 2>/dev/null || true)
  for p in $want; do
    case "
$have
" in *"
$p installed
"*) ;; *) missing="$missing $p" ;; esac
  done
elif [ ! -e build/deps-told ]; then
  mkdir -p build && touch build/deps-told
  echo "Not a Debian system. Needed are what Debian calls:" $want >&2
  echo "Install them, then run make again; this is said once." >&2
  exit 1
fi

install() {
  if [ "$(id -u)" = 0 ]; then as=
  elif sudo -n true 2>/dev/null; then as="sudo -n"
  else
    echo "Missing packages; install them with:" >&2
    echo "  apt-get install $*" >&2
    exit 1
  fi
  echo "Installing: $*" >&2
  get="$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300"
  # The lists may be missing or out of date: then fetch them, once.
  $get --no-install-recommends install "$@" >/dev/null 2>&1 || {
    $get update
    $get --no-install-recommends install "$@" >/dev/null
  }
}
[ -z "$missing" ] || install $missing
[ "$mode" != test ] || command -v npm >/dev/null || install npm

# The published clients that the specs run, as their lock file names them.
clients=spec/clients
if [ "$mode" = test ] && [ -f $clients/package-lock.json ] &&
  [ ! $clients/node_modules/.package-lock.json -nt $clients/package-lock.json ]; then
  # What npm says matters only when it fails.
  said=$(cd $clients && npm ci --no-audit --no-fund 2>&1) || {
    echo "npm ci in $clients failed:" >&2
    echo "$said" >&2
    exit 1
  }
  touch $clients/node_modules/.package-lock.json
fi
