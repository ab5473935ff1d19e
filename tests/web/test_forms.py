from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from downloads.rules.links import MAX_LINKS
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.presets import SHIPPED
from downloads.web.add_form import AddForm, sentence_about


def fill(urls: str, **options: str) -> AddForm:
    return AddForm({"urls": urls, "quality": "best", "audio": "", **options}, among=SHIPPED)


def errors_of(urls: str) -> list[str]:
    form = fill(urls)
    assert not form.is_valid()
    return list(form.errors["urls"])


def test_one_link() -> None:
    form = fill("https://Example.org/1#start")

    assert form.is_valid()
    assert form.links == ("https://example.org/1",)
    assert form.options == DownloadOptions()


def test_many_links_separated_by_lines_spaces_and_commas() -> None:
    form = fill("https://a.org/1\r\n\r\nhttps://b.org/2 https://c.org/3, https://d.org/4\n")

    assert form.is_valid()
    assert form.links == tuple(f"https://{x}.org/{n}" for n, x in enumerate("abcd", 1))


def test_options() -> None:
    form = fill("https://a.org/1", quality="720p", audio="m4a")

    assert form.is_valid()
    assert form.options == DownloadOptions(quality="720p", audio="m4a")


@pytest.mark.parametrize("option", [{"quality": "8640p"}, {"audio": "wav"}])
def test_an_unknown_option_is_refused(option: dict[str, str]) -> None:
    form = fill("https://a.org/1", **option)

    assert not form.is_valid()
    assert set(form.errors) == set(option)


def test_an_option_that_is_left_out_or_empty_has_its_default() -> None:
    """A page that was opened before the option was added sends a form without it."""
    form = AddForm({"urls": "https://a.org/1", "quality": ""}, among=SHIPPED)

    assert form.is_valid()
    assert form.options == DownloadOptions()


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_offered_with_its_label_its_choices_and_what_they_mean(name: str) -> None:
    field, option = AddForm(among=SHIPPED)[name], OPTIONS[name]

    assert field.label == option.label
    assert field.help_text.startswith(option.description)
    assert all(words in str(field) for words in getattr(option, "labels", {}).values())
    assert field.use_fieldset or f'aria-describedby="{field.auto_id}_helptext"' in str(field)


@pytest.mark.parametrize("nothing", ["", "  ", "\r\n \n"])
def test_nothing_is_asked_for(nothing: str) -> None:
    assert errors_of(nothing) == ["Enter a link."]


@pytest.mark.parametrize(
    ("link", "saying"),
    [
        ("ftp://example.org/a", "must begin with http"),
        ("example.org", "must begin with http"),
        ("file:///etc/passwd", "must begin with http"),
        ("https:///a", "names no site"),
        ("https://user:secret@example.org/a", "user name or password"),
        ("http://192.168.1.1/a", "private address"),
        ("https://example.org/\x07", "control"),
        ("https://example.org/" + "a" * 2029, "2,048 characters"),
    ],
)
def test_a_wrong_link_gets_its_sentence(link: str, saying: str) -> None:
    (sentence,) = errors_of(link)

    assert saying in sentence
    assert "Line" not in sentence


def test_a_nul_is_refused() -> None:
    assert errors_of("https://example.org/\0")


def test_the_good_links_are_taken_and_every_wrong_one_is_named_with_its_line() -> None:
    form = fill(
        "https://a.org/1\r\nftp://b.org/2\r\n\r\nhttps://c.org/3 http://127.0.0.1/\r\nftp://b.org/5"
    )

    assert form.is_valid()
    assert form.links == ("https://a.org/1", "https://c.org/3")
    first, second, third = map(sentence_about, form.wrong)
    assert first.startswith("Line 2, “ftp://b.org/2”: A link must begin")
    assert second.startswith("Line 4, “http://127.0.0.1/”: The link leads to a private")
    assert third.startswith("Line 5, “ftp://b.org/5”: ")


def test_when_every_link_is_wrong_each_gets_its_sentence() -> None:
    first, second = errors_of("ftp://b.org/2 and\nhttp://127.0.0.1/")

    assert first.startswith("Line 1, “ftp://b.org/2”: ")
    assert second.startswith("Line 2, “http://127.0.0.1/”: ")


def test_a_link_that_is_part_of_an_earlier_one_is_found_on_its_own_line() -> None:
    form = fill("https://a.org/ftp://b.org\nftp://b.org")

    assert form.is_valid()
    assert [each.found.line for each in form.wrong] == [2]


def test_a_long_wrong_link_is_shortened() -> None:
    sentences = errors_of(f"ftp://{'a' * 3000}\nftp://a.org/")

    assert all(len(sentence) < 200 for sentence in sentences)


def numbered_links(count: int) -> Iterator[str]:
    return (f"https://example.org/{number}" for number in range(count))


def test_as_many_links_as_allowed() -> None:
    assert fill("\n".join(numbered_links(MAX_LINKS))).is_valid()


def test_ten_thousand_lines_get_one_sentence() -> None:
    assert errors_of("\n".join(numbered_links(10_000))) == [
        f"These are 10,000 links. At most {MAX_LINKS:,} can be added at once."
    ]


# Files.


def with_files(*files: tuple[str, bytes], urls: str = "") -> AddForm:
    uploaded = [SimpleUploadedFile(name, content) for name, content in files]
    return AddForm({"urls": urls}, MultiValueDict({"file": uploaded}), among=SHIPPED)


def test_the_links_of_files_come_after_those_that_were_typed() -> None:
    form = with_files(
        ("list.csv", "title,url\nÄrger,https://b.org/2".encode("utf-16")),
        ("link.url", b"[InternetShortcut]\r\nURL=https://c.org/3\r\n"),
        urls="https://a.org/1",
    )

    assert form.is_valid()
    assert form.links == ("https://a.org/1", "https://b.org/2", "https://c.org/3")
    assert form.text == "https://a.org/1\nhttps://b.org/2\nhttps://c.org/3"


@pytest.mark.parametrize(
    ("content", "saying"),
    [
        (b"\x89PNG\r\n\0\0\0\x01", "“a.txt” is not a text."),
        (b"nothing", "There is no link in “a.txt”."),
        (b"", "There is no link in “a.txt”."),
        (b"https://a.org/1 " * 2**17, "“a.txt” has more than 1 MiB."),
    ],
)
def test_a_file_without_links_is_refused_and_what_was_typed_stays(
    content: bytes, saying: str
) -> None:
    form = with_files(("a.txt", content), urls="https://a.org/1")

    assert not form.is_valid()
    assert form.errors["file"] == [saying]
    assert form.text == "https://a.org/1"
