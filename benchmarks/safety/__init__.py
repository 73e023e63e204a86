"""What must hold against people who should not get in. Each module has FIGURES and measure(options)."""
