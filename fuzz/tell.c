/* tell.c: what a harness says, and its last words. */
#include <stdarg.h>
#include <stdio.h>

#include "fuzz.h"

#include "core/proto.h"

bool fuzz_telling;

void fuzz_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(stdout, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stdout);
	(void)fflush(stdout); /* in the order of what a sanitizer writes */
}

void fuzz_say_bytes(const char *what, const uint8_t *bytes, size_t n_bytes)
{
	if (!fuzz_telling)
		return;
	(void)printf("%s, %zu bytes:", what, n_bytes);
	for (size_t i = 0; i < n_bytes; i++)
		(void)printf("%s%02x", i % 4 == 0 ? " " : "", bytes[i]);
	fuzz_say("%s", "");
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[IPC_KIND_COUNT] = { "shm", "sem", "msg" };

	return kind < IPC_KIND_COUNT ? names[kind] : "?";
}

static void say_request(const char *before, const struct proto_message *message)
{
	const struct proto_create *create = &message->create;
	const struct proto_set *set = &message->set;
	const struct proto_stead *stead = &message->stead;

	switch (message->type) {
	case PROTO_CREATE:
		fuzz_say("%screate %s key %d size %llu flags %o", before, kind_name(create->kind),
			 create->key, (unsigned long long)create->size, create->flags);
		break;
	case PROTO_SET:
		fuzz_say("%sset %s %d uid %u mode %o qbytes %llu", before, kind_name(set->kind), set->id,
			 set->uid, set->mode, (unsigned long long)set->qbytes);
		break;
	case PROTO_STEAD:
		fuzz_say("%sin its stead %s %d: %u flags %o number %u type %lld size %llu by %.40s", before,
			 kind_name(stead->kind), stead->id, stead->what, stead->flags, stead->number,
			 (long long)stead->type, (unsigned long long)stead->size, stead->name);
		break;
	case PROTO_SETTLE:
		fuzz_say("%ssettle pid %u", before, message->settle.pid);
		break;
	case PROTO_LIMITS:
		fuzz_say("%slimits shmmni %u semmni %u msgmni %u semmns %u", before,
			 message->limits.shmmni, message->limits.semmni, message->limits.msgmni,
			 message->limits.semmns);
		break;
	case PROTO_PING:
	case PROTO_LEAVE:
		fuzz_say("%s%s", before, proto_type_to_string(message->type));
		break;
	default:
		fuzz_say("%s%s %s %d, %u", before, proto_type_to_string(message->type),
			 kind_name(message->object.kind), message->object.id, message->object.argument);
		break;
	}
}

void fuzz_say_message(const char *before, const struct proto_message *message)
{
	if (!fuzz_telling)
		return;
	switch (message->type) {
	case PROTO_WELCOME:
		fuzz_say("%swelcome: error %d, client %llx", before, message->welcome.error,
			 (unsigned long long)message->welcome.client);
		break;
	case PROTO_REPLY:
		fuzz_say("%serror %d, id %d", before, message->reply.error, message->reply.id);
		break;
	case PROTO_SHM_REPLY:
		fuzz_say("%serror %d, %llu attached", before, message->shm.error,
			 (unsigned long long)message->shm.n_attached);
		break;
	case PROTO_STOOD:
		fuzz_say("%serror %d, %s, type %lld size %llu", before, message->stood.error,
			 message->stood.is_blocked ? "not done" : "done", (long long)message->stood.type,
			 (unsigned long long)message->stood.size);
		break;
	case PROTO_PONG:
		fuzz_say("%spong: %u clients, %llu requests", before, message->pong.n_clients,
			 (unsigned long long)message->pong.n_requests);
		break;
	default:
		say_request(before, message);
		break;
	}
}

void fuzz_broken(const char *property, const char *file, int line)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s:%d: property broken: %s\n", file, line, property);
	abort();
}

void assert_fail(const char *expression, const char *file, int line)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
	abort();
}
