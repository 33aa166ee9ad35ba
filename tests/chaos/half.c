/* half.c: see half.h. */
#include "half.h"

#include <dirent.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MS 1000000ull
#define SETTLED_NS (60000 * MS)
#define HANG_NS (60000 * MS)
#define TEXT_MAX 700
#define QBYTES 2000 /* some of the user's messages find no room */
#define OFFERED_MAX 3

/* The semaphores of his values, and of the other set. */
enum { VALUE, COUNT };
enum { UNDO, UNITS, N_SEMS };
#define UNDO_START 100

struct half_note {
	long type;
	int number;
	char text[TEXT_MAX];
};

/* --- messages: what they are follows from their numbers --------------------------------------------- */

static size_t note_size(int number)
{
	return sizeof(number) + (size_t)number * 131 % TEXT_MAX;
}

static void note_fill(struct half_note *note, int number)
{
	note->type = 1 + number % 3;
	note->number = number;
	memset(note->text, number, note_size(number) - sizeof(number));
}

static bool note_is(const struct half_note *note, ssize_t size, int number)
{
	if (note->number != number || note->type != 1 + number % 3 || (size_t)size != note_size(number))
		return false;
	for (size_t i = 0; i < note_size(number) - sizeof(number); i++) {
		if (note->text[i] != (char)number)
			return false;
	}
	return true;
}

/* --- the user --------------------------------------------------------------------------------------- */

static struct half *user;

__attribute__((format(printf, 1, 2))) static _Noreturn void user_problem(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(user->book->text, sizeof(user->book->text), format, arguments);
	va_end(arguments);
	_exit(99);
}

static void user_check(int r, const char *call)
{
	if (r < 0)
		user_problem("%s in the user's stead: %s", call, strerror(errno));
}

static void values_begin(int value, int count)
{
	user->book->after[VALUE] = value;
	user->book->after[COUNT] = count;
	atomic_store(&user->book->is_setting, true);
}

static void values_done(void)
{
	memcpy(user->book->before, user->book->after, sizeof(user->book->before));
	atomic_store(&user->book->is_setting, false);
}

/* He cannot read it; that there are no more and no fewer shows when they are all taken. */
static void user_take_all(void)
{
	const int *now = user->book->before;
	struct sembuf more = {VALUE, (short)(-now[VALUE] - 1), IPC_NOWAIT};
	struct sembuf all = {VALUE, (short)-now[VALUE], IPC_NOWAIT};

	if (semop(user->values, &more, 1) == 0 || errno != EAGAIN)
		user_problem("the value is more than %d", now[VALUE]);
	if (now[VALUE] == 0)
		return;
	values_begin(0, now[COUNT]);
	if (semop(user->values, &all, 1) != 0)
		user_problem("the value is not %d: %s", now[VALUE], strerror(errno));
	values_done();
}

static void user_add(void)
{
	int delta = 1 + (int)chaos_below(5);
	const int *now = user->book->before;
	struct sembuf ops[] = {{VALUE, (short)delta, 0}, {COUNT, 1, 0}};

	if (now[COUNT] > 30000)
		return;
	values_begin(now[VALUE] + delta, now[COUNT] + 1);
	user_check(semop(user->values, ops, 2), "semop");
	values_done();
}

static void user_set_value(void)
{
	int value = (int)chaos_below(100);

	values_begin(user->book->before[VALUE], value);
	user_check(semctl(user->values, COUNT, SETVAL, value), "SETVAL");
	values_done();
}

static void user_set_all(void)
{
	unsigned short values[HALF_VALUES] = {(unsigned short)chaos_below(100), (unsigned short)chaos_below(100)};

	values_begin(values[VALUE], values[COUNT]);
	user_check(semctl(user->values, 0, SETALL, values), "SETALL");
	values_done();
}

static void user_undo(void)
{
	struct sembuf take = {UNDO, -1, SEM_UNDO}, give = {UNDO, 1, SEM_UNDO};

	user_check(semop(user->set, &take, 1), "semop with undo");
	user_check(semop(user->set, &give, 1), "semop with undo");
}

static void user_take_unit(void)
{
	struct sembuf take = {UNITS, -1, 0};
	struct timespec moment = {.tv_nsec = (long)(chaos_below(6) * MS)};
	int taken = atomic_load(&user->book->taken);

	atomic_store(&user->book->taken_begun, taken + 1);
	if (semtimedop(user->set, &take, 1, &moment) == 0)
		taken++;
	else if (errno != EAGAIN)
		user_problem("semtimedop in the user's stead: %s", strerror(errno));
	atomic_store(&user->book->taken, taken);
	atomic_store(&user->book->taken_begun, taken);
}

static void user_send(void)
{
	int number = atomic_load(&user->book->sent);
	int flags = chaos_chance(50) ? IPC_NOWAIT : 0;
	struct half_note note;

	note_fill(&note, number);
	atomic_store(&user->book->sent_begun, number + 1);
	if (msgsnd(user->from_user, &note, note_size(number), flags) == 0)
		atomic_store(&user->book->sent, number + 1);
	else if (errno != EAGAIN || flags == 0)
		user_problem("msgsnd in the user's stead: %s", strerror(errno));
	atomic_store(&user->book->sent_begun, atomic_load(&user->book->sent));
}

