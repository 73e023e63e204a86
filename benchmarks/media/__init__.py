"""What the media engine costs, how late it is, and what it survives. One module per subject."""
