#!/bin/bash
# Makes the Debian packages of the tree as it is and looks at them with lintian, whose errors and
# warnings are failures: tools/deb.sh FOLDER [TWICE]
# It builds in a copy, so the tree stays clean. With TWICE it builds in another copy, too, and
# compares the bytes.
set -eu
cd "$(dirname "$0")/.."

out=${1:?"the folder for the packages"}
twice=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What git knows or would add, but for what was removed; all of a tree without git.
copy() { # folder
  mkdir -p "$1"
  if git ls-files -z --cached --others --exclude-standard >"$work/files" 2>/dev/null; then
    while IFS= read -rd '' file; do
      [ ! -e "$file" ] || printf '%s\0' "$file"
    done <"$work/files" | tar -c --null -T - | tar -x -C "$1"
  else
    tar -c --exclude=./build --exclude=node_modules --exclude=.pomelua . | tar -x -C "$1"
  fi
  # A file that is older than the newest entry of debian/changelog would keep its time.
  find "$1" -exec touch -h -d "$(dpkg-parsechangelog -S Date)" {} +
}

# The packages lie beside the folder, then.
build() { # folder
  copy "$1"
  (
    cd "$1" || exit 1
    # What the caller's make and shell have set would come before what debian/rules says.
    unset MAKEFLAGS MFLAGS MAKELEVEL BUILD CFLAGS CPPFLAGS LDFLAGS SAN \
      PREFIX DESTDIR LMOD CMOD LOAD MANDIR UNITDIR BASHCOMP
    LC_ALL=C.UTF-8 dpkg-buildpackage -b -us -uc -j"$(nproc)"
  ) >"$work/log" 2>&1 </dev/null || {
    tail -n 40 "$work/log" >&2
    exit 1
  }
}

build "$work/one/pomelua"
# Root is told that it should not run lintian; it reads our own packages only. It leaves files in its
# folder for temporary ones.
TMPDIR=$work LC_ALL=C.UTF-8 lintian --allow-root --fail-on error,warning "$work"/one/*.changes </dev/null

if [ -n "$twice" ]; then
  build "$work/another/folder"
  for file in "$work"/one/*.deb; do cmp "$file" "$work/another/${file##*/}"; done
fi

mkdir -p "$out"
rm -f "$out"/*.deb
cp "$work"/one/*.deb "$out"
for file in "$out"/*.deb; do echo "$file"; done
