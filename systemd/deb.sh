#!/bin/sh
# Packs what `make install` puts below /usr into a Debian package for this machine's kind: deb.sh VENV_PYTHON PYTHON FOLDER [EXTRA]
# The package brings everything but the interpreter. Like make install it starts nothing, and settings are the admin's:
# dpkg asks before it replaces them. DEBFULLNAME and DEBEMAIL say who made it, as for Debian's own tools.
set -eu

venv_python=$1 python=$2 folder=$3 extra=${4:-}
root=$(cd "$(dirname "$0")/.." && pwd)
interpreter=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
case $interpreter in
/usr/bin/python3.*) ;;
*)
    echo "deb: $interpreter is in no package. Take the system's: make deb PYTHON=/usr/bin/python3" >&2
    exit 1
    ;;
esac
version=$("$venv_python" -c 'from daemon.version import VERSION; print(VERSION)')
architecture=$(dpkg --print-architecture)

umask 022
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
"$root/systemd/install.sh" "$venv_python" "$python" /usr /etc "$stage" "$extra"
install -D -m 644 "$root/LICENSE" "$stage/usr/share/doc/wharfinger/copyright"

mkdir "$stage/DEBIAN"
cat >"$stage/DEBIAN/control" <<CONTROL
Package: wharfinger
Version: $version
Architecture: $architecture
Maintainer: ${DEBFULLNAME:-Wharfinger} <${DEBEMAIL:-root@localhost}>
Depends: $(basename "$interpreter"), libc6, systemd (>= 252)
Recommends: libnss-systemd
Suggests: postgresql
Section: net
Priority: optional
Installed-Size: $(du -ks "$stage/usr" | cut -f1)
Description: orders, stock and parcels between PrestaShop and Divalto
 A daemon that pulls orders, reserves every unit in an event-sourced ledger, leads the pickers, buys
 labels, tells the shop and books in the ERP. wharfctl steers it.
CONTROL
echo /etc/wharfinger/wharfinger.toml >"$stage/DEBIAN/conffiles"
cat >"$stage/DEBIAN/postinst" <<'POSTINST'
#!/bin/sh
set -e
systemd-sysusers wharfinger.conf
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # After an upgrade whoever ran goes on with the new version; nobody else is started.
    if [ -n "$2" ]; then systemctl try-restart wharfinger.service 'wharfinger@*.service'; fi
fi
POSTINST
cat >"$stage/DEBIAN/prerm" <<'PRERM'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl stop 'wharfinger*.timer' 'wharfinger*.socket' 'wharfinger*.service'
fi
PRERM
chmod 755 "$stage/DEBIAN/postinst" "$stage/DEBIAN/prerm"

mkdir -p "$folder"
dpkg-deb --root-owner-group -Zgzip --build "$stage" "$folder/wharfinger_${version}_$architecture.deb"
