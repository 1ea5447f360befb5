/* The decision of a request: which version, then which endpoint, counted in flight. Nothing here allocates or locks. */
#include <string.h>

#include "internal.h"

static uint32_t bounded(const srn_worker *w, const void *list, size_t size, uint32_t count) {
    size_t room = (size_t)(w->pools_map.base + w->pools_map.length - (const uint8_t *)list) / size;
    return count < room ? count : (uint32_t)room;
}

static uint32_t version_count(const srn_worker *w, const srn_split *split) {
    return bounded(w, split->versions, sizeof *split->versions, split->count < SRN_MAX_VERSIONS ? split->count : SRN_MAX_VERSIONS);
}

/* Addresses of an external name, as the parent resolved them last, as endpoints. */
static uint32_t resolved(const srn_worker *w, const srn_pool *pool, srn_endpoint out[SRN_NAME_ADDRESSES]) {
    srn_bank bank;
    uint32_t cell = pool->name_cell;
    if (cell >= w->name_limit)
        return 0;
    const srn_name *name = &w->names[cell];
    uint32_t name_len = bounded(w, pool->endpoints, 1, pool->name_len);
    if (atomic_load_explicit(&name->ident, memory_order_acquire) != srn_hash((const uint8_t *)pool->endpoints, name_len))
        return 0;
    for (int tries = 0; tries < 8; tries++) {
        uint64_t version = atomic_load_explicit(&name->version, memory_order_acquire);
        memcpy(&bank, &name->banks[version & 1u], sizeof bank);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&name->version, memory_order_relaxed) == version)
            break;
        bank.count = 0;
    }
    uint32_t count = bank.count < SRN_NAME_ADDRESSES ? bank.count : SRN_NAME_ADDRESSES;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(out[i].address, bank.address[i], 16);
        out[i].family = bank.family[i] == 6 ? 6 : 4;
        out[i].port = pool->port;
        out[i].ident = srn_endpoint_ident(out[i].family, out[i].address, pool->port);
        out[i].cell = pool->base_cell + i;
    }
    return count;
}

static const srn_pool *pool_at(srn_worker *w, uint32_t slot, uint64_t id, int *why) {
    return (const void *)srn_block_at(w, slot, id, SRN_SLOT_POOL, why);
}

/* Whether a version's pool has an endpoint; told by its slot alone, but for external names. The pool's block is fetched
 * meanwhile: by the time that the draw is over it is near. */
static bool has_endpoints(srn_worker *w, const srn_version *v) {
    if (v->pool_slot > w->slot_mask)
        return false;
    const srn_slot *slot = &w->slots[v->pool_slot];
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if (atomic_load_explicit(&slot->id, memory_order_relaxed) != v->pool || (word & SRN_SLOT_POOL) == 0)
        return false;
    __builtin_prefetch(w->pools_map.base + (word >> 32 << 6));
    if ((word & SRN_SLOT_EXTERNAL) == 0)
        return (word & SRN_SLOT_FILLED) != 0;
    int why;
    srn_endpoint list[SRN_NAME_ADDRESSES];
    const srn_pool *pool = pool_at(w, v->pool_slot, v->pool, &why);
    return pool != NULL && resolved(w, pool, list) > 0;
}

/* Salts and trial of a split that has them; NULL: none, or not within the file by now. */
static const srn_release *release_of(const srn_worker *w, const srn_split *split, uint32_t count) {
    if ((split->flags & (SRN_SPLIT_SALTED | SRN_SPLIT_TRIAL)) == 0)
        return NULL;
    const srn_release *release = (const void *)&split->versions[count];
    return bounded(w, release, sizeof *release, 1) != 0 ? release : NULL;
}

