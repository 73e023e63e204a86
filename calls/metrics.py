"""The numbers of calls for Prometheus, counted by the process that sees them."""

from prometheus_client import Histogram

SETUP_SECONDS = Histogram(
    "hearthline_call_setup_seconds",
    "From the answer until audio came from every end.",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20),
)
