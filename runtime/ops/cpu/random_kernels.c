/* SPDX-License-Identifier: MIT
 * Normal samples and hits of a probability; compiled per instruction set.
 */
#include "runtime/ops/cpu/random_kernels.h"
#include "runtime/ops/cpu/vec_trig.h"

enum { HALF = RT_NORMAL_BLOCK / 2 };

static void uniforms(float *data, int64_t n)
{
    RT_VECTORISE
    for (int64_t i = 0; i < n; i++) {
        data[i] = (float)(int32_t)(v_bits(data[i]) & 0xffffffu) * 0x1p-24f;
    }
}

/* t = q * pi/2 + r for t in [0, 2 pi]: the products are exact but for the last
 * part's. */
V_INLINE float turn(float t, int32_t *quarter)
{
    float q = v_nearest(t * 0x1.45f306p-1f);
    *quarter = (int32_t)q;
    float r = (t - q * 1.5703125f) - q * 4.837512969970703125e-4f;
    return r - q * 7.54978994890e-8f;
}

static void normals(float *data, int64_t blocks, float mean, float std)
{
    enum { AT_ONCE = 16, ROOM = AT_ONCE * HALF };
    float u[ROOM], v[ROOM];
    for (int64_t b = 0; b < blocks; b += AT_ONCE) {
        int count = blocks - b < AT_ONCE ? (int)(blocks - b) : AT_ONCE;
        float *at = data + b * RT_NORMAL_BLOCK;
        for (int i = 0; i < count; i++) {
            memcpy(u + i * HALF, at + i * 2 * HALF, HALF * sizeof *u);
            memcpy(v + i * HALF, at + i * 2 * HALF + HALF, HALF * sizeof *v);
        }
        RT_VECTORISE
        for (int i = 0; i < count * HALF; i++) {
            int32_t q;
            float radius = __builtin_sqrtf(-2 * v_log(1 - u[i]));
            float r = turn(2 * (float)M_PI * v[i], &q);
            u[i] = radius * v_quarter(r, q + 1) * std + mean;
            v[i] = radius * v_quarter(r, q) * std + mean;
        }
        for (int i = 0; i < count; i++) {
            memcpy(at + i * 2 * HALF, u + i * HALF, HALF * sizeof *u);
            memcpy(at + i * 2 * HALF + HALF, v + i * HALF, HALF * sizeof *v);
        }
    }
}

static void hits(float *out, const uint32_t *words, int64_t n, double p)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t bits = (int64_t)(words[2 * i] & 0x1fffffu) << 32 |
                       words[2 * i + 1];
        out[i] = (double)bits * 0x1p-53 < p;
    }
}

const rt__random_table RT_ISA_NAME(random) = {
    .uniforms = uniforms,
    .normals = normals,
    .hits = hits,
};
