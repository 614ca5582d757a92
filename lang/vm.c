/* SPDX-License-Identifier: MIT
 * The loop that runs register code. */
#include "lang/vm.h"

#include <math.h>
#include <string.h>

enum { POLL_EVERY = 2048 };    /* backward jumps between looks at the flag */

void lang__drop_operands(const lang__site *site, lang__value *registers)
{
    for (int i = 0; i < site->nargs; i++) {
        if (site->args[i].dies)
            lang__release(&registers[site->args[i].reg]);
    }
    if (site->expr && site->expr->kind >= E_CALL_USER &&
        site->expr->kind <= E_CALL_METHOD) {
        for (int i = 0; i < site->expr->u.invoke.nnamed && site->named; i++) {
            if (site->named[i].dies)
                lang__release(&registers[site->named[i].reg]);
        }
    }
    if (site->object.dies)
        lang__release(&registers[site->object.reg]);
}

static inline void set_object(lang__value *to, lang__value v)
{
    lang__replace(to, v.kind, v.p);
}

static int32_t long_of(const lang__code *c)
{
    return (int32_t)((uint16_t)c->b | (uint32_t)(uint16_t)c->c << 16);
}

/* --- frames ----------------------------------------------------------------- */

static rt_status push(lang_session *s, lang__routine *r, rt_module *self,
                      rt_error *err)
{
    lang__value *base = s->top + r->nconstants;
    if (s->depth >= LANG__MAX_FRAMES ||
        base + r->nregisters > s->stack_end) {
        rt_status status = rt_fail(err, RT_E_LIMIT,
                                   "%s: %d calls are in progress, the limit",
                                   *r->name ? r->name : "cell", s->depth);
        rt_error_help(err, "a recursion without end? Check the condition that "
                           "stops it");
        return status;
    }
    if (r->nconstants)
        memcpy(s->top, r->constants, (size_t)r->nconstants * sizeof *base);
    memset(base, 0, (size_t)r->nregisters * sizeof *base);
    s->frames[s->depth++] = (lang__frame){
        .routine = r, .pc = r->code, .registers = base, .self = self};
    s->top = base + r->nregisters;
    return RT_OK;
}

static void pop(lang_session *s)
{
    lang__frame *f = &s->frames[--s->depth];
    for (int i = 0; i < f->routine->nobjects; i++)
        lang__release(&f->registers[f->routine->objects[i]]);
    s->top = f->registers - f->routine->nconstants;
}

/* Arguments of a call move into the first registers of the new frame. */
static void pass(const lang__site *site, lang__value *from, lang__value *to)
{
    for (int i = 0; i < site->nargs; i++) {
        const lang__operand *o = &site->args[i];
        to[i] = from[o->reg];
        if (o->dies)
            from[o->reg].kind = LANG_VOID;
        else if (o->counted)
            lang__retain(to[i]);
    }
}

static lang__routine *callee(const lang__site *site, const lang__frame *f)
{
    if (!site->global)
        return f->routine->klass->methods[site->method];
    return site->global->state == LANG__FUNCTION_NAME ? site->global->routine
                                                      : NULL;
}

static rt_status enter(lang_session *s, const lang__site *site, int target,
                       rt_error *err)
{
    lang__frame *f = &s->frames[s->depth - 1];
    lang__routine *r = callee(site, f);
    if (!r)
        return rt_fail(err, RT_E_NAME, "%s is not a function any more",
                       site->global->name);
    if (r->epoch != s->epoch) {
        rt_status status = lang__refresh(s, &r, err);
        if (status)
            return status;
    }
    if (r->nparams != site->nargs)
        return rt_fail(err, RT_E_TYPE, "%s takes %d arguments now", r->name,
                       r->nparams);
    rt_status status = push(s, r, site->global ? NULL : f->self, err);
    if (status)
        return status;
    pass(site, f->registers, s->frames[s->depth - 1].registers);
    s->frames[s->depth - 1].target = (int16_t)target;
    return RT_OK;
}

/* --- arithmetic that can fail ------------------------------------------------- */

