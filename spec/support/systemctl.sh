#!/bin/bash
# What systemctl and journalctl do with the units of a document, where no systemd runs: it reads
# the unit and the files beside it, makes the folders, and runs the commands with the user, the
# groups, the capabilities and the variables that they say. Log: /var/log/UNIT.log.
#   systemctl daemon-reload | enable [--now] | start | stop | restart | reload | status  UNIT...
#   journalctl -u UNIT ...
set -u
command=$1
shift
words=()
for word; do case $word in -*) ;; *) words+=("${word%.service}") ;; esac; done

# The lines of [Service] of a unit and of the files beside it, with what % stands for.
settings() { # unit
  local template=${1%%@*}@ file
  for file in {/etc,/usr/lib,/lib}/systemd/system/"$template.service"; do [ -e "$file" ] && break; done
  [ -e "$file" ] || { echo "Unit $1.service not found." >&2; return 5; }
  cat "$file" /etc/systemd/system/{"$template","$1"}.service.d/*.conf 2>/dev/null |
    sed -n '/^\[Service\]/,/^\[Install\]/p' | sed -e ':a;/\\$/{N;s/\\\n//;ba}' \
      -e "s/%i/${1#*@}/g; s/%I/${1#*@}/g; s/%p/${1%%@*}/g; s/%N/$1/g; s/%n/$1.service/g" \
      -e "s|%S|/var/lib|g; s|%t|/run|g"
}
values() { sed -n "s/^$1=//p" <<<"$all"; } # key; an empty value forgets those before, as the last
last() { values "$1" | tail -n 1; }
list() { values "$1" | awk '$0 == "" { out = ""; next } { out = out $0 "\n" } END { printf "%s", out }'; }

# Becomes what one line Exec… says, as the unit's user; "+" and "!" before it: as root.
as() { # line
  local line=$1 group groups="" env=("PATH=$PATH" "LANG=C.UTF-8") user=() name
  for name in $(list Environment); do env+=("${name//\"/}"); done
  for name in $(list EnvironmentFile); do
    [ ! -e "${name#-}" ] || while read -r line2; do env+=("$line2"); done <"${name#-}"
  done
  [ -z "$state" ] || env+=("STATE_DIRECTORY=/var/lib/$state")
  [ -z "$run" ] || env+=("RUNTIME_DIRECTORY=/run/$run")
  [ -z "${MAINPID:-}" ] || env+=("MAINPID=$MAINPID")
  while [[ $line == [-@:+!]* ]]; do
    case $line in [+!]*) user=(root) ;; esac
    line=${line:1}
  done
  if [ ${#user[@]} = 0 ]; then
    for group in $(list SupplementaryGroups); do groups+=,$group; done
    user=(setpriv --reuid "$uid" --regid "$uid" --no-new-privs --bounding-set "$caps"
      --inh-caps "$caps" --ambient-caps "$caps")
    if [ -n "$groups" ]; then user+=(--groups "${groups:1}"); else user+=(--clear-groups); fi
  else
    user=()
  fi
  cd "$(last WorkingDirectory | grep . || echo /)" || exit
  ulimit -n "${files:-1024}" 2>/dev/null # no more than this machine allows
  umask "$(last UMask | grep . || echo 0022)"
  exec "${user[@]}" env -i "${env[@]}" bash -c "exec $line"
}

load() { # unit
  unit=$1 all=$(settings "$1") || exit 5
  state=$(last StateDirectory) run=$(last RuntimeDirectory) files=$(last LimitNOFILE)
  uid=61184 caps=-all log=/var/log/$unit.log pidfile=/run/$unit.pid
  # One user for each unit, as DynamicUser chooses it by the owner of the state, or by its name.
  uid=$((61184 + $(cksum <<<"$unit" | cut -d ' ' -f 1) % 4000))
  local cap
  for cap in $(list AmbientCapabilities); do cap=${cap,,}; caps+=,+${cap#cap_}; done
}

# One that has ended and whose parent has not asked for it does not run.
running() { [ -e "$pidfile" ] && grep -q '^State:[^Z]*$' "/proc/$(<"$pidfile")/status" 2>/dev/null; }

start() {
  running && return
  [ -z "$state" ] || { mkdir -p "/var/lib/$state"; chmod 755 /var/lib/pomelua
    chmod "$(last StateDirectoryMode | grep . || echo 755)" "/var/lib/$state"
    [ "$(stat -c %u "/var/lib/$state")" = $uid ] || chown -R $uid:$uid "/var/lib/$state"; }
  [ -z "$run" ] || { mkdir -p "/run/$run"; chown -R $uid:$uid "/run/$run"; }
  local line
  while read -r line; do
    [ -z "$line" ] || (as "$line") >>"$log" 2>&1 </dev/null || [[ $line == -* ]] || { tail -n 5 "$log" >&2
      echo "Job for $unit.service failed." >&2; return 1; }
  done < <(list ExecStartPre)
  local before
  before=$(grep -c '^ready$' "$log")
  as "$(list ExecStart | tail -n 1)" >>"$log" 2>&1 </dev/null &
  echo $! >"$pidfile"
  for _ in {1..300}; do
    [ "$(grep -c '^ready$' "$log")" = "$before" ] || return 0
    running || break
    sleep 0.1
  done
  tail -n 5 "$log" >&2
  echo "Job for $unit.service failed." >&2
  return 1
}

stop() {
  running || return 0
  kill "$(<"$pidfile")"
  while running; do sleep 0.05; done
  rm -f "$pidfile"
  [ -z "$run" ] || rm -rf "/run/${run:?}"
}

reload() {
  running || { echo "$unit.service is not active, cannot reload." >&2; return 1; }
  local line
  export MAINPID
  MAINPID=$(<"$pidfile")
  while read -r line; do
    [ -z "$line" ] || (as "$line") </dev/null || { echo "Job for $unit.service failed." >&2; return 1; }
  done < <(list ExecReload)
}

now=
case " $* " in *" --now "*) now=yes ;; esac
if [ "${0##*/}" = journalctl ]; then # everything, whatever the options say
  while [ "$command" != -u ]; do command=$1; shift; done
  exec tail -n 20 "/var/log/$1.log"
fi
status=0
case $command in
  daemon-reload) ;;
  enable) for unit in "${words[@]}"; do load "$unit"; [ -z "$now" ] || start || status=1; done ;;
  start | stop | reload) for unit in "${words[@]}"; do load "$unit"; $command || status=1; done ;;
  restart) for unit in "${words[@]}"; do load "$unit"; stop; start || status=1; done ;;
  is-active | status)
    for unit in "${words[@]}"; do load "$unit"
      if running; then echo "$unit.service active (running), pid $(<"$pidfile")"; else
        echo "$unit.service inactive (dead)"; status=3; fi; done ;;
  *) echo "systemctl: no such command: $command" >&2; status=1 ;;
esac
exit $status
