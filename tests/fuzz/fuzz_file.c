/* SPDX-License-Identifier: MIT
 * Fuzz target: .rustorch files, read as tensors and as a module.
 */
#define _GNU_SOURCE
#include "runtime/rustorch.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    rt_tensor_file file;
    rt_module *m = NULL;
    rt_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rt_error_clear(&err);
    if (rt_tensors_load(&file, path, &err) == RT_OK) {
        rt_tensor_file_dispose(&file);
    }
    rt_error_clear(&err);
    if (rt_module_load(&m, path, &err) == RT_OK) {
        rt_module_release(m);
    }
    close(fd);
    return 0;
}
