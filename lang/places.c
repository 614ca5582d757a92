/* SPDX-License-Identifier: MIT
 * Code for places: what can be indexed, asked and assigned. */
#include "lang/emit.h"

static bool counted(const lang__expr *x)
{
    return lang__type_counted(x->type);
}

static bool is_scalar(lang__type t)
{
    return lang__type_is_number(t);
}

/* All expressions inside the brackets, three for a slice. */
static lang__expr **index_parts(lang__emitter *e, const lang__expr *x, int *n)
{
    int count = 0;
    lang__expr **parts = lang__arena_get(
        e->arena, (size_t)(3 * x->u.index.count + 1) * sizeof *parts);
    for (int i = 0; parts && i < x->u.index.count; i++) {
        const lang__index *item = &x->u.index.items[i];
        if (item->kind == LANG__AT) {
            parts[count++] = item->at;
        } else if (item->kind == LANG__SLICE) {
            parts[count++] = item->start;
            parts[count++] = item->stop;
            parts[count++] = item->step;
        }
    }
    *n = count;
    return parts;
}

/* The one int index of a list of numbers, or NULL. */
static lang__expr *simple_index(const lang__expr *x)
{
    const lang__index *item = x->u.index.items;
    if (x->u.index.count != 1 || item->kind != LANG__AT ||
        !lang__type_is(item->at->type, LANG_INT) ||
        x->u.index.object->type.depth != 1 || counted(x))
        return NULL;
    return item->at;
}

/* Object and indices of x, evaluated once. `keep` holds their expressions so
 * that they can be freed when the last access was made. */
typedef struct access {
    lang__site *site;
    int index;
    lang__expr **parts;
    int nparts;
} access;

static access open_access(lang__emitter *e, const lang__expr *x)
{
    access a = {0};
    a.site = lang__site_for(e, x, &a.index);
    lang__set_operand(e, &a.site->object, x->u.index.object, LANG__AS_VALUE);
    a.parts = index_parts(e, x, &a.nparts);
    a.site->args = lang__operands(e, a.parts, a.nparts, LANG__AS_VALUE);
    a.site->nargs = a.site->args ? a.nparts : 0;
    return a;
}

static void close_access(lang__emitter *e, const lang__expr *x, access *a)
{
    lang__expr *object = x->u.index.object;
    lang__free_operands(e, a->site->args, a->site->nargs, a->parts);
    lang__free_operands(e, &a->site->object, 1, &object);
}

/* The same access once more, with which nothing dies. */
static int first_access(lang__emitter *e, const access *a)
{
    int index;
    lang__site *site = lang__site_new(e, &index);
    *site = *a->site;
    site->object.dies = false;
    site->args = lang__arena_get(e->arena,
                                 (size_t)(a->nparts + 1) * sizeof *site->args);
    for (int i = 0; site->args && i < a->site->nargs; i++) {
        site->args[i] = a->site->args[i];
        site->args[i].dies = false;
    }
    return index;
}

void lang__index_get(lang__emitter *e, const lang__expr *x, int to)
{
    lang__expr *at = simple_index(x);
    if (at) {
        int index;
        lang__site *site = lang__site_for(e, x, &index);
        lang__expr *object = x->u.index.object;
        lang__set_operand(e, &site->object, object, LANG__AS_VALUE);
        lang__place i = lang__anywhere(e, at);
        lang__emit(e, LANG__OP_LIST_ITEM, to, index, i.reg);
        lang__free_place(e, i);
        lang__free_operands(e, &site->object, 1, &object);
        return;
    }
    access a = open_access(e, x);
    lang__emit(e, LANG__OP_INDEX, to, a.index, 0);
    close_access(e, x, &a);
}

/* --- attributes, fields, names ---------------------------------------------- */

lang__site *lang__member_site(lang__emitter *e, const lang__expr *x,
                               int *index)
{
    lang__site *site = lang__site_for(e, x, index);
    lang__expr *object = x->u.member.object;
    lang__set_operand(e, &site->object, object, LANG__AS_VALUE);
    lang__free_operands(e, &site->object, 1, &object);
    return site;
}

