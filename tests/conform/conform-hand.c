/* conform-hand.c: message queues: sleepers, hand-off, what wakes whom. */
#include "conform.h"

#include <pthread.h>

/* --- senders that sleep --- */

CASE("MSG-5", message_larger_than_the_queue_never_enters)
{
	int id = msg_new();
	struct sleeper s;

	MUST(msg_set_qbytes(id, 10));
	put_ret(msg_send(id, 1, 11, IPC_NOWAIT));
	s = msgsnd_sleep(id, 1, 11);
	put_sleeper_state(s);
	put_ret(msg_set_qbytes(id, 11));
	put_sleeper_end(s);
	put_receive(id, 20, 0, IPC_NOWAIT);
}

CASE("MSG-6", full_queue_blocks_though_a_receiver_waits)
{
	int id = msg_new();
	struct sleeper s;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	s = msgrcv_sleep(id, 100, 2, 0);
	put_ret(msg_send(id, 2, 5, IPC_NOWAIT));
	put_sleeper_state(s);
	put_receive(id, 10, 1, IPC_NOWAIT);
	put_ret(msg_send(id, 2, 5, IPC_NOWAIT));
	put_sleeper_end(s);
}

static struct message *captured;

static long send_captured(void *arg)
{
	return msgsnd(*(int *)arg, captured, 1, 0);
}

CASE("MSG-8", sleeping_sender_sends_what_was_there_at_entry)
{
	int id = msg_new();
	struct sleeper s;

	captured = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	captured->type = 5;
	captured->text[0] = 'x';
	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	s = sleeper_start(send_captured, &id);
	sleeper_settle(s);
	captured->type = 9;
	captured->text[0] = 'y';
	put_receive(id, 10, 1, 0);
	put_sleeper_end(s);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

/* --- hand-off and sleepers --- */

CASE("MSG-30", hand_off_never_queues)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 100, 0, 0);

	mark_time();
	put_ret(msg_send(id, 1, 9, 0));
	put_msg(id);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("MSG-30", oldest_matching_receiver_gets_it)
{
	int id = msg_new();
	struct sleeper other = msgrcv_sleep(id, 100, 7, 0);
	struct sleeper a = msgrcv_sleep(id, 100, 2, 0);
	struct sleeper b = msgrcv_sleep(id, 100, 0, 0);

	put_ret(msg_send(id, 2, 1, 0));
	put_sleeper_end(a);
	put_ret(msg_send(id, 2, 2, 0));
	put_sleeper_end(b);
	put_sleeper_state(other);
	put_ret(msg_send(id, 7, 3, 0));
	put_sleeper_end(other);
}

CASE("MSG-30", every_selector_wakes_on_its_own_type)
{
	int id = msg_new();
	struct sleeper except = msgrcv_sleep(id, 100, 3, MSG_EXCEPT);
	struct sleeper low;

	put_ret(msg_send(id, 3, 1, 0));
	put_sleeper_state(except);
	put_ret(msg_send(id, 4, 2, 0));
	put_sleeper_end(except);
	put_receive(id, 100, 0, IPC_NOWAIT);
	low = msgrcv_sleep(id, 100, -4, 0);
	put_ret(msg_send(id, 5, 3, 0));
	put_sleeper_state(low);
	put_ret(msg_send(id, 4, 4, 0));
	put_sleeper_end(low);
	put_msg(id);
}

CASE("MSG-30", handed_off_text_may_be_cut)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 4, 0, MSG_NOERROR);

	put_ret(msg_send(id, 1, 9, 0));
	put_sleeper_end(s);
	put_msg(id);
}

CASE("MSG-31", short_sleepers_wake_with_e2big_and_the_search_goes_on)
{
	int id = msg_new();
	struct sleeper a = msgrcv_sleep(id, 4, 0, 0);
	struct sleeper b = msgrcv_sleep(id, 5, 0, 0);
	struct sleeper c = msgrcv_sleep(id, 9, 0, 0);

	put_ret(msg_send(id, 1, 9, 0));
	put_sleeper_end(a);
	put_sleeper_end(b);
	put_sleeper_end(c);
	put(" %lu", msg_stat(id).msg_qnum);
}

CASE("MSG-31", message_nobody_can_take_is_queued)
{
	int id = msg_new();
	struct sleeper a = msgrcv_sleep(id, 4, 0, 0);

	put_ret(msg_send(id, 1, 9, 0));
	put_sleeper_end(a);
	put_receive(id, 9, 0, IPC_NOWAIT);
}

CASE("MSG-32", negative_selector_takes_the_first_that_arrives)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 100, -9, 0);

	put_ret(msg_send(id, 8, 8, 0));
	put_ret(msg_send(id, 2, 2, 0));
	put_sleeper_end(s);
	put_receive(id, 100, 0, IPC_NOWAIT);
}

