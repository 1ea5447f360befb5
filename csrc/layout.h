/* The files' layouts, byte for byte (docs/run-directory.md says the same in words; serin.native.layout in Python).
 * Little-endian, 64-bit. Whatever another process may change while it is read is _Atomic. */
#ifndef SERIN_LAYOUT_H
#define SERIN_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "serin.h"

#define SRN_LAYOUT 2u
#define SRN_POOLS_MAGIC 0x314c4f4f504e5253u /* "SRNPOOL1" */
#define SRN_STATE_MAGIC 0x31544154534e5253u /* "SRNSTAT1" */
#define SRN_STATS_MAGIC 0x33544e55434e5253u /* "SRNCUNT3" */
#define SRN_BLOCK_MAGIC 0x4b4c4253u         /* "SBLK" */
#define SRN_HEADER_SIZE 4096u

typedef _Atomic uint64_t srn_word;

/* --- pools.bin --- */

typedef struct {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_size;
    uint64_t length;
    uint64_t instance;
    uint32_t slot_count; /* a power of two */
    uint32_t reserved;
    uint64_t slot_offset;
    uint64_t heap_offset;
    uint64_t checksum; /* of the bytes before it */
    srn_word epoch;    /* raised by the controller after each change */
    srn_word moved;    /* not 0: a larger file has taken this one's place */
    srn_word flight_readers; /* pools whose algorithm looks at requests in flight; 0: nobody counts them */
    uint64_t pad[5];
    srn_word counters_used; /* cells below these numbers may be named by blocks */
    srn_word endpoints_used;
    srn_word stats_used;
} srn_pools_header;

/* word: offset/64 in bits 32..63, generation in 8..31, flags in 0..7; offset 0: nothing published (any more) */
typedef struct {
    srn_word id; /* 0: never used, ends a probe */
    srn_word word;
} srn_slot;

#define SRN_SLOT_SPLIT 1u
#define SRN_SLOT_POOL 2u
#define SRN_SLOT_FILLED 4u   /* the pool has endpoints */
#define SRN_SLOT_EXTERNAL 8u /* the pool's endpoints are in the table of resolved names */
#define SRN_SLOT_KIND 3u

typedef struct {
    uint32_t magic;
    uint16_t kind; /* SRN_SLOT_SPLIT or SRN_SLOT_POOL */
    uint16_t layout;
    uint32_t length; /* whole block */
    uint32_t generation;
    uint64_t id;
    uint64_t checksum; /* of all other bytes of the block */
} srn_block;

typedef struct {
    uint64_t ident;
    uint64_t pool;
    uint32_t pool_slot;
    uint32_t weight;
    uint32_t stats_cell;
    uint32_t pool_counter; /* the pool's counter, to fetch it early */
} srn_version;

#define SRN_SPLIT_REST 1u
#define SRN_SPLIT_SALTED 2u        /* a user's key chooses the version where there is one */
#define SRN_SPLIT_TRIAL 4u         /* requests are counted in trials.bin, too */
#define SRN_SPLIT_CLIENT_ERRORS 8u /* users who got a 4xx are noted in the trial */

typedef struct {
    srn_block block;
    uint64_t seed;
    uint32_t shape;
    uint32_t total;
    uint32_t flags;
    uint32_t counter;
    uint32_t count;
    uint8_t first; /* 1 + index of the version that is drawn before all others, 0: none */
    uint8_t reserved;
    uint16_t suspended; /* a bit for each version that is as one without endpoints */
    srn_version versions[];
} srn_split;

/* Follows the versions of a split that is salted or in a trial. */
typedef struct {
    uint64_t salts[2];
    uint64_t trial;
    uint32_t trial_slot;
    uint32_t place; /* of the first version; the others follow */
} srn_release;

typedef struct {
    uint64_t ident;
    uint8_t address[16];
    uint16_t port;
    uint8_t family;
    uint8_t reserved;
    uint32_t cell;
} srn_endpoint;

enum {
    SRN_ROUND_ROBIN,
    SRN_RANDOM,
    SRN_LEAST_CONN,
    SRN_EWMA,
    SRN_SHORTEST_EXPECTED_DELAY,
    SRN_NEVER_QUEUE,
    SRN_HASH,
    SRN_HASH_SUBSET,
    SRN_ALGORITHMS
};

#define SRN_POOL_EXTERNAL 1u
#define SRN_POOL_BY_CLIENT 2u /* hashes when a key is given, whatever the algorithm (sessionAffinity ClientIP) */

