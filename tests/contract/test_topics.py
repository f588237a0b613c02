"""The topics of a site, and which of them are commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.contract.topics import COMMAND_NAMES, Topics


def test_topics_of_a_site():
    topics = Topics(prefix="cams/vero", site="barn")
    assert topics.info == "cams/vero/barn/info"
    assert topics.status("main") == "cams/vero/barn/worker/main/status"
    assert topics.health("main") == "cams/vero/barn/worker/main/health"
    assert topics.camera("drive", "relevant") == "cams/vero/barn/camera/drive/relevant"
    assert topics.commands == (
        "cams/vero/barn/camera/+/set",
        "cams/vero/barn/camera/+/feedback",
        "cams/vero/barn/camera/+/learn",
        "cams/vero/barn/camera/+/suggestion",
        "cams/vero/barn/camera/+/analyze",
        "cams/vero/barn/camera/+/config",
        "cams/vero/barn/camera/+/burst",
        "cams/vero/barn/camera/+/motion_end",
        "cams/vero/barn/camera/+/reference",
        "cams/vero/barn/camera/+/list_events",
        "cams/vero/barn/camera/+/get_picture",
        "cams/vero/barn/camera/+/ignore_here",
    )


@pytest.mark.parametrize(
    ("topic", "command"),
    [
        ("veroallarme/home/camera/drive/set", ("drive", "set")),
        ("veroallarme/home/camera/drive/feedback", ("drive", "feedback")),
        ("veroallarme/home/camera/drive/burst", ("drive", "burst")),
        ("veroallarme/home/camera/drive/analyze/1", None),
        ("veroallarme/home/camera/drive/relevant", None),
        ("veroallarme/home/camera/drive/set/more", None),
        ("veroallarme/home/camera/set", None),
        ("veroallarme/home/camera/", None),
        ("veroallarme/away/camera/drive/set", None),
        ("x/veroallarme/home/camera/drive/set", None),
        ("", None),
    ],
)
def test_a_topic_stands_for_a_command_or_not(topic, command):
    assert Topics().command(topic) == command


@given(camera=st.text(), name=st.sampled_from(COMMAND_NAMES))
def test_any_camera_in_a_topic_is_handed_on_for_checking(camera, name):
    found = Topics().command(f"veroallarme/home/camera/{camera}/{name}")
    assert found == (None if "/" in camera else (camera, name))