void lang__named(lang__emitter *e, const lang__expr *x, lang__opcode payload,
                  lang__opcode object, int reg, const char *name)
{
    int index;
    lang__global *global = lang__entry(e, name);
    bool found = false;
    /* The machine looks at no more of such a site than at the name: uses of
     * one name near one another share it. */
    for (int i = 0; i < LANG__RECENT_NAMES && !found; i++) {
        index = e->recent[i];
        found = global && index < e->routine->nsites &&
                e->routine->sites[index]->global == global &&
                e->routine->sites[index]->expr &&
                e->routine->sites[index]->expr->kind == E_GLOBAL;
    }
    if (!found) {
        lang__site_for(e, x, &index)->global = global;
        e->recent[e->next_recent++ % LANG__RECENT_NAMES] = index;
    }
    lang__emit(e, counted(x) ? object : payload, reg, index, 0);
}

void lang__field(lang__emitter *e, const lang__expr *x, lang__opcode op,
                  int reg)
{
    int index;
    lang__site_for(e, x, &index);
    lang__emit(e, op, reg, index, x->u.field.index);
}

void lang__by_site(lang__emitter *e, const lang__expr *x, lang__opcode op,
                    int to)
{
    int index;
    lang__site_for(e, x, &index);
    lang__emit(e, op, to, index, 0);
}

/* --- assignment ------------------------------------------------------------- */

/* Stores R[from] in a target other than INDEX. */
static void store(lang__emitter *e, const lang__expr *target, int from)
{
    int index;
    switch (target->kind) {
    case E_LOCAL:
        lang__move(e, target->u.local->slot, from, target->type);
        break;
    case E_GLOBAL:
        lang__named(e, target, LANG__OP_SET_GLOBAL, LANG__OP_SET_GLOBAL_OBJECT, from,
              target->u.name.text);
        break;
    case E_FIELD: lang__field(e, target, LANG__OP_SET_FIELD, from); break;
    default:
        lang__member_site(e, target, &index);
        lang__emit(e, LANG__OP_SET_ATTRIBUTE, from, index, 0);
    }
}

/* Stores a temporary that nothing reads afterwards. */
static void store_last(lang__emitter *e, const lang__expr *target, int from)
{
    store(e, target, from);
    if (target->kind == E_GLOBAL && !e->status)
        e->routine->code[lang__here(e) - 1].c = 1;    /* it moves there */
    else
        lang__emit(e, LANG__OP_DROP, from, 0, 0);
}

/* R[to] := R[old] op value, for every type of target. Tensors are changed in
 * place where an op does that. */
static void combine(lang__emitter *e, const lang__expr *x, int to, int old)
{
    lang__operator op = x->u.assign.op;
    lang__expr *value = x->u.assign.value;
    lang__type type = x->u.assign.target->type;
    if (lang__type_is(type, LANG_TENSOR)) {
        int index;
        const char *name = lang__operator_inplace(op);
        const rt_op *inplace = *name ? rt_op_find(name) : NULL;
        if (inplace && lang__fuse_assign(e, x, inplace, to, old))
            return;
        lang__site *site = lang__site_for(e, x, &index);
        site->span = x->u.assign.op_span;
        site->type = type;
        site->nresults = 1;
        site->op = inplace ? inplace : rt_op_find(lang__operator_op(op));
        site->args = lang__arena_get(e->arena, 2 * sizeof *site->args);
        site->nargs = 2;
        site->args[0] = (lang__operand){
            .reg = (int16_t)old, .kind = LANG_TENSOR, .counted = true,
            .given = true, .span = x->u.assign.target->span};
        lang__set_operand(e, &site->args[1], value, LANG__AS_OP_ARGUMENT);
        lang__free_operands(e, &site->args[1], 1, &value);
        lang__emit(e, LANG__OP_INVOKE, to, index, 0);
        return;
    }
    int by;
    if (is_scalar(type) && (op == O_ADD || op == O_SUB) &&
        lang__fits_step(e, value, op == O_ADD ? 1 : -1, &by)) {
        lang__emit(e, LANG__OP_ADD_CONSTANT, to, old, by);
        return;
    }
    lang__place p = lang__read_only(e, value);
    if (is_scalar(type))
        lang__number_binary(e, op, type, to, old, p.reg);
    else
        lang__emit_wide(e, LANG__OP_BINARY, to, old, p.reg,
                        op | LANG__COMPOUND);
    lang__free_place(e, p);
}

