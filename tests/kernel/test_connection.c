/* SPDX-License-Identifier: MIT
 * Connection files, good and bad.
 */
#include "kernel/protocol/connection.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORTS                                                                  \
    "\"shell_port\":1001,\"control_port\":1002,\"stdin_port\":\"1003\","       \
    "\"iopub_port\":1004,\"hb_port\":1005"

/* The pair of the CurveZMQ specification's examples. */
#define PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

static bool parse(jp_connection *c, const char *text, jp_error *err)
{
    err->text[0] = '\0';
    return jp_connection_parse(c, jp_text(text), err);
}

CASE(a_tcp_file_gives_five_addresses)
{
    jp_connection c;
    jp_error err = {""};
    char address[JP_ADDRESS_MAX];
    CHECK(parse(&c, "{\"key\":\"k\",\"unknown\":[1]," PORTS "}", &err));
    CHECK(jp_connection_address(&c, JP_SHELL, address, &err));
    CHECK_TEXT(address, "tcp://127.0.0.1:1001");
    CHECK(jp_connection_address(&c, JP_STDIN, address, &err));
    CHECK_TEXT(address, "tcp://127.0.0.1:1003");
    jp_connection_dispose(&c);
    CHECK(parse(&c, "{\"key\":\"k\",\"ip\":\"::1\"," PORTS "}", &err));
    CHECK(jp_connection_address(&c, JP_HEARTBEAT, address, &err));
    CHECK_TEXT(address, "tcp://[::1]:1005");
    jp_connection_dispose(&c);
}

CASE(ipc_addresses_have_a_dash_and_a_limit)
{
    jp_connection c;
    jp_error err = {""};
    char address[JP_ADDRESS_MAX], text[512];
    CHECK(parse(&c, "{\"transport\":\"ipc\",\"ip\":\"/tmp/k\"," PORTS "}",
                &err));
    CHECK(jp_connection_address(&c, JP_IOPUB, address, &err));
    CHECK_TEXT(address, "ipc:///tmp/k-1004");
    jp_connection_dispose(&c);
    snprintf(text, sizeof text,
             "{\"transport\":\"ipc\",\"ip\":\"/%0110d\"," PORTS "}", 0);
    CHECK(parse(&c, text, &err));
    CHECK(!jp_connection_address(&c, JP_IOPUB, address, &err));
    CHECK_HAS(err.text, "too long");
    jp_connection_dispose(&c);
}

CASE(bad_files_are_refused_with_a_reason)
{
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"", "connection file"},
        {"[]", "not a JSON object"},
        {"{\"key\":1," PORTS "}", "\"key\" is not a string"},
        {"{\"key\":\"k\"}", "\"shell_port\" is missing"},
        {"{\"shell_port\":70000}", "out of range"},
        {"{\"shell_port\":0}", "out of range"},
        {"{\"shell_port\":18446744073709551615}", "connection file"},
        {"{\"transport\":\"udp\"," PORTS "}", "expected tcp or ipc"},
        {"{\"ip\":\"0.0.0.0\"," PORTS "}", "an empty key on 0.0.0.0"},
        {"{\"key\":\"a\",\"key\":\"b\"," PORTS "}", "a field twice"},
        {"{\"ip\":\"127.0.0.1.example.org\"," PORTS "}", "an empty key on 127"},
        {"{\"curve_publickey\":\"" PUBLIC "\"," PORTS "}",
         "\"curve_secretkey\" is missing"},
        {"{\"curve_publickey\":\"" PUBLIC "\",\"curve_secretkey\":\"x\"," PORTS
         "}",
         "\"curve_secretkey\" is no CurveZMQ key"},
        {"{\"curve_publickey\":\"" PUBLIC "\",\"curve_secretkey\":\"" PUBLIC
         "\"," PORTS "}",
         "does not belong"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        jp_connection c;
        jp_error err;
        CHECK(!parse(&c, bad[i].text, &err));
        CHECK_HAS(err.text, bad[i].reason);
    }
}

CASE(a_pair_of_curve_keys_is_taken_and_its_absence_means_plain)
{
    jp_connection c;
    jp_error err = {""};
    CHECK(parse(&c, "{\"curve_publickey\":\"" PUBLIC "\","
                    "\"curve_secretkey\":\"" SECRET "\"," PORTS "}", &err));
    CHECK_TEXT(err.text, "");
    CHECK(c.curve);
    CHECK_TEXT(c.curve_public, PUBLIC);
    CHECK_TEXT(c.curve_secret, SECRET);
    jp_connection_dispose(&c);
    CHECK_TEXT(c.curve_secret, "");
    CHECK(parse(&c, "{\"curve_publickey\":null," PORTS "}", &err));
    CHECK(!c.curve);
    jp_connection_dispose(&c);
}

CASE(only_this_machine_s_addresses_do_not_reach_out)
{
    static const struct {
        const char *ip;
        bool out;
    } ips[] = {{"127.0.0.1", false}, {"127.9.9.9", false}, {"::1", false},
               {"localhost", false}, {"0.0.0.0", true},    {"*", true},
               {"10.0.0.1", true},   {"::", true},         {"127.1", true}};
    for (size_t i = 0; i < sizeof ips / sizeof *ips; i++) {
        jp_connection c = {.transport = "tcp", .ip = (char *)ips[i].ip};
        CHECK_INT(jp_connection_reaches_out(&c), ips[i].out);
        c.transport = "ipc";
        CHECK(!jp_connection_reaches_out(&c));
    }
}

CASE(a_file_others_may_read_is_refused)
{
    char path[] = "/tmp/rustorch-connection-XXXXXX", link_path[64];
    const char *text = "{\"key\":\"k\"," PORTS "}";
    jp_connection c;
    jp_error err = {""};
    int fd = mkstemp(path);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    CHECK(jp_connection_load(&c, path, false, &err));
    jp_connection_dispose(&c);
    chmod(path, 0644);
    CHECK(!jp_connection_load(&c, path, false, &err));
    CHECK_HAS(err.text, "mode 644");
    CHECK(jp_connection_load(&c, path, true, NULL));
    jp_connection_dispose(&c);
    snprintf(link_path, sizeof link_path, "%s-link", path);
    CHECK(symlink(path, link_path) == 0);
    err.text[0] = '\0';
    CHECK(!jp_connection_load(&c, link_path, true, &err));
    CHECK_HAS(err.text, "symbolic link");
    unlink(link_path);
    unlink(path);
    err.text[0] = '\0';
    CHECK(!jp_connection_load(&c, path, true, &err));
    CHECK_HAS(err.text, "No such file");
    err.text[0] = '\0';
    CHECK(!jp_connection_load(&c, "/tmp", true, &err));
    CHECK_HAS(err.text, "not a regular file");
}

UNIT_MAIN
