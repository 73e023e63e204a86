"""`python -m agent`: see agent.arguments."""

import asyncio
import contextlib
import signal
import sys

import structlog

from agent import config, logs
from agent.app import Agent
from agent.arguments import arguments_read
from agent.errors import AgentError
from agent.identity import remembered_hub_url
from agent.reset import reset

log = structlog.get_logger(__name__)


async def run(agent_config: config.AgentConfig) -> None:
    """Until SIGTERM or SIGINT."""
    agent = Agent(agent_config)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(agent.run(), name="agent")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    keys: set[asyncio.Task[None]] = set()
    if sys.stdin is not None and sys.stdin.isatty():
        loop.add_reader(sys.stdin, _on_enter, agent, keys)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _on_enter(agent: Agent, keys: set[asyncio.Task[None]]) -> None:
    if not sys.stdin.readline():
        asyncio.get_running_loop().remove_reader(sys.stdin)
        return
    task = asyncio.create_task(agent.press(), name="enter key")
    keys.add(task)
    task.add_done_callback(keys.discard)


def main() -> int:
    arguments = arguments_read()
    logs.configure(is_verbose=arguments.verbose)
    try:
        if arguments.command == "reset":
            return reset(arguments.data_dir, is_confirmed=arguments.yes)
        remembered = remembered_hub_url(arguments.data_dir)
        asyncio.run(run(config.config_from(arguments, remembered_hub_url=remembered)))
    except AgentError as error:
        print(error, file=sys.stderr)
        return 2
    log.info("Stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
