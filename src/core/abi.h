/*
 * abi.h: the System V numbers (ABI 1.1), independent of libc's headers, so that a namespace means
 * the same to every program that maps it.  Static assertions in client/ compare them with libc's.
 */
#ifndef CORE_ABI_H
#define CORE_ABI_H

#include <stdint.h>

/* The three kinds of object; also the order of the tables in the registry file. */
enum ipc_kind {
	IPC_KIND_SHM = 0,
	IPC_KIND_SEM = 1,
	IPC_KIND_MSG = 2,
	IPC_KIND_COUNT = 3,
};

#define ABI_IPC_PRIVATE 0
#define ABI_IPC_CREAT 01000
#define ABI_IPC_EXCL 02000
#define ABI_IPC_NOWAIT 04000
#define ABI_MODE_BITS 0777

#define ABI_SHM_HUGETLB 04000 /* also in the mode field of ours, with the size, as in the flags */
#define ABI_SHM_HUGE_SHIFT 26 /* where the flags have the binary logarithm of the size of a huge page */
#define ABI_SHM_HUGE_BITS 63u
#define ABI_SHM_NORESERVE 010000
#define ABI_SHM_DEST 01000   /* in the mode field: marked for destruction (SHM-35) */
#define ABI_SHM_LOCKED 02000 /* in the mode field: SHM_LOCK was called (SHM-42) */
#define ABI_SHM_SHOWN (ABI_MODE_BITS | ABI_SHM_DEST | ABI_SHM_LOCKED) /* of the mode field, to users */

#define ABI_SEM_UNDO 0x1000
#define ABI_MSG_NOERROR 010000
#define ABI_MSG_EXCEPT 020000
#define ABI_MSG_COPY 040000

#define ABI_SEMVMX 32767      /* LIM-10 */
#define ABI_SEMAEM_MIN -32768 /* LIM-11 */
#define ABI_SEMAEM_MAX 32767

/* id = sequence * 32768 + index (IPC-4). */
#define ABI_INDEX_BITS 15
#define ABI_INDEX_MASK 0x7fff
#define ABI_SEQUENCE_MAX 65534

/* struct sembuf as the program lays it out (ABI 1.2). */
struct abi_sembuf {
	uint16_t sem_num;
	int16_t sem_op;
	int16_t sem_flg;
};

#endif
