/* SPDX-License-Identifier: MIT
 *
 * The table of ops, expanded from ops.def, and the index by name. Signatures
 * are parsed at their first use and kept for ever.
 */
#include "runtime/ops/op.h"

#include <pthread.h>
#include <string.h>

#define OP(id, schema, infer, kernel, gradient, doc)                           \
    rt_status rt__infer_##infer(rt__call *c);                                  \
    rt_status rt__kernel_##kernel(rt__call *c);
#include "runtime/ops/ops.def"
#undef OP

/* Tokens that name no function: the other step does the work. */
rt_status rt__infer_own(rt__call *c)
{
    return RT_OK;
}

rt_status rt__infer_composite(rt__call *c)
{
    return RT_OK;
}

rt_status rt__kernel_none(rt__call *c)
{
    return RT_OK;
}

/* IS(x) is 1 for a token with a row below, else 0. */
#define SECOND(a, b, ...) b
#define PICK(...) SECOND(__VA_ARGS__, 0, 0)
#define KERNEL_IS_none 0, 1
#define GRADIENT_IS_none 0, 1
#define GRADIENT_IS_composite 0, 1

const rt_op rt__ops[RT_OP_COUNT] = {
#define OP(i, s, in, k, g, d)                                                  \
    [RT_OP_##i] = {                                                            \
        .id = RT_OP_##i,                                                       \
        .schema = s,                                                           \
        .doc = d,                                                              \
        .infer = rt__infer_##in,                                               \
        .kernel = rt__kernel_##k,                                              \
        .differentiable = !PICK(GRADIENT_IS_##g),                              \
        .inplace = #i[sizeof #i - 2] == '_',                                   \
        .view = PICK(KERNEL_IS_##k),                                           \
    },
#include "runtime/ops/ops.def"
#undef OP
};

#define NAME_MAX_LENGTH 48
#define SLOTS 1024    /* a power of two, several times the number of names */

static char names[RT_OP_COUNT][NAME_MAX_LENGTH];
static int16_t slots[SLOTS];     /* index + 1 of the first op of a name */
static pthread_once_t names_once = PTHREAD_ONCE_INIT;
static atomic_bool names_known;  /* spares most calls the question */
static pthread_mutex_t parse_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(const rt_signature *) signatures[RT_OP_COUNT];

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++) {
        h = (h ^ (unsigned char)*s) * 16777619u;
    }
    return h;
}

/* The slot that holds `name`, or the free one where it belongs. */
static int16_t *slot_of(const char *name)
{
    for (uint32_t i = hash(name);; i++) {
        int16_t *slot = &slots[i % SLOTS];
        if (!*slot || strcmp(names[*slot - 1], name) == 0) {
            return slot;
        }
    }
}

static void index_names(void)
{
    for (int i = 0; i < RT_OP_COUNT; i++) {
        size_t n = strcspn(rt__ops[i].schema, ".(");
        memcpy(names[i], rt__ops[i].schema, n < NAME_MAX_LENGTH ? n : 0);
        int16_t *slot = slot_of(names[i]);
        if (!*slot) {
            *slot = (int16_t)(i + 1);
        }
    }
    atomic_store_explicit(&names_known, true, memory_order_release);
}

int rt_op_count(void)
{
    return RT_OP_COUNT;
}

const rt_op *rt_op_at(int index)
{
    return index >= 0 && index < RT_OP_COUNT ? &rt__ops[index] : NULL;
}

const rt_op *rt_op_find(const char *name)
{
    pthread_once(&names_once, index_names);
    int16_t *slot = slot_of(name);
    return *slot ? &rt__ops[*slot - 1] : NULL;
}

const char *rt_op_name(const rt_op *op)
{
    if (!atomic_load_explicit(&names_known, memory_order_acquire)) {
        pthread_once(&names_once, index_names);
    }
    return names[op->id];
}

const rt_op *rt_op_overload(const rt_op *op)
{
    const rt_op *next = rt_op_at((int)op->id + 1);
    return next && strcmp(rt_op_name(op), names[next->id]) == 0 ? next : NULL;
}

const char *rt_op_doc(const rt_op *op)
{
    return op->doc;
}

bool rt_op_differentiable(const rt_op *op)
{
    return op->differentiable;
}

static const rt_signature *parse_once(const rt_op *op)
{
    pthread_mutex_lock(&parse_lock);
    const rt_signature *known = signatures[op->id];
    if (!known) {
        rt_signature *sig = rt_alloc(sizeof *sig);
        if (sig && rt__schema_parse(sig, op->schema, NULL) == RT_OK) {
            signatures[op->id] = known = sig;
        } else {
            rt_free(sig);
        }
    }
    pthread_mutex_unlock(&parse_lock);
    return known;
}

const rt_signature *rt__op_signature(const rt_op *op)
{
    const rt_signature *sig =
        atomic_load_explicit(&signatures[op->id], memory_order_acquire);
    return sig ? sig : parse_once(op);
}

const rt_signature *rt_op_signature(const rt_op *op)
{
    return rt__op_signature(op);
}
