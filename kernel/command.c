/* SPDX-License-Identifier: MIT
 * rustorch: the command of the shell.
 */
#include "kernel/kernelspec.h"
#include "kernel/shell.h"
#include "runtime/rustorch.h"

#include <stdio.h>
#include <string.h>

static int help(FILE *out)
{
    fputs("usage: rustorch COMMAND\n"
          "\n"
          "  run FILE.rt             run a program (-: standard input)\n"
          "  repl                    read, run and print, cell by cell\n"
          "  kernelspec install      tell Jupyter of the RusTorch kernel\n"
          "             remove       take that back\n"
          "  --version, --help\n",
          out);
    return out == stdout ? 0 : 2;
}

static int run(int argc, char **argv)
{
    if (argc != 1) {
        fprintf(stderr, "rustorch run: %d files given, expected one\n"
                        "usage: rustorch run FILE.rt\n",
                argc);
        return 2;
    }
    return kernel_shell_run(argv[0]);
}

static int repl(int argc, char **argv)
{
    if (argc) {
        fprintf(stderr, "rustorch repl: takes no arguments, got %s\n"
                        "to run a file: rustorch run %s\n",
                argv[0], argv[0]);
        return 2;
    }
    return kernel_shell_repl();
}

static int version(int argc, char **argv)
{
    printf("rustorch %s\n", rt_version());
    return 0;
}

static int show_help(int argc, char **argv)
{
    return help(stdout);
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);   /* without the name */
} commands[] = {
    {"run", run},
    {"repl", repl},
    {"kernelspec", kernel_kernelspec_main},
    {"--version", version},
    {"--help", show_help},
    {"-h", show_help},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands;
         i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    if (argc > 1) {
        fprintf(stderr, "rustorch: %s is no command\n", argv[1]);
    }
    return help(stderr);
}
