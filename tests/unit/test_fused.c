/* SPDX-License-Identifier: MIT
 * Chains of elementwise ops: the bits of the single calls for every
 * instruction set, and no pass where only single calls will do.
 */
#include "tests/unit/tensors.h"

#include "runtime/base/cpu.h"

#include <unistd.h>

#define LEAVES 6

static uint32_t state;

static int pick(int n)
{
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 10) % (uint32_t)n);
}

/* The steps one by one; NULL when one fails. */
static rt_tensor *singly(const rt_fused_step *steps, int n,
                         const rt_value *inputs)
{
    rt_value r[RT_FUSED_STEPS][RT_MAX_RESULTS];
    rt_tensor *last = NULL;
    int done = 0;
    for (; done < n; done++) {
        rt_value a[RT_FUSED_ARGS];
        const rt_fused_step *s = &steps[done];
        for (int i = 0; i < s->nargs; i++) {
            a[i] = s->args[i] >= 0                  ? inputs[s->args[i]]
                   : s->args[i] == RT_FUSED_DEFAULT ? RT_UNSET
                                : r[RT_FUSED_RESULT(s->args[i])][0];
        }
        if (rt_call(s->op, a, s->nargs, r[done], &err) != RT_OK) {
            break;
        }
    }
    for (int k = 0; k < done; k++) {
        if (done == n && k == n - 1) {
            last = r[k][0].t;
        } else {
            rt_value_release(&r[k][0]);
        }
    }
    return last;
}

/* Which of two NaNs a sum keeps is the compiler's choice, loop by loop. */
static bool same_bits(const rt_tensor *a, const rt_tensor *b)
{
    size_t size = a ? rt_dtype_size((rt_dtype)a->dtype) : 0;
    bool same = a && b && a->dtype == b->dtype && rt__same_shape(a, b);
    for (int64_t i = 0; same && i < a->numel; i++) {
        same = memcmp(a->data + (size_t)i * size, b->data + (size_t)i * size,
                      size) == 0 ||
               (at(a, i) != at(a, i) && at(b, i) != at(b, i));
    }
    return same;
}

/* --- random programs ---------------------------------------------------------- */

static const rt_op *ops[RT_OP_COUNT];
static int nops;

static void find_ops(void)
{
    nops = 0;
    for (int i = 0; i < RT_OP_COUNT; i++) {
        const rt_op *op = rt_op_at(i);
        if (rt_op_fusable(op) && !op->inplace) {
            ops[nops++] = op;
        }
    }
    CHECK(nops > 40);
}

/* Tensors of one shape and dtype, then a 0-d one, a number and an int. */
static void make_leaves(rt_value *in, rt_dtype dtype, int64_t rows)
{
    for (int i = 0; i < 3; i++) {
        in[i] = T(noise(dtype, SHAPE(rows, 3), state + (uint32_t)i));
        for (int64_t k = 0; k < in[i].t->numel; k++) {
            put(in[i].t, k, at(in[i].t, k) * (i + 1) * 2);
        }
    }
    put(in[0].t, 1, INFINITY);
    put(in[1].t, 2, NAN);
    put(in[2].t, 0, -0.0);
    put(in[2].t, in[2].t->numel - 1, 1e-42);
    in[3] = T(noise(dtype, NULL, 0, state));
    in[4] = RT_V_FLOAT(0.1);
    in[5] = RT_V_INT(2);
}

/* Step k: its first operand is the step before, so that nothing is idle. */
static rt_fused_step random_step(int k)
{
    rt_fused_step s = {.op = ops[pick(nops)]};
    const rt_signature *sig = rt_op_signature(s.op);
    for (int i = 0; i < sig->nparams && i < RT_FUSED_ARGS; i++) {
        s.args[i] = RT_FUSED_DEFAULT;
        if (sig->params[i].type == RT_T_TENSOR) {
            int earlier = k && pick(3) == 0 ? pick(k) : -1;
            s.args[i] = (int16_t)(earlier >= 0 ? RT_FUSED_RESULT(earlier)
                                               : pick(LEAVES));
        } else if (sig->params[i].type == RT_T_SCALAR) {
            s.args[i] = (int16_t)(4 + pick(2));
        }
        s.nargs = i + 1;
    }
    s.args[0] = (int16_t)(k ? RT_FUSED_RESULT(k - 1) : 0);
    return s;
}

