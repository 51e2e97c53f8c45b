#!/bin/bash
# The rows of 50,000 connections on a machine that lets nobody open so many files: the
# server, the floor and the generator in a virtual machine under software emulation, which
# is about fifteen times slower, so that only ratios taken in there count.
#
# Use: bench/vm.sh [CONNECTIONS]      after make; about six minutes
# Needs qemu-system-x86, busybox-static and cpio; fetches Debian's cloud kernel by apt-get.
set -eu
cd "$(dirname "$0")/.."

connections=${1:-50000}
build=${BUILD:-build}
out=$build/bench/vm
root=$out/root
rm -rf "$root"
mkdir -p "$out/kernel" "$root"/{bin,proc,sys,dev,tmp,w/build}

kernel=$(ls "$out"/kernel/boot/vmlinuz-* 2>/dev/null | head -1 || true)
if [ -z "$kernel" ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -1)
  (cd "$out" && apt-get download "$package" && dpkg-deb -x "$package"_*.deb kernel)
  kernel=$(ls "$out"/kernel/boot/vmlinuz-* | head -1)
fi

programs=("$build/pomelua" "$build/load" "$build/floor")
cp "${programs[@]}" "$root/w/build"
cp -r lua "$root/w/lua"
cp -r bench/app "$root/w/app"
cp /bin/busybox "$root/bin"
copy() { mkdir -p "$root$(dirname "$1")" && cp -L "$1" "$root$1"; }
for library in $(ldd "${programs[@]}" | grep -o '/[^ :]*\.so[^ :]*' | sort -u); do copy "$library"; done
for library in /usr/lib/*/lua/5.1/cjson.so /lib/*/libgcc_s.so.1; do copy "$library"; done

cat >"$root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
ifconfig lo up
ulimit -n 1000000
sysctl -w net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=4096 >/dev/null
cd /w
sed -i 's/"clientPort": [0-9]*/"clientPort": 3050/' app/config/servers.json
ours() {
  ./build/pomelua start app >/tmp/ours.log 2>&1 & OURS=$!
  while ! grep -q ^ready /tmp/ours.log; do sleep 0.1; done
}
row() { # port pid options...
  local port=$1 pid=$2; shift 2
  echo "== $(cat /proc/$pid/comm) $*"
  ./build/load --port $port --pid $pid --quiet --seconds 3000 "$@"
}
lua() {
  ./build/load --port 3050 --quiet --mode echo --clients 1 --count 1 --enter '' \
    --route connector.measureHandler.memory --message '{}' >/dev/null
  grep -o 'measured memory.*' /tmp/ours.log | tail -2
}
memory() { awk '{ print "resident", $2 * 4096 }' /proc/$OURS/statm; lua; }

echo; uname -r
ours
./build/floor 3060 1 >/tmp/floor.log & FLOOR=$!
sleep 1
row 3050 $OURS --clients 100 --mode idle --stay 0
for n in 1000 $CONNECTIONS; do
  pushes=$((n > 20000 ? 4 : 40))
  row 3060 $FLOOR --clients $n --mode idle --stay 0
  row 3050 $OURS --clients $n --mode idle --stay 0
  row 3060 $FLOOR --clients $n --in-flight 1 --count $pushes
  row 3050 $OURS --clients $n --in-flight 1 --count $pushes
done
kill $OURS
wait $OURS
ours
./build/load --port 3050 --clients 10 --mode idle --stay 0 --quiet >/dev/null
echo "== memory before and with $CONNECTIONS idle clients, 12 s after the last"
memory
: >/tmp/idle.log
./build/load --port 3050 --clients $CONNECTIONS --mode idle --stay 600 --quiet --seconds 3000 >/tmp/idle.log &
while ! grep -q connect: /tmp/idle.log; do sleep 1; done
sleep 12
memory
poweroff -f
EOF
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$out/initrd"
rm -rf "$root"

qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 10240 -smp 2 -nographic -no-reboot \
  -kernel "$kernel" -initrd "$out/initrd" \
  -append "console=ttyS0 panic=-1 quiet CONNECTIONS=$connections" | tee "$out/vm.txt"
