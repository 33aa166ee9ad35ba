#!/bin/bash
# shellcheck disable=SC2317 # functions are called by way of `within`
#
# fakeroot with its System V transport: ownership that is not there, seen by tar and dpkg-deb.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# In fakeroot: several programs that must agree on what faked remembers.
work()
{
	cd "$1" || exit 1
	mkdir -p package/DEBIAN package/usr/share/small
	printf 'Package: small\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: small\n' \
		>package/DEBIAN/control
	echo text >package/usr/share/small/file
	echo other >other
	# In a user namespace with one uid the real chown that fakeroot also tries is EINVAL, not EPERM,
	# which chown complains of.
	chown -R root:root package 2>/dev/null
	chown 123:456 other 2>/dev/null
	chmod 4755 other
	mknod null c 1 3
	is 'whoami says root' root "$(whoami)"
	is 'chown is seen by stat' '123:456 4755' "$(stat -c '%u:%g %a' other)"
	is 'mknod made a device' 'character special file 1 3' "$(stat -c '%F %t %T' null)"
	is 'chown -R made all root:root' 'root:root' "$(find package -printf '%u:%g\n' | sort -u)"
	tar cf all.tar package other null
	is 'tar makes an archive' 0 $?
	contains 'tar lists root/root' '^-rw.* root/root .* package/usr/share/small/file$' "$(tar tvf all.tar)"
	contains 'tar lists 123/456 with its mode' '^-rwsr-xr-x 123/456 ' "$(tar tvf all.tar)"
	contains 'tar lists the device' '^crw.* 1,3 ' "$(tar tvf all.tar)"
	dpkg-deb --build package small.deb >build.log 2>&1
	is 'dpkg-deb --build' 0 $? "$(cat build.log)"
	is 'the package lists root/root only' 'root/root' \
		"$(dpkg-deb -c small.deb | awk '{ print $2 }' | sort -u)"
	# Many at once, each with a question to faked.
	for i in 1 2 3 4 5 6 7 8; do
		(for j in 1 2 3 4 5; do echo x >"p$i.$j"; chown "$i:$j" "p$i.$j" 2>/dev/null; done) &
	done
	wait
	is 'forty chowns from eight processes at once' 40 \
		"$(for i in 1 2 3 4 5 6 7 8; do for j in 1 2 3 4 5; do
			stat -c '%u.%g' "p$i.$j" | grep -x "$i.$j"; done; done | wc -l)"
	finish
}

empty()
{
	[ "$("$IPCTOOL" count)" = '0 0 0' ]
}

case ${1-} in
--work) work "$2" ;;
--inside)
	fakeroot-sysv "$self" --work "$scratch/work"
	is 'fakeroot passes the status on' 0 $?
	# faked removes its objects when it gets its signal, which nobody waits for.
	within 10 empty
	is 'faked leaves nothing behind' '0 0 0' "$("$IPCTOOL" count)"
	finish
	;;
esac

needs fakeroot-sysv dpkg-deb tar strace
make_scratch
find_ipctool
mkdir -m 777 "$scratch/work"
inside fakeroot "$(me)"
if [ "$(id -u)" = 0 ]; then
	rm -rf "$scratch/work"
	mkdir -m 777 "$scratch/work"
	inside 'fakeroot as nobody' nobody
fi
finish
