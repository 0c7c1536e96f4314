"""Artifacts from Maven Central by their coordinates, fetched by the machine's own `mvn`.

Maven brings what a download by hand would lack: the user's mirrors and proxies, checksums, and a
local repository that makes the second time fast.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

COPY_GOAL: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
SECONDS_BETWEEN_PROGRESS: Final = 5


class MissingToolError(RuntimeError):
    """A program that this machine must have; the message is one line that says how to get it."""


class MavenError(RuntimeError):
    """Maven ran and failed; the message carries its own words."""


@dataclass(frozen=True)
class Artifact:
    """A jar or zip, together with what it depends on at run time."""

    group: str
    name: str
    version: str
    type: str = "jar"
    without: tuple[str, ...] = ()
    """`group:name` of dependencies to leave out; `*:*` leaves all of them out."""


def copy(
    folders: Mapping[str, Sequence[Artifact]],
    into: Path,
    *,
    title: str,
    progress: Callable[[str], None],
) -> None:
    """Copies each folder's artifacts, with what they depend on, to `into` / the folder's name.

    One Maven run whatever the number of folders: each is a module of a throw-away project, and
    modules resolve in parallel. Versions are settled inside a folder, not across folders.

    Raises MissingToolError without `mvn`, MavenError when it fails.
    """
    mvn = shutil.which("mvn")
    if mvn is None:
        raise MissingToolError(
            "Maven is not on the PATH: install it (apt-get install maven, brew install maven)"
        )
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        _write_project(folders, into, project)
        command = [mvn, "-B", "-T", "8", "-f", str(project), COPY_GOAL, "-DincludeScope=runtime"]
        _run(command, project / "mvn.log", title=title, progress=progress)


def _run(command: list[str], log: Path, *, title: str, progress: Callable[[str], None]) -> None:
    began = time.monotonic()
    with log.open("wb") as output:
        maven = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while maven.poll() is None:
            try:
                maven.wait(SECONDS_BETWEEN_PROGRESS)
            except subprocess.TimeoutExpired:
                fetched = _fetched(log.read_text(errors="replace"))
                progress(f"{title}: {fetched} fetched, {time.monotonic() - began:.0f} s")
    finally:
        maven.terminate()
        maven.wait()
    if maven.returncode != 0:
        raise MavenError(
            f"Maven could not fetch {title}: {_reason(log.read_text('utf-8', 'replace'))}"
        )


def _fetched(log: str) -> str:
    count = sum(
        line.startswith("[INFO] Downloaded from") and (".jar " in line or ".zip " in line)
        for line in log.splitlines()
    )
    return "1 file" if count == 1 else f"{count} files"


def _reason(log: str) -> str:
    lines = log.splitlines()
    errors = [line.removeprefix("[ERROR] ") for line in lines if line.startswith("[ERROR] ")]
    return errors[0] if errors else "\n".join(lines[-5:])


def _write_project(folders: Mapping[str, Sequence[Artifact]], into: Path, project: Path) -> None:
    modules = {f"folder-{number}": folder for number, folder in enumerate(folders)}
    listed = "".join(f"<module>{module}</module>" for module in modules)
    (project / "pom.xml").write_text(
        _pom("all", f"<packaging>pom</packaging><modules>{listed}</modules>"), "utf-8"
    )
    for module, folder in modules.items():
        output = escape(str((into / folder).resolve()))
        needed = "".join(_dependency(artifact) for artifact in folders[folder])
        (project / module).mkdir()
        (project / module / "pom.xml").write_text(
            _pom(
                module,
                "<packaging>pom</packaging>"
                f"<properties><outputDirectory>{output}</outputDirectory></properties>"
                f"<dependencies>{needed}</dependencies>",
            ),
            "utf-8",
        )


def _pom(name: str, body: str) -> str:
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>local</groupId><artifactId>{name}</artifactId><version>1</version>"
        f"{body}</project>"
    )


def _dependency(artifact: Artifact) -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>{name}</artifactId></exclusion>"
        for group, _, name in (left_out.partition(":") for left_out in artifact.without)
    )
    return (
        f"<dependency><groupId>{artifact.group}</groupId><artifactId>{artifact.name}</artifactId>"
        f"<version>{artifact.version}</version><type>{artifact.type}</type>"
        f"<exclusions>{exclusions}</exclusions></dependency>"
    )
