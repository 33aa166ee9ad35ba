#!/bin/bash -eu
# oss-fuzz-build.sh: the build.sh that OSS-Fuzz and ClusterFuzzLite call: every harness into $OUT, with
# its corpus, dictionary and options.  CC, CFLAGS, LIB_FUZZING_ENGINE and OUT come from them; by hand:
#
#   CC=clang CFLAGS='-g -O1 -fsanitize=address,fuzzer-no-link' LIB_FUZZING_ENGINE=-fsanitize=fuzzer \
#       OUT=/some/folder fuzz/oss-fuzz-build.sh
cd "$(dirname "$0")/.."

flags="-D_GNU_SOURCE -iquote src -iquote tests -iquote fuzz -DUSYSV_HOOKS -include fuzz/small.h"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

for source in src/core/*.c tests/model/*.c tests/guard.c fuzz/tell.c fuzz/hooks.c; do
	# shellcheck disable=SC2086 # words
	$CC $CFLAGS $flags -c "$source" -o "$objects/$(echo "$source" | tr / -).o"
done
for source in fuzz/fuzz-*.c; do
	name=$(basename "$source" .c)
	unit=${name#fuzz-}
	# It needs an IPC namespace of its own, which their containers do not allow.
	[ "$unit" = kernel ] && continue
	# shellcheck disable=SC2086
	$CC $CFLAGS $flags "$source" "$objects"/*.o $LIB_FUZZING_ENGINE -o "$OUT/$name"
	rm -f "$OUT/${name}_seed_corpus.zip"
	find "corpus/$name" -type f ! -name README.md -print0 |
		xargs -0 zip -q -j "$OUT/${name}_seed_corpus.zip"
	if [ -e "fuzz/$unit.dict" ]; then
		cp "fuzz/$unit.dict" "$OUT/$name.dict"
	fi
	printf '[libfuzzer]\nmax_len = 4096\ntimeout = 20\n' >"$OUT/$name.options"
done
