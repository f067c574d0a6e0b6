"""argparse, with our words for errors and our form of help. Knows no command and no setting."""

from __future__ import annotations

import argparse
import copy
import re
import textwrap
from typing import Any, NoReturn

from hlsswarm import __version__
from hlsswarm.errors import UsageError

# What argparse says, and how we say it.
_ARGPARSE_WORDS: tuple[tuple[str, str], ...] = (
    (r"argument ([^/:]+)\S*: expected one argument", r"\1 lacks its value."),
    (r"the following arguments are required: (.+)", r"\1 is missing."),
    (r"unrecognized arguments: (-\S+).*", r"There is no option \1."),
    (r"unrecognized arguments: (\S+).*", r"\1 is one word too many."),
    (r"argument \S+: invalid choice: '(.*)' \(choose from (.+)\)", r"\1 is none of \2."),
    (r"argument ([^/:]+)\S*: ignored explicit argument '.*'", r"\1 takes no value."),
)


class Parser(argparse.ArgumentParser):
    """argparse, with our words for errors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._intermixed = False
        # `--duration -5s` is a value that is wrong, not an option that is unknown.
        self._negative_number_matcher = re.compile(r"-\.?\d")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse, but `start --port 81 NAME` is as good as `start NAME --port 81`.

        argparse takes an action and the words after it at once, also where there are none yet.
        """
        words = [action for action in self._actions if not action.option_strings]
        if len(words) < 2 or self._intermixed:
            return super().parse_known_args(args, namespace)
        self._intermixed = True  # it calls this method for its two passes
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixed = False

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of ending the process."""
        told = f"{message[0].upper()}{message[1:]}."
        for pattern, words in _ARGPARSE_WORDS:
            if match := re.fullmatch(pattern, message, re.DOTALL):
                told = match.expand(words)
                break
        raise UsageError(told, hint=f"See `{self.prog} --help`.")


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that shows each option once, not with one dash and with two, and breaks no word."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        shown = copy.copy(action)
        shown.option_strings = [
            option
            for option in action.option_strings
            if option.startswith("--") or f"-{option}" not in action.option_strings
        ]
        return super()._format_action_invocation(shown)


def version_text() -> str:
    """What `hlsswarm --version` prints."""
    return f"hlsswarm {__version__}"
