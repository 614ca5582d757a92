/* SPDX-License-Identifier: MIT
 * The catalogs of builtins and attributes, and signatures of all catalogs in
 * the language's terms. */
#include "lang/builtins.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lang__builtin rows[LANG__B_COUNT] = {
#define BUILTIN(id, name, signature, check, effect, doc)                       \
    {LANG__B_##id, name, signature, LANG__##check, LANG__##effect, doc},
#include "lang/builtins.def"
#undef BUILTIN
};

static const lang__attribute attributes[LANG__A_COUNT] = {
#define ATTRIBUTE(id, owner, name, type, depth, writable, doc)                 \
    {LANG__A_##id, owner, name, {type, depth}, writable, doc},
#include "lang/attributes.def"
#undef ATTRIBUTE
};

int lang__builtin_count(void)
{
    return LANG__B_COUNT;
}

const lang__builtin *lang__builtin_at(int i)
{
    return i >= 0 && i < LANG__B_COUNT ? &rows[i] : NULL;
}

const lang__builtin *lang__builtin_find(const char *name)
{
    for (int i = 0; i < LANG__B_COUNT; i++) {
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    }
    return NULL;
}

const lang__builtin *lang__builtin_overload(const lang__builtin *b)
{
    const lang__builtin *next = lang__builtin_at((int)b->id + 1);
    return next && !strcmp(next->name, b->name) ? next : NULL;
}

int lang__attribute_count(void)
{
    return LANG__A_COUNT;
}

const lang__attribute *lang__attribute_at(int i)
{
    return i >= 0 && i < LANG__A_COUNT ? &attributes[i] : NULL;
}

const lang__attribute *lang__attribute_find(int owner, const char *name)
{
    for (int i = 0; i < LANG__A_COUNT; i++) {
        if (attributes[i].owner == owner &&
            (!strcmp(attributes[i].name, name) ||
             !strcmp(attributes[i].name, "*")))
            return &attributes[i];
    }
    return NULL;
}

bool lang__attribute_list(int owner, char *text, size_t room)
{
    size_t used = 0;
    for (int i = 0; i < LANG__A_COUNT; i++) {
        const lang__attribute *a = &attributes[i];
        size_t size = strlen(a->name) + 2;
        if (a->owner != owner || a->name[0] == '*' || used + size >= room)
            continue;
        snprintf(text + used, room - used, "%s%s", used ? ", " : "", a->name);
        used = strlen(text);
    }
    return used > 0;
}

/* --- reading signatures of builtins ---------------------------------------- */

/* Parsed rows live in static storage; a test sees that the pools suffice. */
enum { PARAMS = LANG__B_COUNT * 6, TEXT = LANG__B_COUNT * 64 };
static lang__signature signatures[LANG__B_COUNT];
static lang__param params[PARAMS];
static char texts[TEXT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

typedef struct reader {
    const char *at;
    int nparams;
    size_t ntext;
} reader;

static void blanks(reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool accept(reader *r, const char *text)
{
    blanks(r);
    size_t n = strlen(text);
    if (strncmp(r->at, text, n))
        return false;
    r->at += n;
    return true;
}

static const char *store(reader *r, const char *text, size_t size)
{
    if (r->ntext + size + 1 > TEXT)
        return "";
    char *out = texts + r->ntext;
    memcpy(out, text, size);
    out[size] = 0;
    r->ntext += size + 1;
    return out;
}

static const char *word(reader *r)
{
    blanks(r);
    const char *start = r->at;
    r->at += strcspn(r->at, " ,()=?[].*");
    return store(r, start, (size_t)(r->at - start));
}

static lang__type type(reader *r)
{
    blanks(r);
    const char *start = r->at;
    r->at += strcspn(r->at, " ,()=?[].*");
    size_t size = (size_t)(r->at - start);
    int kind = lang__type_named(start, size);
    if (kind < 0)
        kind = size == 1 && *start == 'T' ? LANG__T : LANG__ANY;
    lang__type t = LANG__TYPE((uint8_t)kind);
    while (accept(r, "[]"))
        t.depth++;
    return t;
}

static void constant(reader *r, lang__constant *c)
{
    if (accept(r, "None")) {
        c->kind = LANG__NONE;
    } else if (accept(r, "True") || accept(r, "False")) {
        c->kind = LANG_BOOL;
        c->b = r->at[-2] == 'u';
    } else if (accept(r, "[]")) {
        c->kind = LANG_LIST;
    } else if (accept(r, "\"")) {
        size_t size = strcspn(r->at, "\"");
        c->kind = LANG_STRING;
        c->s = store(r, r->at, size);
        r->at += size + 1;
    } else {
        char *end;
        c->kind = LANG_INT;
        c->i = strtoll(r->at, &end, 10);
        r->at = end;
    }
}

static void read_param(reader *r, lang__signature *s, bool keyword)
{
    if (r->nparams == PARAMS)
        return;
    lang__param *p = &params[r->nparams++];
    p->type = type(r);
    p->optional = accept(r, "?");
    p->variadic = accept(r, "...");
    p->name = word(r);
    p->keyword_only = keyword;
    if (accept(r, "=")) {
        p->has_default = true;
        constant(r, &p->value);
    }
    s->nparams++;
}

static void read_result(reader *r, lang__signature *s)
{
    if (!accept(r, "->"))
        return;
    if (!accept(r, "(")) {
        s->result = type(r);
        s->nresults = !lang__type_is(s->result, LANG_VOID);
        return;
    }
    s->result = LANG__TYPE(LANG__TUPLE);
    while (!accept(r, ")") && *r->at && s->nresults < RT_MAX_RESULTS) {
        s->results[s->nresults++] = type(r);
        word(r);
        accept(r, ",");
    }
}

static void read_all(void)
{
    reader r = {0};
    for (int i = 0; i < LANG__B_COUNT; i++) {
        lang__signature *s = &signatures[i];
        bool keyword = false;
        r.at = strchr(rows[i].text, '(') + 1;
        s->name = rows[i].name;
        s->params = params + r.nparams;
        while (*r.at && !accept(&r, ")")) {
            if (accept(&r, "**"))
                s->any_keyword = true;
            else if (accept(&r, "*"))
                keyword = true;
            else
                read_param(&r, s, keyword);
            accept(&r, ",");
        }
        read_result(&r, s);
    }
}

const lang__signature *lang__builtin_signature(const lang__builtin *b)
{
    pthread_once(&once, read_all);
    return &signatures[b->id];
}

/* --- signatures of the runtime's catalogs -------------------------------------- */

static lang__type type_of(rt_type t)
{
    switch (t) {
    case RT_T_TENSOR: return LANG__TYPE(LANG_TENSOR);
    case RT_T_TENSORS: case RT_T_OPT_TENSORS: return LANG__LIST_OF(LANG_TENSOR);
    case RT_T_SCALAR: case RT_T_FLOAT: return LANG__TYPE(LANG_FLOAT);
    case RT_T_INT: return LANG__TYPE(LANG_INT);
    case RT_T_BOOL: return LANG__TYPE(LANG_BOOL);
    case RT_T_STRING: case RT_T_DEVICE: return LANG__TYPE(LANG_STRING);
    case RT_T_INTS: return LANG__LIST_OF(LANG_INT);
    case RT_T_FLOATS: return LANG__LIST_OF(LANG_FLOAT);
    case RT_T_DTYPE: return LANG__TYPE(LANG_DTYPE);
    case RT_T_GENERATOR: return LANG__TYPE(LANG_GENERATOR);
    case RT_T_MODULE: return LANG__TYPE(LANG_MODULE);
    case RT_T_MODULES: return LANG__LIST_OF(LANG_MODULE);
    }
    return LANG__TYPE(LANG__ANY);
}

static void copy_default(lang__constant *c, const rt_value *v)
{
    switch (v->kind) {
    case RT_K_BOOL: c->kind = LANG_BOOL; c->b = v->i != 0; break;
    case RT_K_INT: c->kind = LANG_INT; c->i = v->i; break;
    case RT_K_FLOAT: c->kind = LANG_FLOAT; c->f = v->f; break;
    case RT_K_STRING: c->kind = LANG_STRING; c->s = v->s; break;
    case RT_K_INTS: case RT_K_FLOATS: c->kind = LANG_LIST; break;
    default: c->kind = LANG__NONE; break;
    }
}

static lang__param param_of(const rt_param *q)
{
    lang__param p = {
        .name = q->name, .type = type_of(q->type), .optional = q->optional,
        .has_default = q->has_default, .keyword_only = q->keyword_only,
        .catalog = (uint8_t)(q->type + 1)};
    if (p.has_default)
        copy_default(&p.value, &q->value);
    return p;
}

/* "-> bool" and the like, from the text. */
static lang__type scalar_result(const rt_signature *s)
{
    const char *arrow = s->text ? strstr(s->text, "->") : NULL;
    arrow = arrow ? arrow + 2 + strspn(arrow + 2, " ") : "";
    if (!strncmp(arrow, "bool", 4))
        return LANG__TYPE(LANG_BOOL);
    return LANG__TYPE(strncmp(arrow, "int", 3) ? LANG_FLOAT : LANG_INT);
}

lang__signature *lang__signature_of(lang__arena *a, const rt_signature *s)
{
    lang__signature *out = LANG__NEW(a, lang__signature);
    out->name = s->name;
    out->params = lang__arena_get(a, RT_MAX_ARGS * sizeof *out->params);
    if (a->failed)
        return out;
    out->nparams = s->nparams;
    for (int i = 0; i < s->nparams; i++)
        out->params[i] = param_of(&s->params[i]);
    int last = s->npositional - 1;
    if (last >= 0 && (s->params[last].type == RT_T_INTS ||
                      s->params[last].type == RT_T_TENSORS ||
                      s->params[last].type == RT_T_MODULES))
        out->params[last].variadic = true;
    out->nresults = s->nresults;
    for (int i = 0; i < s->nresults; i++)
        out->results[i] = LANG__TYPE(LANG_TENSOR);
    out->result = s->result_scalar ? scalar_result(s)
                  : s->result_list ? LANG__LIST_OF(LANG_TENSOR)
                  : s->nresults > 1 ? LANG__TYPE(LANG__TUPLE)
                  : s->nresults == 1 ? LANG__TYPE(LANG_TENSOR)
                                     : LANG__TYPE(LANG_VOID);
    return out;
}

/* Puts one more parameter first. */
static void prepend(lang__signature *s, lang__param first)
{
    int n = s->nparams < RT_MAX_ARGS - 1 ? s->nparams : RT_MAX_ARGS - 1;
    memmove(s->params + 1, s->params, (size_t)n * sizeof *s->params);
    s->params[0] = first;
    s->nparams = n + 1;
}

lang__signature *lang__signature_of_optimizer(lang__arena *a,
                                              const rt_signature *s)
{
    lang__signature *out = lang__signature_of(a, s);
    if (a->failed)
        return out;
    /* the parameters to train: a Module or a list; inside fit, nothing */
    out->params[0].name = "params";
    out->params[0].type = LANG__TYPE(LANG__ANY);
    out->params[0].has_default = true;
    out->params[0].value.kind = LANG__NONE;
    out->params[0].catalog = 0;
    out->result = LANG__TYPE(LANG_OPTIMIZER);
    out->nresults = 1;
    return out;
}

lang__signature *lang__signature_of_scheduler(lang__arena *a,
                                              const rt_signature *s)
{
    lang__signature *out = lang__signature_of(a, s);
    if (a->failed)
        return out;
    if (out->nparams == 0 || strcmp(out->params[0].name, "optimizer"))
        prepend(out, (lang__param){.name = "optimizer"});
    out->params[0].type = LANG__TYPE(LANG_OPTIMIZER);
    out->params[0].catalog = 0;
    out->result = LANG__TYPE(LANG_SCHEDULER);
    out->nresults = 1;
    return out;
}

static bool same_letters(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
        char y = *b >= 'A' && *b <= 'Z' ? (char)(*b | 0x20) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

const rt_optim_kind *lang__optimizer_find(const char *name)
{
    const rt_optim_kind *exact = rt_optim_find(name);
    for (int i = 0; !exact && i < rt_optim_count(); i++) {
        if (same_letters(rt_optim_name(rt_optim_at(i)), name))
            exact = rt_optim_at(i);
    }
    return exact;
}