/* Stores in x[...]; the stored value ends in *result when wanted. */
static void assign_index(lang__emitter *e, const lang__expr *x, int result)
{
    const lang__expr *target = x->u.assign.target;
    lang__expr *at = simple_index(target);
    lang__place value;
    access a = open_access(e, target);
    if (x->u.assign.op == O_NONE) {
        value = lang__anywhere(e, x->u.assign.value);
    } else {
        int old = lang__temporary(e, counted(target));
        value = (lang__place){lang__temporary(e, counted(target)), true};
        if (at)
            lang__emit(e, LANG__OP_LIST_ITEM, old, first_access(e, &a),
                       a.site->args[0].reg);
        else
            lang__emit(e, LANG__OP_INDEX, old, first_access(e, &a), 0);
        combine(e, x, value.reg, old);
        if (counted(target))
            lang__emit(e, LANG__OP_DROP, old, 0, 0);
        lang__free_register(e, old);
    }
    e->span = target->span;
    if (at && !a.site->object.dies)
        lang__emit(e, LANG__OP_SET_LIST_ITEM, value.reg, a.index,
                   a.site->args[0].reg);
    else
        lang__emit(e, LANG__OP_SET_INDEX, value.reg, a.index, 0);
    close_access(e, target, &a);
    if (result >= 0)
        lang__move(e, result, value.reg, target->type);
    if (value.temporary && counted(target))
        lang__emit(e, LANG__OP_DROP, value.reg, 0, 0);
    lang__free_place(e, value);
}

static void compound(lang__emitter *e, const lang__expr *x, int result)
{
    const lang__expr *target = x->u.assign.target;
    lang__place old = lang__anywhere(e, target);
    lang__place value = {lang__temporary(e, counted(target)), true};
    bool direct = target->kind == E_LOCAL && !counted(target);
    combine(e, x, direct ? old.reg : value.reg, old.reg);
    e->span = x->u.assign.op_span;
    /* Let go of the old string first, so that appending finds it unshared. */
    if (old.temporary && counted(target))
        lang__emit(e, LANG__OP_DROP, old.reg, 0, 0);
    if (!direct && target->kind != E_HOST)   /* which was written in place */
        store(e, target, value.reg);
    if (result >= 0)
        lang__move(e, result, direct ? old.reg : value.reg, target->type);
    if (counted(target))
        lang__emit(e, LANG__OP_DROP, value.reg, 0, 0);
    lang__free_place(e, value);
    lang__free_place(e, old);
}

void lang__assign(lang__emitter *e, const lang__expr *x, int result)
{
    const lang__expr *target = x->u.assign.target;
    if (target->kind == E_INDEX) {
        assign_index(e, x, result);
    } else if (x->u.assign.op != O_NONE) {
        compound(e, x, result);
    } else if (target->kind == E_LOCAL) {
        lang__into(e, x->u.assign.value, target->u.local->slot);
        if (result >= 0)
            lang__move(e, result, target->u.local->slot, target->type);
    } else {
        lang__place p = lang__anywhere(e, x->u.assign.value);
        bool dies = p.temporary && counted(target);
        if (dies && result < 0) {
            store_last(e, target, p.reg);
        } else {
            store(e, target, p.reg);
            if (result >= 0)
                lang__move(e, result, p.reg, target->type);
            if (dies)
                lang__emit(e, LANG__OP_DROP, p.reg, 0, 0);
        }
        lang__free_place(e, p);
    }
}

/* x++ and the like: as `x += 1`, with the old value kept when wanted. */
void lang__step(lang__emitter *e, const lang__expr *x, int result)
{
    lang__expr *target = x->u.step.target;
    lang__expr one = {.kind = E_CONSTANT, .type = LANG__TYPE(LANG_INT),
                      .span = x->span};
    one.u.constant = (lang__constant){.kind = LANG_INT, .i = x->u.step.by};
    if (target->type.kind == LANG_FLOAT) {
        one.type = LANG__TYPE(LANG_FLOAT);
        one.u.constant = (lang__constant){.kind = LANG_FLOAT,
                                          .f = x->u.step.by};
    }
    lang__expr *add = LANG__NEW(e->arena, lang__expr);
    lang__expr *value = LANG__NEW(e->arena, lang__expr);
    *value = one;
    *add = (lang__expr){.kind = E_ASSIGN, .type = target->type,
                        .span = x->span};
    add->u.assign.op = O_ADD;
    add->u.assign.target = target;
    add->u.assign.value = value;
    add->u.assign.op_span = x->span;
    if (result < 0 || x->u.step.prefix) {
        lang__assign(e, add, result);
        return;
    }
    lang__assign(e, add, result);
    if (target->type.kind == LANG_FLOAT)
        lang__emit(e, LANG__OP_SUB_FLOAT, result, result,
                   lang__constant_register(
                       e, LANG__FLOAT_VALUE(x->u.step.by)));
    else
        lang__emit(e, LANG__OP_ADD_CONSTANT, result, result, -x->u.step.by);
}

