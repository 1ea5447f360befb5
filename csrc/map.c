/* Opening the files and checking their headers; memory behind cells. Nothing of this is in the decide path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

void srn_say(char *err, size_t err_len, const char *text, const char *what) {
    if (err != NULL && err_len > 0)
        snprintf(err, err_len, "%s: %s", what, text);
}

void srn_unmap(srn_map *m) {
    if (m->base != NULL)
        munmap(m->base, m->length);
    if (m->fd >= 0)
        close(m->fd);
    *m = (srn_map){.fd = -1};
}

bool srn_map_file(srn_map *m, const char *dir, const char *name, bool writable, char *err, size_t err_len) {
    char path[4096];
    struct stat st;
    *m = (srn_map){.fd = -1};
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path) {
        srn_say(err, err_len, "path too long", name);
        return false;
    }
    m->fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0 || fstat(m->fd, &st) != 0) {
        srn_say(err, err_len, strerror(errno), path);
        srn_unmap(m);
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)SRN_HEADER_SIZE) {
        srn_say(err, err_len, "not a file of Serin's", path);
        srn_unmap(m);
        return false;
    }
    m->length = (size_t)st.st_size;
    void *base = mmap(NULL, m->length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, m->fd, 0);
    if (base == MAP_FAILED) {
        srn_say(err, err_len, strerror(errno), path);
        srn_unmap(m);
        return false;
    }
    m->base = base;
    return true;
}

static bool sound_head(const srn_map *m, uint64_t magic, size_t checked) {
    uint64_t checksum;
    const srn_pools_header *h = (const void *)m->base; /* all headers begin alike */
    memcpy(&checksum, m->base + checked, sizeof checksum);
    return h->magic == magic && h->layout == SRN_LAYOUT && h->header_size == SRN_HEADER_SIZE && h->length == m->length &&
           checksum == srn_hash_more(0, m->base, checked);
}

/* `count` cells of `size` from `offset` on lie in the file, aligned. */
static bool region(const srn_map *m, uint64_t offset, uint64_t count, uint64_t size) {
    return offset >= SRN_HEADER_SIZE && offset % 64 == 0 && offset <= m->length && count * size <= m->length - offset;
}

bool srn_check_pools(const srn_map *m) {
    const srn_pools_header *h = (const void *)m->base;
    return sound_head(m, SRN_POOLS_MAGIC, offsetof(srn_pools_header, checksum)) && h->slot_count > 0 &&
           h->slot_count <= 1u << 24 && (h->slot_count & (h->slot_count - 1)) == 0 &&
           region(m, h->slot_offset, h->slot_count, sizeof(srn_slot)) && region(m, h->heap_offset, 0, 0);
}

bool srn_check_state(const srn_map *m) {
    const srn_state_header *h = (const void *)m->base;
    return sound_head(m, SRN_STATE_MAGIC, offsetof(srn_state_header, checksum)) && h->rows > 0 && h->rows <= 1024 && h->names > 0 &&
           region(m, h->rows_offset, h->rows, sizeof(srn_row)) && region(m, h->counters_offset, h->counters, sizeof(srn_word)) &&
           region(m, h->names_offset, h->names, sizeof(srn_name)) &&
           region(m, h->endpoints_offset, h->endpoints, sizeof(srn_endpoint_cell)) &&
           region(m, h->flight_offset, (uint64_t)h->rows * h->endpoints, sizeof(srn_word));
}

bool srn_check_stats(const srn_map *m) {
    const srn_stats_header *h = (const void *)m->base;
    return sound_head(m, SRN_STATS_MAGIC, offsetof(srn_stats_header, checksum)) && h->rows <= 1024 &&
           region(m, h->rows_offset, h->rows, sizeof(srn_stats_row)) &&
           region(m, h->cells_offset, h->cells, sizeof(srn_stats_cell)) &&
           region(m, h->details_offset, h->details, sizeof(srn_detail));
}

bool srn_check_trials(const srn_map *m) {
    const srn_trials_header *h = (const void *)m->base;
    uint64_t cells = (uint64_t)h->slots * SRN_MAX_VERSIONS, users = (uint64_t)h->slots * SRN_BAD_USERS;
    return sound_head(m, SRN_TRIALS_MAGIC, offsetof(srn_trials_header, checksum)) && h->slots <= 1u << 20 &&
           region(m, h->heads_offset, h->slots, sizeof(srn_trial_head)) && region(m, h->cells_offset, cells, sizeof(srn_trial_cell)) &&
           region(m, h->users_offset, users, sizeof(srn_word));
}

bool srn_back(int fd, uint64_t offset, uint64_t size) {
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
}

/* Memory for cells [*backed, wanted): the files are sparse, and a store into a hole of a full memory disk would be fatal.
 * Where the file system cannot promise room, holes are as good as it gets. */
static void back(int fd, uint64_t offset, uint64_t size, uint64_t wanted, srn_word *backed) {
    uint64_t have = atomic_load_explicit(backed, memory_order_acquire);
    if (have >= wanted)
        return;
    if (!srn_back(fd, offset + have * size, (wanted - have) * size))
        return;
    while (have < wanted &&
           !atomic_compare_exchange_weak_explicit(backed, &have, wanted, memory_order_acq_rel, memory_order_acquire))
        ;
}

/* Cells in use and some ahead, in steps so that this is seldom anything to do. */
static uint64_t ahead(const srn_word *used, uint64_t limit) {
    uint64_t n = atomic_load_explicit(used, memory_order_acquire), wanted;
    if (n > limit)
        n = limit;
    wanted = (n + n / 4 + 1024) / 1024 * 1024;
    return wanted < limit ? wanted : limit;
}

static uint32_t limit_of(const srn_word *backed, uint32_t cells) {
    uint64_t n = atomic_load_explicit(backed, memory_order_acquire);
    return n < cells ? (uint32_t)n : cells;
}

void srn_back_cells(srn_worker *w) {
    uint32_t cells = w->state->endpoints;
    uint64_t endpoints = ahead(&w->pools->endpoints_used, cells), row = (uint64_t)w->index * cells * sizeof(srn_word);
    back(w->state_map.fd, w->state->endpoints_offset, sizeof(srn_endpoint_cell), endpoints, &w->state->endpoints_backed);
    back(w->state_map.fd, w->state->flight_offset + row, sizeof(srn_word), endpoints, &w->row->flight_backed);
    back(w->stats_map.fd, w->stats->cells_offset, sizeof(srn_stats_cell), ahead(&w->pools->stats_used, w->stats->cells),
         &w->stats->cells_backed);
    w->endpoint_limit = limit_of(&w->state->endpoints_backed, cells);
    w->flight_limit = limit_of(&w->row->flight_backed, cells);
    w->stats_limit = limit_of(&w->stats->cells_backed, w->stats->cells);
    srn_back_details(w);
}
