#!/bin/bash
# Spelling; every C file through clang with warnings as errors; and its layout as Debian 12's
# clang-format has it. The arguments are the flags that the Makefile compiles with.
set -eu
cd "$(dirname "$0")/.."

# Words that are meant as they stand are in tools/words.txt.
codespell

flags=(-std=c11 -D_GNU_SOURCE -pthread -Werror "$@")
mapfile -t own < <(find core -name '*.c' -not -path 'core/test/*' -not -path 'core/fuzz/*' | sort)
mapfile -t tests < <(find core/test core/fuzz tools/preload -name '*.c' | sort)

# clang is asked for the language alone; `make lint` has compiled all of it with gcc, which sees more
# when it optimises.
check() { # flags... -- files...
  local f=()
  while [ "$1" != -- ]; do f+=("$1"); shift; done
  shift
  printf '%s\n' "$@" | xargs -P "$(nproc)" -n 16 clang "${f[@]}" -fsyntax-only
}

check "${flags[@]}" -- "${own[@]}"
# Tests, fuzzers and what is preloaded define functions that others declare.
check "${flags[@]}" -Wno-missing-prototypes -DPML_TEST -DPML_SLOT_BITS=4 -- "${tests[@]}"

# Versions of clang-format differ in some lines: one of them decides, others only tell.
version=$(clang-format --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
mapfile -t files < <(find core tools/preload -name '*.[ch]' | sort)
if [ "$version" = 14 ]; then
  clang-format --dry-run -Werror "${files[@]}"
elif ! clang-format --dry-run -Werror "${files[@]}" >/dev/null 2>&1; then
  echo "clang-format $version would lay out some lines otherwise; 14 decides" >&2
fi
