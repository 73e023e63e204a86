"""The sound of calls: its files, sealed on the disk, the copy that pages play, and who heard it."""
