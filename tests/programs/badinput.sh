#!/bin/bash
# shellcheck disable=SC2016,SC2317 # functions and command lines for other shells
#
# What goes wrong must be said: a clear message or the documented errno, never a hang, and never the
# kernel's own objects in silence.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# on DIR CMD...: a program with the library, without `usysv run`; not longer than ten seconds.
on()
{
	local namespace=$1

	shift
	timeout 10 env "LD_PRELOAD=$library" "USYSV_DIR=$namespace" USYSV_TIMEOUT_MS=1000 "$@"
}

# refused NAME DIR PATTERN: no call succeeds, with ENOSYS and a message that says which and why.
refused()
{
	local output

	output=$(on "$2" "$IPCTOOL" all 2>"$scratch/err")
	is "$1: the call fails with ENOSYS" 'ENOSYS 1' "$output $?" "$(cat "$scratch/err")"
	contains "$1: the message says which and why" "^usysv: .*$2.*$3" "$(cat "$scratch/err")"
	is "$1: the message is one line" 1 "$(wc -l <"$scratch/err")"
}

run_in()
{
	local namespace=$1

	shift
	timeout 60 "$USYSV" run --dir "$namespace" -- "$@"
}

absent()
{
	refused 'no such folder' "$scratch/absent" 'no such namespace'
	mkdir "$scratch/empty"
	refused 'an empty folder' "$scratch/empty" 'no such namespace'
	echo text >"$scratch/file"
	refused 'a file' "$scratch/file" '.'
	is 'the kernel is used if it is asked for' ok \
		"$(on "$scratch/absent" env USYSV_FALLBACK=kernel "$IPCTOOL" all 2>&1)"
}

