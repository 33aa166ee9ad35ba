/*
 * errno.h: the error numbers a caller sees, as Linux numbers them on the wire and in replies,
 * independent of libc's headers.  This is the one table; PROTOCOL.md says which call gives which.
 */
#ifndef CORE_ERRNO_H
#define CORE_ERRNO_H

#define ABI_EPERM 1
#define ABI_ENOENT 2
#define ABI_EIO 5
#define ABI_E2BIG 7
#define ABI_EAGAIN 11
#define ABI_ENOMEM 12
#define ABI_EACCES 13
#define ABI_EEXIST 17
#define ABI_EINVAL 22
#define ABI_EFBIG 27
#define ABI_ENOSPC 28
#define ABI_ERANGE 34
#define ABI_EIDRM 43
#define ABI_EPROTO 71

/* Largest errno of Linux: a greater one in a reply is not an errno. */
#define ABI_ERRNO_MAX 4095

#endif
