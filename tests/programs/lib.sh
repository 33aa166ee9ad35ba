# lib.sh: what the scripts of this folder share.  Sourced by each; see `run`.
#
# LAUNCH is the command that gives a program its namespace: "build/usysv run --" unless set.  With
# LAUNCH='unshare -i' a script runs on the kernel, in a private namespace, to show that it is right.
# shellcheck shell=bash

set -u
LC_ALL=C
export LC_ALL

here=$(dirname "$(readlink -f "${BASH_SOURCE[1]}")")
top=$(dirname "$(dirname "$here")")
BUILD=${BUILD:-$top/build}
USYSV=${USYSV:-$BUILD/usysv}
LAUNCH=${LAUNCH:-$USYSV run --}
export BUILD USYSV LAUNCH
SYSV_CALLS=shmget,shmat,shmdt,shmctl,semget,semop,semtimedop,semctl,msgget,msgsnd,msgrcv,msgctl

self=$(readlink -f "$0")

# Whatever goes wrong, the machine's own objects are out of reach: each script runs in an IPC
# namespace of its own, which must stay empty unless LAUNCH says that the kernel is tried.
if [ -z "${USYSV_TEST_PRIVATE-}" ]; then
	export USYSV_TEST_PRIVATE=yes
	if [ "$(id -u)" = 0 ]; then
		exec unshare -i "$self" "$@"
	elif unshare -i --map-user="$(id -u)" --map-group="$(id -g)" true 2>/dev/null; then
		exec unshare -i --map-user="$(id -u)" --map-group="$(id -g)" "$self" "$@"
	fi
	echo "ok - $(basename "$0" .sh) # SKIP no private IPC namespace can be made here"
	exit 0
fi

export failures=0
on_kernel=
case $LAUNCH in
*unshare*) on_kernel=yes ;;
esac

# --- results: TAP lines without numbers, which the runner adds ---------------------------------------

pass()
{
	echo "ok - $1"
}

fail()
{
	failures=$((failures + 1))
	echo "not ok - $1"
	[ -z "${2-}" ] || printf '%s\n' "$2" | tail -25 | sed 's/^/#   /'
}

skip()
{
	echo "ok - $1 # SKIP $2"
}

# Ends the script: nothing in it can run here.
skip_all()
{
	skip "$(basename "$0" .sh)" "$1"
	exit 0
}

# is NAME EXPECTED GOT [MORE]
is()
{
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "expected: $2"$'\n'"got:      $3"$'\n'"${4-}"
	fi
}

# contains NAME PATTERN TEXT: an extended regular expression on some line.
contains()
{
	if grep -Eq -- "$2" <<<"$3"; then
		pass "$1"
	else
		fail "$1" "no line matches: $2"$'\n'"$3"
	fi
}

finish()
{
	[ "$failures" = 0 ]
	exit
}

needs()
{
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

# Repeats a command until it succeeds; false after the given number of seconds.
within()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# --- places ------------------------------------------------------------------------------------------

# A scratch folder that every user may enter; removed at the end.
make_scratch()
{
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/usysv-programs.XXXXXX") || exit 1
	chmod 755 "$scratch"
	trap '[ -n "${KEEP-}" ] || rm -rf "$scratch"' EXIT
	make_reachable
}

as_nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# Other users must be able to run what is tested, wherever root has its working tree.
make_reachable()
{
	[ "$(id -u)" = 0 ] || return 0
	if ! as_nobody test -r "$self"; then
		mkdir "$scratch/scripts"
		cp "$here"/*.sh "$here"/*.c "$scratch/scripts/"
		here=$scratch/scripts
		self=$here/$(basename "$self")
	fi
	if [ -z "$on_kernel" ] && ! as_nobody test -x "$USYSV"; then
		mkdir "$scratch/bin"
		cp -L "$BUILD/usysv" "$BUILD/usysvd" "$BUILD/libusysv.so" "$scratch/bin/"
		LAUNCH=${LAUNCH//"$USYSV"/"$scratch/bin/usysv"}
		USYSV=$scratch/bin/usysv
		BUILD=$scratch/bin
	fi
}

# The helper program of this folder: of the build, or compiled here.
find_ipctool()
{
	IPCTOOL=$(dirname "$(readlink -f "$BUILD/usysv")")/tests/programs/ipctool # by the same compiler
	if [ ! -x "$IPCTOOL" ] || [ "$here/ipctool.c" -nt "$IPCTOOL" ]; then
		IPCTOOL=$scratch/ipctool
		"${CC:-cc}" -std=c17 -D_GNU_SOURCE -O2 -o "$IPCTOOL" "$here/ipctool.c" || exit 1
	fi
	export IPCTOOL
}

# --- running ------------------------------------------------------------------------------------------

# Who runs the tests: a name, or the number of who has none, as in many a container.
me()
{
	id -un 2>/dev/null
	true
}

# as USER CMD...: CMD under LAUNCH, as that user from the start.  The kernel's namespace has to be
# made by root, usysv's needs no right at all.
launch_as()
{
	local user=$1

	shift
	if [ "$(me)" = "$user" ]; then
		# LAUNCH is a command with its arguments, here and below.
		# shellcheck disable=SC2086
		$LAUNCH "$@"
	elif [ -n "$on_kernel" ]; then
		# shellcheck disable=SC2086
		$LAUNCH setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
	else
		# shellcheck disable=SC2086
		setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups $LAUNCH "$@"
	fi
}

launch()
{
	launch_as "$(me)" "$@"
}

# watched CMD...: runs CMD with every System V call that reaches the kernel written to $calls.  The
# filter is a seccomp one, so that all other calls run at full speed.
watched()
{
	calls=$scratch/calls
	: >"$calls"
	chmod 666 "$calls"
	strace -f --seccomp-bpf -qq -e "trace=$SYSV_CALLS" -e signal=none -o "$calls" "$@"
}

# After `watched`: none on usysv; on the kernel some, which shows that the check can fail.
check_calls()
{
	local n

	n=$(grep -Ec '^[0-9]+ +(shm|sem|msg)[a-z]*\(' "$calls")
	if [ -n "$on_kernel" ]; then
		[ "$n" -gt 0 ] && pass "$1: System V calls reached the kernel, as they should here ($n)"
		[ "$n" -gt 0 ] || fail "$1: System V calls reached the kernel, as they should here" "0"
	elif [ "$n" = 0 ]; then
		pass "$1: 0 System V calls reached the kernel"
	else
		fail "$1: $n System V calls reached the kernel" "$(head -20 "$calls")"
	fi
	check_kernel_empty "$1"
}

# The kernel's own tables of this private namespace.
check_kernel_empty()
{
	[ -n "$on_kernel" ] ||
		is "$1: no object in the kernel" 0 "$(tail -qn +2 /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg | wc -l)"
}

# The script once more, inside a namespace, as a user and watched: $1 names the result, $2 the user.
inside()
{
	local name=$1 user=$2

	export scratch on_kernel
	export -f launch_as me
	watched bash -c 'launch_as "$@"' launch "$user" "$self" --inside
	is "$name: ended well" 0 $?
	check_calls "$name"
}
