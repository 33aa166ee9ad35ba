#!/bin/bash
# shellcheck disable=SC2317 # functions are called by way of `within`
#
# PostgreSQL with shared_memory_type=sysv and dynamic_shared_memory_type=sysv: load, parallel query,
# a killed backend, a killed postmaster with a backend left alive, restart, stop.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

PG=${PG:-/usr/lib/postgresql/15/bin}
START_SECONDS=60

sql()
{
	"$PG/psql" -h "$scratch/pg" -d postgres -XAtq -c "$1" 2>&1
}

# A child of this script, so that it is reaped at once when it is killed.
start_server()
{
	"$PG/postgres" -D "$data" >>"$log" 2>&1 &
	server=$!
	within $START_SECONDS up_or_dead && kill -0 "$server" 2>/dev/null
}

up_or_dead()
{
	ready || ! kill -0 "$server" 2>/dev/null
}

ready()
{
	[ "$(sql 'select 1')" = 1 ]
}

# The process that runs a certain query.
backend()
{
	backend_pid=$(sql "select pid from pg_stat_activity where query like 'select pg_sleep($1)%' and backend_type = 'client backend'")
	[ -n "$backend_pid" ]
}

dead()
{
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}

rows()
{
	sql 'select count(*) from pgbench_accounts'
}

initialise()
{
	local output

	output=$("$PG/initdb" -D "$data" -A trust -N --no-instructions 2>&1)
	is 'initdb makes a cluster' 0 $?
	[ -e "$data/PG_VERSION" ] || { fail 'initdb left a cluster' "$output"; exit 1; }
	cat >>"$data/postgresql.conf" <<-CONF
		shared_memory_type = sysv
		dynamic_shared_memory_type = sysv
		shared_buffers = 32MB
		listen_addresses = ''
		unix_socket_directories = '$scratch/pg'
		fsync = off
		restart_after_crash = on
	CONF
	start_server
	is 'server starts' 0 $?
	is 'main segment is System V' sysv "$(sql 'show shared_memory_type')"
	is 'dynamic segments are System V' sysv "$(sql 'show dynamic_shared_memory_type')"
	contains 'its segments are seen in the namespace' '^[1-9]' "$("$IPCTOOL" count)"
}

load()
{
	local output

	output=$("$PG/pgbench" -h "$scratch/pg" -i -q -s 1 postgres 2>&1)
	is 'pgbench -i' 0 $? "$output"
	output=$("$PG/pgbench" -h "$scratch/pg" -c 8 -j 2 -T "${PGBENCH_SECONDS:-10}" postgres 2>&1)
	is 'pgbench -c 8 ends well' 0 $?
	contains 'pgbench transactions went through' 'actually processed: [1-9]' "$output"
	contains 'no pgbench transaction failed' 'failed transactions: 0 ' "$output"
	echo "# $(grep '^tps' <<<"$output")"
	output=$(sql 'set max_parallel_workers_per_gather = 2; set min_parallel_table_scan_size = 0;
		set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
		explain (analyze, costs off) select sum(abalance), count(*) from pgbench_accounts')
	contains 'parallel query uses its workers' 'Workers Launched: 2' "$output"
	is 'parallel query counts right' 100000 "$(sql 'set max_parallel_workers_per_gather = 2;
		set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0;
		set parallel_tuple_cost = 0; select count(*) from pgbench_accounts')"
}

kill_backend()
{
	local before

	before=$(sql 'select sum(abalance) from pgbench_accounts')
	sql 'select pg_sleep(501)' >/dev/null &
	within 20 backend 501 || fail 'a backend sleeps'
	kill -9 "$backend_pid"
	wait $!
	within $START_SECONDS ready
	is 'server serves again after SIGKILL of a backend' 0 $?
	contains 'it went through crash recovery' 'all server processes terminated; reinitializing' \
		"$(cat "$log")"
	is 'nothing was lost in crash recovery' "$before" "$(sql 'select sum(abalance) from pgbench_accounts')"
}

refuses()
{
	local output

	if output=$(timeout 60 "$PG/postgres" -D "$data" 2>&1); then
		fail "$1" 'it started'
	else
		contains "$1" 'pre-existing shared memory block .* is still in use' "$output"
	fi
}

kill_postmaster()
{
	local postmaster

	postmaster=$(head -1 "$data/postmaster.pid")
	sql 'select pg_sleep(502)' >/dev/null &
	within 20 backend 502 || fail 'a backend sleeps'
	# A stopped backend does not notice that its postmaster has gone.
	kill -STOP "$backend_pid"
	kill -9 "$postmaster"
	wait "$server" 2>/dev/null
	refuses 'second postmaster refuses while a backend lives'
	cp "$data/postmaster.pid" "$scratch/pg/pidfile"
	rm -f "$data/postmaster.pid"
	refuses 'and also without the first one'\''s lock file'
	cp "$scratch/pg/pidfile" "$data/postmaster.pid"
	kill -9 "$backend_pid"
	wait $!
	within 20 dead "$backend_pid"
	# Its other processes end by themselves; their last one may take a moment.
	within 20 start_server
	is 'it starts when they are gone' 0 $?
	is 'and has all rows' 100000 "$(rows)"
}

stop()
{
	"$PG/pg_ctl" -D "$data" -w -m fast -l "$log" restart >/dev/null 2>&1
	is 'clean restart' 0 $?
	is 'all rows after the restart' 100000 "$(rows)"
	"$PG/pg_ctl" -D "$data" -w -m fast stop >/dev/null 2>&1
	is 'clean stop' 0 $?
	is 'nothing is left in the namespace' '0 0 0' "$("$IPCTOOL" count)"
}

if [ "${1-}" = --inside ]; then
	data=$scratch/pg/data
	log=$scratch/pg/log
	initialise
	load
	kill_backend
	kill_postmaster
	stop
	[ "$failures" = 0 ] || tail -30 "$log" | sed 's/^/# log: /'
	finish
fi

[ -x "$PG/postgres" ] || skip_all 'postgresql-15 is not installed'
needs strace setpriv
user=$(me)
if [ "$user" = root ]; then
	user=postgres
	id "$user" >/dev/null 2>&1 || user=nobody
fi
id -un "$user" >/dev/null 2>&1 || skip_all "initdb wants a user with a name, not $user"
make_scratch
find_ipctool
mkdir "$scratch/pg"
[ "$user" = "$(me)" ] || chown "$user" "$scratch/pg"
cd "$scratch/pg" || exit 1
inside postgres "$user"
finish
