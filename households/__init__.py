"""People and whom they live with."""
