"""Files that only the holder of their key can read."""
