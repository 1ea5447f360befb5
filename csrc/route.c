/* The split of a location of nginx.conf: stays right when pools.bin, the slot or the order of versions change under it. */
#include <string.h>

#include "internal.h"

void srn_route_init(srn_route *route, srn_worker *w, uint64_t split_id, const uint64_t *idents, uint32_t count) {
    memset(route, 0, sizeof *route);
    route->count = count < SRN_MAX_VERSIONS ? count : SRN_MAX_VERSIONS;
    memcpy(route->idents, idents, route->count * sizeof *idents);
    route->ref.worker = w;
    route->ref.split = split_id;
    route->ref.slot = srn_find_split(w, split_id);
    route->ref.shape = srn_shape(route->idents, route->count);
}

static int32_t index_of(uint64_t ident, const uint64_t *list, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == ident)
            return (int32_t)i;
    return -1;
}

/* Learn the block's versions. Those that the route does not know are left out. */
static bool map_versions(srn_route *route) {
    uint64_t block[SRN_MAX_VERSIONS];
    uint32_t shape;
    int found = srn_versions(route->ref.worker, route->ref.slot, route->ref.split, block, &shape);
    if (found <= 0)
        return false;
    uint32_t count = (uint32_t)found;
    route->ref.shape = shape;
    route->left_out = 0;
    route->mapped = count != route->count || memcmp(block, route->idents, count * sizeof *block) != 0;
    for (uint32_t v = 0; v < route->count; v++)
        route->to_block[v] = index_of(route->idents[v], block, count);
    for (uint32_t at = 0; at < count; at++) {
        route->from_block[at] = index_of(block[at], route->idents, route->count);
        if (route->from_block[at] < 0)
            route->left_out |= 1u << at;
    }
    return true;
}

static int decide_mapped(srn_route *route, int32_t forced, uint32_t excluded, uint64_t user, uint64_t key, uint32_t flags,
                         srn_choice *c) {
    if (!route->mapped)
        return srn_decide_keyed(&route->ref, forced, excluded, user, key, flags, 0, c);
    uint32_t out = route->left_out;
    for (uint32_t v = 0; v < route->count; v++)
        if (route->to_block[v] >= 0 && ((excluded >> v) & 1u))
            out |= 1u << (uint32_t)route->to_block[v];
    if (forced >= 0) {
        forced = (uint32_t)forced < route->count ? route->to_block[forced] : -1;
        if (forced < 0)
            return SRN_NO_ENDPOINT;
    }
    int result = srn_decide_keyed(&route->ref, forced, out, user, key, flags, 0, c);
    if (result == 0 || result == SRN_KEY_WANTED)
        c->version = route->from_block[c->version];
    return result;
}

int srn_route_decide(srn_route *route, int32_t forced, uint32_t excluded, uint64_t user, uint64_t key, uint32_t flags, srn_choice *c) {
    int result = SRN_STALE;
    for (int tries = 0; tries < 5; tries++) {
        result = decide_mapped(route, forced, excluded, user, key, flags, c);
        if (result == SRN_MOVED)
            srn_remap(route->ref.worker, NULL, 0);
        if (result == SRN_MOVED || result == SRN_GONE) {
            uint32_t slot = srn_find_split(route->ref.worker, route->ref.split);
            if (slot == route->ref.slot && result == SRN_GONE)
                return result;
            route->ref.slot = slot;
        } else if (result != SRN_STALE || !map_versions(route))
            return result;
    }
    return result;
}
