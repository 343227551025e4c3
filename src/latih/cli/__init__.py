"""The command line: one file a command, and nothing heavy imported before a command runs.

Exit codes: 0 done, 1 interrupted or failed, 2 a mistake in what was asked.
"""

import importlib
import re
import sys
from collections.abc import Sequence

from latih._checks import InputError, did_you_mean
from latih._version import __version__

from ._processes import complain, several

# command -> what it does, in the order of use
COMMANDS = {
    "train": "Train a network on data; leaves a run folder.",
    "check": "Say what will keep a network from learning, before it trains.",
    "heal": "Cure a training that does not learn, and prove the cure.",
    "lr": "Find the learning rate to train with, tried before it is suggested.",
    "fine-tune": "Reuse a pretrained network for new data, phase by phase.",
    "predict": "Answer for new inputs with a finished run.",
    "export": "Write a finished run as ONNX, checked numerically.",
    "methods": "List every method of every family, with its source.",
}

_HELP = """latih {version}: makes deep neural networks train.

usage: latih COMMAND [options]      latih COMMAND --help explains a command

{commands}

A first run, on images that come with latih:
  latih train                                 20 layers deep, on fashion-mini
  latih train table.csv --target price        a table
  latih train photos/ --model 'cnn(depth=4)'  one subfolder a class
  latih fine-tune photos/                     reuse a network from ImageNet
  latih predict runs/fashion-mini-1 fashion-mini
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except InputError as error:
        complain(f"latih: {_one_line(str(error))}")
        return 2
    except BrokenPipeError:
        # whoever read our output has seen enough
        sys.stderr.close()
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        what = f"{str(error.filename)[:200]}: {error.strerror or error}; name another path, or change its permissions."
        complain(f"latih: {_one_line(what)}")
        return 2
    except KeyboardInterrupt:
        print("latih: stopped.", file=sys.stderr)
        return 1


def _one_line(sentence: str) -> str:
    """With control characters written out: names in a stranger's file shall not steer the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: repr(found[0])[1:-1], sentence)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        commands = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
        print(_HELP.format(version=__version__, commands=commands), end="")
        return 0
    if words[0] in ("-V", "--version"):
        print(f"latih {__version__}")
        return 0
    if words[0] not in COMMANDS:
        hint = did_you_mean(words[0], COMMANDS, f"; the commands are {', '.join(COMMANDS)}.")
        raise InputError(f"{words[0]!r} is not a command{hint}")
    if several() and words[0] != "train":
        raise InputError(f"latih {words[0]} works in one process, and there are {several()}; run it without torchrun.")
    command = importlib.import_module(f"latih.cli._{words[0].replace('-', '_')}")
    return command.run(words[1:])
