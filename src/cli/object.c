/* object.c: objects by their System V calls, the same for all three kinds. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "cli/cli.h"

/* What semctl takes; the caller has to define it. */
union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

int object_stat(enum ipc_kind kind, int32_t id, union any_stat *ret_stat)
{
	union semun argument = { .buf = &ret_stat->sem };
	int r = -1;

	switch (kind) {
	case IPC_KIND_SHM:
		r = shmctl(id, IPC_STAT, &ret_stat->shm);
		break;
	case IPC_KIND_SEM:
		r = semctl(id, 0, IPC_STAT, argument);
		break;
	case IPC_KIND_MSG:
		r = msgctl(id, IPC_STAT, &ret_stat->msg);
		break;
	case IPC_KIND_COUNT:
		errno = EINVAL;
		break;
	}
	return r < 0 ? -errno : 0;
}

int object_remove(enum ipc_kind kind, int32_t id)
{
	int r = -1;

	switch (kind) {
	case IPC_KIND_SHM:
		r = shmctl(id, IPC_RMID, NULL);
		break;
	case IPC_KIND_SEM:
		r = semctl(id, 0, IPC_RMID);
		break;
	case IPC_KIND_MSG:
		r = msgctl(id, IPC_RMID, NULL);
		break;
	case IPC_KIND_COUNT:
		errno = EINVAL;
		break;
	}
	return r < 0 ? -errno : 0;
}

const char *user_to_string(uint32_t uid, char buffer[static 32])
{
	const struct passwd *user = getpwuid(uid);

	if (user != NULL)
		return user->pw_name;
	(void)snprintf(buffer, 32, "%u", uid); /* ten digits */
	return buffer;
}
