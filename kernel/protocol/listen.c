/* SPDX-License-Identifier: MIT
 * Listens, accepts, connects inwards.
 */
#include "kernel/protocol/listen.h"

#include "kernel/protocol/ipc.h"
#include "kernel/protocol/wire.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 100, KIND = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK };

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
    struct sockaddr_storage room;
} address;

/* --- where ---------------------------------------------------------------- */

/* The first IPv4 address of a network interface. */
static bool find_interface(const char *name, address *out)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0) {
        return false;
    }
    for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
        found = i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
                strcmp(i->ifa_name, name) == 0;
        if (found) {
            memcpy(&out->v4, i->ifa_addr, sizeof out->v4);
        }
    }
    freeifaddrs(all);
    return found;
}

/* What libzmq takes to bind to: a number, "*", or an interface's name. */
static bool find_address(const char *ip, int port, address *out,
                         socklen_t *size)
{
    char host[JP_ADDRESS_MAX];
    bool six = strchr(ip, ':') != NULL;
    size_t n = strlen(ip), bracket = n > 1 && ip[0] == '[' && ip[n - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(n - 2 * bracket), ip + bracket);
    struct addrinfo hints = {.ai_family = six ? AF_INET6 : AF_INET,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    *out = (address){0};
    const char *wanted = strcmp(host, "*") == 0 ? "0.0.0.0" : host;
    if (getaddrinfo(wanted, NULL, &hints, &found) == 0) {
        memcpy(out, found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
    } else if (!find_interface(host, out)) {
        errno = ENODEV;
        return false;
    }
    *size = six ? sizeof out->v6 : sizeof out->v4;
    *(six ? &out->v6.sin6_port : &out->v4.sin_port) = htons((uint16_t)port);
    return true;
}

/* --- listening ------------------------------------------------------------ */

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static int open_at(const address *a, socklen_t size)
{
    int family = a->any.sa_family;
    int fd = socket(family, KIND, 0);
    bool ok = fd >= 0 &&
              (family == AF_UNIX || set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) &&
              (family != AF_INET6 ||
               set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
              bind(fd, &a->any, size) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok && fd >= 0) {
        int why = errno;
        close(fd);
        errno = why;
    }
    return ok ? fd : -1;
}

/* The caller knows that the path fits. */
static socklen_t name_file(address *out, const char *path)
{
    *out = (address){.local = {.sun_family = AF_UNIX}};
    memcpy(out->local.sun_path, path, strlen(path) + 1);
    return sizeof out->local;
}

static int listen_at_file(const char *path)
{
    address a;
    socklen_t size = name_file(&a, path);
    unlink(path);   /* a socket nobody listens on: jp_path_free has looked */
    mode_t before = umask(077);
    int fd = open_at(&a, size);
    umask(before);
    return fd;
}

int jp_listen(const jp_connection *c, jp_channel channel, jp_error *err)
{
    char text[JP_ADDRESS_MAX];
    address a;
    socklen_t size;
    int fd = -1;
    if (!jp_connection_address(c, channel, text, err) ||
        !jp_path_free(c, text, err)) {
        return -1;
    }
    if (strcmp(c->transport, "ipc") == 0) {
        fd = listen_at_file(text + sizeof JP_IPC_SCHEME - 1);
    } else if (find_address(c->ip, c->port[channel], &a, &size)) {
        fd = open_at(&a, size);
    }
    if (fd < 0) {
        jp_fail(err, "%s: cannot bind %s: %s", jp_channel_name(channel), text,
                strerror(errno));
    }
    return fd;
}

void jp_listen_close(const jp_connection *c, jp_channel channel, int listener)
{
    char text[JP_ADDRESS_MAX];
    if (listener < 0) {
        return;
    }
    close(listener);
    if (strcmp(c->transport, "ipc") == 0 &&
        jp_connection_address(c, channel, text, NULL)) {
        unlink(text + sizeof JP_IPC_SCHEME - 1);
    }
}

/* Of a socket file only this user and root, whatever its mode. */
static bool may_come(int fd, int family)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return family != AF_UNIX ||
           (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
            (who.uid == geteuid() || who.uid == 0));
}

int jp_accept(int listener)
{
    for (;;) {
        address from = {.any = {.sa_family = AF_UNSPEC}};
        socklen_t size = sizeof from;
        int fd = accept4(listener, &from.any, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (fd < 0) {
            return -1;
        }
        if (may_come(fd, from.any.sa_family)) {
            if (from.any.sa_family != AF_UNIX) {
                set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
            }
            return fd;
        }
        close(fd);
    }
}

/* --- inwards -------------------------------------------------------------- */

bool jp_inner_address(char out[JP_ADDRESS_MAX], jp_error *err)
{
    char name[JP_SESSION_SIZE];
    if (!jp_session_new(name, err)) {
        return false;
    }
    snprintf(out, JP_ADDRESS_MAX, JP_IPC_SCHEME "@rustorch-%s", name);
    return true;
}

int jp_inner_connect(const char *inner)
{
    /* A name that begins with NUL and has no file; libzmq writes it "@". */
    const char *name = inner + sizeof JP_IPC_SCHEME - 1;
    address a = {.local = {.sun_family = AF_UNIX}};
    memcpy(a.local.sun_path, name, strlen(name));
    a.local.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, KIND, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                 strlen(name));
    if (fd >= 0 && connect(fd, &a.any, size) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}
