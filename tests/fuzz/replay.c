/* SPDX-License-Identifier: MIT
 * Runs a fuzz target without a fuzzer: on its committed corpus, and on inputs
 * of a fixed sequence, so that any compiler's `make check` has a part of it.
 * The program's name, replay_vm, says which corpus.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A target's own, more thorough than chance; how much failed. */
int replay_rows(void) __attribute__((weak));

static int replay_file(const char *path)
{
    static uint8_t data[MOST];
    FILE *f = fopen(path, "rb");
    if (!f) {
        return 0;
    }
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    uint8_t *exact = malloc(n + 1);   /* reads past the end are seen */
    memcpy(exact, data, n);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int replay_folder(const char *folder)
{
    int ran = 0;
    char path[8192];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            ran += replay_file(path);
        }
    }
    if (d) {
        closedir(d);
    }
    return ran;
}

static int replay_sequence(int count)
{
    uint64_t x = 88172645463325252u;
    uint8_t data[256];
    for (int i = 0; i < count; i++) {
        size_t n = (size_t)(i % 256);
        for (size_t k = 0; k < n; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            data[k] = (uint8_t)(x >> 32);
        }
        LLVMFuzzerTestOneInput(data, n);
    }
    return count;
}

int main(int argc, char **argv)
{
    const char *top = getenv("RUSTORCH_SRCDIR"), *name = strstr(argv[0], "replay_");
    char folder[4096];
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        ran += replay_file(argv[i]);
    }
    if (argc == 1) {
        snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/fuzz_%s",
                 top ? top : ".", name ? name + strlen("replay_") : "");
        ran = replay_folder(folder) + replay_sequence(2000);
    }
    int failed = ran == 0;
    if (argc == 1 && replay_rows) {
        failed += replay_rows();
    }
    printf("%d passed, %d failed\n", ran, failed);
    return failed != 0;
}
