/* SPDX-License-Identifier: MIT
 * Installs and removes kernelspecs.
 */
#include "kernel/kernelspec.h"

#include "kernel/log.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const logos[] = {"logo-32x32.png", "logo-64x64.png",
                                    "logo-svg.svg"};

typedef struct options {
    const char *prefix;        /* NULL: user or sys_prefix */
    bool user, sys_prefix;
    const char *name, *display_name;
} options;

static int complain(const char *format, const char *what)
{
    fprintf(stderr, "rustorch kernelspec: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "\nusage: rustorch kernelspec install|remove [--user | "
                    "--sys-prefix | --prefix DIR]\n"
                    "                [--name NAME] [--display-name TEXT]\n");
    return 2;
}

/* --- where ---------------------------------------------------------------- */

/* The folder of this program; malloc'ed. */
static char *own_folder(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash) {
        *slash = '\0';
    }
    return kernel_copy(path, strlen(path));
}

static const char *environment_prefix(void)
{
    const char *prefix = getenv("VIRTUAL_ENV");
    return prefix && *prefix ? prefix : getenv("CONDA_PREFIX");
}

static char *user_folder(void)
{
    const char *jupyter = getenv("JUPYTER_DATA_DIR");
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (jupyter && *jupyter) {
        return kernel_copy(jupyter, strlen(jupyter));
    }
    return data && *data ? kernel_format("%s/jupyter", data)
                         : kernel_format("%s/.local/share/jupyter",
                                         home ? home : "");
}

/* The kernelspec's folder; malloc'ed. Without a word from the user it goes to
 * the active environment, or else to their home. */
static char *target_folder(const options *o)
{
    const char *environment = environment_prefix();
    char *base;
    if (o->prefix) {
        base = kernel_format("%s/share/jupyter", o->prefix);
    } else if (o->sys_prefix && !environment) {
        char *own = own_folder();
        base = kernel_format("%s/../share/jupyter", own);
        free(own);
    } else if (!o->user && environment) {
        base = kernel_format("%s/share/jupyter", environment);
    } else {
        base = user_folder();
    }
    char *folder = kernel_format("%s/kernels/%s", base, o->name);
    free(base);
    return folder;
}

/* --- files ---------------------------------------------------------------- */

static bool make_folders(const char *path)
{
    char *copy = kernel_copy(path, strlen(path));
    for (char *p = copy + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(copy, 0755);
            *p = '/';
        }
    }
    bool ok = mkdir(copy, 0755) == 0 || errno == EEXIST;
    free(copy);
    return ok;
}

static bool copy_file(const char *from, const char *to)
{
    char block[4096];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    bool ok = out != NULL;
    while (ok && (n = fread(block, 1, sizeof block, in)) > 0) {
        ok = fwrite(block, 1, n, out) == n;
    }
    if (in) {
        fclose(in);
    }
    if (out && fclose(out) != 0) {
        ok = false;
    }
    return ok;
}

/* The installed logos lie beside the installed program. */
static void copy_logos(const char *folder)
{
    char *own = own_folder();
    for (size_t i = 0; i < sizeof logos / sizeof *logos; i++) {
        char *to = kernel_format("%s/%s", folder, logos[i]);
        char *from = kernel_format("%s/../share/jupyter/kernels/rustorch/%s",
                                   own, logos[i]);
        char *source = kernel_format("%s/../kernelspec/%s", own, logos[i]);
        struct stat a, b;
        bool same = stat(from, &a) == 0 && stat(to, &b) == 0 &&
                    a.st_ino == b.st_ino && a.st_dev == b.st_dev;
        if (!same && !copy_file(from, to) && !copy_file(source, to)) {
            fprintf(stderr, "rustorch kernelspec: no %s: %s\n", logos[i],
                    strerror(errno));
        }
        free(to);
        free(from);
        free(source);
    }
    free(own);
}

