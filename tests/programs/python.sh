#!/bin/bash
# python3-sysv-ipc: two processes exchanging through segment, semaphore and queue.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# Debian's own: the module is its package.
PYTHON=/usr/bin/python3

exchange()
{
	"$PYTHON" - <<'PYTHON'
import os, signal, sysv_ipc

shm = sysv_ipc.SharedMemory(None, sysv_ipc.IPC_CREX, size=4096)
sem = sysv_ipc.Semaphore(None, sysv_ipc.IPC_CREX, initial_value=0)
queue = sysv_ipc.MessageQueue(None, sysv_ipc.IPC_CREX)
pid = os.fork()
if pid == 0:
    text, kind = queue.receive(type=3)
    mine = sysv_ipc.attach(shm.id)
    sem.acquire()
    mine.write(mine.read(10)[::-1], offset=100)
    mine.detach()
    queue.send(b"seen " + text, type=4)
    sem.undo = True
    sem.release(delta=5)
    queue.receive(type=9)
    os._exit(0)
shm.write(b"0123456789")
queue.send(b"hello", type=3)
sem.release()
text, kind = queue.receive(type=4)
for _ in range(3):
    sem.acquire()
queue.send(b"go", type=9)
os.waitpid(pid, 0)
print(text.decode(), kind, shm.read(10, offset=100).decode(), sem.value, shm.number_attached,
      queue.current_messages)
try:
    sem.acquire(timeout=0.05)
except sysv_ipc.BusyError:
    print("timed out")
try:
    sysv_ipc.SharedMemory(shm.key, sysv_ipc.IPC_CREX)
except sysv_ipc.ExistentialError:
    print("exists")

# One that dies in the middle of its work gives back what it took.
sem.value = 1
pid = os.fork()
if pid == 0:
    sem.undo = True
    sem.acquire()
    queue.send(b"have it", type=1)
    signal.pause()
queue.receive(type=1)
value = sem.value
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
print(value, sem.value)
shm.detach()
shm.remove()
sem.remove()
queue.remove()
PYTHON
}

if [ "${1-}" = --inside ]; then
	is 'two processes exchange through all three kinds' \
		$'seen hello 4 9876543210 0 1 0\ntimed out\nexists\n0 1' "$(exchange 2>&1)"
	is 'nothing is left' '0 0 0' "$("$IPCTOOL" count)"
	finish
fi

needs strace
"$PYTHON" -c 'import sysv_ipc' 2>/dev/null || skip_all 'python3-sysv-ipc is not installed'
make_scratch
find_ipctool
inside python "$(me)"
finish
