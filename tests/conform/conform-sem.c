/* conform-sem.c: semaphores: order of checks, evaluation, sleeping and waking, semctl. */
#include "conform.h"

/* --- order of checks --- */

CASE("SEM-1", semop_bad_id_is_einval)
{
	put_ret(OPS(-1, { 0, 1, 0 }));
	put_ret(OPS(sem_stale(), { 0, 1, 0 }));
	put_ret(OPS(INT_MAX, { 0, 1, 0 }));
}

CASE("SEM-1", semop_no_operations_is_einval)
{
	struct sembuf op = { 0, 1, 0 };

	put_ret(semop(sem_new(1), &op, 0));
	put_ret(semop(-1, bad_pointer(), 0));
}

CASE("SEM-1", semop_too_many_beats_bad_pointer_and_id)
{
	put_ret(semop(sem_new(1), bad_pointer(), 501));
	put_ret(semop(-1, bad_pointer(), 501));
	put_ret(semop(-1, bad_pointer(), 500));
}

CASE("SEM-1", semop_bad_pointer_beats_bad_id)
{
	put_ret(semop(-1, bad_pointer(), 1));
	put_ret(semop(sem_stale(), bad_pointer(), 1));
	put_ret(semop(sem_new(1), bad_pointer(), 1));
	put_ret(semop(sem_new(1), NULL, 1));
}

CASE("SEM-1", semop_array_that_ends_in_a_hole_is_efault)
{
	struct sembuf *ops = edge_pointer(sizeof(*ops));
	int id = sem_new(1);

	*ops = (struct sembuf){ 0, 1, 0 };
	put_ret(semop(id, ops, 2));
	put_ret(semop(id, ops, 1));
	put_sem(id);
}

CASE("SEM-1", semop_number_outside_the_set_is_efbig)
{
	int id = sem_new(2);

	put_ret(OPS(id, { 2, 1, 0 }));
	put_ret(OPS(id, { 0, 1, 0 }, { 65535, 1, 0 }));
	put_ret(OPS(id, { 0, -1, 0 }, { 2, 0, IPC_NOWAIT }));
	put_sem(id);
}

CASE("SEM-1", semop_efbig_beats_eacces)
{
	int id;

	need_uids();
	id = sem_new(1);
	seem(NOBODY);
	put_ret(OPS(id, { 1, 1, 0 }));
	put_ret(OPS(id, { 0, 1, 0 }));
	seem_root();
}

CASE("SEM-1", semtimedop_bad_timeout_pointer_beats_all)
{
	struct sembuf op = { 0, 1, 0 };

	put_ret(semtimedop(-1, &op, 501, bad_pointer()));
	put_ret(semtimedop(sem_new(1), &op, 1, bad_pointer()));
}

CASE("SEM-30", semtimedop_bad_time_value_is_einval_also_without_sleep)
{
	struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
	struct sembuf op = { 0, 1, 0 };
	int id = sem_new(1);
	size_t i;

	for (i = 0; i < 3; i++)
		put_ret(semtimedop(id, &op, 1, &bad[i]));
	put(" %d", sem_value(id, 0));
	put_ret(semtimedop(sem_stale(), &op, 1, &bad[0]));
	put_ret(semtimedop(id, bad_pointer(), 1, &bad[0]));
}

CASE("SEM-2", setval_range_beats_unknown_id)
{
	put_ret(sem_set(sem_stale(), 0, 32768));
	put_ret(sem_set(sem_stale(), 0, -1));
	put_ret(sem_set(-1, 0, 32768));
	put_ret(sem_set(sem_stale(), 0, 1));
}

CASE("SEM-2", setval_bad_number_is_einval)
{
	int id = sem_new(2);

	put_ret(sem_set(id, 2, 1));
	put_ret(sem_set(id, -1, 1));
	put_ret(sem_set(id, 2, 32768));
}

CASE("SEM-2", setval_bad_number_beats_eacces)
{
	int id;

	need_uids();
	id = sem_new(1);
	seem(NOBODY);
	put_ret(sem_set(id, 1, 1));
	put_ret(sem_set(id, 0, 1));
	seem_root();
}

