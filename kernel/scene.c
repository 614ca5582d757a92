/* SPDX-License-Identifier: MIT
 * From a number in shared memory to a line of source.
 */
#include "kernel/scene.h"

#include "kernel/log.h"
#include "kernel/text.h"

#include <stdlib.h>
#include <string.h>

enum { SHOWN = 200, REPLACED = 3 };   /* bytes; U+FFFD for a NUL has three */

int kernel_scene_cell(uint64_t place)
{
    return (int)(place >> 32);
}

/* How many bytes of the raw text make one step of the language's text, in
 * which every line end is one byte; *step is that step's size. */
static size_t advance(const char *at, size_t left, size_t *step)
{
    *step = *at ? 1 : REPLACED;
    return *at == '\r' && left > 1 && at[1] == '\n' ? 2 : 1;
}

static bool ends_line(char c)
{
    return c == '\n' || c == '\r';
}

kernel_scene kernel_scene_find(uint64_t place, const char *code, size_t size)
{
    kernel_scene s = {0};
    size_t offset = (size_t)(uint32_t)place, start = 0, step;
    if (!offset-- || !code) {
        return s;
    }
    s.line = 1;
    for (size_t i = 0, passed = 0; i < size && passed < offset;
         passed += step) {
        bool end = ends_line(code[i]);
        i += advance(code + i, size - i, &step);
        if (end) {
            s.line++;
            start = i;
        }
    }
    s.cell = kernel_scene_cell(place);
    s.text = code + start;
    while (start + s.size < size && !ends_line(s.text[s.size])) {
        s.size++;
    }
    return s;
}

char *kernel_scene_phrase(const kernel_scene *s, int running)
{
    return !s->line ? kernel_format("%s", "")
           : s->cell == running
               ? kernel_format(", in line %d of the cell", s->line)
               : kernel_format(", in line %d of cell [%d]", s->line, s->cell);
}

/* The text of the line without what would move or hide it. */
static char *plain(const kernel_scene *s, bool *cut)
{
    size_t size = s->size < SHOWN ? s->size : SHOWN;
    while (size < s->size && size && (s->text[size] & 0xC0) == 0x80) {
        size--;
    }
    *cut = size < s->size;
    char *text = kernel_copy(s->text, size);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ') {
            text[i] = ' ';
        }
    }
    return text;
}

void kernel_scene_draw(const kernel_scene *s, json_t *lines)
{
    bool cut;
    if (!s->line) {
        return;
    }
    char *text = plain(s, &cut);
    char *where = kernel_format("  cell %d, line %d", s->cell, s->line);
    char *line = kernel_format("   \x1b[34m%d |\x1b[0m %s%s", s->line, text,
                               cut ? "\u2026" : "");
    json_array_append_new(lines, kernel_json_text(where, strlen(where)));
    json_array_append_new(lines, kernel_json_text(line, strlen(line)));
    free(text);
    free(where);
    free(line);
}
