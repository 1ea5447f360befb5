/* Hashes that are the same in every process, plane and language: idents, keys, checksums. Not against collisions by design. */
#include <string.h>

#include "internal.h"

uint32_t srn_abi(void) { return SRN_ABI; }

uint64_t srn_hash_more(uint64_t seed, const uint8_t *data, size_t len) {
    uint64_t h = srn_mix64(seed + SRN_GOLDEN) ^ (uint64_t)len;
    while (len >= 8) {
        uint64_t chunk;
        memcpy(&chunk, data, 8);
        h = srn_mix64(h ^ chunk);
        data += 8;
        len -= 8;
    }
    if (len > 0) {
        uint64_t chunk = 0;
        memcpy(&chunk, data, len);
        h = srn_mix64(h ^ chunk);
    }
    return srn_mix64(h + SRN_GOLDEN);
}

/* Any first value does; with 1 the empty key falls to the same endpoint as in ingress-nginx (observed: hash-header). */
#define FIRST 1u

uint64_t srn_hash(const uint8_t *data, size_t len) { return srn_hash_more(FIRST, data, len); }

uint32_t srn_shape(const uint64_t *idents, uint32_t n) {
    uint64_t h = srn_hash((const uint8_t *)idents, (size_t)n * sizeof *idents);
    return (uint32_t)(h ^ (h >> 32));
}

uint64_t srn_endpoint_ident(uint8_t family, const uint8_t address[16], uint16_t port) {
    uint8_t text[19];
    text[0] = family;
    memcpy(text + 1, address, 16);
    text[17] = (uint8_t)(port >> 8);
    text[18] = (uint8_t)(port & 0xff);
    return srn_hash(text, sizeof text);
}

uint64_t srn_load(const void *base, size_t offset) {
    const srn_word *word = (const void *)((const char *)base + offset);
    return atomic_load_explicit(word, memory_order_acquire);
}

void srn_store(void *base, size_t offset, uint64_t value) {
    srn_word *word = (void *)((char *)base + offset);
    atomic_store_explicit(word, value, memory_order_release);
}
