"""Calls, who took part, and what was recorded."""
