/* Which endpoint of a pool. Each way chooses among those not tried yet; when the choice falls on an ejected endpoint and at
 * least half of the pool is not ejected, it is made again among those; but for the one request that tries it again. */
#include "internal.h"

#define MAX_SUBSET 64u

static bool is_tried(const srn_pick *p, uint64_t ident) {
    for (uint32_t i = 0; i < p->tried_count; i++)
        if (p->tried[i] == ident)
            return true;
    return false;
}

static bool available(const srn_pick *p, uint32_t i) {
    return !is_tried(p, p->list[i].ident) && !(p->shun && srn_is_ejected(p->w, &p->list[i], p->now_us));
}

static bool all_available(const srn_pick *p) { return p->tried_count == 0 && !p->shun; }

static uint32_t count_available(const srn_pick *p) {
    uint32_t m = 0;
    if (all_available(p))
        return p->count;
    for (uint32_t i = 0; i < p->count; i++)
        m += available(p, i) ? 1 : 0;
    return m;
}

/* The k-th available endpoint, not counting `skip`. */
static uint32_t nth_available(const srn_pick *p, uint64_t k, uint32_t skip) {
    for (uint32_t i = 0; i < p->count; i++) {
        if (i == skip || !available(p, i))
            continue;
        if (k-- == 0)
            return i;
    }
    return SRN_NONE;
}

/* Endpoint for a running or random number x; what falls on one that is out is shared evenly by the others. */
static uint32_t spread(const srn_pick *p, uint64_t x) {
    uint32_t i = (uint32_t)(x % p->count);
    if (all_available(p) || available(p, i))
        return i;
    uint32_t m = count_available(p);
    return m == 0 ? SRN_NONE : nth_available(p, x / p->count % m, SRN_NONE);
}

static uint32_t round_robin(const srn_pick *p, uint32_t counter) {
    return spread(p, atomic_fetch_add_explicit(&p->w->counters[counter], 1, memory_order_relaxed));
}

/* Whether b is the better of two: fewer requests; with pace, the shorter expected wait. One that has not answered yet is
 * compared by requests alone. */
static bool better(const srn_pick *p, uint32_t a, uint32_t b, bool pace) {
    uint64_t cost_a = srn_in_flight(p->w, &p->list[a]) + 1, cost_b = srn_in_flight(p->w, &p->list[b]) + 1;
    if (pace) {
        uint64_t pace_a = srn_pace(p->w, &p->list[a], p->now_us), pace_b = srn_pace(p->w, &p->list[b], p->now_us);
        if (pace_a != 0 && pace_b != 0) {
            cost_a *= pace_a;
            cost_b *= pace_b;
        }
    }
    return cost_b < cost_a;
}

/* The power of two choices. */
static uint32_t of_two(const srn_pick *p, bool pace) {
    uint32_t a = spread(p, srn_random(p->w));
    if (a == SRN_NONE)
        return SRN_NONE;
    uint32_t m = count_available(p), b;
    if (m < 2)
        return a;
    uint64_t k = srn_random(p->w) % (m - 1);
    if (m == p->count)
        b = (uint32_t)((a + 1 + k) % p->count);
    else
        b = nth_available(p, k, a);
    return b != SRN_NONE && better(p, a, b, pace) ? b : a;
}

/* The smallest pace known in the pool stands in for those that have not answered yet. */
static uint64_t least_pace(const srn_pick *p) {
    uint64_t least = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t pace = srn_pace(p->w, &p->list[i], p->now_us);
        if (pace != 0 && (least == 0 || pace < least))
            least = pace;
    }
    return least == 0 ? 1 : least;
}

static uint32_t least_delay(const srn_pick *p, bool idle_first) {
    uint32_t start = (uint32_t)(srn_random(p->w) % p->count), best = SRN_NONE;
    uint64_t fallback = least_pace(p), least = 0;
    for (uint32_t k = 0; k < p->count; k++) {
        uint32_t i = (uint32_t)(((uint64_t)start + k) % p->count);
        if (!available(p, i))
            continue;
        uint64_t waiting = srn_in_flight(p->w, &p->list[i]);
        if (idle_first && waiting == 0)
            return i;
        uint64_t pace = srn_pace(p->w, &p->list[i], p->now_us);
        uint64_t delay = (waiting + 1) * (pace == 0 ? fallback : pace);
        if (best == SRN_NONE || delay < least) {
            best = i;
            least = delay;
        }
    }
    return best;
}

/* Rendezvous: the highest score wins, so that an endpoint's coming or going moves only the keys it wins or held. */
static uint32_t by_key(const srn_pick *p, uint64_t key) {
    uint32_t best = SRN_NONE;
    uint64_t top = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t score = srn_mix64(key ^ p->list[i].ident);
        if ((best == SRN_NONE || score > top) && available(p, i)) {
            best = i;
            top = score;
        }
    }
    return best;
}

/* One at random of the `size` with the highest scores. */
static uint32_t in_subset(const srn_pick *p, uint64_t key, uint32_t size) {
    uint64_t scores[MAX_SUBSET];
    uint32_t places[MAX_SUBSET], held = 0;
    size = size == 0 ? 1 : size > MAX_SUBSET ? MAX_SUBSET : size;
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t score = srn_mix64(key ^ p->list[i].ident);
        if ((held == size && score <= scores[held - 1]) || !available(p, i))
            continue;
        uint32_t at = held < size ? held++ : size - 1;
        for (; at > 0 && scores[at - 1] < score; at--) {
            scores[at] = scores[at - 1];
            places[at] = places[at - 1];
        }
        scores[at] = score;
        places[at] = i;
    }
    return held == 0 ? SRN_NONE : places[srn_random(p->w) % held];
}

static uint32_t choose(const srn_pick *p, const srn_how *how) {
    switch (how->algorithm) {
    case SRN_ROUND_ROBIN:
        return round_robin(p, how->counter);
    case SRN_LEAST_CONN:
        return of_two(p, false);
    case SRN_EWMA:
        return of_two(p, true);
    case SRN_SHORTEST_EXPECTED_DELAY:
        return least_delay(p, false);
    case SRN_NEVER_QUEUE:
        return least_delay(p, true);
    case SRN_HASH:
        return how->keyed ? by_key(p, how->key) : spread(p, srn_random(p->w));
    case SRN_HASH_SUBSET:
        return how->keyed ? in_subset(p, how->key, how->subset) : spread(p, srn_random(p->w));
    default:
        return spread(p, srn_random(p->w));
    }
}

/* Leave ejected ones out when that leaves at least half of the pool, and one of those was not tried yet. */
static bool may_shun(const srn_pick *p) {
    uint32_t sound = 0;
    bool left = false;
    for (uint32_t i = 0; i < p->count; i++) {
        if (srn_is_ejected(p->w, &p->list[i], p->now_us))
            continue;
        sound++;
        left = left || !is_tried(p, p->list[i].ident);
    }
    return left && (uint64_t)sound * 2 >= p->count;
}

uint32_t srn_pick_endpoint(srn_pick *p, const srn_how *how) {
    if (p->count == 0)
        return SRN_NONE;
    p->shun = false;
    uint32_t i = choose(p, how);
    if (i == SRN_NONE || atomic_load_explicit(&p->w->state->ejected_latest, memory_order_relaxed) <= p->now_us)
        return i;
    if (!srn_is_ejected(p->w, &p->list[i], p->now_us) || !may_shun(p) || srn_may_try(p->w, &p->list[i], p->now_us))
        return i;
    p->shun = true;
    return choose(p, how);
}
