/* SPDX-License-Identifier: MIT
 * Reads the processor's features, caches and the number of usable cores.
 */
#define _GNU_SOURCE
#include "runtime/base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "runtime/rustorch.h"

static const char *const isa_names[RT_ISA_COUNT] = {"baseline", "avx2",
                                                     "avx512"};
static rt__cpu cpu;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool simd_off;
static atomic_int in_force = -1;   /* rt__isa_now's answer; -1: not known yet */

#if defined(__x86_64__)
static void read_identity(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(0, &a, &b, &c, &d)) {
        memcpy(cpu.vendor, &b, 4);
        memcpy(cpu.vendor + 4, &d, 4);
        memcpy(cpu.vendor + 8, &c, 4);
    }
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        int family = (int)(a >> 8 & 15), model = (int)(a >> 4 & 15);
        cpu.family = family == 15 ? family + (int)(a >> 20 & 255) : family;
        cpu.model = family >= 6 ? model | (int)(a >> 12 & 0xf0) : model;
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned part[4];
        if (__get_cpuid(0x80000002u + i, &part[0], &part[1], &part[2],
                        &part[3])) {
            memcpy(cpu.name + 16 * i, part, 16);
        }
    }
}

static rt__isa best_isa(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq")) {
        return RT_ISA_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return RT_ISA_AVX2;
    }
    return RT_ISA_BASELINE;
}
#else
static void read_identity(void)
{
}
static rt__isa best_isa(void)
{
    return RT_ISA_BASELINE;
}
#endif

static size_t cache_bytes(int name, size_t usual)
{
    long n = sysconf(name);
    return n > 0 ? (size_t)n : usual;
}

/* The third level as this machine shares it out. Inside a virtual machine the
 * processor names all of the host's, ten times what the system lists. */
static size_t shared_cache_bytes(void)
{
    size_t said = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 16 << 20);
    FILE *f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
    unsigned long kib = 0;
    if (f) {
        if (fscanf(f, "%luK", &kib) != 1) {
            kib = 0;
        }
        fclose(f);
    }
    return kib > 0 && kib << 10 < said ? kib << 10 : said;
}

/* A cgroup's CPU quota in whole cores, or `cores` where there is none. */
static int quota_cores(int cores)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!f) {
        return cores;
    }
    long quota = 0, period = 0;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && period > 0 &&
        quota > 0) {
        int whole = (int)((quota + period - 1) / period);
        cores = whole < cores ? whole : cores;
    }
    fclose(f);
    return cores < 1 ? 1 : cores;
}

static void detect(void)
{
    read_identity();
    cpu.isa = best_isa();
    const char *wanted = getenv("RT_ISA");
    for (int i = 0; wanted && i < RT_ISA_COUNT; i++) {
        if (strcmp(wanted, isa_names[i]) == 0 && i < (int)cpu.isa) {
            cpu.isa = (rt__isa)i;
        }
    }
    cpu.l1d = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
    cpu.l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
    cpu.l3 = shared_cache_bytes();
    cpu_set_t mask;
    int cores = sched_getaffinity(0, sizeof mask, &mask) == 0
                    ? CPU_COUNT(&mask)
                    : (int)sysconf(_SC_NPROCESSORS_ONLN);
    cpu.cores = quota_cores(cores < 1 ? 1 : cores);
}

const rt__cpu *rt__cpu_info(void)
{
    pthread_once(&once, detect);
    return &cpu;
}

rt__isa rt__isa_now(void)
{
    int now = atomic_load_explicit(&in_force, memory_order_relaxed);
    if (now < 0) {
        now = atomic_load(&simd_off) ? RT_ISA_BASELINE : rt__cpu_info()->isa;
        atomic_store_explicit(&in_force, now, memory_order_relaxed);
    }
    return (rt__isa)now;
}

const char *rt_isa_name(void)
{
    return isa_names[rt__isa_now()];
}

bool rt_simd_enabled(void)
{
    return !atomic_load(&simd_off);
}

void rt_set_simd_enabled(bool on)
{
    atomic_store(&simd_off, !on);
    atomic_store(&in_force, -1);
}
