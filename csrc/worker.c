/* A process's place at the files: attached once, quiet when idle, mapped anew when pools.bin has grown. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* pools.bin as it is now, into `into`; the caller's old mapping is untouched. */
static bool map_pools(const char *dir, srn_map *into, uint64_t **verified, char *err, size_t err_len) {
    if (!srn_map_file(into, dir, "plan/pools.bin", false, err, err_len))
        return false;
    const srn_pools_header *h = (const void *)into->base;
    if (!srn_check_pools(into)) {
        srn_say(err, err_len, "header does not check", "plan/pools.bin");
        srn_unmap(into);
        return false;
    }
    *verified = calloc(h->slot_count, sizeof **verified);
    if (*verified == NULL) {
        srn_say(err, err_len, "out of memory", "plan/pools.bin");
        srn_unmap(into);
        return false;
    }
    return true;
}

static void use_pools(srn_worker *w, srn_map map, uint64_t *verified) {
    srn_unmap(&w->pools_map);
    free(w->verified);
    w->pools_map = map;
    w->verified = verified;
    w->pools = (const void *)map.base;
    w->slots = (const void *)(map.base + w->pools->slot_offset);
    w->slot_mask = w->pools->slot_count - 1;
    w->remap_refused = 0;
}

static bool map_state(srn_worker *w, char *err, size_t err_len) {
    if (!srn_map_file(&w->state_map, w->dir, "state/state.bin", true, err, err_len))
        return false;
    if (!srn_check_state(&w->state_map)) {
        srn_say(err, err_len, "header does not check", "state/state.bin");
        return false;
    }
    w->state = (void *)w->state_map.base;
    uint8_t *base = w->state_map.base;
    w->rows = (void *)(base + w->state->rows_offset);
    w->counters = (void *)(base + w->state->counters_offset);
    w->names = (void *)(base + w->state->names_offset);
    w->endpoints = (void *)(base + w->state->endpoints_offset);
    w->flight = (void *)(base + w->state->flight_offset);
    w->counter_limit = w->state->counters;
    w->name_limit = w->state->names;
    return true;
}

static bool map_stats(srn_worker *w, char *err, size_t err_len) {
    if (!srn_map_file(&w->stats_map, w->dir, "state/stats.bin", true, err, err_len))
        return false;
    w->stats = (void *)w->stats_map.base;
    if (!srn_check_stats(&w->stats_map)) {
        srn_say(err, err_len, "header does not check", "state/stats.bin");
        return false;
    }
    w->stats_cells = (void *)(w->stats_map.base + w->stats->cells_offset);
    w->details = (void *)(w->stats_map.base + w->stats->details_offset);
    return true;
}

/* Requests go on without it: it is looked for again each second. */
static void map_trials(srn_worker *w) {
    if (w->trials != NULL || !srn_map_file(&w->trials_map, w->dir, "state/trials.bin", true, NULL, 0))
        return;
    if (!srn_check_trials(&w->trials_map)) {
        srn_unmap(&w->trials_map);
        return;
    }
    uint8_t *base = w->trials_map.base;
    w->trials = (void *)base;
    w->trial_heads = (void *)(base + w->trials->heads_offset);
    w->trial_cells = (void *)(base + w->trials->cells_offset);
    w->trial_users = (void *)(base + w->trials->users_offset);
}

/* A free row becomes this process's, whoever else looks for one just now. Its epoch is 0 from its release on, so nothing
 * is given free before we have shown ours. */
static bool claim_row(srn_worker *w, uint32_t rows, uint32_t *index) {
    for (*index = 0; *index < rows; ++*index) {
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&w->rows[*index].pid, &nobody, (uint64_t)getpid()))
            return true;
    }
    return false;
}

static bool take_row(srn_worker *w, uint32_t index, char *err, size_t err_len) {
    uint32_t rows = w->state->rows < w->stats->rows ? w->state->rows : w->stats->rows;
    if (index == SRN_ANY_ROW) {
        if (!claim_row(w, rows, &index)) {
            srn_say(err, err_len, "every row is taken", "state/state.bin");
            return false;
        }
    } else if (index >= rows) {
        srn_say(err, err_len, "no row of this index", "state/state.bin");
        return false;
    }
    w->index = index;
    w->row = w->rows + index;
    w->stats_row = (srn_stats_row *)(void *)(w->stats_map.base + w->stats->rows_offset) + index;
    uint64_t used = atomic_load(&w->state->rows_used);
    while (used <= w->index && !atomic_compare_exchange_weak(&w->state->rows_used, &used, (uint64_t)w->index + 1))
        ;
    srn_announce(w);
    atomic_store(&w->row->pid, (uint64_t)getpid());
    atomic_thread_fence(memory_order_seq_cst);
    return true;
}

/* The row as the parent's release leaves it, for a process that ends in an orderly way; the pid last. */
static void leave_row(srn_worker *w) {
    srn_word *flight = w->flight + (uint64_t)w->index * w->state->endpoints;
    for (uint32_t cell = 0; cell < w->flight_limit; cell++)
        atomic_store_explicit(&flight[cell], 0, memory_order_relaxed);
    atomic_store(&w->row->epoch, 0);
    atomic_store(&w->row->pid, 0);
}

srn_worker *srn_attach(const char *dir, uint32_t index, uint64_t seed, char *err, size_t err_len) {
    srn_worker *w = calloc(1, sizeof *w);
    srn_map pools;
    uint64_t *verified;
    if (w == NULL)
        return NULL;
    w->pools_map.fd = w->state_map.fd = w->stats_map.fd = w->trials_map.fd = -1;
    w->random = seed;
    w->dir = strdup(dir);
    if (w->dir == NULL || !map_state(w, err, err_len) || !map_stats(w, err, err_len) ||
        !map_pools(dir, &pools, &verified, err, err_len)) {
        srn_detach(w);
        return NULL;
    }
    use_pools(w, pools, verified);
    if (!take_row(w, index, err, err_len)) {
        srn_detach(w);
        return NULL;
    }
    map_trials(w);
    srn_back_cells(w);
    return w;
}

void srn_detach(srn_worker *w) {
    if (w == NULL)
        return;
    srn_forget_requests(w);
    srn_forget_texts(w);
    if (w->row != NULL)
        leave_row(w);
    srn_unmap(&w->pools_map);
    srn_unmap(&w->state_map);
    srn_unmap(&w->stats_map);
    srn_unmap(&w->trials_map);
    free(w->verified);
    free(w->dir);
    free(w);
}

static bool same_file(int a, int b) {
    struct stat s, t;
    return fstat(a, &s) == 0 && fstat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

int srn_remap(srn_worker *w, char *err, size_t err_len) {
    srn_map map;
    uint64_t *verified;
    if (!map_pools(w->dir, &map, &verified, err, err_len)) {
        w->remap_refused = atomic_load(&w->pools->moved);
        return SRN_CORRUPT;
    }
    if (same_file(map.fd, w->pools_map.fd)) { /* marked as replaced, but its writer never got to put the other in place */
        w->remap_refused = atomic_load(&w->pools->moved);
        srn_unmap(&map);
        free(verified);
        return 0;
    }
    use_pools(w, map, verified);
    srn_announce(w);
    srn_back_cells(w);
    return 0;
}

uint64_t srn_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void srn_quiet(srn_worker *w) {
    srn_announce(w);
    map_trials(w);
    srn_back_cells(w);
}
