"""What Hearthline promises in numbers, measured. Each module runs alone: `python -m benchmarks.NAME --json`."""
