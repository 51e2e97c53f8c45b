#!/bin/bash
# Records the moving picture of the README (spec/clients/film.js): makes a game, starts it on ports
# of its own, has it played and changed in Chromium. `make film`.
#   tools/film.sh [OUT]      docs/pictures/rule.png unless given
# BUILD is the folder of the build.
set -eu
cd "$(dirname "$0")/.."

out=$(realpath -m "${1:-docs/pictures/rule.png}")
build=$(realpath "${BUILD:-build}")
folder=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || { kill "$server" && wait "$server" || true; } 2>/dev/null
  rm -rf "$folder"
}
trap finish EXIT

"$build/pomelua" init "$folder/game" >/dev/null
# The game's ports, each by one that is free.
luajit -e '
  local uv, held = require "luv", {}
  for i, port in ipairs { 3010, 3000, 4010, 6010 } do
    held[i] = uv.new_tcp()
    held[i]:bind("127.0.0.1", 0)
    print(("s/\\b%d\\b/%d/g"):format(port, held[i]:getsockname().port))
  end' >"$folder/ports"
sed -i -f "$folder/ports" "$folder"/game/config/*.json "$folder/game/web/index.html"
# The picture frames the page, which a page of another host may not do.
sed -i 's|"root"|"headers": { "Content-Security-Policy": false }, "root"|' "$folder/game/config/web.json"
web=$(sed -n 's|.*b3000.b/\([0-9]*\)/g|\1|p' "$folder/ports")

"$build/pomelua" start "$folder/game" >"$folder/out" 2>"$folder/log" &
server=$!
for _ in $(seq 200); do
  grep -q '^ready$' "$folder/out" && break
  kill -0 "$server" || { cat "$folder/log" >&2; exit 1; }
  sleep 0.1
done
node spec/clients/film.js "http://127.0.0.1:$web/" "$folder/game" "$folder/log" "$out"
