"""The reference says what the code does: commands, settings, events, states, documents."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from tests.docs.conftest import DOCS, PAGES, ROOT, Sandbox

from helperhub.cli.main import command
from helperhub.errors import HelperHubError
from helperhub.model.execution import Execution, Status
from helperhub.model.verdict import Outcome

REFERENCE = DOCS / "reference"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
ANSWERING = [
    "helpers list",
    "executions list",
    "plan list",
    "dead list",
    "queues list",
    "workers list",
    "plugins list",
    "config show",
    "config check",
    "doctor",
    "next 'daily 07:30'",
]


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location("reference_writer", REFERENCE / "write.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(page: str, heading: str) -> dict[str, str]:
    """Return the rows of a table by each name in backticks of their first column."""
    section = re.split(r"^## ", (REFERENCE / page).read_text(), flags=re.MULTILINE)
    (text,) = [part for part in section if part.partition("\n")[0] == heading]
    cells = re.findall(r"^\| (`[^|]+?) \| (.*) \|$", text, re.MULTILINE)
    return {name: rest for first, rest in cells for name in re.findall(r"`([^`]+)`", first)}


@pytest.mark.parametrize("page", ["cli.md", "settings.md", "http.md"])
def test_page_is_what_the_code_says(page: str, writer: ModuleType) -> None:
    assert (REFERENCE / page).read_text() == writer.write_page(page), "run 'python docs/reference/write.py'"


def test_every_command_is_in_the_reference(writer: ModuleType) -> None:
    headings = set(re.findall(r"^##+ `(.+)`$", (REFERENCE / "cli.md").read_text(), re.MULTILINE))

    assert headings == {name for name, _ in writer.cli_pages(command)}
    assert len(headings) > 30


def test_every_setting_that_a_page_names_exists() -> None:
    text = "".join(page.read_text() for page in PAGES)
    known = set(re.findall(r"HELPERHUB_\w+", (ROOT / "settings.env.example").read_text()))
    known |= set(re.findall(r"HELPERHUB_\w+", "".join(p.read_text() for p in ROOT.glob("plugins/*/README.md"))))
    # The tutorial's own plugin, and names of which only the beginning is given.
    named = {name for name in re.findall(r"HELPERHUB_\w+", text) if not name.startswith("HELPERHUB_PULSE__")}

    # Those of the chaos suite are read by its tests, and nobody else.
    unknown = {name for name in named if name not in known and not name.endswith("__")}
    assert {name for name in unknown if not name.startswith("HELPERHUB_TEST_")} == set()


def events_of_the_code() -> Iterator[tuple[str, str]]:
    """Yield event and level of every log record that the code can write."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if not re.search(r"\b_?log(ger)?\b|getLogger", ast.unparse(node.func.value)):
                continue
            event = node.args[1] if node.func.attr == "log" else node.args[0]
            assert isinstance(event, ast.Constant), f"{path.name}:{node.lineno} has no constant event name"
            yield str(event.value), {"exception": "error", "log": ""}.get(node.func.attr, node.func.attr)


def test_every_log_event_is_documented_with_its_level() -> None:
    page = (REFERENCE / "log-events.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE))
    written = list(events_of_the_code())

    assert documented.keys() == {event for event, _ in written}
    assert [(event, level) for event, level in written if level not in documented[event]] == []


def test_every_state_and_verdict_is_documented() -> None:
    page = "states-and-guarantees.md"

    assert rows_of(page, "States").keys() == {status.value for status in Status}
    assert rows_of(page, "Verdicts").keys() == {outcome.value for outcome in Outcome}


def test_every_error_code_is_documented_beside_its_exit_code() -> None:
    page = (REFERENCE / "documents.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| [^|]+ \| (.*) \|$", page, re.MULTILINE))

    def classes(root: type[HelperHubError]) -> Iterator[type[HelperHubError]]:
        yield root
        for child in root.__subclasses__():
            yield from classes(child)

    ours = [error for error in classes(HelperHubError) if error.__module__ == "helperhub.errors"]
    missing = [error.code for error in ours if f"`{error.code}`" not in rows[str(error.exit_code)]]
    assert missing == []


def test_keys_of_an_execution_are_documented() -> None:
    execution = Execution("id", "helper", "default", 3, Status.QUEUED)

    assert rows_of("documents.md", "An execution").keys() == execution.to_document().keys()


@pytest.mark.parametrize(
    ("heading", "asked", "key"),
    [
        ("A helper", "helpers list", "helpers"),
        ("A queue", "queues list", "queues"),
        ("A worker process", "workers list", "workers"),
    ],
)
def test_keys_of_other_documents_are_documented(heading: str, asked: str, key: str, sandbox: Sandbox) -> None:
    documents = sandbox.ask(asked)[key]

    assert documents
    assert rows_of("documents.md", heading).keys() == documents[0].keys()


@pytest.mark.parametrize("asked", ANSWERING)
def test_answer_of_a_command_has_the_documented_keys(asked: str, sandbox: Sandbox) -> None:
    row = rows_of("documents.md", "By command")[asked.partition(" '")[0]]

    # Keys of the entries stand behind the list's: the answer's own come first.
    assert set(sandbox.ask(asked)) <= set(re.findall(r"`(\w+)`", row))


def test_every_command_that_answers_in_json_is_documented(writer: ModuleType) -> None:
    page = (REFERENCE / "documents.md").read_text()
    _, _, table = page.partition("## By command")
    missing = []
    for name, found in writer.cli_pages(command):
        words = name.split()[1:]
        if any("--json" in option.opts for option in found.params) and f"`{' '.join(words)}`" not in page:
            group = [row for row in table.splitlines() if f"`{words[0]} " in row and f"`{words[-1]}`" in row]
            missing += [] if group else [name]

    assert missing == []
