/* SPDX-License-Identifier: MIT
 *
 * scene.h - the line of source at which a compute process died.
 */
#ifndef KERNEL_SCENE_H
#define KERNEL_SCENE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct kernel_scene {
    int cell;            /* 0: not known */
    int line;
    const char *text;    /* of the line, borrowed, `size` bytes */
    size_t size;
} kernel_scene;

/* Where in `code`, a cell's text, the byte is that `place` names (lang.h,
 * lang_watch). */
kernel_scene kernel_scene_find(uint64_t place, const char *code, size_t size);
/* The cell that `place` names; 0: none. */
int kernel_scene_cell(uint64_t place);
/* ", in line 3 of the cell" or "in line 3 of cell [2]", "" when not known;
 * malloc'ed. */
char *kernel_scene_phrase(const kernel_scene *s, int running);
/* Two lines of a traceback, or none. */
void kernel_scene_draw(const kernel_scene *s, json_t *lines);

#endif