CASE("MSG-35", newcomer_may_receive_past_a_sleeper_of_another_type)
{
	int id = msg_new();
	struct sleeper s = msgrcv_sleep(id, 100, 2, 0);

	put_ret(msg_send(id, 1, 1, 0));
	put_receive(id, 100, 0, IPC_NOWAIT);
	put_sleeper_state(s);
	put_ret(msg_send(id, 2, 1, 0));
	put_sleeper_end(s);
}

CASE("MSG-36", receive_lets_a_sender_in)
{
	int id = msg_new();
	struct sleeper s;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	s = msgsnd_sleep(id, 2, 6);
	put_sleeper_state(s);
	put_receive(id, 10, 0, 0);
	put_sleeper(s);
	put_msg(id);
	sleeper_end(s);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

CASE("MSG-36", all_senders_get_in_as_room_appears)
{
	int id = msg_new();
	struct sleeper s[4];
	long sum = 0;
	int i;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	for (i = 0; i < 4; i++)
		s[i] = msgsnd_sleep(id, 10 + i, 10);
	for (i = 0; i < 5; i++) {
		struct message m;

		MUST(msgrcv(id, &m, 10, 0, 0));
		sum += m.type;
	}
	for (i = 0; i < 4; i++)
		put_sleeper_end(s[i]);
	put(" sum=%ld", sum);
}

CASE("MSG-37", smaller_later_sender_may_overtake)
{
	int id = msg_new();
	struct sleeper big;
	struct sleeper small;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 5, 0));
	MUST(msg_send(id, 1, 5, 0));
	big = msgsnd_sleep(id, 2, 8);
	small = msgsnd_sleep(id, 3, 4);
	put_receive(id, 10, 0, 0);
	put_sleeper_end(small);
	put_sleeper_state(big);
	put_receive(id, 10, 0, 0);
	put_receive(id, 10, 0, 0);
	put_sleeper_end(big);
}

CASE("MSG-38", rmid_ends_all_sleepers_with_eidrm)
{
	int id = msg_new();
	struct sleeper sender;
	struct sleeper receiver;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	sender = msgsnd_sleep(id, 2, 6);
	receiver = msgrcv_sleep(id, 100, 5, 0);
	put_ret(msgctl(id, IPC_RMID, NULL));
	put_sleeper_end(sender);
	put_sleeper_end(receiver);
	put_receive(id, 10, 0, IPC_NOWAIT);
}

/* --- IPC_SET and sleepers --- */

CASE("MSG-43", ipc_set_wakes_senders_that_now_fit)
{
	int id = msg_new();
	struct sleeper s;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	s = msgsnd_sleep(id, 2, 6);
	put_ret(msg_set_qbytes(id, 15));
	put_sleeper_state(s);
	put_ret(msg_set_qbytes(id, 16));
	put_sleeper_end(s);
	put(" %lu", msg_stat(id).__msg_cbytes);
}

static void prepare_nobody(void)
{
	become(NOBODY);
}

static int chmod_msg(int id, unsigned int mode)
{
	struct msqid_ds ds = msg_stat(id);

	ds.msg_perm.mode = (unsigned short)mode;
	return msgctl(id, IPC_SET, &ds);
}

CASE("MSG-44", ipc_set_makes_receivers_recheck_permission)
{
	struct sleeper allowed;
	struct sleeper refused;
	int id;

	need_uids();
	id = (int)MUST(get_msg(IPC_PRIVATE, 0666));
	allowed = msgrcv_sleep(id, 100, 3, 0);
	sleeper_prepare = prepare_nobody;
	refused = msgrcv_sleep(id, 100, 3, 0);
	put_sleeper_state(refused);
	put_ret(chmod_msg(id, 0600));
	sleeper_settle(refused);
	put_sleeper_state(refused);
	put_sleeper_state(allowed);
	put_ret(msg_send(id, 3, 1, 0));
	put_ret(msg_send(id, 3, 1, 0));
	put_sleeper_end(refused);
	put_sleeper_end(allowed);
}

CASE("MSG-45", sender_rechecks_permission_when_room_wakes_it)
{
	struct sleeper s;
	int id;

	need_uids();
	id = (int)MUST(get_msg(IPC_PRIVATE, 0666));
	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 10, 0));
	sleeper_prepare = prepare_nobody;
	s = msgsnd_sleep(id, 2, 6);
	put_ret(chmod_msg(id, 0600));
	nap(20000);
	put_sleeper_state(s);
	put_receive(id, 100, 0, 0);
	put_sleeper_end(s);
	put(" %lu", msg_stat(id).msg_qnum);
}

static int receive_id;

static long receive_badly(void *arg)
{
	return msgrcv(receive_id, arg, 100, 0, 0);
}

