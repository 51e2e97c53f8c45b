#!/bin/bash
# Runs an app as one process per server, over a nats-server that it starts and ends itself.
#   tools/cluster.sh APP [--env NAME]
# It says `ready` when all servers are; Ctrl-C, or SIGTERM, stops them in order, frontends first.
# BUILD is the folder of the build. Lines of a server begin with its id.
set -um # each process is a group of its own: Ctrl-C reaches this script alone
app=$(realpath "${1:?usage: tools/cluster.sh APP [--env NAME]}") || exit 1
shift
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${BUILD:-$top/build}" && pwd) || exit 1
env=${NODE_ENV:-development}
[ "${1:-}" != --env ] || env=${2:?--env needs a name}
PATH=$PATH:/usr/sbin # of nats-server
dir=$(mktemp -d)
declare -A pid=()
front=() back=()
broker= stopping=

say() { echo "cluster: $*"; }

# Waits until a file has a line that matches, or the process that writes it has ended.
await() { # file, pattern, process
  for ((i = 0; i < 600; i++)); do
    grep -q -- "$2" "$1" && return 0
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

tell() { # ids...
  for id; do [ -z "${pid[$id]:-}" ] || kill "-$stopping" "${pid[$id]}" 2>/dev/null; done
}

finish() { # ids...
  for id; do
    while [ -n "${pid[$id]:-}" ] && kill -0 "${pid[$id]}" 2>/dev/null; do
      wait "${pid[$id]}" 2>/dev/null
    done
  done
}

# Frontends first: while they tell their clients to move, these ask the others.
stop() { # signal
  [ -z "$stopping" ] || return
  stopping=$1
  say "stopping"
  tell "${front[@]}"
}

end() {
  stop TERM
  finish "${front[@]}"
  tell "${back[@]}"
  finish "${back[@]}"
  [ -z "$broker" ] || { kill -TERM "$broker"; wait "$broker"; } 2>/dev/null
  rm -rf "$dir"
}
trap 'stop INT' INT
trap 'stop TERM' TERM
trap end EXIT

# What `pomelua start` reads, in its words when that is wrong.
lines=$(cd "$top" && LUA_PATH="lua/?.lua;lua/?/init.lua;;" LUA_CPATH="$build/lib/?.so;;" \
  luajit - "$app" "$env" <<'END'
local list, message = require("pomelua.config.servers").servers(arg[1], arg[2])
if not list then
  io.stderr:write(message, "\n")
  os.exit(1)
end
for _, entry in ipairs(list) do print(entry.id, entry.frontend and "front" or "back") end
END
) || exit 1

while read -r id kind; do
  if [ "$kind" = front ]; then front+=("$id"); else back+=("$id"); fi
done <<<"$lines"

nats-server -a 127.0.0.1 -p -1 >"$dir/broker" 2>&1 &
broker=$!
await "$dir/broker" "Server is ready" "$broker" || { cat "$dir/broker"; exit 1; }
url=nats://$(sed -n 's/.*Listening for client connections on \(.*\)/\1/p' "$dir/broker")
say "the broker is at $url"

web=--web
for id in "${back[@]}" "${front[@]}"; do
  # The pipe's reader has the same lines, so that it is known when the server is ready.
  "$build/pomelua" start "$app" --env "$env" --bus "$url" --only "$id" $web \
    > >(trap '' INT; tee "$dir/$id" | sed -u "s/^/$id: /") 2> >(trap '' INT; sed -u "s/^/$id: /" >&2) &
  pid[$id]=$!
  web=
  : >>"$dir/$id"
done
for id in "${back[@]}" "${front[@]}"; do
  await "$dir/$id" '^ready$' "${pid[$id]}" && continue
  [ -n "$stopping" ] || say "$id did not come up"
  exit 1
done
say "ready: ${#pid[@]} servers; Ctrl-C stops them"
# A server that ends by itself leaves the others alone.
while [ -z "$stopping" ] && [ -n "$(jobs -rp | grep -vx "$broker")" ]; do wait -n; done
exit 0
