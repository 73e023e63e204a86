"""The ways of sound through networks: which STUN and TURN servers an end may use, and whether they work."""
