"""What the worker tells of itself."""

from veroallarme_core.contract.payloads import CameraInfo, Info


def test_info_says_what_the_site_offers():
    cameras = [{"id": "drive", "name": "Drive", "origin": "local"}]
    info = Info(
        version="1.2.3",
        site="home",
        cameras=[CameraInfo(**camera) for camera in cameras],
        inference="openvino 2026.4 on cpu",
    )
    assert info.to_dict() == {
        "contract": 1,
        "version": "1.2.3",
        "site": "home",
        "cameras": cameras,
        "capabilities": [
            *("analyze", "burst", "config", "feedback", "get_picture", "ignore_here", "learn"),
            *("list_events", "motion_end", "reference", "set", "suggestion"),
        ],
        "inference": "openvino 2026.4 on cpu",
        "max_burst_bytes": 24 * 1024 * 1024,
        "page": None,
    }


def test_info_says_what_the_broker_takes():
    limits = {None: 25_165_824, 1 << 30: 25_165_824, 1_000_000: 998_976, 100: 0}
    for limit, expected in limits.items():
        info = Info(version="1", site="home", cameras=[], inference=None, max_packet_bytes=limit)
        assert info.to_dict()["max_burst_bytes"] == expected
