"""The real OpenSearch on this machine: assembled from Maven Central, one node on loopback.

There is no archive of the server to unpack there, but all its parts are: the server's jars, its
modules and the k-NN plugin. What is added or left out, and why, stands beside each part below.

Every `knn_vector` must name `engine: lucene`: the native libraries of the default engine (faiss)
aren't on Maven Central, and without them the first write to such a field ends the node.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from infra import maven
from infra.maven import Artifact, MissingToolError

VERSION: Final = "3.5.0"
KNN_VERSION: Final = "3.5.0.0"
HOME: Final = Path(__file__).resolve().parents[2] / ".local" / f"opensearch-{VERSION}"

OLDEST_JAVA: Final = 21
ALONE: Final = ("*:*",)

START_TIMEOUT_SECONDS: Final = 180
STOP_TIMEOUT_SECONDS: Final = 20
SECONDS_BETWEEN_PROGRESS: Final = 5

UID_FOR_ROOT: Final = 1500  # OpenSearch refuses uid 0; any other id does, and needs no account
MAIN_CLASS: Final = "org.opensearch.bootstrap.OpenSearch"


class OpenSearchStartError(RuntimeError):
    """The node didn't come up; the message says why, with the end of its log if it died."""


@dataclass(frozen=True)
class Module:
    artifact: str
    plugin_class: str
    extends: str = ""


MODULES: Final = {
    "aggs-matrix-stats": Module(
        "aggs-matrix-stats-client",
        "org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin",
    ),
    "analysis-common": Module(
        "analysis-common",
        "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
        extends="lang-painless",
    ),
    "lang-mustache": Module(
        "lang-mustache-client",
        "org.opensearch.script.mustache.MustacheModulePlugin",
        extends="lang-painless",
    ),
    "lang-painless": Module("lang-painless", "org.opensearch.painless.PainlessModulePlugin"),
    "mapper-extras": Module(
        "mapper-extras-client", "org.opensearch.index.mapper.MapperExtrasModulePlugin"
    ),
    "parent-join": Module("parent-join-client", "org.opensearch.join.ParentJoinModulePlugin"),
    "reindex": Module("reindex-client", "org.opensearch.index.reindex.ReindexModulePlugin"),
    "transport-netty4": Module(
        "transport-netty4-client", "org.opensearch.transport.Netty4ModulePlugin"
    ),
}

FOLDERS: Final = {
    "lib": (
        Artifact("org.opensearch", "opensearch", VERSION),
        Artifact("org.opensearch", "opensearch-plugin-classloader", VERSION),
        # The server's pom leaves its log backend optional; the version is that of its log4j-api.
        Artifact("org.apache.logging.log4j", "log4j-core", "2.25.3"),
        # Holds the class AgentPolicy, which the server looks for at start (a real distribution
        # loads it as a Java agent). 3.5.0's isn't on Maven Central; 3.4.0's fits.
        Artifact("org.opensearch", "opensearch-agent-bootstrap", "3.4.0", without=ALONE),
    ),
    **{
        f"modules/{name}": (
            Artifact(
                "org.opensearch.plugin",
                module.artifact,
                VERSION,
                without=("io.netty:netty-codec-native-quic",),  # HTTP/3: 12 MB for five platforms
            ),
        )
        for name, module in MODULES.items()
    },
    "plugins/opensearch-knn": (
        Artifact("org.opensearch.plugin", "opensearch-knn", KNN_VERSION, "zip", without=ALONE),
        # A real distribution has the next four in its module transport-grpc, which the k-NN
        # plugin extends. 3.6.0 is the only version of the first on Maven Central.
        Artifact("org.opensearch.plugin", "transport-grpc-spi", "3.6.0", without=ALONE),
        Artifact("org.opensearch", "protobufs", "1.3.0", without=ALONE),
        Artifact("com.google.guava", "guava", "33.2.1-jre", without=ALONE),
        Artifact("com.google.guava", "failureaccess", "1.0.2", without=ALONE),
    ),
}

# transport-grpc isn't on Maven Central in every version, and only k-NN's gRPC converters need it.
KNN_DESCRIPTOR_CHANGES: Final = {
    "extended.plugins": "lang-painless",
    "opensearch.version": VERSION,
}

RECIPE: Final = hashlib.sha256(
    repr((FOLDERS, MODULES, KNN_DESCRIPTOR_CHANGES)).encode()
).hexdigest()

