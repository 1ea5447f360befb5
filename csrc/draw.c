/* The stratified draw: exact weights that stay random. Pure functions; the counter's value and the seed come in. */
#include "internal.h"

/* What each version present has of the requests that nothing else decided. With `rest`, main takes what the versions left
 * in the request leave of the total; without main they share in proportion. */
void srn_share_out(const srn_split *split, uint32_t count, uint32_t present, srn_shares *out) {
    uint64_t sum = 0;
    for (uint32_t v = 1; v < count; v++) {
        out->weight[v] = (present >> v) & 1u ? split->versions[v].weight : 0;
        sum += out->weight[v];
    }
    uint64_t main_weight = 0;
    if (present & 1u) {
        if (split->flags & SRN_SPLIT_REST)
            main_weight = split->total > sum ? split->total - sum : 0;
        else
            main_weight = split->versions[0].weight;
    }
    out->weight[0] = main_weight;
    out->total = sum + main_weight;
}

/* One level: version of weight a of T is drawn or not for the n-th request that comes to this level.
 * Returns whether it is, and leaves in *n the number of misses before, which is the next level's n. */
static bool draw_level(uint64_t *n, uint64_t a, uint64_t T, uint64_t seed) {
    bool complement = a > T - a;
    uint64_t part = complement ? T - a : a;
    uint64_t q = *n / T, i = *n % T;
    uint64_t j = i * part / T;
    uint64_t lo = (j * T + part - 1) / part;
    uint64_t hi = ((j + 1) * T + part - 1) / part;
    uint64_t stratum = q * part + j;
    uint64_t place = lo + srn_mix64(seed ^ stratum) % (hi - lo);
    uint64_t hits = stratum + (place < i ? 1 : 0);
    bool hit = i == place;
    if (complement) {
        *n = hits;
        return !hit;
    }
    *n -= hits;
    return hit;
}

/* Canaries in order, main last. Each level has a seed of its own: with one seed for all, places of equal strata would
 * follow each other from level to level. The first level's is the split's. T < 2**32. */
int srn_draw(const srn_shares *shares, uint32_t count, uint64_t n, uint64_t seed) {
    uint64_t T = shares->total;
    for (uint32_t v = 1; v < count; v++) {
        uint64_t a = shares->weight[v];
        if (a == 0)
            continue;
        if (a == T || draw_level(&n, a, T, seed))
            return (int)v;
        T -= a;
        seed = srn_mix64(seed + SRN_GOLDEN);
    }
    return 0;
}
