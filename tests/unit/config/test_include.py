"""A configuration in several files: what is read, in which order, and what two files may not both say."""

from pathlib import Path

import pytest

from proxy.config.show import effective
from proxy.config.sources import Loaded, load

APP = '[upstreams.app]\nurls = ["http://a:1"]\n'


def loaded_from(tmp_path: Path, files: dict[str, str], environ: dict[str, str] | None = None, *settings: str) -> Loaded:
    """What comes of several files, of which `c.toml` is the one that is named."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return load(tmp_path / "c.toml", environ or {}, settings=settings)


def told(tmp_path: Path, files: dict[str, str]) -> list[str]:
    return [str(problem).replace(f"{tmp_path}/", "") for problem in loaded_from(tmp_path, files).problems]


def test_included_files_are_read_sorted_and_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    loaded = loaded_from(
        tmp_path,
        {
            "c.toml": 'include = ["conf.d/*.toml"]\nworkers = 2\n',
            "conf.d/b.toml": f'include = ["more/z.toml"]\n{APP}',
            "conf.d/a.toml": '[routes.a]\nupstream = "app"\n',
            "conf.d/.hidden.toml": "this is no TOML",
            "conf.d/notes.txt": "nor is this",
            "conf.d/more/z.toml": '[routes.z]\nupstream = "app"\npath = "/z"\n',
        },
    )
    config = loaded.valid()
    assert config.workers == 2
    assert list(config.routes) == ["a", "z"]
    assert config.include == ["conf.d/*.toml"]
    names = ["c.toml", "conf.d/a.toml", "conf.d/b.toml", "conf.d/more/z.toml"]
    assert [str(path.relative_to(tmp_path)) for path in loaded.files] == names
    assert loaded.sources["routes.z.path"] == f"{tmp_path}/conf.d/more/z.toml:3"


def test_a_folder_without_such_files_is_no_mistake_and_a_file_does_not_include_itself_by_a_pattern(
    tmp_path: Path,
) -> None:
    loaded = loaded_from(tmp_path, {"c.toml": f'include = ["none/*.toml", "*.toml"]\n{APP}', "d.toml": "workers = 3\n"})
    assert loaded.valid().workers == 3


def test_two_patterns_of_a_list_may_name_one_file(tmp_path: Path) -> None:
    files = {"c.toml": f'include = ["d.toml", "*.toml"]\n{APP}', "d.toml": "workers = 3\n"}
    assert loaded_from(tmp_path, files).valid().workers == 3


def test_tables_that_are_no_entries_may_be_spread_over_files(tmp_path: Path) -> None:
    files = {
        "c.toml": f'include = ["d.toml"]\n[timeouts]\nconnect_s = 1\n{APP}',
        "d.toml": '[timeouts]\ndrain_s = "1m30s"\n',
    }
    timeouts = loaded_from(tmp_path, files).valid().timeouts
    assert (timeouts.connect_s, timeouts.drain_s) == (1, 90)


WRONG = [
    # the file, the one it includes                     what is said
    ('include = ["d.toml"]\nworkers = 1\n', "workers = 2\n", "d.toml:1: workers: is already set in c.toml:2"),
    (
        f'include = ["d.toml"]\n{APP}',
        '[upstreams.app]\nhost = "h"\n',
        "d.toml:2: upstreams.app: is already set in c.toml:3",
    ),
    (
        f'include = ["d.toml"]\n{APP}[routes.r]\nupstream = "app"\n',
        '[routes.r.response_fields]\nremove = ["X-A"]\n',
        "d.toml:2: routes.r: is already set in c.toml:5",
    ),
    ('include = ["e.toml"]\n', "", 'c.toml:1: include = "e.toml": no such file'),
    ('include = ["folder"]\n', "", 'c.toml:1: include = "folder": is a folder: add /*.toml'),
    ('include = "d.toml"\n', "", 'c.toml:1: include = "d.toml": expected a list, got a text'),
    ('include = [1]\n', "", "c.toml:1: include = [1]: expected a text, got a whole number"),
    ('include = ["d.toml"]\n', "wrokers = 2\n", 'd.toml:1: wrokers: unknown key, did you mean "workers"?'),
    ('include = ["d.toml"]\n', "workers = \n", "d.toml:1: is not TOML: Invalid value (at line 1, column 11)"),
    ('include = ["${NO_SUCH}"]\n', "", "c.toml:1: include = ${NO_SUCH}: no such environment variable"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "other", "said"), WRONG)
def test_a_wrong_include_is_told_with_its_place(tmp_path: Path, text: str, other: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    found = told(tmp_path, {"c.toml": text if APP in text else text + APP, "d.toml": other})
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_cycle_is_told_with_its_way(tmp_path: Path) -> None:
    files = {
        "c.toml": f'include = ["d.toml"]\n{APP}',
        "d.toml": 'include = ["e.toml"]\n',
        "e.toml": 'include = ["c.toml"]',
    }
    [found] = told(tmp_path, files)
    assert found == 'e.toml:1: include = "c.toml": includes itself: c.toml -> d.toml -> e.toml -> c.toml'


def test_a_file_that_two_files_include_is_told_with_both(tmp_path: Path) -> None:
    files = {
        "c.toml": f'include = ["d.toml", "e.toml"]\n{APP}',
        "d.toml": 'include = ["f.toml"]\n',
        "e.toml": 'include = ["f.toml"]\n',
        "f.toml": "workers = 2\n",
    }
    [found] = told(tmp_path, files)
    assert found == 'e.toml:1: include = "f.toml": is included by d.toml:1 already'


def test_an_upstream_that_a_missing_file_may_hold_is_not_missed(tmp_path: Path) -> None:
    [found] = told(tmp_path, {"c.toml": 'include = ["e.toml"]\n[routes.r]\nupstream = "app"\n'})
    assert "no such file" in found


@pytest.mark.parametrize("how", ["environment", "--set"])
def test_the_files_to_include_may_be_named_outside_the_file(tmp_path: Path, how: str) -> None:
    files = {"c.toml": f'include = ["no such"]\n{APP}', "d.toml": "workers = 3\n"}
    named = f"{tmp_path}/d.toml"
    loaded = (
        loaded_from(tmp_path, files, {"ONEHOP_INCLUDE": named})
        if how == "environment"
        else loaded_from(tmp_path, files, {}, f"include={named}")
    )
    assert loaded.valid().workers == 3
    rows = {name: (value, source) for name, value, source in effective(loaded.valid(), loaded.sources)}
    assert rows["include"] == (f'["{named}"]', "ONEHOP_INCLUDE" if how == "environment" else "--set")


def test_files_are_included_where_no_file_includes_them(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(APP)
    assert load(None, {"ONEHOP_INCLUDE": f"{tmp_path}/*.toml"}).valid().upstreams["app"].urls == ["http://a:1"]
