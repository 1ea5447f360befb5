/* The stratified draw: exact weights that stay random. Pure functions; the counter's value and the seed come in. */
#include "internal.h"

/* What each version present has of the requests that nothing else decided. With `rest`, main takes what the versions left
 * in the request leave of the total; without main they share in proportion. Where nobody has a part, main has it all; without
 * `rest` it is the first version that is there, so that no request is refused while one could be served. */
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
    if (sum == 0 && main_weight == 0) {
        main_weight = present & 1u;
        for (uint32_t v = 1; v < count && sum + main_weight == 0 && !(split->flags & SRN_SPLIT_REST); v++)
            sum = out->weight[v] = (present >> v) & 1u;
    }
    out->weight[0] = main_weight;
    out->total = sum + main_weight;
}

/* n / d by multiplication, exact for all 32-bit n; what has to be divided depends on the weights alone, so that it is done
 * while the level before is still being worked out (Lemire, Kaser, Kurz: Faster remainder by direct computation). */
__extension__ typedef unsigned __int128 wide;
static inline uint64_t inverse(uint32_t d) { return UINT64_MAX / d + 1; }
static inline uint32_t over(uint32_t n, uint32_t d, uint64_t inv) { return d == 1 ? n : (uint32_t)((wide)inv * n >> 64); }

/* One level for the i-th request of block q of T: is the version of weight a drawn, and if not, which request of the same
 * block of the next level is this? (Each block leaves T - a requests to the next level, so that q is the same there: one
 * division of the counter serves all levels.) Of the `part` strata of a block, stratum j is the requests with
 * i*part/T == j; `behind` of them lie before i, `ahead` from i on, and one of them at random is drawn. */
__attribute__((always_inline)) static inline bool draw_level(uint64_t q, uint32_t *i, uint32_t a, uint32_t T, uint64_t seed) {
    bool complement = a > T - a;
    uint32_t part = complement ? T - a : a, j, rest;
    uint64_t inv_T = inverse(T), inv_part = inverse(part), product = (uint64_t)*i * part;
    if ((uint64_t)T * part <= UINT32_MAX) {
        j = over((uint32_t)product, T, inv_T);
        rest = (uint32_t)product - j * T;
    } else {
        j = (uint32_t)(product / T);
        rest = (uint32_t)(product % T);
    }
    uint32_t behind = over(rest, part, inv_part), ahead = over(T - rest - 1, part, inv_part) + 1;
    uint32_t place = (uint32_t)(srn_mix64(seed ^ (q * part + j)) % ((uint64_t)behind + ahead));
    uint32_t hits = j + (place < behind ? 1 : 0);
    *i = complement ? hits : *i - hits;
    return (place == behind) != complement;
}

/* The version in rollout (`first` - 1, if any) first, then canaries in order, main last. On the first level a share is exact
 * whatever the others have, and the same requests are drawn while their weights change. Each level has a seed of its own:
 * with one seed for all, places of equal strata would follow each other from level to level. Total below 2**32. The shares
 * are used up. */
int srn_draw(srn_shares *shares, uint32_t count, uint32_t first, uint64_t n, uint64_t seed) {
    uint32_t T = (uint32_t)shares->total;
    uint64_t q = n / T;
    uint32_t i = (uint32_t)(n % T);
    if (first != 0 && shares->weight[first - 1] != 0) {
        uint32_t a = (uint32_t)shares->weight[first - 1];
        if (a == T || draw_level(q, &i, a, T, seed))
            return (int)first - 1;
        shares->weight[first - 1] = 0;
        T -= a;
        seed = srn_mix64(seed + SRN_GOLDEN);
    }
    for (uint32_t v = 1; v < count; v++) {
        uint32_t a = (uint32_t)shares->weight[v];
        if (a == 0)
            continue;
        if (a == T || draw_level(q, &i, a, T, seed))
            return (int)v;
        T -= a;
        seed = srn_mix64(seed + SRN_GOLDEN);
    }
    return 0;
}