dead_daemon()
{
	local namespace=$scratch/dead output

	timeout 60 "$USYSV" run --keep --dir "$namespace" -- "$IPCTOOL" shm 0x11 0600 >/dev/null
	refused 'a daemon that has stopped' "$namespace" '.'
	# One that is killed while a program runs.  Its program waits until it has had enough.
	output=$(USYSV_TIMEOUT_MS=1500 run_in "$namespace" bash -c '
		"$IPCTOOL" sem 0x12 0600 >/dev/null
		daemon=$(head -1 "$1/usysvd.pid")
		kill -STOP "$daemon"
		"$IPCTOOL" msg 0x13 0600
		echo "status $?"
		kill -CONT "$daemon"
		"$IPCTOOL" add 0x12 2' bash "$namespace" 2>"$scratch/err")
	is 'a stopped daemon: a control call gives up, a semop and what follows succeed' \
		$'ENOSYS\nstatus 1\n2' "$output" "$(cat "$scratch/err")"
	contains 'a stopped daemon: the message says why' 'usysv: cannot reach namespace' \
		"$(cat "$scratch/err")"
}

# The second word of the registry is its version, the upper half being the number.
other_version()
{
	local namespace=$scratch/version

	timeout 60 "$USYSV" run --keep --dir "$namespace" -- "$IPCTOOL" shm 0x11 0600 >/dev/null
	printf '\143' | dd of="$namespace/registry" bs=1 seek=12 conv=notrunc status=none
	refused 'another version' "$namespace" 'version'
	contains 'usysv ls names the version' 'version' "$("$USYSV" ls -d "$namespace" 2>&1)"
	run_in "$namespace" true >"$scratch/err" 2>&1
	is 'usysv run refuses another version' 125 $? "$(cat "$scratch/err")"
	contains 'usysv run names the version' 'version' "$(cat "$scratch/err")"
}

damaged()
{
	local namespace=$scratch/damaged

	timeout 60 "$USYSV" run --keep --dir "$namespace" -- "$IPCTOOL" shm 0x11 0600 >/dev/null
	truncate -s 100 "$namespace/registry"
	refused 'a cut registry' "$namespace" '.'
	: >"$namespace/registry"
	refused 'an empty registry' "$namespace" '.'
	head -c 3000000 /dev/urandom >"$namespace/registry"
	refused 'a registry of random bytes' "$namespace" '.'
	run_in "$namespace" true >"$scratch/err" 2>&1
	is 'usysv run refuses a damaged one' 125 $? "$(cat "$scratch/err")"
	contains 'usysv run says that it is damaged' '^usysv' "$(cat "$scratch/err")"
}

no_access()
{
	local namespace=$scratch/closed/namespace

	[ "$(id -u)" = 0 ] || { skip 'a folder one may not enter' 'needs root'; return; }
	mkdir -m 700 "$scratch/closed"
	timeout 60 "$USYSV" run --keep --dir "$namespace" -- true
	touch "$scratch/err"
	chmod 666 "$scratch/err"
	is 'a folder one may not enter: ENOSYS' ENOSYS \
		"$(on "$namespace" setpriv --reuid=65534 --regid=65534 --clear-groups "$IPCTOOL" all 2>"$scratch/err")"
	contains 'a folder one may not enter: the message' "^usysv: .*$namespace.*[Pp]ermi" "$(cat "$scratch/err")"
	as_nobody timeout 60 "$USYSV" run --dir "$namespace" -- true >"$scratch/err" 2>&1
	is 'a folder one may not enter: usysv run' 125 $? "$(cat "$scratch/err")"
	contains 'a folder one may not enter: its message' "^usysv: .*[Pp]ermi" "$(cat "$scratch/err")"
	as_nobody timeout 60 "$USYSV" run --dir /nonexistent/a/b -- true >"$scratch/err" 2>&1
	is 'a folder that cannot be made: usysv run' 125 $? "$(cat "$scratch/err")"
	contains 'a folder that cannot be made: its message' '^usysv: .*/nonexistent' "$(cat "$scratch/err")"
}

# In a mount namespace of its own: $1 is a small tmpfs.
on_small()
{
	local output

	mount -t tmpfs -o "size=$2" none "$1" || exit 1
	head -c 200000 /dev/zero >"$1/reserve"
	output=$(run_in "$1/namespace" bash -c '
		"$IPCTOOL" fill sem 2000
		"$IPCTOOL" fill msg 2000
		head -c 1000000 /dev/zero >"$1/filler"
		"$IPCTOOL" big 1000000000
		"$IPCTOOL" count
		rm "$1/reserve"
		"$USYSV" rm --all >/dev/null
		"$IPCTOOL" all' bash "$1" 2>"$scratch/err")
	echo "$?" >"$scratch/status"
	echo "$output"
	cat "$scratch/err"
	return "$(cat "$scratch/status")"
}

full_tmpfs()
{
	local output

	if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
		skip 'a full tmpfs' 'needs root and a mount namespace'
		return
	fi
	mkdir "$scratch/small"
	export -f on_small run_in
	export scratch
	output=$(timeout 100 unshare -m bash -c 'on_small "$@"' small "$scratch/small" 40m 2>&1)
	is 'a full tmpfs: no hang, no crash' 0 $? "$output"
	contains 'a full tmpfs: sets until ENOMEM' '^[1-9][0-9]* (ENOMEM|all)$' "$output"
	contains 'a full tmpfs: then queues ENOMEM' '^[0-9]+ ENOMEM$' "$output"
	contains 'a full tmpfs: a segment without room' '^(ENOMEM|ENOSYS)$' "$output"
	contains 'a full tmpfs: calls still work' '^[0-9]+ [0-9]+ [0-9]+$' "$output"
	contains 'a full tmpfs: with a little room objects can be removed' '^ok$' "$output"
	output=$(timeout 100 unshare -m bash -c 'on_small "$@"' small "$scratch/small" 64k 2>&1)
	contains 'no room for a namespace at all: a message' '^usysv' "$output"
	is 'no room for a namespace at all: usysv run says 125' 125 "$(cat "$scratch/status")" "$output"
}

limits()
{
	local output

	output=$(launch bash -c '
		"$USYSV" limits shmmni=7 semmni=5 msgmni=3 msgmax=100 >/dev/null || exit
		for kind in shm sem msg; do "$IPCTOOL" fill $kind 20; done' 2>&1)
	is 'lowered limits: ENOSPC' $'7 ENOSPC\n5 ENOSPC\n3 ENOSPC' "$output"
	output=$(launch bash -c '
		"$IPCTOOL" msg 7 0600; "$IPCTOOL" send 7 1000
		"$USYSV" limits msgmax=100 >/dev/null || exit
		"$IPCTOOL" send 7 101; "$IPCTOOL" take 7 2000' 2>&1)
	is 'a lowered msgmax keeps messages out, not in (MSG-21)' $'ok\n0\nEINVAL\n1000' "$output"
	output=$(launch bash -c '
		"$IPCTOOL" msg 7 0600; "$IPCTOOL" pour 7 5
		"$USYSV" limits msgmnb=268435456 >/dev/null || exit
		"$IPCTOOL" msg 8 0600; "$IPCTOOL" pour 8 6000; "$IPCTOOL" pour 8 6000' 2>&1)
	is 'raised limits: a queue of 256 MiB' $'ok\nEAGAIN\nok\n6000\n6000' "$output"
	is 'the table of segments: 4096, then ENOSPC' '4096 ENOSPC' "$(launch "$IPCTOOL" fill shm 5000 2>&1)"
	timeout 60 "$USYSV" run --keep --dir "$scratch/limited" -- bash -c '
		"$USYSV" limits semmni=2 >/dev/null; "$IPCTOOL" fill sem 5' >/dev/null 2>&1
	contains 'the log names the limit' 'semmni|SEMMNI' "$(cat "$scratch/limited/log")"
}

commands()
{
	"$USYSV" run -- /nonexistent/program >"$scratch/err" 2>&1
	is 'a command that is not there: 127' 127 $? "$(cat "$scratch/err")"
	contains 'a command that is not there: its name' 'nonexistent/program' "$(cat "$scratch/err")"
	"$USYSV" run -- "$scratch/file" >"$scratch/err" 2>&1
	is 'a command that is no program: 126' 126 $? "$(cat "$scratch/err")"
	launch bash -c 'exit 42'
	is 'the exit status comes through' 42 $?
	launch bash -c 'kill -TERM $$' 2>/dev/null
	is 'and so does a signal' 143 $?
}

# Bytes on the well-known FIFO may come from anyone.
garbage()
{
	local output

	output=$(run_in "$scratch/garbage" bash -c '
		head -c 200000 /dev/urandom >"$1/register"
		"$IPCTOOL" all
		printf "\0\0\0\0" >"$1/register"
		"$IPCTOOL" all
		yes 0123456789abcdef | head -c 300000 >"$1/register"
		"$IPCTOOL" all' bash "$scratch/garbage" 2>&1)
	is 'garbage on the well-known FIFO does not disturb others' $'ok\nok\nok' "$output"
}

[ -z "$on_kernel" ] || skip_all 'has no meaning on the kernel'
needs setpriv
make_scratch
find_ipctool
library=$(dirname "$(readlink -f "$USYSV")")/libusysv.so
[ -e "$library" ] || library=$BUILD/libusysv.so
absent
dead_daemon
other_version
damaged
no_access
full_tmpfs
limits
commands
garbage
check_kernel_empty 'after all this'
finish
