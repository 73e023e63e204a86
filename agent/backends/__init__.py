"""Where sound comes from and goes to, one module per kind."""
