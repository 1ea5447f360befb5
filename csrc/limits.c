/* How often and how many at once: counts of requests and of connections by zone and client, over all workers of a replica.
 *
 * Requests are nginx's limit_req without delay: a bucket that leaks at the rate, in thousandths of a request. Buckets lie in
 * sets; a set that is full gives up the one not asked for the longest time, as nginx's zone does. Connections are counted
 * by each process in cells of its own, so that a dead one's can be taken away; all of them are added up to decide.
 *
 * A set has a lock for some twenty instructions. Who dies in there is found by the parent (serin.native.limits_file); who is
 * kept from the processor for long loses it, and a count may be off by one then. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

#define PATIENCE_US 5000u
#define PERSISTENT_MS 60000 /* a clock that went back by more than this: the bucket is as good as new in a moment */

struct srn_limits {
    srn_map map;
    uint32_t row;
    uint32_t rows;
    srn_word *rows_used;
    uint32_t bucket_sets; /* powers of two */
    uint32_t cell_sets;
    srn_word *locks; /* of the sets of buckets, then of the sets of cells */
    srn_bucket_set *buckets;
    srn_cell_set *cells; /* rows × cell_sets */
    uint64_t secret; /* of this file: no client can choose addresses that fall in another's set */
};

static bool power_of_two(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

static bool lies_in(const srn_map *m, uint64_t offset, uint64_t count, uint64_t size) {
    return offset >= SRN_HEADER_SIZE && offset % 64 == 0 && offset <= m->length && count * size <= m->length - offset;
}

static bool check(const srn_map *m) {
    const srn_limits_header *h = (const void *)m->base;
    return h->magic == SRN_LIMITS_MAGIC && h->layout == SRN_LAYOUT && h->header_size == SRN_HEADER_SIZE &&
           h->length == m->length && h->checksum == srn_hash_more(0, m->base, offsetof(srn_limits_header, checksum)) &&
           h->rows > 0 && h->rows <= 1024 && power_of_two(h->bucket_sets) && power_of_two(h->cell_sets) &&
           h->bucket_sets <= 1u << 24 && h->cell_sets <= 1u << 24 &&
           lies_in(m, h->locks_offset, (uint64_t)h->bucket_sets + h->cell_sets, sizeof(srn_word)) &&
           lies_in(m, h->buckets_offset, h->bucket_sets, sizeof(srn_bucket_set)) &&
           lies_in(m, h->cells_offset, (uint64_t)h->rows * h->cell_sets, sizeof(srn_cell_set));
}

static void take_row(srn_limits *l) {
    uint64_t used = atomic_load(l->rows_used);
    while (used <= l->row && !atomic_compare_exchange_weak(l->rows_used, &used, (uint64_t)l->row + 1))
        ;
}

/* The file is sparse, and a store into a hole of a full memory disk would be fatal. */
static bool back(const srn_limits *l, const srn_limits_header *h) {
    off_t row = (off_t)(h->cells_offset + (uint64_t)l->row * h->cell_sets * sizeof(srn_cell_set));
    if (fallocate(l->map.fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)h->cells_offset) == 0 &&
        fallocate(l->map.fd, FALLOC_FL_KEEP_SIZE, row, (off_t)(h->cell_sets * sizeof(srn_cell_set))) == 0)
        return true;
    return errno == EOPNOTSUPP || errno == ENOSYS;
}

srn_limits *srn_limits_attach(const char *dir, uint32_t index, char *err, size_t err_len) {
    srn_limits *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    if (!srn_map_file(&l->map, dir, "state/limits.bin", true, err, err_len)) {
        free(l);
        return NULL;
    }
    srn_limits_header *h = (void *)l->map.base;
    const char *wrong = !check(&l->map) ? "header does not check" : index >= h->rows ? "no row of this index" : NULL;
    if (wrong == NULL) {
        l->row = index;
        l->rows = h->rows;
        l->rows_used = &h->rows_used;
        l->bucket_sets = h->bucket_sets;
        l->cell_sets = h->cell_sets;
        l->secret = h->instance;
        l->locks = (void *)(l->map.base + h->locks_offset);
        l->buckets = (void *)(l->map.base + h->buckets_offset);
        l->cells = (void *)(l->map.base + h->cells_offset);
        if (back(l, h))
            take_row(l);
        else
            wrong = "no room for it";
    }
    if (wrong != NULL) {
        srn_say(err, err_len, wrong, "state/limits.bin");
        srn_unmap(&l->map);
        free(l);
        return NULL;
    }
    return l;
}

