/* Times srn_decide alone and with srn_done: `decide DIR FILE`, FILE holding "id shape" in hex, a split a line.
 * Prints ns: median of batches over splits in random order, decide, then decide and done. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../csrc/serin.h"

#define BATCH 512
#define BATCHES 4000
#define MAX_SPLITS 100000

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, BATCHES, sizeof *values, by_value);
    return values[BATCHES / 2];
}

int main(int argc, char **argv) {
    static uint64_t ids[MAX_SPLITS];
    static uint32_t shapes[MAX_SPLITS], slots[MAX_SPLITS];
    static srn_choice choices[BATCH];
    static double alone[BATCHES], both[BATCHES];
    char err[256];
    uint32_t count = 0;
    FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
    srn_worker *w = f == NULL ? NULL : srn_attach(argv[1], 1, 1, err, sizeof err);
    if (w == NULL)
        return 1;
    while (count < MAX_SPLITS && fscanf(f, "%lx %x", &ids[count], &shapes[count]) == 2) {
        slots[count] = srn_find_split(w, ids[count]);
        count++;
    }
    fclose(f);
    srandom(1);
    for (int batch = 0; batch < BATCHES; batch++) {
        uint32_t order[BATCH];
        for (int i = 0; i < BATCH; i++)
            order[i] = (uint32_t)random() % count;
        uint64_t now = now_ns() / 1000, began = now_ns();
        for (int i = 0; i < BATCH; i++) {
            uint32_t s = order[i];
            if (srn_decide(w, slots[s], ids[s], shapes[s], -1, 0, 0, 0, now, &choices[i]) != 0)
                return 2;
        }
        uint64_t decided = now_ns();
        for (int i = 0; i < BATCH; i++)
            srn_done(w, &choices[i], 200, 0, now + 900);
        alone[batch] = (double)(decided - began) / BATCH;
        both[batch] = (double)(now_ns() - began) / BATCH;
    }
    printf("%.1f %.1f\n", median(alone), median(both));
    srn_detach(w);
    return 0;
}
