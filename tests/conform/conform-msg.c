/* conform-msg.c: message queues: order of checks, sending, receiving, hand-off, msgctl. */
#include "conform.h"

/* --- order of checks --- */

CASE("MSG-1", msgsnd_unreadable_type_beats_bad_id)
{
	put_ret(msgsnd(-1, bad_pointer(), 1, 0));
	put_ret(msgsnd(msg_new(), bad_pointer(), 1, 0));
	put_ret(msgsnd(msg_new(), NULL, 0, 0));
	put_ret(msgsnd(msg_new(), bad_pointer(), TEXT_MAX + 1, 0));
}

CASE("MSG-1", msgsnd_size_id_and_type_errors)
{
	int id = msg_new();

	put_ret(msg_send(-1, 1, 1, 0));
	put_ret(msg_send(id, 1, TEXT_MAX + 1, 0));
	put_ret(msg_send(id, 1, (size_t)-1, 0));
	put_ret(msg_send(id, 1, (size_t)SSIZE_MAX + 1, 0));
	put_ret(msg_send(id, 0, 1, 0));
	put_ret(msg_send(id, -1, 1, 0));
	put_ret(msg_send(msg_stale(), 1, 1, 0));
	put_msg(id);
}

CASE("MSG-1", msgsnd_unreadable_text_is_efault)
{
	int id = msg_new();
	long *type = edge_pointer(sizeof(long) + 8);

	*type = 1;
	put_ret(msgsnd(id, type, 9, 0));
	put_ret(msgsnd(id, type, 8, 0));
	put_ret(msgsnd(msg_stale(), type, 9, 0));
	*type = 0;
	put_ret(msgsnd(id, type, 9, 0));
	put(" %lu", msg_stat(id).msg_qnum);
}

CASE("MSG-1", msgsnd_eacces_beats_a_full_queue)
{
	int id;

	need_uids();
	id = msg_new();
	MUST(msg_set_qbytes(id, 0));
	seem(NOBODY);
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	seem_root();
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
}

CASE("MSG-2", msgrcv_bad_id_or_size)
{
	struct message m;
	int id = msg_new();

	put_ret(msgrcv(-1, &m, 1, 0, IPC_NOWAIT));
	put_ret(msgrcv(msg_stale(), &m, 1, 0, IPC_NOWAIT));
	put_ret(msgrcv(id, &m, (size_t)-1, 0, IPC_NOWAIT));
	put_ret(msgrcv(id, &m, (size_t)SSIZE_MAX + 1, 0, IPC_NOWAIT));
	put_ret(msgrcv(id, bad_pointer(), 1, 0, IPC_NOWAIT));
}

CASE("MSG-2", msgrcv_eacces_beats_enomsg)
{
	struct message m;
	int id;

	need_uids();
	id = msg_new();
	seem(NOBODY);
	put_ret(msgrcv(id, &m, 1, 0, IPC_NOWAIT));
	seem_root();
	put_ret(msgrcv(id, &m, 1, 0, IPC_NOWAIT));
}

/* --- sending --- */

