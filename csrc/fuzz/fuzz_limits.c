/* A damaged limits.bin under use: whatever its cells hold, asking neither crashes, nor reaches outside, nor waits for long.
 *
 * Input: a byte of options (1: the damage is done before attaching, header included, with a right checksum when 2 is set,
 * too), then operations of 4 bytes: what, client, and an offset to damage or a wait. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"

#define ROWS 2u
#define SETS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOCKS = SRN_HEADER_SIZE, BUCKETS = LOCKS + 2 * SETS * 8, CELLS = BUCKETS + SETS * sizeof(srn_bucket_set) };
enum { SIZE = CELLS + ROWS * SETS * sizeof(srn_cell_set) };

static char dir[512];

static void clean(void) {
    static const char *const names[] = {"state/limits.bin", "state", ""};
    char path[600];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        remove(path);
    }
}

static void prepare(void) {
    const char *folder = getenv("TMPDIR");
    char path[600];
    snprintf(dir, sizeof dir, "%s/serin-fuzz-XXXXXX", folder != NULL ? folder : P_tmpdir);
    if (mkdtemp(dir) == NULL)
        abort();
    snprintf(path, sizeof path, "%s/state", dir);
    mkdir(path, 0700);
    atexit(clean);
}

static void seal(uint8_t *image) {
    srn_limits_header *h = (void *)image;
    h->checksum = srn_hash_more(0, image, offsetof(srn_limits_header, checksum));
}

static void make(uint8_t *image) {
    srn_limits_header *h = (void *)image;
    memset(image, 0, SIZE);
    *h = (srn_limits_header){.magic = SRN_LIMITS_MAGIC, .layout = SRN_LAYOUT, .header_size = SRN_HEADER_SIZE, .length = SIZE};
    h->rows = ROWS;
    h->bucket_sets = h->cell_sets = SETS;
    h->locks_offset = LOCKS;
    h->buckets_offset = BUCKETS;
    h->cells_offset = CELLS;
    seal(image);
}

/* A lock held by a row that is nobody's is waited for: not damaged here, serin.native's tests do that. */
static uint32_t place(const uint8_t *op) {
    uint32_t at = ((uint32_t)op[2] << 8 | op[3]) % SIZE;
    return at >= LOCKS && at < BUCKETS ? at + (BUCKETS - LOCKS) : at;
}

static void use(srn_limits *l, srn_limits *other, uint8_t *base, const uint8_t *op, uint64_t *now) {
    const srn_rate rates[2] = {{(uint64_t)op[2] << (op[3] % 56), op[3]}, {1000, UINT32_MAX >> (op[2] % 32)}};
    switch (op[0] % 5) {
    case 0:
        srn_limit_requests(l, op[1], op[1], rates, 1 + op[3] % 2, *now);
        break;
    case 1:
        srn_limit_enter(op[3] % 2 ? l : other, op[1] % 3, op[1], 1u + op[2]);
        break;
    case 2:
        srn_limit_leave(op[3] % 2 ? l : other, op[1] % 3, op[1]);
        break;
    case 3:
        *now += (uint64_t)op[2] << (op[3] % 50);
        break;
    default:
        if (place(op) >= SRN_HEADER_SIZE)
            base[place(op)] ^= op[1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static _Alignas(64) uint8_t image[SIZE];
    char err[128];
    if (dir[0] == 0)
        prepare();
    if (size < 1)
        return 0;
    make(image);
    for (size_t i = 1; (data[0] & 1) && i + 4 <= size; i += 4)
        image[place(data + i) % (2 * SRN_HEADER_SIZE / 3)] ^= data[i + 1];
    if ((data[0] & 3) == 3)
        seal(image);
    if (!files_write(dir, "state/limits.bin", image, SIZE))
        abort();
    srn_limits *l = srn_limits_attach(dir, 0, err, sizeof err), *other = srn_limits_attach(dir, 1, err, sizeof err);
    srn_map shared;
    if (l != NULL && other != NULL && srn_map_file(&shared, dir, "state/limits.bin", true, err, sizeof err)) {
        uint64_t now = 1;
        for (size_t i = 1; i + 4 <= size; i += 4)
            use(l, other, shared.base, data + i, &now);
        srn_unmap(&shared);
    }
    srn_limits_detach(l);
    srn_limits_detach(other);
    return 0;
}
