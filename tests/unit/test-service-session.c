/*
 * test-service-session.c: the service's sessions: registration, admission, the end of processes,
 * and what bad clients cost.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "core/errno.h"
#include "core/service.h"
#include "core/session.h"
#include "model/world.h"

static struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world_init(world, 1002);
	return world;
}

static void world_free(struct world *world)
{
	world_deinit(world);
	free(world);
}

/* --- processes and sessions ------------------------------------------------------------------- */

static void process_is_one_client_however_many_sessions(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	uint32_t b = world_connect(world, 1001, 200, 1);
	uint32_t c = world_connect(world, 1000, 201, 1);

	(void)state;
	assert_int_equal(world->sessions[a].client, world->sessions[b].client);
	assert_int_not_equal(world->sessions[a].client, world->sessions[c].client);
	assert_int_equal(world->n_calls[WORLD_LEDGER_MAKE], 2);
	assert_true(world_verify(world));
	world_free(world);
}

static void pid_used_again_ends_the_old_process_first(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	uint64_t old = world->sessions[a].client;
	uint32_t b = world_connect(world, 1000, 200, 2);

	(void)state;
	assert_false(world->sessions[a].open);
	assert_true(world->sessions[b].open);
	assert_int_not_equal(world->sessions[b].client, old);
	assert_int_equal(world->n_calls[WORLD_SETTLE], 1);
	assert_true(world_verify(world));
	world_free(world);
}

static void exec_keeps_the_client_and_makes_its_ledger_anew(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	struct event event = world_event(world, EVENT_EXECED);
	uint64_t client = world->sessions[a].client;

	(void)state;
	event.client = client;
	world_step(world, &event);
	world->fail_errno[WORLD_LEDGER_MAKE] = ABI_ENOMEM;
	assert_int_equal(world_connect(world, 0, 200, 1), SESSION_MAX);
	a = world_connect(world, 0, 200, 1);
	assert_int_equal(world->sessions[a].client, client);
	assert_int_equal(world->n_calls[WORLD_LEDGER_MAKE], 3);
	assert_int_equal(world_connect(world, 0, 200, 1) == SESSION_MAX, 0);
	assert_int_equal(world->n_calls[WORLD_LEDGER_MAKE], 3);
	assert_true(world_verify(world));
	world_free(world);
}

static void ledger_that_cannot_be_made_is_told_and_leaves_nothing(void **state)
{
	struct world *world = world_new();

	(void)state;
	world->fail_errno[WORLD_LEDGER_MAKE] = ABI_ENOSPC;
	assert_int_equal(world_connect(world, 1000, 200, 1), SESSION_MAX);
	assert_int_equal(world->sessions[0].last.welcome.error, ABI_ENOSPC);
	assert_true(world_verify(world));
	assert_int_not_equal(world_connect(world, 1000, 200, 1), SESSION_MAX);
	world_free(world);
}

static void sessions_beyond_a_clients_share_end_the_quietest(void **state)
{
	struct world *world = world_new();
	uint32_t first = world_connect(world, 1000, 200, 1);
	uint32_t second = world_connect(world, 1000, 200, 1);
	struct proto_message ping = { .type = PROTO_PING };
	struct proto_message answer;

	(void)state;
	for (uint32_t i = 2; i < 48; i++)
		(void)world_connect(world, 1000, 200, 1); /* judged by what is open below */
	assert_true(world->sessions[first].open && world->sessions[second].open);
	assert_true(world_request(world, first, &ping, &answer));
	assert_int_not_equal(world_connect(world, 1000, 200, 1), SESSION_MAX);
	assert_true(world->sessions[first].open);
	assert_false(world->sessions[second].open);
	assert_true(world_verify(world));
	world_free(world);
}

static void process_that_ends_closes_its_sessions_and_is_forgotten(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	uint32_t b = world_connect(world, 1000, 200, 1);
	struct event event = world_event(world, EVENT_EXITED);
	struct registry_client known;

	(void)state;
	event.client = world->sessions[a].client;
	world_step(world, &event);
	assert_false(world->sessions[a].open || world->sessions[b].open);
	assert_int_not_equal(registry_client_get(&world->registry, event.client, &known), 0);
	world_step(world, &event);
	assert_int_equal(world->n_calls[WORLD_SETTLE], 1);
	assert_true(world_verify(world));
	world_free(world);
}

