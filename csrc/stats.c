/* Counts of answers: by split and version for all processes together, and by process for what no split had a part in. */
#include "internal.h"

/* µs; every bound of ingress-nginx's request_duration_seconds is among them */
static const uint64_t bounds[SRN_BUCKETS - 1] = {
    100,    250,    500,    1000,   2000,   3000,   4000,   5000,    7500,    10000,   15000,   20000,   25000,   35000,    50000,   75000,
    100000, 150000, 200000, 250000, 350000, 500000, 750000, 1000000, 1500000, 2500000, 3500000, 5000000, 7500000, 10000000, 30000000,
};

uint32_t srn_bucket_bounds(uint64_t *out, uint32_t max) {
    for (uint32_t i = 0; i < SRN_BUCKETS - 1 && i < max; i++)
        out[i] = bounds[i];
    return SRN_BUCKETS - 1;
}

static uint32_t class_of(int status) { return status >= 100 && status < 600 ? (uint32_t)status / 100 : 0; }

static void add(srn_word *word, uint64_t value) { atomic_fetch_add_explicit(word, value, memory_order_relaxed); }

srn_stats_cell *srn_cell_of(srn_worker *w, const srn_choice *c) {
    if (c->stats_cell >= w->stats_limit)
        return NULL;
    srn_stats_cell *cell = &w->stats_cells[c->stats_cell];
    uint64_t key = srn_mix64(c->split ^ srn_mix64(c->version_ident));
    if (atomic_load_explicit(&cell->key, memory_order_acquire) == key)
        return cell;
    size_t words = (offsetof(srn_stats_cell, details) - offsetof(srn_stats_cell, latency_us)) / sizeof(srn_word);
    if (!srn_claim(w, &cell->key, key, SRN_CLAIM_STATS + 1u + c->stats_cell, &cell->latency_us, words))
        return NULL;
    srn_empty_details(w, cell);
    atomic_store_explicit(&cell->split, c->split, memory_order_relaxed);
    atomic_store_explicit(&cell->version, c->version_ident, memory_order_relaxed);
    return cell;
}

void srn_count_failure(srn_worker *w, const srn_choice *c) {
    srn_stats_cell *cell = srn_cell_of(w, c);
    if (cell != NULL)
        add(&cell->failures, 1);
}

/* What a trial has of a request that ended with `answered`: an attempt that failed gave no answer that is whole. A connection
 * that was given over to another protocol ends as it ends. */
static int trial_status(int answered, int failed) { return failed && answered != 101 ? SRN_FAILED : answered; }

void srn_done_as(srn_worker *w, const srn_choice *c, int status, int answered, int failed, uint64_t now_us) {
    srn_stats_cell *cell = srn_cell_of(w, c);
    now_us = srn_time(now_us);
    uint64_t took = now_us > c->started_us ? now_us - c->started_us : 0;
    if (cell != NULL) {
        add(&cell->classes[class_of(status)], 1);
        add(&cell->latency_us, took);
        add(&cell->buckets[srn_bucket_of(took, bounds, SRN_BUCKETS - 1)], 1);
        if (failed && c->open)
            add(&cell->failures, 1);
    }
    if (c->marks & SRN_IN_TRIAL)
        srn_count_trial(w, c, trial_status(answered, failed), took);
    if (!c->open)
        return;
    if (c->counted)
        srn_leave(w, c->endpoint, c->endpoint_cell);
    bool pace = c->algorithm == SRN_EWMA || c->algorithm == SRN_SHORTEST_EXPECTED_DELAY || c->algorithm == SRN_NEVER_QUEUE;
    if (failed)
        srn_note_failure(w, c->endpoint, c->endpoint_cell, now_us);
    else if (status > 0)
        srn_note_answer(w, c->endpoint, c->endpoint_cell, now_us > c->attempt_us ? now_us - c->attempt_us : 0, now_us, pace);
}

void srn_done(srn_worker *w, const srn_choice *c, int status, int failed, uint64_t now_us) {
    srn_done_as(w, c, status, status, failed, now_us);
}

void srn_count(srn_worker *w, int status) { add(&w->stats_row->classes[class_of(status)], 1); }