CASE("SEM-3", getval_family_bad_id_or_number)
{
	int id = sem_new(2);
	int commands[] = { GETVAL, GETPID, GETNCNT, GETZCNT };
	size_t i;

	for (i = 0; i < 4; i++) {
		put_ret(semctl(id, 1, commands[i]));
		put_ret(semctl(id, 2, commands[i]));
		put_ret(semctl(id, -1, commands[i]));
		put_ret(semctl(-1, 0, commands[i]));
		put_ret(semctl(sem_stale(), 0, commands[i]));
	}
}

CASE("SEM-3", getval_eacces_beats_bad_number)
{
	int id;

	need_uids();
	id = sem_new(1);
	seem(NOBODY);
	put_ret(semctl(id, 1, GETVAL));
	put_ret(semctl(id, 0, GETVAL));
	seem_root();
}

CASE("SEM-4", getall_checks)
{
	int id = sem_new(2);
	unsigned short values[2] = { 9, 9 };

	put_ret(semctl(id, 99, GETALL, (union semun){ .array = values }));
	put(" %d,%d", values[0], values[1]);
	put_ret(semctl(-1, 0, GETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(sem_stale(), 0, GETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(id, 0, GETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(id, 0, GETALL, (union semun){ .array = NULL }));
}

CASE("SEM-5", setall_checks)
{
	int id = sem_new(2);
	unsigned short good[2] = { 3, 32767 };
	unsigned short bad[2] = { 5, 32768 };
	unsigned short *edge = edge_pointer(sizeof(*edge));

	*edge = 7;
	put_ret(semctl(id, 99, SETALL, (union semun){ .array = good }));
	put_ret(semctl(id, 0, SETALL, (union semun){ .array = bad }));
	put_ret(semctl(id, 0, SETALL, (union semun){ .array = edge }));
	put_ret(semctl(id, 0, SETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(-1, 0, SETALL, (union semun){ .array = bad_pointer() }));
	put_ret(semctl(sem_stale(), 0, SETALL, (union semun){ .array = bad }));
	put_sem(id);
}

CASE("ABI-5", semctl_unknown_command_is_einval)
{
	int id = sem_new(1);

	put_ret(semctl(id, 0, 21, 0));
	put_ret(semctl(id, 0, 99, 0));
	put_ret(semctl(id, 0, -1, 0));
	put_ret(semctl(-1, 0, 99, 0));
	put_ret(semctl(id, 0, IPC_STAT | 0x100, 0));
}

CASE("ABI-4", setval_takes_a_bare_int)
{
	int id = sem_new(1);

	put_ret(semctl(id, 0, SETVAL, 5));
	put(" %d", sem_value(id, 0));
}

CASE("ABI-15", sem_stat_clears_what_it_does_not_use)
{
	struct semid_ds ds;
	int id = sem_new(3);
	size_t i;
	size_t odd = 0;

	memset(&ds, 0xff, sizeof(ds));
	put_ret(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	for (i = 56; i < 64; i++)
		odd += ((unsigned char *)&ds)[i] != 0;
	for (i = 88; i < sizeof(ds); i++)
		odd += ((unsigned char *)&ds)[i] != 0;
	put(" %zu nsems=%lu", odd, (unsigned long)ds.sem_nsems);
	put_perm(&ds.sem_perm);
}

/* --- evaluation --- */

CASE("SEM-6", new_set_is_all_zero)
{
	put_sem(sem_new(3));
}

CASE("SEM-7", values_reach_32767)
{
	int id = sem_new(1);

	put_ret(sem_set(id, 0, 32767));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, 1, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, -32767, 0 }));
	put_ret(OPS(id, { 0, 32767, 0 }));
	put(" %d", sem_value(id, 0));
}

CASE("SEM-8", would_block_nowait_is_eagain)
{
	int id = sem_new(1);

	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, 0, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, 2, 0 }));
	put_ret(OPS(id, { 0, 0, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, -3, IPC_NOWAIT }));
	put_ret(OPS(id, { 0, -2, IPC_NOWAIT }));
	put_sem(id);
}

CASE("SEM-9", first_obstacle_decides)
{
	int id = sem_new(2);

	put_ret(sem_set(id, 1, 32767));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 1, 1, 0 }));
	put_ret(OPS(id, { 1, 1, 0 }, { 0, -1, IPC_NOWAIT }));
	put_sem(id);
}

