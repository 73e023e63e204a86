"""Django for a benchmark's own process: the tests' settings, a data folder of its own."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def django_ready(data_dir: Path) -> None:
    """Before anything of ours is imported that reads the settings. The hub under test has its own."""
    import django

    data_dir.mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    os.environ["HUB_DATA_DIR"] = str(data_dir)
    django.setup()


@contextmanager
def rows_ready(name: str) -> Iterator[Path]:
    """A data folder of its own, Django, Valkey, and PostgreSQL with empty tables. Once in a process."""
    with tempfile.TemporaryDirectory(prefix=f"hearthline-{name}-") as folder:
        django_ready(Path(folder))
        from django.core.management import call_command

        from config.embedded import embedded_start

        servers = embedded_start(Path(folder), durable=False)
        try:
            call_command("migrate", verbosity=0, interactive=False)
            yield Path(folder)
        finally:
            servers.stop()
