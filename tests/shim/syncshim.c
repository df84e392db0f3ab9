/*
 * syncshim: an LD_PRELOAD library that makes disks slow, or remembers exactly what was synced.
 *
 *   STATEHOUSE_SHIM_DELAY_MS=5     every fsync and fdatasync takes that many milliseconds more.
 *   STATEHOUSE_SHIM_RECORD=FILE    a journal of what happens to files under STATEHOUSE_SHIM_ROOT=DIR:
 *                                  written bytes, sizes, names, and syncs, in one order over all threads
 *                                  and processes. replay.py rebuilds the files from it as of any instant,
 *                                  from synced bytes only.
 *
 * Promises. A change is journaled after it happened and under the lock that orders the journal, so two
 * changes stand in the journal as they happened. A sync has two records: it covers the changes that
 * stand before its first, from the instant of its second. Instants are CLOCK_MONOTONIC nanoseconds,
 * which every process of a machine shares: an answer that a client received at t relies on nothing
 * later than t. A way of changing a file that is not understood is journaled as such, and replay.py
 * then refuses the journal: it never guesses.
 *
 * Absent on purpose: raw system calls and stdio of the C library are not seen, and neither is a program
 * without a C library. Writes through shared memory maps are refused, except for SQLite's `-shm` index,
 * which SQLite rebuilds (its mmap_size must be 0). A sync of the whole file system counts for nothing.
 *
 * The functions call the kernel directly; none calls another, and none allocates.
 */
#define _GNU_SOURCE
#include "journal.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define EXPORT __attribute__((visibility("default")))
#define SAME_AS(name) __attribute__((visibility("default"), alias(#name)))

static struct timespec delay;
static char root[PATH_MAX];
static size_t root_len;

static void before_fork(void) { pthread_mutex_lock(&in_process); }
static void after_fork(void) { pthread_mutex_unlock(&in_process); }

__attribute__((constructor)) static void start(void)
{
    const char *ms = getenv("STATEHOUSE_SHIM_DELAY_MS"), *file = getenv("STATEHOUSE_SHIM_RECORD"), *dir = getenv("STATEHOUSE_SHIM_ROOT");
    if (ms) {
        char *end;
        double value = strtod(ms, &end);
        if (end == ms || *end || !(value >= 0 && value <= 60000)) fail("STATEHOUSE_SHIM_DELAY_MS must be 0 to 60000");
        delay.tv_sec = (time_t)(value / 1000);
        delay.tv_nsec = (long)((value - 1000.0 * (double)delay.tv_sec) * 1e6);
    }
    if (!file) return;
    if (!dir || !realpath(dir, root)) fail("STATEHOUSE_SHIM_RECORD needs STATEHOUSE_SHIM_ROOT, an existing directory");
    root_len = strlen(root);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) fail("STATEHOUSE_SHIM_RECORD cannot be opened for appending");
    /* Out of the way of programs that count on getting small descriptors. */
    journal = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    if (journal < 0) journal = fd;
    else syscall(SYS_close, fd);
    pthread_atfork(before_fork, after_fork, after_fork);
}

/* ---- where a path or descriptor is ---------------------------------------------------------------- */

/* The part below the root: "" for the root itself, NULL for anything outside. */
static const char *below_root(const char *path)
{
    if (strncmp(path, root, root_len) != 0) return NULL;
    if (path[root_len] == '/') return path + root_len + 1;
    return path[root_len] ? NULL : "";
}

/* The current absolute path of an open file or directory; errno is kept. */
static const char *place_of(int fd, char path[PATH_MAX])
{
    if (journal < 0 || fd < 0 || fd == journal) return NULL;
    int saved = errno;
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long len = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    errno = saved;
    if (len <= 0) return NULL;
    path[len] = 0;
    return below_root(path);
}

/* The same for a name that need not exist: its directory is resolved, its last part is not. */
static const char *place_at(int dir, const char *name, char path[PATH_MAX])
{
    if (journal < 0 || !name || !*name) return NULL;
    int saved = errno;
    char parent[PATH_MAX];
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/') len--;
    if (len >= PATH_MAX) return NULL;
    size_t cut = len;
    while (cut > 0 && name[cut - 1] != '/') cut--;
    memcpy(parent, cut ? name : ".", cut ? cut : 1);
    parent[cut ? cut : 1] = 0;
    int fd = (int)syscall(SYS_openat, dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    const char *below = fd < 0 ? NULL : place_of(fd, path);
    if (fd >= 0) syscall(SYS_close, fd);
    errno = saved;
    size_t have = below ? strlen(path) : 0;
    if (!below || have + 1 + (len - cut) >= PATH_MAX) return NULL;
    path[have] = '/';
    memcpy(path + have + 1, name + cut, len - cut);
    path[have + 1 + (len - cut)] = 0;
    return below_root(path);
}

static uint64_t inode_of(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 ? (uint64_t)s.st_ino : 0;
}

static uint64_t inode_at(int dir, const char *name)
{
    struct stat s;
    return fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)s.st_ino : 0;
}

