/* Writes down, in their order, what a program syncs to disk and sends over TCP. Preloaded into it; the log is the
 * file SYNC_WITNESS_LOG: `sync <path>` after a sync succeeded, `send <peer port> <own port>` before bytes leave. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void witness(const char *line, int length) {
    const char *path = getenv("SYNC_WITNESS_LOG");
    if (!path || length <= 0) return;
    int log = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return;
    syscall(SYS_write, log, line, (size_t)length);
    syscall(SYS_close, log);
}

static void synced(int fd) {
    char link[64], path[4096], line[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    witness(line, snprintf(line, sizeof line, "sync %s\n", path));
}

static void sends(int fd) {
    struct sockaddr_in peer, own;
    socklen_t peer_size = sizeof peer, own_size = sizeof own;
    char line[64];
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) || peer.sin_family != AF_INET) return;
    if (getsockname(fd, (struct sockaddr *)&own, &own_size)) return;
    witness(line, snprintf(line, sizeof line, "send %d %d\n", ntohs(peer.sin_port), ntohs(own.sin_port)));
}

int fsync(int fd) {
    int result = REAL(fsync)(fd);
    if (result == 0) synced(fd);
    return result;
}

int fdatasync(int fd) {
    int result = REAL(fdatasync)(fd);
    if (result == 0) synced(fd);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    sends(fd);
    return REAL(write)(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    sends(fd);
    return REAL(writev)(fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t count, int flags) {
    sends(fd);
    return REAL(send)(fd, bytes, count, flags);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t size) {
    sends(fd);
    return REAL(sendto)(fd, bytes, count, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    sends(fd);
    return REAL(sendmsg)(fd, message, flags);
}
