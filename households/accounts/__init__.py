"""A person and how they get in: e-mail address, password, second factor, sessions, API tokens."""
