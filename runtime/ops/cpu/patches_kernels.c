/* SPDX-License-Identifier: MIT
 * Panels of shifted inputs for convolutions; compiled per instruction set.
 */
#include "runtime/ops/cpu/patches.h"
#include "runtime/ops/cpu/square.h"

static void spread(float *out, const float *in, int64_t step, int64_t n)
{
    if (step == 1) {
        memcpy(out, in, (size_t)n * sizeof *out);
    } else if (step == 2) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = in[2 * i];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            out[i] = in[step * i];
        }
    }
}

/* COUNT vectors a row, known when this is compiled. */
V_INLINE void lines_of(float *out, int width, const float *x,
                       const int32_t *at, int64_t rows, const rt__copy *copies,
                       int count)
{
    for (int64_t p = 0; p < rows; p++, out += width) {
        const float *from = x + at[p];
        _Pragma("GCC unroll 4") for (int i = 0; i < count; i++)
        {
            w_store(out + copies[i].to, w_load(from + copies[i].from));
        }
    }
}

static void lines(float *out, int width, const float *x, const int32_t *at,
                  int64_t rows, const rt__copy *copies, int count)
{
    rt__copy c[4];
    memcpy(c, copies, (size_t)(count < 4 ? count : 4) * sizeof *c);
    switch (count) {
    case 1:
        lines_of(out, width, x, at, rows, c, 1);
        break;
    case 2:
        lines_of(out, width, x, at, rows, c, 2);
        break;
    case 3:
        lines_of(out, width, x, at, rows, c, 3);
        break;
    default:
        lines_of(out, width, x, at, rows, copies, count);
    }
}

static void turned(float *out, int width, const float *x, const int32_t *at,
                   int n, const rt__square *squares, int count)
{
    for (int lane = 0; lane < width; lane += WIDE) {
        float *to = out + lane;
        for (int s = 0; s < count; s++) {
            const float *from = x + squares[s].from;
            uint32_t wanted = squares[s].wanted;
            wide r[WIDE];
            _Pragma("GCC unroll 16") for (int i = 0; i < WIDE; i++)
            {
                r[i] = lane + i < n ? w_load(from + at[lane + i]) : (wide){0};
            }
            w_transpose(r);
            _Pragma("GCC unroll 16") for (int i = 0; i < WIDE; i++)
            {
                w_store(to, r[i]);
                to += wanted >> i & 1 ? width : 0;
            }
        }
    }
}

const rt__patches_table RT_ISA_NAME(patches) = {
    .lanes = WIDE,
    .spread = spread,
    .lines = lines,
    .turned = turned,
};
