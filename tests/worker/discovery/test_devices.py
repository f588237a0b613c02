"""What is announced; tests/end_to_end/test_discovery.py lets a real Home Assistant read it."""

import re

import pytest

from veroallarme_core.contract import RETAINED_SUFFIXES, Topics
from veroallarme_core.contract.topics import COMMAND_NAMES
from veroallarme_core.worker.discovery import (
    camera_device,
    camera_topic,
    node_id,
    site_device,
    site_topic,
)

TOPICS = Topics()
DRIVE = camera_device(TOPICS, "main", "drive", "Drive", has_picture=True)
SITE = site_device(TOPICS, "main", "https://alarm.example.org")


def topics_in(announcement: dict) -> set[str]:
    found = {one["topic"] for one in announcement.get("availability", ())}
    for entity in announcement["cmps"].values():
        found |= {value for key, value in entity.items() if key.endswith("_topic")}
        found |= {one["topic"] for one in entity.get("availability", ())}
    return found


def test_topics_are_those_of_the_contract():
    state = {TOPICS.camera("drive", suffix) for suffix in (*RETAINED_SUFFIXES, "event")}
    commands = {TOPICS.camera("drive", name) for name in COMMAND_NAMES}
    worker = {TOPICS.status("main"), TOPICS.health("main")}
    assert topics_in(DRIVE) <= state | commands | worker
    assert topics_in(SITE) == worker
    for entity in DRIVE["cmps"].values():
        assert entity.get("command_topic") in commands | {None}


def test_a_camera_depends_on_its_worker_and_belongs_to_its_site():
    assert DRIVE["availability"] == [{"topic": TOPICS.status("main")}]
    assert [DRIVE["dev"]["via_device"]] == SITE["dev"]["identifiers"]
    assert SITE["dev"]["configuration_url"] == "https://alarm.example.org"
    assert "configuration_url" not in site_device(TOPICS, "main", None)["dev"]
    # Whether the worker is there must be known when it is not.
    assert "availability" not in SITE
    assert "availability" not in SITE["cmps"]["worker"]


def test_no_two_entities_have_one_id():
    worker = camera_device(TOPICS, "main", "worker", "Worker", has_picture=True)
    office = camera_device(Topics(site="office"), "main", "drive", "Drive", has_picture=True)
    ids = [
        entity["unique_id"]
        for device in (DRIVE, SITE, worker, office)
        for entity in device["cmps"].values()
    ]
    assert len(set(ids)) == len(ids)


def test_names_are_for_people():
    names = [entity["name"] for device in (DRIVE, SITE) for entity in device["cmps"].values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][a-z :]+", name) for name in names)


def test_a_camera_whose_pictures_are_private_has_none():
    assert DRIVE["cmps"]["image"]["image_topic"] == TOPICS.camera("drive", "image")
    private = camera_device(TOPICS, "main", "drive", "Drive", has_picture=False)
    assert "image" not in private["cmps"]


@pytest.mark.parametrize(
    ("topics", "node"),
    [(Topics(), "veroallarme_home"), (Topics(prefix="my/house", site="a"), "my_house_a")],
)
def test_topics_of_announcements_are_of_the_form_that_home_assistant_reads(topics, node):
    # https://www.home-assistant.io/integrations/mqtt/#discovery-topic
    pattern = r"homeassistant/device/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config"
    assert node_id(topics) == node
    found = {site_topic(topics, "main"), camera_topic(topics, "worker"), camera_topic(topics, "a")}
    assert len(found) == 3
    assert all(re.fullmatch(pattern, topic) for topic in found)