static bool random_program(rt_dtype dtype, int64_t rows)
{
    rt_value in[LEAVES];
    rt_fused_step steps[RT_FUSED_STEPS];
    rt_tensor *fused = NULL;
    int n = 2 + pick(6);
    make_leaves(in, dtype, rows);
    for (int k = 0; k < n; k++) {
        steps[k] = random_step(k);
    }
    rt_tensor *want = singly(steps, n, in);
    CHECK_OK(rt_fused(steps, n, in, LEAVES, &fused, &err), err);
    bool one_pass = fused != NULL;
    if (fused && !same_bits(fused, want)) {
        UNIT_FAIL("%d steps of %s on %lld rows differ, the last is %s", n,
                  rt_dtype_name(dtype), (long long)rows,
                  rt_op_name(steps[n - 1].op));
    }
    rt_release(fused);
    rt_release(want);
    for (int i = 0; i < 4; i++) {
        rt_release(in[i].t);
    }
    return one_pass;
}

CASE(random_programs_have_the_bits_of_single_calls)
{
    static const int64_t rows[] = {2, 7, 300, 683, 2731, 12000};
    int fused = 0, all = 300;
    find_ops();
    state = 7;
    for (int i = 0; i < all && unit_failures < 5; i++) {
        fused += random_program(pick(2) ? RT_FLOAT32 : RT_FLOAT64,
                                rows[pick(6)]);
    }
    /* The others need more buffers than there are. */
    if (fused < all * 3 / 4) {
        UNIT_FAIL("only %d of %d programs ran as one pass", fused, all);
    }
}

CASE(every_instruction_set_and_thread_count_gives_the_same_bits)
{
    static const char *const settings[] = {
        "RT_ISA=baseline", "RT_ISA=avx2", "RT_ISA=avx512",
        "RT_NUM_THREADS=1",
    };
    char self[512], command[1280];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    self[size > 0 ? size : 0] = '\0';
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        snprintf(command, sizeof command,
                 "%s '%s' random_programs >/dev/null && "
                 "%s '%s' functions_after >/dev/null",
                 settings[i], self, settings[i], self);
        if (system(command) != 0) {
            UNIT_FAIL("with %s they differ", settings[i]);
        }
    }
}

/* --- stages of one loop --------------------------------------------------------- */

#define BEFORE(k) RT_FUSED_RESULT(k)

static void check_bits(const rt_fused_step *steps, int n, const rt_value *in)
{
    rt_tensor *out = NULL, *want = singly(steps, n, in);
    CHECK_OK(rt_fused(steps, n, in, LEAVES, &out, &err), err);
    if (!same_bits(out, want)) {
        UNIT_FAIL("%d steps up to %s differ", n, rt_op_name(steps[n - 1].op));
    }
    rt_release(out);
    rt_release(want);
}

/* What may come before a function on explicit vectors, also twice, also where
 * somebody else reads the sum, the product or the function's operand. */
static void check_after(const rt_op *f, const rt_value *in)
{
#define S(id, ...) {&rt__ops[RT_OP_##id], 2, {__VA_ARGS__}}
#define F(k) {f, 1, {BEFORE(k)}}
    const struct {
        int n;
        rt_fused_step steps[6];
    } programs[] = {
        {2, {S(add, 0, 1), F(0)}},
        {2, {S(mul, 0, 1), F(0)}},
        {3, {S(mul, 0, 1), S(add, BEFORE(0), 2), F(1)}},
        {3, {S(mul, 0, 4), S(add, 2, BEFORE(0)), F(1)}},
        {3, {S(mul, 5, 1), S(add, BEFORE(0), 3), F(1)}},
        {3, {S(mul, 0, 1), S(add, BEFORE(0), BEFORE(0)), F(1)}},
        {3, {S(add, 0, 1), S(add, BEFORE(0), 2), F(1)}},
        {3, {S(add, 0, 1), S(mul, BEFORE(0), 2), F(1)}},
        {3, {S(sub, 0, 1), S(add, BEFORE(0), 2), F(1)}},
        {4, {S(mul, 0, 1), S(add, BEFORE(0), 2), F(1), S(mul, 2, BEFORE(1))}},
        {4, {S(mul, 0, 1), S(add, BEFORE(0), 2), F(1), S(sub, 3, BEFORE(0))}},
        {5, {S(mul, 0, 1), S(add, BEFORE(0), 2), F(1),
             S(mul, BEFORE(2), BEFORE(2)), F(3)}},
        {6, {S(mul, 0, 1), S(add, BEFORE(0), 2), F(1), S(mul, BEFORE(2), 0),
             S(add, BEFORE(3), 1), F(4)}},
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        check_bits(programs[i].steps, programs[i].n, in);
    }
}