static void user_receive(void)
{
	int number = atomic_load(&user->book->received);
	int flags = chaos_chance(50) ? IPC_NOWAIT : 0;
	struct half_note note = {0};
	ssize_t size;

	atomic_store(&user->book->received_begun, number + 1);
	size = msgrcv(user->to_user, &note, sizeof(note) - sizeof(note.type), 0, flags);
	if (size >= 0 && !note_is(&note, size, number))
		user_problem("message %d of %d bytes comes instead of %d", note.number, (int)size, number);
	if (size >= 0)
		atomic_store(&user->book->received, number + 1);
	else if (errno != ENOMSG)
		user_problem("msgrcv in the user's stead: %s", strerror(errno));
	atomic_store(&user->book->received_begun, atomic_load(&user->book->received));
}

static _Noreturn void user_main(struct half *half, uint64_t seed)
{
	static void (*const calls[])(void) = {
		user_add, user_add, user_take_all, user_set_value, user_set_all, user_undo,
		user_take_unit, user_send, user_send, user_receive, user_receive,
	};

	user = half;
	chaos_seed(seed);
	if (setgroups(0, NULL) != 0 || setresgid(user->uid, user->uid, user->uid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		user_problem("the user cannot be one");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&user->book->stop)) {
		calls[chaos_below(sizeof(calls) / sizeof(calls[0]))]();
		atomic_fetch_add(&user->book->n_calls, 1);
	}
	_exit(0);
}

/* --- the keeper, and who looks on for him ------------------------------------------------------------------------------------- */

static void give_units(struct half *half)
{
	struct sembuf give = {UNITS, 1, 0};

	if (semctl(half->set, UNITS, GETNCNT) == 0 || chaos_chance(70))
		return;
	if (semop(half->set, &give, 1) != 0)
		half->problem("semop: %s", strerror(errno));
	half->book->given++;
}

static void offer_messages(struct half *half)
{
	struct half_note note;

	if (half->book->offered - atomic_load(&half->book->received) >= OFFERED_MAX)
		return;
	note_fill(&note, half->book->offered);
	if (msgsnd(half->to_user, &note, note_size(half->book->offered), IPC_NOWAIT) == 0)
		half->book->offered++;
	else if (errno != EAGAIN)
		half->problem("msgsnd: %s", strerror(errno));
}

static void take_messages(struct half *half)
{
	struct half_note note = {0};
	ssize_t size;

	while ((size = msgrcv(half->from_user, &note, sizeof(note) - sizeof(note.type), 0, IPC_NOWAIT)) >= 0) {
		if (!note_is(&note, size, half->book->seen))
			half->problem("the user's message %d of %d bytes comes instead of %d", note.number,
				      (int)size, half->book->seen);
		half->book->seen++;
	}
	if (errno != ENOMSG)
		half->problem("msgrcv: %s", strerror(errno));
}

/* The daemon removes a process's ledger when its end has been settled. */
static bool is_settled(const struct half *half)
{
	char path[PATH_MAX + 300];
	const struct dirent *entry;
	struct stat status;
	bool is_found = false;
	DIR *ledgers;

	(void)snprintf(path, sizeof(path), "%s/ledgers", half->dir);
	ledgers = opendir(path);
	while (ledgers && !is_found && (entry = readdir(ledgers))) {
		(void)snprintf(path, sizeof(path), "%s/ledgers/%s", half->dir, entry->d_name);
		is_found = stat(path, &status) == 0 && status.st_uid == half->uid;
	}
	if (ledgers)
		(void)closedir(ledgers);
	return !is_found;
}

static void await_settled(const struct half *half)
{
	uint64_t end_ns = chaos_now_ns() + SETTLED_NS;

	while (!is_settled(half)) {
		if (chaos_now_ns() > end_ns)
			half->problem("a dead user's end is not settled");
		chaos_nap(MS);
	}
}

static void compare_values(struct half *half)
{
	struct half_book *book = half->book;
	int now[HALF_VALUES] = {semctl(half->values, VALUE, GETVAL), semctl(half->values, COUNT, GETVAL)};
	bool is_before = memcmp(now, book->before, sizeof(now)) == 0;

	if (!is_before && !(atomic_load(&book->is_setting) && memcmp(now, book->after, sizeof(now)) == 0))
		half->problem("the user's values are %d, %d; not %d, %d, nor %d, %d", now[VALUE], now[COUNT],
			      book->before[VALUE], book->before[COUNT], book->after[VALUE], book->after[COUNT]);
	if (semctl(half->set, UNDO, GETVAL) != UNDO_START)
		half->problem("what the user had taken with undo: %d, not %d",
			      semctl(half->set, UNDO, GETVAL), UNDO_START);
	memcpy(book->before, now, sizeof(now));
	atomic_store(&book->is_setting, false);
}

