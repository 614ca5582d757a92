/* SPDX-License-Identifier: MIT
 * Device descriptions. Only the CPU exists in this build; the others parse and
 * answer honestly when they are used.
 */
#include "runtime/rustorch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t kind;
} kinds[] = {{"cpu", RT_CPU}, {"cuda", RT_CUDA}, {"metal", RT_METAL},
             {"mps", RT_METAL}};

rt_status rt_device_parse(rt_device *out, const char *text, rt_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i].name);
        if (strncmp(text, kinds[i].name, n) != 0) {
            continue;
        }
        char *end;
        long index = -1;
        if (text[n] == ':' && text[n + 1] >= '0' && text[n + 1] <= '9') {
            index = strtol(text + n + 1, &end, 10);
        } else {
            end = (char *)text + n;
        }
        if (*end == '\0' && index <= 127) {
            *out = (rt_device){kinds[i].kind, (int8_t)index};
            return RT_OK;
        }
    }
    rt_fail(err, RT_E_DEVICE, "device: '%s' is not a device", text);
    rt_error_help(err, "devices are written 'cpu', 'cuda', 'cuda:0', 'metal'");
    return RT_E_DEVICE;
}

void rt_device_format(char *out, rt_device d)
{
    const char *name = d.kind == RT_CUDA    ? "cuda"
                       : d.kind == RT_METAL ? "metal"
                                            : "cpu";
    if (d.index < 0 || (d.kind == RT_CPU && d.index == 0)) {
        snprintf(out, 16, "%s", name);
    } else {
        snprintf(out, 16, "%s:%d", name, d.index);
    }
}

rt_status rt_device_check(rt_device d, rt_error *err)
{
    char name[16];
    if (d.kind == RT_CPU) {
        return RT_OK;
    }
    rt_device_format(name, d);
    rt_fail(err, RT_E_DEVICE, "device: %s cannot be used: %s", name,
            d.kind == RT_METAL ? "Metal exists on macOS only"
                               : "this build of RusTorch has no CUDA backend");
    rt_error_help(err, "use device 'cpu'");
    return RT_E_DEVICE;
}
