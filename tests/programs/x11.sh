#!/bin/bash
# shellcheck disable=SC2317 # functions are called by way of `within`
#
# An X server and a MIT-SHM client, each by a `usysv run` of its own on one namespace (--dir).
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

if [ "${1-}" = --server ]; then
	echo $$ >"$scratch/pid"
	exec Xvfb -displayfd 5 -screen 0 800x600x24 -nolisten tcp 5>"$scratch/display"
fi

needs Xvfb x11perf xdpyinfo strace
make_scratch
find_ipctool
dir=$scratch/namespace

# On the kernel both simply are in this script's own namespace.
shared_run()
{
	if [ -n "$on_kernel" ]; then
		"$@"
	else
		"$USYSV" run --dir "$dir" -- "$@"
	fi
}

display_known()
{
	[ -s "$scratch/display" ]
}

stopped()
{
	! "$USYSV" ping -d "$dir" >/dev/null 2>&1
}

# The largest number of segments seen while the client runs, the server having none by itself.
watch_segments()
{
	local n most=0

	while kill -0 "$1" 2>/dev/null; do
		n=$(shared_run "$IPCTOOL" count | cut -d' ' -f1)
		[ "${n:-0}" -gt "$most" ] && most=$n
	done
	echo "$most"
}

calls=$scratch/calls.server
export -f shared_run
export scratch on_kernel dir

strace -f --seccomp-bpf -qq -e "trace=$SYSV_CALLS" -e signal=none -o "$scratch/calls.server" \
	bash -c 'shared_run "$@"' shared "$self" --server \
	>"$scratch/server.log" 2>&1 &
server=$!
within 30 display_known || { fail 'Xvfb starts' "$(cat "$scratch/server.log")"; finish; }
pass 'Xvfb starts'
DISPLAY=:$(cat "$scratch/display")
export DISPLAY
contains 'the server offers MIT-SHM' 'MIT-SHM' "$(xdpyinfo)"
is 'no segment before the client comes' 0 "$(shared_run "$IPCTOOL" count | cut -d' ' -f1)"

strace -f --seccomp-bpf -qq -e "trace=$SYSV_CALLS" -e signal=none -o "$scratch/calls.client" \
	bash -c 'shared_run "$@"' shared x11perf -shmput100 -shmput500 -repeat 1 -time 1 >"$scratch/client.log" 2>&1 &
client=$!
most=$(watch_segments $client)
wait $client
is 'x11perf ends well' 0 $? "$(cat "$scratch/client.log")"
contains 'x11perf measured ShmPutImage' 'ShmPutImage 500x500 square' "$(cat "$scratch/client.log")"
if [ "$most" -ge 1 ]; then
	pass 'its segments were seen in the namespace'
else
	fail 'its segments were seen in the namespace' "at most $most at a time"
fi
grep 'trep @' "$scratch/client.log" | sed 's/^/# /'
is 'no segment is left after it' 0 "$(shared_run "$IPCTOOL" count | cut -d' ' -f1)"

kill -TERM "$(cat "$scratch/pid")"
wait $server
cat "$scratch/calls.client" >>"$calls"
check_calls 'server and client'
[ -n "$on_kernel" ] || within 10 stopped
is 'the daemon stops with its last user' 0 $?
finish
