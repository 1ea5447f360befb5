/* A cell changes hands: from one ident to another, its counts to zero, without a lock.
 *
 * While that goes on the ident is the claiming process's row + 1. The row notes the cell first, so that the parent can free
 * a cell whose claimer died in between. */
#include "internal.h"

int srn_claim_begin(srn_worker *w, srn_word *ident, uint64_t mine, uint64_t claim) {
    uint64_t owner = atomic_load_explicit(ident, memory_order_acquire);
    if (owner == mine)
        return SRN_MINE;
    if (owner != 0 && owner <= w->state->rows)
        return SRN_TAKEN;
    atomic_store_explicit(&w->row->claiming, claim, memory_order_seq_cst);
    if (atomic_compare_exchange_strong_explicit(ident, &owner, (uint64_t)w->index + 1, memory_order_acq_rel, memory_order_acquire))
        return SRN_CLAIMED;
    atomic_store_explicit(&w->row->claiming, 0, memory_order_release);
    return owner == mine ? SRN_MINE : SRN_TAKEN;
}

void srn_claim_end(srn_worker *w, srn_word *ident, uint64_t mine) {
    atomic_store_explicit(ident, mine, memory_order_release);
    atomic_store_explicit(&w->row->claiming, 0, memory_order_release);
}

bool srn_claim(srn_worker *w, srn_word *ident, uint64_t mine, uint64_t claim, srn_word *from, size_t words) {
    int got = srn_claim_begin(w, ident, mine, claim);
    if (got != SRN_CLAIMED)
        return got == SRN_MINE;
    for (size_t i = 0; i < words; i++)
        atomic_store_explicit(from + i, 0, memory_order_relaxed);
    srn_claim_end(w, ident, mine);
    return true;
}
