#pragma once
// libfcgi, and the few Linux calls that Swift's Glibc module does not carry (they sit behind _GNU_SOURCE there).
#include <fastcgi.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int pthread_setname_np(pthread_t, const char *);

/// Accepts one connection; the descriptor is closed on exec and blocking.
static inline int cf_accept(int listening) { return accept4(listening, NULL, NULL, SOCK_CLOEXEC); }

/// A unix stream socket that is closed on exec and never blocks in connect or accept.
static inline int cf_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

/// A pair of connected unix stream sockets, closed on exec; reads and writes of the first never block.
static inline int cf_socket_pair(int pair[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -1;
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0) return 0;
    close(pair[0]);
    close(pair[1]);
    return -1;
}

/// Raises the number of descriptors that the process may have to the most that it is allowed: a request takes three while it
/// is read.
static inline void cf_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/// A counter descriptor that a thread can poll on to be woken.
static inline int cf_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// A set of descriptors to wait for.
static inline int cf_watch(void) { return epoll_create1(EPOLL_CLOEXEC); }

/// Adds a descriptor whose key `cf_watch_next` returns once, when its peer closes or (events: EPOLLIN) it can be read.
static inline int cf_watch_add(int watch, int descriptor, uint64_t key, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLONESHOT, .data = {.u64 = key}};
    return epoll_ctl(watch, EPOLL_CTL_ADD, descriptor, &event);
}

static inline void cf_watch_remove(int watch, int descriptor) { epoll_ctl(watch, EPOLL_CTL_DEL, descriptor, NULL); }

/// Waits for the next key; UINT64_MAX when that is impossible.
static inline uint64_t cf_watch_next(int watch) {
    struct epoll_event event;
    int count;
    do count = epoll_wait(watch, &event, 1, -1);
    while (count == 0 || (count < 0 && errno == EINTR));
    return count == 1 ? event.data.u64 : UINT64_MAX;
}

/// Names the calling thread (at most 15 bytes) for ps, top and gdb.
static inline int cf_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }

/// Takes `reserve` bytes of the heap from the system now and keeps them. Large blocks go back to the kernel at once.
static inline void cf_reserve_heap(size_t reserve) {
    mallopt(M_TOP_PAD, (int)reserve);
    mallopt(M_TRIM_THRESHOLD, (int)(3 * reserve));
    mallopt(M_MMAP_THRESHOLD, (int)(2 * reserve));  // for the one block that follows
    volatile char *block = malloc(reserve);
    for (size_t place = 0; block != NULL && place < reserve; place += 4096) block[place] = 0;
    free((void *)block);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}

/// Touches the calling thread's stack so far down that later calls find its pages there.
static __attribute__((noinline)) void cf_touch_stack(size_t bytes) {
    char *volatile stack = __builtin_alloca(bytes);
    memset(stack, 0, bytes);
    __asm__ volatile("" ::"r"(stack) : "memory");
}

/// FCGX_Init without the handlers that it installs: SIGTERM and SIGUSR1 stay as they were, SIGPIPE is ignored, since
/// a peer that went away must show as a write error and not end the process.
static inline int cf_init(void) {
    const int signals[] = {SIGTERM, SIGUSR1};
    struct sigaction before[2];
    for (int i = 0; i < 2; i++) sigaction(signals[i], NULL, &before[i]);
    int code = FCGX_Init();
    for (int i = 0; i < 2; i++) sigaction(signals[i], &before[i], NULL);
    signal(SIGPIPE, SIG_IGN);
    return code;
}

enum {
    CF_SO_PEEK_OFF = 42,      // asm-generic/socket.h: MSG_PEEK continues where the last peek ended
    CF_EPOLLIN = EPOLLIN,
    CF_POLLRDHUP = 0x2000,    // asm-generic/poll.h: the peer closed, or shut down its writing half
};