CASE("MSG-3", admission_is_by_bytes)
{
	int id = msg_new();

	MUST(msg_set_qbytes(id, 100));
	put_ret(msg_send(id, 1, 60, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 41, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 40, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	put_msg(id);
}

CASE("MSG-3", admission_is_by_count_too)
{
	int id = msg_new();
	int i;

	MUST(msg_set_qbytes(id, 3));
	for (i = 0; i < 4; i++)
		put_ret(msg_send(id, 1, 0, IPC_NOWAIT));
	put_msg(id);
}

CASE("MSG-3", default_queue_takes_16384_bytes)
{
	int id = msg_new();

	put_ret(msg_send(id, 1, 8192, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 8192, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 0, IPC_NOWAIT));
	put_msg(id);
}

CASE("MSG-3", sixteen_thousand_empty_messages)
{
	int id = msg_new();
	long n = 0;

	while (n < 20000 && msg_send(id, n + 1, 0, IPC_NOWAIT) == 0)
		n++;
	put(" %ld", n);
	put_msg(id);
	put_receive(id, 0, 16000, IPC_NOWAIT);
	put_receive(id, 0, 0, IPC_NOWAIT);
	put_receive(id, 0, -3, IPC_NOWAIT);
}

CASE("MSG-4", byte_full_queue_takes_empty_messages)
{
	int id = msg_new();

	MUST(msg_set_qbytes(id, 10));
	put_ret(msg_send(id, 1, 10, IPC_NOWAIT));
	put_ret(msg_send(id, 2, 0, IPC_NOWAIT));
	put_ret(msg_send(id, 2, 1, IPC_NOWAIT));
	put_receive(id, 10, 2, IPC_NOWAIT);
}

CASE("MSG-7", type_may_be_long_max)
{
	int id = msg_new();

	put_ret(msg_send(id, LONG_MAX, 3, 0));
	put_ret(msg_send(id, LONG_MAX - 1, 3, 0));
	put_receive(id, 10, LONG_MAX, IPC_NOWAIT);
	put_receive(id, 10, LONG_MIN, IPC_NOWAIT);
}

CASE("MSG-9", send_effects)
{
	int id = msg_new();

	mark_time();
	put_ret(msg_send(id, 1, 3, 0));
	put_msg(id);
}

CASE("MSG-10", failed_send_changes_nothing)
{
	int id = msg_new();

	MUST(msg_set_qbytes(id, 2));
	put_ret(msg_send(id, 1, 3, IPC_NOWAIT));
	put_msg(id);
}

/* --- receiving --- */

static int mixed_queue(void)
{
	int id = msg_new();
	static const long types[] = { 3, 5, 2, 5, 2, 9 };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		MUST(msg_send(id, types[i], i + 1, 0));
	return id;
}

CASE("MSG-11", type_zero_takes_the_first)
{
	int id = mixed_queue();
	int i;

	for (i = 0; i < 7; i++)
		put_receive(id, 100, 0, IPC_NOWAIT);
}

CASE("MSG-12", positive_type_takes_the_first_of_that_type)
{
	int id = mixed_queue();

	put_receive(id, 100, 5, IPC_NOWAIT);
	put_receive(id, 100, 5, IPC_NOWAIT);
	put_receive(id, 100, 5, IPC_NOWAIT);
	put_receive(id, 100, 4, IPC_NOWAIT);
	put_receive(id, 100, 9, IPC_NOWAIT);
	put_msg(id);
}

CASE("MSG-12", except_takes_the_first_of_any_other_type)
{
	int id = mixed_queue();

	put_receive(id, 100, 3, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, 2, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, 5, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, 77, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, 9, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, 9, IPC_NOWAIT | MSG_EXCEPT);
}

CASE("MSG-13", negative_type_takes_the_lowest)
{
	int id = mixed_queue();
	int i;

	put_receive(id, 100, -1, IPC_NOWAIT);
	for (i = 0; i < 6; i++)
		put_receive(id, 100, -5, IPC_NOWAIT);
	put_receive(id, 100, LONG_MIN, IPC_NOWAIT);
}

CASE("MSG-14", except_with_zero_or_negative_type_is_ignored)
{
	int id = mixed_queue();

	put_receive(id, 100, 0, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 100, -2, IPC_NOWAIT | MSG_EXCEPT);
}

CASE("MSG-15", arrival_order_over_hundreds_of_messages)
{
	int id = msg_new();
	long expected[3] = { 0, 0, 0 };
	int wrong = 0;
	int i;

	for (i = 0; i < 600; i++) {
		struct message m = { .type = i % 3 + 1 };

		memcpy(m.text, &i, sizeof(i));
		MUST(msgsnd(id, &m, sizeof(i), IPC_NOWAIT));
	}
	for (i = 0; i < 600; i++) {
		long type = (i * 7) % 3 + 1;
		struct message m;
		int number;

		MUST(msgrcv(id, &m, 100, type, IPC_NOWAIT));
		memcpy(&number, m.text, sizeof(number));
		if (number != expected[type - 1] * 3 + type - 1)
			wrong++;
		expected[type - 1]++;
	}
	put(" wrong=%d", wrong);
	put_msg(id);
}

CASE("MSG-16", too_long_is_e2big_and_stays)
{
	int id = msg_new();

	MUST(msg_send(id, 1, 10, 0));
	MUST(msg_send(id, 1, 2, 0));
	put_receive(id, 9, 0, IPC_NOWAIT);
	put_receive(id, 9, 1, IPC_NOWAIT);
	put_msg(id);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("MSG-16", noerror_cuts_the_text)
{
	int id = msg_new();

	MUST(msg_send(id, 1, 10, 0));
	MUST(msg_send(id, 2, 10, 0));
	put_receive(id, 4, 0, IPC_NOWAIT | MSG_NOERROR);
	put_receive(id, 0, 0, IPC_NOWAIT | MSG_NOERROR);
	put_msg(id);
}

CASE("MSG-17", empty_text_into_empty_buffer)
{
	int id = msg_new();

	MUST(msg_send(id, 7, 0, 0));
	put_receive(id, 0, 0, IPC_NOWAIT);
	MUST(msg_send(id, 7, 1, 0));
	put_receive(id, 0, 0, IPC_NOWAIT);
}

CASE("MSG-18", receive_effects)
{
	int id = msg_new();

	MUST(msg_send(id, 1, 5, 0));
	MUST(msg_send(id, 1, 6, 0));
	mark_time();
	put_receive(id, 100, 0, 0);
	put_msg(id);
}

CASE("MSG-19", no_match_nowait_is_enomsg)
{
	int id = msg_new();

	put_receive(id, 1, 0, IPC_NOWAIT);
	MUST(msg_send(id, 4, 1, 0));
	put_receive(id, 1, 5, IPC_NOWAIT);
	put_receive(id, 1, -3, IPC_NOWAIT);
	put_receive(id, 1, 4, IPC_NOWAIT | MSG_EXCEPT);
	put_msg(id);
}

CASE("MSG-20", msgmax_does_not_limit_the_receive_size)
{
	int id = msg_new();
	struct message *m = malloc(2000000);

	MUST(msg_send(id, 4, 8192, 0));
	put_ret(msgrcv(id, m, 1000000, 0, IPC_NOWAIT));
	put(" %ld %c %c", m->type, m->text[0], m->text[8191]);
}

CASE("MSG-22", bad_buffer_loses_the_message)
{
	int id = msg_new();
	long *buffer = edge_pointer(sizeof(long));

	MUST(msg_send(id, 3, 5, 0));
	MUST(msg_send(id, 4, 5, 0));
	put_ret(msgrcv(id, bad_pointer(), 10, 0, IPC_NOWAIT));
	*buffer = -1;
	put_ret(msgrcv(id, buffer, 10, 0, IPC_NOWAIT));
	put(" type=%ld", *buffer);
	put_msg(id);
}

CASE("MSG-16", only_the_selected_message_is_judged)
{
	int id = msg_new();

	MUST(msg_send(id, 2, 10, 0));
	MUST(msg_send(id, 1, 20, 0));
	MUST(msg_send(id, 1, 2, 0));
	put_receive(id, 10, -2, IPC_NOWAIT);
	put_receive(id, 10, 1, IPC_NOWAIT);
	put_receive(id, 10, 2, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 10, 1, IPC_NOWAIT | MSG_EXCEPT);
	put_receive(id, 10, -2, IPC_NOWAIT | MSG_NOERROR);
	put_msg(id);
}

CASE("MSG-22", bad_buffer_with_no_message_is_enomsg)
{
	put_ret(msgrcv(msg_new(), bad_pointer(), 10, 0, IPC_NOWAIT));
}

CASE("MSG-23", buffer_after_the_text_is_untouched)
{
	struct message m;
	int id = msg_new();

	memset(&m, 'z', sizeof(m));
	MUST(msg_send(id, 3, 5, 0));
	put_ret(msgrcv(id, &m, 100, 0, 0));
	put(" %ld %.8s", m.type, m.text);
}

CASE("MSG-23", every_byte_of_a_long_message_arrives)
{
	struct message out = { .type = 1 };
	struct message in;
	int id = msg_new();
	size_t size;
	int wrong = 0;

	for (size = 0; size < TEXT_MAX; size++)
		out.text[size] = (char)(size * 31 % 251);
	for (size = 0; size <= TEXT_MAX; size += 127) {
		memset(&in, 0x55, sizeof(in));
		MUST(msgsnd(id, &out, size, 0));
		if (msgrcv(id, &in, TEXT_MAX, 0, 0) != (ssize_t)size || memcmp(in.text, out.text, size) != 0)
			wrong++;
	}
	put(" wrong=%d", wrong);
}

CASE("IPC-15", unknown_msgflg_bits_are_ignored)
{
	int id = msg_new();

	put_ret(msg_send(id, 1, 1, 0x40000 | 0x4));
	put_receive(id, 1, 0, 0x40000 | 0x4 | IPC_NOWAIT);
}

/* --- MSG_COPY --- */

CASE("MSG-24", copy_takes_a_position_and_changes_nothing)
{
	int id = mixed_queue();
	int i;

	for (i = 0; i < 6; i++)
		put_receive(id, 100, i, IPC_NOWAIT | MSG_COPY);
	put_msg(id);
}

CASE("MSG-25", copy_beyond_the_end_is_enomsg)
{
	int id = mixed_queue();

	put_receive(id, 100, 6, IPC_NOWAIT | MSG_COPY);
	put_receive(id, 100, -1, IPC_NOWAIT | MSG_COPY);
	put_receive(msg_new(), 100, 0, IPC_NOWAIT | MSG_COPY);
}

CASE("MSG-26", copy_into_a_short_buffer)
{
	int id = mixed_queue();

	put_receive(id, 3, 4, IPC_NOWAIT | MSG_COPY);
	put_receive(id, 3, 4, IPC_NOWAIT | MSG_COPY | MSG_NOERROR);
	put_receive(id, 5, 4, IPC_NOWAIT | MSG_COPY | MSG_NOERROR);
}

CASE("MSG-24", copy_needs_read_permission_alone)
{
	int id;

	need_uids();
	id = (int)MUST(get_msg(IPC_PRIVATE, 0604));
	MUST(msg_send(id, 3, 5, 0));
	seem(NOBODY);
	put_receive(id, 100, 0, IPC_NOWAIT | MSG_COPY);
	seem_root();
	id = (int)MUST(get_msg(IPC_PRIVATE, 0602));
	MUST(msg_send(id, 3, 5, 0));
	seem(NOBODY);
	put_receive(id, 100, 0, IPC_NOWAIT | MSG_COPY);
}

CASE("MSG-27", copy_flag_errors_beat_the_id)
{
	int id = mixed_queue();

	put_receive(id, 100, 0, MSG_COPY);
	put_receive(id, 100, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT);
	put_receive(msg_stale(), 100, 0, MSG_COPY);
	put_receive(msg_stale(), 100, 0, MSG_COPY | IPC_NOWAIT);
}

CASE("MSG-29", copy_reads_its_destination_first)
{
	put_ret(msgrcv(msg_stale(), bad_pointer(), 100, 0, MSG_COPY | IPC_NOWAIT));
	put_ret(msgrcv(msg_stale(), bad_pointer(), 100, 0, MSG_COPY));
}

/* --- msgctl --- */

CASE("MSG-39", new_queue)
{
	put_msg(msg_new());
}

CASE("MSG-40", ipc_set_sets_qbytes_and_ctime)
{
	int id = msg_new();

	mark_time();
	put_ret(msg_set_qbytes(id, 50));
	put_msg(id);
	put_ret(msg_set_qbytes(id, 16384));
	put_msg(id);
}

CASE("MSG-40", only_the_low_32_bits_of_qbytes_count)
{
	int id = msg_new();

	put_ret(msg_set_qbytes(id, (1ul << 32) + 50));
	put(" %lu", msg_stat(id).msg_qbytes);
	put_ret(msg_send(id, 1, 51, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 50, IPC_NOWAIT));
}

CASE("MSG-41", qbytes_zero_lets_nothing_in)
{
	int id = msg_new();

	put_ret(msg_set_qbytes(id, 0));
	put_ret(msg_send(id, 1, 0, IPC_NOWAIT));
	put_ret(msg_send(id, 1, 1, IPC_NOWAIT));
	put_msg(id);
}

CASE("MSG-41", qbytes_below_cbytes_keeps_the_messages)
{
	int id = msg_new();

	MUST(msg_send(id, 1, 30, 0));
	MUST(msg_send(id, 2, 30, 0));
	put_ret(msg_set_qbytes(id, 40));
	put_msg(id);
	put_ret(msg_send(id, 3, 1, IPC_NOWAIT));
	put_receive(id, 100, 0, IPC_NOWAIT);
	put_ret(msg_send(id, 3, 10, IPC_NOWAIT));
	put_receive(id, 100, 2, IPC_NOWAIT);
}

CASE("MSG-42", unprivileged_owner_may_raise_up_to_msgmnb)
{
	int id;

	need_uids();
	become(NOBODY);
	id = msg_new();
	put_ret(msg_set_qbytes(id, 100));
	put_ret(msg_set_qbytes(id, 16384));
	put_ret(msg_set_qbytes(id, 16385));
	put_msg(id);
}

CASE("MSG-46", ipc_info)
{
	struct msginfo info;

	memset(&info, 0xff, sizeof(info));
	put_ok(msgctl(0, IPC_INFO, (struct msqid_ds *)&info));
	put(" %d %d %d %d %d %d %d %u", info.msgpool, info.msgmap, info.msgmax, info.msgmnb,
	    info.msgmni, info.msgssz, info.msgtql, info.msgseg);
}

CASE("MSG-46", msg_info_counts_queues_messages_bytes)
{
	struct msginfo before;
	struct msginfo info;
	int a = msg_new();

	put_ok(msgctl(0, MSG_INFO, (struct msqid_ds *)&before));
	MUST(msg_send(a, 1, 10, 0));
	MUST(msg_send(msg_new(), 1, 20, 0));
	put_ok(msgctl(0, MSG_INFO, (struct msqid_ds *)&info));
	put(" +%d +%d +%d max=%d", info.msgpool - before.msgpool, info.msgmap - before.msgmap,
	    info.msgtql - before.msgtql, info.msgmax);
}

static void send_and_leave(void *arg)
{
	MUST(msg_send(*(int *)arg, 1, 1, 0));
	put_receive(*(int *)arg, 1, 0, 0);
	MUST(msg_send(*(int *)arg, 1, 1, 0));
}

CASE("MSG-47", pids_of_dead_processes_stay)
{
	int id = msg_new();

	child_run(send_and_leave, &id);
	put_msg(id);
}

CASE("MSG-48", ctime_is_untouched_by_traffic)
{
	int id = msg_new();

	mark_time();
	MUST(msg_send(id, 1, 1, 0));
	put_receive(id, 1, 0, 0);
	put_msg(id);
}

CASE("ABI-15", msg_stat_clears_what_it_does_not_use)
{
	struct msqid_ds ds;
	int id = msg_new();
	size_t odd = 0;
	size_t i;

	memset(&ds, 0xff, sizeof(ds));
	put_ret(msgctl(id, IPC_STAT, &ds));
	for (i = 104; i < sizeof(ds); i++)
		odd += ((unsigned char *)&ds)[i] != 0;
	put(" %zu", odd);
	put_perm(&ds.msg_perm);
}

CASE("ABI-17", message_need_not_be_aligned)
{
	char buffer[64];
	long type = 77;
	int id = msg_new();

	memcpy(buffer + 1, &type, sizeof(type));
	memcpy(buffer + 1 + sizeof(type), "odd", 3);
	put_ret(msgsnd(id, buffer + 1, 3, 0));
	memset(buffer, 0, sizeof(buffer));
	put_ret(msgrcv(id, buffer + 3, 10, 0, 0));
	memcpy(&type, buffer + 3, sizeof(type));
	put(" %ld %s", type, buffer + 3 + sizeof(type));
}

CASE("IPC-29", msgctl_unknown_command_is_einval)
{
	struct msqid_ds ds;
	int id = msg_new();

	put_ret(msgctl(id, 99, &ds));
	put_ret(msgctl(id, -1, &ds));
	put_ret(msgctl(-1, IPC_STAT, &ds));
	put_ret(msgctl(id, IPC_STAT | 0x100, &ds));
}