/* done and begun say the same, but for the call that was under way. */
static void compare_count(const struct half *half, const char *what, int found, _Atomic int *begun,
			  _Atomic int *done)
{
	if (found != atomic_load(done) && found != atomic_load(begun))
		half->problem("the user has %s %d, not %d or %d", what, found, atomic_load(done),
			      atomic_load(begun));
	atomic_store(done, found);
	atomic_store(begun, found);
}

static void compare(struct half *half)
{
	struct half_book *book = half->book;
	struct msqid_ds queue;

	compare_values(half);
	if (semctl(half->set, UNITS, GETNCNT) != 0)
		half->problem("a dead user still waits");
	compare_count(half, "taken", half->book->given - semctl(half->set, UNITS, GETVAL), &book->taken_begun,
		      &book->taken);
	take_messages(half);
	compare_count(half, "sent", half->book->seen, &book->sent_begun, &book->sent);
	if (msgctl(half->to_user, IPC_STAT, &queue) != 0)
		half->problem("IPC_STAT: %s", strerror(errno));
	compare_count(half, "received", half->book->offered - (int)queue.msg_qnum, &book->received_begun,
		      &book->received);
}

/* While the user lives, and then how it was. */
static _Noreturn void onlooker_main(struct half *half, uint64_t seed)
{
	chaos_seed(seed);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!atomic_load(&half->book->is_dead)) {
		give_units(half);
		offer_messages(half);
		take_messages(half);
		chaos_nap(MS / 4);
	}
	await_settled(half);
	compare(half);
	_exit(0);
}

static _Noreturn void prepare_main(struct half *half, uint64_t seed)
{
	struct msqid_ds status;

	(void)seed;
	if (semctl(half->set, UNDO, SETVAL, UNDO_START) != 0 || msgctl(half->from_user, IPC_STAT, &status) != 0)
		half->problem("the user's objects: %s", strerror(errno));
	status.msg_qbytes = QBYTES;
	if (msgctl(half->from_user, IPC_SET, &status) != 0)
		half->problem("IPC_SET: %s", strerror(errno));
	_exit(0);
}

/* The keeper himself has nothing mapped that his children would have from him. */
static pid_t start(struct half *half, void (*child_main)(struct half *, uint64_t))
{
	uint64_t seed = (uint64_t)chaos_random() << 32 | chaos_random();
	pid_t pid = fork();

	if (pid == 0)
		child_main(half, seed);
	if (pid < 0)
		half->problem("fork: %s", strerror(errno));
	return pid;
}

/* One who has said what is wrong, if anything is. */
static void await_child(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (status != 0)
		_exit(99);
}

/* One user, from his start to when he is dead and settled. */
static void one_user(struct half *half)
{
	uint64_t now_ns = chaos_now_ns();
	uint64_t kill_ns = now_ns + chaos_below(200) * MS, hang_ns = now_ns + HANG_NS;
	bool is_orderly = chaos_chance(30), is_killed = false;
	int status = 0;
	pid_t pid, onlooker;

	atomic_store(&half->book->stop, false);
	atomic_store(&half->book->is_dead, false);
	pid = start(half, user_main);
	onlooker = start(half, onlooker_main);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		now_ns = chaos_now_ns();
		if (now_ns > hang_ns)
			half->problem("the user hangs, %s", is_killed ? "killed" : "alive");
		if (now_ns > kill_ns && is_orderly)
			atomic_store(&half->book->stop, true);
		else if (now_ns > kill_ns && !is_killed)
			is_killed = kill(pid, SIGKILL) == 0;
		chaos_nap(MS);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		half->problem("%s", half->book->text);
	if (!is_killed && status != 0)
		half->problem("the user ended with status 0x%x", (unsigned)status);
	atomic_store(&half->book->is_dead, true);
	await_child(onlooker);
}

void half_keep(struct half *half)
{
	half->values = semget(half->key, HALF_VALUES, IPC_CREAT | IPC_EXCL | 0602);
	half->set = semget(half->key + 1, N_SEMS, IPC_CREAT | IPC_EXCL | 0602);
	half->from_user = msgget(half->key, IPC_CREAT | IPC_EXCL | 0602);
	half->to_user = msgget(half->key + 1, IPC_CREAT | IPC_EXCL | 0604);
	if (half->values < 0 || half->set < 0 || half->from_user < 0 || half->to_user < 0)
		half->problem("the user's objects: %s", strerror(errno));
	await_child(start(half, prepare_main));
	while (!atomic_load(half->finish))
		one_user(half);
	if (semctl(half->values, 0, IPC_RMID) != 0 || semctl(half->set, 0, IPC_RMID) != 0 ||
	    msgctl(half->from_user, IPC_RMID, NULL) != 0 || msgctl(half->to_user, IPC_RMID, NULL) != 0)
		half->problem("IPC_RMID: %s", strerror(errno));
}
