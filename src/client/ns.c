/* ns.c: see ns.h. */
#include "client/ns.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "client/place.h"
#include "client/process.h"
#include "sys/map.h"
#include "sys/raw.h"

#define NS_TIMEOUT_DEFAULT_MS 10000u
#define NS_TIMEOUT_MAX_MS 3600000u
#define NS_MESSAGE_MAX (NS_PATH_MAX + 256u)

/* Bindings are never taken back, as others may be reading; a namespace is re-made seldom. */
#define NS_BINDINGS_MAX 8u

_Atomic(const struct registry *) ns_registry;

static struct registry ns_bindings[NS_BINDINGS_MAX];
static _Atomic uint32_t ns_bindings_end;
static char ns_dir[NS_PATH_MAX];
static size_t ns_dir_size;
static uint32_t ns_timeout = NS_TIMEOUT_DEFAULT_MS;
static bool ns_fallback;
static _Atomic uint32_t ns_state; /* 0: environment not read, 1: being read, 2: read */
static _Atomic uint32_t ns_complained;

static size_t ns_append(char *buffer, size_t used, size_t size_max, const char *text)
{
	size_t size = strlen(text);

	if (used + size >= size_max)
		size = size_max - 1 - used;
	memcpy(buffer + used, text, size);
	buffer[used + size] = '\0';
	return used + size;
}

bool ns_exists(const char *directory)
{
	char path[NS_PATH_MAX];
	size_t used = ns_append(path, 0, sizeof(path), directory);

	(void)ns_append(path, used, sizeof(path), "/registry");
	return raw_call3(SYS_faccessat, AT_FDCWD, path, 0) == 0;
}

/* The directory by its whole name: the program may change its working directory. */
static void ns_take_directory(const char *directory)
{
	size_t used = 0;

	if (directory[0] != '/') {
		long size = raw_call2(SYS_getcwd, ns_dir, sizeof(ns_dir));

		used = size > 0 ? (size_t)size - 1 : 0;
		if (used + 1 < sizeof(ns_dir))
			used = ns_append(ns_dir, used, sizeof(ns_dir), "/");
	}
	ns_dir_size = ns_append(ns_dir, used, sizeof(ns_dir), directory);
}

static void ns_choose_directory(void)
{
	const char *given = secure_getenv("USYSV_DIR");
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (given && given[0] != '\0') {
		ns_take_directory(given);
		return;
	}
	if (runtime && runtime[0] == '/') {
		ns_take_directory(runtime);
		ns_dir_size = ns_append(ns_dir, ns_dir_size, sizeof(ns_dir), "/usysv");
		if (ns_exists(ns_dir) || !ns_exists("/run/usysv"))
			return;
	}
	ns_take_directory("/run/usysv");
}

static void ns_read_settings(void)
{
	const char *timeout = secure_getenv("USYSV_TIMEOUT_MS");
	const char *fallback = secure_getenv("USYSV_FALLBACK");

	if (timeout && timeout[0] >= '0' && timeout[0] <= '9') {
		unsigned long value = strtoul(timeout, NULL, 10);

		ns_timeout = value < NS_TIMEOUT_MAX_MS ? (uint32_t)value : NS_TIMEOUT_MAX_MS;
	}
	ns_fallback = fallback && strcmp(fallback, "kernel") == 0;
}

void ns_init(void)
{
	uint32_t expected = 0;

	if (atomic_load(&ns_state) == 2)
		return;
	if (atomic_compare_exchange_strong(&ns_state, &expected, 1)) {
		ns_choose_directory();
		ns_read_settings();
		atomic_store(&ns_state, 2);
		return;
	}
	while (atomic_load(&ns_state) != 2)
		(void)raw_call0(SYS_sched_yield); /* another thread is at it; the constructor is not */
}

const char *ns_directory(void)
{
	ns_init();
	return ns_dir;
}

bool ns_may_fall_back(void)
{
	ns_init();
	return ns_fallback;
}

uint32_t ns_timeout_ms(void)
{
	ns_init();
	return ns_timeout;
}