static int choose_version(srn_worker *w, const srn_split *split, uint32_t count, uint32_t excluded, const srn_release *release,
                          uint64_t user, srn_choice *out) {
    uint32_t present = 0, weighted = 0, gone = excluded | split->suspended, first = split->first <= count ? split->first : 0;
    __builtin_prefetch(&w->counters[split->counter < w->counter_limit ? split->counter : 0], 1);
    for (uint32_t v = 0; v < count; v++)
        if (!((gone >> v) & 1u) && has_endpoints(w, &split->versions[v]))
            present |= 1u << v;
    if (release != NULL) {
        for (uint32_t v = 0; v < count; v++)
            weighted |= (split->versions[v].weight != 0 ? 1u : 0u) << v;
        out->marks = count > 1 && excluded == 0 && (weighted & ~present) == 0 ? SRN_WAS_DRAWN : 0;
    }
    srn_shares shares;
    srn_share_out(split, count, present, &shares);
    if (shares.total == 0)
        return SRN_NO_ENDPOINT;
    if (shares.total > UINT32_MAX)
        return SRN_CORRUPT;
    for (uint32_t v = 0; v < count; v++) {
        if (shares.weight[v] != shares.total)
            continue;
        out->reason = v != 0 && (present & 1u) ? SRN_BY_WEIGHT : SRN_BY_DEFAULT;
        return (int)v;
    }
    out->reason = SRN_BY_WEIGHT;
    if (release != NULL && user != 0)
        return srn_version_of(split, count, present, release->salts, user);
    uint64_t n;
    if (split->counter < w->counter_limit)
        n = atomic_fetch_add_explicit(&w->counters[split->counter], 1, memory_order_relaxed);
    else
        n = srn_random(w) >> 16;
    return srn_draw(&shares, count, first, n, split->seed);
}

static bool take_exact(const srn_pick *p, uint64_t ident, uint32_t *at) {
    for (uint32_t i = 0; i < p->tried_count; i++)
        if (p->tried[i] == ident)
            return false;
    for (uint32_t i = 0; i < p->count; i++)
        if (p->list[i].ident == ident) {
            *at = i;
            return true;
        }
    return false;
}

static uint32_t endpoints_of(const srn_worker *w, const srn_pool *pool, srn_endpoint names[SRN_NAME_ADDRESSES],
                             const srn_endpoint **list) {
    bool external = pool->flags & SRN_POOL_EXTERNAL;
    *list = external ? names : pool->endpoints;
    return external ? resolved(w, pool, names) : bounded(w, pool->endpoints, sizeof **list, pool->count);
}

/* The pool of a choice made earlier; another file may be in force since, whose slots are others. */
static const srn_pool *pool_of(srn_worker *w, const srn_choice *c) {
    int why;
    const srn_pool *pool = pool_at(w, c->pool_slot, c->pool, &why);
    return pool == NULL && why == SRN_GONE ? pool_at(w, srn_find(w, c->pool, SRN_SLOT_POOL), c->pool, &why) : pool;
}

static bool hashes(const srn_pool *pool) {
    return pool->algorithm == SRN_HASH || pool->algorithm == SRN_HASH_SUBSET || (pool->flags & SRN_POOL_BY_CLIENT);
}

