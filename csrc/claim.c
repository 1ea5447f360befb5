/* A cell changes hands: from one ident to another, its counts to zero, without a lock.
 *
 * While that goes on the ident is the claiming process's row + 1. The row notes the cell first, so that the parent can free
 * a cell whose claimer died in between. */
#include "internal.h"

bool srn_claim(srn_worker *w, srn_word *ident, uint64_t mine, uint64_t claim, srn_word *from, size_t words) {
    uint64_t owner = atomic_load_explicit(ident, memory_order_acquire);
    if (owner == mine)
        return true;
    if (owner != 0 && owner <= w->state->rows)
        return false;
    atomic_store_explicit(&w->row->claiming, claim, memory_order_seq_cst);
    if (!atomic_compare_exchange_strong_explicit(ident, &owner, (uint64_t)w->index + 1, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        atomic_store_explicit(&w->row->claiming, 0, memory_order_release);
        return owner == mine;
    }
    for (size_t i = 0; i < words; i++)
        atomic_store_explicit(from + i, 0, memory_order_relaxed);
    atomic_store_explicit(ident, mine, memory_order_release);
    atomic_store_explicit(&w->row->claiming, 0, memory_order_release);
    return true;
}
