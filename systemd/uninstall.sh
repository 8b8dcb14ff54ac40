#!/bin/sh
# Removes what install.sh put below PREFIX: uninstall.sh PREFIX SYSCONFDIR DESTDIR. Settings, secrets and data stay.
set -eu

prefix=$1 sysconfdir=$2 destdir=$3

# Each merchant's unit too, and the sockets and timers that would start what is gone.
if [ -z "$destdir" ]; then
    running=$(systemctl list-units --no-legend --plain --state=active 'wharfinger*.service' 'wharfinger*.socket' \
        'wharfinger*.timer' 2>/dev/null | cut -d ' ' -f 1 | tr '\n' ' ') || running=
    if [ -n "$running" ]; then
        echo "uninstall: these run, so first: systemctl disable --now $running" >&2
        exit 1
    fi
fi
rm -rf "$destdir$prefix/lib/wharfinger"
rm -f "$destdir$prefix/bin/wharfinger" "$destdir$prefix/bin/wharfctl"
for unit in wharfinger.service wharfinger@.service wharfinger.socket wharfinger@.socket \
    wharfinger-audit.service wharfinger-audit@.service wharfinger-audit.timer wharfinger-audit@.timer; do
    rm -f "$destdir$prefix/lib/systemd/system/$unit"
done
rm -f "$destdir$prefix/lib/sysusers.d/wharfinger.conf"
rm -rf "$destdir$prefix/share/doc/wharfinger"
for command in wharfinger wharfctl; do
    rm -f "$destdir$prefix/share/man/man1/$command.1" "$destdir$prefix/share/bash-completion/completions/$command" \
        "$destdir$prefix/share/zsh/site-functions/_$command" "$destdir$prefix/share/fish/vendor_completions.d/$command.fish"
done
echo "Removed. $sysconfdir/wharfinger (settings, secrets) and /var/lib/wharfinger (data) stay."