typedef struct {
    srn_block block;
    uint32_t algorithm;
    uint32_t subset;
    uint32_t flags;
    uint32_t count;
    uint32_t counter;
    uint32_t name_cell; /* external: index in the table of resolved names */
    uint16_t port;      /* external */
    uint16_t name_len;  /* external: the name follows instead of endpoints */
    uint32_t base_cell; /* external: first of SRN_NAME_ADDRESSES endpoint cells */
    srn_endpoint endpoints[];
} srn_pool;

/* --- state.bin --- */

#define SRN_NAME_ADDRESSES 16u

typedef struct {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_size;
    uint64_t length;
    uint64_t instance;
    uint32_t rows;
    uint32_t counters;
    uint32_t endpoints;
    uint32_t names;
    uint64_t rows_offset;
    uint64_t counters_offset;
    uint64_t names_offset;
    uint64_t endpoints_offset;
    uint64_t flight_offset;
    uint64_t checksum;
    uint64_t pad[4];
    srn_word rows_used;        /* rows below this number were ever taken */
    srn_word endpoints_backed; /* endpoint cells that have memory behind them */
    srn_word ejected_latest;   /* µs: no endpoint is ejected after this time */
} srn_state_header;

typedef struct {
    srn_word pid; /* 0: free */
    srn_word epoch;
    srn_word claiming;      /* cell being claimed: 1 + index, stats cells from SRN_CLAIM_STATS on; 0: none */
    srn_word flight_backed; /* cells of this row of the in-flight matrix that have memory behind them */
    uint64_t pad[4];
} srn_row;

#define SRN_CLAIM_STATS 0x100000000u
#define SRN_CLAIM_TRIAL 0x200000000u /* slots of trials.bin from here on */
#define SRN_CLAIM_PART 0x300000000u  /* cells of trials.bin from here on */

typedef struct {
    srn_word ident;
    srn_word ejected_until; /* µs */
    srn_word pace;          /* smoothed answer time in µs (high half), ms of its last change (low half); 0: none */
    srn_word failures;      /* in a row */
} srn_endpoint_cell;

typedef struct {
    uint8_t count;
    uint8_t family[SRN_NAME_ADDRESSES];
    uint8_t reserved[7];
    uint8_t address[SRN_NAME_ADDRESSES][16];
} srn_bank;

/* version: the low bit names the bank in force; the parent writes the other one, then raises the version */
typedef struct {
    srn_word ident; /* hash of the name */
    srn_word version;
    srn_bank banks[2];
    uint64_t pad[8];
} srn_name;

/* --- stats.bin --- */

#define SRN_CLASSES 6u
#define SRN_BUCKETS 32u

typedef struct {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_size;
    uint64_t length;
    uint64_t instance;
    uint32_t rows;
    uint32_t cells;
    uint64_t rows_offset;
    uint64_t cells_offset;
    uint32_t details;
    uint32_t reserved;
    uint64_t details_offset;
    uint64_t checksum;
    srn_word cells_backed;
    srn_word details_used; /* details below this number may be in chains */
    srn_word details_backed;
} srn_stats_header;

typedef struct {
    srn_word classes[SRN_CLASSES];
    srn_word pad[2];
} srn_stats_row;

typedef struct {
    srn_word key; /* of split and version; 0: free, 1 + row: being claimed by that row */
    srn_word latency_us;
    srn_word classes[SRN_CLASSES];
    srn_word buckets[SRN_BUCKETS];
    srn_word failures;
    srn_word split;
    srn_word version;
    srn_word undetailed; /* requests whose status and method were one too many */
    srn_word details;    /* 1 + number of the first detail, 0: none; stays when the cell changes hands */
    srn_word pad[3];
} srn_stats_cell;

#define SRN_DETAIL_BUCKETS 12u
#define SRN_SIZE_BUCKETS 8u
#define SRN_DETAILS_EACH 64u
#define SRN_DETAIL_USED 0x100000u

typedef struct {
    srn_word what; /* method in bits 0..7, status from bit 8 on, SRN_DETAIL_USED; 0: free */
    srn_word next; /* 1 + number of the next one, 0: the last */
    srn_word received;
    srn_word sent;
    srn_word request_us;
    srn_word response_us;
    srn_word connect_us;
    srn_word header_us;
    srn_word request_buckets[SRN_DETAIL_BUCKETS];
    srn_word response_buckets[SRN_DETAIL_BUCKETS];
    srn_word connect_buckets[SRN_DETAIL_BUCKETS];
    srn_word header_buckets[SRN_DETAIL_BUCKETS];
    srn_word received_buckets[SRN_SIZE_BUCKETS];
    srn_word sent_buckets[SRN_SIZE_BUCKETS];
} srn_detail;

/* --- trials.bin --- */

