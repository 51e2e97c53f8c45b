#!/bin/bash
# Runs the C tests and the specs of one build and prints, last, what failed and how many
# passed.
#   tools/test.sh            everything but what is slow
#   tools/test.sh slow       spec/slow; the network without io_uring; and specs under a collector
#                            that never rests
#   tools/test.sh NAME       the C tests whose name holds NAME
#   tools/test.sh PATH       the specs in a file or folder
# BUILD is the folder of the build; a spec file has SPEC_SECONDS to finish.
set -u
cd "$(dirname "$0")/.."

export POMELUA_BUILD=${BUILD:-build}
# A spec that runs make means a plain one, not that which runs this.
unset MAKEFLAGS MFLAGS MAKELEVEL BUILD CFLAGS SAN WERROR
what=${1:-}
BESIDE='^-- It measures nothing: another one may run beside it\.$'
# How many spec files run beside each other, none of which may need a processor of its own: most of
# them wait more than they work.
lanes=${SPEC_LANES:-$(($(nproc) + 1))}
[ "$lanes" -le 4 ] || lanes=4
# Files by name: FILE.pid while it runs; counts, failures.
dir=$(mktemp -d)
: >"$dir/counts" >"$dir/failures"
# Ends what runs, which has process groups of its own.
end() {
  cat "$dir"/*.pid 2>/dev/null | while read -r group; do kill -KILL -- "-$group"; done 2>/dev/null
  rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

# Leaks of the program and of the C tests count. LuaJIT's own memory is not
# scanned, so what only a script holds would look lost inside of luajit: there
# leaks are not looked for.
supp=$PWD/tools/leaks.supp
export ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=$supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1
preload=() limit=${SPEC_SECONDS:-300}
if nm -D "$POMELUA_BUILD/lib/pomelua/core.so" 2>/dev/null | grep -q __asan_init; then
  preload=(env "LD_PRELOAD=$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0)
  limit=$((limit * 3))
  ulimit -s 65536 # frames are larger there
fi

# Keeps what failed, in short, to be said again at the end: lines of a log, or a reason.
keep() { # log, what ran, [reason]
  {
    echo "-- $2${POMELUA_IO_URING:+ (io_uring $POMELUA_IO_URING)}${POMELUA_GC:+ (collector $POMELUA_GC)}${3:+: $3}"
    # A failure of busted with the lines that tell it; a C test with what it printed.
    grep -aE -A 6 '^(Failure|Error) -> ' "$1" | grep -avE '^(--|==|$)' | head -n 20
    grep -aE -B 2 '^not ok ' "$1" | grep -avE '^(--$|ok )' | head -n 20
  } | cut -c 1-200 >>"$dir/failures"
}

# Adds what busted counted in a log; a run that did not get that far is a failure.
count_specs() { # log, status, what ran
  local line reason="" n=0 f=0 e=0 p=0
  line=$(grep -aE '^[0-9]+ success(es)? / [0-9]+ failures? / [0-9]+ errors? / [0-9]+ pending' "$1" |
    tail -n 1)
  [ -n "$line" ] && read -r n _ _ f _ _ e _ _ p _ <<<"$line"
  if [ "$2" = 124 ]; then
    reason="no end after $limit s"
  elif [ "$2" != 0 ] && [ $((f + e)) = 0 ]; then
    reason="ended with status $2"
  elif [ -z "$line" ]; then
    reason="ran no spec"
  fi
  if [ -n "$reason" ] && [ $((f + e)) = 0 ]; then f=1; fi
  [ $((f + e)) = 0 ] || keep "$1" "$3" "$reason"
  echo "$n $((f + e)) $p" >>"$dir/counts"
}

# Runs a command for $limit seconds at most, keeps what it prints in a log, and
# ends what it left running. Not through a pipe: that would wait for those.
run() { # log, command...
  local out=$1 status group
  shift
  timeout -k 5 "$limit" "$@" </dev/null >"$out" 2>&1 &
  group=$!
  echo "$group" >"$out.pid"
  wait "$group"
  status=$?
  kill -KILL -- "-$group" 2>/dev/null
  rm -f "$out.pid"
  return "$status"
}

spec() { # jit, file
  local out status what="$2${1:+ (jit $1)}"
  out=$(mktemp -p "$dir")
  POMELUA_JIT=$1 run "$out" "${preload[@]}" luajit /usr/bin/busted --ignore-lua -o plainTerminal "$2"
  status=$?
  (
    flock 9 # what one file prints stands together
    echo "== $what"
    cat "$out"
    count_specs "$out" $status "$what"
  ) 9>"$dir/lock"
  rm -f "$out"
}

run_specs() { # jit, files...
  local jit=$1 file
  shift
  for file in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$lanes" ]; do wait -n; done
    spec "$jit" "$file" &
  done
  wait
}

spec_files() { find "$@" -name '*_spec.lua' -not -path '*/node_modules/*' 2>/dev/null | sort; }
quick_files() { spec_files "$@" | grep -v '^spec/slow/'; }

c_part() { # K/N, name
  local out status reason="" p f
  out=$(mktemp -p "$dir")
  limit=1800 run "$out" "$POMELUA_BUILD/test/run" --part "$@"
  status=$?
  p=$(grep -ac '^ok ' "$out") f=$(grep -ac '^not ok ' "$out")
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then
    reason="ended with status $status"
    f=1
  fi
  (
    flock 9
    cat "$out"
    [ "$f" = 0 ] || keep "$out" "C tests" "$reason"
    echo "$p $f 0" >>"$dir/counts"
  ) 9>"$dir/lock"
  rm -f "$out"
}

# In parts beside each other: C tests wait more than they work.
c_tests() { # name
  local k n=$((2 * $(nproc)))
  for ((k = 1; k <= n; k++)); do c_part "$k/$n" "$@" & done
  wait
}

if [[ $what != spec* && $what != examples* && $what != slow ]]; then
  c_tests $what
  # Both ways of writing: with io_uring, where the kernel has it, and without.
  if [ -z "$what" ]; then
    echo "== conn_, peer_ and listener_ without io_uring"
    POMELUA_IO_URING=off c_tests conn_ peer_ listener_
  fi
fi

if [ -z "$what" ]; then
  mapfile -t files < <(quick_files spec examples)
  if [ ${#preload[@]} != 0 ]; then
    # A sanitizer looks at C that runs: not at sources, and the same with and without the compiler.
    mapfile -t files < <(quick_files spec examples | grep -v '^spec/house/')
  fi
  run_specs "" "${files[@]}"
  # What runs in every handler must be right with and without the compiler.
  if [ ${#preload[@]} = 0 ]; then
    mapfile -t files < <(spec_files spec/pomelua examples)
    run_specs off "${files[@]}"
  fi
elif [ "$what" = slow ]; then
  limit=$((limit * 2))
  # Most of these measure, or fill the machine; those that do neither say so.
  mapfile -t files < <(spec_files spec/slow | xargs grep -L "$BESIDE")
  lanes=1 run_specs "" "${files[@]}"
  mapfile -t files < <(spec_files spec/slow | xargs grep -l "$BESIDE")
  run_specs "" "${files[@]}"
  # All of the network and of the clients' kinds, written without io_uring.
  mapfile -t files < <(spec_files spec/net spec/cluster spec/clients/{clients,tls}_spec.lua)
  echo "== without io_uring"
  POMELUA_IO_URING=off run_specs "" "${files[@]}"
  # What scripts and bindings hold, under a collector that takes what nobody holds at once.
  mapfile -t files < <(spec_files spec/core spec/pomelua spec/cluster spec/live examples)
  echo "== under a collector that never rests"
  POMELUA_GC=on run_specs "" "${files[@]}"
elif [[ $what == spec* || $what == examples* ]]; then
  mapfile -t files < <(spec_files "$what")
  run_specs "${POMELUA_JIT:-}" "${files[@]}"
fi

passed=0 failed=0 skipped=0
while read -r n f p; do
  passed=$((passed + n)) failed=$((failed + f)) skipped=$((skipped + p))
done <"$dir/counts"
echo
cat "$dir/failures"
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ] && [ $passed != 0 ]
