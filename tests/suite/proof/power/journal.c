/* Writes down, in their order, what a program writes to, cuts and syncs in the files whose path begins with
 * POWER_PREFIX. Preloaded into it; the log is the file POWER_LOG: records of a head of five 64-bit numbers (kind, file,
 * offset, length, 0) and the bytes. Kinds: 1 write, 2 cut to a length, 3 sync, 4 the name of a file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FILES 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char names[FILES][512];
static int known;
static int log_fd = -1;

static void put(const void *bytes, size_t count) {
    const char *from = bytes;
    while (count > 0) {
        long written = syscall(SYS_write, log_fd, from, count);
        if (written <= 0) abort();
        from += written;
        count -= (size_t)written;
    }
}

static void record(uint64_t kind, uint64_t file, uint64_t offset, uint64_t length, const void *bytes) {
    uint64_t head[5] = {kind, file, offset, length, 0};
    put(head, sizeof head);
    if (bytes) put(bytes, length);
}

/* The number of the file behind fd, or -1 when it is none of ours. Called with the lock held. */
static int file_of(int fd) {
    const char *prefix = getenv("POWER_PREFIX"), *log = getenv("POWER_LOG");
    char link[64], path[512];
    if (!prefix || !log) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return -1;
    path[length] = 0;
    if (strncmp(path, prefix, strlen(prefix)) != 0) return -1;
    if (log_fd < 0) {
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_fd < 0) abort();
    }
    for (int file = 0; file < known; file++)
        if (strcmp(names[file], path) == 0) return file;
    if (known == FILES) abort();
    strcpy(names[known], path);
    record(4, (uint64_t)known, 0, strlen(path), path);
    return known++;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    off_t at = file < 0 ? 0 : lseek(fd, 0, SEEK_CUR);
    ssize_t result = REAL(write)(fd, bytes, count);
    if (file >= 0 && result > 0) {
        int appends = fcntl(fd, F_GETFL) & O_APPEND;
        if (appends) at = lseek(fd, 0, SEEK_CUR) - result;
        record(1, (uint64_t)file, (uint64_t)at, (uint64_t)result, bytes);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t written_at(int fd, const void *bytes, size_t count, off_t at) {
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, count, at);
    if (file >= 0 && result > 0) record(1, (uint64_t)file, (uint64_t)at, (uint64_t)result, bytes);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return written_at(fd, bytes, count, at); }

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return written_at(fd, bytes, count, at); }

static int cut(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (file >= 0 && result == 0) record(2, (uint64_t)file, 0, (uint64_t)length, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return cut(fd, length); }

int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, long call) {
    int result = (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    if (file >= 0 && result == 0) record(3, (uint64_t)file, 0, 0, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }

int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