CASE("SEM-9", nowait_of_another_operation_does_not_count)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 1, IPC_NOWAIT });

	put_sleeper_state(s);
	put_sem(id);
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-10", failure_changes_nothing)
{
	int id = sem_new(3);

	put_ret(OPS(id, { 0, 1, 0 }, { 1, 5, 0 }, { 2, -1, IPC_NOWAIT }));
	put_sem(id);
}

CASE("SEM-11", repeated_semaphore_sees_earlier_operations)
{
	int id = sem_new(1);

	put_ret(OPS(id, { 0, 1, 0 }, { 0, -1, 0 }));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, 0, IPC_NOWAIT }, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, 0, IPC_NOWAIT }, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }, { 0, 0, IPC_NOWAIT }));
	put(" %d", sem_value(id, 0));
}

CASE("SEM-11", intermediate_overflow_is_erange)
{
	int id = sem_new(1);

	put_ret(sem_set(id, 0, 1));
	put_ret(OPS(id, { 0, 32767, 0 }, { 0, -32767, 0 }));
	put_ret(OPS(id, { 0, -1, 0 }, { 0, 32767, 0 }, { 0, -32766, 0 }));
	put(" %d", sem_value(id, 0));
}

CASE("SEM-12", intermediate_zero_wakes_nobody)
{
	int id = sem_new(1);
	struct sleeper s;

	put_ret(sem_set(id, 0, 1));
	s = OPS_SLEEP(id, { 0, 0, 0 });
	put_ret(OPS(id, { 0, -1, 0 }, { 0, 1, 0 }));
	put_sleeper_state(s);
	put(" z%d", sem_zcount(id, 0));
	put_ret(OPS(id, { 0, -1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-13", success_stamps_otime_and_pids_of_all_named)
{
	int id = sem_new(3);

	mark_time();
	put_ret(OPS(id, { 0, 1, 0 }, { 2, 0, 0 }));
	put_sem(id);
}

CASE("SEM-13", pure_wait_for_zero_stamps_too)
{
	int id = sem_new(2);

	put_ret(OPS(id, { 1, 0, 0 }));
	put_sem(id);
}

CASE("SEM-14", lowest_sem_op_never_succeeds)
{
	int id = sem_new(1);

	put_ret(sem_set(id, 0, 32767));
	put_ret(OPS(id, { 0, -32768, IPC_NOWAIT }));
	put(" %d", sem_value(id, 0));
}

CASE("SEM-15", nowait_does_not_hide_erange)
{
	int id = sem_new(1);

	put_ret(sem_set(id, 0, 32767));
	put_ret(OPS(id, { 0, 1, IPC_NOWAIT }));
}

CASE("SEM-16", five_hundred_operations_on_one_semaphore)
{
	struct sembuf ops[500];
	int id = sem_new(1);
	size_t i;

	for (i = 0; i < 500; i++)
		ops[i] = (struct sembuf){ 0, 1, 0 };
	put_ret(semop(id, ops, 500));
	put(" %d", sem_value(id, 0));
}

CASE("SEM-16", five_hundred_operations_on_five_hundred_semaphores)
{
	struct sembuf ops[500];
	int id = sem_new(500);
	size_t i;

	for (i = 0; i < 500; i++)
		ops[i] = (struct sembuf){ (unsigned short)i, (short)(i % 7 + 1), 0 };
	put_ret(semop(id, ops, 500));
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 6), sem_value(id, 499));
	for (i = 0; i < 500; i++)
		ops[i].sem_op = (short)-ops[i].sem_op;
	ops[499].sem_op = -3;
	ops[499].sem_flg = IPC_NOWAIT;
	put_ret(semop(id, ops, 500));
	put(" %d %d %d", sem_value(id, 0), sem_value(id, 6), sem_value(id, 499));
}

CASE("IPC-15", unknown_sem_flg_bits_are_ignored)
{
	int id = sem_new(1);

	put_ret(OPS(id, { 0, 1, 0x40 | 0x2 }));
	put(" %d", sem_value(id, 0));
}

/* --- sleeping and waking --- */

CASE("SEM-17", sleeper_completes_when_its_array_can_be_applied)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_state(s);
	put_sem(id);
	put_ret(OPS(id, { 1, 1, 0 }));
	put_sleeper(s);
	put_sem(id);
	sleeper_end(s);
}

CASE("SEM-18", poster_performs_the_waiting_operations)
{
	int id = sem_new(1);
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper b = OPS_SLEEP(id, { 0, -1, 0 });

	put(" n%d", sem_count(id, 0));
	put_ret(OPS(id, { 0, 2, 0 }));
	put(" %d n%d", sem_value(id, 0), sem_count(id, 0));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	put_sleeper_end(a);
	put_sleeper_end(b);
}

CASE("SEM-18", posted_unit_cannot_be_stolen_from_a_stopped_poster_race)
{
	int id = sem_new(1);
	int stolen = 0;
	int round;

	for (round = 0; round < 20; round++) {
		struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

		MUST(OPS(id, { 0, 1, 0 }));
		if (OPS(id, { 0, -1, IPC_NOWAIT }) == 0)
			stolen++;
		if (stolen > 0)
			break;
		while (!sleeper_is_done(s))
			nap(100);
		sleeper_end(s);
	}
	put(" rounds=%d stolen=%d", round, stolen);
}

CASE("SEM-19", completed_sleeper_leaves_its_pid)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 0, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper(s);
	put_pid(sem_pid(id, 0));
	put_pid(sem_pid(id, 1));
	sleeper_end(s);
	put_pid(sem_pid(id, 0));
}

