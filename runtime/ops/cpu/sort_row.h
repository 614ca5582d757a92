/* SPDX-License-Identifier: MIT
 *
 * Sorting one row of items, included once for each item type by sort.c with
 *   ITEM       the type: holds an ordered key and the index it came from
 *   BEFORE(a,b) true when a belongs before b; total, because indices differ
 *   DIGIT(x,p) the p-th byte of the key, from the lowest
 *   DIGITS     bytes in a key
 *   ROW(name)  the functions' names
 * Items start in the order of their indices, so a stable order comes for free.
 * Long rows look for an interrupt now and then, and are left unsorted by it.
 */

#define INSERTION 24    /* items: below this, insertion sort */
#define RADIX 512       /* items: from this, radix sort */
#define LOOK 65536      /* items: so often, an interrupt is looked for */

static void ROW(insert)(ITEM *a, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        ITEM x = a[i];
        int64_t j = i;
        for (; j > 0 && BEFORE(x, a[j - 1]); j--) {
            a[j] = a[j - 1];
        }
        a[j] = x;
    }
}

static void ROW(merge)(ITEM *a, ITEM *scratch, int64_t n)
{
    if (n <= INSERTION) {
        ROW(insert)(a, n);
        return;
    }
    if (n > LOOK && rt_interrupted()) {
        return;
    }
    int64_t half = n / 2, i = 0, j = half, k = 0;
    ROW(merge)(a, scratch, half);
    ROW(merge)(a + half, scratch, n - half);
    memcpy(scratch, a, (size_t)half * sizeof *a);
    while (i < half && j < n) {
        a[k++] = BEFORE(a[j], scratch[i]) ? a[j++] : scratch[i++];
    }
    memcpy(a + k, scratch + i, (size_t)(half - i) * sizeof *a);
}

/* One pass: items go to where their p-th byte says. False when interrupted. */
static bool ROW(pass)(ITEM *to, const ITEM *from, int64_t n, int64_t *at, int p)
{
    for (int64_t begin = 0; begin < n; begin += LOOK) {
        int64_t end = n - begin < LOOK ? n : begin + LOOK;
        if (n > LOOK && rt_interrupted()) {
            return false;
        }
        for (int64_t i = begin; i < end; i++) {
            to[at[DIGIT(from[i], p)]++] = from[i];
        }
    }
    return true;
}

/* Least significant byte first; bytes that are the same everywhere are
 * skipped. The result is in `a`. */
static void ROW(radix)(ITEM *a, ITEM *scratch, int64_t n)
{
    int64_t count[DIGITS][256];
    ITEM *from = a, *to = scratch;
    memset(count, 0, sizeof count);
    for (int64_t i = 0; i < n; i++) {
        for (int p = 0; p < DIGITS; p++) {
            count[p][DIGIT(a[i], p)]++;
        }
        if (rt__stops_at(i)) {
            return;
        }
    }
    for (int p = 0; p < DIGITS; p++) {
        int64_t at = 0;
        if (count[p][DIGIT(from[0], p)] == n) {
            continue;
        }
        for (int d = 0; d < 256; d++) {
            int64_t c = count[p][d];
            count[p][d] = at;
            at += c;
        }
        if (!ROW(pass)(to, from, n, count[p], p)) {
            return;
        }
        ITEM *swap = from;
        from = to;
        to = swap;
    }
    if (from != a) {
        memcpy(a, from, (size_t)n * sizeof *a);
    }
}

/* scratch holds n items. */
static void ROW(sort)(ITEM *a, ITEM *scratch, int64_t n)
{
    if (n < RADIX) {
        ROW(merge)(a, scratch, n);
    } else {
        ROW(radix)(a, scratch, n);
    }
}

static void ROW(sink)(ITEM *heap, int64_t n, int64_t i)
{
    ITEM x = heap[i];
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && BEFORE(heap[child], heap[child + 1])) {
            child++;
        }
        if (!BEFORE(x, heap[child])) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = x;
}

/* Brings the k first items of the order to a[0..k), sorted: through a heap of
 * the k best so far where k is small. */
static void ROW(top)(ITEM *a, ITEM *scratch, int64_t n, int64_t k)
{
    if (k > n / 8) {
        ROW(sort)(a, scratch, n);
        return;
    }
    for (int64_t i = k / 2 - 1; i >= 0; i--) {
        ROW(sink)(a, k, i);
    }
    for (int64_t i = k; i < n && !rt__stops_at(i); i++) {
        if (k > 0 && BEFORE(a[i], a[0])) {
            a[0] = a[i];
            ROW(sink)(a, k, 0);
        }
    }
    ROW(merge)(a, scratch, k);
}

#undef INSERTION
#undef RADIX
#undef LOOK
