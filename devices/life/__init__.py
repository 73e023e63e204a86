"""What becomes of a claimed device: another key, another home, the end, and what is still told of it."""
