#!/bin/bash
# PHP: sysvshm, sysvsem, sysvmsg, two processes.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

exchange()
{
	cat >"$scratch/exchange.php" <<'PHP'
<?php
$key = ftok($argv[1], 'p');
$queue = msg_get_queue($key, 0600);
$sem = sem_get($key, 1, 0600, true);
$shm = shm_attach($key, 20000, 0600);
shm_put_var($shm, 1, 0);
$pid = pcntl_fork();
$mine = 0;
for ($i = 0; $i < 100; $i++) {
	sem_acquire($sem);
	shm_put_var($shm, 1, shm_get_var($shm, 1) + 1);
	$mine++;
	sem_release($sem);
}
if ($pid == 0) {
	msg_send($queue, 5, ['from' => 'child', 'n' => $mine]);
	msg_receive($queue, 8, $type, 1000, $done); // or it would wait for us in its loop
	sem_acquire($sem);
	msg_send($queue, 6, 'holding');
	msg_receive($queue, 7, $type, 1000, $go);
	posix_kill(posix_getpid(), SIGKILL);
}
msg_send($queue, 8, 'done');
msg_receive($queue, 5, $type, 1000, $message);
msg_receive($queue, 6, $type6, 1000, $holding);
$got = sem_acquire($sem, true) ? 'taken' : 'busy';
msg_send($queue, 7, 'go');
pcntl_waitpid($pid, $status);
$after = sem_acquire($sem, true) ? 'taken' : 'busy';
sem_release($sem);
echo $type, ' ', $message['from'], ' ', $message['n'], ' ', shm_get_var($shm, 1), ' ', $holding, ' ',
	$got, ' ', $after, ' ', msg_stat_queue($queue)['msg_qnum'], "\n";
var_dump(shm_has_var($shm, 2));
shm_remove($shm);
sem_remove($sem);
msg_remove_queue($queue);
PHP
	php "$scratch/exchange.php" "$scratch/exchange.php"
}

if [ "${1-}" = --inside ]; then
	is 'two processes exchange through all three kinds' \
		$'5 child 100 200 holding busy taken 0\nbool(false)' "$(exchange 2>&1)"
	is 'nothing is left' '0 0 0' "$("$IPCTOOL" count)"
	finish
fi

needs php strace
for module in sysvshm sysvsem sysvmsg pcntl posix; do
	php -m | grep -qx "$module" || skip_all "php has no $module"
done
make_scratch
find_ipctool
inside php "$(me)"
finish