static int choose_endpoint(srn_worker *w, const srn_pool *pool, uint64_t now_us, srn_choice *c) {
    srn_endpoint list[SRN_NAME_ADDRESSES];
    srn_pick p = {.w = w, .now_us = now_us, .tried = c->tried, .tried_count = c->tried_count};
    p.count = endpoints_of(w, pool, list, &p.list);
    srn_how how = {.algorithm = pool->algorithm, .subset = pool->subset, .counter = pool->counter, .key = c->key};
    how.keyed = (c->flags & (SRN_KEYED | SRN_STICKY)) != 0;
    if ((c->flags & SRN_STICKY) || (how.keyed && (pool->flags & SRN_POOL_BY_CLIENT)))
        how.algorithm = SRN_HASH;
    if (how.counter >= w->counter_limit && how.algorithm == SRN_ROUND_ROBIN)
        how.algorithm = SRN_RANDOM;
    uint32_t at = SRN_NONE;
    c->exact = (c->flags & SRN_STICKY) && (c->flags & SRN_EXACT) && take_exact(&p, c->key, &at);
    if (!c->exact)
        at = srn_pick_endpoint(&p, &how);
    if (at == SRN_NONE)
        return SRN_NO_ENDPOINT;
    const srn_endpoint *e = &p.list[at];
    c->endpoint = e->ident;
    memcpy(c->address, e->address, sizeof c->address);
    c->port = e->port;
    c->family = e->family;
    c->endpoint_cell = e->cell;
    c->algorithm = pool->algorithm;
    c->attempt_us = now_us;
    c->open = 1;
    c->counted = atomic_load_explicit(&w->pools->flight_readers, memory_order_relaxed) != 0;
    if (c->counted)
        srn_enter(w, e->ident, e->cell);
    return 0;
}

static const srn_split *split_at(srn_worker *w, uint32_t slot, uint64_t id, int *why) {
    srn_announce(w);
    if (srn_has_moved(w)) {
        *why = SRN_MOVED;
        return NULL;
    }
    return (const void *)srn_block_at(w, slot, id, SRN_SLOT_SPLIT, why);
}

int srn_versions(srn_worker *w, uint32_t slot, uint64_t split_id, uint64_t out[SRN_MAX_VERSIONS], uint32_t *shape) {
    int why;
    const srn_split *split = split_at(w, slot, split_id, &why);
    if (split == NULL)
        return why;
    uint32_t count = version_count(w, split);
    for (uint32_t v = 0; v < count; v++)
        out[v] = split->versions[v].ident;
    *shape = split->shape;
    return (int)count;
}

/* Whether rules, a cookie or an earlier call may have this version. */
static bool is_open(const srn_split *split, uint32_t version, uint32_t flags) {
    return (flags & SRN_DECIDED) || !((split->suspended >> version) & 1u);
}

__attribute__((always_inline)) static inline int decide(srn_worker *w, uint32_t slot, uint64_t split_id, uint32_t shape, int32_t forced, uint32_t excluded,
                         uint64_t user, uint64_t key, uint32_t flags, uint64_t now_us, srn_choice *out) {
    int why;
    const srn_split *split = split_at(w, slot, split_id, &why);
    if (split == NULL)
        return why;
    if (split->shape != shape)
        return SRN_STALE;
    uint32_t count = version_count(w, split);
    const srn_release *release = release_of(w, split, count);
    int version = forced;
    out->reason = SRN_BY_CALLER;
    out->marks = flags & SRN_DRAWN ? SRN_WAS_DRAWN : 0;
    if (release != NULL)
        out->user = user = split->flags & SRN_SPLIT_SALTED ? user : 0;
    if (forced < 0)
        version = choose_version(w, split, count, excluded, release, user, out);
    if (version < 0 || (uint32_t)version >= count)
        return version == SRN_CORRUPT ? SRN_CORRUPT : SRN_NO_ENDPOINT;
    const srn_version *v = &split->versions[version];
    if (forced >= 0 && !is_open(split, (uint32_t)version, flags))
        return SRN_NO_ENDPOINT;
    out->version = version;
    out->endpoint = 0;
    out->exact = 0;
    out->open = 0;
    out->tried_count = 0;
    out->endpoint_cell = SRN_NO_SLOT;
    out->stats_cell = SRN_NO_SLOT;
    if (flags & SRN_VERSION_ONLY)
        return forced < 0 || has_endpoints(w, v) ? 0 : SRN_NO_ENDPOINT;
    const srn_pool *pool = pool_at(w, v->pool_slot, v->pool, &why);
    if (pool == NULL)
        return why == SRN_GONE ? SRN_NO_ENDPOINT : why;
    if ((flags & SRN_ASK_KEY) && hashes(pool) && (forced < 0 || has_endpoints(w, v)))
        return SRN_KEY_WANTED;
    out->stats_cell = v->stats_cell;
    out->pool = v->pool;
    out->pool_slot = v->pool_slot;
    out->split = split_id;
    out->version_ident = v->ident;
    out->key = key;
    out->flags = flags;
    out->started_us = srn_time(now_us);
    if (release != NULL && (split->flags & SRN_SPLIT_TRIAL))
        srn_enter_trial(w, split, release, out);
    return choose_endpoint(w, pool, out->started_us, out);
}

