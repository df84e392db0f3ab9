/*
 * The journal of syncshim: its records, the lock that orders them, and how one is appended.
 * replay.py reads them; whoever changes a record here changes it there.
 */
#ifndef STATEHOUSE_SHIM_JOURNAL_H
#define STATEHOUSE_SHIM_JOURNAL_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The journal: this header, then `path_len` and `path2_len` bytes of paths below the root, then `data_len` bytes. */
enum kind { CREATE = 1, WRITE, RESIZE, RENAME, EXCHANGE, UNLINK, LINK, SYNC_BEGIN, SYNC_END, UNSUPPORTED };
struct record {
    uint32_t magic, kind;
    uint32_t path_len, path2_len;
    uint64_t at_ns, inode, offset, data_len; /* offset: of a WRITE; size of a RESIZE; mode of a CREATE; 1 if a sync failed */
    uint32_t process, thread;
};
#define MAGIC 0x31535353u /* "SSS1" */

static int journal = -1; /* open while recording */
static pthread_mutex_t in_process = PTHREAD_MUTEX_INITIALIZER;

static void fail(const char *what)
{
    static const char say[] = "syncshim: cannot go on: ";
    syscall(SYS_write, 2, say, sizeof say - 1);
    syscall(SYS_write, 2, what, strlen(what));
    syscall(SYS_write, 2, "\n", 1);
    abort();
}

/* A mutex between threads and a record lock between processes: a process that dies gives up both. */
static void lock(sigset_t *mask)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, mask);
    pthread_mutex_lock(&in_process);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (syscall(SYS_fcntl, journal, F_SETLKW, &whole) != 0)
        if (errno != EINTR && errno != EDEADLK) fail("the journal cannot be locked");
}

static void unlock(const sigset_t *mask)
{
    int saved = errno;
    struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    syscall(SYS_fcntl, journal, F_SETLK, &whole);
    pthread_mutex_unlock(&in_process);
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    errno = saved;
}

static void append(const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        long n = syscall(SYS_write, journal, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) fail("the journal cannot be written");
        at += n;
        len -= (size_t)n;
    }
}

/* Under the lock. `data` may be in several pieces, of which the first `data_len` bytes count. */
static void note(enum kind kind, const char *path, const char *path2, uint64_t inode, uint64_t offset, const struct iovec *data, uint64_t data_len)
{
    int saved = errno;
    if (!path) path = ""; /* moved out of the root meanwhile: the rename made the journal unusable already */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record r = {
        .magic = MAGIC, .kind = kind, .path_len = (uint32_t)strlen(path), .path2_len = path2 ? (uint32_t)strlen(path2) : 0,
        .at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, .inode = inode, .offset = offset, .data_len = data_len,
        .process = (uint32_t)syscall(SYS_getpid), .thread = (uint32_t)syscall(SYS_gettid),
    };
    append(&r, sizeof r);
    append(path, r.path_len);
    if (path2) append(path2, r.path2_len);
    for (; data_len > 0; data++) {
        uint64_t n = data->iov_len < data_len ? data->iov_len : data_len;
        append(data->iov_base, n);
        data_len -= n;
    }
    errno = saved;
}

#endif