/* ---- notes of two kinds -------------------------------------------------------------------------- */

/* Under the lock: a file or directory that was just made, with the mode it really got. */
static void note_created(const char *place, int dir, const char *name)
{
    struct stat s;
    if (fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW) == 0) note(CREATE, place, NULL, (uint64_t)s.st_ino, s.st_mode, NULL, 0);
}

/* Under no lock: something was done to a file of ours that replay could not repeat. */
static void note_unsupported(const char *path, const char *what)
{
    sigset_t mask;
    lock(&mask);
    note(UNSUPPORTED, path, what, 0, 0, NULL, 0);
    unlock(&mask);
}

/* ---- syncs ---------------------------------------------------------------------------------------- */

static int synced(long call, int fd)
{
    char path[PATH_MAX];
    const char *place = place_of(fd, path);
    uint64_t inode = place ? inode_of(fd) : 0;
    sigset_t mask;
    if (place) {
        lock(&mask);
        place = place_of(fd, path); /* again: it may have been renamed before the lock was ours */
        note(SYNC_BEGIN, place, NULL, inode, 0, NULL, 0);
        unlock(&mask);
    }
    long result = syscall(call, fd);
    int saved = errno;
    struct timespec left = delay;
    while ((left.tv_sec || left.tv_nsec) && nanosleep(&left, &left) != 0 && errno == EINTR) {}
    errno = saved;
    if (place) {
        lock(&mask);
        note(SYNC_END, place, NULL, inode, result != 0, NULL, 0);
        unlock(&mask);
    }
    return (int)result;
}

EXPORT int fsync(int fd) { return synced(SYS_fsync, fd); }
EXPORT int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

/* ---- bytes and sizes ------------------------------------------------------------------------------ */

/* offset -1: at the file's own position, which the call moves. */
static ssize_t written(int fd, const struct iovec *data, int pieces, off_t offset, int flags)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = place_of(fd, path);
    if (place) {
        lock(&mask);
        place = place_of(fd, path); /* again: it may have been renamed before the lock was ours */
    }
    long n = offset < 0 && !flags ? syscall(SYS_writev, fd, data, pieces) : syscall(SYS_pwritev2, fd, data, pieces, offset, 0, flags);
    if (!place) return n;
    int saved = errno;
    if (n > 0) {
        long status = syscall(SYS_fcntl, fd, F_GETFL);
        /* O_APPEND ignores the offset that was asked for: the bytes are now the last ones. */
        off_t at = offset;
        struct stat s;
        if (offset < 0) at = syscall(SYS_lseek, fd, 0, SEEK_CUR) - n;
        else if ((status & O_APPEND) && fstat(fd, &s) == 0) at = s.st_size - n;
        if ((status & O_DSYNC) || (flags & (RWF_DSYNC | RWF_SYNC | RWF_APPEND))) note(UNSUPPORTED, place, "synchronous or appending write", 0, 0, NULL, 0);
        else note(WRITE, place, NULL, inode_of(fd), (uint64_t)at, data, (uint64_t)n);
    }
    errno = saved;
    unlock(&mask);
    return n;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t len)
{
    struct iovec one = {(void *)bytes, len};
    char path[PATH_MAX];
    /* Sockets and pipes, which signal handlers write to, take the shortest way. */
    if (!place_of(fd, path)) return syscall(SYS_write, fd, bytes, len);
    return written(fd, &one, 1, -1, 0);
}
EXPORT ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec one = {(void *)bytes, len};
    if (journal < 0 || offset < 0) return syscall(SYS_pwrite64, fd, bytes, len, offset);
    return written(fd, &one, 1, offset, 0);
}
EXPORT ssize_t writev(int fd, const struct iovec *data, int pieces) { return written(fd, data, pieces, -1, 0); }
EXPORT ssize_t pwritev(int fd, const struct iovec *data, int pieces, off_t offset)
{
    if (offset < 0) return syscall(SYS_pwritev, fd, data, pieces, offset, 0);
    return written(fd, data, pieces, offset, 0);
}
EXPORT ssize_t pwritev2(int fd, const struct iovec *data, int pieces, off_t offset, int flags) { return written(fd, data, pieces, offset, flags); }
ssize_t pwrite64(int, const void *, size_t, off64_t) SAME_AS(pwrite);
ssize_t pwritev64(int, const struct iovec *, int, off64_t) SAME_AS(pwritev);
ssize_t pwritev64v2(int, const struct iovec *, int, off64_t, int) SAME_AS(pwritev2);