static rt_status divide(int64_t *out, int64_t a, int64_t b, bool rest,
                        rt_error *err)
{
    if (b == 0) {
        rt_status status = rt_fail(err, RT_E_ARITHMETIC,
                                   "%s: %lld %s 0 has no value",
                                   rest ? "remainder" : "division",
                                   (long long)a, rest ? "%" : "/");
        rt_error_help(err, "floats divide by zero to inf: write 0.0, or test "
                           "the divisor first");
        return status;
    }
    if (b == -1)   /* also the one quotient that does not fit: it wraps */
        *out = rest ? 0 : (int64_t)(0 - (uint64_t)a);
    else
        *out = rest ? a % b : a / b;
    return RT_OK;
}

static rt_status shift(int64_t *out, int64_t a, int64_t by, bool left,
                       rt_error *err)
{
    if (by < 0 || by > 63)
        return rt_fail(err, RT_E_ARITHMETIC,
                       "shift: an int has 64 bits, the shift is %lld",
                       (long long)by);
    *out = left ? (int64_t)((uint64_t)a << by) : a >> by;
    return RT_OK;
}

static rt_status power(int64_t *out, int64_t a, int64_t exponent,
                       rt_error *err)
{
    if (exponent < 0) {
        rt_status status = rt_fail(err, RT_E_ARITHMETIC,
                                   "**: %lld ** %lld is not whole",
                                   (long long)a, (long long)exponent);
        rt_error_help(err, "write %lld.0 ** %lld for a float",
                      (long long)a, (long long)exponent);
        return status;
    }
    uint64_t base = (uint64_t)a, r = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            r *= base;
        base *= base;
    }
    *out = (int64_t)r;
    return RT_OK;
}

static rt_status to_int(int64_t *out, double v, rt_error *err)
{
    if (!(v > -9223372036854775809.0 && v < 9223372036854775808.0))
        return rt_fail(err, RT_E_ARITHMETIC,
                       "int: %g does not fit into 64 bits", v);
    *out = (int64_t)v;
    return RT_OK;
}

/* --- the loop ------------------------------------------------------------------- */

#if defined(__GNUC__) && !defined(LANG_SWITCH)
#define CASE(id) op_##id
#define NEXT()                                                                 \
    do {                                                                       \
        in = pc++;                                                             \
        goto *labels[in->op];                                                  \
    } while (0)
#define LOOP_BEGIN NEXT();
#define LOOP_END
#else
#define CASE(id) case LANG__OP_##id
#define NEXT() continue
#define LOOP_BEGIN for (;;) { in = pc++; switch (in->op) {
#define LOOP_END } }
#endif

#define A R[in->a]
#define B R[in->b]
#define C R[in->c]
#define SITE (sites[in->b])
#define TRY(call)                                                              \
    do {                                                                       \
        if ((call) != RT_OK)                                                   \
            goto failed;                                                       \
    } while (0)
/* Says where the machine is: two loads that are near, and a store. */
#define HERE()                                                                 \
    (*s->place = f->routine->place +                                           \
                 f->routine->spans[in - f->routine->code].start)
#define POLL()                                                                 \
    do {                                                                       \
        if (--budget < 0) {                                                    \
            budget = POLL_EVERY;                                               \
            HERE();                                                            \
            if (rt_interrupted())                                              \
                goto interrupted;                                              \
        }                                                                      \
    } while (0)
#define JUMP(distance)                                                         \
    do {                                                                       \
        int32_t d_ = (distance);                                               \
        pc += d_;                                                              \
        if (d_ < 0)                                                            \
            POLL();                                                            \
    } while (0)
/* The word after the instruction holds the distance. */
#define JUMP_WHEN(condition)                                                   \
    do {                                                                       \
        const lang__code *word = pc++;                                         \
        if (condition)                                                         \
            JUMP(long_of(word));                                               \
    } while (0)
#define UNSIGNED(x) ((uint64_t)(x))
#define RELOAD()                                                               \
    do {                                                                       \
        f = &s->frames[s->depth - 1];                                          \
        R = f->registers;                                                      \
        sites = f->routine->sites;                                             \
        pc = f->pc;                                                            \
    } while (0)