CASE(functions_after_sums_and_products_have_the_bits_of_single_calls)
{
    static const rt_op_id functions[] = {
        RT_OP_sigmoid, RT_OP_tanh, RT_OP_exp, RT_OP_erf, RT_OP_gelu, RT_OP_silu,
        RT_OP_relu, RT_OP_sigmoid};
    static const int64_t rows[] = {2, 17, 300, 20001};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        for (int wide = 0; wide < 2; wide++) {
            rt_value in[LEAVES];
            make_leaves(in, wide ? RT_FLOAT64 : RT_FLOAT32, rows[k]);
            for (int i = 0; i < 8; i++) {
                check_after(&rt__ops[functions[i]], in);
            }
            for (int i = 0; i < 4; i++) {
                rt_release(in[i].t);
            }
        }
    }
}

/* --- the fast conditions ------------------------------------------------------ */

#define STEP(id, n, ...) {&rt__ops[RT_OP_##id], n, {__VA_ARGS__}}

/* mul(0, 1), then add of input 2. */
static const rt_fused_step mul_add[] = {
    STEP(mul, 2, 0, 1), STEP(add, 2, RT_FUSED_RESULT(0), 2)};

static bool passes(const rt_fused_step *steps, int n, rt_value a, rt_value b,
                   rt_value c)
{
    rt_value in[] = {a, b, c};
    rt_tensor *out = NULL;
    CHECK_OK(rt_fused(steps, n, in, 3, &out, &err), err);
    rt_release(out);
    return out != NULL;
}

/* More bytes than the last cache: the result is written past it. */
CASE(results_past_the_caches_have_the_bits_of_single_calls)
{
    int64_t n = (int64_t)rt__cpu_info()->l3 / 16 + 1003;
    n = n < 8000000 ? n : 8000000;
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(n), 1), *out = NULL;
    rt_tensor *b = noise(RT_FLOAT32, SHAPE(n), 2);
    rt_tensor *c = noise(RT_FLOAT32, SHAPE(n), 3);
    rt_value in[] = {T(a), T(b), T(c)};
    rt_tensor *want = singly(mul_add, 2, in);
    CHECK_OK(rt_fused(mul_add, 2, in, 3, &out, &err), err);
    CHECK(same_bits(out, want));
    DROP(want, out);
    out = NULL;
    const rt_fused_step longer[] = {mul_add[0], mul_add[1],
                                    STEP(sigmoid, 1, RT_FUSED_RESULT(1))};
    want = singly(longer, 3, in);
    CHECK_OK(rt_fused(longer, 3, in, 3, &out, &err), err);
    CHECK(same_bits(out, want));
    DROP(a, b, c, want, out);
}

CASE(other_dtypes_shapes_and_layouts_take_single_calls)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(4, 5), 1), *turned = NULL;
    rt_tensor *d = noise(RT_FLOAT64, SHAPE(4, 5), 2);
    rt_tensor *row = noise(RT_FLOAT32, SHAPE(5), 3);
    rt_tensor *one = noise(RT_FLOAT32, SHAPE(1), 3);
    rt_tensor *whole = counting(RT_INT64, SHAPE(4, 5));
    rt_tensor *square = noise(RT_FLOAT32, SHAPE(4, 4), 4);
    turned = CALL(transpose, 3, T(square), I(0), I(1));
    CHECK(passes(mul_add, 2, T(a), T(a), T(one)));
    CHECK(passes(mul_add, 2, RT_V_FLOAT(2), T(a), I(1)));
    CHECK(!passes(mul_add, 2, T(a), T(d), T(a)));
    CHECK(!passes(mul_add, 2, T(a), T(a), T(row)));
    CHECK(!passes(mul_add, 2, T(a), T(a), T(whole)));
    CHECK(!passes(mul_add, 2, T(whole), T(whole), T(whole)));
    CHECK(!passes(mul_add, 2, T(square), T(turned), T(square)));
    CHECK(!passes(mul_add, 2, T(one), T(one), T(a)));
    CHECK(!passes(mul_add, 2, T(a), RT_V_BOOL(true), T(a)));
    CHECK(!passes(mul_add, 2, T(a), RT_V_STRING("x"), T(a)));
    rt_tensor *all[] = {a, d, row, one, whole, square, turned};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rt_release(all[i]);
    }
}

