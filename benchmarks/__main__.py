"""Run the benchmarks: ``python -m benchmarks [name …]``; all of them without a name.

Results are written to ``benchmarks/results/<name>.md``.
"""

import argparse
import asyncio
from importlib import import_module

NAMES = ("noop", "fresh", "stall", "empty", "traffic", "hashing", "backups", "files")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], default=[])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for name in options.names or NAMES:
        asyncio.run(import_module(f"benchmarks.{name}").main(options.rounds))


if __name__ == "__main__":
    main()
