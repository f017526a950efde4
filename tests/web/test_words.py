"""All that a person reads on the page is in one folder, and nothing that the page loads or makes comes from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from processor import web

PAGE: Final = Path(web.__file__).with_name("page")
MODULES: Final = sorted(PAGE.rglob("*.js"))
OTHERS: Final = [path for path in MODULES if path.parent.name != "words"]
BETWEEN_LETTERS: Final = re.compile(r"[^\W\d_][',.:]? +['(]?[^\W\d_]")
"""A blank between words: what has one is a sentence, or a part of it."""
CLASSES: Final = {
    name
    for path in PAGE.glob("*.css")
    for name in re.findall(r"\.([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
}
MAKING_MARKUP: Final = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval|Function|srcdoc|setHTML\w*)\b"
)
STORAGE: Final = re.compile(
    r"\b(localStorage|sessionStorage|indexedDB|document\.cookie|caches|serviceWorker)\b"
)
LINES_MOST: Final = 300


def name(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


def literals(text: str) -> list[str]:
    """The texts that a module has, with what is put into them left out; comments and regular expressions are none."""
    found: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if text.startswith("//", at):
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        elif text.startswith("/*", at):
            at = text.index("*/", at) + 2
        elif character == "/" and re.search(r"[=(,:&|!?]\s*$", text[:at][-20:]):
            at = re.compile(r"/(?:\\.|\[(?:\\.|[^\]])*\]|[^/\\\[\n])+/").match(text, at).end()  # type: ignore[union-attr]
        elif character in "\"'":
            end = re.compile(rf"{character}((?:\\.|[^\\{character}])*){character}").match(text, at)
            assert end is not None
            found.append(end[1])
            at = end.end()
        elif character == "`":
            parts, at = template(text, at + 1)
            found += parts
        else:
            at += 1
    return found


def template(text: str, at: int) -> tuple[list[str], int]:
    """The literals of a template that begins at `at`, and where it has ended."""
    said: list[str] = []
    inner: list[str] = []
    while text[at] != "`":
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            depth, begin = 1, at + 2
            at = begin
            while depth:
                if text[at] == "`":
                    _, at = template(text, at + 1)
                    continue
                depth += {"{": 1, "}": -1}.get(text[at], 0)
                at += 1
            inner += literals(text[begin : at - 1])
            said.append("{}")
        else:
            said.append(text[at])
            at += 1
    return ["".join(said), *inner], at + 1


def is_said(literal: str) -> bool:
    return bool(BETWEEN_LETTERS.search(literal)) and not set(literal.split()) <= CLASSES


def test_the_modules_literals_are_read_as_the_language_has_them() -> None:
    text = """
    // a comment's "words here"
    const a = "one two"; /* more "words here" */ const b = /"[a-z] [b]"/;
    const c = `${kind} of ${d ? `inner text ${e}` : "plain words"} so`;
    """
    assert literals(text) == ["one two", "{} of {} so", "inner text {}", "plain words"]


@pytest.mark.parametrize("path", OTHERS, ids=name)
def test_what_people_read_stands_in_the_folder_of_words_alone(path: Path) -> None:
    assert [each for each in literals(path.read_text(encoding="utf-8")) if is_said(each)] == []


def test_the_html_has_no_texts_but_its_title_and_what_a_reader_without_scripts_is_told() -> None:
    html = (PAGE / "page.html").read_text(encoding="utf-8")
    without = re.sub(r"<(title|noscript)>.*?</\1>", "", html, flags=re.DOTALL)
    # The service's name, until it has said its own.
    assert re.sub(r"<[^>]*>", " ", without).split() == ["processor"]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_makes_markup_keeps_anything_in_the_browser_or_grows_beyond_one_idea(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert MAKING_MARKUP.findall(text) == []
    assert STORAGE.findall(text) == []
    assert len(text.splitlines()) <= LINES_MOST


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_that_is_imported_is_there_and_has_what_is_asked_of_it(path: Path) -> None:
    for names, place in re.findall(
        r"(?:import|export) \{([^}]*)\} from \"([^\"]+)\"", path.read_text(encoding="utf-8")
    ):
        found = (path.parent / place).resolve()
        assert found.is_relative_to(PAGE), f"{place} is not of the page"
        text = found.read_text(encoding="utf-8")
        for each in names.split(","):
            wanted = each.strip().split(" as ")[0]
            assert re.search(
                rf"export (const|function|async function|class) {wanted}\b|export {{[^}}]*\b{wanted}\b", text
            )


@pytest.mark.parametrize("path", sorted(PAGE.rglob("*")), ids=name)
def test_nothing_that_the_page_is_made_of_names_another_place(path: Path) -> None:
    if path.is_file():
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", path.read_text(encoding="utf-8")) == []
