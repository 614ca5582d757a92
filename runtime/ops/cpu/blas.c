/* SPDX-License-Identifier: MIT
 * Opens OpenBLAS. Its own guess of the core takes AMD processors with AVX-512
 * for Haswell (0.3.21 to 0.3.34), which halves their speed, so the core type is
 * chosen from CPUID unless the user has; and it must not start threads: our
 * pool runs the tiles.
 */
#define _GNU_SOURCE
#include "runtime/ops/cpu/blas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/cpu.h"
#include "runtime/base/log.h"

static rt__blas blas = {.core = ""};
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The OPENBLAS_CORETYPE to ask for, or NULL to leave the choice to it. */
static const char *core_type(const rt__cpu *cpu)
{
    if (strcmp(cpu->vendor, "AuthenticAMD") == 0 &&
        cpu->isa == RT_ISA_AVX512) {
        return "SkylakeX";
    }
    if (getenv("RT_ISA")) {   /* pinned: keep the library to it, too */
        return cpu->isa == RT_ISA_BASELINE ? "Nehalem"
               : cpu->isa == RT_ISA_AVX2   ? "Haswell"
                                           : NULL;
    }
    return NULL;
}

/* Sets a variable for the time of the load; restores what was there. */
typedef struct setting {
    const char *name;
    char before[64];
    bool had;
} setting;

static void set_for_load(setting *s, const char *name, const char *value)
{
    const char *now = getenv(name);
    s->name = name;
    s->had = now != NULL;
    snprintf(s->before, sizeof s->before, "%s", now ? now : "");
    setenv(name, value, 1);
}

static void restore(const setting *s)
{
    if (s->had) {
        setenv(s->name, s->before, 1);
    } else {
        unsetenv(s->name);
    }
}

static void *open_library(void)
{
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so"};
    const rt__cpu *cpu = rt__cpu_info();
    const char *core = core_type(cpu);
    bool choose = core && !getenv("OPENBLAS_CORETYPE");
    setting threads, type;
    void *library = NULL;
    set_for_load(&threads, "OPENBLAS_NUM_THREADS", "1");
    if (choose) {
        set_for_load(&type, "OPENBLAS_CORETYPE", core);
    }
    for (int i = 0; i < 2 && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (choose) {
        restore(&type);
    }
    restore(&threads);
    return library;
}

static void load(void)
{
    const char *wanted = getenv("RT_BLAS");
    if (wanted && strcmp(wanted, "off") == 0) {
        return;
    }
    void *library = open_library();
    if (!library) {
        rt__log(2, "OpenBLAS is not installed: matrix products use the "
                   "built-in kernel");
        return;
    }
    void (*set_threads)(int) = NULL;
    char *(*core_name)(void) = NULL;
    *(void **)&blas.sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&blas.dgemm = dlsym(library, "cblas_dgemm");
    *(void **)&blas.sgemv = dlsym(library, "cblas_sgemv");
    *(void **)&blas.dgemv = dlsym(library, "cblas_dgemv");
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&core_name = dlsym(library, "openblas_get_corename");
    if (set_threads) {
        set_threads(1);
    }
    if (core_name) {
        blas.core = core_name();
    }
    blas.loaded = blas.sgemm && blas.dgemm && blas.sgemv && blas.dgemv;
}

const rt__blas *rt__blas_get(void)
{
    pthread_once(&once, load);
    return &blas;
}
