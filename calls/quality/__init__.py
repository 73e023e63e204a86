"""How well the ends of a call hear each other: what was measured, what is said of it meanwhile and afterwards."""
