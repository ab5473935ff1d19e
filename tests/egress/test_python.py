"""Every way in which Python code connects, in a process with a guard, to every spelled address."""

import json
import os
import subprocess
import sys

import pytest

from tests.egress.networks import Networks
from tests.egress.spellings import LEADING, NAMES, ODD
from tests.helpers.worker import ROOT

WITHOUT_IPV6 = "Urllib ftp"


def leads_to_ipv6(host: str) -> bool:
    return host.startswith("[") or any(":" in address for address in NAMES.get(host, []))


@pytest.mark.timeout(300)
def test_no_way_of_python_leads_to_a_private_address(networks: Networks) -> None:
    for name, addresses in NAMES.items():
        networks.names.answer(name, addresses)
    hosts = (*LEADING, *ODD)

    done = networks.machine.call(
        lambda: subprocess.run(
            [sys.executable, "-m", "tests.egress.guarded"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            input="\n".join(hosts),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    )

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {"Requests https", "Urllib http", "Websockets wss", WITHOUT_IPV6} <= {*said["ways"]}
    assert networks.touched() == []
    # What clients themselves refuse need not come to the guard.
    passed = [(way, host) for way, host in said["passed"] if host in LEADING]
    assert [
        (way, host) for way, host in passed if way != WITHOUT_IPV6 or not leads_to_ipv6(host)
    ] == []
