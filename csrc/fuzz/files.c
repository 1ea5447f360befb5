/* See files.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define SLOTS 16u
#define HEAP 8192u
#define ROOM 1024u
#define NAMES 2u
#define CELLS 16u
#define DETAILS 64u
#define COUNTERS 16u
#define TRIALS 2u

static const uint64_t ids[] = {FILES_POOL_A, FILES_POOL_B, FILES_POOL_C, FILES_SPLIT};
#define BLOCKS (sizeof ids / sizeof *ids)

uint32_t files_block(uint64_t id) {
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (ids[i] == id)
            return HEAP + i * ROOM;
    return 0;
}

uint32_t files_slot(const uint8_t *image, uint64_t id) {
    const srn_slot *slots = (const void *)(image + SRN_HEADER_SIZE);
    uint32_t at = (uint32_t)srn_mix64(id) % SLOTS;
    while (atomic_load(&slots[at].id) != id && atomic_load(&slots[at].id) != 0)
        at = (at + 1) % SLOTS;
    return at;
}

void files_seal_header(uint8_t *image) {
    srn_pools_header *h = (void *)image;
    h->checksum = srn_hash_more(0, image, offsetof(srn_pools_header, checksum));
}

static void seal(uint8_t *at) {
    srn_block *b = (void *)at;
    uint32_t length = b->length < sizeof *b ? (uint32_t)sizeof *b : b->length > ROOM ? ROOM : b->length;
    uint64_t head = srn_hash_more(0, at, offsetof(srn_block, checksum));
    b->checksum = srn_hash_more(head, at + sizeof *b, length - sizeof *b);
}

void files_seal_blocks(uint8_t *image) {
    for (uint32_t i = 0; i < BLOCKS; i++)
        seal(image + HEAP + i * ROOM);
}

static void *block(uint8_t *image, uint64_t id, uint32_t flags, size_t length) {
    uint32_t offset = files_block(id), slot = files_slot(image, id);
    srn_slot *slots = (void *)(image + SRN_HEADER_SIZE);
    srn_block *b = (void *)(image + offset);
    b->magic = SRN_BLOCK_MAGIC;
    b->kind = (uint16_t)(flags & SRN_SLOT_KIND);
    b->layout = SRN_LAYOUT;
    b->length = (uint32_t)length;
    b->generation = 1;
    b->id = id;
    atomic_store(&slots[slot].id, id);
    atomic_store(&slots[slot].word, (uint64_t)(offset / 64) << 32 | 1u << 8 | flags);
    return b;
}

static void pool(uint8_t *image, uint64_t id, uint32_t algorithm, uint32_t count, uint32_t first_cell) {
    srn_pool *p = block(image, id, SRN_SLOT_POOL | SRN_SLOT_FILLED, sizeof *p + count * sizeof(srn_endpoint));
    p->algorithm = algorithm;
    p->subset = 2;
    p->count = count;
    p->counter = first_cell;
    for (uint32_t i = 0; i < count; i++) {
        srn_endpoint *e = &p->endpoints[i];
        e->family = 4;
        e->port = 8080;
        e->address[0] = 10;
        e->address[2] = (uint8_t)id;
        e->address[3] = (uint8_t)i;
        e->ident = srn_endpoint_ident(4, e->address, e->port);
        e->cell = first_cell + i;
    }
}

void files_pools(uint8_t image[FILES_POOLS_SIZE], uint32_t algorithm) {
    memset(image, 0, FILES_POOLS_SIZE);
    srn_pools_header *h = (void *)image;
    h->magic = SRN_POOLS_MAGIC;
    h->layout = SRN_LAYOUT;
    h->header_size = SRN_HEADER_SIZE;
    h->length = FILES_POOLS_SIZE;
    h->slot_count = SLOTS;
    h->slot_offset = SRN_HEADER_SIZE;
    h->heap_offset = HEAP;
    atomic_store(&h->epoch, 1);
    atomic_store(&h->flight_readers, 1);
    atomic_store(&h->counters_used, COUNTERS);
    atomic_store(&h->endpoints_used, FILES_ENDPOINTS);
    atomic_store(&h->stats_used, CELLS);
    pool(image, FILES_POOL_A, algorithm, 4, 1);
    pool(image, FILES_POOL_B, SRN_ROUND_ROBIN, 2, 8);
    size_t name = strlen(FILES_NAME);
    srn_pool *external = block(image, FILES_POOL_C, SRN_SLOT_POOL | SRN_SLOT_EXTERNAL, sizeof(srn_pool) + (name + 7) / 8 * 8);
    external->flags = SRN_POOL_EXTERNAL;
    external->name_cell = 1;
    external->counter = 10;
    external->port = 5432;
    external->name_len = (uint16_t)name;
    external->base_cell = 32;
    memcpy(external->endpoints, FILES_NAME, name);
    srn_split *s = block(image, FILES_SPLIT, SRN_SLOT_SPLIT, sizeof *s + 3 * sizeof(srn_version) + sizeof(srn_release));
    srn_release *release = (void *)&s->versions[3];
    uint64_t idents[3];
    s->seed = 42;
    s->total = 100;
    s->flags = SRN_SPLIT_REST | SRN_SPLIT_SALTED | SRN_SPLIT_TRIAL | SRN_SPLIT_CLIENT_ERRORS;
    *release = (srn_release){.salts = {11, 22}, .trial = FILES_TRIAL, .trial_slot = 1, .place = 2};
    s->count = 3;
    for (uint32_t v = 0; v < 3; v++) {
        idents[v] = s->versions[v].ident = 0xc1u + v;
        s->versions[v].pool = ids[v];
        s->versions[v].pool_slot = files_slot(image, ids[v]);
        s->versions[v].weight = 10 * v;
        s->versions[v].stats_cell = v;
    }
    s->shape = srn_shape(idents, 3);
    files_seal_blocks(image);
    files_seal_header(image);
}

bool files_write(const char *dir, const char *name, const void *data, size_t size) {
    char path[4096], fresh[4128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return false;
    bool done = write(fd, data, size) == (ssize_t)size;
    close(fd);
    return done && rename(fresh, path) == 0;
}

static bool write_state(const char *dir) {
    size_t rows = SRN_HEADER_SIZE, counters = rows + FILES_ROWS * sizeof(srn_row), names = counters + COUNTERS * 8;
    size_t endpoints = names + NAMES * sizeof(srn_name), flight = endpoints + FILES_ENDPOINTS * sizeof(srn_endpoint_cell);
    size_t size = flight + (size_t)FILES_ROWS * FILES_ENDPOINTS * 8;
    uint8_t *image = calloc(1, size);
    if (image == NULL)
        return false;
    srn_state_header *h = (void *)image;
    *h = (srn_state_header){.magic = SRN_STATE_MAGIC, .layout = SRN_LAYOUT, .header_size = SRN_HEADER_SIZE, .length = size};
    h->rows = FILES_ROWS;
    h->counters = COUNTERS;
    h->endpoints = FILES_ENDPOINTS;
    h->names = NAMES;
    h->rows_offset = rows;
    h->counters_offset = counters;
    h->names_offset = names;
    h->endpoints_offset = endpoints;
    h->flight_offset = flight;
    h->checksum = srn_hash_more(0, image, offsetof(srn_state_header, checksum));
    srn_name *name = (srn_name *)(void *)(image + names) + 1;
    atomic_store(&name->ident, srn_hash((const uint8_t *)FILES_NAME, strlen(FILES_NAME)));
    name->banks[0].count = 2;
    for (uint8_t i = 0; i < 2; i++) {
        name->banks[0].family[i] = i == 0 ? 4 : 6;
        name->banks[0].address[i][0] = (uint8_t)(192 + i);
    }
    bool done = files_write(dir, "state/state.bin", image, size);
    free(image);
    return done;
}

static bool write_stats(const char *dir) {
    size_t rows = SRN_HEADER_SIZE, cells = rows + FILES_ROWS * sizeof(srn_stats_row);
    size_t details = cells + CELLS * sizeof(srn_stats_cell), size = details + DETAILS * sizeof(srn_detail);
    uint8_t *image = calloc(1, size);
    if (image == NULL)
        return false;
    srn_stats_header *h = (void *)image;
    *h = (srn_stats_header){.magic = SRN_STATS_MAGIC, .layout = SRN_LAYOUT, .header_size = SRN_HEADER_SIZE, .length = size};
    h->rows = FILES_ROWS;
    h->cells = CELLS;
    h->rows_offset = rows;
    h->cells_offset = cells;
    h->details = DETAILS;
    h->details_offset = details;
    h->checksum = srn_hash_more(0, image, offsetof(srn_stats_header, checksum));
    bool done = files_write(dir, "state/stats.bin", image, size);
    free(image);
    return done;
}

static bool write_trials(const char *dir) {
    size_t heads = SRN_HEADER_SIZE, cells = heads + 4096, users = cells + (size_t)TRIALS * SRN_MAX_VERSIONS * sizeof(srn_trial_cell);
    size_t size = users + (size_t)TRIALS * SRN_BAD_USERS * sizeof(srn_word);
    uint8_t *image = calloc(1, size);
    if (image == NULL)
        return false;
    srn_trials_header *h = (void *)image;
    *h = (srn_trials_header){.magic = SRN_TRIALS_MAGIC, .layout = SRN_LAYOUT, .header_size = SRN_HEADER_SIZE, .length = size};
    h->slots = TRIALS;
    h->heads_offset = heads;
    h->cells_offset = cells;
    h->users_offset = users;
    h->checksum = srn_hash_more(0, image, offsetof(srn_trials_header, checksum));
    bool done = files_write(dir, "state/trials.bin", image, size);
    free(image);
    return done;
}

bool files_make(const char *dir) {
    char path[4096];
    static _Alignas(64) uint8_t image[FILES_POOLS_SIZE];
    snprintf(path, sizeof path, "%s/plan", dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/state", dir);
    mkdir(path, 0700);
    files_pools(image, SRN_ROUND_ROBIN);
    return files_write(dir, "plan/pools.bin", image, sizeof image) && write_state(dir) && write_stats(dir) && write_trials(dir);
}
