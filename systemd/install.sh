#!/bin/sh
# Installs Wharfinger as the checkout has it: install.sh VENV_PYTHON PYTHON PREFIX SYSCONFDIR DESTDIR [EXTRA]
#   PREFIX/lib/wharfinger           the program and what it needs, as locked with hashes
#   PREFIX/bin                      wharfinger, wharfctl
#   PREFIX/lib/systemd/system       the units; PREFIX/lib/sysusers.d: the groups
#   PREFIX/share/...                man pages, completions, the example of the settings
#   SYSCONFDIR/wharfinger           the example as settings and a folder for credentials, where there is nothing yet
# It starts nothing, enables nothing, and never writes over a file below SYSCONFDIR.
set -eu

venv_python=$1 python=$2 prefix=$3 sysconfdir=$4 destdir=$5 extra=${6:-}
root=$(cd "$(dirname "$0")/.." && pwd)
lib=$prefix/lib/wharfinger
units=$prefix/lib/systemd/system
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

# The program runs on PYTHON itself, which has to be able to load what the environment's pip chooses.
version='import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_config_var("SOABI"))'
if [ "$("$python" -c "$version")" != "$("$venv_python" -c "$version")" ]; then
    echo "install: $python is of another version than $venv_python: make clean, and make install again" >&2
    exit 1
fi
interpreter=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
case $interpreter in
/home/* | /root/*)
    echo "install: $interpreter lies in a home directory, where a service may not look (ProtectHome=)." >&2
    echo "Take the system's: make install PYTHON=/usr/bin/python3" >&2
    exit 1
    ;;
esac

# New first, then the exchange: an installation that is cut off leaves the old one whole.
mkdir -p "$destdir$prefix/lib"
fresh=$(mktemp -d "$destdir$prefix/lib/.wharfinger.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
chmod 755 "$fresh"
"$venv_python" -m pip install -qq --require-hashes --target "$fresh" -r "$root/requirements${extra:+-$extra}.txt"
"$venv_python" -m pip install -qq --no-deps --no-build-isolation --target "$fresh" "$root"
rm -rf "$fresh/bin"
"$venv_python" -m compileall -qq -s "$fresh" -p "$lib" "$fresh" || true
chmod -R u=rwX,go=rX "$fresh"
rm -rf "$destdir$lib.old"
if [ -e "$destdir$lib" ]; then mv "$destdir$lib" "$destdir$lib.old"; fi
mv "$fresh" "$destdir$lib"
rm -rf "$destdir$lib.old"
trap - EXIT

mkdir -p "$destdir$prefix/bin"
for command in wharfinger wharfctl; do
    {
        echo "#!$interpreter -I"
        echo "import sys"
        echo "sys.path.insert(0, '$lib')"
        echo "from daemon.entry import $command"
        echo "$command()"
    } >"$destdir$prefix/bin/.$command"
    chmod 755 "$destdir$prefix/bin/.$command"
    mv "$destdir$prefix/bin/.$command" "$destdir$prefix/bin/$command"
done

mkdir -p "$destdir$units"
for unit in "$root"/systemd/*.service "$root"/systemd/*.socket "$root"/systemd/*.timer; do
    sed -e "s#/usr/bin/wharf#$prefix/bin/wharf#g" -e "s#/etc/wharfinger/#$sysconfdir/wharfinger/#g" "$unit" \
        >"$destdir$units/$(basename "$unit")"
    chmod 644 "$destdir$units/$(basename "$unit")"
done
install -D -m 644 "$root/systemd/wharfinger.sysusers" "$destdir$prefix/lib/sysusers.d/wharfinger.conf"
documents=$destdir$prefix/share/doc/wharfinger
install -D -m 644 "$root/systemd/wharfinger.toml.example" "$documents/wharfinger.toml.example"
install -m 644 "$root/systemd/grafana-dashboard.json" "$root"/docs/*.md "$documents"
sed -e "s#/usr/share/doc/#$prefix/share/doc/#" "$root/systemd/prometheus-alerts.yml" >"$documents/prometheus-alerts.yml"
chmod 644 "$documents/prometheus-alerts.yml"

# Written by the programs themselves, so that what is offered is what there is.
tools=$(dirname "$venv_python")
share=$destdir$prefix/share
mkdir -p "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/site-functions" \
    "$share/fish/vendor_completions.d"
for command in wharfinger wharfctl; do
    variable=_$(echo "$command" | tr '[:lower:]' '[:upper:]')_COMPLETE
    "$venv_python" -m daemon.manual "$command" >"$share/man/man1/$command.1"
    env "$variable=bash_source" "$tools/$command" >"$share/bash-completion/completions/$command"
    env "$variable=zsh_source" "$tools/$command" >"$share/zsh/site-functions/_$command"
    env "$variable=fish_source" "$tools/$command" >"$share/fish/vendor_completions.d/$command.fish"
done

etc=$destdir$sysconfdir/wharfinger
mkdir -p "$etc"
if [ ! -e "$etc/credentials" ]; then install -d -m 700 "$etc/credentials"; fi
if [ -e "$etc/wharfinger.toml" ]; then
    echo "Kept $sysconfdir/wharfinger/wharfinger.toml as it was."
else
    install -m 644 "$root/systemd/wharfinger.toml.example" "$etc/wharfinger.toml"
fi

if [ -n "$destdir" ]; then exit 0; fi
named=
if [ "$sysconfdir" != /etc ]; then named=" --config $sysconfdir/wharfinger/wharfinger.toml"; fi
cat <<DONE
Installed below $prefix. Nothing was started. Next, as root:
  systemd-sysusers                       # the groups of those who may look, work and steer
  systemctl daemon-reload
  editor $sysconfdir/wharfinger/wharfinger.toml     # and one file a secret in $sysconfdir/wharfinger/credentials
  wharfinger check$named
  systemctl enable --now wharfinger.socket wharfinger.service wharfinger-audit.timer
After an upgrade: systemctl daemon-reload && systemctl restart wharfinger.service
DONE
