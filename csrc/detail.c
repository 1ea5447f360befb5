/* What each version answered, exactly: requests by status and method, with bytes and times; for ingress-nginx's metrics.
 *
 * A version's details hang from its stats cell as a chain, in the order in which they were first met, so that the usual one
 * is found with one comparison. They come from one table and never leave their chain: a cell that changes hands takes its
 * chain with it, emptied. A chain has an end, since endpoints choose the statuses: what is beyond is only counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "internal.h"

#define STEP 1024u /* details given memory at once */

/* µs; ingress-nginx's */
static const uint64_t bounds[SRN_DETAIL_BUCKETS - 1] = {5000,   10000,  25000,   50000,   100000,  250000,
                                                        500000, 1000000, 2500000, 5000000, 10000000};

static uint64_t get(const srn_word *word) { return atomic_load_explicit(word, memory_order_relaxed); }
static void add(srn_word *word, uint64_t value) { atomic_fetch_add_explicit(word, value, memory_order_relaxed); }

static uint32_t bucket_of(uint64_t us) {
    uint32_t at = 0;
    while (at < SRN_DETAIL_BUCKETS - 1 && us > bounds[at])
        at++;
    return at;
}

/* The detail of a chain's link: 1 + its number; NULL at the end, or where there is no memory behind it. */
static srn_detail *detail_at(const srn_worker *w, uint64_t link) {
    return link == 0 || link > w->detail_limit ? NULL : &w->details[link - 1];
}

static uint32_t refresh_limit(srn_worker *w) {
    uint64_t backed = atomic_load_explicit(&w->stats->details_backed, memory_order_acquire);
    w->detail_limit = backed < w->stats->details ? (uint32_t)backed : w->stats->details;
    return w->detail_limit;
}

/* Memory for details [backed, backed + STEP). Seldom: once for so many versions' new statuses. */
static bool back(srn_worker *w) {
    uint64_t have = atomic_load_explicit(&w->stats->details_backed, memory_order_acquire), wanted = have + STEP;
    if (wanted > w->stats->details)
        wanted = w->stats->details;
    if (wanted <= have)
        return false;
    off_t at = (off_t)(w->stats->details_offset + have * sizeof(srn_detail)), size = (off_t)((wanted - have) * sizeof(srn_detail));
    if (fallocate(w->stats_map.fd, FALLOC_FL_KEEP_SIZE, at, size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return false;
    atomic_compare_exchange_strong(&w->stats->details_backed, &have, wanted);
    return true;
}

void srn_back_details(srn_worker *w) {
    uint64_t used = atomic_load_explicit(&w->stats->details_used, memory_order_acquire);
    if (used + STEP / 2 > refresh_limit(w) && back(w))
        refresh_limit(w);
}

/* A detail that no chain has; 1 + its number, 0 when there is none. */
static uint64_t fresh(srn_worker *w) {
    uint64_t at = atomic_load_explicit(&w->stats->details_used, memory_order_relaxed);
    do {
        if (at >= refresh_limit(w) && !(back(w) && at < refresh_limit(w)))
            return 0;
    } while (!atomic_compare_exchange_weak(&w->stats->details_used, &at, at + 1));
    return at + 1;
}

/* The detail of `what` in the chain from `link` on, else the first one that is `mine` by then; *length of the chain. */
static srn_detail *walk(const srn_worker *w, uint64_t link, uint64_t what, uint32_t *length) {
    srn_detail *d = detail_at(w, link);
    for (*length = 0; d != NULL && *length < SRN_DETAILS_EACH; ++*length) {
        if (get(&d->what) == what)
            return d;
        d = detail_at(w, get(&d->next));
    }
    return NULL;
}

/* One that was emptied when the chain changed hands. */
static srn_detail *reuse(const srn_worker *w, uint64_t link, uint64_t what) {
    srn_detail *d = detail_at(w, link);
    for (uint32_t n = 0; d != NULL && n < SRN_DETAILS_EACH; n++) {
        uint64_t nothing = 0;
        if (atomic_compare_exchange_strong(&d->what, &nothing, what) || nothing == what)
            return d;
        d = detail_at(w, get(&d->next));
    }
    return NULL;
}

static srn_detail *detail_of(srn_worker *w, srn_stats_cell *cell, uint64_t what) {
    uint32_t length;
    uint64_t first = atomic_load_explicit(&cell->details, memory_order_acquire);
    srn_detail *d = walk(w, first, what, &length);
    if (d == NULL)
        d = reuse(w, first, what);
    if (d != NULL || length >= SRN_DETAILS_EACH)
        return d;
    uint64_t mine = fresh(w);
    if (mine == 0)
        return NULL;
    srn_detail *made = detail_at(w, mine);
    for (;;) { /* at the front; somebody else may have been as quick with the same one, then ours waits there for another */
        d = walk(w, first, what, &length);
        atomic_store_explicit(&made->what, d == NULL ? what : 0, memory_order_relaxed);
        atomic_store_explicit(&made->next, first, memory_order_relaxed);
        if (atomic_compare_exchange_strong(&cell->details, &first, mine))
            return d == NULL ? made : d;
    }
}

void srn_empty_details(srn_worker *w, srn_stats_cell *cell) {
    srn_detail *d = detail_at(w, get(&cell->details));
    for (uint32_t n = 0; d != NULL && n < SRN_DETAILS_EACH; n++) {
        for (srn_word *word = &d->received; word < d->pad; word++)
            atomic_store_explicit(word, 0, memory_order_relaxed);
        atomic_store_explicit(&d->what, 0, memory_order_release);
        d = detail_at(w, get(&d->next));
    }
}

void srn_tell(srn_worker *w, const srn_choice *c, uint32_t status, uint32_t method, uint64_t received, uint64_t sent,
              uint64_t request_us, uint64_t response_us) {
    srn_stats_cell *cell = srn_cell_of(w, c);
    if (cell == NULL)
        return;
    uint64_t what = (uint64_t)(status < 1000 ? status : 0) << 8 | (method < SRN_METHODS ? method : 0) | SRN_DETAIL_USED;
    srn_detail *d = detail_of(w, cell, what);
    if (d == NULL) {
        add(&cell->undetailed, 1);
        return;
    }
    add(&d->received, received);
    add(&d->sent, sent);
    add(&d->request_us, request_us);
    add(&d->request_buckets[bucket_of(request_us)], 1);
    if (response_us == SRN_NO_RESPONSE)
        return;
    add(&d->response_us, response_us);
    add(&d->response_buckets[bucket_of(response_us)], 1);
}

void srn_tell_own(const srn_ref *ref, uint32_t status, uint32_t method, uint64_t received, uint64_t sent, uint64_t request_us) {
    srn_choice c;
    if (srn_main_of(ref, &c))
        srn_tell(ref->worker, &c, status, method, received, sent, request_us, SRN_NO_RESPONSE);
}