#define SRN_TRIALS_MAGIC 0x314c4149524e5253u /* "SRNRIAL1" */
#define SRN_TRIAL_STATUSES 600u
#define SRN_TRIAL_BUCKETS 97u
#define SRN_USER_WORDS 128u
#define SRN_BAD_USERS 4096u
#define SRN_FAILED 1 /* status of a request that its endpoint gave no answer to */

typedef struct {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_size;
    uint64_t length;
    uint64_t instance;
    uint32_t slots;
    uint32_t reserved;
    uint64_t heads_offset;
    uint64_t cells_offset; /* SRN_MAX_VERSIONS for each slot */
    uint64_t users_offset; /* a table of SRN_BAD_USERS for each slot */
    uint64_t checksum;
} srn_trials_header;

typedef struct {
    srn_word trial;  /* 0: free, 1 + row: being claimed by that row */
    srn_word full;   /* 1: the table of users has no room for one more */
    srn_word backed; /* a bit for each cell that has memory behind it, and SRN_USERS_BACKED; stays when the slot changes hands */
    srn_word pad[5];
} srn_trial_head;

#define SRN_USERS_BACKED 0x10000u

/* of [0] requests that were drawn, [1] all others */
typedef struct {
    srn_word key; /* of trial and place; 0: free, 1 + row: being claimed by that row */
    srn_word counts[2][SRN_TRIAL_STATUSES];
    srn_word latency[2][SRN_TRIAL_BUCKETS];
    srn_word users[SRN_USER_WORDS]; /* a bit by the lowest bits of a user's key */
    srn_word pad[13];
} srn_trial_cell;

/* --- limits.bin --- */

#define SRN_LIMITS_MAGIC 0x31544d4c4e5253u /* "SRNLMT1" */
#define SRN_BUCKET_WAYS 10u
#define SRN_CELL_WAYS 16u

typedef struct {
    uint64_t magic;
    uint32_t layout;
    uint32_t header_size;
    uint64_t length;
    uint64_t instance;
    uint32_t rows;
    uint32_t bucket_sets; /* powers of two */
    uint32_t cell_sets;
    uint32_t reserved;
    uint64_t locks_offset;   /* one word for each set of buckets, then of cells: row + 1 of its holder, 0 free */
    uint64_t buckets_offset;
    uint64_t cells_offset;
    uint64_t checksum;
    srn_word rows_used; /* rows below this number were ever taken */
} srn_limits_header;

typedef struct {
    srn_word name; /* of zone, client and rate; 0: never used */
    srn_word excess; /* thousandths of a request */
    srn_word last_ms; /* CLOCK_MONOTONIC */
} srn_bucket;

typedef struct {
    srn_bucket ways[SRN_BUCKET_WAYS];
    srn_word pad[2];
} srn_bucket_set;

typedef struct {
    srn_word name; /* of zone and client */
    srn_word count; /* 0: the cell is free */
} srn_limit_cell;

typedef struct {
    srn_limit_cell ways[SRN_CELL_WAYS];
} srn_cell_set;

_Static_assert(sizeof(srn_slot) == 16, "slot");
_Static_assert(offsetof(srn_pools_header, epoch) == 64, "epoch");
_Static_assert(offsetof(srn_pools_header, counters_used) == 128, "used");
_Static_assert(sizeof(srn_block) == 32, "block");
_Static_assert(sizeof(srn_version) == 32 && sizeof(srn_split) == 64, "split");
_Static_assert(offsetof(srn_split, first) == 60 && offsetof(srn_split, suspended) == 62 && sizeof(srn_release) == 32, "release");
_Static_assert(sizeof(srn_trials_header) == 72 && offsetof(srn_trials_header, checksum) == 64, "trials header");
_Static_assert(sizeof(srn_trial_head) == 64 && sizeof(srn_trial_cell) == 12288, "trials");
_Static_assert(sizeof(srn_endpoint) == 32 && sizeof(srn_pool) == 64, "pool");
_Static_assert(offsetof(srn_state_header, rows_used) == 128, "state header");
_Static_assert(sizeof(srn_row) == 64 && sizeof(srn_endpoint_cell) == 32, "state cells");
_Static_assert(sizeof(srn_bank) == 280 && sizeof(srn_name) == 640, "names");
_Static_assert(offsetof(srn_stats_header, cells_backed) == 80, "stats header");
_Static_assert(sizeof(srn_limits_header) == 88 && offsetof(srn_limits_header, checksum) == 72, "limits header");
_Static_assert(sizeof(srn_bucket_set) == 256 && sizeof(srn_cell_set) == 256, "limits");
_Static_assert(sizeof(srn_stats_row) == 64 && sizeof(srn_stats_cell) == 384, "stats cells");
_Static_assert(sizeof(srn_detail) == 576 && offsetof(srn_stats_cell, details) == 352, "details");

#endif
