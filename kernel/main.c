/* SPDX-License-Identifier: MIT
 * rustorch-kernel: the command a kernelspec names.
 */
#include "kernel/compute.h"
#include "kernel/front.h"
#include "runtime/rustorch.h"

#include <stdio.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: rustorch-kernel -f CONNECTION_FILE\n"
          "\n"
          "The RusTorch kernel. Jupyter starts it and writes the connection\n"
          "file. To tell Jupyter of it: rustorch kernelspec install\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *file = NULL;
    if (argc == 2 && strcmp(argv[1], "--compute") == 0) {
        return kernel_compute_main();
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            printf("rustorch-kernel %s\n", rt_version());
            return 0;
        }
        if (strcmp(argv[i], "-f") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (strncmp(argv[i], "--f=", 4) == 0) {
            file = argv[i] + 4;
        } else if (strncmp(argv[i], "-f", 2) == 0 && argv[i][2]) {
            file = argv[i] + 2;
        }
        /* Clients add options meant for other kernels: they are ignored. */
    }
    return file ? kernel_front_main(file) : usage();
}
