#!/usr/bin/env python3
"""Canonical's python-libmaas against the lab's MAAS: software that we did not write agrees.

Set-up and run, on a bare Debian 12 (python3-venv, python3-pip):

    python3 -m venv DIR
    DIR/bin/pip install python-libmaas==0.6.8
    RACKWRIGHT_LAB_MAAS_URL=http://127.0.0.1:PORT/MAAS \
    RACKWRIGHT_LAB_MAAS_KEY=consumer:token:secret \
        DIR/bin/python tests/peers/maas_client.py

The lab: `cargo run -p rackwright-lab --example serve -- LABDIR 3 120` prints both values. The
machines have to be new. Ends with `N passed, 0 failed`; exit status 1 if a check failed.
"""

import os
import sys
import time
import traceback

from maas.client import connect
from maas.client.bones import CallError
from maas.client.enum import NodeStatus, PowerState

URL = os.environ["RACKWRIGHT_LAB_MAAS_URL"]
KEY = os.environ["RACKWRIGHT_LAB_MAAS_KEY"]

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def refused(status, action):
    """The text of a refusal with that HTTP status."""
    try:
        action()
    except CallError as error:
        assert error.status == status, f"HTTP {error.status}: {error.content}"
        return error.content.decode()
    raise AssertionError(f"was not refused with {status}")


@check
def version_and_user(client):
    assert client.version.get().version.startswith("3."), "version"
    assert client.users.whoami().username == "admin"


@check
def a_wrong_key_is_refused(client):
    consumer, token, _ = KEY.split(":")
    wrong = connect(URL, apikey=f"{consumer}:{token}:wrong")
    assert "Authorization Error" in refused(401, wrong.machines.list)
    wrong = connect(URL, apikey="wrong:wrong:wrong")
    assert refused(401, wrong.machines.list) == "Authorization Error: Invalid API key."


@check
def machines_are_listed_and_read(client):
    machines = client.machines.list()
    assert len(machines) >= 2, machines
    for machine in machines:
        assert machine.status == NodeStatus.NEW, machine.status_name
        assert machine.power_state == PowerState.OFF
        assert len(machine.system_id) == 6
        assert machine.pool.name == "default" and machine.zone.name == "default"
        assert len(machine.interfaces) == 1
    chosen = client.machines.list(hostnames=["srv002"])
    assert [machine.hostname for machine in chosen] == ["srv002"]
    again = client.machines.get(system_id=chosen[0].system_id)
    assert again.hostname == "srv002"
    assert "No Machine matches" in refused(
        404, lambda: client.machines.get(system_id="nosuch")
    )


@check
def a_machine_is_commissioned(client):
    machine = client.machines.list(hostnames=["srv001"])[0]
    machine.commission(enable_ssh=True, testing_scripts=["smartctl-validate"])
    assert machine.status == NodeStatus.COMMISSIONING, machine.status_name
    assert machine.owner.username == "admin"
    text = refused(400, machine.commission)
    assert "not available because of the current state" in text
    deadline = time.monotonic() + 60
    seen = set()
    while machine.status in (NodeStatus.COMMISSIONING, NodeStatus.TESTING):
        assert time.monotonic() < deadline, "it takes too long"
        seen.add(machine.status)
        time.sleep(0.02)
        machine.refresh()
    assert machine.status == NodeStatus.READY, machine.status_name
    assert seen == {NodeStatus.COMMISSIONING, NodeStatus.TESTING}, seen
    assert machine.power_state == PowerState.ON, "enable_ssh leaves it on"
    assert list(machine.ip_addresses) == ["127.0.0.1"]
    assert machine.query_power_state() == PowerState.ON


@check
def a_commissioning_is_aborted(client):
    machine = client.machines.list(hostnames=["srv002"])[0]
    machine.commission()
    machine.abort(comment="never mind")
    assert machine.status == NodeStatus.NEW, machine.status_name
    text = refused(409, machine.abort)
    assert "Cannot abort in current state" in text, text


@check
def tags_are_made_put_on_and_taken_off(client):
    tag = client.tags.create("provisioned", comment="a b&c=\u00fc")
    assert tag.comment == "a b&c=\u00fc", tag.comment
    assert "already exists" in refused(400, lambda: client.tags.create("provisioned"))
    machine = client.machines.list(hostnames=["srv001"])[0]
    machine.tags.add(tag)
    machine.refresh()
    assert [tag.name for tag in machine.tags] == ["provisioned"]
    machine.tags.remove(tag)
    machine.refresh()
    assert len(machine.tags) == 0
    tag.delete()
    assert "provisioned" not in [tag.name for tag in client.tags.list()]


@check
def a_machine_moves_to_a_pool_and_a_zone(client):
    client.resource_pools.create("compute", description="for tests")
    client.zones.create("row-b")
    machine = client.machines.list(hostnames=["srv001"])[0]
    machine.pool = client.resource_pools.get([
        pool.id for pool in client.resource_pools.list() if pool.name == "compute"
    ][0])
    machine.zone = client.zones.get("row-b")
    machine.save()
    machine = client.machines.get(system_id=machine.system_id)
    assert (machine.pool.name, machine.zone.name) == ("compute", "row-b")


@check
def events_tell_the_story(client):
    machine = client.machines.list(hostnames=["srv001"])[0]
    events = list(client.events.query(system_ids=[machine.system_id], limit=100))
    kinds = [event.event_type for event in reversed(events)]
    wanted = ["Commissioning", "Performing PXE boot", "Testing", "Ready"]
    assert [kind for kind in kinds if kind in wanted] == wanted, kinds
    newest = events[0].event_id
    page = client.events.query(system_ids=[machine.system_id], limit=2)
    assert [event.event_id for event in page] == [event.event_id for event in events[:2]]
    assert all(event.event_id < newest for event in page.prev()), "older ones"


def main():
    client = connect(URL, apikey=KEY)
    failed = 0
    for function in CHECKS:
        try:
            function(client)
        except Exception as error:  # noqa: BLE001 - each check is reported, whatever broke it
            failed += 1
            print(f"FAIL {function.__name__}: {type(error).__name__}: {error}")
            traceback.print_exc()
        else:
            print(f"PASS {function.__name__}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