static uint64_t get(const srn_word *word) { return atomic_load_explicit(word, memory_order_relaxed); }
static void put(srn_word *word, uint64_t value) { atomic_store_explicit(word, value, memory_order_relaxed); }

void srn_limits_detach(srn_limits *l) {
    if (l == NULL)
        return;
    srn_cell_set *own = l->cells + (uint64_t)l->row * l->cell_sets;
    for (uint32_t set = 0; set < l->cell_sets; set++)
        for (uint32_t i = 0; i < SRN_CELL_WAYS; i++)
            if (get(&own[set].ways[i].count) != 0)
                put(&own[set].ways[i].count, 0);
    srn_unmap(&l->map);
    free(l);
}

static void lock(const srn_limits *l, srn_word *at) {
    uint64_t mine = (uint64_t)l->row + 1, began = 0;
    for (uint32_t tries = 0;; tries++) {
        uint64_t holder = 0;
        if (atomic_compare_exchange_weak_explicit(at, &holder, mine, memory_order_acquire, memory_order_relaxed))
            return;
        if (tries < 100 || holder == 0)
            continue;
        uint64_t now = srn_now();
        if (began == 0)
            began = now;
        else if (now - began > PATIENCE_US &&
                 atomic_compare_exchange_strong_explicit(at, &holder, mine, memory_order_acquire, memory_order_relaxed))
            return;
        sched_yield();
    }
}

/* It may be another's by now, who lost patience. */
static void unlock(const srn_limits *l, srn_word *at) {
    uint64_t mine = (uint64_t)l->row + 1;
    atomic_compare_exchange_strong_explicit(at, &mine, 0, memory_order_release, memory_order_relaxed);
}

/* Never 0, which is a way that was never used. */
static uint64_t name_of(const srn_limits *l, uint64_t zone, uint64_t key) {
    uint64_t name = srn_mix64((zone ^ l->secret) + SRN_GOLDEN) ^ key;
    name = srn_mix64(name);
    return name != 0 ? name : 1;
}

/* The bucket of this name, NULL where it has none. */
static srn_bucket *find_bucket(srn_bucket_set *set, uint64_t name) {
    for (uint32_t i = 0; i < SRN_BUCKET_WAYS; i++)
        if (get(&set->ways[i].name) == name)
            return &set->ways[i];
    return NULL;
}

/* One for a new name: unused, or the one that was not asked for the longest time. */
static srn_bucket *oldest_bucket(srn_bucket_set *set) {
    srn_bucket *oldest = &set->ways[0];
    for (uint32_t i = 0; i < SRN_BUCKET_WAYS; i++) {
        srn_bucket *b = &set->ways[i];
        if (get(&b->name) == 0)
            return b;
        if (get(&b->last_ms) < get(&oldest->last_ms))
            oldest = b;
    }
    return oldest;
}

/* What is in the bucket with one request more, in thousandths of one. */
static uint64_t filled(const srn_bucket *b, uint64_t milli_per_s, uint64_t now_ms) {
    int64_t ms = (int64_t)(now_ms - get(&b->last_ms));
    uint64_t passed = ms >= 0 ? (uint64_t)ms : ms < -PERSISTENT_MS ? 1 : 0;
    uint64_t had = get(&b->excess) + 1000, leaked;
    if (__builtin_mul_overflow(milli_per_s, passed, &leaked))
        return 0;
    leaked /= 1000;
    return had > leaked ? had - leaked : 0;
}

