"""When the zips are built anew, and that they are whole."""

import tomllib
from pathlib import Path

import pytest

from infra import build

CODE = "def handler(event, context):\n    return {'statusCode': 200}\n"


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A repository of one function, and nothing built."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", tmp_path / ".local" / "build")
    (tmp_path / "requirements.lock").write_text("pydantic==2.14.4\n")
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "service.py").write_text(CODE)
    (tmp_path / "functions" / "openapi.json").write_text("{}")
    return tmp_path


def built() -> list[str]:
    """Builds the functions' zip; the lines of progress."""
    lines: list[str] = []
    build._functions().ensure(lines.append)
    return lines


def files(folder: Path) -> dict[str, bytes]:
    """Contents by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("checkout")
def test_the_functions_zip_has_what_handlers_read_beside_them() -> None:
    built()

    zipped = files(build.functions_code())
    assert zipped["functions/service.py"] == CODE.encode()
    assert zipped["functions/openapi.json"] == b"{}"


@pytest.mark.skipif(build.runtime_python() is None, reason="no Python of the runtime's version")
@pytest.mark.usefixtures("checkout")
def test_bytecode_is_taken_without_a_look_at_the_source_and_names_lambdas_paths() -> None:
    built()

    [bytecode] = build.functions_code().glob("functions/__pycache__/service.*.pyc")
    assert bytecode.name == "service.cpython-313.pyc"
    assert bytecode.read_bytes()[4:8] == b"\x01\x00\x00\x00"  # PEP 552: by hash, unchecked
    assert b"/var/task/functions/service.py" in bytecode.read_bytes()


def test_the_same_sources_give_the_same_bytes(checkout: Path) -> None:
    built()
    first = files(build.functions_code())
    (checkout / "functions" / "service.py").touch()
    (checkout / ".local").rename(checkout / "elsewhere")
    built()

    assert files(build.functions_code()) == first


@pytest.mark.usefixtures("checkout")
def test_what_is_up_to_date_is_left_alone() -> None:
    assert built() == ["Build: functions"]
    assert built() == []


@pytest.mark.parametrize("changed", ["functions/service.py", "requirements.lock"])
def test_a_change_of_source_or_lock_builds_anew(checkout: Path, changed: str) -> None:
    built()
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")

    assert built() == ["Build: functions"]


def test_bytecode_left_beside_the_source_is_neither_a_change_nor_shipped(checkout: Path) -> None:
    built()
    stray = checkout / "functions" / "__pycache__" / "service.cpython-311.pyc"
    stray.parent.mkdir()
    stray.write_bytes(b"stray")

    assert built() == []
    assert b"stray" not in files(build.functions_code()).values()


def test_a_build_that_broke_off_does_not_count_and_leaves_the_old_one(tmp_path: Path) -> None:
    home = tmp_path / "layer"

    def whole(new: Path) -> None:
        (new / "file").write_text("whole")

    def half(new: Path) -> None:
        (new / "file").write_text("half")
        raise KeyboardInterrupt

    build.put_in_place(home, made_of="1", fill=whole)
    with pytest.raises(KeyboardInterrupt):
        build.put_in_place(home, made_of="2", fill=half)

    assert (home / "file").read_text() == "whole"
    build.put_in_place(home, made_of="2", fill=whole)
    assert {path.name for path in tmp_path.iterdir()} == {"layer", "layer.lock"}


def test_every_runtime_dependency_of_the_project_is_in_exactly_one_layer() -> None:
    project = tomllib.loads((build.ROOT / "pyproject.toml").read_text())["project"]

    layers = [build._packages(name) for name in ("dependencies", "inference", "client")]

    assert sorted(package for layer in layers for package in layer) == sorted(
        project["dependencies"]
    )
    assert any(package.startswith("onnxruntime") for package in layers[1])
