"""The way from a code to a claimed device (RFC 8628), seen from the device and from its members."""
