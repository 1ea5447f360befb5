/* Which version a user's key chooses: two keyed hashes, so that users move only to or from the version in rollout. The same
 * bits as serin.routing.user_split, which says why; docs/canaryroute.md has test vectors. */
#include "internal.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t bucket(uint64_t user, uint64_t salt, uint64_t total) { return (uint64_t)((wide)srn_mix64(user ^ salt) * total >> 64); }

/* The first `count` versions that are `among`, by their weights; they have some. */
static int by_weight(const srn_split *split, uint32_t count, uint32_t among, uint64_t user, uint64_t salt) {
    uint64_t total = 0;
    int last = 0;
    for (uint32_t v = 0; v < count; v++)
        total += (among >> v) & 1u ? split->versions[v].weight : 0;
    uint64_t at = bucket(user, salt, total);
    for (uint32_t v = 0; v < count; v++) {
        uint64_t weight = (among >> v) & 1u ? split->versions[v].weight : 0;
        if (weight == 0)
            continue;
        if (at < weight)
            return (int)v;
        at -= weight;
        last = (int)v;
    }
    return last; /* the block changed under us */
}

int srn_version_of(const srn_split *split, uint32_t count, uint32_t present, const uint64_t salts[2], uint64_t user) {
    uint64_t sum = 0;
    uint32_t all = (1u << count) - 1, there = 0, first = split->first <= count ? split->first : 0;
    uint32_t others = first == 0 ? all : all & ~(1u << (first - 1));
    for (uint32_t v = 0; v < count; v++) {
        sum += split->versions[v].weight;
        if (split->versions[v].weight != 0)
            there |= present & 1u << v;
    }
    if (there & ~others && bucket(user, salts[0], sum) < split->versions[first - 1].weight)
        return (int)first - 1;
    if ((there & others) == 0)
        return (int)first - 1;
    int found = by_weight(split, count, others, user, salts[1]);
    return (present >> found) & 1u ? found : by_weight(split, count, present & others, user, srn_mix64(salts[1]));
}
