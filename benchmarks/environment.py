"""Django for a benchmark's own process: the tests' settings, a data folder of its own."""

import os
from pathlib import Path


def django_ready(data_dir: Path) -> None:
    """Before anything of ours is imported that reads the settings. The hub under test has its own."""
    import django

    data_dir.mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    os.environ["HUB_DATA_DIR"] = str(data_dir)
    django.setup()
