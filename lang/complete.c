/* SPDX-License-Identifier: MIT
 * Completion: members after a dot, argument names in a call, else every name
 * that may stand there, the nearest first. */
#include "lang/check.h"
#include "lang/place.h"

#include <string.h>

typedef struct collector {
    lang__place *place;
    lang_completion *out;
    const char *prefix;
    bool any_case;          /* the prefix matches in small letters only */
    bool failed;
} collector;

/* --- collecting ------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool matches(const collector *c, const char *name)
{
    const char *p = c->prefix;
    for (; *p; p++, name++) {
        if (*p != *name && (!c->any_case || lower(*p) != lower(*name)))
            return false;
    }
    return true;
}

static bool known(const lang_completion *out, const char *text)
{
    for (int i = 0; i < out->count; i++) {
        if (!strcmp(out->items[i].text, text))
            return true;
    }
    return false;
}

static bool room(lang_completion *out)
{
    int n = out->count;
    if (n && (n < 16 || (n & (n - 1))))
        return true;
    int want = n ? n * 2 : 16;
    void *grown = rt_realloc(out->items, (size_t)want * sizeof *out->items);
    if (grown)
        out->items = grown;
    return grown != NULL;
}

/* signature may be NULL. */
static void offer(collector *c, const char *text, const char *type,
                  const char *signature)
{
    if (c->failed || !matches(c, text) || known(c->out, text))
        return;
    if (!room(c->out)) {
        c->failed = true;
        return;
    }
    lang_completion_item item = {rt_strdup(text), rt_strdup(type),
                                 rt_strdup(signature ? signature : "")};
    if (!item.text || !item.type || !item.signature) {
        rt_free(item.text);
        rt_free(item.type);
        rt_free(item.signature);
        c->failed = true;
        return;
    }
    c->out->items[c->out->count++] = item;
}

static void offer_signature(collector *c, const char *text, const char *type,
                            const lang__signature *s)
{
    if (!matches(c, text))
        return;
    char *signature = lang__signature_text(s);
    offer(c, text, type, signature);
    rt_free(signature);
}

/* --- catalogs ------------------------------------------------------------------------ */

static void builtins(collector *c)
{
    for (int i = 0; i < lang__builtin_count(); i++) {
        const lang__builtin *b = lang__builtin_at(i);
        offer_signature(c, b->name, "function", lang__builtin_signature(b));
    }
}

static void ops(collector *c)
{
    for (int i = 0; i < rt_op_count(); i++) {
        const rt_op *op = rt_op_at(i);
        const char *name = rt_op_name(op);
        if (name[0] != '_' && matches(c, name) && rt_op_signature(op))
            offer(c, name, "function", rt_op_signature(op)->text);
    }
}

static void constructors(collector *c)
{
    for (int i = 0; i < rt_layer_count(); i++) {
        const rt_layer *l = rt_layer_at(i);
        const rt_signature *s = rt_layer_signature(l);
        offer(c, rt_layer_name(l), "class", s ? s->text : "");
    }
    for (int i = 0; i < rt_optim_count(); i++) {
        const rt_optim_kind *k = rt_optim_at(i);
        const rt_signature *s = rt_optim_signature(k);
        offer(c, rt_optim_name(k), "class", s ? s->text : "");
    }
    for (int i = 0; i < rt_schedule_count(); i++) {
        const rt_schedule_kind *k = rt_schedule_at(i);
        const rt_signature *s = rt_schedule_signature(k);
        offer(c, rt_schedule_name(k), "class", s ? s->text : "");
    }
}

static void words(collector *c)
{
    static const char *const contextual[] = {"module", "no_grad", "mut", "in",
                                             "fn", NULL};
    for (int i = 0; lang__keyword_at(i); i++)
        offer(c, lang__keyword_at(i), "keyword", NULL);
    for (int i = 0; contextual[i]; i++)
        offer(c, contextual[i], "keyword", NULL);
    for (int i = 0; lang__type_name_at(i); i++)
        offer(c, lang__type_name_at(i), "type", NULL);
    for (int i = 0; i < RT_DTYPE_COUNT; i++)
        offer(c, rt_dtype_name((rt_dtype)i), "constant", "dtype");
}

/* --- the cell and the session ------------------------------------------------------------ */

static void locals(collector *c, lang__local *const *list, int n)
{
    char type[48];
    for (int i = n - 1; i >= 0; i--) {
        lang__type t = list[i]->type;
        bool unknown = t.kind == LANG__BAD;
        offer(c, list[i]->name, "instance",
              unknown ? "" : lang__type_text(type, t));
    }
}

