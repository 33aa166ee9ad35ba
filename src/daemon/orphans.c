/* orphans.c: attachments of processes that never told us of them. */
#include "daemon/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

void orphans_add(struct orphans *orphans, uint32_t pid)
{
	uint64_t start_time = 0;

	for (uint32_t i = 0; i < orphans->n; i++) {
		if (orphans->list[i].pid == pid)
			return;
	}
	if (orphans->n == ORPHANS_MAX || process_start_time(pid, &start_time) < 0)
		return;
	orphans->list[orphans->n++] = (struct orphan){.pid = pid, .start_time = start_time};
}

void orphans_forget(struct orphans *orphans, uint32_t pid)
{
	for (uint32_t i = 0; i < orphans->n; i++) {
		if (orphans->list[i].pid != pid)
			continue;
		orphans->list[i] = orphans->list[--orphans->n];
		return;
	}
}

uint32_t orphans_count(struct orphans *orphans, const struct clients *clients,
		       const struct registry *registry, const struct process_file *file)
{
	uint64_t start_time = 0;
	uint32_t total = 0;

	for (uint32_t i = 0; i < orphans->n;) {
		struct orphan *orphan = &orphans->list[i];
		uint32_t n = 0;
		int r;

		if (process_start_time(orphan->pid, &start_time) < 0 ||
		    start_time != orphan->start_time ||
		    clients_speak_for(clients, registry, orphan->pid)) {
			*orphan = orphans->list[--orphans->n];
			continue;
		}
		r = process_count_mappings(orphan->pid, file, 1, &n);
		if (r == -ENODATA) {
			*orphan = orphans->list[--orphans->n];
			continue;
		}
		total += r == -EAGAIN ? 1 : n; /* which most of them have */
		i++;
	}
	return total;
}

/* -EAGAIN: cannot be told. */
static int orphans_match(uint32_t pid, const struct process_file *file, const char *below, bool *ret_matches)
{
	uint32_t n = 0;
	int r;

	if (file->inode == 0)
		return process_maps_below(pid, below, ret_matches);
	r = process_count_mappings(pid, file, 1, &n);
	*ret_matches = r == 0 && n > 0;
	return r;
}

bool orphans_search(struct orphans *orphans, const struct registry *registry,
		    const struct process_file *file, const char *below)
{
	struct registry_client known;
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	bool is_complete = dir != NULL;
	bool matches = false;
	char *end;

	if (!dir)
		return false;
	while (orphans->n < ORPHANS_MAX && (entry = readdir(dir))) {
		unsigned long pid = strtoul(entry->d_name, &end, 10);

		if (*end || pid == 0 || pid > INT32_MAX ||
		    registry_find_pid(registry, (uint32_t)pid, &known))
			continue;
		if (orphans_match((uint32_t)pid, file, below, &matches) == -EAGAIN)
			is_complete = false;
		if (matches)
			orphans_add(orphans, (uint32_t)pid);
	}
	(void)closedir(dir); /* only read */
	return is_complete && orphans->n < ORPHANS_MAX;
}
