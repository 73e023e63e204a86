"""A household from which a call can be made."""

from collections.abc import Iterator

import pytest
from django_scopes import scope

from calls.workers.placement import worker_goodbye, worker_heartbeat
from tests.plugin_cast import Cast, device_go_online


@pytest.fixture
def house_with_a_worker(cast: Cast) -> Iterator[None]:
    """Anna's household is open, its kitchen speaker is there, and so is a worker."""
    worker_heartbeat(worker_id="w", leg_count=0)
    with scope(household=cast.anna.household):
        device_go_online(cast.kitchen)
        yield
    worker_goodbye(worker_id="w")
