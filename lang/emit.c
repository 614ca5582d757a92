/* SPDX-License-Identifier: MIT
 * Registers, constants and code words of a routine under construction. */
#include "lang/emit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_REGISTERS = 30000, MAX_CONSTANTS = 30000, MAX_SITES = 30000,
       MAX_CODE = 1 << 24 };

void lang__compile_fail(lang__emitter *e, rt_status code, const char *format,
                        ...)
{
    if (e->status)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->status = rt_fail(e->err, code, "%s", text);
}

static void no_memory(lang__emitter *e)
{
    lang__compile_fail(e, RT_E_MEMORY, "compiler: no memory");
}

/* Makes room for `count` items; false without memory. */
static bool room_for(lang__emitter *e, void *items, int *room, int count,
                     size_t size)
{
    void **p = items;
    if (count <= *room)
        return true;
    int more = *room ? *room * 2 : 32;
    while (more < count)
        more *= 2;
    void *grown = rt_realloc(*p, (size_t)more * size);
    if (!grown) {
        no_memory(e);
        return false;
    }
    *p = grown;
    *room = more;
    return true;
}

rt_status lang__emit_begin(lang__emitter *e, lang__unit *unit,
                           const lang__names *names, int nslots,
                           lang__local *const *locals, rt_error *err)
{
    *e = (lang__emitter){.unit = unit, .arena = &unit->arena, .names = names,
                         .err = err};
    e->routine = rt_alloc(sizeof *e->routine);
    if (!e->routine) {
        no_memory(e);
        return e->status;
    }
    *e->routine = (lang__routine){.count = 1, .name = ""};
    e->routine->unit = lang__unit_retain(unit);
    e->routine->place = ((uint64_t)(uint32_t)unit->source->cell << 32) + 1;
    for (int i = 0; i < nslots && !e->status; i++) {
        bool counted = !locals || !locals[i] ||
                       lang__type_counted(locals[i]->type);
        if (!room_for(e, &e->counted, &e->register_room, i + 1, 1))
            break;
        e->counted[i] = counted;
        e->routine->nregisters = i + 1;
    }
    if (nslots > MAX_REGISTERS)
        lang__compile_fail(e, RT_E_LIMIT, "a cell with %d variables in blocks",
                           nslots);
    return e->status;
}

/* Constants were collected first to last; the machine wants them reversed. */
static void reverse_constants(lang__routine *r)
{
    for (int i = 0, j = r->nconstants - 1; i < j; i++, j--) {
        lang__value v = r->constants[i];
        r->constants[i] = r->constants[j];
        r->constants[j] = v;
    }
}

static void list_objects(lang__emitter *e)
{
    lang__routine *r = e->routine;
    r->objects = rt_alloc((size_t)r->nregisters * sizeof *r->objects + 1);
    if (!r->objects) {
        no_memory(e);
        return;
    }
    for (int i = 0; i < r->nregisters; i++) {
        if (e->counted[i])
            r->objects[r->nobjects++] = (int16_t)i;
    }
}

rt_status lang__emit_finish(lang__emitter *e, lang__routine **out)
{
    if (e->arena->failed)
        no_memory(e);
    if (e->routine && !e->status) {
        reverse_constants(e->routine);
        list_objects(e);
    }
    rt_free(e->counted);
    rt_free(e->free_registers[0]);
    rt_free(e->free_registers[1]);
    if (e->status)
        lang__routine_release(e->routine);
    else
        *out = e->routine;
    return e->status;
}

/* --- code ------------------------------------------------------------------- */

int lang__here(const lang__emitter *e)
{
    return e->routine->ncode;
}

static int add_word(lang__emitter *e, lang__code word)
{
    lang__routine *r = e->routine;
    int spans = e->code_room;
    if (r->ncode >= MAX_CODE)
        lang__compile_fail(e, RT_E_LIMIT, "a cell with too many instructions");
    if (e->status ||
        !room_for(e, &r->spans, &spans, r->ncode + 1, sizeof *r->spans) ||
        !room_for(e, &r->code, &e->code_room, r->ncode + 1, sizeof *r->code))
        return 0;
    r->spans[r->ncode] = e->span;
    r->code[r->ncode] = word;
    return r->ncode++;
}

int lang__emit(lang__emitter *e, lang__opcode op, int a, int b, int c)
{
    return add_word(e, (lang__code){(uint16_t)op, (int16_t)a, (int16_t)b,
                                    (int16_t)c});
}

