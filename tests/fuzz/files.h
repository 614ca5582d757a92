/* SPDX-License-Identifier: MIT
 * How many files the process may have open: with none, a cell that reads or
 * writes files finds that it cannot.
 */
#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include <sys/resource.h>

static inline void set_files(rlim_t most)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = most < r.rlim_max ? most : r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

#endif
