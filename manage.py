#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    from django.core.management import execute_from_command_line

    from config.secrets import command_said

    command_said(sys.argv[1:])
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
