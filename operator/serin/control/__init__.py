"""Change → compile → publish: weights and endpoints at once, everything else batched (docs/adr/0005-two-paths.md).

Where objects come from is not known here, nor who reads the run directory.
"""