CASE("SEM-20", sleeper_wakes_with_eagain_at_a_later_nowait_obstacle)
{
	int id = sem_new(2);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, IPC_NOWAIT });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-20", sleeper_wakes_with_erange_at_a_later_overflow)
{
	int id = sem_new(2);
	struct sleeper s;

	put_ret(sem_set(id, 1, 32767));
	s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 1, 0 });
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-21", zero_waiters_come_before_decrements)
{
	int id = sem_new(2);
	struct sleeper take;
	struct sleeper zero;

	MUST(sem_set(id, 0, 1));
	/* Both become possible together; the zero waiter sees 0 before the other raises it. */
	take = OPS_SLEEP(id, { 1, -1, 0 }, { 0, 3, 0 });
	zero = OPS_SLEEP(id, { 0, 0, 0 });
	put_ret(OPS(id, { 0, -1, 0 }, { 1, 1, 0 }));
	put_sleeper_end(zero);
	put_sleeper_end(take);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-21", effects_cascade_within_one_call)
{
	int id = sem_new(4);
	struct sleeper c = OPS_SLEEP(id, { 2, -1, 0 }, { 3, 1, 0 });
	struct sleeper b = OPS_SLEEP(id, { 1, -1, 0 }, { 2, 1, 0 });
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put(" %d %d %d %d", sem_value(id, 0), sem_value(id, 1), sem_value(id, 2), sem_value(id, 3));
	put_sleeper_end(a);
	put_sleeper_end(b);
	put_sleeper_end(c);
}

CASE("SEM-21", cascade_serves_oldest_first_after_each_success)
{
	int id = sem_new(3);
	/* c is the oldest and needs what a gives; d is younger and wants the same unit. */
	struct sleeper c = OPS_SLEEP(id, { 1, -1, 0 });
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 1, 0 });
	struct sleeper d = OPS_SLEEP(id, { 1, -1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(a);
	put_sleeper_end(c);
	put_sleeper_state(d);
	put(" n%d", sem_count(id, 1));
	put_ret(OPS(id, { 1, 1, 0 }));
	put_sleeper_end(d);
}

CASE("SEM-22", oldest_of_equals_goes_first)
{
	int id = sem_new(1);
	struct sleeper s[4];
	int i;

	for (i = 0; i < 4; i++)
		s[i] = OPS_SLEEP(id, { 0, -1, 0 });
	for (i = 0; i < 4; i++) {
		put_ret(OPS(id, { 0, 1, 0 }));
		put_pid(sem_pid(id, 0));
		put_sleeper_end(s[i]);
		put(" n%d", sem_count(id, 0));
	}
}

CASE("SEM-22", smaller_demand_overtakes_a_larger_older_one)
{
	int id = sem_new(1);
	struct sleeper big = OPS_SLEEP(id, { 0, -3, 0 });
	struct sleeper small = OPS_SLEEP(id, { 0, -1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(small);
	put_sleeper_state(big);
	put_ret(OPS(id, { 0, 3, 0 }));
	put_sleeper_end(big);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-22", age_counts_between_single_and_multi_operation_sleepers)
{
	int id = sem_new(2);
	struct sleeper multi = OPS_SLEEP(id, { 0, -1, 0 }, { 1, 1, 0 });
	struct sleeper single = OPS_SLEEP(id, { 0, -1, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(multi);
	put_sleeper_state(single);
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(single);
	put(" %d", sem_value(id, 1));
}

CASE("SEM-23", newcomer_that_can_proceed_does)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -2, 0 });

	put_ret(OPS(id, { 0, 1, 0 }));
	put_ret(OPS(id, { 0, -1, IPC_NOWAIT }));
	put_sleeper_state(s);
	put_ret(OPS(id, { 0, 2, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-24", zero_waiter_is_granted_though_the_value_rises_again)
{
	int id = sem_new(1);
	struct sleeper s;

	MUST(sem_set(id, 0, 1));
	s = OPS_SLEEP(id, { 0, 0, 0 });
	MUST(OPS(id, { 0, -1, 0 }));
	MUST(OPS(id, { 0, 5, 0 }));
	put_sleeper_end(s);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-24", decrement_by_the_waker_releases_zero_waiters)
{
	int id = sem_new(1);
	struct sleeper zero;
	struct sleeper take;

	MUST(sem_set(id, 0, 1));
	zero = OPS_SLEEP(id, { 0, 0, 0 });
	take = OPS_SLEEP(id, { 0, -3, 0 });
	put_ret(OPS(id, { 0, 2, 0 }));
	put_sleeper_end(take);
	put_sleeper_end(zero);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-25", only_the_first_obstacle_counts_and_the_count_moves)
{
	int id = sem_new(3);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 }, { 2, 0, 0 });

	put(" n%d n%d z%d", sem_count(id, 0), sem_count(id, 1), sem_zcount(id, 2));
	MUST(sem_set(id, 2, 1));
	MUST(OPS(id, { 0, 1, 0 }));
	put(" n%d n%d z%d", sem_count(id, 0), sem_count(id, 1), sem_zcount(id, 2));
	MUST(OPS(id, { 1, 1, 0 }));
	put(" n%d n%d z%d", sem_count(id, 0), sem_count(id, 1), sem_zcount(id, 2));
	MUST(OPS(id, { 2, -1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-26", ipc_set_does_not_disturb_sleepers)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });
	struct semid_ds ds;

	MUST(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	ds.sem_perm.mode = 0400;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put(" n%d", sem_count(id, 0));
	put_sleeper_state(s);
	ds.sem_perm.mode = 0600;
	put_ret(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(s);
}

CASE("SEM-26", setval_lets_sleepers_in)
{
	int id = sem_new(1);
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper b = OPS_SLEEP(id, { 0, -2, 0 });

	put_ret(sem_set(id, 0, 3));
	put_sleeper_end(a);
	put_sleeper_end(b);
	put(" %d", sem_value(id, 0));
}

CASE("SEM-26", setall_lets_sleepers_in)
{
	int id = sem_new(2);
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 }, { 1, -1, 0 });
	unsigned short values[2] = { 1, 2 };

	put_ret(semctl(id, 0, SETALL, (union semun){ .array = values }));
	put_sleeper_end(a);
	put(" %d %d", sem_value(id, 0), sem_value(id, 1));
}

CASE("SEM-26", setval_to_zero_releases_zero_waiters)
{
	int id = sem_new(1);
	struct sleeper s;

	MUST(sem_set(id, 0, 5));
	s = OPS_SLEEP(id, { 0, 0, 0 });
	put_ret(sem_set(id, 0, 0));
	put_sleeper_end(s);
}

CASE("SEM-27", killed_sleeper_leaves_the_queue)
{
	int id = sem_new(1);
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper b = OPS_SLEEP(id, { 0, -1, 0 });

	child_kill(a.pid);
	put(" n%d", sem_count(id, 0));
	put_ret(OPS(id, { 0, 1, 0 }));
	put_sleeper_end(b);
	put(" %d", sem_value(id, 0));
}

/* --- semctl effects --- */

CASE("SEM-35", setval_effects)
{
	int id = sem_new(2);

	mark_time();
	put_ret(sem_set(id, 1, 7));
	put_sem(id);
}

CASE("SEM-35", setval_that_completes_a_sleeper_stamps_otime)
{
	int id = sem_new(1);
	struct sleeper s = OPS_SLEEP(id, { 0, -1, 0 });

	put_ret(sem_set(id, 0, 1));
	put_sleeper(s);
	put_sem(id);
	sleeper_end(s);
}

CASE("SEM-36", setall_effects)
{
	int id = sem_new(3);
	unsigned short values[3] = { 1, 0, 3 };

	mark_time();
	put_ret(semctl(id, 0, SETALL, (union semun){ .array = values }));
	put_sem(id);
}

static void post_and_leave(void *arg)
{
	MUST(OPS(*(int *)arg, { 0, 1, 0 }));
}

CASE("SEM-37", pid_of_a_dead_process_is_still_reported)
{
	int id = sem_new(1);

	put_pid(sem_pid(id, 0));
	child_run(post_and_leave, &id);
	put_pid(sem_pid(id, 0));
	MUST(OPS(id, { 0, 1, 0 }));
	put_pid(sem_pid(id, 0));
}

CASE("SEM-38", getval_and_getall_agree)
{
	int id = sem_new(64);
	unsigned short in[64];
	unsigned short out[64];
	size_t i;

	for (i = 0; i < 64; i++)
		in[i] = (unsigned short)(i * 511);
	put_ret(semctl(id, 0, SETALL, (union semun){ .array = in }));
	put_ret(semctl(id, 0, GETALL, (union semun){ .array = out }));
	put(" %d %d %d", memcmp(in, out, sizeof(in)), sem_value(id, 1), sem_value(id, 63));
}

CASE("SEM-39", rmid_ends_sleepers_with_eidrm)
{
	int id = sem_new(2);
	struct sleeper a = OPS_SLEEP(id, { 0, -1, 0 });
	struct sleeper b = OPS_SLEEP(id, { 1, -1, 0 }, { 0, 1, 0 });
	struct sleeper c;

	MUST(sem_set(id, 1, 0));
	c = OPS_SLEEP(id, { 0, -5, SEM_UNDO });
	put_ret(semctl(id, 0, IPC_RMID));
	put_sleeper_end(a);
	put_sleeper_end(b);
	put_sleeper_end(c);
	put_ret(OPS(id, { 0, 1, 0 }));
}

CASE("SEM-39", rmid_ends_zero_waiters_and_timed_waiters_too)
{
	int id = sem_new(1);
	struct sleeper a;

	MUST(sem_set(id, 0, 1));
	a = OPS_SLEEP(id, { 0, 0, 0 });
	put_ret(semctl(id, 0, IPC_RMID));
	put_sleeper_end(a);
}

CASE("SEM-40", ipc_info)
{
	struct seminfo info;

	memset(&info, 0xff, sizeof(info));
	put_ok(semctl(0, 0, IPC_INFO, (union semun){ .info = &info }));
	put(" %d %d %d %d %d %d %d %d %d %d", info.semmap, info.semmni, info.semmns, info.semmnu,
	    info.semmsl, info.semopm, info.semume, info.semusz, info.semvmx, info.semaem);
}

CASE("SEM-41", sem_info_counts_sets_and_semaphores)
{
	struct seminfo before;
	struct seminfo info;

	put_ok(semctl(0, 0, SEM_INFO, (union semun){ .info = &before }));
	(void)sem_new(3);
	(void)sem_new(4);
	put_ok(semctl(0, 0, SEM_INFO, (union semun){ .info = &info }));
	put(" +%d +%d", info.semusz - before.semusz, info.semaem - before.semaem);
}

CASE("LIM-6", a_set_of_32000_semaphores_works)
{
	int id = sem_new(32000);

	put_ret(OPS(id, { 31999, 3, 0 }, { 0, 1, 0 }));
	put(" %d %d %d", sem_value(id, 31999), sem_value(id, 0), sem_value(id, 15000));
}
