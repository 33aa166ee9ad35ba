#!/bin/bash
# Perl: the built-in calls and IPC::SysV, two processes exchanging through all three kinds.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

builtin_calls()
{
	perl -e '
use strict; use warnings;
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID IPC_NOWAIT SETVAL GETVAL SEM_UNDO);
$| = 1;
my $shm = shmget(IPC_PRIVATE, 4096, 0600) // die "shmget: $!";
my $sem = semget(IPC_PRIVATE, 2, 0600) // die "semget: $!";
my $msg = msgget(IPC_PRIVATE, 0600) // die "msgget: $!";
my $pid = fork() // die;
if (!$pid) {
	semop($sem, pack("s!3", 0, -1, 0)) or die "semop: $!";
	my $text;
	shmread($shm, $text, 0, 10) or die "shmread: $!";
	shmwrite($shm, reverse($text), 100, 10) or die;
	msgsnd($msg, pack("l! a*", 7, "child has read $text"), 0) or die "msgsnd: $!";
	semop($sem, pack("s!3", 1, 5, SEM_UNDO)) or die;
	msgrcv($msg, my $go, 100, 9, 0) or die "msgrcv: $!";
	exit 3;
}
shmwrite($shm, "0123456789", 0, 10) or die "shmwrite: $!";
semop($sem, pack("s!3", 0, 1, 0)) or die "semop: $!";
msgrcv($msg, my $got, 100, 7, 0) or die "msgrcv: $!";
my ($type, $text) = unpack("l! a*", $got);
semop($sem, pack("s!3", 1, -2, 0)) or die;
my $value = semctl($sem, 1, GETVAL, 0);
msgsnd($msg, pack("l! a*", 9, "go"), 0) or die;
waitpid($pid, 0);
shmread($shm, my $back, 100, 10) or die;
printf "%d|%s|%s|%d|%d|%d|%s\n", $type, $text, $back, $value, semctl($sem, 1, GETVAL, 0), $? >> 8,
	msgrcv($msg, $got, 100, 0, IPC_NOWAIT) ? "more" : $!{ENOMSG} ? "ENOMSG" : "$!";
shmctl($shm, IPC_RMID, 0) or die; semctl($sem, 0, IPC_RMID, 0) or die; msgctl($msg, IPC_RMID, 0) or die;
'
}

modules()
{
	perl -e '
use strict; use warnings;
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_EXCL S_IRUSR S_IWUSR SEM_UNDO ftok shmat shmdt memread memwrite);
use IPC::Semaphore; use IPC::Msg; use IPC::SharedMem;
my $key = ftok($ENV{scratch}, 5);
my $sem = IPC::Semaphore->new($key, 3, IPC_CREAT | IPC_EXCL | 0600) or die "sem: $!";
my $msg = IPC::Msg->new($key, IPC_CREAT | 0600) or die "msg: $!";
my $shm = IPC::SharedMem->new($key, 8192, IPC_CREAT | 0600) or die "shm: $!";
$shm->attach or die "attach: $!";
$sem->setall(1, 0, 7);
my $pid = fork() // die;
if (!$pid) {
	my $shm2 = IPC::SharedMem->new($key, 0, 0600) or die; $shm2->attach or die;
	my $sem2 = IPC::Semaphore->new($key, 0, 0600) or die;
	for (1..200) {
		$sem2->op(0, -1, SEM_UNDO) or die;
		$shm2->write(pack("N", 1 + unpack("N", $shm2->read(0, 4))), 0, 4);
		$sem2->op(0, 1, SEM_UNDO) or die;
	}
	$sem2->op(2, -3, SEM_UNDO, 1, 1, 0);
	$msg->snd(4, "done " . $sem2->getval(2));
	exit 0;
}
for (1..200) {
	$sem->op(0, -1, SEM_UNDO) or die;
	$shm->write(pack("N", 1 + unpack("N", $shm->read(0, 4))), 0, 4);
	$sem->op(0, 1, SEM_UNDO) or die;
}
$sem->op(1, -1, 0) or die;
my $type = $msg->rcv(my $text, 100, -5, 0);
waitpid($pid, 0);
my $stat = $shm->stat;
printf "%d|%d|%s|%s|%d|%d\n", unpack("N", $shm->read(0, 4)), $type, $text, join(",", $sem->getall),
	$stat->nattch, $msg->stat->qnum;
$shm->detach; $shm->remove; $sem->remove; $msg->remove;
'
}

if [ "${1-}" = --inside ]; then
	is 'built-in calls, two processes' '7|child has read 0123456789|9876543210|3|0|3|ENOMSG' \
		"$(builtin_calls 2>&1)"
	is 'IPC::Semaphore, IPC::Msg, IPC::SharedMem, two processes' '400|4|done 4|1,0,7|1|0' \
		"$(modules 2>&1)"
	is 'nothing is left' '0 0 0' "$("$IPCTOOL" count)"
	finish
fi

needs perl strace
perl -e 'use IPC::SysV; use IPC::SharedMem' 2>/dev/null || skip_all 'IPC::SysV is not installed'
make_scratch
find_ipctool
inside perl "$(me)"
finish
