/* SPDX-License-Identifier: MIT
 * Reads and checks the connection file.
 */
#include "kernel/protocol/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_LIMIT = 64 * 1024, IPC_PATH_MAX = 107 };

static const struct {
    const char *name, *port_field;
} channels[JP_CHANNEL_COUNT] = {
    [JP_SHELL] = {"shell", "shell_port"},
    [JP_CONTROL] = {"control", "control_port"},
    [JP_STDIN] = {"stdin", "stdin_port"},
    [JP_IOPUB] = {"iopub", "iopub_port"},
    [JP_HEARTBEAT] = {"heartbeat", "hb_port"},
};

const char *jp_channel_name(jp_channel channel)
{
    return channels[channel].name;
}

static bool copy_field(char **out, const json_t *root, const char *field,
                       const char *fallback, jp_error *err)
{
    const json_t *value = json_object_get(root, field);
    if (value && !json_is_string(value)) {
        return jp_fail(err, "connection file: \"%s\" is not a string", field);
    }
    *out = strdup(value ? json_string_value(value) : fallback);
    return *out || jp_fail(err, "connection file: out of memory");
}

/* Ports are numbers; some writers of the handshake use strings of digits. */
static bool read_port(int *out, const json_t *root, const char *field,
                      jp_error *err)
{
    const json_t *value = json_object_get(root, field);
    long port = -1;
    if (json_is_integer(value)) {
        json_int_t wide = json_integer_value(value);
        port = wide >= 1 && wide <= 65535 ? (long)wide : -1;
    } else if (json_is_string(value)) {
        char *end = NULL;
        port = strtol(json_string_value(value), &end, 10);
        port = end && *end == '\0' ? port : -1;
    }
    if (port < 1 || port > 65535) {
        return jp_fail(err, "connection file: \"%s\" is %s, expected a port "
                            "from 1 to 65535",
                       field, value ? "out of range" : "missing");
    }
    *out = (int)port;
    return true;
}

/* An address that is spelt in any other way counts as one of the network. */
static bool is_loopback(const char *ip)
{
    struct in_addr v4;
    return (inet_pton(AF_INET, ip, &v4) == 1 &&
            (ntohl(v4.s_addr) >> 24) == 127) ||
           strcmp(ip, "localhost") == 0 || strcmp(ip, "::1") == 0 ||
           strcmp(ip, "[::1]") == 0;
}

bool jp_connection_reaches_out(const jp_connection *c)
{
    return strcmp(c->transport, "tcp") == 0 && !is_loopback(c->ip);
}

static bool check(const jp_connection *c, jp_error *err)
{
    if (strcmp(c->transport, "ipc") != 0 && strcmp(c->transport, "tcp") != 0) {
        return jp_fail(err, "connection file: transport \"%s\" is unknown, "
                            "expected tcp or ipc",
                       c->transport);
    }
    if (!c->key[0] && jp_connection_reaches_out(c)) {
        return jp_fail(err, "connection file: an empty key on %s would let "
                            "anyone in the network run code; give a key",
                       c->ip);
    }
    return true;
}

/* --- CurveZMQ ------------------------------------------------------------- */

/* Copies a key; *found tells whether the file has one. */
static bool read_curve_key(char out[JP_CURVE_KEY_SIZE], bool *found,
                           const json_t *root, const char *field,
                           jp_error *err)
{
    const json_t *value = json_object_get(root, field);
    unsigned char raw[32];
    *found = value && !json_is_null(value);
    if (!*found) {
        return true;
    }
    bool ok = json_is_string(value) &&
              json_string_length(value) == JP_CURVE_KEY_SIZE - 1;
    if (ok) {
        memcpy(out, json_string_value(value), JP_CURVE_KEY_SIZE);
        ok = zmq_z85_decode(raw, out) != NULL;
        explicit_bzero(raw, sizeof raw);
    }
    return ok || jp_fail(err, "connection file: \"%s\" is no CurveZMQ key; "
                              "expected %d characters of Z85",
                         field, JP_CURVE_KEY_SIZE - 1);
}

/* A pair that does not belong together would refuse every client in silence. */
static bool is_pair(const jp_connection *c)
{
    char public[JP_CURVE_KEY_SIZE];
    return zmq_curve_public(public, c->curve_secret) == 0 &&
           strcmp(public, c->curve_public) == 0;
}

static bool read_curve(jp_connection *out, const json_t *root, jp_error *err)
{
    bool has_public, has_secret;
    int v[3];
    if (!read_curve_key(out->curve_public, &has_public, root,
                        "curve_publickey", err) ||
        !read_curve_key(out->curve_secret, &has_secret, root,
                        "curve_secretkey", err)) {
        return false;
    }
    if (has_public != has_secret) {
        return jp_fail(err, "connection file: \"%s\" is missing; CurveZMQ "
                            "needs curve_publickey and curve_secretkey",
                       has_public ? "curve_secretkey" : "curve_publickey");
    }
    out->curve = has_public;
    if (out->curve && !zmq_has("curve")) {
        zmq_version(&v[0], &v[1], &v[2]);
        return jp_fail(err, "connection file: it asks for encryption "
                            "(curve_publickey), but this libzmq %d.%d.%d was "
                            "built without CURVE; install one with it, or "
                            "start the kernel with "
                            "transport_encryption=disabled",
                       v[0], v[1], v[2]);
    }
    if (out->curve && !is_pair(out)) {
        return jp_fail(err, "connection file: curve_publickey does not belong "
                            "to curve_secretkey");
    }
    return true;
}

