"""How calls end: by somebody's word, with the right to be in them, or with what lets a page in."""
