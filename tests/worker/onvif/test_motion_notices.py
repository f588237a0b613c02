"""Which notifications tell of motion: the shapes that cameras of known makers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.worker.motion_sources import MotionSignal
from veroallarme_core.worker.onvif.motion_notices import Notification, is_motion_topic, signal_of

START, END, OTHER = MotionSignal.START, MotionSignal.END, MotionSignal.OTHER
CELL = "tns1:RuleEngine/CellMotionDetector/Motion"
RULE = {
    "VideoSourceConfigurationToken": "src0",
    "VideoAnalyticsConfigurationToken": "an0",
    "Rule": "MyMotionDetectorRule",
}
TPLINK = "tns1:RuleEngine/TPSmartEventDetector/TPSmartEvent"

NOTIFICATIONS = [
    # Hikvision, Uniview and most others
    (CELL, "Initialized", RULE, {"IsMotion": "true"}, START),
    (CELL, "Changed", RULE, {"IsMotion": "false"}, END),
    ("tns1:VideoSource/MotionAlarm", "Changed", {"Source": "src0"}, {"State": "true"}, START),
    ("tns1:VideoSource/MotionAlarm", "Changed", {"Source": "src0"}, {"State": "0"}, END),
    ("tns1:RuleEngine/LineDetector/Crossed", "Changed", RULE, {"ObjectId": "0"}, START),
    ("tns1:RuleEngine/LineDetector/Crossed", "", RULE, {}, START),
    (
        "tns1:RuleEngine/FieldDetector/ObjectsInside",
        "Changed",
        RULE,
        {"ObjectId": "1", "IsInside": "false"},
        END,
    ),
    # Dahua and Amcrest: the same, and a region's own rule
    ("tns1:RuleEngine/MotionRegionDetector/Motion", "Changed", RULE, {"State": "1"}, START),
    ("tns1:RuleEngine/tnsdahua:CellMotionDetector/Motion", "", RULE, {"IsMotion": "1"}, START),
    # Reolink
    ("tns1:RuleEngine/MyRuleDetector/PeopleDetect", "Changed", RULE, {"State": "true"}, START),
    ("tns1:RuleEngine/MyRuleDetector/VehicleDetect", "Changed", RULE, {"State": "true"}, START),
    ("tns1:RuleEngine/MyRuleDetector/DogCatDetect", "Changed", RULE, {"State": "false"}, END),
    ("tns1:RuleEngine/MyRuleDetector/Visitor", "Changed", RULE, {"State": "true"}, START),
    # TP-Link: Tapo and VIGI
    ("tns1:RuleEngine/CellMotionDetector/People", "Changed", RULE, {"IsPeople": "true"}, START),
    ("tns1:RuleEngine/CellMotionDetector/Intrusion", "", RULE, {"IsIntrusion": "true"}, START),
    ("tns1:RuleEngine/CellMotionDetector/Tamper", "Changed", RULE, {"IsTamper": "true"}, OTHER),
    ("tns1:RuleEngine/PeopleDetector/People", "Changed", RULE, {"IsPeople": "false"}, END),
    (TPLINK, "Changed", RULE, {"IsTPSmartEvent": "true"}, START),
    (TPLINK, "Changed", RULE, {"IsPeople": "false", "IsVehicle": "true"}, START),
    (TPLINK, "Changed", RULE, {"IsTamper": "true"}, OTHER),
    # Axis
    (
        "tns1:CameraApplicationPlatform/VMD/Camera1ProfileANY",
        "Changed",
        {},
        {"active": "1"},
        START,
    ),
    ("tns1:VideoAnalytics/tnsaxis:MotionDetection", "Changed", {}, {"motion": "0"}, END),
    # about something else
    (CELL, "Deleted", RULE, {"IsMotion": "true"}, OTHER),
    ("tns1:Device/Trigger/DigitalInput", "Changed", {"InputToken": "0"}, {"State": "true"}, OTHER),
    ("tns1:VideoSource/ImageTooDark/ImagingService", "", {}, {"State": "true"}, OTHER),
    ("tns1:VideoSource/GlobalSceneChange/ImagingService", "", {}, {"State": "true"}, OTHER),
    ("tns1:RuleEngine/TamperDetector/Tamper", "Changed", RULE, {"IsTamper": "true"}, OTHER),
    ("tns1:Monitoring/ProcessorUsage", "Changed", {"Token": "cpu"}, {"Value": "1"}, OTHER),
    ("", "", {}, {}, OTHER),
]


@pytest.mark.parametrize(("topic", "operation", "source", "data", "expected"), NOTIFICATIONS)
def test_what_cameras_send(topic, operation, source, data, expected):
    told = Notification(topic, operation, source, data)
    assert signal_of(told, [{"src0", "main0"}]) is expected
    if expected in {START, END}:
        assert is_motion_topic(topic)


@pytest.mark.parametrize(
    ("token", "expected"),
    [("src0", START), ("src1", OTHER), ("lens1", OTHER), ("VideoSourceToken", START), ("", START)],
)
def test_the_motion_of_another_camera_of_the_recorder_is_not_ours(token, expected):
    told = Notification(CELL, "Changed", {"VideoSourceConfigurationToken": token}, {"State": "1"})
    assert signal_of(told, [{"src0", "lens0"}, {"src1", "lens1"}]) is expected


def test_each_rule_has_a_motion_of_its_own():
    first = Notification(CELL, "Changed", {**RULE, "Rule": "door"}, {"IsMotion": "true"})
    second = Notification(CELL, "Changed", {**RULE, "Rule": "yard"}, {"IsMotion": "false"})
    again = Notification(CELL, "Changed", {**RULE, "Rule": "door"}, {"IsMotion": "false"})
    assert first.origin != second.origin
    assert first.origin == again.origin


TEXTS = st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4)


@given(st.text(max_size=60), st.text(max_size=12), TEXTS, TEXTS)
def test_no_notification_raises_or_writes_a_long_line(topic, operation, source, data):
    told = Notification(topic, operation, source, data)
    assert signal_of(told, [{"a"}, {"b"}]) in {START, END, OTHER}
    assert len(told.shown) < 200
    assert "\n" not in told.shown
    assert len(told.origin) < 130
