/* SPDX-License-Identifier: MIT
 * Reads recipes.def: small arguments of every op, a word a parameter
 * (recipes.py says how they are written).
 */
#ifndef FUZZ_RECIPE_H
#define FUZZ_RECIPE_H

#include "runtime/core/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { RECIPE_WORD = 128, RECIPE_DIMS = 8 };

static const struct recipe {
    const char *row, *text;
} recipes[] = {
#define RECIPE(row, text) {row, text},
#include "tests/fuzz/recipes.def"
#undef RECIPE
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

/* A tensor as a recipe has it. */
typedef struct ingredient {
    rt_dtype dtype;
    int ndim;
    int64_t shape[RECIPE_DIMS];
    double low, high;
} ingredient;

/* The n-th recipe of the row, NULL: it has fewer. */
static inline const char *recipe_of(const char *row, int n)
{
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(recipes[i].row, row) == 0 && n-- == 0) {
            return recipes[i].text;
        }
    }
    return NULL;
}

/* Word i of the recipe; false: it has no more. */
static inline bool recipe_word(const char *text, int i, char *word)
{
    for (; i > 0 && text; i--) {
        text = strchr(text, ' ');
        text += text != NULL;
    }
    size_t n = text ? strcspn(text, " ") : 0;
    if (n == 0 || n >= RECIPE_WORD) {
        return false;
    }
    memcpy(word, text, n);
    word[n] = 0;
    return true;
}

static inline rt_dtype dtype_of_letter(char c)
{
    static const char letters[RT_DTYPE_COUNT + 1] = {
        [RT_BOOL] = 'b',    [RT_UINT8] = 'u',    [RT_INT32] = 'i',
        [RT_INT64] = 'l',   [RT_FLOAT16] = 'h',  [RT_BFLOAT16] = 'g',
        [RT_FLOAT32] = 'f', [RT_FLOAT64] = 'd'};
    const char *p = memchr(letters, c, RT_DTYPE_COUNT);
    return p ? (rt_dtype)(p - letters) : RT_FLOAT32;
}

/* f3x4:-2:2 */
static inline ingredient read_ingredient(const char *word)
{
    ingredient t = {.dtype = dtype_of_letter(*word)};
    char *at = (char *)word + 1;
    while (*at != ':' && *at && t.ndim < RECIPE_DIMS) {
        t.shape[t.ndim++] = strtoll(at, &at, 10);
        at += *at == 'x';
    }
    t.low = *at ? strtod(at + 1, &at) : 0;
    t.high = *at ? strtod(at + 1, &at) : 0;
    return t;
}

#endif
