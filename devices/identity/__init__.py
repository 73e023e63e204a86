"""A device's key for life: certificates, renewal, and which key stands for it at a login."""