int srn_decide(srn_worker *w, uint32_t slot, uint64_t split_id, uint32_t shape, int32_t forced, uint32_t excluded, uint64_t key,
               uint32_t flags, uint64_t now_us, srn_choice *out) {
    return decide(w, slot, split_id, shape, forced, excluded, 0, key, flags, now_us, out);
}

bool srn_main_of(const srn_ref *ref, srn_choice *out) {
    int why;
    uint32_t slot = srn_find(ref->worker, ref->split, SRN_SLOT_SPLIT);
    const srn_split *split = slot == SRN_NO_SLOT ? NULL : split_at(ref->worker, slot, ref->split, &why);
    if (split == NULL || version_count(ref->worker, split) == 0)
        return false;
    out->split = ref->split;
    out->version_ident = split->versions[0].ident;
    out->stats_cell = split->versions[0].stats_cell;
    return true;
}

int srn_decide_at(const srn_ref *ref, int32_t forced, uint32_t excluded, uint64_t key, uint32_t flags, srn_choice *out) {
    return decide(ref->worker, ref->slot, ref->split, ref->shape, forced, excluded, 0, key, flags, 0, out);
}

int srn_decide_keyed(const srn_ref *ref, int32_t forced, uint32_t excluded, uint64_t user, uint64_t key, uint32_t flags,
                     uint64_t now_us, srn_choice *out) {
    return decide(ref->worker, ref->slot, ref->split, ref->shape, forced, excluded, user, key, flags, now_us, out);
}

int srn_decide_plain(const srn_ref *ref, srn_choice *out) {
    return decide(ref->worker, ref->slot, ref->split, ref->shape, -1, 0, 0, 0, 0, 0, out);
}

int srn_retry(srn_worker *w, uint32_t slot, uint64_t split_id, uint64_t now_us, srn_choice *c) {
    (void)slot;
    (void)split_id;
    srn_announce(w);
    if (!c->open)
        return SRN_NO_ENDPOINT;
    c->open = 0;
    now_us = srn_time(now_us);
    if (c->counted)
        srn_leave(w, c->endpoint, c->endpoint_cell);
    srn_note_failure(w, c->endpoint, c->endpoint_cell, now_us);
    srn_count_failure(w, c);
    if (c->tried_count >= SRN_MAX_TRIED)
        return SRN_NO_ENDPOINT;
    c->tried[c->tried_count++] = c->endpoint;
    const srn_pool *pool = pool_of(w, c);
    return pool == NULL ? SRN_NO_ENDPOINT : choose_endpoint(w, pool, now_us, c);
}

bool srn_has_untried(srn_worker *w, const srn_choice *c) {
    srn_endpoint names[SRN_NAME_ADDRESSES];
    srn_announce(w);
    const srn_pool *pool = c->open && c->tried_count < SRN_MAX_TRIED ? pool_of(w, c) : NULL;
    if (pool == NULL)
        return false;
    const srn_endpoint *list;
    uint32_t count = endpoints_of(w, pool, names, &list);
    for (uint32_t i = 0; i < count; i++) {
        bool tried = list[i].ident == c->endpoint;
        for (uint32_t t = 0; t < c->tried_count && !tried; t++)
            tried = c->tried[t] == list[i].ident;
        if (!tried)
            return true;
    }
    return false;
}