EXPORT int ftruncate(int fd, off_t size)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = place_of(fd, path);
    if (!place) return (int)syscall(SYS_ftruncate, fd, size);
    lock(&mask);
    place = place_of(fd, path);
    long result = syscall(SYS_ftruncate, fd, size);
    if (result == 0) note(RESIZE, place, NULL, inode_of(fd), (uint64_t)size, NULL, 0);
    unlock(&mask);
    return (int)result;
}
int ftruncate64(int, off64_t) SAME_AS(ftruncate);

EXPORT int truncate(const char *name, off_t size)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = place_at(AT_FDCWD, name, path);
    if (!place) return (int)syscall(SYS_truncate, name, size);
    lock(&mask);
    long result = syscall(SYS_truncate, name, size);
    if (result == 0) note(RESIZE, place, NULL, inode_at(AT_FDCWD, name), (uint64_t)size, NULL, 0);
    unlock(&mask);
    return (int)result;
}
int truncate64(const char *, off64_t) SAME_AS(truncate);

EXPORT int fallocate(int fd, int mode, off_t offset, off_t len)
{
    char path[PATH_MAX];
    struct stat s;
    sigset_t mask;
    const char *place = place_of(fd, path);
    if (!place) return (int)syscall(SYS_fallocate, fd, mode, offset, len);
    lock(&mask);
    place = place_of(fd, path);
    long result = syscall(SYS_fallocate, fd, mode, offset, len);
    if (result == 0 && (mode & ~FALLOC_FL_KEEP_SIZE)) note(UNSUPPORTED, place, "fallocate that changes bytes", 0, 0, NULL, 0);
    else if (result == 0 && fstat(fd, &s) == 0) note(RESIZE, place, NULL, (uint64_t)s.st_ino, (uint64_t)s.st_size, NULL, 0);
    unlock(&mask);
    return (int)result;
}
int fallocate64(int, int, off64_t, off64_t) SAME_AS(fallocate);
EXPORT int posix_fallocate(int fd, off_t offset, off_t len)
{
    int saved = errno, result = fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
    errno = saved;
    return result;
}
int posix_fallocate64(int, off64_t, off64_t) SAME_AS(posix_fallocate);

/* Copies inside the kernel are declined, as an old kernel does: callers then read and write. */
EXPORT ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    char path[PATH_MAX];
    if (!place_of(out, path)) return syscall(SYS_copy_file_range, in, in_at, out, out_at, len, flags);
    errno = ENOSYS;
    return -1;
}
EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
    char path[PATH_MAX];
    if (!place_of(out, path)) return syscall(SYS_sendfile, out, in, at, len);
    errno = ENOSYS;
    return -1;
}
ssize_t sendfile64(int, int, off64_t *, size_t) SAME_AS(sendfile);
EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    char path[PATH_MAX];
    if (!place_of(out, path)) return syscall(SYS_splice, in, in_at, out, out_at, len, flags);
    errno = EINVAL;
    return -1;
}

EXPORT void *mmap(void *where, size_t len, int prot, int flags, int fd, off_t offset)
{
    char path[PATH_MAX];
    const char *place = (flags & MAP_SHARED) && (prot & PROT_WRITE) && !(flags & MAP_ANONYMOUS) ? place_of(fd, path) : NULL;
    size_t n = place ? strlen(place) : 0;
    if (place && (n < 4 || strcmp(place + n - 4, "-shm") != 0)) note_unsupported(place, "writable shared memory map");
    return (void *)syscall(SYS_mmap, where, len, prot, flags, fd, offset);
}
void *mmap64(void *, size_t, int, int, int, off64_t) SAME_AS(mmap);

/* ---- names ---------------------------------------------------------------------------------------- */

static int opened(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = flags & (O_CREAT | O_TRUNC | O_TMPFILE) ? place_at(dir, name, path) : NULL;
    if (place && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP; /* as file systems without unnamed files say: callers then use a name */
        return -1;
    }
    if (!place || !(flags & (O_CREAT | O_TRUNC))) return (int)syscall(SYS_openat, dir, name, flags, mode);
    lock(&mask);
    int was_there = inode_at(dir, name) != 0;
    int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && !was_there) note_created(place, dir, name);
    else if (fd >= 0 && (flags & O_TRUNC)) note(RESIZE, place, NULL, inode_of(fd), 0, NULL, 0);
    unlock(&mask);
    return fd;
}

