/* SPDX-License-Identifier: MIT
 * Sets the front's parts up, runs the router, takes them down.
 */
#include "kernel/front.h"

#include "kernel/guard.h"
#include "kernel/log.h"
#include "kernel/protocol/heartbeat.h"
#include "kernel/protocol/listen.h"
#include "kernel/protocol/memory.h"
#include "kernel/relay.h"
#include "kernel/router.h"
#include "kernel/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OUTPUT_MIB = 1024, OUTPUT_MOST = 1 << 20, MEMORY_PATIENCE = 60 };

/* Blocked in every thread (threads inherit), read from one descriptor. */
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);   /* a write says EFBIG instead */
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Readable once the process named by JPY_PARENT_PID is gone; -1: no such
 * process was named, or the system cannot tell. */
static int watch_parent(bool *gone)
{
    const char *text = getenv("JPY_PARENT_PID");
    pid_t pid = text ? (pid_t)atol(text) : 0;
    *gone = false;
    if (pid < 1) {
        return -1;
    }
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    *gone = fd < 0 && errno == ESRCH;
    return fd;
#else
    *gone = kill(pid, 0) != 0 && errno == ESRCH;
    return -1;
#endif
}

/* Both processes of the kernel need the three standard descriptors. */
static void open_standard(void)
{
    static const char *const mode[] = {"r", "w", "w"};
    FILE *const stream[] = {stdin, stdout, stderr};
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 &&
            !freopen("/dev/null", mode[fd], stream[fd])) {
            exit(1);
        }
    }
}

static void warn_of_open_wires(const jp_connection *c)
{
    if (!c->key[0]) {
        kernel_log("the connection file has no key: messages are not signed");
    }
    if (!c->curve && jp_connection_reaches_out(c)) {
        kernel_log("the connection file has no curve keys: what goes to and "
                   "from %s is signed, but can be read on its way", c->ip);
    }
}

/* Jupyter's own rule for this variable. */
static bool accepts_open_files(void)
{
    const char *text = getenv("JUPYTER_ALLOW_INSECURE_WRITES");
    return text && (strcmp(text, "1") == 0 || strcasecmp(text, "true") == 0);
}

/* Bytes that are kept for a client that does not read. */
static int64_t output_limit(void)
{
    const char *text = getenv("RUSTORCH_OUTPUT_MIB");
    long long mib = text ? atoll(text) : 0;
    mib = mib > 0 ? mib : OUTPUT_MIB;
    return (mib < OUTPUT_MOST ? mib : OUTPUT_MOST) << 20;
}

/* The wire, the publisher and the history; then the loop. */
static bool serve(kernel_router *r, kernel_relay *relay, const char *session,
                  jp_error *err)
{
    const jp_connection *c = r->connection;
    r->wire = jp_wire_new(c->scheme, c->key, session, 'r', err);
    r->history = kernel_history_new(NULL);
    r->symbols = lang_symbols_new();
    bool ok = r->wire && r->symbols && kernel_child_init(&r->child, err);
    if (ok) {
        r->io = kernel_iopub_new(r->channels->socket[JP_IOPUB], r->wire,
                                 session, kernel_relay_events(relay));
        kernel_router_run(r);
        kernel_iopub_free(r->io);
        kernel_router_close(r);
    }
    kernel_child_dispose(&r->child);
    lang_symbols_free(r->symbols);
    kernel_history_free(r->history);
    jp_wire_free(r->wire);
    return ok || jp_fail(err, "out of memory");
}

/* Binds, beats, serves. */
static bool run(const jp_connection *c, int signals, int parent, jp_error *err)
{
    char session[JP_SESSION_SIZE];
    jp_channels channels;
    if (!jp_session_new(session, err) || !jp_channels_open(&channels, c, err)) {
        return false;
    }
    jp_heartbeat *heartbeat = jp_heartbeat_start(c, err);
    kernel_relay *relay = kernel_relay_start(channels.listener, channels.inner,
                                             output_limit());
    bool ok = heartbeat && (relay || jp_fail(err, "no thread to be had"));
    if (ok) {
        kernel_guard_start(c);
        kernel_router r = {.connection = c,
                           .channels = &channels,
                           .signals = signals,
                           .parent = parent};
        ok = serve(&r, relay, session, err);
    }
    jp_channels_close(&channels);
    kernel_relay_stop(relay);
    jp_listen_close(c, JP_IOPUB, channels.listener);
    jp_heartbeat_stop(heartbeat);
    return ok;
}

int kernel_front_main(const char *connection_file)
{
    jp_connection c;
    jp_error err = {""};
    bool gone;
    kernel_take_short_turns();   /* before there are threads */
    jp_memory_init(MEMORY_PATIENCE);
    open_standard();
    if (!jp_connection_load(&c, connection_file, accepts_open_files(), &err)) {
        kernel_log("%s", err.text);
        return 1;
    }
    warn_of_open_wires(&c);
    int signals = open_signals();
    prctl(PR_SET_CHILD_SUBREAPER, 1);   /* twins of a dead process come here */
    int parent = watch_parent(&gone);
    bool ok = signals < 0 ? jp_fail(&err, "signalfd: %s", strerror(errno))
              : gone      ? jp_fail(&err, "the process that started this "
                                          "kernel is gone")
                          : run(&c, signals, parent, &err);
    if (!ok) {
        kernel_log("%s", err.text);
    }
    jp_connection_dispose(&c);
    return ok ? 0 : 1;
}