static void asker_that_settles_its_own_dead_process_is_closed(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	struct proto_message settle = { .type = PROTO_SETTLE, .settle = { .pid = 200 } };
	struct proto_message answer;

	(void)state;
	world_die(world, world->sessions[a].client);
	assert_false(world_request(world, a, &settle, &answer));
	assert_false(world->sessions[a].open);
	assert_true(world_verify(world));
	world_free(world);
}

/* --- registration ----------------------------------------------------------------------------- */

static void register_bytes(struct world *world, const uint8_t *bytes, size_t n_bytes)
{
	struct event event = world_event(world, EVENT_REGISTER);

	event.bytes = bytes;
	event.n_bytes = n_bytes;
	world_step(world, &event);
}

static size_t hello_record(uint8_t *record, uint32_t version, const char *name)
{
	struct proto_hello hello = { .version = version, .pid = 9 };

	memcpy(hello.name, name, strlen(name));
	proto_hello_encode(&hello, record);
	return PROTO_HELLO_SIZE;
}

static void registration_is_found_amid_garbage_however_it_is_cut(void **state)
{
	uint8_t stream[5 * PROTO_HELLO_SIZE] = { 0 };
	size_t n = 0;

	(void)state;
	memset(stream, 'U', 10);
	n = 10;
	n += hello_record(stream + n, PROTO_VERSION, "first");
	memcpy(stream + n, stream + 10, 63); /* a record that was cut */
	n += 63;
	n += hello_record(stream + n, PROTO_VERSION, "second.1");
	memset(stream + n, 0xff, 7);
	n += 7;
	n += hello_record(stream + n, PROTO_VERSION, "third");
	for (size_t cut = 1; cut < n; cut++) {
		struct world *world = world_new();

		register_bytes(world, stream, cut);
		register_bytes(world, stream + cut, n - cut);
		assert_int_equal(world->n_admits, 3);
		assert_true(world_verify(world));
		world_free(world);
	}
}

static void registration_with_any_byte_changed_is_passed_over(void **state)
{
	struct world *world = world_new();
	uint8_t record[PROTO_HELLO_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(record); i++) {
		(void)hello_record(record, PROTO_VERSION, "name");
		record[i] ^= 0x20;
		register_bytes(world, record, sizeof(record));
	}
	assert_int_equal(world->n_admits, 0);
	(void)hello_record(record, PROTO_VERSION, "name");
	register_bytes(world, record, sizeof(record));
	assert_int_equal(world->n_admits, 1);
	world_free(world);
}

static void registration_of_another_version_is_told_ours_and_closed(void **state)
{
	struct world *world = world_new();
	struct event event = world_event(world, EVENT_ADMITTED);
	uint8_t record[PROTO_HELLO_SIZE];

	(void)state;
	(void)hello_record(record, PROTO_VERSION + 1, "name");
	register_bytes(world, record, sizeof(record));
	assert_int_equal(world->n_admits, 1);
	event.session = world->admit_session;
	event.uid = 1000;
	event.pid = 9;
	world_step(world, &event);
	assert_int_equal(world->sessions[event.session].last.welcome.error, ABI_EPROTO);
	assert_int_equal(world->sessions[event.session].last.welcome.version, PROTO_VERSION);
	assert_false(world->sessions[event.session].open);
	assert_int_equal(world->n_calls[WORLD_LEDGER_MAKE], 0);
	assert_true(world_verify(world));
	world_free(world);
}

static void registration_refused_frees_its_session(void **state)
{
	struct world *world = world_new();
	uint8_t record[PROTO_HELLO_SIZE];

	(void)state;
	(void)hello_record(record, PROTO_VERSION, "name");
	for (uint32_t i = 0; i < 3; i++) {
		struct event event = world_event(world, EVENT_REFUSED);

		register_bytes(world, record, sizeof(record));
		assert_int_equal(world->admit_session, 0);
		event.session = world->admit_session;
		world_step(world, &event);
		assert_false(world->sessions[0].open);
		assert_true(world_verify(world));
	}
	world_free(world);
}

static void registrations_beyond_all_sessions_are_logged(void **state)
{
	struct world *world = world_new();
	struct event event = world_event(world, EVENT_REGISTER);
	uint8_t record[PROTO_HELLO_SIZE];

	(void)state;
	(void)hello_record(record, PROTO_VERSION, "name");
	event.bytes = record;
	event.n_bytes = sizeof(record);
	for (uint32_t i = 0; i < SESSION_MAX; i++) {
		service_step(world->service, &event, &world->effects);
		assert_int_equal(world->effects.n, 1);
		assert_int_equal(world->effects.list[0].type, EFFECT_ADMIT);
		assert_int_equal(world->effects.list[0].session, i);
	}
	service_step(world->service, &event, &world->effects);
	assert_int_equal(world->effects.n, 1);
	assert_int_equal(world->effects.list[0].type, EFFECT_LOG);
	assert_non_null(strstr(world->effects.list[0].text, "limit of sessions"));
	world_free(world);
}