static bool write_spec(const char *folder, const char *program,
                       const char *display_name)
{
    char *path = kernel_format("%s/kernel.json", folder);
    json_t *spec = json_pack(
        "{s[sss] ss ss ss ss s{sb s[s]}}", "argv", program, "-f",
        "{connection_file}", "display_name", display_name, "language",
        "rustorch", "interrupt_mode", "signal", "kernel_protocol_version",
        "5.6.0", "metadata", "debugger", 0, "supported_encryption", "curve");
    bool ok = spec && json_dump_file(spec, path, JSON_INDENT(2)) == 0;
    json_decref(spec);
    free(path);
    return ok;
}

/* --- commands ------------------------------------------------------------- */

static int install(const options *o)
{
    char *own = own_folder();
    char *program = kernel_format("%s/rustorch-kernel", own);
    char *folder = target_folder(o);
    int status = 1;
    if (access(program, X_OK) != 0) {
        fprintf(stderr, "rustorch kernelspec: %s: %s; it is installed beside "
                        "the rustorch command\n",
                program, strerror(errno));
    } else if (!make_folders(folder) ||
               !write_spec(folder, program, o->display_name)) {
        fprintf(stderr, "rustorch kernelspec: cannot write %s: %s; choose "
                        "another place with --user or --prefix\n",
                folder, strerror(errno));
    } else {
        copy_logos(folder);
        printf("installed the kernelspec %s in %s\n", o->name, folder);
        status = 0;
    }
    free(own);
    free(program);
    free(folder);
    return status;
}

static int remove_spec(const options *o)
{
    char *folder = target_folder(o);
    char *spec = kernel_format("%s/kernel.json", folder);
    int status = 0;
    if (unlink(spec) != 0) {
        fprintf(stderr, "rustorch kernelspec: there is no kernelspec %s in "
                        "%s: %s\n",
                o->name, folder, strerror(errno));
        status = 1;
    } else {
        for (size_t i = 0; i < sizeof logos / sizeof *logos; i++) {
            char *logo = kernel_format("%s/%s", folder, logos[i]);
            unlink(logo);
            free(logo);
        }
        rmdir(folder);   /* what else is in it stays */
        printf("removed the kernelspec %s from %s\n", o->name, folder);
    }
    free(spec);
    free(folder);
    return status;
}

/* Jupyter's rule for names. */
static bool is_name(const char *name)
{
    for (const char *p = name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p)) {
            return false;
        }
    }
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Takes one option; how many arguments it used, 0: unknown or incomplete. */
static int read_option(options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        bool *flag;
        const char **value;
    } table[] = {
        {"--user", &o->user, NULL},
        {"--sys-prefix", &o->sys_prefix, NULL},
        {"--prefix", NULL, &o->prefix},
        {"--name", NULL, &o->name},
        {"--display-name", NULL, &o->display_name},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t n = strlen(table[i].name);
        if (strncmp(argv[0], table[i].name, n) != 0) {
            continue;
        }
        if (table[i].flag && !argv[0][n]) {
            *table[i].flag = true;
            return 1;
        }
        if (table[i].value && argv[0][n] == '=') {
            *table[i].value = argv[0] + n + 1;
            return 1;
        }
        if (table[i].value && !argv[0][n] && argc > 1) {
            *table[i].value = argv[1];
            return 2;
        }
    }
    return 0;
}

int kernel_kernelspec_main(int argc, char **argv)
{
    options o = {.name = "rustorch", .display_name = "RusTorch"};
    if (argc < 1 ||
        (strcmp(argv[0], "install") != 0 && strcmp(argv[0], "remove") != 0)) {
        return complain("%s is no command", argc ? argv[0] : "nothing");
    }
    for (int i = 1, used; i < argc; i += used) {
        used = read_option(&o, argc - i, argv + i);
        if (!used) {
            return complain("%s is unknown, or its value is missing", argv[i]);
        }
    }
    if (o.user + o.sys_prefix + (o.prefix != NULL) > 1) {
        return complain("%s exclude each other",
                        "--user, --sys-prefix and --prefix");
    }
    if (!is_name(o.name)) {
        return complain("the name \"%s\" has other characters than letters, "
                        "digits, '.', '_' and '-'", o.name);
    }
    return strcmp(argv[0], "install") == 0 ? install(&o) : remove_spec(&o);
}
