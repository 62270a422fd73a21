"""An encoding is proposed only where it is the one that makes sense of the whole file."""

from pathlib import Path

import pytest

from importer.source import dialect
from importer.source.encodings import is_plausible, plausible_encodings
from importer.source.options import SourceOptions

NAMES = {
    "cp1252": ("Zoë", "Jürgen Müller", "François", "O’Brien", "Bjørn Åberg"),
    "cp1250": ("Łukasz Wiśniewski", "Žofie Dvořáková", "Győző", "Ştefan"),
    "cp1251": ("Иван Соловьёв", "Мария", "Щукина Ольга"),
    "cp932": ("山田太郎", "さくら", "タナカ"),
    "gb18030": ("王小明", "张伟", "李娜"),
    "mac-roman": ("Zoë", "Jürgen Müller", "François", "Élodie Lefèvre"),
}


def write(path: Path, encoding: str) -> str:
    rows = [f"{n},{name}" for n, name in enumerate(NAMES[encoding] * 20)]
    path.write_bytes("\n".join(["id,name", *rows]).encode(encoding))
    return str(path)


@pytest.mark.parametrize("encoding", NAMES)
def test_the_right_encoding_is_among_the_plausible_ones(encoding: str, tmp_path: Path) -> None:
    assert encoding in plausible_encodings(write(tmp_path / "list.csv", encoding))


@pytest.mark.parametrize("encoding", NAMES)
def test_no_encoding_is_proposed_that_makes_other_letters(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", encoding)
    found = dialect.suggest(path, SourceOptions(), ["id", "name"])
    assert found is None or found.line == f'encoding = "{encoding}"'


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp1252", ("Hélène Lefèvre", "Benoît")),
        ("cp1252", ("José Núñez", "María Peña")),
        ("cp1252", ("João Simões", "Conceição")),
        ("cp1252", ("René", "Chloé")),  # the same in both: the more frequent encoding
        ("cp1250", ("Jiří Dvořák", "Tomáš Novák", "Lukáš Černý")),
        ("cp1250", ("Győző Erdős", "Kovács Gábor")),
        ("cp1250", ("Željko Šarić", "Marko Đurić")),
    ],
)
def test_of_two_encodings_alike_the_one_with_words_of_a_language_comes_first(
    encoding: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    rows = [f"{n},{name}" for n, name in enumerate(names * 20)]
    path.write_bytes("\n".join(["id,name", *rows]).encode(encoding))
    assert plausible_encodings(str(path))[0] == encoding


@pytest.mark.parametrize(
    "text",
    [
        "Zoë",
        "ÉLODIE",
        "McKéan",
        "Łódź",
        "Иван",
        "山田 さくら",
        "O’Brien",
        "“Ana”",
        "10 €",
        "María-José",
        "Ñandú",
        "Æ",
    ],
)
def test_text_of_people_is_plausible(text: str) -> None:
    assert is_plausible(text)


@pytest.mark.parametrize(
    "text", ["Ã©", "CafŽ", "Èâàí", "£ódŸ", "Zoй", "ƒ‰[ƒU", "\x8eZo", "Zo\ufffd", "хБЮМ", "ｱｲ", "Ã¼ber"]
)
def test_text_of_a_wrong_encoding_is_not(text: str) -> None:
    assert not is_plausible(text)
