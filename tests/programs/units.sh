#!/bin/bash
# shellcheck disable=SC2016 # functions and command lines for other shells
#
# `make install`, and the systemd units it installs: systemd finds nothing wrong with them, and the daemon
# serves several users with no more than the capabilities that the unit leaves it.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

as()
{
	local uid=$1

	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups env "LD_PRELOAD=$BUILD/libusysv.so" \
		"USYSV_DIR=$scratch/namespace" "$@"
}

units()
{
	local units=$installed/lib/systemd output

	is 'installed: program and page' yes \
		"$([ -x "$installed/sbin/usysvd" ] && [ -s "$installed/share/man/man8/usysvd.8" ] && echo yes)"
	is 'installed: three units' $'run-usysv.mount\nusysvd.service\nusysvd.service' \
		"$(find "$units" -type f -printf '%f\n' | sort)"
	is 'the units name the installed daemon' 2 \
		"$(grep -l "^ExecStart=$installed/sbin/usysvd -d " "$units"/*/usysvd.service | wc -l)"
	if ! command -v systemd-analyze >/dev/null; then
		skip 'systemd finds nothing wrong' 'systemd-analyze is not installed'
		return
	fi
	output=$(MANPATH=$installed/share/man systemd-analyze verify --man=no "$units/system/usysvd.service" \
		"$units/system/run-usysv.mount" 2>&1)
	is 'systemd finds nothing wrong' "0 " "$? $(grep -F "$scratch" <<<"$output")" "$output"
}

# The daemon with the unit's capabilities and no other.
capable()
{
	local set key

	[ "$(id -u)" = 0 ] || { skip 'the capabilities are enough' 'needs root'; return; }
	set=$(sed -n 's/^CapabilityBoundingSet=//p' "$installed/lib/systemd/system/usysvd.service" |
		tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
	mkdir "$scratch/namespace"
	setpriv --bounding-set="-all,$set" --inh-caps=-all --no-new-privs "$BUILD/usysvd" --daemon \
		-d "$scratch/namespace" || { fail 'the capabilities are enough to start'; return; }
	for uid in 40001 40002; do
		is "user $uid: one of each" ok "$(as $uid "$IPCTOOL" all 2>&1)"
		is "user $uid: a segment" ok "$(as $uid "$IPCTOOL" shm "0x$uid" 0600)"
	done
	is 'of another user: EACCES' EACCES "$(as 40002 "$IPCTOOL" read 0x40001)"
	is 'given to another user' ok "$(as 40001 "$IPCTOOL" give 0x40001 40002)"
	is 'who then has it' ok "$(as 40002 "$IPCTOOL" write 0x40001 text)"
	key=0x40001
	# A child that never calls: only its list of mappings tells that it has the segment.
	is 'a silent child of another user is counted' '2 1' "$(as 40001 perl -e '
		use IPC::SysV qw(IPC_STAT IPC_RMID shmat); my $id = shmget('$key', 0, 0) // die "get $!";
		my $at = shmat($id, undef, 0) // die "at $!"; pipe(my $r, my $w);
		my $child = fork; if (!$child) { close $w; <$r>; exit }
		my $count = sub { my $d = ""; shmctl($id, IPC_STAT, $d) or die "stat $!";
			unpack("x[88] Q", $d) };
		my $two = $count->(); close $w; close $r; waitpid $child, 0; print "$two ", $count->();' 2>&1)"
	is 'removed' ok "$(as 40002 "$IPCTOOL" drop "$key")"
	kill "$(cat "$scratch/namespace/usysvd.pid")"
}

[ -z "$on_kernel" ] || skip_all 'has no meaning on the kernel'
needs setpriv make perl
make_scratch
find_ipctool
installed=$scratch/installed
make -s -C "$top" install "PREFIX=$installed" >"$scratch/install.log" 2>&1
is 'make install' 0 $? "$(cat "$scratch/install.log")"
units
capable
check_kernel_empty 'after all this'
finish