/* --- the file ------------------------------------------------------------- */

static bool read_fields(jp_connection *out, const json_t *root, jp_error *err)
{
    if (!json_is_object(root)) {
        return jp_fail(err, "connection file: not a JSON object");
    }
    bool ok = copy_field(&out->transport, root, "transport", "tcp", err) &&
              copy_field(&out->ip, root, "ip", "127.0.0.1", err) &&
              copy_field(&out->key, root, "key", "", err) &&
              copy_field(&out->scheme, root, "signature_scheme", "hmac-sha256",
                         err);
    for (int i = 0; ok && i < JP_CHANNEL_COUNT; i++) {
        ok = read_port(&out->port[i], root, channels[i].port_field, err);
    }
    return ok && check(out, err) && read_curve(out, root, err);
}

bool jp_connection_parse(jp_connection *out, jp_slice text, jp_error *err)
{
    json_error_t why;
    *out = (jp_connection){0};
    json_t *root = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES,
                              &why);
    /* What Jansson says may quote the place, and with it a key. */
    bool ok = root ? read_fields(out, root, err)
                   : jp_fail(err, "connection file: no JSON, or a field twice, "
                                  "at line %d, column %d",
                             why.line, why.column);
    json_decref(root);
    if (!ok) {
        jp_connection_dispose(out);
    }
    return ok;
}

static bool check_file(int fd, const char *path, bool lax, jp_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return jp_fail(err, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return jp_fail(err, "%s: not a regular file", path);
    }
    if (st.st_uid != geteuid() && st.st_uid != 0) {
        return jp_fail(err, "%s: belongs to user %d, not to you (%d)", path,
                       (int)st.st_uid, (int)geteuid());
    }
    if (!lax && (st.st_mode & 077)) {
        return jp_fail(err, "%s: mode %03o lets other users read the key; "
                            "expected 600 (chmod 600, or set "
                            "JUPYTER_ALLOW_INSECURE_WRITES=1)",
                       path, (unsigned)(st.st_mode & 0777));
    }
    if (st.st_size > FILE_LIMIT) {
        return jp_fail(err, "%s: %lld bytes, expected at most %d", path,
                       (long long)st.st_size, FILE_LIMIT);
    }
    return true;
}

bool jp_connection_load(jp_connection *out, const char *path, bool lax,
                        jp_error *err)
{
    char text[FILE_LIMIT + 1];
    size_t size = 0;
    ssize_t got = 0;
    *out = (jp_connection){0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return jp_fail(err, "%s: %s", path,
                       errno == ELOOP ? "is a symbolic link"
                                      : strerror(errno));
    }
    bool ok = check_file(fd, path, lax, err);
    while (ok && size < sizeof text &&
           (got = read(fd, text + size, sizeof text - size)) > 0) {
        size += (size_t)got;
    }
    if (ok && (got < 0 || size > FILE_LIMIT)) {
        ok = jp_fail(err, "%s: cannot be read whole", path);
    }
    close(fd);
    ok = ok && jp_connection_parse(out, (jp_slice){text, size}, err);
    explicit_bzero(text, sizeof text);
    return ok;
}

void jp_connection_dispose(jp_connection *c)
{
    if (c->key) {
        explicit_bzero(c->key, strlen(c->key));
    }
    free(c->transport);
    free(c->ip);
    free(c->key);
    free(c->scheme);
    explicit_bzero(c, sizeof *c);
}

bool jp_connection_address(const jp_connection *c, jp_channel channel,
                           char out[JP_ADDRESS_MAX], jp_error *err)
{
    bool ipc = strcmp(c->transport, "ipc") == 0;
    bool v6 = !ipc && strchr(c->ip, ':') && c->ip[0] != '[';
    int n = ipc ? snprintf(out, JP_ADDRESS_MAX, JP_IPC_SCHEME "%s-%d", c->ip,
                           c->port[channel])
                : snprintf(out, JP_ADDRESS_MAX, "tcp://%s%s%s:%d",
                           v6 ? "[" : "", c->ip, v6 ? "]" : "",
                           c->port[channel]);
    if (n < 0 || n >= JP_ADDRESS_MAX ||
        (ipc && n - 6 > IPC_PATH_MAX)) {
        return jp_fail(err, "%s: the address %s is too long (a socket path "
                            "has at most %d bytes)",
                       jp_channel_name(channel), c->ip, IPC_PATH_MAX);
    }
    return true;
}