void ns_complain(const char *reason)
{
	char message[NS_MESSAGE_MAX];
	size_t used;

	if (ns_may_fall_back() || atomic_exchange(&ns_complained, 1))
		return;
	used = ns_append(message, 0, sizeof(message), "usysv: cannot reach namespace ");
	used = ns_append(message, used, sizeof(message), ns_dir);
	used = ns_append(message, used, sizeof(message), ": ");
	used = ns_append(message, used, sizeof(message), reason);
	used = ns_append(message, used, sizeof(message), "; start usysvd or use usysv run\n");
	(void)raw_call3(SYS_write, 2, message, used); /* nowhere to report that it cannot be said */
}

int ns_missing(void)
{
	if (ns_exists(ns_dir))
		return -EINVAL;
	ns_complain("it has been removed, or is outside the root directory of this process");
	return -ENOSYS;
}

static const char *ns_reason(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "no such namespace";
	case -EACCES:
	case -EPERM:
		return "permission denied";
	case -EMFILE:
	case -ENFILE:
		return "no file descriptor left";
	case -ENOMEM:
		return "no memory left";
	default:
		return "the registry cannot be read";
	}
}

/* Maps and binds; the result is published by the caller. */
static int ns_map(struct registry *ret_registry, const char **ret_reason)
{
	char path[NS_PATH_MAX];
	uint64_t size = 0;
	void *base = NULL;
	int fd;
	int r;

	*ret_reason = "its name is too long";
	if (!ns_path(path, "registry", -1))
		return -ENOSYS;
	fd = process_open(path, O_RDONLY | O_NOFOLLOW);
	*ret_reason = ns_reason(fd);
	if (fd < 0)
		return -ENOSYS;
	r = map_stat(fd, &size, NULL, NULL);
	if (r == 0)
		r = place_file(fd, size, false, &base);
	(void)raw_call1(SYS_close, fd);
	*ret_reason = ns_reason(r);
	if (r < 0)
		return -ENOSYS;
	r = registry_bind(ret_registry, base, size);
	if (r == 0)
		return 0;
	place_unmap(base, size);
	*ret_reason = r == REGISTRY_E_VERSION ? "it is of another version of usysv"
					      : "its registry is damaged";
	return -ENOSYS;
}

static int ns_bind(bool quiet)
{
	struct registry registry;
	const char *reason;
	uint32_t i;
	int r = ns_map(&registry, &reason);

	if (r < 0) {
		if (!quiet)
			ns_complain(reason);
		return r;
	}
	i = atomic_fetch_add(&ns_bindings_end, 1) % NS_BINDINGS_MAX;
	ns_bindings[i] = registry;
	atomic_store(&ns_registry, &ns_bindings[i]);
	return 0;
}

int ns_open(bool quiet)
{
	ns_init();
	if (atomic_load(&ns_registry))
		return 0;
	return ns_bind(quiet);
}

int ns_reopen(void)
{
	return ns_bind(false);
}

bool ns_path(char *path, const char *tail, int32_t id)
{
	char digits[16];
	size_t n = sizeof(digits);
	size_t used;

	ns_init();
	used = ns_append(path, 0, NS_PATH_MAX, ns_dir);
	used = ns_append(path, used, NS_PATH_MAX, "/");
	used = ns_append(path, used, NS_PATH_MAX, tail);
	digits[--n] = '\0';
	if (id >= 0) {
		uint32_t rest = (uint32_t)id;

		do {
			digits[--n] = (char)('0' + rest % 10);
			rest /= 10;
		} while (rest != 0);
	}
	used = ns_append(path, used, NS_PATH_MAX, digits + n);
	return used + 1 < NS_PATH_MAX;
}

bool ns_ledger_path(char *path, uint64_t client)
{
	char tail[32] = "ledgers/";
	size_t used = strlen(tail);

	for (int shift = 60; shift >= 0; shift -= 4)
		tail[used++] = "0123456789abcdef"[client >> shift & 15];
	tail[used] = '\0';
	return ns_path(path, tail, -1);
}

const char *ns_object_prefix(enum ipc_kind kind)
{
	static const char *const prefixes[IPC_KIND_COUNT] = {
		[IPC_KIND_SHM] = "objects/shm.",
		[IPC_KIND_SEM] = "objects/sem.",
		[IPC_KIND_MSG] = "objects/msg.",
	};

	return prefixes[kind];
}

bool ns_segment_path(char *path, const struct registry_object *object)
{
	bool is_huge = (object->owner.mode & ABI_SHM_HUGETLB) != 0;

	return ns_path(path, is_huge ? "huge/shm." : ns_object_prefix(IPC_KIND_SHM), object->id);
}