LOG_CONFIG: Final = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name]%marker %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def ensure_opensearch(progress: Callable[[str], None]) -> Path:
    """The assembled home; it is made, or made anew, unless one of this very recipe is there.

    Of several processes that call this at once, one assembles and the others wait for it.
    Raises MissingToolError or MavenError.
    """
    if _recipe_of(HOME) == RECIPE:
        return HOME
    HOME.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{HOME.name}-"
    with _lock(HOME.with_name(f"{HOME.name}.lock"), progress):
        if _recipe_of(HOME) == RECIPE:
            return HOME
        for left_over in HOME.parent.glob(f"{prefix}*"):
            shutil.rmtree(left_over)
        with tempfile.TemporaryDirectory(dir=HOME.parent, prefix=prefix) as temporary:
            new = Path(temporary) / HOME.name
            progress(f"OpenSearch: fetching {VERSION} from Maven Central, 65 MB")
            _assemble(new, progress)
            if HOME.exists():
                HOME.rename(Path(temporary) / "old")
            new.rename(HOME)
    return HOME


def find_java() -> Path:
    """A `java` of version 21 or newer: JAVA_HOME's, the PATH's, else the newest installed.

    Raises MissingToolError, which names what was found instead.
    """
    found: dict[Path, int] = {}
    for java in _chosen_javas():
        found[java] = _version_of(java)
        if found[java] >= OLDEST_JAVA:
            return java
    found |= {java: _version_of(java) for java in _installed_javas() if java not in found}
    newest = max(found, key=lambda java: found[java], default=None)
    if newest is None or found[newest] < OLDEST_JAVA:
        seen = f"found {found[newest]} at {newest}" if newest and found[newest] else "found none"
        raise MissingToolError(
            f"OpenSearch needs a JDK of version {OLDEST_JAVA} or newer; {seen}: install one "
            "(apt-get install openjdk-21-jdk, brew install openjdk@21) or set JAVA_HOME"
        )
    return newest


class OpenSearchNode:
    """One node on 127.0.0.1, with all that it writes under one directory.

    The first orderly stop also leaves an archive of the loaded classes in the assembled home (it
    takes about 4 s more); later starts with the same JDK take it, and 3 s instead of 5.
    """

    url: str
    pid: int

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        data: Path,
        port: int,
        archive: Path,
        lock: IO[str],
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.pid = process.pid
        self._process = process
        self._data = data
        self._archive = archive
        self._lock = lock

    @classmethod
    def start(cls, data: Path, *, port: int, progress: Callable[[str], None]) -> Self:
        """A node that answers, its indices on `data` recovered.

        `data` belongs to one process at a time. On Linux the node dies with the *thread* that
        calls this, however that ends (PR_SET_PDEATHSIG), so call it from the main thread.
        Elsewhere a node may outlive its killed parent; the next start on `data` stops it.
        OPENSEARCH_HEAP sets the heap's size (default 512m).

        Raises MissingToolError, MavenError or OpenSearchStartError.
        """
        java = find_java()
        home = ensure_opensearch(progress)
        data = data.resolve()
        data.mkdir(parents=True, exist_ok=True)
        lock = _claim(data)
        try:
            _stop_left_over(data)
            _check_free(port)
            modules = _modules_of(java)
            archive = _class_archive(home, modules)
            _prepare(data, port=port)
            with _console_log(data).open("wb") as log:
                process = subprocess.Popen(
                    [
                        *_privileges(),
                        str(java),
                        *_java_options(modules, data=data, archive=archive),
                        f"-Dopensearch.path.home={home}",
                        f"-Dopensearch.path.conf={data / 'config'}",
                        "-Dopensearch.distribution.type=tar",
                        "-Dopensearch.bundled_jdk=false",
                        "-cp",
                        f"{home}/lib/*",
                        MAIN_CLASS,
                    ],
                    cwd=data,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a Ctrl+C is the parent's, which then stops the node
                )
        except BaseException:
            lock.close()
            raise
        node = cls(process, data=data, port=port, archive=archive, lock=lock)
        try:
            _pid_file(data).write_text(str(process.pid))
            node._wait_until_ready(port, progress)
        except BaseException:
            process.kill()
            node.stop()
            raise
        return node

    def stop(self) -> None:
        """Ends the node, by force after 20 s. Stopping again does nothing."""
        if self._lock.closed:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        try:
            if self._process.returncode == 128 + signal.SIGTERM:
                self._keep_class_archive()
        finally:
            _pid_file(self._data).unlink(missing_ok=True)
            self._lock.close()

    def _keep_class_archive(self) -> None:
        dumped = _dumped_archive(self._data)
        if dumped.exists() and self._archive.parent.is_dir():
            beside = self._archive.with_suffix(f".{self.pid}")
            shutil.copyfile(dumped, beside)
            beside.replace(self._archive)
            dumped.unlink()

    def _wait_until_ready(self, port: int, progress: Callable[[str], None]) -> None:
        began = reported = time.monotonic()
        progress(f"OpenSearch: starting on port {port}")
        while not _is_ready(port):
            if self._process.poll() is not None:
                raise OpenSearchStartError(f"OpenSearch ended at start; {_end_of_log(self._data)}")
            now = time.monotonic()
            if now - began > START_TIMEOUT_SECONDS:
                raise OpenSearchStartError(
                    f"OpenSearch didn't answer within {START_TIMEOUT_SECONDS} s; "
                    f"{_end_of_log(self._data)}"
                )
            if now - reported > SECONDS_BETWEEN_PROGRESS:
                reported = now
                progress(f"OpenSearch: starting, {now - began:.0f} s")
            time.sleep(0.1)
        progress(f"OpenSearch: ready in {time.monotonic() - began:.1f} s at {self.url}")


