"""Who belongs to a household, and how somebody comes to it."""
