/* SPDX-License-Identifier: MIT
 * Weighted edit distance, one row at a time, given up as soon as it is too
 * large. */
#include "lang/suggest.h"

#include "lang/builtins.h"

#include <string.h>

enum { MOVE = 2, CASE = 1, LONGEST = 40, MOST = 750 };

void lang__suggest_start(lang__suggestion *s, const char *word)
{
    *s = (lang__suggestion){.word = word};
}

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : (unsigned char)c;
}

static int replace_cost(char a, char b)
{
    if (a == b)
        return 0;
    return lower(a) == lower(b) ? CASE : MOVE;
}

/* More than `most` comes back as most + 1. */
static int distance(const char *a, const char *b, int most)
{
    while (*a && *a == *b)
        a++, b++;
    size_t m = strlen(a), n = strlen(b);
    while (m && n && a[m - 1] == b[n - 1])
        m--, n--;
    if (m == 0 || n == 0)
        return (int)(m + n) * MOVE;
    if (m > LONGEST || n > LONGEST || (int)(m > n ? m - n : n - m) * MOVE > most)
        return most + 1;
    int row[LONGEST + 1];
    for (size_t j = 0; j <= n; j++)
        row[j] = (int)j * MOVE;
    for (size_t i = 1; i <= m; i++) {
        int diagonal = row[0], least = row[0] = (int)i * MOVE;
        for (size_t j = 1; j <= n; j++) {
            int replaced = diagonal + replace_cost(a[i - 1], b[j - 1]);
            int moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + MOVE;
            diagonal = row[j];
            row[j] = replaced < moved ? replaced : moved;
            least = row[j] < least ? row[j] : least;
        }
        if (least > most)
            return most + 1;
    }
    return row[n];
}

void lang__suggest_offer(lang__suggestion *s, const char *candidate)
{
    size_t m = strlen(s->word), n = candidate ? strlen(candidate) : 0;
    if (n == 0 || m == 0 || m > LONGEST || n > LONGEST ||
        s->offered >= MOST || !strcmp(s->word, candidate))
        return;
    s->offered++;
    int most = (int)(m + n + 3) * MOVE / 6;
    if (s->best && s->distance - 1 < most)
        most = s->distance - 1;
    int d = distance(s->word, candidate, most);
    if (d <= most) {
        s->best = candidate;
        s->distance = d;
    }
}

void lang__suggest_catalogs(lang__suggestion *s)
{
    s->offered = 0;             /* our own catalogs are not the flood to stem */
    for (int i = 0; i < lang__builtin_count(); i++)
        lang__suggest_offer(s, lang__builtin_at(i)->name);
    s->offered = 0;
    for (int i = 0; i < rt_op_count(); i++)
        lang__suggest_offer(s, rt_op_name(rt_op_at(i)));
    for (int i = 0; i < rt_layer_count(); i++)
        lang__suggest_offer(s, rt_layer_name(rt_layer_at(i)));
    for (int i = 0; i < rt_optim_count(); i++)
        lang__suggest_offer(s, rt_optim_name(rt_optim_at(i)));
    for (int i = 0; i < rt_schedule_count(); i++)
        lang__suggest_offer(s, rt_schedule_name(rt_schedule_at(i)));
}
