"""The media workers: which one carries a call, what it hears of the ends, and who goes on where one stops."""
