/* What each version answered, exactly: requests by status and method, with bytes and times; for ingress-nginx's metrics.
 *
 * A version's details hang from its stats cell as a chain, in the order in which they were first met, so that the usual one
 * is found with one comparison. They come from one table and never leave their chain: a cell that changes hands takes its
 * chain with it, emptied. A chain has an end, since endpoints choose the statuses: what is beyond is only counted. */
#include "internal.h"

#define STEP 1024u /* details given memory at once */

/* µs; ingress-nginx's */
static const uint64_t bounds[SRN_DETAIL_BUCKETS - 1] = {5000,   10000,  25000,   50000,   100000,  250000,
                                                        500000, 1000000, 2500000, 5000000, 10000000};
/* bytes */
static const uint64_t sizes[SRN_SIZE_BUCKETS - 1] = {10, 100, 1000, 10000, 100000, 1000000, 10000000};

static uint64_t get(const srn_word *word) { return atomic_load_explicit(word, memory_order_relaxed); }
static void add(srn_word *word, uint64_t value) { atomic_fetch_add_explicit(word, value, memory_order_relaxed); }

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
    uint64_t at = w->stats->details_offset + have * sizeof(srn_detail), size = (wanted - have) * sizeof(srn_detail);
    if (!srn_back(w->stats_map.fd, at, size))
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
        for (srn_word *word = &d->received; word < (srn_word *)(d + 1); word++)
            atomic_store_explicit(word, 0, memory_order_relaxed);
        atomic_store_explicit(&d->what, 0, memory_order_release);
        d = detail_at(w, get(&d->next));
    }
}

/* `weight` requests that took this long each. */
static void add_time(srn_word *sum, srn_word *buckets, uint64_t us, uint64_t weight) {
    if (us == SRN_NO_RESPONSE)
        return;
    add(sum, us * weight);
    add(&buckets[srn_bucket_of(us, bounds, SRN_DETAIL_BUCKETS - 1)], weight);
}

static void add_size(srn_word *sum, srn_word *buckets, uint64_t bytes, uint64_t weight) {
    add(sum, bytes * weight);
    add(&buckets[srn_bucket_of(bytes, sizes, SRN_SIZE_BUCKETS - 1)], weight);
}

void srn_tell_facts(srn_worker *w, const srn_choice *c, const srn_facts *f) {
    srn_stats_cell *cell = srn_cell_of(w, c);
    if (cell == NULL)
        return;
    uint64_t what = (uint64_t)(f->status < 1000 ? f->status : 0) << 8 | (f->method < SRN_METHODS ? f->method : 0) | SRN_DETAIL_USED;
    srn_detail *d = detail_of(w, cell, what);
    if (d == NULL) {
        add(&cell->undetailed, 1);
        return;
    }
    add_time(&d->request_us, d->request_buckets, f->request_us, 1);
    add_time(&d->response_us, d->response_buckets, f->response_us, 1);
    if (f->weight == 0)
        return;
    add_size(&d->received, d->received_buckets, f->received, f->weight);
    add_size(&d->sent, d->sent_buckets, f->sent, f->weight);
    add_time(&d->connect_us, d->connect_buckets, f->connect_us, f->weight);
    add_time(&d->header_us, d->header_buckets, f->header_us, f->weight);
}

void srn_tell_own_facts(const srn_ref *ref, srn_facts *f) {
    srn_choice c;
    f->response_us = f->connect_us = f->header_us = SRN_NO_RESPONSE;
    if (srn_main_of(ref, &c))
        srn_tell_facts(ref->worker, &c, f);
}

void srn_tell(srn_worker *w, const srn_choice *c, uint32_t status, uint32_t method, uint64_t received, uint64_t sent,
              uint64_t request_us, uint64_t response_us, uint64_t connect_us, uint64_t header_us) {
    const srn_facts f = {status, method, 1, received, sent, request_us, response_us, connect_us, header_us};
    srn_tell_facts(w, c, &f);
}

static uint64_t us_of(double seconds) { return seconds > 0 ? (uint64_t)(seconds * 1e6) : 0; }
static uint64_t us_or_none(double seconds) { return seconds < 0 ? SRN_NO_RESPONSE : us_of(seconds); }

void srn_over(srn_worker *w, const srn_choice *c, int status, uint32_t method, uint64_t received, uint64_t sent,
              double request_time, double response_time, double connect_time, double header_time) {
    srn_done(w, c, status, 0, 0);
    srn_tell(w, c, status < 0 ? 0 : (uint32_t)status, method, received, sent, us_of(request_time), us_or_none(response_time),
             us_or_none(connect_time), us_or_none(header_time));
}

void srn_tell_own(const srn_ref *ref, uint32_t status, uint32_t method, uint64_t received, uint64_t sent, uint64_t request_us) {
    srn_facts f = {.status = status, .method = method, .weight = 1, .received = received, .sent = sent, .request_us = request_us};
    srn_tell_own_facts(ref, &f);
}
