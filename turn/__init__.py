"""STUN (RFC 8489) and TURN (RFC 8656) from the client's side, with the standard library alone."""
