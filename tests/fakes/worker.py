"""A media worker at the edge of the signaling tests: it holds a lease and keeps the commands that reach it."""

from types import TracebackType

from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from calls.workers.placement import worker_goodbye, worker_heartbeat
from common.push import group_worker
from common.stamps import event_is_ours
from protocol.worker import WorkerCommand, parse_command


class FakeWorker:
    """Speaks the true protocol over the real channel layer. `async with FakeWorker() as worker`."""

    def __init__(self, worker_id: str = "fake-worker", leg_count: int = 0) -> None:
        self.worker_id, self.leg_count = worker_id, leg_count

    async def __aenter__(self) -> "FakeWorker":
        self._layer = get_channel_layer()
        self._channel = await self._layer.new_channel()
        await self._layer.group_add(group_worker(self.worker_id), self._channel)
        await sync_to_async(worker_heartbeat)(worker_id=self.worker_id, leg_count=self.leg_count)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await sync_to_async(worker_goodbye)(worker_id=self.worker_id)
        await self._layer.group_discard(group_worker(self.worker_id), self._channel)

    async def command(self) -> WorkerCommand:
        """The next command."""
        event = await self._layer.receive(self._channel)
        assert event_is_ours(event, at=(group_worker(self.worker_id),)), event
        return parse_command(event["text"])