static void uid_with_too_many_sessions_is_told_and_root_is_not_bound(void **state)
{
	struct world *world = world_new();
	struct effects *effects = &world->effects;
	uint8_t record[PROTO_HELLO_SIZE];
	uint32_t n_welcome = 0;
	uint32_t n_refused = 0;

	(void)state;
	(void)hello_record(record, PROTO_VERSION, "name");
	for (uint32_t i = 0; i < SESSION_PER_UID_MAX + 2; i++) {
		struct event event = world_event(world, EVENT_REGISTER);

		event.bytes = record;
		event.n_bytes = sizeof(record);
		service_step(world->service, &event, effects);
		event = world_event(world, EVENT_ADMITTED);
		event.session = effects->list[0].session;
		event.uid = i <= SESSION_PER_UID_MAX ? 1000 : 0;
		event.pid = 1000 + i / 40;
		event.start_time = 1;
		world->ledgers[0].client = 0; /* files are not the point here */
		service_step(world->service, &event, effects);
		if (effects->list[effects->n - 1].type == EFFECT_SEND)
			n_welcome++;
		else
			n_refused++;
	}
	assert_int_equal(n_welcome, SESSION_PER_UID_MAX + 1);
	assert_int_equal(n_refused, 1);
	assert_true(service_verify(world->service));
	world_free(world);
}

/* --- bad clients ------------------------------------------------------------------------------ */

static void bad_bytes_cost_that_connection_only(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[16];
		size_t n_bytes;
	} rows[] = {
		{ "size below a header", { 11 }, 4 },
		{ "size above the longest", { 1, 1 }, 4 },
		{ "no such type", { 12, 0, 0, 0, 99 }, 12 },
		{ "reply from a client", { 12, 0, 0, 0, 65 }, 12 },
		{ "ping with a body", { 13, 0, 0, 0, 23 }, 13 },
		{ "settle without one", { 12, 0, 0, 0, 21 }, 12 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *world = world_new();
		uint32_t good = world_connect(world, 1000, 200, 1);
		uint32_t bad = world_connect(world, 1000, 200, 1);
		struct proto_message ping = { .type = PROTO_PING };
		struct proto_message answer;
		uint8_t frame[FRAME_SIZE_MAX];

		print_message("# %s\n", rows[i].name);
		world_input(world, bad, frame, proto_encode(&ping, frame));
		world_input(world, bad, rows[i].bytes, rows[i].n_bytes);
		assert_int_equal(world->sessions[bad].n_received, 2);
		assert_false(world->sessions[bad].open);
		assert_int_equal(world->n_logs, 1);
		assert_true(world_request(world, good, &ping, &answer));
		assert_int_equal(answer.pong.n_clients, 1);
		assert_true(world_verify(world));
		world_free(world);
	}
}

static void flood_is_carried_out_in_turns_and_in_order(void **state)
{
	struct world *world = world_new();
	uint32_t session = world_connect(world, 1000, 200, 1);
	struct proto_message ping = { .type = PROTO_PING };
	uint8_t stream[60 * FRAME_HEADER_SIZE];
	uint32_t pending = 0;

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		uint8_t frame[FRAME_SIZE_MAX];

		ping.request = i;
		assert_int_equal(proto_encode(&ping, frame), FRAME_HEADER_SIZE);
		memcpy(stream + i * FRAME_HEADER_SIZE, frame, FRAME_HEADER_SIZE);
	}
	world_input(world, session, stream, sizeof(stream));
	assert_int_equal(world->sessions[session].n_received, 1 + SESSION_REQUESTS_PER_TURN_MAX);
	assert_int_equal(world->sessions[session].last.request, 31);
	assert_true(service_has_pending(world->service, &pending));
	assert_int_equal(pending, session);
	assert_true(world_verify(world));
	assert_int_equal(service_input_room(world->service, session), SESSION_IN_MAX - 28 * 12);
	world_drain(world);
	assert_int_equal(world->sessions[session].n_received, 61);
	assert_int_equal(world->sessions[session].last.request, 59);
	assert_int_equal(service_input_room(world->service, session), SESSION_IN_MAX);
	world_free(world);
}

