#!/bin/bash
# Segments in huge pages: accounted for, there for the next daemon, given back.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# tool ARGUMENT...: in the namespace, by the daemon that serves it.
tool()
{
	"$USYSV" run --dir "$namespace" -- "$IPCTOOL" "$@"
}

start()
{
	"$BUILD/usysvd" --daemon --dir "$namespace" --log "$place/log"
	daemon=$(cat "$namespace/usysvd.pid")
}

is_over()
{
	! kill -0 "$daemon" 2>/dev/null
}

start_again()
{
	kill -9 "$daemon"
	within 10 is_over
	start
}

nattch()
{
	"$USYSV" stat -d "$namespace" -m 0 2>&1 | sed -n 's/^nattch *//p'
}

counts()
{
	[ "$(nattch)" = "$1" ]
}

# The namespace, in which there is room for some huge pages, and a segment that is held while daemons change.
checks()
{
	local name=$1 holder more

	start
	is "$name: a segment" ok "$(tool huge 0x11 0640)"
	is "$name: its text" ok "$(tool write 0x11 kept)"
	more=$(tool fill huge 100)
	contains "$name: as many as there is room for" '^[1-9][0-9]* ENOMEM$' "$more"
	more=${more% *}
	is "$name: not by an ordinary user" EPERM \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups "$USYSV" run --dir "$namespace" -- \
			"$IPCTOOL" huge 0x12 0600)"
	is "$name: but by one with CAP_IPC_LOCK" ENOMEM \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+ipc_lock --ambient-caps=+ipc_lock \
			"$USYSV" run --dir "$namespace" -- "$IPCTOOL" huge 0x12 0600)"
	# One in a user namespace of its own has it there alone.
	is "$name: nor by one who gave it to himself" EPERM \
		"$(setpriv --reuid=65534 --regid=65534 --clear-groups unshare -U --keep-caps \
			"$USYSV" run --dir "$namespace" -- "$IPCTOOL" huge 0x12 0600)"
	mkfifo "$place/end"
	sleep 1000 >"$place/end" &
	holder=$!
	tool hold 0x11 <"$place/end" >/dev/null &
	within 10 counts 1 || fail "$name: held" "$(nattch)"
	is "$name: it is in huge pages" ', in huge pages' \
		"$("$USYSV" stat -d "$namespace" -m 0 | sed -n 's/^mode *[0-9]*//p')"
	start_again
	is "$name: the next daemon: nattch" 1 "$(nattch)"
	is "$name: the next daemon: its text" kept "$(tool read 0x11)"
	is "$name: the next daemon: no more room" '0 ENOMEM' "$(tool fill huge 20)"
	is "$name: removed while it is held" ok "$(tool drop 0x11)"
	is "$name: removed while it is held: nattch" 1 "$(nattch)"
	kill "$holder"
	wait
	is "$name: gone with its holder" "$more" "$(tool count | cut -d' ' -f1)"
	is "$name: all removed" '' "$("$USYSV" rm -d "$namespace" --all 2>&1)"
	is "$name: room for all again" "$((more + 1)) ENOMEM" "$(tool fill huge 100)"
	touch "$place/own/shm.77"
	start_again
	is "$name: nothing is left of what nobody knows" $((more + 1)) "$(find "$place/own/" -name 'shm.*' | wc -l)"
	"$USYSV" rm -d "$namespace" --all
	kill "$daemon"
	is "$name: the log has nothing else" "" "$(grep -E ' (warning|error) ' "$place/log")"
}

on_tmpfs()
{
	place=$scratch/tmpfs namespace=$scratch/tmpfs/mounted/namespace
	mkdir -p "$place/mounted"
	if ! mount -t tmpfs -o "huge=$1,size=41m" none "$place/mounted"; then
		skip "tmpfs, huge=$1" 'it cannot be mounted'
		return
	fi
	mkdir "$namespace"
	ln -s "$namespace/objects" "$place/own"
	checks "tmpfs, huge=$1"
	umount -l "$place/mounted"
	rm -r "$place"
}

on_hugetlbfs()
{
	place=$scratch/pages namespace=$scratch/pages/namespace
	mkdir -p "$namespace" "$place/mounted"
	if [ "$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)" -lt 8 ]; then
		skip hugetlbfs 'the kernel has no eight huge pages free (vm.nr_hugepages)'
	elif ! mount -t hugetlbfs -o size=16m,pagesize=2m none "$place/mounted"; then
		skip hugetlbfs 'it cannot be mounted'
	else
		mkdir "$place/mounted/own"
		ln -s "$place/mounted/own" "$place/own"
		ln -s "$place/mounted/own" "$namespace/huge"
		checks hugetlbfs
		umount -l "$place/mounted"
	fi
}

[ "$(id -u)" = 0 ] || skip_all 'needs root'
[ -z "$on_kernel" ] || skip_all 'is about usysv'
if [ "${1-}" != --inside ]; then
	unshare -m --propagation private true 2>/dev/null || skip_all 'needs a mount namespace'
	exec unshare -m --propagation private "$self" --inside
fi
make_scratch
find_ipctool
on_tmpfs advise
on_tmpfs always
on_hugetlbfs
finish
