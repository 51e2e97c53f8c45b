#!/bin/bash
# Runs make in a Debian that has only git and make, to see that the tree brings
# everything else itself: tools/fresh.sh "TARGET..." [FOLDER] [SUITE]
# Needs root and debootstrap. FOLDER is kept between runs; remove it to begin anew.
set -eu
cd "$(dirname "$0")/.."

targets=${1:-test}
root=${2:-/tmp/fresh}
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=${3:-$here}

if [ ! -e "$root/.ready" ]; then
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" >/dev/null
  # Debian's packages are reached the way this machine reaches them, be it for another suite.
  for file in apt/sources.list apt/sources.list.d/debian.sources; do
    rm -f "$root/etc/$file"
    [ ! -e "/etc/$file" ] || sed "s/\\b$here\\b/$suite/g" "/etc/$file" >"$root/etc/$file"
  done
  cp -r /usr/share/keyrings/. "$root/usr/share/keyrings/"
  cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null 2>&1
  chroot "$root" apt-get -qq update
  chroot "$root" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install git make >/dev/null
  touch "$root/.ready"
fi
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"

for what in proc sys dev; do
  mkdir -p "$root/$what"
  mountpoint -q "$root/$what" || mount --rbind "/$what" "$root/$what"
  mount --make-rslave "$root/$what"
done
trap 'for what in proc sys dev; do umount -R -l "$root/$what" || true; done' EXIT

rm -rf "$root/src"
git clone -q . "$root/src"
time chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  bash -c "cd /src && make $targets" </dev/null