static lang__code with_long(lang__code word, int32_t bc)
{
    word.b = (int16_t)(bc & 0xFFFF);
    word.c = (int16_t)((uint32_t)bc >> 16);
    return word;
}

int lang__emit_long(lang__emitter *e, lang__opcode op, int a, int32_t bc)
{
    return add_word(e, with_long((lang__code){.op = (uint16_t)op,
                                              .a = (int16_t)a}, bc));
}

int lang__emit_wide(lang__emitter *e, lang__opcode op, int a, int b, int c,
                    int32_t next)
{
    lang__emit(e, op, a, b, c);
    return add_word(e, with_long((lang__code){0}, next));
}

void lang__jump_note(lang__emitter *e, lang__jumps *list, int word)
{
    int *at = LANG__PUSH(e->arena, list->at, list->count);
    if (at)
        *at = word;
}

void lang__jumps_land(lang__emitter *e, lang__jumps *list, int target)
{
    if (e->status || e->arena->failed)
        return;
    for (int i = 0; i < list->count; i++) {
        lang__code *word = &e->routine->code[list->at[i]];
        *word = with_long(*word, target - (list->at[i] + 1));
    }
    list->count = 0;
}

/* --- registers -------------------------------------------------------------- */

static int new_register(lang__emitter *e, bool counted)
{
    lang__routine *r = e->routine;
    if (r->nregisters >= MAX_REGISTERS) {
        lang__compile_fail(e, RT_E_LIMIT,
                           "a function or cell with too many values at once");
        return 0;
    }
    if (!room_for(e, &e->counted, &e->register_room, r->nregisters + 1, 1))
        return 0;
    e->counted[r->nregisters] = counted;
    return r->nregisters++;
}

int lang__temporary(lang__emitter *e, bool counted)
{
    if (e->nfree[counted])
        return e->free_registers[counted][--e->nfree[counted]];
    return new_register(e, counted);
}

int lang__temporaries(lang__emitter *e, int n)
{
    int first = new_register(e, true);
    for (int i = 1; i < n; i++)
        new_register(e, true);
    return first;
}

void lang__free_register(lang__emitter *e, int reg)
{
    if (e->status || reg < 0)
        return;
    int class = e->counted[reg];
    if (room_for(e, &e->free_registers[class], &e->free_room[class],
                 e->nfree[class] + 1, sizeof(int)))
        e->free_registers[class][e->nfree[class]++] = reg;
}

void lang__free_place(lang__emitter *e, lang__place p)
{
    if (p.temporary)
        lang__free_register(e, p.reg);
}

static bool same_constant(lang__value a, lang__value b)
{
    if (a.kind != b.kind || a.kind == LANG_LIST)
        return false;
    if (a.kind == LANG_STRING)
        return lang__string_compare(a.s, b.s) == 0;
    return a.i == b.i;
}

int lang__constant_register(lang__emitter *e, lang__value v)
{
    lang__routine *r = e->routine;
    int first = r->nconstants > 64 ? r->nconstants - 64 : 0;
    for (int i = r->nconstants - 1; i >= first; i--) {
        if (same_constant(r->constants[i], v)) {
            lang__release(&v);
            return -1 - i;
        }
    }
    if (r->nconstants >= MAX_CONSTANTS)
        lang__compile_fail(e, RT_E_LIMIT, "a cell with too many constants");
    if (e->status ||
        !room_for(e, &r->constants, &e->constant_room, r->nconstants + 1,
                  sizeof *r->constants)) {
        lang__release(&v);
        return 0;
    }
    r->constants[r->nconstants++] = v;
    return -r->nconstants;
}

lang__site *lang__site_new(lang__emitter *e, int *index)
{
    lang__routine *r = e->routine;
    lang__site *site = LANG__NEW(e->arena, lang__site);
    site->span = e->span;
    *index = 0;
    if (r->nsites >= MAX_SITES) {
        bool first = !e->status;
        lang__compile_fail(e, RT_E_LIMIT,
                           "a cell or function with more than %d calls",
                           MAX_SITES);
        if (first)
            rt_error_help(e->err, "run it as several cells, or put parts of "
                                  "it into functions");
    }
    if (e->status || e->arena->failed ||
        !room_for(e, &r->sites, &e->site_room, r->nsites + 1,
                  sizeof *r->sites))
        return site;
    r->sites[r->nsites] = site;
    *index = r->nsites++;
    return site;
}
