/* A small run directory made in C, for the fuzz targets and the C tests: no controller, no Python. */
#ifndef SERIN_FUZZ_FILES_H
#define SERIN_FUZZ_FILES_H

#include "../internal.h"

#define FILES_SPLIT 0xa1u  /* three versions, weights rest/10/20: pools A, B, C; salted */
#define FILES_TRIAL 0xdeadbeefu /* that of the split, its first version at place 2 */
#define FILES_POOL_A 0xb1u /* four endpoints, round robin */
#define FILES_POOL_B 0xb2u /* two endpoints */
#define FILES_POOL_C 0xb3u /* an external name with two addresses */
#define FILES_NAME "db.example.com"
#define FILES_POOLS_SIZE 16384u
#define FILES_ENDPOINTS 256u
#define FILES_ROWS 4u

/* DIR/plan and DIR/state with all four files; false when one cannot be written. */
bool files_make(const char *dir);
/* The image of pools.bin; `algorithm` is pool A's. */
void files_pools(uint8_t image[FILES_POOLS_SIZE], uint32_t algorithm);
bool files_write(const char *dir, const char *name, const void *data, size_t size);
/* Right checksums over whatever the image says by now: of the header, of the blocks. */
void files_seal_header(uint8_t *image);
void files_seal_blocks(uint8_t *image);
/* Offset in the image of the block of an id made by files_pools. */
uint32_t files_block(uint64_t id);
/* The slot of an id. */
uint32_t files_slot(const uint8_t *image, uint64_t id);

#endif
