/* SPDX-License-Identifier: MIT
 *
 * Sorting one row of items, included once for each item type by sort.c with
 *   ITEM       the type: holds an ordered key and the index it came from
 *   BEFORE(a,b) true when a belongs before b; total, because indices differ
 *   DIGIT(x,p) the p-th byte of the key, from the lowest
 *   DIGITS     bytes in a key
 *   COUNT      an integer type that counts items
 *   ROW(name)  the functions' names
 * Items start in the order of their indices, so a stable order comes for free.
 * Long rows are cut into parts of PART items (sort.c), the same ones for any
 * number of threads.
 */

#define INSERTION 24    /* items: below this, insertion sort */
#define RADIX 512       /* items: from this, radix sort */

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
    if (n > PART && rt_interrupted()) {
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

/* One walk of the radix sort over a part of the items: PART of them, the last
 * may have fewer. */
typedef struct ROW(walk) {
    ITEM *from, *to;
    COUNT (*at)[256];    /* of each part: how many items have a digit; then,
                            where the next of them goes */
    int p;
} ROW(walk);

static void ROW(count)(void *ctx, int64_t begin, int64_t end)
{
    const ROW(walk) w = *(const ROW(walk) *)ctx;
    COUNT *at = w.at[begin / PART];
    memset(at, 0, sizeof *w.at);
    for (int64_t i = begin; i < end; i++) {
        at[DIGIT(w.from[i], w.p)]++;
    }
}

static void ROW(move)(void *ctx, int64_t begin, int64_t end)
{
    const ROW(walk) w = *(const ROW(walk) *)ctx;
    COUNT *at = w.at[begin / PART];
    for (int64_t i = begin; i < end; i++) {
        ITEM x = w.from[i];
        w.to[at[DIGIT(x, w.p)]++] = x;
    }
}

/* Counts become places: by digit first, then by part, so that items of one
 * digit keep their order. False if all items have the same digit. */
static bool ROW(place)(const ROW(walk) *w, int64_t n)
{
    int64_t parts = (n + PART - 1) / PART;
    COUNT next = 0, same = 0;
    for (int d = 0; d < 256; d++) {
        COUNT before = next;
        for (int64_t k = 0; k < parts; k++) {
            COUNT c = w->at[k][d];
            w->at[k][d] = next;
            next += c;
        }
        same = next - before > same ? next - before : same;
    }
    return same != (COUNT)n;
}

/* Least significant byte first; bytes that are the same everywhere are
 * skipped. */
static ITEM *ROW(radix)(ITEM *a, ITEM *scratch, int64_t n, void *at)
{
    ROW(walk) w = {.from = a, .to = scratch, .at = at};
    for (w.p = 0; w.p < DIGITS; w.p++) {
        if (!rt__parallel(n, PART, ROW(count), &w)) {
            return NULL;
        }
        if (!ROW(place)(&w, n)) {
            continue;
        }
        if (!rt__parallel(n, PART, ROW(move), &w)) {
            return NULL;
        }
        ITEM *from = w.from;
        w.from = w.to;
        w.to = from;
    }
    return w.from;
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

/* Where the k first items of the order are then, sorted: in `a` or in
 * `scratch`, which has room for n items, too; NULL when interrupted. Found by a
 * heap of the k best so far where k is small. `at` has room for the counts of
 * the parts of n items. */
static ITEM *ROW(top)(ITEM *a, ITEM *scratch, int64_t n, int64_t k, void *at)
{
    if (k > n / 8 && n >= RADIX) {
        return ROW(radix)(a, scratch, n, at);
    }
    if (k > n / 8) {
        ROW(merge)(a, scratch, n);
        return rt_interrupted() ? NULL : a;
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
    return rt_interrupted() ? NULL : a;
}

#undef INSERTION
#undef RADIX
#undef ITEM
#undef BEFORE
#undef DIGIT
#undef DIGITS
#undef COUNT
#undef ROW
