"""The command line, and what its help says to somebody who installs a device."""

import argparse
from collections.abc import Sequence
from pathlib import Path

_RESET_USAGE = "python -m agent reset --data-dir FOLDER [--yes]"
_USAGE = f"""python -m agent --data-dir FOLDER --hub ADDRESS [options]
       {_RESET_USAGE}"""
_ORDER = """\
Makes this computer a Hearthline device: it answers calls, and says announcements aloud.

In this order:
  1. Start it, with the address that the hub has in your network, and an empty folder of its own:

       python -m agent --hub http://192.168.1.10:8000 --data-dir ~/hearthline-device --model "Kitchen Pi"

     Do not write localhost: the QR code leads phones to the address that you give here.
  2. It shows a QR code, a link, a code like BCDFG-HJKLM, and four words. Scan the code with a phone, or choose
     "Add device" on the hub's pages and type it. It is good for 15 minutes, then a new one appears.
     With a loudspeaker it says code and words, too, unless you give --no-say-code: the first three codes, and
     whenever you press Enter.
  3. The page shows the four words, too. If they are the same, choose a room and a name, and confirm. Where
     there is no keyboard, leave "May answer calls by itself" on: nobody could answer otherwise.
  4. From then on --data-dir is enough: it remembers its hub. In the folder are its key and its certificate,
     so keep it, and never copy it to a second device.

While it runs, Enter shows and says the code again, answers a call, and hangs up. Ctrl-C ends it. README.md says under
"Add a device" how it starts with the computer.
"""
_END = """To make the device forget its home and its key: python -m agent reset --help"""
_RESET = """\
Makes this device forget its home, its key and what it had still to play. Afterwards it can be added anew.

In this order:
  1. End the agent that runs with this folder.
  2. python -m agent reset --data-dir ~/hearthline-device
  3. Remove the device on its page in the hub, too, or let the old one go when you add it again: the hub does not
     hear of this.

A device that is removed on its page forgets its home by itself, so most people never need this.
"""


def arguments_read(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Of the command line. Ends the program where they are wrong, with a sentence."""
    parser = make_parser()
    arguments = parser.parse_args(words)
    if arguments.data_dir is None:
        parser.error("--data-dir is missing: a folder for its key, such as --data-dir ~/hearthline-device")
    return arguments


def make_parser() -> argparse.ArgumentParser:
    """Options count before the command and after it."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m agent", usage=_USAGE, description=_ORDER, epilog=_END, formatter_class=raw
    )
    _add_run(parser)
    commands = parser.add_subparsers(dest="command", help=argparse.SUPPRESS)
    parser.set_defaults(command="run", model="Hearthline speaker", microphone="default", speaker="default")
    run = commands.add_parser(
        "run", usage=_USAGE, description=_ORDER, formatter_class=raw, argument_default=argparse.SUPPRESS
    )
    _add_run(run)
    reset = commands.add_parser(
        "reset",
        usage=_RESET_USAGE,
        description=_RESET,
        formatter_class=raw,
        argument_default=argparse.SUPPRESS,
    )
    _add_folder(reset)
    reset.add_argument("--yes", action="store_true", help="do not ask first")
    reset.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    return parser


def _add_folder(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="where its key and its certificate are"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    usual = parser.add_argument_group("What you give")
    _add_folder(usual)
    usual.add_argument("--hub", metavar="ADDRESS", help="of the hub; a device that was added remembers it")
    usual.add_argument("--model", help='what it is, for the page on which it is added: "Kitchen Pi"')
    sound = parser.add_argument_group("Its sound")
    kinds = "default, the name of a sound device, null for none, or file:PATH"
    sound.add_argument("--microphone", metavar="NAME", help=f"{kinds}, also file:PATH?loop")
    sound.add_argument("--speaker", metavar="NAME", help=kinds)
    sound.add_argument(
        "--say-code",
        action=argparse.BooleanOptionalAction,
        help="say code and words aloud while it waits to be added; usual with a sound device",
    )
    seldom = parser.add_argument_group("What you seldom need")
    seldom.add_argument(
        "--qr-hub", metavar="ADDRESS", help="of the hub for phones, where this device uses another one"
    )
    seldom.add_argument(
        "--serial", help="instead of the board's own: two devices on one computer need different ones"
    )
    seldom.add_argument(
        "--once-claimed-json",
        action="store_true",
        help="for programs: link and claim as JSON lines on stdout",
    )
    seldom.add_argument("--verbose", action="store_true", help="say more about what happens")
    seldom.add_argument("--yes", action="store_true", help=argparse.SUPPRESS)