static rt_status loop(lang_session *s, lang__value *result, rt_error *err)
{
#if defined(__GNUC__) && !defined(LANG_SWITCH)
#define OP(id, effect, meaning) &&op_##id,
    static const void *const labels[] = {
#include "lang/opcode.def"
    };
#undef OP
#endif
    lang__frame *f;
    lang__value *R;
    lang__site *const *sites;
    const lang__code *pc, *in;
    int budget = 0;
    RELOAD();
    in = pc;
    LOOP_BEGIN
    CASE(MOVE): A.i = B.i; NEXT();
    CASE(COPY): set_object(&A, lang__retain(B)); NEXT();
    CASE(TAKE): {
        uint8_t kind = B.kind;
        void *p = B.p;
        B.kind = LANG_VOID;
        lang__replace(&A, kind, p);
        NEXT();
    }
    CASE(DROP): lang__release(&A); NEXT();
    CASE(BOX): {
        lang__value v = {.kind = (uint8_t)in->c, .i = B.i};
        set_object(&A, v);
        NEXT();
    }
    CASE(GLOBAL):
        if (SITE->global->state != LANG__VARIABLE)
            goto absent;
        A.i = SITE->global->value.i;
        NEXT();
    CASE(GLOBAL_OBJECT):
        if (SITE->global->state != LANG__VARIABLE)
            goto absent;
        set_object(&A, lang__retain(SITE->global->value));
        NEXT();
    CASE(SET_GLOBAL):
        if (SITE->global->state != LANG__VARIABLE)
            goto absent;
        SITE->global->value.i = A.i;
        NEXT();
    CASE(SET_GLOBAL_OBJECT):
        if (SITE->global->state != LANG__VARIABLE)
            goto absent;
        if (in->c) {
            uint8_t kind = A.kind;
            void *p = A.p;
            A.kind = LANG_VOID;
            lang__replace(&SITE->global->value, kind, p);
        } else {
            set_object(&SITE->global->value, lang__retain(A));
        }
        NEXT();
    CASE(DECLARE): TRY(lang__declare_variable(s, SITE, &A, err)); NEXT();
    CASE(DEFAULT): {
        lang__value v;
        TRY(lang__default_value(&v, SITE->type, err));
        set_object(&A, v);
        NEXT();
    }
    CASE(HOST): {
        lang__value v = LANG__VOID_VALUE;
        TRY(lang__host_value(s, SITE, &v, err));
        if (lang__type_counted(SITE->type))
            set_object(&A, v);
        else
            A.i = v.i;
        NEXT();
    }
    CASE(SELF): {
        lang__value v = {.kind = LANG_MODULE, .m = f->self};
        set_object(&A, lang__retain(v));
        NEXT();
    }
    CASE(FIELD): {
        lang__value v = lang__field_get(f->self, in->c);
        if (lang__type_counted(SITE->type))
            set_object(&A, lang__retain(v));
        else
            A.i = v.i;
        NEXT();
    }
    CASE(SET_FIELD): {
        lang__value v = A;
        if (!lang__type_counted(SITE->type))
            v.kind = SITE->type.kind;
        TRY(lang__field_set(f->self, in->c, v, err));
        NEXT();
    }
    CASE(RESULT): lang__keep_result(s, SITE, A); NEXT();
    /* int */
    CASE(ADD_INT): A.i = (int64_t)(UNSIGNED(B.i) + UNSIGNED(C.i)); NEXT();
    CASE(SUB_INT): A.i = (int64_t)(UNSIGNED(B.i) - UNSIGNED(C.i)); NEXT();
    CASE(MUL_INT): A.i = (int64_t)(UNSIGNED(B.i) * UNSIGNED(C.i)); NEXT();
    CASE(DIV_INT): TRY(divide(&A.i, B.i, C.i, false, err)); NEXT();
    CASE(MOD_INT): TRY(divide(&A.i, B.i, C.i, true, err)); NEXT();
    CASE(POW_INT): TRY(power(&A.i, B.i, C.i, err)); NEXT();
    CASE(AND_INT): A.i = B.i & C.i; NEXT();
    CASE(OR_INT): A.i = B.i | C.i; NEXT();
    CASE(XOR_INT): A.i = B.i ^ C.i; NEXT();
    CASE(SHL_INT): TRY(shift(&A.i, B.i, C.i, true, err)); NEXT();
    CASE(SHR_INT): TRY(shift(&A.i, B.i, C.i, false, err)); NEXT();
    CASE(NEG_INT): A.i = (int64_t)(0 - UNSIGNED(B.i)); NEXT();
    CASE(FLIP_INT): A.i = ~B.i; NEXT();
    CASE(ADD_CONSTANT):
        A.i = (int64_t)(UNSIGNED(B.i) + UNSIGNED((int64_t)in->c));
        NEXT();
    CASE(EQ_INT): A.i = B.i == C.i; NEXT();
    CASE(NE_INT): A.i = B.i != C.i; NEXT();
    CASE(LT_INT): A.i = B.i < C.i; NEXT();
    CASE(LE_INT): A.i = B.i <= C.i; NEXT();
    /* float */
    CASE(ADD_FLOAT): A.f = B.f + C.f; NEXT();
    CASE(SUB_FLOAT): A.f = B.f - C.f; NEXT();
    CASE(MUL_FLOAT): A.f = B.f * C.f; NEXT();
    CASE(DIV_FLOAT): A.f = B.f / C.f; NEXT();
    CASE(MOD_FLOAT): A.f = fmod(B.f, C.f); NEXT();
    CASE(POW_FLOAT): A.f = pow(B.f, C.f); NEXT();
    CASE(NEG_FLOAT): A.f = -B.f; NEXT();
    CASE(EQ_FLOAT): A.i = B.f == C.f; NEXT();
    CASE(NE_FLOAT): A.i = B.f != C.f; NEXT();
    CASE(LT_FLOAT): A.i = B.f < C.f; NEXT();
    CASE(LE_FLOAT): A.i = B.f <= C.f; NEXT();
    /* bool, conversions */
    CASE(NOT): A.i = !B.i; NEXT();
    CASE(INT_FLOAT): A.f = (double)B.i; NEXT();
    CASE(FLOAT_INT): TRY(to_int(&A.i, B.f, err)); NEXT();
    CASE(INT_BOOL): A.i = B.i != 0; NEXT();
    CASE(FLOAT_BOOL): A.i = B.f != 0; NEXT();
    /* jumps */
    CASE(JUMP): JUMP(long_of(in)); NEXT();
    CASE(JUMP_IF):
        if (A.i)
            JUMP(long_of(in));
        NEXT();
    CASE(JUMP_UNLESS):
        if (!A.i)
            JUMP(long_of(in));
        NEXT();
    CASE(JUMP_EQ_INT): JUMP_WHEN(A.i == B.i); NEXT();
    CASE(JUMP_NE_INT): JUMP_WHEN(A.i != B.i); NEXT();
    CASE(JUMP_LT_INT): JUMP_WHEN(A.i < B.i); NEXT();
    CASE(JUMP_LE_INT): JUMP_WHEN(A.i <= B.i); NEXT();
    CASE(JUMP_EQ_FLOAT): JUMP_WHEN(A.f == B.f); NEXT();
    CASE(JUMP_NE_FLOAT): JUMP_WHEN(A.f != B.f); NEXT();
    CASE(JUMP_LT_FLOAT): JUMP_WHEN(A.f < B.f); NEXT();
    CASE(JUMP_LE_FLOAT): JUMP_WHEN(A.f <= B.f); NEXT();
    CASE(JUMP_NLT_FLOAT): JUMP_WHEN(!(A.f < B.f)); NEXT();
    CASE(JUMP_NLE_FLOAT): JUMP_WHEN(!(A.f <= B.f)); NEXT();
    CASE(STEP_LT):
        A.i = (int64_t)(UNSIGNED(A.i) + UNSIGNED((int64_t)in->c));
        JUMP_WHEN(A.i < B.i);
        NEXT();
    /* calls */
    CASE(CALL):
        f->pc = pc;
        POLL();
        TRY(enter(s, SITE, in->a, err));
        RELOAD();
        NEXT();
    CASE(RETURN): {
        lang__value v = A;
        bool boundary = f->boundary;
        int target = f->target;
        pop(s);
        if (boundary) {
            *result = v;
            return RT_OK;
        }
        RELOAD();
        R[target].i = v.i;
        NEXT();
    }
    CASE(RETURN_OBJECT): {
        lang__value v = A;
        if (in->a < 0)
            lang__retain(v);
        else
            A.kind = LANG_VOID;
        bool boundary = f->boundary;
        int target = f->target;
        pop(s);
        if (boundary) {
            *result = v;
            return RT_OK;
        }
        RELOAD();
        set_object(&R[target], v);
        NEXT();
    }
    CASE(RETURN_NOTHING): {
        bool boundary = f->boundary;
        int target = f->target;
        pop(s);
        if (boundary) {
            *result = LANG__VOID_VALUE;
            return RT_OK;
        }
        RELOAD();
        lang__release(&R[target]);
        NEXT();
    }
    CASE(INVOKE): {
        HERE();
        TRY(lang__invoke(s, SITE, R, in->a, f->self, err));
        lang__drop_operands(SITE, R);
        if (rt_interrupted())
            goto interrupted;
        NEXT();
    }
    CASE(FUSED): {
        const lang__code *word = pc++;
        bool done;
        HERE();
        TRY(lang__run_fused(SITE, R, &A, &done, err));
        if (done) {
            lang__drop_operands(SITE, R);
            if (rt_interrupted())
                goto interrupted;
            JUMP(long_of(word));
        }
        NEXT();
    }
    /* objects */
    CASE(BINARY): {
        lang__value v = LANG__VOID_VALUE;
        const lang__code *word = pc++;
        int op = long_of(word);
        HERE();
        TRY(lang__object_binary(&v, B, C, op, err));
        if ((op & ~LANG__COMPOUND) == O_ADD)
            set_object(&A, v);
        else
            A.i = v.i;
        NEXT();
    }
    CASE(LIST): {
        HERE();
        lang__value v;
        TRY(lang__make_list(&v, SITE, R, err));
        lang__drop_operands(SITE, R);
        set_object(&A, v);
        NEXT();
    }
    CASE(LIST_COPY): {
        HERE();
        lang__value v;
        TRY(lang__copy_list(&v, B.l, err));
        set_object(&A, v);
        NEXT();
    }
    CASE(RANGE_LIST): {
        HERE();
        lang__value v;
        TRY(lang__range_list(&v, SITE, R, err));
        set_object(&A, v);
        NEXT();
    }
    CASE(CONVERT): {
        HERE();
        lang__value v = C, converted = LANG__VOID_VALUE;
        if (!lang__type_counted(SITE->from))
            v.kind = SITE->from.kind;
        TRY(lang__converted(&converted, v, SITE->type, err));
        if (lang__type_counted(SITE->type))
            set_object(&A, converted);
        else
            A.i = converted.i;
        NEXT();
    }
    CASE(LIST_ITEM): {
        lang_list *l = R[SITE->object.reg].l;
        uint64_t at = UNSIGNED(C.i);
        if (at >= UNSIGNED(l->count)) {
            at += UNSIGNED(l->count);
            if (at >= UNSIGNED(l->count)) {
                int64_t none;
                TRY(lang__position(&none, C.i, l->count, "list", err));
            }
        }
        int64_t item = l->items[at].i;
        if (SITE->object.dies)
            lang__release(&R[SITE->object.reg]);
        A.i = item;
        NEXT();
    }
    CASE(SET_LIST_ITEM): {
        lang_list *l = R[SITE->object.reg].l;
        uint64_t at = UNSIGNED(C.i);
        if (at >= UNSIGNED(l->count)) {
            at += UNSIGNED(l->count);
            if (at >= UNSIGNED(l->count)) {
                int64_t none;
                TRY(lang__position(&none, C.i, l->count, "list", err));
            }
        }
        l->items[at].i = A.i;
        NEXT();
    }
    CASE(INDEX): {
        HERE();
        lang__value v = LANG__VOID_VALUE;
        TRY(lang__get_index(&v, SITE, R, err));
        lang__drop_operands(SITE, R);
        if (lang__type_counted(SITE->type))
            set_object(&A, v);
        else
            A.i = v.i;
        NEXT();
    }
    CASE(SET_INDEX): {
        HERE();
        lang__value v = A;
        if (!lang__type_counted(SITE->type))
            v.kind = SITE->type.kind;
        TRY(lang__set_index(SITE, R, v, err));
        lang__drop_operands(SITE, R);
        NEXT();
    }
    CASE(ATTRIBUTE): {
        HERE();
        lang__value v = LANG__VOID_VALUE;
        TRY(lang__get_attribute(&v, SITE, lang__fetch(&SITE->object, R), err));
        if (SITE->object.dies)
            lang__release(&R[SITE->object.reg]);
        if (lang__type_counted(SITE->type))
            set_object(&A, v);
        else
            A.i = v.i;
        NEXT();
    }
    CASE(SET_ATTRIBUTE): {
        HERE();
        lang__value v = A;
        if (!lang__type_counted(SITE->type))
            v.kind = SITE->type.kind;
        TRY(lang__set_attribute(SITE, lang__fetch(&SITE->object, R), v, err));
        if (SITE->object.dies)
            lang__release(&R[SITE->object.reg]);
        NEXT();
    }
    CASE(CLOSURE): {
        lang__value v = LANG__VOID_VALUE;
        TRY(lang__closure_of(SITE, &v, err));
        set_object(&A, v);
        NEXT();
    }
    CASE(UNPACK): {
        lang__value v[16] = {{0}};
        TRY(lang__unpack(C, v, SITE->nresults, err));
        for (int i = 0; i < SITE->nresults; i++)
            set_object(&R[in->a + i], v[i]);
        NEXT();
    }
    /* loops over objects, blocks, magics */
    CASE(ITERATE): {
        lang__value v = LANG__VOID_VALUE;
        HERE();
        TRY(lang__iterate(s, SITE, R, &v, err));
        lang__drop_operands(SITE, R);
        set_object(&A, v);
        NEXT();
    }
    CASE(NEXT): {
        lang__value v[16] = {{0}};
        const lang__code *word = pc++;
        bool end = false;
        HERE();
        POLL();
        TRY(lang__next(A, v, in->b, &end, err));
        if (end) {
            JUMP(long_of(word));
            NEXT();
        }
        for (int i = 0; i < in->b; i++)
            set_object(&R[in->a + 1 + i], v[i]);
        NEXT();
    }
    CASE(GRAD_OFF): A.i = rt_set_grad_enabled(false); NEXT();
    CASE(GRAD_RESTORE): rt_set_grad_enabled(A.i != 0); NEXT();
    CASE(MAGIC): HERE(); TRY(lang__magic(s, SITE, f->routine->unit, err)); NEXT();
    LOOP_END
absent:
    rt_fail(err, RT_E_NAME, "%s is not there any more", SITE->global->name);
    goto failed;
interrupted:
    rt_fail(err, RT_E_INTERRUPT, "interrupted");
failed:
    s->frames[s->depth - 1].pc = pc;
    lang__trouble_note(s, &s->frames[s->depth - 1], in, err);
    while (!s->frames[s->depth - 1].boundary) {
        pop(s);
        f = &s->frames[s->depth - 1];
        lang__trouble_note(s, f, f->pc - 1, err);
    }
    pop(s);
    return err->code;
}

