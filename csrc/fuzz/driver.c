/* Runs a fuzz target without libFuzzer: `target -runs=N -seed=S` over random inputs, each made from the one before or from
 * the words given by -words=FILE (one a line); `target FILE…` over files, as libFuzzer does with what it has found. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT 512u
#define MAX_WORDS 256u

static uint64_t state;
static char *words[MAX_WORDS];
static size_t word_count;

static uint32_t below(uint32_t n) {
    state += SRN_GOLDEN;
    return (uint32_t)(srn_mix64(state) >> 32) % n;
}

static size_t mutate(uint8_t *data, size_t size) {
    if (size == 0 || below(20) == 0) {
        size = below(64);
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)below(256);
    }
    for (uint32_t n = 1 + below(4); n > 0; n--) {
        uint32_t at = size > 0 ? below((uint32_t)size) : 0;
        const char *word = word_count > 0 ? words[below((uint32_t)word_count)] : "";
        size_t length = strlen(word);
        switch (below(4)) {
        case 0:
            if (size > 0)
                data[at] ^= (uint8_t)(1u << below(8));
            break;
        case 1:
            if (size > 0)
                data[at] = (uint8_t)below(256);
            break;
        case 2: /* put in a word */
            if (length > 0 && size + length <= MAX_INPUT) {
                memmove(data + at + length, data + at, size - at);
                memcpy(data + at, word, length);
                size += length;
            }
            break;
        default: /* take out or repeat a part */
            if (size > 8 && below(2) == 0) {
                uint32_t part = 1 + below(4);
                memmove(data + at, data + (at + part < size ? at + part : size), at + part < size ? size - at - part : 0);
                size = at + part < size ? size - part : at;
            } else if (size + 8 <= MAX_INPUT && size >= 8) {
                memcpy(data + size, data + below((uint32_t)size - 7), 8);
                size += 8;
            }
        }
    }
    return size;
}

static void read_words(const char *path) {
    char line[256];
    FILE *f = fopen(path, "r");
    while (f != NULL && word_count < MAX_WORDS && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = 0;
        words[word_count++] = strdup(line);
    }
    if (f != NULL)
        fclose(f);
}

static int run_file(const char *path) {
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 1;
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv) {
    uint64_t runs = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            state = strtoull(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-words=", 7) == 0)
            read_words(argv[i] + 7);
        else if (run_file(argv[i]) != 0)
            return 1;
    }
    uint8_t data[MAX_INPUT];
    size_t size = 0;
    for (uint64_t i = 0; i < runs; i++) {
        size = mutate(data, size);
        LLVMFuzzerTestOneInput(data, size);
    }
    for (size_t i = 0; i < word_count; i++)
        free(words[i]);
    printf("%llu inputs\n", (unsigned long long)runs);
    return 0;
}
