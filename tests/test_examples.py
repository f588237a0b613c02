"""The examples for openHAB and Node-RED: they parse, and every topic in them is the contract's."""

import json
import re
from pathlib import Path

import pytest

from veroallarme_core.contract import RETAINED_SUFFIXES, Feedback, Topics, read_command
from veroallarme_core.contract.topics import COMMAND_NAMES

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TOPICS = Topics()
THINGS = (EXAMPLES / "openhab" / "veroallarme.things").read_text(encoding="utf-8")
FLOW = json.loads((EXAMPLES / "node-red" / "flow.json").read_bytes())
KNOWN = {
    TOPICS.status("main"),
    TOPICS.health("main"),
    *(TOPICS.camera("*", suffix) for suffix in (*RETAINED_SUFFIXES, "event", *COMMAND_NAMES)),
}
EVENT_ID = "20261123_061402_9f31c4"


def of_any_camera(topic: str) -> str:
    return re.sub(r"(?<=/camera/)[^/]+", "*", topic)


def test_the_things_of_openhab_listen_to_topics_of_the_contract():
    topics = re.findall(r'(?:stateTopic|commandTopic|availabilityTopic)="([^"]+)"', THINGS)
    assert len(topics) > 10
    assert {of_any_camera(topic) for topic in topics} <= KNOWN
    code = re.sub(r'"(?:\\.|[^"\\])*"', "", re.sub(r"^\s*//.*$", "", THINGS, flags=re.M))
    for opening, closing in ("[]", "{}", "()"):
        assert code.count(opening) == code.count(closing)


@pytest.mark.parametrize(("channel", "value"), [("mode", "filter"), ("thumb_up", EVENT_ID)])
def test_the_commands_of_openhab_are_understood(channel, value):
    [body] = re.findall(rf"Type string : {channel} .*?\n        \]", THINGS, re.S)
    [(topic, text)] = re.findall(
        r'commandTopic="[^"]*/(\w+)",\s*formatBeforePublish="((?:\\.|[^"\\])*)"', body
    )
    payload = (text.replace('\\"', '"') % value).encode()
    assert read_command(topic, payload) if topic == "set" else Feedback.from_json(payload)


def test_the_flow_of_node_red_hangs_together():
    nodes = {node["id"]: node for node in FLOW}
    assert len(nodes) == len(FLOW)
    for node in FLOW:
        assert all(target in nodes for output in node.get("wires", ()) for target in output)
        if "z" in node:
            assert nodes[node["z"]]["type"] == "tab"
        if "outputs" in node:
            assert node["outputs"] == len(node["wires"])
        if node["type"].startswith("mqtt "):
            assert nodes[node["broker"]]["type"] == "mqtt-broker"
    topics = [node["topic"] for node in FLOW if node["type"] == "mqtt in"]
    assert topics
    assert {of_any_camera(topic) for topic in topics} <= KNOWN


def test_the_flow_of_node_red_gives_thumbs_as_the_contract_says():
    code = [node["func"] for node in FLOW if node["type"] == "function"]
    thumbs = [text for text in code if "/feedback`" in text]
    assert len(thumbs) == 2
    for text in thumbs:
        [fields] = re.findall(r"JSON\.stringify\(\{(.*?)\}\)", text)
        written = re.sub(r"(\w+): ", r'"\1": ', fields).replace("event_id,", f'"{EVENT_ID}",')
        assert Feedback.from_json(f"{{{written}}}".encode()).event_id == EVENT_ID
