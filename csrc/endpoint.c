/* What is known of an endpoint beside its address: requests in flight, failures in a row, pace of its answers.
 *
 * Cells belong to the endpoint's ident: a cell that carries another ident counts as empty. In-flight counts are one word
 * for each process and endpoint, so that a dead process's counts can be taken away; failures and pace are shared. */
#include "internal.h"

#define EJECT_AFTER 3u
#define EJECT_US 10000000u
#define TRIAL_US 60000000u /* an endpoint that nobody asked for so long after its ejection is like any other */
#define HALF_LIFE_MS 6931u /* 10 s of ingress-nginx's exponential decay, as half-life */

static srn_endpoint_cell *cell_of(const srn_worker *w, uint64_t ident, uint32_t cell) {
    if (cell >= w->endpoint_limit)
        return NULL;
    srn_endpoint_cell *c = &w->endpoints[cell];
    return atomic_load_explicit(&c->ident, memory_order_acquire) == ident ? c : NULL;
}

/* The cell as `ident`'s, claimed when it was another's. NULL: no memory behind it, or being claimed just now. */
static srn_endpoint_cell *own_cell(srn_worker *w, uint64_t ident, uint32_t cell) {
    if (cell >= w->endpoint_limit)
        return NULL;
    srn_endpoint_cell *c = &w->endpoints[cell];
    return srn_claim(w, &c->ident, ident, 1u + (uint64_t)cell, &c->ejected_until, 3) ? c : NULL;
}

static srn_word *flight_word(const srn_worker *w, uint32_t row, uint32_t cell) {
    return &w->flight[(uint64_t)row * w->state->endpoints + cell];
}

uint64_t srn_in_flight(const srn_worker *w, const srn_endpoint *e) {
    uint64_t used = atomic_load_explicit(&w->state->rows_used, memory_order_relaxed), sum = 0;
    if (used > w->state->rows)
        used = w->state->rows;
    for (uint32_t row = 0; row < used; row++) {
        if (e->cell >= atomic_load_explicit(&w->rows[row].flight_backed, memory_order_relaxed) || e->cell >= w->state->endpoints)
            continue;
        uint64_t word = atomic_load_explicit(flight_word(w, row, e->cell), memory_order_relaxed);
        if (word >> 32 == e->ident >> 32)
            sum += word & UINT32_MAX;
    }
    return sum;
}

void srn_enter(srn_worker *w, uint64_t ident, uint32_t cell) {
    if (cell >= w->flight_limit)
        return;
    srn_word *at = flight_word(w, w->index, cell);
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    uint64_t count = word >> 32 == ident >> 32 ? word & UINT32_MAX : 0;
    atomic_store_explicit(at, (ident >> 32 << 32) | ((count + 1) & UINT32_MAX), memory_order_relaxed);
}

void srn_leave(srn_worker *w, uint64_t ident, uint32_t cell) {
    if (cell >= w->flight_limit)
        return;
    srn_word *at = flight_word(w, w->index, cell);
    uint64_t word = atomic_load_explicit(at, memory_order_relaxed);
    if (word >> 32 == ident >> 32 && (word & UINT32_MAX) > 0)
        atomic_store_explicit(at, word - 1, memory_order_relaxed);
}

/* From the last failure until an answer, also when its time is over and it is to be tried. */
bool srn_is_ejected(const srn_worker *w, const srn_endpoint *e, uint64_t now_us) {
    const srn_endpoint_cell *c = cell_of(w, e->ident, e->cell);
    uint64_t until = c == NULL ? 0 : atomic_load_explicit(&c->ejected_until, memory_order_relaxed);
    return until != 0 && until + TRIAL_US > now_us;
}