CASE("MSG-22", bad_buffer_loses_what_was_handed_off_too)
{
	long *buffer = edge_pointer(sizeof(long) + 2);
	struct sleeper none;
	struct sleeper some;

	receive_id = msg_new();
	none = sleeper_start(receive_badly, bad_pointer());
	sleeper_settle(none);
	put_ret(msg_send(receive_id, 3, 5, 0));
	put_sleeper_end(none);
	some = sleeper_start(receive_badly, buffer);
	sleeper_settle(some);
	put_ret(msg_send(receive_id, 4, 5, 0));
	put_sleeper_end(some);
	put_msg(receive_id);
}

CASE("MSG-35", newcomer_may_send_past_a_sleeping_sender)
{
	int id = msg_new();
	struct sleeper s;

	MUST(msg_set_qbytes(id, 10));
	MUST(msg_send(id, 1, 7, 0));
	s = msgsnd_sleep(id, 2, 5);
	put_ret(msg_send(id, 3, 3, IPC_NOWAIT));
	put_ret(msg_send(id, 3, 0, IPC_NOWAIT));
	put_sleeper_state(s);
	put_receive(id, 10, 3, IPC_NOWAIT);
	put_sleeper_state(s);
	put_receive(id, 10, 0, IPC_NOWAIT);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("MSG-36", small_room_wakes_who_fits_it)
{
	int id = msg_new();
	struct sleeper big;
	struct sleeper empty;

	MUST(msg_set_qbytes(id, 4));
	MUST(msg_send(id, 1, 0, 0));
	MUST(msg_send(id, 1, 4, 0));
	MUST(msg_send(id, 1, 0, 0));
	MUST(msg_send(id, 1, 0, 0));
	big = msgsnd_sleep(id, 2, 4);
	empty = msgsnd_sleep(id, 3, 0);
	put_sleeper_state(empty);
	put_receive(id, 10, 1, 0);
	put_sleeper_end(empty);
	put_sleeper_state(big);
	put_receive(id, 10, 1, 0);
	put_sleeper_end(big);
	put_msg(id);
}

CASE("MSG-41", sender_waits_until_the_queue_has_shrunk_to_its_limit)
{
	int id = msg_new();
	struct sleeper s;
	int i;

	for (i = 0; i < 5; i++)
		MUST(msg_send(id, 1, 10, 0));
	put_ret(msg_set_qbytes(id, 25));
	s = msgsnd_sleep(id, 2, 10);
	for (i = 0; i < 3; i++) {
		put_receive(id, 10, 1, 0);
		sleeper_settle(s);
		put_sleeper_state(s);
	}
	put_receive(id, 10, 1, 0);
	put_sleeper_end(s);
	put_msg(id);
}

CASE("MSG-44", receivers_allowed_still_sleep_on_and_get_theirs)
{
	int id = msg_new();
	struct sleeper a = msgrcv_sleep(id, 100, 2, 0);
	struct sleeper b = msgrcv_sleep(id, 100, 3, 0);

	put_ret(msg_set_qbytes(id, 100));
	sleeper_settle(a);
	sleeper_settle(b);
	put_ret(msg_send(id, 3, 1, 0));
	put_sleeper_end(b);
	put_sleeper_state(a);
	put_ret(msg_send(id, 2, 1, 0));
	put_sleeper_end(a);
	put_msg(id);
}

/* --- a crowd --- */

#define CROWD 1000

static int crowd_id;
static long crowd_got[CROWD];

static void *crowd_receive(void *arg)
{
	long type = (long)(intptr_t)arg;
	struct {
		long type;
		long number;
	} m = { 0, 0 };

	crowd_got[type - 1] = msgrcv(crowd_id, &m, sizeof(m.number), type, 0) == sizeof(m.number) &&
				      m.type == type && m.number == type * 3;
	return NULL;
}

/* 617 and 1000 have no common divisor: every type once, in no order. */
CASE("BLK-10", thousand_receivers_asleep_on_a_thousand_types)
{
	pthread_t threads[CROWD];
	pthread_attr_t attributes;
	long wrong = 0;
	long i;

	crowd_id = msg_new();
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, 65536);
	for (i = 0; i < CROWD; i++)
		MUST(pthread_create(&threads[i], &attributes, crowd_receive, (void *)(i + 1)) ? -1 : 0);
	nap(100000); /* for all to sleep; whom it is too short for gets his message from the queue */
	for (i = 0; i < CROWD; i++) {
		struct {
			long type;
			long number;
		} m = { 1 + i * 617 % CROWD, 0 };

		m.number = m.type * 3;
		MUST(msgsnd(crowd_id, &m, sizeof(m.number), 0));
	}
	for (i = 0; i < CROWD; i++) {
		(void)pthread_join(threads[i], NULL);
		wrong += !crowd_got[i];
	}
	put(" wrong=%ld left=%lu", wrong, msg_stat(crowd_id).msg_qnum);
}
