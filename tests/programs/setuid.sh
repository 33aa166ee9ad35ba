#!/bin/bash
# Processes that change their uid inside a namespace of root, each with its own rights; and a
# namespace of an ordinary user, who needs no privilege at all.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

as()
{
	local uid=$1

	shift
	setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
}

tool()
{
	"$IPCTOOL" "$@"
}

# Inside a namespace of root: two users, 65534 (nobody) and 65533.
as_root()
{
	is 'nobody makes a 0600 segment' ok "$(as 65534 "$IPCTOOL" shm 0x101 0600)"
	is 'nobody writes it' ok "$(as 65534 "$IPCTOOL" write 0x101 secret)"
	is 'nobody reads it again in another process' secret "$(as 65534 "$IPCTOOL" read 0x101)"
	is 'another user is refused with EACCES' EACCES "$(as 65533 "$IPCTOOL" read 0x101)"
	is 'and may not write either' EACCES "$(as 65533 "$IPCTOOL" write 0x101 gotcha)"
	is 'and may not remove it' EPERM "$(as 65533 "$IPCTOOL" drop 0x101)"
	is 'and may not take it over' EACCES "$(as 65533 "$IPCTOOL" give 0x101 65533)"
	is 'root reads it' secret "$(tool read 0x101)"
	is 'root gives it away' ok "$(tool give 0x101 65533)"
	is 'the new owner reads it' secret "$(as 65533 "$IPCTOOL" read 0x101)"
	is 'its creator still does' secret "$(as 65534 "$IPCTOOL" read 0x101)"
	is 'a third one does not' EACCES "$(as 65532 "$IPCTOOL" read 0x101)"
	is 'nobody makes a 0600 set' ok "$(as 65534 "$IPCTOOL" sem 0x102 0600)"
	is 'nobody adds to it' 3 "$(as 65534 "$IPCTOOL" add 0x102 3)"
	is 'another user may not' EACCES "$(as 65533 "$IPCTOOL" add 0x102 3)"
	is 'root may' 4 "$(tool add 0x102 1)"
	is 'a 0666 set of root is for all' ok "$(tool sem 0x103 0666)"
	is 'nobody uses it' 1 "$(as 65534 "$IPCTOOL" add 0x103 1)"
	is 'another user uses it' 2 "$(as 65533 "$IPCTOOL" add 0x103 1)"
	is 'nobody may not remove it' EPERM "$(as 65534 "$IPCTOOL" drop 0x103)"
	is 'nobody removes what is his' ok "$(as 65534 "$IPCTOOL" drop 0x102)"
	is 'root removes what is not his' ok "$(tool drop 0x101)"
	is 'a user meets its key in use: EEXIST, then EACCES' EACCES \
		"$(tool msg 0x104 0600 >/dev/null; as 65534 "$IPCTOOL" msg 0x104 0600)"
	is 'one of each by each user' 'ok ok ok' \
		"$(for uid in 0 65533 65534; do as $uid "$IPCTOOL" all; done | xargs)"
	if command -v su >/dev/null; then
		is 'su: nobody makes a segment' ok "$(su -s /bin/sh nobody -c "$IPCTOOL shm 0x105 0600")"
		is 'su: it is his' EACCES "$(as 65533 "$IPCTOOL" read 0x105)"
		is 'su: he removes it' ok "$(su -s /bin/sh nobody -c "$IPCTOOL drop 0x105")"
	fi
	tool drop 0x103 >/dev/null
	tool drop 0x104 >/dev/null
	prefork
	is 'nothing is left' '0 0 0' "$(tool count)"
	finish
}

# As Apache does: root makes a set and gives it to a user, its children become that user and use it
# as a lock with SEM_UNDO; one is killed while it holds the lock.
prefork()
{
	is 'prefork: children under one lock of root, one killed' '40 1 1' "$(perl -e '
use strict; use warnings;
use IPC::SysV qw(IPC_PRIVATE IPC_RMID IPC_SET IPC_STAT SETVAL GETVAL SEM_UNDO);
my $sem = semget(IPC_PRIVATE, 1, 0600) // die;
my $shm = shmget(IPC_PRIVATE, 4096, 0600) // die;
semctl($sem, 0, SETVAL, 1) or die;
shmwrite($shm, pack("N", 0), 0, 4) or die;
my $ds = ""; semctl($sem, 0, IPC_STAT, $ds) or die;
substr($ds, 4, 4) = pack("L", 65534); semctl($sem, 0, IPC_SET, $ds) or die "set: $!";
$ds = ""; shmctl($shm, IPC_STAT, $ds) or die;
substr($ds, 4, 4) = pack("L", 65534); shmctl($shm, IPC_SET, $ds) or die "set: $!";
my @pids;
for my $n (1..5) {
	my $pid = fork() // die;
	if (!$pid) {
		$( = $) = "65534 65534"; $< = $> = 65534; die "uid" if $> != 65534;
		for (1..($n == 5 ? 1 : 10)) {
			semop($sem, pack("s!3", 0, -1, SEM_UNDO)) or die "semop: $!";
			kill 9, $$ if $n == 5;
			shmread($shm, my $x, 0, 4) or die "read: $!";
			shmwrite($shm, pack("N", 1 + unpack("N", $x)), 0, 4) or die;
			semop($sem, pack("s!3", 0, 1, SEM_UNDO)) or die;
		}
		exit 0;
	}
	push @pids, $pid;
}
my $killed = 0;
for (@pids) { waitpid($_, 0); $killed++ if ($? & 127) == 9; print STDERR "status $?\n" if $? && ($? & 127) != 9; }
shmread($shm, my $x, 0, 4) or die;
print unpack("N", $x), " ", semctl($sem, 0, GETVAL, 0) + 0, " $killed\n";
semctl($sem, 0, IPC_RMID, 0) or die; shmctl($shm, IPC_RMID, 0) or die;
' 2>&1)"
}

as_user()
{
	is 'no capability is there' '0000000000000000' "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)"
	is 'one of each' ok "$(tool all)"
	is 'a segment' ok "$(tool shm 0x201 0600)"
	is 'its text' ok "$(tool write 0x201 mine)"
	is 'read by another process' mine "$(tool read 0x201)"
	is 'removed' ok "$(tool drop 0x201)"
	is 'nothing is left' '0 0 0' "$(tool count)"
	finish
}

case ${1-} in
--inside) as_root ;;
--user) as_user ;;
esac

[ "$(id -u)" = 0 ] || skip_all 'needs root'
needs setpriv strace perl
make_scratch
find_ipctool
inside 'root namespace' root

bound=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs)
export scratch on_kernel
if [ -n "$on_kernel" ]; then
	"${bound[@]}" "$self" --user
else
	# LAUNCH is a command with its arguments.
	# shellcheck disable=SC2086
	(cd / && watched "${bound[@]}" $LAUNCH "$self" --user)
	is 'an ordinary user without any privilege: ended well' 0 $?
	calls=$scratch/calls
	check_calls 'an ordinary user without any privilege'
fi
finish
