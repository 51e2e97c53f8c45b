#!/bin/bash
# A machine for the commands of a document: this one's files under an overlay that is thrown away,
# in namespaces of its own (mounts, processes, network). Its standard input is root's shell there.
#   unshare --mount --pid --net --fork --kill-child spec/support/debian.sh REPOSITORY BUILD FOLDER
# What only the real machine has is stood in for by programs in /usr/local/sbin: systemctl,
# journalctl, apt-get (installs this build), certbot (an authority of its own).
set -eu
repo=$1 build=$2 at=$3 root=$3/root

mount --make-rprivate /
mount -t tmpfs tmpfs "$at"
mkdir "$at"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work" "$root"
for what in proc dev run tmp; do mkdir -p "$root/$what"; done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root$repo"
mount --bind "$repo" "$root$repo"
rm -rf "$root"/srv/* "$root"/etc/pomelua "$root"/var/{lib,backups}/pomelua \
  "$root"/etc/{letsencrypt,cron.daily/pomelua*,systemd/system/pomelua*}
ip link set lo up

bin=$root/usr/local/sbin
mkdir -p "$bin"
rm -f "$bin"/*
install -m 755 "$repo/spec/support/systemctl.sh" "$bin/systemctl"
install -m 755 "$repo/spec/support/systemctl.sh" "$bin/journalctl"
cat >"$bin/apt-get" <<END
#!/bin/sh
case "\$*" in *build/deb/*)
  make -s -C '$repo' install BUILD='$build' PREFIX=/usr >/dev/null
  install -D -m 644 '$repo'/systemd/*.service -t /usr/lib/systemd/system
  mkdir -p /usr/share/doc/pomelua && cp -rT '$repo/examples' /usr/share/doc/pomelua/examples ;;
esac
END
cat >"$bin/certbot" <<'END'
#!/bin/bash
# certonly ... -d NAME; renew. The authority is /root/public.crt.
set -e
cd /root
name=$(ls /etc/letsencrypt/live 2>/dev/null || true)
while [ $# -gt 0 ]; do [ "$1" != -d ] || name=$2; shift; done
[ -e public.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj "/CN=Public authority" -keyout public.key -out public.crt 2>/dev/null
live=/etc/letsencrypt/live/$name
mkdir -p -m 700 "$live"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
  -keyout "$live/privkey.pem" -out new.csr 2>/dev/null
openssl x509 -req -in new.csr -days 30 -CA public.crt -CAkey public.key -CAcreateserial \
  -extfile <(echo "subjectAltName=DNS:$name") -out "$live/cert.pem" 2>/dev/null
cat "$live/cert.pem" public.crt >"$live/fullchain.pem"
export RENEWED_LINEAGE=$live
for hook in /etc/letsencrypt/renewal-hooks/deploy/*; do [ ! -x "$hook" ] || "$hook"; done
END
printf '#!/bin/sh\n[ "$1" = deb ] || exec /usr/bin/make "$@"\n' >"$bin/make"
chmod 755 "$bin"/*

exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -c "cd '$repo' && exec /bin/bash"
