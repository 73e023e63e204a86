"""Who in a home may do what with a device: rights by role, rules by owners, loans for a time."""
