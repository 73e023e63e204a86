"""What becomes of a claimed device: another key, another home, the end."""
