"""The configuration of HAProxy, with a real HAProxy and two instances of the service."""

import subprocess
from collections.abc import Mapping

from tests.deploy.instances import CONFIG
from tests.real_servers.servers import program


def checked(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    words = [*program("haproxy"), "-c", "-f", str(CONFIG)]
    return subprocess.run(
        words, env=dict(environment), capture_output=True, text=True, timeout=30, check=False
    )


def test_haproxy_accepts_the_configuration_without_a_warning() -> None:
    done = checked({"AVR_ADMIN": "/tmp/avr-admin"})
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said
    assert "ALERT" not in said


def test_a_mistake_in_the_configuration_would_be_found() -> None:
    assert checked({"AVR_A_PORT": "no-port", "AVR_ADMIN": "/tmp/avr-admin"}).returncode != 0
