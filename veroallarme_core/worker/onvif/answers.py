"""What a camera answers over ONVIF, read; and all that can go wrong, in a sentence each.

Imported only where the extra is installed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

import aiohttp
import zeep.exceptions
from lxml import etree
from onvif.exceptions import ONVIFError
from onvif.util import is_auth_error

from veroallarme_core.worker.onvif.guarded_transport import as_text, refused_login
from veroallarme_core.worker.onvif.motion_notices import Notification
from veroallarme_core.worker.onvif.onvif_address import OnvifError


def skew(answer: Any) -> dt.timedelta:
    """Tell how far the camera's clock is ahead of ours.

    Raises:
        AttributeError, TypeError, ValueError: It does not say.
    """
    date, time = answer.UTCDateTime.Date, answer.UTCDateTime.Time
    told = dt.datetime(
        date.Year, date.Month, date.Day, time.Hour, time.Minute, min(time.Second, 59), tzinfo=dt.UTC
    )
    return told - dt.datetime.now(dt.UTC)


def topics_below(element: Any, path: str) -> list[str]:
    """Write a tree of topics as paths; it is as deep as the camera likes."""
    topics, stack = [], [(element, path)]
    while stack:
        node, above = stack.pop()
        if not isinstance(node.tag, str):
            continue
        here = f"{above}/{etree.QName(node).localname}" if above else etree.QName(node).localname
        if any(etree.QName(name).localname == "topic" for name in node.attrib):
            topics.append(here)
        stack += [(child, here) for child in node if len(here) < 400]
    return topics


def notification(message: Any) -> Notification | None:
    """Read one notification; None where it cannot be read."""
    try:
        topic = message.Topic._value_1
        content = message.Message._value_1
        text = topic if isinstance(topic, str) else "".join(topic.itertext())
        if isinstance(content, etree._Element):
            return Notification(
                text,
                content.get("PropertyOperation", ""),
                _items_of_element(content, "Source"),
                _items_of_element(content, "Data"),
            )
        operation = getattr(content, "PropertyOperation", None) or ""
        return Notification(text, str(operation), _items(content.Source), _items(content.Data))
    except (AttributeError, TypeError, ValueError):
        return None


def _items(told: Any) -> dict[str, str]:
    items = getattr(told, "SimpleItem", None) or []
    return {str(item.Name): str(item.Value) for item in items}


def _items_of_element(content: Any, kind: str) -> dict[str, str]:
    items = content.iterfind(f"{{*}}{kind}/{{*}}SimpleItem")
    return {item.get("Name", ""): item.get("Value", "") for item in items}


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn what zeep and aiohttp can raise into one `OnvifError` each; none holds a secret."""
    try:
        yield
    except OnvifError:
        raise
    except TimeoutError:
        raise OnvifError(
            "timeout", "it did not answer in time: check the camera and its network"
        ) from None
    except zeep.exceptions.Fault as fault:
        if is_auth_error(fault):
            raise refused_login() from None
        raise OnvifError(
            "fault",
            f"it answers with a fault ({as_text(fault.message)}): restart the camera, or update "
            "its firmware",
        ) from None
    except (aiohttp.ClientConnectionError, OSError):
        raise OnvifError(
            "unreachable",
            "it cannot be reached: check that it is on, that host is right, and that port is that "
            "of its ONVIF service",
        ) from None
    except (aiohttp.ClientError, zeep.exceptions.Error, ONVIFError, etree.LxmlError):
        raise OnvifError(
            "bad_answer",
            "it answers with what is not ONVIF: check host and port, switch ONVIF on in the "
            "camera's settings, or update its firmware",
        ) from None
    except (LookupError, AttributeError, TypeError, ValueError, RecursionError):
        # zeep takes apart what a camera made up.
        raise OnvifError(
            "bad_answer", "it answers with what cannot be read: update the camera's firmware"
        ) from None