static void flood_beyond_what_is_kept_ends_the_connection(void **state)
{
	struct world *world = world_new();
	uint32_t session = world_connect(world, 1000, 200, 1);
	struct proto_message ping = { .type = PROTO_PING };
	uint8_t stream[SERVICE_INPUT_MAX] = { 0 };
	size_t n = 0;

	(void)state;
	while (n + FRAME_SIZE_MAX <= sizeof(stream))
		n += proto_encode(&ping, stream + n);
	world_input(world, session, stream, n);
	assert_false(world->sessions[session].open);
	assert_int_equal(service_input_room(world->service, session), 0);
	assert_true(world_verify(world));
	world_free(world);
}

static void pending_sessions_take_turns(void **state)
{
	struct world *world = world_new();
	uint32_t a = world_connect(world, 1000, 200, 1);
	uint32_t b = world_connect(world, 1000, 201, 1);
	struct proto_message ping = { .type = PROTO_PING };
	uint8_t stream[70 * FRAME_HEADER_SIZE + FRAME_SIZE_MAX];
	uint32_t pending = 0;
	struct event event;

	(void)state;
	for (uint32_t i = 0; i < 70; i++)
		(void)proto_encode(&ping, stream + i * FRAME_HEADER_SIZE);
	world_input(world, a, stream, 70 * FRAME_HEADER_SIZE);
	world_input(world, b, stream, 70 * FRAME_HEADER_SIZE);
	assert_true(service_has_pending(world->service, &pending));
	assert_int_equal(pending, a);
	event = world_event(world, EVENT_INPUT);
	event.session = a;
	world_step(world, &event);
	assert_true(service_has_pending(world->service, &pending));
	assert_int_equal(pending, b);
	assert_true(world_verify(world));
	event = world_event(world, EVENT_HANGUP);
	event.session = b;
	world_step(world, &event);
	assert_true(service_has_pending(world->service, &pending));
	assert_int_equal(pending, a);
	assert_true(world_verify(world));
	world_drain(world);
	assert_int_equal(world->sessions[a].n_received, 71);
	world_free(world);
}

static void log_lines_beyond_a_seconds_share_are_counted(void **state)
{
	struct world *world = world_new();
	uint8_t garbage = 0;
	uint32_t n_before;

	(void)state;
	for (uint32_t i = 0; i < 64 * 150; i++)
		register_bytes(world, &garbage, 1);
	assert_int_equal(world->n_logs, 100);
	world->now_ns += 2000000000u;
	n_before = world->n_logs;
	for (uint32_t i = 0; i < 64; i++)
		register_bytes(world, &garbage, 1);
	assert_int_equal(world->n_logs, n_before + 2);
	world_free(world);
}

/* --- limits, ping ----------------------------------------------------------------------------- */

static int32_t ask_limits(struct world *world, uint32_t session, const struct registry_limits *limits)
{
	struct proto_message message = { .type = PROTO_LIMITS, .limits = *limits };
	struct proto_message answer;

	assert_true(world_request(world, session, &message, &answer));
	return answer.reply.error;
}

static void limits_are_for_the_owner_and_root_and_checked(void **state)
{
	struct world *world = world_new();
	uint32_t stranger = world_connect(world, 1000, 200, 1);
	uint32_t owner = world_connect(world, 1002, 201, 1);
	uint32_t root = world_connect(world, 0, 202, 1);
	struct registry_limits limits;
	struct registry_limits now;

	(void)state;
	registry_limits_default(&limits);
	limits.shmmni = 77;
	assert_int_equal(ask_limits(world, stranger, &limits), ABI_EPERM);
	assert_int_equal(ask_limits(world, owner, &limits), 0);
	registry_read_limits(&world->registry, &now);
	assert_int_equal(now.shmmni, 77);
	limits.shmmni = 78;
	assert_int_equal(ask_limits(world, root, &limits), 0);
	for (uint32_t i = 0; i < 8; i++) {
		struct registry_limits bad = limits;
		uint32_t *fields[] = { &bad.shmmni, &bad.semmsl, &bad.semmns, &bad.semopm,
				       &bad.semmni, &bad.msgmax, &bad.msgmnb, &bad.msgmni };

		*fields[i] = UINT32_MAX;
		assert_int_equal(ask_limits(world, root, &bad), ABI_EINVAL);
	}
	limits.rmid_forced = 2;
	assert_int_equal(ask_limits(world, root, &limits), ABI_EINVAL);
	registry_read_limits(&world->registry, &now);
	assert_int_equal(now.shmmni, 78);
	world_free(world);
}

