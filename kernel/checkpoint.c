/* SPDX-License-Identifier: MIT
 * The front's list of checkpoints and what they cost.
 */
#include "kernel/checkpoint.h"

#include "kernel/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MOST = 3 };

/* --- memory --------------------------------------------------------------- */

/* What /proc tells of one process, in bytes. */
typedef struct holding {
    int64_t own;         /* pages nobody else has */
    int64_t share;       /* anonymous pages, each divided by its holders */
    int64_t anonymous;   /* anonymous pages, each counted whole */
} holding;

static holding hold(pid_t pid)
{
    char path[64], line[256];
    holding h = {0};
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        long long kib;
        char name[32];
        if (sscanf(line, "%31[^:]: %lld kB", name, &kib) != 2) {
            continue;
        }
        int64_t bytes = kib * 1024;
        h.own += strncmp(name, "Private_", 8) == 0 ? bytes : 0;
        h.share += strcmp(name, "Pss_Anon") == 0 ? bytes : 0;
        h.anonymous += strcmp(name, "Anonymous") == 0 ? bytes : 0;
    }
    if (f) {
        fclose(f);
    }
    return h;
}

/* Resident bytes: cheap to ask, and no less than what is held alone. */
static int64_t resident(pid_t pid)
{
    char path[64];
    long long all = 0, in = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%lld %lld", &all, &in) != 2) {
            in = 0;
        }
        fclose(f);
    }
    return in * sysconf(_SC_PAGESIZE);
}

/* Of the machine, or of the container when that has less. */
static int64_t memory(void)
{
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    long long limit;
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
    if (f) {
        if (fscanf(f, "%lld", &limit) == 1 && limit < bytes) {
            bytes = limit;
        }
        fclose(f);
    }
    return bytes;
}

const char *kernel_size_text(char out[KERNEL_SIZE_TEXT], int64_t bytes)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    int i = 0;
    while (size >= 1024 && i < 4) {
        size /= 1024;
        i++;
    }
    snprintf(out, KERNEL_SIZE_TEXT, i && size < 10 ? "%.1f %s" : "%.0f %s",
             size, unit[i]);
    return out;
}

int64_t kernel_checkpoints_cost(const kernel_checkpoints *c, pid_t busy)
{
    holding h = hold(busy);
    int64_t all = h.share;
    for (int i = 0; i < c->count; i++) {
        all += hold(c->at[i].pid).share;
    }
    return all > h.anonymous ? all - h.anonymous : 0;
}

/* --- the list ------------------------------------------------------------- */

void kernel_checkpoints_init(kernel_checkpoints *c)
{
    int64_t quarter = memory() / 4;
    *c = (kernel_checkpoints){
        .most = DEFAULT_MOST, .budget = quarter, .limit = quarter};
}

static void remove_at(kernel_checkpoints *c, int i)
{
    close(c->at[i].link);
    c->count--;
    memmove(&c->at[i], &c->at[i + 1],
            (size_t)(c->count - i) * sizeof c->at[0]);
}

void kernel_checkpoints_drop_newest(kernel_checkpoints *c, int n)
{
    while (n-- > 0 && c->count) {
        remove_at(c, c->count - 1);
    }
}

void kernel_checkpoints_drop_oldest(kernel_checkpoints *c, int n)
{
    while (n-- > 0 && c->count) {
        remove_at(c, 0);
    }
}

void kernel_checkpoints_add(kernel_checkpoints *c, kernel_checkpoint p)
{
    if (c->count && c->at[c->count - 1].cell == p.cell) {
        kernel_checkpoints_drop_newest(c, 1);
    }
    kernel_checkpoints_drop_oldest(c, c->count - (c->most - 1));
    if (c->count < c->most) {
        c->at[c->count++] = p;
    } else {
        close(p.link);
    }
}

bool kernel_checkpoints_take(kernel_checkpoints *c, kernel_checkpoint *out)
{
    if (c->count) {
        *out = c->at[--c->count];
        return true;
    }
    return false;
}

int kernel_checkpoints_trim(kernel_checkpoints *c, pid_t busy)
{
    int64_t bound = 0;
    int dropped = 0;
    for (int i = 0; i < c->count; i++) {
        bound += resident(c->at[i].pid);
    }
    if (bound <= c->budget) {
        return 0;   /* the exact figure takes a walk over page tables */
    }
    while (c->count && kernel_checkpoints_cost(c, busy) > c->budget) {
        pid_t pid = c->at[0].pid;
        kernel_checkpoints_drop_oldest(c, 1);
        /* Its pages go with it, and it may take a moment to end. */
        for (int i = 0; i < 20 && resident(pid) > 0; i++) {
            usleep(500);
        }
        dropped++;
    }
    return dropped;
}

/* --- for people ----------------------------------------------------------- */

static void write_row(FILE *f, const kernel_checkpoint *p, int back)
{
    char after[32], way[32], own[KERNEL_SIZE_TEXT];
    double age = (double)(kernel_now() - p->made) / 1000;
    snprintf(after, sizeof after, p->cell ? "cell [%d]" : "the start", p->cell);
    snprintf(way, sizeof way, back ? "%%undo %d" : "now", back);
    fprintf(f, "%-12s %-9s %6.0f s   %9s   %8.2f ms\n", after, way, age,
            kernel_size_text(own, hold(p->pid).own), p->us / 1000);
}

char *kernel_checkpoints_table(const kernel_checkpoints *c, pid_t busy,
                               int now)
{
    char *text = NULL;
    size_t size = 0;
    char held[KERNEL_SIZE_TEXT], budget[KERNEL_SIZE_TEXT];
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        return NULL;
    }
    if (c->count) {
        fprintf(f, "%-12s %-9s %8s   %9s   %11s\n", "after", "back to", "age",
                "holds", "made in");
    }
    bool current = c->count && c->at[c->count - 1].seq == now;
    for (int i = 0; i < c->count; i++) {
        write_row(f, &c->at[i], c->count - i - current);
    }
    fprintf(f, "checkpoints are %s: %d of at most %d, which hold %s of at "
               "most %s\n",
            c->off ? "off" : "on", c->count, c->most,
            kernel_size_text(held, kernel_checkpoints_cost(c, busy)),
            kernel_size_text(budget, c->budget));
    fclose(f);
    return text;
}
