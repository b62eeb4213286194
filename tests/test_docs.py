"""Every code block of README and docs runs, and prints what the page says it prints."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(
    r"(?P<note><!-- not run[^>]*-->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
END = "--- end of block ---"
TIMES = re.compile(r"\b\d+(\.\d+)? (ms|s)\b")


def blocks(page):
    return [match for match in BLOCK.finditer(page.read_text()) if not match["note"]]


def with_python(page):
    return any(block["kind"] == "python" for block in blocks(page))


def with_commands(page):
    return any("$ schemakit" in block["body"] for block in blocks(page))


def normal(text):
    return TIMES.sub("N ms", text).rstrip("\n")


@pytest.fixture
def project(tmp_path):
    shutil.copytree(ROOT / "migrations", tmp_path / "migrations")
    return tmp_path


@pytest.fixture
def run(project, database_url):
    async def run(*command):
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=project,
            env={**os.environ, "DATABASE_URL": database_url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    return run


@pytest.mark.parametrize("page", list(filter(with_python, PAGES)), ids=lambda page: page.name)
async def test_the_python_of_a_page_prints_what_the_page_says(page, project, run):
    found = blocks(page)
    python = [block["body"] for block in found if block["kind"] == "python"]
    said = [
        after["body"] if after is not None and after["kind"] == "text" else None
        for block, after in pairwise([*found, None])
        if block["kind"] == "python"
    ]
    script = "".join(f"{body}\nprint({END!r}, flush=True)\n" for body in python)
    (project / "page.py").write_text(script)
    code, printed = await run(sys.executable, "page.py")
    assert code == 0, printed
    for expected, actual in zip(said, printed.split(END + "\n"), strict=False):
        if expected is not None:
            assert normal(actual) == normal(expected)


@pytest.mark.parametrize("page", list(filter(with_commands, PAGES)), ids=lambda page: page.name)
async def test_the_commands_of_a_page_print_what_the_page_says(page, run):
    for block in blocks(page):
        if block["kind"] != "console":
            continue
        for entry in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
            command, _, said = entry.partition("\n")
            if command.startswith("schemakit"):
                words = shlex.split(command, comments=True)
                _, printed = await run(sys.executable, "-m", *words)
                assert normal(printed) == normal(said), command


def test_every_link_between_pages_leads_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