static void ping_counts_what_there_is(void **state)
{
	struct world *world = world_new();
	uint32_t session = world_connect(world, 1000, 200, 1);
	struct proto_message create = { .type = PROTO_CREATE,
					.create = { .kind = IPC_KIND_SEM, .size = 1 } };
	struct proto_message ping = { .type = PROTO_PING };
	struct proto_message answer;

	(void)state;
	(void)world_connect(world, 1000, 201, 1); /* one more to count */
	assert_true(world_request(world, session, &create, &answer));
	world->now_ns += 5000000000u;
	assert_true(world_request(world, session, &ping, &answer));
	assert_int_equal(answer.type, PROTO_PONG);
	assert_int_equal(answer.pong.n_clients, 2);
	assert_int_equal(answer.pong.n_objects[IPC_KIND_SEM], 1);
	assert_int_equal(answer.pong.n_objects[IPC_KIND_SHM], 0);
	assert_int_equal(answer.pong.uptime_s, 5);
	assert_int_equal(answer.pong.n_requests, 2);
	world_free(world);
}

/* --- notices, strays -------------------------------------------------------------------------- */

static void notices_are_not_answered(void **state)
{
	struct world *world = world_new();
	uint32_t session = world_connect(world, 1000, 200, 1);
	struct proto_message notice = { .type = PROTO_DETACHED, .object = { .id = 12345 } };
	uint8_t frame[FRAME_SIZE_MAX];

	(void)state;
	world_input(world, session, frame, proto_encode(&notice, frame));
	notice.object.id = -1;
	world_input(world, session, frame, proto_encode(&notice, frame));
	notice.type = PROTO_LEAVE;
	world_input(world, session, frame, proto_encode(&notice, frame));
	assert_int_equal(world->sessions[session].n_received, 1);
	assert_true(world->sessions[session].open);
	world_free(world);
}

static void events_for_sessions_that_are_not_there_do_nothing(void **state)
{
	static const uint32_t sessions[] = { 0, 1, SESSION_MAX - 1, SESSION_MAX, UINT32_MAX };
	struct world *world = world_new();

	(void)state;
	for (uint32_t type = 0; type <= EVENT_TICK; type++) {
		for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
			struct event event = world_event(world, (enum event_type)type);

			event.session = sessions[i];
			event.client = sessions[i];
			event.shmid = (int32_t)sessions[i];
			service_step(world->service, &event, &world->effects);
			assert_int_equal(world->effects.n, 0);
			assert_true(world_verify(world));
		}
	}
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_is_one_client_however_many_sessions),
		cmocka_unit_test(pid_used_again_ends_the_old_process_first),
		cmocka_unit_test(exec_keeps_the_client_and_makes_its_ledger_anew),
		cmocka_unit_test(ledger_that_cannot_be_made_is_told_and_leaves_nothing),
		cmocka_unit_test(sessions_beyond_a_clients_share_end_the_quietest),
		cmocka_unit_test(process_that_ends_closes_its_sessions_and_is_forgotten),
		cmocka_unit_test(asker_that_settles_its_own_dead_process_is_closed),
		cmocka_unit_test(registration_is_found_amid_garbage_however_it_is_cut),
		cmocka_unit_test(registration_with_any_byte_changed_is_passed_over),
		cmocka_unit_test(registration_of_another_version_is_told_ours_and_closed),
		cmocka_unit_test(registration_refused_frees_its_session),
		cmocka_unit_test(registrations_beyond_all_sessions_are_logged),
		cmocka_unit_test(uid_with_too_many_sessions_is_told_and_root_is_not_bound),
		cmocka_unit_test(bad_bytes_cost_that_connection_only),
		cmocka_unit_test(flood_is_carried_out_in_turns_and_in_order),
		cmocka_unit_test(flood_beyond_what_is_kept_ends_the_connection),
		cmocka_unit_test(pending_sessions_take_turns),
		cmocka_unit_test(log_lines_beyond_a_seconds_share_are_counted),
		cmocka_unit_test(limits_are_for_the_owner_and_root_and_checked),
		cmocka_unit_test(ping_counts_what_there_is),
		cmocka_unit_test(notices_are_not_answered),
		cmocka_unit_test(events_for_sessions_that_are_not_there_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