rt_status lang__run(lang_session *s, lang__routine *r, rt_module *self,
                    const lang__value *args, int nargs, lang__value *result,
                    rt_error *err)
{
    rt_error own;
    rt_error_clear(&own);
    if (!err)
        err = &own;
    lang__value v = LANG__VOID_VALUE;
    bool recording = rt_grad_enabled();
    rt_status status = RT_OK;
    if (s->nesting >= LANG__MAX_NESTING)
        return rt_fail(err, RT_E_LIMIT,
                       "%s: %d modules and function values call each other, "
                       "the limit", *r->name ? r->name : "cell", s->nesting);
    if (r->epoch != s->epoch && *r->name)
        status = lang__refresh(s, &r, err);
    if (!status)
        status = push(s, r, self, err);
    if (status)
        return status;
    lang__frame *f = &s->frames[s->depth - 1];
    f->boundary = true;
    for (int i = 0; i < nargs; i++)
        f->registers[i] = lang__retain(args[i]);
    uint64_t place = *s->place;
    s->nesting++;
    status = loop(s, &v, err);
    s->nesting--;
    *s->place = place;
    if (status) {
        rt_set_grad_enabled(recording);
        return status;
    }
    if (r->signature && !lang__type_counted(r->signature->result))
        v.kind = r->signature->result.kind;
    *result = v;
    return RT_OK;
}
