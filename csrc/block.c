/* Slots and blocks of pools.bin: found by id, checked at first sight, bounded at each use. */
#include "internal.h"

static uint64_t word_offset(uint64_t word) { return (word >> 32) << 6; }

uint32_t srn_find(const srn_worker *w, uint64_t id, uint32_t kind) {
    if (id == 0)
        return SRN_NO_SLOT;
    uint32_t at = (uint32_t)srn_mix64(id) & w->slot_mask;
    for (uint32_t step = 0; step <= w->slot_mask; step++, at = (at + 1) & w->slot_mask) {
        uint64_t found = atomic_load_explicit(&w->slots[at].id, memory_order_acquire);
        if (found == 0)
            return SRN_NO_SLOT;
        uint64_t word = atomic_load_explicit(&w->slots[at].word, memory_order_acquire);
        if (found == id && (word & SRN_SLOT_KIND) == kind)
            return at;
    }
    return SRN_NO_SLOT;
}

uint32_t srn_find_split(const srn_worker *w, uint64_t split_id) { return srn_find(w, split_id, SRN_SLOT_SPLIT); }

static bool sound_split(const srn_worker *w, const srn_split *s) {
    uint64_t sum = 0;
    uint64_t more = s->flags & (SRN_SPLIT_SALTED | SRN_SPLIT_TRIAL) ? sizeof(srn_release) : 0;
    if (s->count == 0 || s->count > SRN_MAX_VERSIONS || s->block.length != sizeof *s + s->count * sizeof(srn_version) + more)
        return false;
    const srn_release *release = (const void *)&s->versions[s->count];
    if (s->first > s->count || ((s->flags & SRN_SPLIT_TRIAL) && (release->trial == 0 || release->place > SRN_MAX_VERSIONS - s->count)))
        return false;
    uint64_t idents[SRN_MAX_VERSIONS];
    for (uint32_t v = 0; v < s->count; v++) {
        sum += s->versions[v].weight;
        idents[v] = s->versions[v].ident;
    }
    return s->total > 0 && sum <= UINT32_MAX && s->counter < w->counter_limit && s->shape == srn_shape(idents, s->count);
}

static bool sound_pool(const srn_worker *w, const srn_pool *p) {
    if (p->algorithm >= SRN_ALGORITHMS || p->counter >= w->counter_limit)
        return false;
    if (p->flags & SRN_POOL_EXTERNAL)
        return p->count == 0 && p->block.length >= sizeof *p + p->name_len;
    if (p->block.length != sizeof *p + (uint64_t)p->count * sizeof(srn_endpoint))
        return false;
    for (uint32_t i = 0; i < p->count; i++)
        if (p->endpoints[i].family != 4 && p->endpoints[i].family != 6)
            return false;
    return true;
}

static bool within(const srn_worker *w, uint64_t offset, uint64_t size) {
    return offset >= SRN_HEADER_SIZE && offset < w->pools_map.length && size <= w->pools_map.length - offset;
}

bool srn_verify(const srn_worker *w, uint64_t word, uint64_t id) {
    uint64_t offset = word_offset(word);
    if (!within(w, offset, sizeof(srn_pool)))
        return false;
    const uint8_t *at = w->pools_map.base + offset;
    const srn_block *b = (const void *)at;
    uint32_t length = b->length;
    if (b->magic != SRN_BLOCK_MAGIC || b->layout != SRN_LAYOUT || b->kind != (word & SRN_SLOT_KIND) || b->id != id)
        return false;
    if ((b->generation & 0xffffffu) != ((word >> 8) & 0xffffffu) || length < sizeof(srn_pool) || !within(w, offset, length))
        return false;
    uint64_t head = srn_hash_more(0, at, offsetof(srn_block, checksum));
    if (b->checksum != srn_hash_more(head, at + sizeof *b, length - sizeof *b))
        return false;
    return b->kind == SRN_SLOT_SPLIT ? sound_split(w, (const void *)at) : sound_pool(w, (const void *)at);
}

/* A word seen for the first time. When its block is bad, the last good one stays in force while it is still there. */
static uint64_t look_again(srn_worker *w, uint32_t slot, uint64_t word, uint64_t id) {
    if (srn_verify(w, word, id)) {
        w->verified[slot] = word;
        return word;
    }
    uint64_t good = w->verified[slot];
    return good != 0 && srn_verify(w, good, id) ? good : 0;
}

const srn_block *srn_block_at(srn_worker *w, uint32_t slot, uint64_t id, uint32_t kind, int *why) {
    *why = SRN_GONE;
    if (slot > w->slot_mask)
        return NULL;
    uint64_t word = atomic_load_explicit(&w->slots[slot].word, memory_order_acquire);
    if (atomic_load_explicit(&w->slots[slot].id, memory_order_relaxed) != id || (word & SRN_SLOT_KIND) != kind ||
        word_offset(word) == 0)
        return NULL;
    if (word != w->verified[slot]) {
        word = look_again(w, slot, word, id);
        if (word == 0) {
            *why = SRN_CORRUPT;
            return NULL;
        }
    }
    const srn_block *b = (const void *)(w->pools_map.base + word_offset(word));
    /* checked once, but the file is another process's: the counts that loops run to are bounded at every use */
    if (b->id != id || !within(w, word_offset(word), b->length)) {
        *why = SRN_CORRUPT;
        return NULL;
    }
    return b;
}
