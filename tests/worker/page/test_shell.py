"""What every page stands in: words in five languages, addresses, static files."""

import logging
import re
from string import Formatter
from typing import Any

import pytest

from tests.worker.conftest import Site
from tests.worker.page.conftest import Visitor, visiting
from veroallarme_core.worker.page.shell import rendering
from veroallarme_core.worker.page.shell import words as words_module
from veroallarme_core.worker.page.shell.words import LANGUAGES, Words, preferred, words


def placeholders(text: Any) -> set[str]:
    texts = [text] if isinstance(text, str) else text.values()
    return {name for one in texts for _, name, _, _ in Formatter().parse(one) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_everything(language: str) -> None:
    english, other = words("en")._said, words(language)._said
    assert sorted(other) == sorted(english)
    for key, text in english.items():
        assert isinstance(text, str) == isinstance(other[key], str), key
        assert placeholders(text) == placeholders(other[key]), key


def test_german_is_familiar_throughout_as_in_home_assistant() -> None:
    for key, text in words("de")._said.items():
        for one in [text] if isinstance(text, str) else text.values():
            assert not re.search(r"[a-zäöü]+en Sie\b|\bIhnen\b", one), f"{key}: {one}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_lie_in_the_file_of_their_page(language: str) -> None:
    files = sorted((words_module.FOLDER / language).glob("*.json"))
    english = sorted((words_module.FOLDER / "en").glob("*.json"))
    assert [file.name for file in files] == [file.name for file in english]
    for file in files:
        assert set(re.findall(r'^  "(\w+)\.', file.read_text(encoding="utf-8"), re.M)) == {
            file.stem
        }


def test_templates_say_only_what_there_are_words_for() -> None:
    for template in sorted(rendering.FOLDER.glob("*.html")):
        for key in re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", template.read_text("utf-8")):
            assert key in words("en"), f"{template.name}: {key}"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("nl,fr;q=0.5,it;q=0.7", "it"),
        ("ja,zh;q=0.9", "en"),
        ("en;q=0.1,es", "es"),
        ("de;q=0,fr;q=0.1", "fr"),
        (";;;,q=;q=x,,,", "en"),
    ],
)
def test_the_language_that_a_browser_likes_best(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_one_and_many() -> None:
    said = {"n": {"one": "{count} event", "other": "{count} events"}}
    assert [Words("en", said)("n", count=count) for count in (0, 1, 2)] == [
        "0 events", "1 event", "2 events",
    ]  # fmt: skip
    assert Words("fr", said)("n", count=0) == "0 event"


async def test_the_log_tells_where_the_page_is(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with visiting(site) as visitor:
            assert f"page: open at {visitor.base}/" in caplog.text


async def test_a_page_in_the_language_of_the_browser_and_of_the_choice(visitor: Visitor) -> None:
    response, page = await visitor.get(headers={"Accept-Language": "de"})
    assert response.status == 200
    assert '<html lang="de">' in page
    assert "Ereignisse" in page
    response, page = await visitor.post("/language", {"language": "it", "back": "/"})
    assert response.status == 200
    assert '<html lang="it">' in page
    _, page = await visitor.get(headers={"Accept-Language": "de"})
    assert '<html lang="it">' in page


async def test_a_choice_of_language_leads_nowhere_else(visitor: Visitor) -> None:
    for back in ("//evil.example/", "https://evil.example/", "/\\evil.example", "\r\nX: y"):
        response, _ = await visitor.post(
            "/language", {"language": "fr", "back": back}, allow_redirects=False
        )
        assert response.status == 303
        assert response.headers["Location"] in {"/", "/%5Cevil.example"}


async def test_static_files_are_cached_for_long_under_addresses_that_change(
    visitor: Visitor,
) -> None:
    _, page = await visitor.get()
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(found) >= 4
    for path in found:
        response, content = await visitor.get(path)
        assert response.status == 200, path
        assert "immutable" in response.headers["Cache-Control"]
        assert content
    response, _ = await visitor.get(re.sub(r"/static/\w+/", "/static/old/", found[0]))
    assert response.headers["Cache-Control"] == "no-cache"
