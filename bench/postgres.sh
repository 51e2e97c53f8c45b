#!/bin/sh
# Runs a PostgreSQL for the benchmark in the foreground, on PORT of 127.0.0.1 and a socket in DIR,
# which it makes anew: with user and database `bench` and a table `players` of 1,000 rows.
# Status 3: there is none on this machine.
set -eu
dir=$1 port=$2
for bin in /usr/lib/postgresql/*/bin; do :; done # the newest, or a pattern that nothing matches
[ -x "$bin/postgres" ] || exit 3
rm -rf "$dir" && mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
as=
if [ "$(id -u)" = 0 ]; then # as which it does not run
  user=nobody
  ! getent passwd postgres >/dev/null || user=postgres
  chown "$user" "$dir"
  as="setpriv --reuid=$user --clear-groups --"
fi
cd /
$as "$bin/initdb" -D "$dir/data" -U bench -E UTF8 --locale=C -N -A trust >/dev/null
printf '%s\n' 'create database bench' |
  $as "$bin/postgres" --single -D "$dir/data" -c fsync=off postgres >/dev/null
printf '%s\n' 'create table players (id int primary key, gold int)' \
  'insert into players select i, i * 7 from generate_series(1, 1000) i' 'analyze players' |
  $as "$bin/postgres" --single -D "$dir/data" -c fsync=off bench >/dev/null
exec $as "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 \
  -c fsync=off -c max_connections=60
