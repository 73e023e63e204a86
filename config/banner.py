"""What the console says once the hub is ready."""

from collections.abc import Iterable

from config.secrets import typed

RULE = "=" * 78


def banner(*, url: str, lan_url: str | None, setup_url: str | None, notes: Iterable[str] = ()) -> str:
    """One address, big and clear; below it what else a person needs now."""
    lines = ["", RULE, "", "   Hearthline is ready", ""]
    if setup_url is None:
        lines += [f"   >>>  {url}", ""]
    else:
        lines += ["   Make the owner account and the home here:", "", f"   >>>  {setup_url}", ""]
        lines += ["   The link works once, and a new one appears at each start until there is an owner.", ""]
    if lan_url:
        lines += [f"   Devices in this network reach the hub at {lan_url}", ""]
    for note in notes:
        lines += [f"   {line}" for line in note.splitlines()]
        lines.append("")
    lines += ["   Ctrl-C stops everything.", RULE, ""]
    return "\n".join(lines)


def speech_note(demo_models: Iterable[str], suggested: Iterable[str]) -> str | None:
    """How to get better speech, while only the shipped models are here; None when there is nothing to say."""
    in_use = list(demo_models)
    if not in_use:
        return None
    lines = [f"Speech is in demo quality ({', '.join(in_use)}). For real use, download better models:"]
    command = typed(".venv/bin/python manage.py speech_models download")
    lines += [f"  {command} {model_id}" for model_id in suggested]
    return "\n".join(lines)