/* Each limit of a client has a bucket of its own, all in the same set. Another rate begins anew. */
static uint64_t bucket_name(uint64_t name, const srn_rate *rates, uint32_t i) {
    uint64_t own = srn_mix64(name + i * SRN_GOLDEN) ^ srn_mix64(rates[i].milli_per_s + SRN_GOLDEN);
    return own != 0 ? own : 1;
}

static uint64_t most_of(const srn_rate *rate) { return (uint64_t)rate->burst * 1000; }

int srn_limit_requests(srn_limits *l, uint64_t zone, uint64_t key, const srn_rate *rates, uint32_t count, uint64_t now_us) {
    uint64_t now_ms = srn_time(now_us) / 1000, name = name_of(l, zone, key);
    uint32_t at = (uint32_t)name & (l->bucket_sets - 1);
    srn_bucket_set *set = &l->buckets[at];
    int allowed = 1;
    lock(l, &l->locks[at]);
    for (uint32_t i = 0; i < count && allowed; i++) {
        const srn_bucket *b = find_bucket(set, bucket_name(name, rates, i));
        allowed = b == NULL || filled(b, rates[i].milli_per_s, now_ms) <= most_of(&rates[i]);
    }
    for (uint32_t i = 0; i < count && allowed; i++) {
        uint64_t own = bucket_name(name, rates, i), excess = 0;
        srn_bucket *b = find_bucket(set, own);
        if (b != NULL) {
            excess = filled(b, rates[i].milli_per_s, now_ms);
        } else {
            b = oldest_bucket(set);
            put(&b->name, own);
        }
        put(&b->excess, excess);
        put(&b->last_ms, now_ms);
    }
    unlock(l, &l->locks[at]);
    return allowed;
}

static srn_cell_set *cells_of(const srn_limits *l, uint32_t row, uint32_t set) {
    return &l->cells[(uint64_t)row * l->cell_sets + set];
}

/* The cell that counts for `name`, NULL: nothing counted. */
static srn_limit_cell *find_cell(srn_cell_set *set, uint64_t name) {
    for (uint32_t i = 0; i < SRN_CELL_WAYS; i++)
        if (get(&set->ways[i].name) == name && get(&set->ways[i].count) != 0)
            return &set->ways[i];
    return NULL;
}

static srn_limit_cell *free_cell(srn_cell_set *set) {
    for (uint32_t i = 0; i < SRN_CELL_WAYS; i++)
        if (get(&set->ways[i].count) == 0)
            return &set->ways[i];
    return NULL;
}

static uint64_t counted(const srn_limits *l, uint32_t set, uint64_t name) {
    uint64_t sum = 0, used = atomic_load_explicit(l->rows_used, memory_order_relaxed);
    for (uint32_t row = 0; row < l->rows && row < used; row++) {
        const srn_limit_cell *cell = find_cell(cells_of(l, row, set), name);
        if (cell != NULL)
            sum += get(&cell->count);
    }
    return sum;
}

int srn_limit_enter(srn_limits *l, uint64_t zone, uint64_t key, uint32_t most) {
    uint64_t name = name_of(l, zone, key);
    uint32_t at = (uint32_t)name & (l->cell_sets - 1);
    srn_word *guard = &l->locks[l->bucket_sets + at];
    int allowed = 0;
    lock(l, guard);
    if (counted(l, at, name) < most) {
        srn_cell_set *own = cells_of(l, l->row, at);
        srn_limit_cell *cell = find_cell(own, name);
        if (cell == NULL && (cell = free_cell(own)) != NULL)
            put(&cell->name, name);
        if (cell != NULL) {
            put(&cell->count, get(&cell->count) + 1);
            allowed = 1;
        }
    }
    unlock(l, guard);
    return allowed;
}

void srn_limit_leave(srn_limits *l, uint64_t zone, uint64_t key) {
    uint64_t name = name_of(l, zone, key);
    srn_limit_cell *cell = find_cell(cells_of(l, l->row, (uint32_t)name & (l->cell_sets - 1)), name);
    if (cell != NULL)
        put(&cell->count, get(&cell->count) - 1);
}
