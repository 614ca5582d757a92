/* SPDX-License-Identifier: MIT */
#include "runtime/nn/target.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 300000, KILLS = 150, WRITERS = 3 };

static rt_error err;
static char folder[64];

__attribute__((constructor)) static void make_folder(void)
{
    strcpy(folder, "/tmp/rustorch-test-XXXXXX");
    if (!mkdtemp(folder)) {
        exit(1);
    }
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* How many names are in the folder; removes them when asked. */
static int names(bool clear)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            n++;
            if (clear) {
                unlink(path_of(e->d_name));
            }
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

__attribute__((destructor)) static void clean(void)
{
    names(true);
    rmdir(folder);
}

/* Writes the byte SIZE times, in pieces. */
static rt_status save(const char *name, char byte, bool named)
{
    char piece[10000];
    rt__target t;
    rt_status st = rt__target_open(&t, path_of(name), named, &err);
    if (st) {
        return st;
    }
    memset(piece, byte, sizeof piece);
    for (size_t n = 0; n < SIZE; n += sizeof piece) {
        CHECK(write(t.fd, piece, sizeof piece) == sizeof piece);
    }
    return rt__target_close(&t, path_of(name), RT_OK, &err);
}

/* The byte of which the file consists; 0: not there, -1: not whole. */
static int content(const char *name)
{
    static char data[SIZE + 1];
    FILE *f = fopen(path_of(name), "rb");
    if (!f) {
        return 0;
    }
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    bool whole = n == SIZE && memcmp(data, data + 1, SIZE - 1) == 0;
    return whole ? data[0] : -1;
}

/* A process that saves until it is killed. */
static pid_t writer(const char *name, bool named, int seed)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (unsigned i = (unsigned)seed;; i++) {
            save(name, (char)('a' + i % 26), named);
        }
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void kill_writers(const char *name, bool named)
{
    srand(7);
    for (int i = 0; i < KILLS; i++) {
        pid_t pid = writer(name, named, i);
        usleep((useconds_t)(rand() % 8000));
        end(pid);
        if (content(name) < 0) {
            UNIT_FAIL("kill %d: the file is not whole", i);
        }
        if (names(false) > 2) {
            UNIT_FAIL("kill %d: %d names", i, names(false));
        }
    }
    CHECK_OK(save(name, 'Z', named), err);
    CHECK_INT(content(name), 'Z');
    CHECK_INT(names(true), 1);
}

CASE(a_writer_killed_at_any_moment_leaves_the_file_whole)
{
    kill_writers("plain", false);
}

CASE(so_does_one_where_every_file_has_a_name_and_the_next_takes_what_it_left)
{
    kill_writers("plain", true);
}

static void write_together(bool named)
{
    pid_t pids[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = writer("shared", named, 5 * i);
    }
    while (content("shared") == 0) {
        usleep(500);
    }
    for (int i = 0; i < 200; i++) {
        CHECK(content("shared") > 0);
        usleep(500);
    }
    for (int i = 0; i < WRITERS; i++) {
        end(pids[i]);
    }
    CHECK(content("shared") > 0);
    for (int i = 0; i < WRITERS; i++) {
        CHECK_OK(save("shared", 'Y', named), err);
    }
    CHECK_INT(content("shared"), 'Y');
    names(true);
}

CASE(writers_of_the_same_file_do_not_mix)
{
    write_together(false);
    write_together(true);
}

CASE(what_is_given_up_leaves_nothing)
{
    for (int named = 0; named < 2; named++) {
        rt__target t;
        CHECK_OK(save("kept", 'k', named), err);
        CHECK_OK(rt__target_open(&t, path_of("kept"), named, &err), err);
        CHECK(write(t.fd, "half", 4) == 4);
        CHECK_FAILS(rt__target_close(&t, path_of("kept"), RT_E_INTERRUPT, &err),
                    err, RT_E_INTERRUPT);
        CHECK_INT(content("kept"), 'k');
        CHECK_INT(names(true), 1);
    }
}

CASE(names_as_long_as_they_can_be_are_kept_apart)
{
    char one[256], two[256];
    memset(one, 'n', 254);
    one[254] = '\0';
    strcpy(two, one);
    two[253] = 'm';
    for (int named = 0; named < 2; named++) {
        CHECK_OK(save(one, '1', named), err);
        CHECK_OK(save(two, '2', named), err);
        CHECK_INT(content(one), '1');
        CHECK_INT(content(two), '2');
        CHECK_INT(names(true), 2);
    }
}

CASE(the_file_stays_as_readable_as_it_was)
{
    struct stat info;
    for (int named = 0; named < 2; named++) {
        CHECK_OK(save("secret", 's', named), err);
        chmod(path_of("secret"), 0600);
        CHECK_OK(save("secret", 't', named), err);
        CHECK(stat(path_of("secret"), &info) == 0);
        CHECK_INT(info.st_mode & 0777, 0600);
        names(true);
    }
}

CASE(a_folder_that_is_none_is_an_error)
{
    rt__target t;
    CHECK_FAILS(rt__target_open(&t, "/nonexistent/folder/x", false, &err), err,
                RT_E_FILE);
    CHECK_HAS(err.message, "/nonexistent/folder/x");
    CHECK_FAILS(rt__target_open(&t, folder, false, &err), err, RT_E_FILE);
}

UNIT_MAIN
