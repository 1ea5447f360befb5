/* A damaged pools.bin: whatever bytes it holds, attaching and deciding neither crash nor reach outside the file.
 *
 * Input: a byte of options (1 right header checksum, 2 right block checksums, 4 damage after the first decisions; the upper
 * bits are pool A's algorithm), then changes of 4 bytes: offset, offset, value, how. The rest of the file is sound. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[512];

static void clean(void) {
    static const char *const names[] = {"plan/pools.bin", "state/state.bin", "state/stats.bin", "state/trials.bin", "plan", "state", ""};
    char path[600];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        remove(path);
    }
}

static void prepare(void) {
    const char *folder = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/serin-fuzz-XXXXXX", folder != NULL ? folder : P_tmpdir);
    if (mkdtemp(dir) == NULL || !files_make(dir))
        abort();
    atexit(clean);
}

static void damage(uint8_t *image, const uint8_t *data, size_t size, uint8_t options) {
    static const uint32_t values[] = {0, 1, 0xff, 0x7fffffff, 0xffffffff, 0x10000, 16, 17};
    for (size_t i = 0; i + 4 <= size; i += 4) {
        uint32_t at = ((uint32_t)data[i] << 8 | data[i + 1]) % (FILES_POOLS_SIZE - 4);
        if (data[i + 3] & 0x80)
            memcpy(image + (at & ~3u), &values[data[i + 2] % 8], 4);
        else
            image[at] ^= data[i + 2];
    }
    if (options & 2)
        files_seal_blocks(image);
    if (options & 1)
        files_seal_header(image);
}

static void decide_some(srn_worker *w, uint32_t slot, uint32_t shape) {
    srn_choice held[4];
    const srn_ref ref = {.worker = w, .split = FILES_SPLIT, .slot = slot, .shape = shape};
    for (uint32_t i = 0; i < 24; i++) {
        uint32_t flags = i % 4 == 0 ? SRN_VERSION_ONLY : i % 4 == 1 ? SRN_DECIDED | SRN_DRAWN : SRN_KEYED;
        if (srn_decide_keyed(&ref, i % 6 == 0 ? (int)(i % 4) : -1, i / 4 % 8, i * SRN_GOLDEN, i, flags, 1000u * i, &held[0]) == 0)
            srn_done_as(w, &held[0], 200, (int)(i * 40), i % 5 == 0, 1000u * i + 7);
    }
    for (uint32_t i = 0; i < 24; i++) {
        srn_choice *c = &held[i % 4];
        uint64_t now = 1000u * i;
        int forced = i % 5 == 0 ? (int)(i % 4) : -1;
        if (srn_decide(w, slot, FILES_SPLIT, shape, forced, i / 4 % 8, i * SRN_GOLDEN, i % 4 | (i % 3 == 0 ? SRN_EXACT : 0), now, c) != 0)
            continue;
        if (i % 3 == 0)
            srn_retry(w, slot, FILES_SPLIT, now + 5, c);
        srn_done(w, c, (int)(i * 40), i % 2 == 0, now + 9);
        srn_tell(w, c, i * 40 % 7, i % 20, i, now, now, i % 2 == 0 ? SRN_NO_RESPONSE : i * 100000u, i * 300u,
                 i % 3 == 0 ? SRN_NO_RESPONSE : i * 5000u);
    }
}

/* As nginx does it: by the request's address, with a route that knows other versions too. */
static void requests_some(srn_worker *w, srn_route *route) {
    for (uintptr_t i = 1; i < 12; i++) {
        const void *request = (const void *)(i % 5 * 64);
        const uint8_t *key = i % 2 == 0 ? (const uint8_t *)"fedcba9876543210" : NULL;
        char text[64];
        srn_request_user(w, request, i % 3 == 0 ? (const uint8_t *)"somebody" : NULL, 8);
        if (srn_request_decide(w, request, route, (int)(i % 4) - 1, (uint32_t)(i % 3), key, 16, i % 3 == 0 ? SRN_ASK_KEY : SRN_STICKY | SRN_EXACT) ==
            SRN_KEY_WANTED)
            srn_request_endpoint(w, request, route, (const uint8_t *)"key", 3, SRN_KEYED);
        const srn_choice *c = srn_request_choice(w, request);
        if (c != NULL)
            srn_peer_text(c, text, sizeof text);
        if (srn_request_grant(w, request, 3))
            srn_request_retry(w, request);
        if (i % 2 == 0)
            srn_request_done(w, request, 502, 1);
    }
}

static void overwrite(const uint8_t *image) {
    char path[600];
    snprintf(path, sizeof path, "%s/plan/pools.bin", dir);
    int fd = open(path, O_RDWR);
    if (fd < 0 || pwrite(fd, image, FILES_POOLS_SIZE, 0) != FILES_POOLS_SIZE)
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static _Alignas(64) uint8_t image[FILES_POOLS_SIZE];
    char err[256];
    uint64_t idents[SRN_MAX_VERSIONS];
    uint32_t shape = 0;
    if (dir[0] == 0)
        prepare();
    uint8_t options = size > 0 ? data[0] : 0;
    files_pools(image, (uint32_t)(options >> 4) % SRN_ALGORITHMS);
    if (!(options & 4) && size > 1)
        damage(image, data + 1, size - 1, options);
    if (!files_write(dir, "plan/pools.bin", image, sizeof image))
        abort();
    srn_worker *w = srn_attach(dir, options & 1, 7, err, sizeof err);
    if (w == NULL)
        return 0;
    uint32_t slot = srn_find_split(w, FILES_SPLIT);
    if (srn_versions(w, slot, FILES_SPLIT, idents, &shape) > 0)
        decide_some(w, slot, shape);
    srn_route route;
    srn_route_init(&route, w, FILES_SPLIT, (const uint64_t[]){0xc3u, 0xc1u, 0xeeu}, 3);
    requests_some(w, &route);
    if ((options & 4) && size > 1) {
        damage(image, data + 1, size - 1, options);
        overwrite(image);
        decide_some(w, slot, shape);
        decide_some(w, srn_find_split(w, FILES_SPLIT), shape);
        srn_remap(w, err, sizeof err);
        srn_quiet(w);
        decide_some(w, slot, shape);
        requests_some(w, &route);
    }
    srn_detach(w);
    return 0;
}