CASE(wrong_arguments_and_ops_take_single_calls)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(8), 1);
    rt_fused_step bad[][2] = {
        {STEP(mul, 2, 0, 1), STEP(clamp, 1, RT_FUSED_RESULT(0))},
        {STEP(mul, 2, 0, 1), STEP(sum, 1, RT_FUSED_RESULT(0))},
        {STEP(mul, 2, 0, 1), STEP(eq, 2, RT_FUSED_RESULT(0), 1)},
        {STEP(mul, 2, 0, 1), STEP(relu, 1, RT_FUSED_RESULT(1))},
        {STEP(mul, 2, 0, 1), STEP(relu, 1, 9)},
        {STEP(mul, 2, 0, 1), STEP(relu, 0, 0)},
        {STEP(relu_, 1, 0), STEP(mul, 2, RT_FUSED_RESULT(0), 1)},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!passes(bad[i], 2, T(a), T(a), T(a)));
    }
    CHECK(!rt_op_fusable(NULL));
    rt_release(a);
}

CASE(what_autograd_records_takes_single_calls)
{
    rt_tensor *a = noise(RT_FLOAT32, SHAPE(8), 1);
    rt_tensor *w = noise(RT_FLOAT32, SHAPE(8), 2);
    CHECK_OK(rt_set_requires_grad(w, true, &err), err);
    CHECK(!passes(mul_add, 2, T(a), T(w), T(a)));
    bool before = rt_set_grad_enabled(false);
    CHECK(passes(mul_add, 2, T(a), T(w), T(a)));
    rt_set_grad_enabled(before);
    rt_release(a);
    rt_release(w);
}

/* --- in place ------------------------------------------------------------------ */

CASE(the_last_step_may_write_in_place)
{
    static const rt_fused_step steps[] = {
        STEP(mul, 2, 0, 1), STEP(sub_, 2, 2, RT_FUSED_RESULT(0))};
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(50000), 1), *out = NULL;
    rt_tensor *g = noise(RT_FLOAT32, SHAPE(50000), 2);
    rt_tensor *y = CALL(clone, 1, T(x));
    rt_value in[] = {RT_V_FLOAT(0.1), T(g), T(x)};
    rt_value one_by_one[] = {RT_V_FLOAT(0.1), T(g), T(y)};
    unsigned version = x->storage->version;
    rt_tensor *want = singly(steps, 2, one_by_one);
    CHECK_OK(rt_fused(steps, 2, in, 3, &out, &err), err);
    CHECK(out == x && same_bits(x, want));
    CHECK_INT(x->storage->version, version + 1);
    rt_release(out);
    rt_value itself[] = {RT_V_FLOAT(0.1), T(x), T(x)};
    rt_value itself_singly[] = {RT_V_FLOAT(0.1), T(y), T(y)};
    rt_release(want);
    want = singly(steps, 2, itself_singly);
    CHECK_OK(rt_fused(steps, 2, itself, 3, &out, &err), err);
    CHECK(out == x && same_bits(x, want));
    rt_release(out);
    rt_release(want);
    rt_release(x);
    rt_release(g);
    rt_release(y);
}

CASE(overlapping_operands_are_not_written_block_by_block)
{
    static const rt_fused_step steps[] = {
        STEP(mul, 2, 0, 1), STEP(sub_, 2, 2, RT_FUSED_RESULT(0))};
    rt_tensor *x = noise(RT_FLOAT32, SHAPE(101), 1);
    rt_tensor *low = CALL(narrow, 4, T(x), I(0), I(0), I(100));
    rt_tensor *high = CALL(narrow, 4, T(x), I(0), I(1), I(100));
    rt_tensor *first = CALL(narrow, 4, T(x), I(0), I(0), I(1));
    CHECK(!passes(steps, 2, T(low), RT_V_FLOAT(2), T(high)));
    CHECK(!passes(steps, 2, T(low), T(first), T(low)));
    rt_tensor *all[] = {x, low, high, first};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rt_release(all[i]);
    }
}

UNIT_MAIN