# Assembling


def _recipe_of(home: Path) -> str | None:
    try:
        return (home / "recipe.sha256").read_text()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _lock(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as file:
        waited = 0
        while not _try_lock(file):
            if waited % SECONDS_BETWEEN_PROGRESS == 0:
                progress(f"OpenSearch: another process is assembling it, waiting, {waited} s")
            time.sleep(1)
            waited += 1
        yield


def _try_lock(file: IO[str]) -> bool:
    """The lock goes with the file's closing, so with the process's end as well."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _assemble(home: Path, progress: Callable[[str], None]) -> None:
    maven.copy(FOLDERS, home, title="OpenSearch", progress=progress)
    in_lib = {jar.name for jar in (home / "lib").iterdir()}
    for name, module in MODULES.items():
        folder = home / "modules" / name
        for jar in folder.iterdir():
            if jar.name in in_lib:  # the server refuses a class that it sees twice
                jar.unlink()
        (folder / "plugin-descriptor.properties").write_text(_descriptor(name, module))
    _unpack_knn(home / "plugins" / "opensearch-knn")
    (home / "bin").mkdir()  # empty, but the server insists on it
    (home / "recipe.sha256").write_text(RECIPE)


def _descriptor(name: str, module: Module) -> str:
    return f"""\
name={name}
description={name}
version={VERSION}
opensearch.version={VERSION}
java.version={OLDEST_JAVA}
classname={module.plugin_class}
extended.plugins={module.extends}
has.native.controller=false
"""


def _unpack_knn(folder: Path) -> None:
    [archive] = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    archive.unlink()
    descriptor = folder / "plugin-descriptor.properties"
    lines = descriptor.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        key, _, _ = line.partition("=")
        if key in KNN_DESCRIPTOR_CHANGES:
            lines[number] = f"{key}={KNN_DESCRIPTOR_CHANGES[key]}"
    descriptor.write_text("\n".join(lines) + "\n", "utf-8")


# Java


def _chosen_javas() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if on_path := shutil.which("java"):
        yield Path(on_path)


def _installed_javas() -> Iterator[Path]:
    for parent, pattern in (
        ("/usr/lib/jvm", "*/bin/java"),
        ("/Library/Java/JavaVirtualMachines", "*/Contents/Home/bin/java"),
        ("/opt/homebrew/opt", "openjdk*/bin/java"),
        ("/usr/local/opt", "openjdk*/bin/java"),
    ):
        yield from sorted(Path(parent).glob(pattern))


def _version_of(java: Path) -> int:
    """Zero if it doesn't run: a missing file, or the stub that macOS has on its PATH."""
    try:
        ran = subprocess.run([java, "-version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    return parse_java_version(ran.stderr) or 0


def parse_java_version(output: str) -> int | None:
    """The feature version (8, 17, 21, …) in what `java -version` prints."""
    match = re.search(r'version "(?:1\.)?(\d+)', output)
    return int(match[1]) if match else None


def _modules_of(java: Path) -> str:
    """What `java --list-modules` prints: `name@version` a line."""
    return subprocess.run(
        [java, "--list-modules"], capture_output=True, text=True, check=True
    ).stdout


def _java_options(modules: str, *, data: Path, archive: Path) -> list[str]:
    heap = os.environ.get("OPENSEARCH_HEAP", "512m")
    options = [
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseG1GC",
        "-XX:G1ReservePercent=25",
        "-XX:InitiatingHeapOccupancyPercent=30",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Xshare:auto",  # an archive that doesn't fit is passed over
        "-Xlog:cds*=off",
        f"-XX:SharedArchiveFile={archive}"
        if archive.exists()
        else f"-XX:ArchiveClassesAtExit={_dumped_archive(data)}",
        f"-Djava.io.tmpdir={data / 'tmp'}",
        f"-Djna.tmpdir={data / 'tmp'}",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "-Dfile.encoding=UTF-8",
        "-Djava.locale.providers=SPI,CLDR",
        "--enable-native-access=ALL-UNNAMED",
    ]
    if "jdk.incubator.vector@" in modules:
        options.append("--add-modules=jdk.incubator.vector")  # SIMD for Lucene's vectors
    if (version := re.search(r"^java\.base@(\d+)", modules, re.MULTILINE)) and int(
        version[1]
    ) >= 23:
        options.append("--sun-misc-unsafe-memory-access=allow")
    return options


def _class_archive(home: Path, modules: str) -> Path:
    """Its name changes with what it is good for: one JDK, and jars at one place."""
    digest = hashlib.sha256(f"{home}\n{modules}".encode()).hexdigest()
    return home / f"classes-{digest[:16]}.jsa"


# The node's process


def _privileges() -> list[str]:
    """The command that starts the rest of the line mortal with us and, if we are root, as another.

    The other user must reach a checkout, data and a JDK that may lie below directories of mode
    0700 (`mktemp -d` makes one, /root is one). So it keeps, as an ambient capability, root's right
    to search directories and read files, and no other right of root's. Containers often lack that
    capability (CAP_DAC_READ_SEARCH) but have CAP_DAC_OVERRIDE, which includes it. Without the
    secure bit, access(2), by which Java asks whether a file exists, sets capabilities aside.

    setpriv sets the death signal after the change of user, which would have cleared it.
    """
    if sys.platform != "linux":
        return []
    setpriv = shutil.which("setpriv")
    is_root = os.geteuid() == 0
    if setpriv is None:
        if is_root:
            raise MissingToolError(
                "OpenSearch refuses to run as root: install setpriv, to start it as another user "
                "(apt-get install util-linux), or be another user"
            )
        return []
    command = [setpriv, "--pdeathsig", "KILL"]
    if is_root:
        kept = ",".join(["-all", *_search_capability()])
        user = str(UID_FOR_ROOT)
        command += ["--reuid", user, "--regid", user, "--clear-groups"]
        command += ["--inh-caps", kept, "--ambient-caps", kept]
        command += ["--securebits", "+no_setuid_fixup"]
    return command


def _search_capability() -> list[str]:
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    for name, bit in (("dac_read_search", 2), ("dac_override", 1)):
        if held >> bit & 1:
            return [f"+{name}"]
    return []


def _prepare(data: Path, *, port: int) -> None:
    shutil.rmtree(data / "tmp", ignore_errors=True)
    for name in ("config", "index", "logs", "tmp"):
        (data / name).mkdir(exist_ok=True)
    settings = {
        "cluster.name": "cross-session-context",
        "node.name": "local",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": 0,  # nobody connects to it
        "path.data": str(data / "index"),
        "path.logs": str(data / "logs"),
        "action.auto_create_index": False,
        "action.destructive_requires_name": True,
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "indices.breaker.total.use_real_memory": False,  # else a small heap answers 429
    }
    (data / "config" / "opensearch.yml").write_text(
        "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()), "utf-8"
    )
    (data / "config" / "log4j2.properties").write_text(LOG_CONFIG)
    if os.geteuid() == 0:
        for path in (data, *data.rglob("*")):
            os.chown(path, UID_FOR_ROOT, UID_FOR_ROOT, follow_symlinks=False)


def _claim(data: Path) -> IO[str]:
    lock = (data / "lock").open("w")
    if not _try_lock(lock):
        lock.close()
        raise OpenSearchStartError(
            f"Another process runs an OpenSearch node on {data}: stop it first"
        )
    return lock


def _stop_left_over(data: Path) -> None:
    """Stops the node that a killed parent left on `data`. The caller holds the lock on `data`."""
    try:
        pid = int(_pid_file(data).read_text())
    except (FileNotFoundError, ValueError):
        return
    for ending in (signal.SIGTERM, signal.SIGKILL):
        if _is_node(pid, data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, ending)
        give_up = time.monotonic() + STOP_TIMEOUT_SECONDS
        while _is_node(pid, data) and time.monotonic() < give_up:
            time.sleep(0.1)
    _pid_file(data).unlink()


def _is_node(pid: int, data: Path) -> bool:
    """Process ids are used again, so the command line decides."""
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        listed = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        command = subprocess.run(listed, capture_output=True, text=True, check=False).stdout
    return MAIN_CLASS in command and f"-Dopensearch.path.conf={data / 'config'} " in command


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise OpenSearchStartError(
                f"Port {port} on 127.0.0.1 is taken: stop what listens there or choose another"
            ) from None


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_of_log(data: Path) -> str:
    log = _console_log(data)
    lines = log.read_text("utf-8", "replace").splitlines()
    return "\n".join([f"the end of {log}:", *lines[-40:]])


def _pid_file(data: Path) -> Path:
    return data / "pid"


def _console_log(data: Path) -> Path:
    return data / "logs" / "console.log"


def _dumped_archive(data: Path) -> Path:
    return data / "tmp" / "classes.jsa"