/* Moves the time after which no endpoint is ejected. */
static void put_off(srn_worker *w, uint64_t until) {
    uint64_t latest = atomic_load_explicit(&w->state->ejected_latest, memory_order_relaxed);
    while (latest < until + TRIAL_US &&
           !atomic_compare_exchange_weak_explicit(&w->state->ejected_latest, &latest, until + TRIAL_US, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* Of an ejected endpoint whose time is over: one caller may ask it, for all others its time begins anew, until it answers.
 * Otherwise each request would find out for itself, by the whole connect time-out, that it is still away. */
bool srn_may_try(srn_worker *w, const srn_endpoint *e, uint64_t now_us) {
    srn_endpoint_cell *c = cell_of(w, e->ident, e->cell);
    uint64_t until = c == NULL ? 0 : atomic_load_explicit(&c->ejected_until, memory_order_relaxed);
    if (until == 0 || until > now_us ||
        !atomic_compare_exchange_strong_explicit(&c->ejected_until, &until, now_us + EJECT_US, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    put_off(w, now_us + EJECT_US);
    return true;
}

void srn_note_failure(srn_worker *w, uint64_t ident, uint32_t cell, uint64_t now_us) {
    srn_endpoint_cell *c = own_cell(w, ident, cell);
    if (c == NULL || atomic_fetch_add_explicit(&c->failures, 1, memory_order_relaxed) + 1 < EJECT_AFTER)
        return;
    atomic_store_explicit(&c->ejected_until, now_us + EJECT_US, memory_order_relaxed);
    put_off(w, now_us + EJECT_US);
}

/* Weight of the past after `ms`, in 1/65536: halved for each half-life, straight in between. */
static uint64_t decay(uint32_t ms) {
    uint32_t halvings = ms / HALF_LIFE_MS, rest = ms % HALF_LIFE_MS;
    if (halvings >= 16)
        return 0;
    return (2u * HALF_LIFE_MS - rest) * (uint64_t)65536 / (2u * HALF_LIFE_MS) >> halvings;
}

/* Pace word after an answer that took `sample_us`; the first one counts whole. */
uint64_t srn_pace_after(uint64_t word, uint64_t sample_us, uint64_t now_us) {
    uint32_t stamp = (uint32_t)(now_us / 1000);
    uint64_t sample = sample_us == 0 ? 1 : sample_us > UINT32_MAX ? UINT32_MAX : sample_us;
    uint64_t past = word >> 32;
    if (past != 0) {
        uint64_t weight = decay(stamp - (uint32_t)word);
        sample = (past * weight + sample * (65536 - weight)) >> 16;
        sample = sample == 0 ? 1 : sample;
    }
    return sample << 32 | stamp;
}

/* Smoothed answer time in µs, sinking with the time since the last answer so that a slow endpoint is tried again; 0: none. */
uint64_t srn_pace(const srn_worker *w, const srn_endpoint *e, uint64_t now_us) {
    const srn_endpoint_cell *c = cell_of(w, e->ident, e->cell);
    uint64_t word = c == NULL ? 0 : atomic_load_explicit(&c->pace, memory_order_relaxed);
    if (word >> 32 == 0)
        return 0;
    uint64_t pace = (word >> 32) * decay((uint32_t)(now_us / 1000) - (uint32_t)word) >> 16;
    return pace == 0 ? 1 : pace;
}

void srn_note_answer(srn_worker *w, uint64_t ident, uint32_t cell, uint64_t took_us, uint64_t now_us, bool pace) {
    srn_endpoint_cell *c = pace ? own_cell(w, ident, cell) : cell_of(w, ident, cell);
    if (c == NULL)
        return;
    if (atomic_load_explicit(&c->failures, memory_order_relaxed) != 0) {
        atomic_store_explicit(&c->failures, 0, memory_order_relaxed);
        atomic_store_explicit(&c->ejected_until, 0, memory_order_relaxed);
    }
    if (pace) {
        uint64_t word = atomic_load_explicit(&c->pace, memory_order_relaxed);
        /* one try: of two answers at the same instant one may stay out of the mean */
        atomic_compare_exchange_strong_explicit(&c->pace, &word, srn_pace_after(word, took_us, now_us), memory_order_relaxed,
                                                memory_order_relaxed);
    }
}
