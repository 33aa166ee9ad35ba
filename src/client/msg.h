/* msg.h: the message calls.  Each returns its value, or -errno. */
#ifndef CLIENT_MSG_H
#define CLIENT_MSG_H

#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>

struct msgq_stat;

int msg_get(key_t key, int flags);
int msg_send(int id, const void *message, size_t size, int flags);
ssize_t msg_receive(int id, void *message, size_t size, long type, int flags);
int msg_control(int id, int command, void *argument);

/* What the queue's file says, for listings; zeros if the caller may not read it. */
void msg_read_stat(int32_t id, struct msgq_stat *ret_stat);

#endif
