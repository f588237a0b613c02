"""Challenges are understood however cameras write them, and answered as the standards say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veroallarme_core.worker.snapshots import http_login
from veroallarme_core.worker.snapshots.http_login import (
    Login,
    _last_before,
    read_challenges,
    strongest_offered,
)


@pytest.mark.parametrize(
    ("headers", "kinds", "best"),
    [
        ([], [], None),
        (['Basic realm="a"'], ["basic"], "basic"),
        (['Basic realm="a", Digest realm="b", nonce="c"'], ["basic", "digest"], "digest"),
        (['Digest realm="b", nonce="c", Basic realm="a"'], ["digest", "basic"], "digest"),
        (['Basic realm="a"', 'Digest realm="b", nonce="c"'], ["basic", "digest"], "digest"),
        (['BASIC realm="a" DIGEST nonce=c'], ["basic", "digest"], "digest"),
        (["Basic", "Digest"], ["basic", "digest"], "digest"),
        (['Negotiate, NTLM, Basic realm="a, Digest b"'], ["negotiate", "ntlm", "basic"], "basic"),
        (["Digest realm=My Camera, nonce=c"], ["digest"], "digest"),
        (['Bearer realm="x", error="invalid_token"'], ["bearer"], "bearer"),
        (['Weird realm="x"'], ["weird"], None),
    ],
)
def test_all_challenges_are_read(headers, kinds, best):
    challenges = read_challenges(headers)
    assert [challenge.kind for challenge in challenges] == kinds
    assert strongest_offered(challenges) == best


def test_parameters_belong_to_their_challenge():
    text = r'Basic realm="a \"b\", c=d",Digest  Realm = "e",nonce=f== , qop="auth,auth-int"'
    basic, digest = read_challenges([text])
    assert basic.parameters == {"realm": 'a "b", c=d'}
    assert digest.parameters == {"realm": "e", "nonce": "f==", "qop": "auth,auth-int"}


@given(
    headers=st.lists(st.text(max_size=80), max_size=3), auth=st.sampled_from(["digest", "basic"])
)
def test_no_challenge_raises_anything_or_breaks_a_header(headers, auth):
    login = Login(auth, 'us"er', "pass", None)
    login.take(read_challenges([*headers, "Digest " + "".join(headers)]))
    header = login.authorization("/snap.jpg")
    assert header is None or header.isprintable()


def fields(header: str | None) -> dict[str, str]:
    assert header is not None
    assert header.startswith("Digest ")
    return dict(re.findall(r'(\w+)="?([^",]+)"?', header))


RFC_7616 = (
    'realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
MD5, SHA_256 = RFC_7616.format("MD5"), RFC_7616.format("SHA-256")
RESPONSES = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        ([f"Digest {MD5}"], "MD5"),
        ([f"Digest {SHA_256}"], "SHA-256"),
        # The example of the standard, and the same the other way round and in one header.
        ([f"Digest {SHA_256}", f"Digest {MD5}"], "SHA-256"),
        ([f"Basic realm=x, Digest {MD5}", f"Digest {SHA_256}"], "SHA-256"),
        ([f"Digest {MD5}, Digest {SHA_256}, Basic realm=x"], "SHA-256"),
        ([f"Digest {MD5}, Digest {RFC_7616.format('SHA-9')}"], "MD5"),
    ],
)
def test_the_strongest_digest_is_answered_as_in_rfc_7616(monkeypatch, headers, algorithm):
    nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr(http_login, "_client_nonce", lambda: nonce)
    login = Login("digest", "Mufasa", "Circle of Life", None)
    assert login.authorization("/dir/index.html") is None
    assert login.take(read_challenges(headers))
    given = fields(login.authorization("/dir/index.html"))
    assert given["response"] == RESPONSES[algorithm]
    assert (given["algorithm"], given["qop"], given["nc"]) == (algorithm, "auth", "00000001")
    assert given["opaque"].startswith("FQhe")
    assert fields(login.authorization("/dir/index.html"))["nc"] == "00000002"
    login.forget()
    assert login.authorization("/dir/index.html") is None


def test_a_digest_without_qop_is_answered_as_in_rfc_2069():
    login = Login("digest", "Mufasa", "CircleOfLife", None)
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert login.take(read_challenges([f'Digest realm="testrealm@host.com", nonce="{nonce}"']))
    given = fields(login.authorization("/dir/index.html"))
    assert given["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert "qop" not in given
    assert "algorithm" not in given


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest realm="x", nonce=""',
        'Digest realm="x", nonce="a", algorithm=SHA-9',
        'Digest realm="x", nonce="a", qop="token"',
        'Digest realm="x", nonce="a\nb"',
    ],
)
def test_what_cannot_be_answered_is_not(challenge):
    login = Login("digest", "admin", "x", None)
    assert not login.take(read_challenges([challenge]))
    assert login.authorization("/") is None


def test_no_weaker_login_is_used_in_place_of_the_one_that_is_set():
    for auth in ("none", "basic", "bearer"):
        login = Login(auth, "admin", "x", "token")
        assert not login.take(read_challenges([f"Digest {MD5}"]))


@given(st.text(alphabet='ab ,="\\\t', max_size=40), st.integers(0, 40))
def test_the_character_before_a_place_is_found_without_a_copy(header, end):
    end = min(end, len(header))
    assert _last_before(header, end) == header[:end].rstrip()[-1:]
