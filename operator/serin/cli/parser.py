"""How every command's line is read, and how it is refused: in a line or two, with the flag that was likely meant.

Flags that are true or false take `--x`, `--x=true` and `--x=false`, as those of ingress-nginx (Go) do.
"""

import argparse
import difflib
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from serin.cli import values


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line or two; the whole usage is what --help is for."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.switches: set[str] = set()

    @property
    def flags(self) -> tuple[str, ...]:
        """All that it takes, as they are written."""
        return tuple(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n`{self.prog} --help` has the flags and examples\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Arguments that nothing takes, with the flag that was likely meant."""
        flag = next((text for text in unknown if text.startswith("-")), unknown[0])
        near = difflib.get_close_matches(flag.partition("=")[0], self._option_string_actions, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A switch never takes the word after it for its value: `--x false` would be read as `--x` by Go."""
        if args is not None:
            end = args.index("--") if "--" in args else len(args)
            args = [f"{text}=true" if text in self.switches else text for text in args[:end]] + list(args[end:])
        return super().parse_known_args(args, namespace)


def switch(parser: Parser, group: "argparse._ActionsContainer", flag: str, *, default: bool = False, text: str) -> None:
    """A flag that is true or false."""
    group.add_argument(
        flag,
        nargs="?",
        type=values.boolean,
        default=default,
        metavar="=true|false",
        help=f"{text} (default: {str(default).lower()})",
    )
    parser.switches.add(flag)


def add_command(
    commands: "argparse._SubParsersAction[Parser]", name: str, text: str, examples: str, more: str = ""
) -> Parser:
    shown = "examples:\n" + textwrap.indent(textwrap.dedent(examples).strip("\n"), "  ")
    parser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=shown + more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser)
    return parser
