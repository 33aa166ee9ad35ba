#!/bin/sh
# check-layers.sh: the rules of the source tree that a compiler does not check.  Prints TAP.
#
#   tools/check-layers.sh DIR     DIR: where the release objects are (build/release)
#
# 1 includes follow the layers   2 symbols of the core   3 no data in the core   4 sizes of files
# 5 no notes to self   6 shell scripts   7 manual pages   8 what the library needs and exports
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 1
objects=${1:-build/release}
status=0
n=0

# result NAME PROBLEMS: a test passes if it has nothing to say.
result() {
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
		status=1
	fi
}

skipped() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# includes DIR PATTERN: include lines of C files below DIR that do not match PATTERN.
includes() {
	[ -d "$1" ] || return 0
	find "$1" -name '*.[ch]' -exec grep -Hn '^[[:space:]]*#[[:space:]]*include' {} + |
		grep -Ev "include[[:space:]]*($2)"
}

pure='<(stdint|stddef|stdbool|limits|stdatomic|string)\.h>'
libc='<[a-z0-9_/]+\.h>'
result 'core includes core and pure headers only' \
	"$(includes src/core "$pure|\"core/[a-z0-9_-]+\.h\"")"
result 'sys includes base, limits and atomic of core only' \
	"$(includes src/sys "$libc|\"core/(base|limits|atomic|abi)\.h\"|\"sys/[a-z0-9_-]+\.h\"")"
result 'daemon includes core, sys and daemon' \
	"$(includes src/daemon "$libc|\"(core|sys|daemon)/[a-z0-9_-]+\.h\"")"
result 'client includes core, sys and client, and no libbsd' \
	"$(includes src/client "$libc|\"(core|sys|client)/[a-z0-9_-]+\.h\""
	grep -rn 'bsd/' src/client)"
# The registry and the wire format are all that the tools need to know of the core.
result 'cli includes registry and wire format of core, sys, and the public header' \
	"$(includes src/cli "$libc|\"core/(base|abi|limits|registry|atomic|cred|frame|proto)\.h\"|\"(sys|cli)/[a-z0-9_-]+\.h\"|\"client/usysv\.h\"")"
result 'sys of the library does without libbsd' \
	"$(grep -n 'bsd/' src/sys/wait.c src/sys/clock.c src/sys/map.c src/sys/assert.c 2>/dev/null)"

if ls "$objects"/src/core/*.o >/dev/null 2>&1; then
	own=$(nm -g --defined-only "$objects"/src/core/*.o | awk 'NF == 3 { print $3 }' | sort -u)
	# Names like __popcountdi2 are the compiler's own arithmetic, linked statically.
	result 'core needs mem* and assert_fail only' "$(
		for o in "$objects"/src/core/*.o; do
			nm -u "$o" | awk -v o="$o" '{ print $2, o }'
		done | grep -Ev '^(mem(cpy|move|set|cmp|chr)|assert_fail|hook_access|__[a-z]+[sdt]i[23]) ' |
			while read -r symbol o; do
				echo "$own" | grep -qx "$symbol" || echo "$o: $symbol"
			done
	)"
	result 'core has no data and no bss' "$(
		for o in "$objects"/src/core/*.o; do
			objdump -h "$o" | awk -v o="$o" '
				$2 ~ /^\.t?(data|bss)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0+$/ { print o, $2, $3 }'
		done
	)"
else
	skipped 'symbols of the core' 'no objects'
	skipped 'data of the core' 'no objects'
fi

library=$objects/libusysv.so.0
if [ -e "$library" ]; then
	result 'the library needs libc alone' "$(
		objdump -p "$library" | awk '$1 == "NEEDED" && $2 !~ /^(libc\.so|ld-linux)/ { print $2 }'
	)"
	result 'the library exports what its map names' "$(
		nm -D --defined-only "$library" | awk '{ print $3 }' | sed 's/@.*//' | sort -u |
			while read -r symbol; do
				grep -qE "(^|[[:space:];{])$symbol;" src/client/libusysv.map ||
					case $symbol in USYSV*) ;; *) echo "$symbol" ;; esac
			done
	)"
else
	skipped 'symbols of the library' 'not built'
fi

sources=$(find src tests fuzz tools -name '*.[ch]' | sort)
# shellcheck disable=SC2086 # file names of this tree have no blanks
result 'no file of more than 800 lines' \
	"$(wc -l $sources | awk '$1 > 800 && $2 != "total" { print $2 ": " $1 " lines" }')"
# A function begins at a { and ends at a } in the first column.
# shellcheck disable=SC2046
result 'no function of more than 70 lines' "$(
	awk 'FNR == 1 { start = 0 }
		/^\{/ { start = FNR }
		/^\}/ && start { if (FNR - start - 1 > 70) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }' \
		$(find src fuzz -name '*.[ch]')
)"
# The marks are put together here so that this file does not contain them.
marks="TO""DO|XX""X|FIX""ME"
result 'no notes to self' \
	"$(grep -rnE "\\b($marks)\\b" src tests fuzz tools ci corpus/README.md README.md GNUmakefile 2>/dev/null)"
result 'no blanks at the end of a line' \
	"$(grep -rnI '[[:blank:]]$' src tests fuzz tools ci GNUmakefile 2>/dev/null | head)"

if command -v shellcheck >/dev/null; then
	scripts=$(find ci tools tests .ci -type f -exec sh -c \
		'for f; do head -n 1 "$f" | grep -aqE "^#!.*(/| )(ba|da)?sh( |$)" && echo "$f"; done' sh {} + | sort)
	# shellcheck disable=SC2086
	result 'shell scripts pass shellcheck' "$(shellcheck -S warning -x -P SCRIPTDIR $scripts 2>&1)"
else
	skipped 'shell scripts pass shellcheck' 'no shellcheck'
fi

pages=$(find src tools -name '*.[1-9]')
if [ -n "$pages" ] && command -v mandoc >/dev/null; then
	# shellcheck disable=SC2086
	result 'manual pages pass mandoc' "$(mandoc -T lint -W warning $pages 2>/dev/null)"
else
	skipped 'manual pages pass mandoc' 'no page or no mandoc'
fi

echo "1..$n"
exit $status
