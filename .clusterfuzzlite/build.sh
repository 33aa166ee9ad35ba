#!/bin/bash -eu
# build.sh: what OSS-Fuzz and ClusterFuzzLite call: every harness into $OUT, with its seeds, dictionary
# and options.  CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE, SRC, OUT and WORK come from them, and from
# ci/oss-fuzz, which tries the same by hand.
cd "$SRC/usysv"

plain="-D_GNU_SOURCE -iquote src -iquote tests -iquote fuzz"
small="$plain -DUSYSV_HOOKS -include fuzz/small.h"

# objects FOLDER FLAGS SOURCE...: compiles them.
objects() {
	local folder=$WORK/$1 flags=$2 source
	shift 2
	rm -rf "$folder"
	mkdir -p "$folder"
	for source; do
		# shellcheck disable=SC2086 # words
		$CC $CFLAGS $flags -c "$source" -o "$folder/${source//\//-}.o"
	done
}

objects small "$small" src/core/*.c tests/model/*.c tests/guard.c fuzz/tell.c fuzz/hooks.c
# Recordings come from the field, where the tables have their full size.
objects full "$plain" src/core/{bytes,cred,frame,proto,quota,record,registry,table,session,service*}*.c \
	tests/guard.c fuzz/tell.c

for source in fuzz/fuzz-*.c; do
	name=$(basename "$source" .c)
	flags=$small with=$WORK/small
	case $name in
	fuzz-kernel) continue ;; # needs an IPC namespace of its own, which their containers do not allow
	fuzz-recording) flags=$plain with=$WORK/full ;;
	esac
	# shellcheck disable=SC2086
	{
		$CC $CFLAGS $flags -c "$source" -o "$WORK/$name.o"
		$CXX $CXXFLAGS "$WORK/$name.o" "$with"/*.o $LIB_FUZZING_ENGINE -o "$OUT/$name"
	}
	rm -f "$OUT/${name}_seed_corpus.zip"
	find "corpus/$name" -type f ! -name README.md -print0 |
		xargs -0 zip -q -j "$OUT/${name}_seed_corpus.zip"
	dictionary=fuzz/${name#fuzz-}.dict
	[ ! -e "$dictionary" ] || cp "$dictionary" "$OUT/$name.dict"
	printf '[libfuzzer]\nmax_len = 4096\ntimeout = 20\n' >"$OUT/$name.options"
done
