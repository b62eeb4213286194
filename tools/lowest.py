"""Print the lowest version of each dependency that pyproject.toml admits, as constraints.

    python tools/lowest.py > constraints.txt

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?>=(?P<version>[\w.]+)")


def lowest(pyproject: Path) -> list[str]:
    """Return ``name==version`` for every dependency and extra with a lower bound."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(line for extra in extras for line in extra)]
    found = (_REQUIREMENT.match(requirement) for requirement in requirements)
    return sorted(f"{match['name']}=={match['version']}" for match in found if match)


if __name__ == "__main__":
    print("\n".join(lowest(Path(__file__).parents[1] / "pyproject.toml")))
