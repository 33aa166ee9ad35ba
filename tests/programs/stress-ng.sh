#!/bin/bash
# stress-ng: its System V stressors, two workers each, with verification.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

if [ "${1-}" = --inside ]; then
	cd "$scratch/work" || exit 1
	output=$(stress-ng --shm-sysv 2 --sem-sysv 2 --msg 2 --verify -t "${STRESS_SECONDS:-10}" \
		--metrics-brief --no-rand-seed 2>&1)
	is 'stress-ng ends well' 0 $? "$output"
	contains 'it completed its run' 'successful run completed' "$output"
	for stressor in shm-sysv sem-sysv msg; do
		n=$(awk -v s="$stressor" '$4 == s && $5 ~ /^[0-9]+$/ { print $5 }' <<<"$output")
		if [ "${n:-0}" -gt 0 ]; then
			pass "$stressor did something"
			echo "# $stressor: $n bogo operations"
		else
			fail "$stressor did something" "$output"
		fi
	done
	is 'nothing is left' '0 0 0' "$("$IPCTOOL" count)"
	finish
fi

needs stress-ng strace
make_scratch
find_ipctool
mkdir -m 777 "$scratch/work"
inside stress-ng "$(me)"
finish
