"""An AWS account on this machine: ministack deploys the real template and runs the functions.

It lives in a virtual environment of its own, since what is installed beside it leaks into the
functions that it runs.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
import httpx

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.5.33"
HOME = ROOT / ".local" / f"ministack-{VERSION}"
SERVICES = (
    "acm,apigateway,cloudformation,ec2,ecr,events,iam,kms,lambda,logs,monitoring,"
    "dynamodb,opensearch,s3,scheduler,sns,sqs,ssm,sts,cloudwatch,es"
)
START_SECONDS = 60


@dataclass
class Emulator:
    """`environment` turns the CDK, boto3 and curl to this account."""

    endpoint: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, *, port: int, engine: str) -> Self:
        """`engine` is the OpenSearch that stands behind each domain's endpoint."""
        _ensure_installed()
        credentials = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }
        own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_OPENSEARCH_ENDPOINT": engine.removeprefix("http://"),
            "SERVICES": SERVICES,
            "SFTP_ENABLED": "0",
        }
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "ministack.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [HOME / "bin" / "ministack"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)} | credentials | own,
                stdout=output,
                stderr=output,
            )
        endpoint = f"http://127.0.0.1:{port}"
        emulator = cls(
            endpoint,
            credentials | {"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"},
            log,
            process,
        )
        deadline = time.monotonic() + START_SECONDS
        while not emulator._healthy():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-4000:])
            time.sleep(0.1)
        return emulator

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/_ministack/health").is_success
        except httpx.TransportError:
            return False


def _ensure_installed() -> None:
    if (HOME / "installed").exists():
        return
    print(f"Emulator: installing ministack {VERSION}", flush=True)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, HOME], check=True)
    subprocess.run(
        [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            HOME / "bin" / "python",
            f"ministack=={VERSION}",
            "boto3",
            "cryptography",
        ],
        check=True,
    )
    (HOME / "installed").touch()