#define MODE_ARGUMENT(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = (mode_t)va_arg(more, int); \
        va_end(more); \
    }

EXPORT int open(const char *name, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return opened(AT_FDCWD, name, flags, mode);
}
EXPORT int openat(int dir, const char *name, int flags, ...)
{
    MODE_ARGUMENT(flags, mode)
    return opened(dir, name, flags, mode);
}
EXPORT int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
EXPORT int __open_2(const char *name, int flags) { return opened(AT_FDCWD, name, flags, 0); }
EXPORT int __openat_2(int dir, const char *name, int flags) { return opened(dir, name, flags, 0); }
int open64(const char *, int, ...) SAME_AS(open);
int openat64(int, const char *, int, ...) SAME_AS(openat);
int creat64(const char *, mode_t) SAME_AS(creat);
int __open64_2(const char *, int) SAME_AS(__open_2);
int __openat64_2(int, const char *, int) SAME_AS(__openat_2);

EXPORT int renameat2(int dir, const char *name, int dir2, const char *name2, unsigned flags)
{
    char path[PATH_MAX], path2[PATH_MAX];
    sigset_t mask;
    const char *place = place_at(dir, name, path), *place2 = place_at(dir2, name2, path2);
    if (!place && !place2) return (int)syscall(SYS_renameat2, dir, name, dir2, name2, flags);
    if (!place || !place2) note_unsupported(place ? place : place2, "rename across the root");
    lock(&mask);
    uint64_t inode = inode_at(dir, name), inode2 = inode_at(dir2, name2);
    long result = syscall(SYS_renameat2, dir, name, dir2, name2, flags);
    /* Two names of one file: the kernel does nothing, and says that it succeeded. */
    if (result == 0 && place && place2 && inode != inode2)
        note(flags & RENAME_EXCHANGE ? EXCHANGE : RENAME, place, place2, inode, 0, NULL, 0);
    unlock(&mask);
    return (int)result;
}
EXPORT int renameat(int dir, const char *name, int dir2, const char *name2) { return renameat2(dir, name, dir2, name2, 0); }
EXPORT int rename(const char *name, const char *name2) { return renameat2(AT_FDCWD, name, AT_FDCWD, name2, 0); }

EXPORT int unlinkat(int dir, const char *name, int flags)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = place_at(dir, name, path);
    if (!place) return (int)syscall(SYS_unlinkat, dir, name, flags);
    lock(&mask);
    long result = syscall(SYS_unlinkat, dir, name, flags);
    if (result == 0) note(UNLINK, place, NULL, 0, 0, NULL, 0);
    unlock(&mask);
    return (int)result;
}
EXPORT int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
EXPORT int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
EXPORT int remove(const char *name)
{
    int saved = errno;
    if (unlink(name) == 0) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
    errno = saved;
    return rmdir(name);
}

EXPORT int linkat(int dir, const char *name, int dir2, const char *name2, int flags)
{
    char path[PATH_MAX], path2[PATH_MAX];
    sigset_t mask;
    const char *place = place_at(dir, name, path), *place2 = place_at(dir2, name2, path2);
    if (!place2) return (int)syscall(SYS_linkat, dir, name, dir2, name2, flags);
    if (!place) note_unsupported(place2, "link to a file outside the root");
    lock(&mask);
    long result = syscall(SYS_linkat, dir, name, dir2, name2, flags);
    if (result == 0 && place) note(LINK, place, place2, inode_at(dir2, name2), 0, NULL, 0);
    unlock(&mask);
    return (int)result;
}
EXPORT int link(const char *name, const char *name2) { return linkat(AT_FDCWD, name, AT_FDCWD, name2, 0); }

EXPORT int mkdirat(int dir, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    sigset_t mask;
    const char *place = place_at(dir, name, path);
    if (!place) return (int)syscall(SYS_mkdirat, dir, name, mode);
    lock(&mask);
    long result = syscall(SYS_mkdirat, dir, name, mode);
    if (result == 0) note_created(place, dir, name);
    unlock(&mask);
    return (int)result;
}
EXPORT int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

EXPORT int symlinkat(const char *target, int dir, const char *name)
{
    char path[PATH_MAX];
    const char *place = place_at(dir, name, path);
    if (place) note_unsupported(place, "symbolic link");
    return (int)syscall(SYS_symlinkat, target, dir, name);
}
EXPORT int symlink(const char *target, const char *name) { return symlinkat(target, AT_FDCWD, name); }
