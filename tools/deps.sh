#!/bin/sh
# Installs the Debian packages that `make run`, `make cluster`, `make test` or `make deb` needs (its
# argument: run, cluster, test, deb) and that are missing; says which, and stops, where it may not
# install.
set -eu
cd "$(dirname "$0")/.."

mode=${1:-run}
# Debian 12 has the well-kept branch of LuaJIT as luajit2, later ones have it as luajit.
case $( (. /etc/os-release && echo "${VERSION_ID:-}") 2>/dev/null) in
  12) luajit="luajit2 libluajit2-5.1-dev" ;;
  *) luajit="luajit libluajit-5.1-dev" ;;
esac
want="gcc make pkg-config libc6-dev libcrypt-dev $luajit libuv1-dev libssl-dev
      libmicrohttpd-dev libgnutls28-dev liburing-dev libjemalloc-dev uthash-dev lua-cjson libedit2
      libnats-dev libcurl4-openssl-dev ca-certificates libpq-dev libhiredis-dev
      libmariadb-dev libsqlite3-dev"
# The broker: of `make cluster`, and of the specs, which start it themselves.
case $mode in cluster | test) want="$want nats-server" ;; esac
[ "$mode" != deb ] || want="$want build-essential debhelper lintian"
if [ "$mode" = test ]; then
  want="$want lua-busted lua-luv lua-check luarocks chromium clang libclang-rt-dev clang-format
        procps codespell man-db systemd curl openssl sslscan iproute2 nftables postgresql
        redis-server mariadb-server-core mariadb-client-core"
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
# Debian's servers enable and start a service, some on all addresses of the machine, and PostgreSQL
# makes a cluster of databases. Who installs them here wants the programs: so their units are masked
# meanwhile, nothing is started, no cluster is made, and they are left as services that are not
# enabled. Whoever has a unit of that name in /etc keeps it as it is.
quietly() { # packages; those of $services have a service of the same name
  if [ "$(id -u)" = 0 ]; then as=; else as="sudo -n"; fi
  masked= policy=/usr/sbin/policy-rc.d
  no_cluster=/etc/postgresql-common/createcluster.d/pomelua.conf
  for s in $services; do
    unit=/etc/systemd/system/$s.service
    case " $* " in *" $s "*) ;; *) continue ;; esac
    [ ! -e "$unit" ] && [ ! -L "$unit" ] || continue
    $as mkdir -p "${unit%/*}" 2>/dev/null && $as ln -s /dev/null "$unit" 2>/dev/null || continue
    masked="$masked $s"
  done
  # What scripts of the old kind ask before they start a service: 101 is no.
  if [ -e $policy ] || [ -L $policy ]; then policy=; fi
  [ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null || policy=
  [ -z "$policy" ] || $as chmod 755 $policy
  case " $* " in
    *" postgresql "*)
      $as mkdir -p ${no_cluster%/*}
      echo "create_main_cluster = false" | $as tee $no_cluster >/dev/null ;;
    *) no_cluster= ;;
  esac
  status=0
  (install "$@") || status=$?
  [ -z "$policy" ] || $as rm -f $policy
  [ -z "$no_cluster" ] || $as rm -f $no_cluster
  for s in $masked; do
    $as rm -f /etc/systemd/system/$s.service
    # A unit that was enabled and then disabled stays so when the package is upgraded. This tool is
    # for packages' scripts, which have the variable.
    for how in enable disable; do
      $as env DPKG_MAINTSCRIPT_PACKAGE=$s deb-systemd-helper $how $s.service >/dev/null 2>&1 || true
    done
    [ ! -e /etc/init.d/$s ] || $as update-rc.d $s disable >/dev/null 2>&1 || true
  done
  [ ! -d /run/systemd/system ] || $as systemctl daemon-reload || true
  return $status
}
services="nats-server postgresql redis-server"
loud=
for s in $services; do
  case " $missing " in *" $s "*) loud=yes ;; esac
done
if [ -n "$loud" ]; then quietly $missing
elif [ -n "$missing" ]; then install $missing
fi
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