static void members(collector *c, const lang__module *m)
{
    char type[48];
    for (int i = 0; i < m->nmembers; i++)
        offer(c, m->members[i].name, "property",
              lang__type_text(type, m->members[i].type));
    for (int i = 0; i < m->nmethods; i++)
        offer_signature(c, m->methods[i]->name, "function",
                        &m->methods[i]->signature);
}

static void cell(collector *c)
{
    const lang__program *program = c->place->program;
    const lang__function *f = c->place->function;
    if (!program)
        return;
    if (f)
        locals(c, f->locals, f->nslots);
    if (f && f->owner)
        members(c, f->owner);
    if (!f)
        locals(c, program->locals, program->nslots);
    locals(c, program->globals, program->nglobals);
    for (int i = 0; i < program->body.count; i++) {
        const lang__stmt *s = program->body.items[i];
        if (s->kind == S_FUNCTION)
            offer_signature(c, s->u.function->name, "function",
                            &s->u.function->signature);
        else if (s->kind == S_MODULE)
            offer_signature(c, s->u.module->name, "class",
                            &s->u.module->signature);
    }
}

static void session(collector *c)
{
    const lang_symbols *t = c->place->symbols;
    for (int i = 0; i < lang_symbols_count(t); i++) {
        lang_symbol s = lang_symbols_at(t, i);
        bool variable = !strcmp(s.kind, "variable");
        offer(c, s.name, variable ? "instance"
                         : !strcmp(s.kind, "module") ? "class" : s.kind,
              s.signature[0] ? s.signature : s.type);
    }
}

static void everything(collector *c)
{
    cell(c);
    session(c);
    words(c);
    builtins(c);
    constructors(c);
    ops(c);
}

/* --- members -------------------------------------------------------------------------------- */

/* Whether a function may be called as a method of a value of this type. */
static bool takes_first(const lang__signature *s, lang__type t)
{
    if (s->nparams == 0 || s->params[0].keyword_only)
        return false;
    lang__type first = s->params[0].type;
    if (first.kind == LANG__T)
        return t.depth >= first.depth && first.depth > 0;
    return lang__type_equal(first, t);
}

static void attributes(collector *c, lang__type t)
{
    char type[48];
    for (int i = 0; t.depth == 0 && i < lang__attribute_count(); i++) {
        const lang__attribute *a = lang__attribute_at(i);
        if (a->owner != t.kind)
            continue;
        const char *text = lang__type_text(type, a->type);
        if (a->name[0] != '*') {
            offer(c, a->name, "property", text);
            continue;
        }
        offer(c, "loss", "property", text);
        offer(c, "accuracy", "property", text);
        offer(c, "val_loss", "property", text);
        offer(c, "val_accuracy", "property", text);
    }
}

static void methods(collector *c, lang__type t)
{
    for (int i = 0; i < lang__builtin_count(); i++) {
        const lang__builtin *b = lang__builtin_at(i);
        const lang__signature *s = lang__builtin_signature(b);
        if (takes_first(s, t) && b->check == LANG__PLAIN)
            offer_signature(c, b->name, "function", s);
    }
    for (int i = 0; i < rt_op_count(); i++) {
        const rt_op *op = rt_op_at(i);
        const rt_signature *s = rt_op_signature(op);
        bool tensor = lang__type_is(t, LANG_TENSOR) && s && s->nparams &&
                      s->params[0].type == RT_T_TENSOR &&
                      !s->params[0].keyword_only;
        if (tensor && rt_op_name(op)[0] != '_')
            offer(c, rt_op_name(op), "function", s->text);
    }
}

static void object_members(collector *c, int dot)
{
    bool names;
    lang__module *cls;
    lang__type t = lang__place_object(c->place, dot, &names, &cls);
    if (names) {
        ops(c);
        constructors(c);
        builtins(c);
        return;
    }
    if (cls)
        members(c, cls);
    if (t.kind == LANG__BAD || lang__type_is(t, LANG__ANY))
        t = LANG__TYPE(LANG_TENSOR);          /* the likeliest */
    attributes(c, t);
    methods(c, t);
    const lang__program *program = c->place->program;
    for (int i = 0; program && i < program->body.count; i++) {
        const lang__stmt *s = program->body.items[i];
        if (s->kind == S_FUNCTION &&
            takes_first(&s->u.function->signature, t))
            offer_signature(c, s->u.function->name, "function",
                            &s->u.function->signature);
    }
}

/* --- names of arguments -------------------------------------------------------------------------- */

static void parameters(collector *c, const lang__signature *s)
{
    for (int i = 0; i < s->nparams; i++) {
        const lang__param *p = &s->params[i];
        char type[48];
        if (!p->variadic && strcmp(p->name, "self"))
            offer(c, lang__arena_format(&c->place->arena, "%s=", p->name),
                  "param", lang__type_text(type, p->type));
    }
}

