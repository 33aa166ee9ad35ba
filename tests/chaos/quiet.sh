#!/bin/bash
# Uncontended operations make no system call: a run with twice as many makes as many as one with N.
#
#   tests/chaos/quiet.sh        BUILD as in run; N: operations of the smaller run (100000)
#
# On the kernel (LAUNCH='unshare -i') every case must fail, which shows that the test can.
set -u

here=$(dirname "$(readlink -f "$0")")
top=$(dirname "$(dirname "$here")")
BUILD=${BUILD:-$top/build}
LAUNCH=${LAUNCH:-$BUILD/usysv run --}
quiet=$(dirname "$(readlink -f "$BUILD/usysv")")/tests/chaos/quiet # by the same compiler
N=${N:-100000}
# The daemon may be slower once: a few polls more.
SLACK=8

if ! command -v strace >/dev/null; then
	echo 'ok - operations make no system call # SKIP strace is not installed'
	exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count KIND N: system calls of the program alone; nothing if it fails.
count()
{
	# LAUNCH is a command with its arguments.
	# shellcheck disable=SC2086
	$LAUNCH strace -qq -c -f -o "$scratch/$1.$2" "$quiet" "$1" "$2" \
		>&2 </dev/null || return
	# The column of errors may be empty, that of calls is the fourth.
	awk '$NF == "total" { print $4 }' "$scratch/$1.$2"
}

status=0
for kind in semop1 semop4 undo1 undo4 nowait getval message; do
	once=$(count "$kind" "$N")
	twice=$(count "$kind" $((2 * N)))
	more=$((${twice:-$N} - ${once:-0}))
	if [ -n "$once" ] && [ -n "$twice" ] && [ "${more#-}" -le $SLACK ]; then
		echo "ok - $kind: $N operations make no system call"
		echo "# $kind: $once calls with $N operations, $twice with twice as many"
	else
		echo "not ok - $kind: $N operations make no system call"
		echo "#   ${once:-failed} calls with $N operations, ${twice:-failed} with twice as many"
		head -8 "$scratch/$kind.$((2 * N))" 2>/dev/null | sed 's/^/#   /'
		status=1
	fi
done
exit $status
