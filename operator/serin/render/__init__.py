"""The run directory's documents and the error pages. Decides nothing."""
