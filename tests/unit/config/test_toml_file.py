"""Configuration files: mistakes in words with their place, `extends`, and environment variables."""

from pathlib import Path

import pytest

from importer.config import load, toml_file
from importer.core.errors import ConfigError

BASE = """\
name = "people"
[source]
path = "list.csv"
[identity]
column = "id"
[destination]
type = "vevee"
api_key = "env:KEY"
[attributes.plan]
type = "single_choice"
options = ["free", "pro"]
"""


def refused(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as error:
        load(path)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = people\n", 'line 1, column 8: expected a value: "text"'),
        ('name = "x"\nsource\n', 'line 2, column 7: expected "=" after the key'),
        ('name = "x"\nname = "y"\n', "line 2, column 11: the key or section is there twice"),
        ("[source]\n[source]\n", "line 2, column 8: the key or section is there twice"),
        ('a = ["x", "y"\n[b]\n', 'a list is not closed; add "]"'),
        ('a = "x\nb = 1\n', "line 1, column 7: a text is not closed on its line"),
        ('a = "C:\\data"\n', "a backslash has a meaning in double quotes"),
        ('a = "x" b = 1\n', "line 1, column 9: something stands after the value"),
        ("[source\na = 1\n", 'line 1, column 8: the name of a section is not closed; add "]"'),
    ],
)
def test_a_toml_mistake_has_its_place_and_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    found = refused(tmp_path / "import.toml", text)
    assert found.startswith("not valid TOML, ")
    assert said in found


@pytest.mark.parametrize("name", ["list.csv", "import.toml"])
def test_a_list_given_as_configuration_is_recognised(name: str, tmp_path: Path) -> None:
    found = refused(tmp_path / name, "id,plan\nu1,pro\n")
    assert "it looks like a list" in found
    assert f"importer run CONFIG.toml {tmp_path / name}" in found
    assert f"importer init {tmp_path / name}" in found


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder; expected a configuration file"):
        load(tmp_path)


def test_a_neighbours_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "nightly.toml").write_text(BASE)
    with pytest.raises(ConfigError, match=r'no such configuration file\. Did you mean "nightly\.toml"\?'):
        load(tmp_path / "nightyl.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('column = "id"', 'colunm = "id"', 'identity.colunm: unknown key. Did you mean "column"?'),
        ("[source]", "[sorce]", 'sorce: unknown key. Did you mean "source"?'),
        ("options = ", "option = ", 'attributes.plan.option: unknown key. Did you mean "options"?'),
        ('type = "vevee"', 'type = "vevee"\nrate = 5', "destination.rate: unknown key"),
        ('path = "list.csv"', "path = 5", 'source.path: expected a text in quotes, like "text"'),
        ('["free", "pro"]', '"free"', 'attributes.plan.options: expected a list, like ["a", "b"]'),
        ('"single_choice"', '"choice"', 'attributes.plan.type: expected "free_text", "single_choice", '),
        ("[attributes.plan]", "[attributes]\nplan = 5\n[x.y]", "attributes.plan: expected a table"),
        ('path = "list.csv"', 'path = "list.csv"\nskip_lines = -1', "source.skip_lines: expected at least 0"),
        ('path = "list.csv"', 'path = "list.csv"\nheader = "no"', "source.header: expected true or false"),
    ],
)
def test_a_wrong_key_or_value_is_said_in_words_of_the_file(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    assert old in BASE
    found = refused(tmp_path / "import.toml", BASE.replace(old, new))
    assert said in found
    assert not any(word in found for word in ("tuple", "instance", "dictionary", "Input", "string"))


def test_a_missing_section_says_what_to_add(tmp_path: Path) -> None:
    found = refused(tmp_path / "import.toml", 'name = "x"\n')
    assert "source: missing; add a section [source] with path" in found
    assert "attributes: missing; add a section [attributes.NAME]" in found


def test_a_file_may_extend_another(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "sub").mkdir()
    top = tmp_path / "sub" / "staging.toml"
    top.write_text(
        'extends = "../base.toml"\n[destination]\naccount = "staging"\n[attributes.plan]\noptions = ["x"]\n'
    )
    config = load(top)
    assert (config.name, config.destination.type, config.destination.account) == (
        "people",
        "vevee",
        "staging",
    )
    assert config.attributes["plan"].options == ("x",)
    assert config.attributes["plan"].type == "single_choice"
    assert config.path == top


def test_files_that_extend_one_another_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"\n')
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n')
    with pytest.raises(ConfigError, match="in a circle"):
        load(tmp_path / "a.toml")


def test_variables_stand_in_path_account_and_base_url_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "staging")
    path = tmp_path / "import.toml"
    path.write_text(BASE.replace('"list.csv"', '"/data/${STAGE}/list.csv"'))
    data = toml_file.read(path)
    assert data["source"]["path"] == "/data/staging/list.csv"
    path.write_text(BASE.replace('"people"', '"${STAGE}"'))
    assert toml_file.read(path)["name"] == "${STAGE}"


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    text = BASE.replace('"list.csv"', '"${NOWHERE}/list.csv"')
    assert "source.path: the variable NOWHERE is not set; set it." in refused(tmp_path / "import.toml", text)
