# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the port notice answers, byte by byte."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

PROGRAM = Path(__file__).parents[3] / "roles/port_notice/files/port_notice/conversation.py"
_spec = importlib.util.spec_from_file_location("port_notice_conversation", PROGRAM)
notice = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(notice)

TEXT = "Use port 7000."
ERROR = b"-ERR Use port 7000.\r\n"


def answer(*chunks):
    talk = notice.Conversation(TEXT)
    return b"".join(talk.feed(chunk) for chunk in chunks), talk


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


words = st.binary(max_size=60)
commands = st.lists(words, min_size=1, max_size=4).map(lambda parts: command(*parts))
streams = st.one_of(
    st.lists(st.one_of(commands, st.sampled_from([b"PING\r\n", b"\r\n", b"*0\r\n", b"GET / HTTP/1.1\r\n"]))).map(
        b"".join
    ),
    st.lists(commands, min_size=30, max_size=40).map(b"".join),
    st.binary(max_size=200),
    st.text("*$0123456789-\r\nAZ \x16", max_size=80).map(str.encode),
    st.integers(notice.MAX_LINE - 2, notice.MAX_LINE + 2).map(lambda size: b"A" * size + b"\r\nPING\r\n"),
    st.integers(notice.MAX_BYTES - 40, notice.MAX_BYTES + 40).map(
        lambda size: command(b"SET", b"x" * size) + b"PING\n"
    ),
)

positions = st.one_of(
    st.integers(0, 300),
    st.integers(notice.MAX_LINE - 3, notice.MAX_LINE + 3),
    st.integers(notice.MAX_BYTES - 50, notice.MAX_BYTES + 50),
)


@given(streams, st.lists(positions, max_size=8))
def test_chunks_make_no_difference(stream, cuts):
    whole, talk = answer(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces, other = answer(*[stream[start:end] for start, end in zip(edges, edges[1:], strict=False)])
    assert (pieces, other.kind, other.done) == (whole, talk.kind, talk.done)


@given(st.binary(max_size=300))
def test_single_bytes_make_no_difference(stream):
    whole, talk = answer(stream)
    pieces, other = answer(*[bytes([byte]) for byte in stream])
    assert (pieces, other.kind, other.done) == (whole, talk.kind, talk.done)


@given(st.lists(commands, max_size=notice.MAX_REPLIES - 1))
def test_each_command_gets_one_error_and_the_connection_stays(sent):
    replies, talk = answer(b"".join(sent))
    assert replies == ERROR * len(sent)
    assert not talk.done
    assert talk.kind == ("redis" if sent else "other")


def test_replies_are_capped():
    replies, talk = answer(command(b"PING") * (notice.MAX_REPLIES + 50))
    assert replies == ERROR * notice.MAX_REPLIES
    assert talk.done


def test_bytes_are_capped():
    talk = notice.Conversation(TEXT)
    for _chunk in range(1000):
        talk.feed(b"\r\n" * 512)
        assert len(talk._buffer) <= notice.MAX_BYTES
    assert talk.done


def test_what_comes_after_the_last_byte_is_not_answered():
    replies, talk = answer(b"\r\n" * (notice.MAX_BYTES // 2 - 1) + command(b"PING") * 2)
    assert (replies, talk.done) == (ERROR, True)


def test_a_line_that_is_too_long_ends_it_in_one_chunk_too():
    replies, talk = answer(b"A" * notice.MAX_LINE + b"\r\nPING\r\n")
    assert (replies, talk.done) == (ERROR, True)


@pytest.mark.parametrize("binary", [b"\x00", b"PING \x01", b"\x7f"])
def test_binary_ends_it_without_waiting_for_a_line_end(binary):
    replies, talk = answer(binary)
    assert (replies, talk.done, talk.kind) == (ERROR, True, "other")


def test_garbage_after_a_command_ends_it_without_another_answer():
    replies, talk = answer(command(b"PING") + b"\x00")
    assert (replies, talk.done, talk.kind) == (ERROR, True, "redis")


def test_a_command_that_never_ends_is_answered_and_ended():
    replies, talk = answer(b"*100000\r\n" + b"$4\r\nPING\r\n" * 10000)
    assert replies == ERROR
    assert talk.done


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"*1\r\nPING\r\n",
        b"*x\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$999999999\r\n",
        b"A" * notice.MAX_LINE,
        b"12 34\r\n",
    ],
)
def test_garbage_is_answered_once_and_ended(garbage):
    replies, talk = answer(garbage, command(b"PING"))
    assert replies == ERROR
    assert talk.done


@pytest.mark.parametrize("line", [b"PING\r\n", b"get key\n", b"AUTH p\xc3\xa4ss\r\n"])
def test_typed_commands_are_redis(line):
    replies, talk = answer(line)
    assert (replies, talk.kind, talk.done) == (ERROR, "redis", False)


def test_tls_gets_an_alert():
    replies, talk = answer(b"\x16", b"\x03\x01\x02\x00\x01")
    assert (replies, talk.kind, talk.done) == (bytes.fromhex("15030100020228"), "tls", True)


def test_http_is_gone():
    replies, talk = answer(b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _blank, body = replies.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 410 Gone\r\n")
    assert b"Content-Length: %d\r\n" % len(body) in head
    assert body == TEXT.encode() + b"\n"
    assert (talk.kind, talk.done) == ("http", True)


def test_http_head_has_no_body():
    assert answer(b"HEAD / HTTP/1.0\r\n")[0].endswith(b"\r\n\r\n")


def test_who_says_nothing_gets_the_text():
    talk = notice.Conversation(TEXT)
    assert talk.stop() == ERROR
    assert talk.kind == "other"
