/* Disk faults for one process tree, switched live by a file.

   cc -shared -fPIC -O1 -o io.so io.c -ldl;  IO_FILE=f IO_PATH=part LD_PRELOAD=./io.so program

   Only files whose path contains IO_PATH are touched.  The file holds words:
     fsync_ms=N   each fsync takes N ms more      write_ms=N  each write takes N ms more
     fsync_eio=1  fsync fails with EIO            fsync_lie=1 fsync returns 0 and does nothing
     weio=1       whatever changes fails with EIO enospc=1    what needs space fails with ENOSPC
     reio=1       reads fail with EIO             short=1     writes write half
   Sweeps: every operation that changes the disk is counted from the begin of the process: write, fsync, truncate,
   allocate, create, rename, delete.
     kill_at=N    SIGKILL before operation N      torn_at=N   operation N writes half, then SIGKILL
     eio_at=N     operation N fails with EIO      full_at=N   operation N fails with ENOSPC
   IO_COUNT=file: the process keeps its count there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

enum kind { WRITES, SYNCS, CHANGES, SHRINKS };

static char words[256];
static long looked_ms = -1;

static int raw_open(const char *path, int flags) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600); }

static const char *faults(void) {
    struct timespec now;
    const char *path = getenv("IO_FILE");
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (ms != looked_ms && path) {
        int before = errno, fd = raw_open(path, O_RDONLY | O_CLOEXEC);
        looked_ms = ms;
        if (fd >= 0) {
            char fresh[256];
            long n = syscall(SYS_read, fd, fresh, 255);
            syscall(SYS_close, fd);
            fresh[n > 0 ? n : 0] = 0;
            memcpy(words, fresh, 256);
        }
        errno = before;
    }
    return words;
}

static long word(const char *name) {
    const char *found = faults();
    size_t length = strlen(name);
    while ((found = strstr(found, name))) {
        if ((found == words || found[-1] == ' ' || found[-1] == '\n') && found[length] == '=') return atol(found + length + 1);
        found += length;
    }
    return 0;
}

static int named(const char *path) {
    const char *part = getenv("IO_PATH");
    return part && path && strstr(path, part) != 0;
}

static int ours(int fd) {
    char link[64], path[512];
    int before = errno;
    snprintf(link, 64, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 511);
    errno = before;
    if (n <= 0) return 0;
    path[n] = 0;
    return named(path);
}

static void nap(long ms) {
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    if (ms > 0) nanosleep(&time, 0);
}

static long count;

/* -1: it fails with errno; 1: it is torn; 0: it is done. */
static int fault(enum kind kind) {
    long n = __sync_add_and_fetch(&count, 1);
    const char *path = getenv("IO_COUNT");
    if (path) {
        char text[32];
        int fd = raw_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC), length = snprintf(text, 32, "%ld", n);
        if (fd >= 0) { syscall(SYS_write, fd, text, length); syscall(SYS_close, fd); }
    }
    if (n == word("kill_at")) kill(getpid(), SIGKILL);
    if (n == word("torn_at")) { if (kind == WRITES) return 1; kill(getpid(), SIGKILL); }
    if (n == word("eio_at")) { errno = EIO; return -1; }
    if (n == word("full_at") && kind != SHRINKS) { errno = ENOSPC; return -1; }
    nap(word(kind == SYNCS ? "fsync_ms" : "write_ms"));
    if (word("enospc") && (kind == WRITES || kind == CHANGES)) { errno = ENOSPC; return -1; }
    if (word("weio") && kind != SYNCS) { errno = EIO; return -1; }
    return 0;
}

static int active(int fd) { return faults()[0] && ours(fd); }

static size_t half(size_t n) { return n > 1 ? n / 2 : 1; }

#define WRITING(fd, size, call)                                   \
    int torn = 0;                                                 \
    if (active(fd)) {                                             \
        if ((torn = fault(WRITES)) < 0) return -1;                \
        if (torn || word("short")) size = half(size);             \
    }                                                             \
    ssize_t done = call;                                          \
    if (torn) kill(getpid(), SIGKILL);                            \
    return done

ssize_t write(int fd, const void *data, size_t n) { REAL(write); WRITING(fd, n, real(fd, data, n)); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { REAL(pwrite); WRITING(fd, n, real(fd, data, n, at)); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { REAL(pwrite64); WRITING(fd, n, real(fd, data, n, at)); }

#define SYNCING(fd, call)                                         \
    if (active(fd)) {                                             \
        if (fault(SYNCS) < 0) return -1;                          \
        if (word("fsync_eio")) { errno = EIO; return -1; }        \
        if (word("fsync_lie")) return 0;                          \
    }                                                             \
    return call

int fsync(int fd) { REAL(fsync); SYNCING(fd, real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); SYNCING(fd, real(fd)); }

#define CHANGING(touched, kind, call)                             \
    if ((touched) && fault(kind) < 0) return -1;                  \
    return call

int ftruncate(int fd, off_t n) { REAL(ftruncate); CHANGING(active(fd), SHRINKS, real(fd, n)); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); CHANGING(active(fd), SHRINKS, real(fd, n)); }
int fallocate(int fd, int mode, off_t at, off_t n) { REAL(fallocate); CHANGING(active(fd), CHANGES, real(fd, mode, at, n)); }
int unlink(const char *path) { REAL(unlink); CHANGING(faults()[0] && named(path), SHRINKS, real(path)); }
int rename(const char *from, const char *to) { REAL(rename); CHANGING(faults()[0] && named(to), CHANGES, real(from, to)); }

static int creates(const char *path, int flags) {
    return (flags & O_CREAT) && faults()[0] && named(path) && access(path, F_OK) != 0;
}

#define OPENING(path, flags)                                      \
    mode_t mode = 0;                                              \
    if (flags & O_CREAT) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
    CHANGING(creates(path, flags), CHANGES, real(path, flags, mode))

int open(const char *path, int flags, ...) { REAL(open); OPENING(path, flags); }
int open64(const char *path, int flags, ...) { REAL(open64); OPENING(path, flags); }

#define READING(fd, call)                                         \
    if (faults()[0] && word("reio") && ours(fd)) { errno = EIO; return -1; } \
    return call

ssize_t read(int fd, void *data, size_t n) { REAL(read); READING(fd, real(fd, data, n)); }
ssize_t pread(int fd, void *data, size_t n, off_t at) { REAL(pread); READING(fd, real(fd, data, n, at)); }
ssize_t pread64(int fd, void *data, size_t n, off64_t at) { REAL(pread64); READING(fd, real(fd, data, n, at)); }
