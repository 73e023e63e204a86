"""What was done in a household: append-only, hash-chained, read by its owners, exportable."""