static void catalog_parameters(collector *c, const rt_signature *s)
{
    if (s)
        parameters(c, lang__signature_of(&c->place->arena, s));
}

/* "f(float t, int n=2) -> float" of the session: the words before , = ) */
static void text_parameters(collector *c, const char *signature)
{
    const char *at = strchr(signature, '(');
    while (at && *at && *at != ')') {
        const char *end = at + 1 + strcspn(at + 1, ",)=");
        const char *word = end;
        while (word > at + 1 && word[-1] != ' ' && word[-1] != '(')
            word--;
        if (end > word)
            offer(c, lang__arena_format(&c->place->arena, "%.*s=",
                                        (int)(end - word), word), "param", "");
        at = end + strcspn(end, ",)");
    }
}

static void argument_names(collector *c, const char *name)
{
    const lang__builtin *b = lang__builtin_find(name);
    for (; b; b = lang__builtin_overload(b))
        parameters(c, lang__builtin_signature(b));
    for (const rt_op *op = rt_op_find(name); op; op = rt_op_overload(op))
        catalog_parameters(c, rt_op_signature(op));
    if (rt_layer_find(name))
        catalog_parameters(c, rt_layer_signature(rt_layer_find(name)));
    if (lang__optimizer_find(name))
        catalog_parameters(c, rt_optim_signature(lang__optimizer_find(name)));
    if (rt_schedule_find(name))
        catalog_parameters(c, rt_schedule_signature(rt_schedule_find(name)));
    const lang__program *program = c->place->program;
    for (int i = 0; program && i < program->body.count; i++) {
        const lang__stmt *s = program->body.items[i];
        if (s->kind == S_FUNCTION && !strcmp(s->u.function->name, name))
            parameters(c, &s->u.function->signature);
        if (s->kind == S_MODULE && !strcmp(s->u.module->name, name))
            parameters(c, &s->u.module->signature);
    }
    for (int i = 0; i < lang_symbols_count(c->place->symbols); i++) {
        lang_symbol s = lang_symbols_at(c->place->symbols, i);
        if (!strcmp(s.name, name))
            text_parameters(c, s.signature);
    }
}

/* --- magics ------------------------------------------------------------------------------------------ */

static const char *const magics[] = {
#define MAGIC(id, name, cell, args, doc) name,
#include "lang/magics.def"
#undef MAGIC
};

/* A line that holds nothing but %word, up to the cursor. */
static bool magic_names(collector *c)
{
    lang__place *p = c->place;
    const char *text = p->source->text;
    uint32_t word = p->cursor;
    while (word > 0 && ((text[word - 1] >= 'a' && text[word - 1] <= 'z') ||
                        text[word - 1] == '_'))
        word--;
    uint32_t at = word;
    while (at > 0 && text[at - 1] == '%')
        at--;
    uint32_t line = at;
    while (line > 0 && text[line - 1] == ' ')
        line--;
    if (at == word || word - at > 2 || (line > 0 && text[line - 1] != '\n') ||
        p->call)
        return false;
    c->prefix = lang__arena_text(&p->arena, text + word, p->cursor - word);
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        offer(c, magics[i], "magic", NULL);
    c->out->start = lang__utf8_count(text, word);
    return true;
}

/* --- the whole ----------------------------------------------------------------------------------------- */

static void collect(collector *c)
{
    lang__place *p = c->place;
    int before = p->last >= 0 ? p->tokens.items[p->last].kind : T_END;
    if (before == T_DOT || before == T_PATH) {
        object_members(c, p->last);
        return;
    }
    if (p->argument && p->call)
        argument_names(c, p->call);
    everything(c);
}

void lang_complete(const lang_symbols *t, const char *source, size_t size,
                   int cursor, lang_completion *out)
{
    lang__place place;
    memset(out, 0, sizeof *out);
    if (!lang__place_init(&place, t, source, size, cursor)) {
        lang__place_free(&place);
        out->start = out->end = cursor;
        return;
    }
    const char *text = place.source->text;
    out->end = lang__utf8_count(text, place.cursor);
    out->start = lang__utf8_count(text, place.start);
    collector c = {.place = &place, .out = out, .prefix = place.prefix};
    if (!place.text && !magic_names(&c)) {
        collect(&c);
        if (out->count == 0 && place.prefix[0]) {
            c.any_case = true;
            collect(&c);
        }
    }
    if (place.text)
        out->start = out->end;
    lang__place_free(&place);
}

void lang_completion_dispose(lang_completion *c)
{
    for (int i = 0; i < c->count; i++) {
        rt_free(c->items[i].text);
        rt_free(c->items[i].type);
        rt_free(c->items[i].signature);
    }
    rt_free(c->items);
    memset(c, 0, sizeof *c);
}
