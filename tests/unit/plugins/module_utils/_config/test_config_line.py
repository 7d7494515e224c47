# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._config.syntax import quote, split_line
from hypothesis import given, strategies as st

LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff\"'\\ #")
# Bytes that happen to be UTF-8 are read as such.
TEXT = st.text(LETTERS).map(lambda text: text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))


@given(TEXT)
def test_a_word_is_read_as_it_was_quoted(word):
    assert split_line("masterauth " + quote(word)) == ["masterauth", word]
    assert "\n" not in quote(word)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  port\t6379 \r", ["port", "6379"]),
        ("requirepass 'it\\'s'", ["requirepass", "it's"]),
        ('requirepass "a\\x41\\n\\q"', ["requirepass", "aA\nq"]),
        ("requirepass a\u00a0\u0085b", ["requirepass", "a\u00a0\u0085b"]),
        ("", []),
    ],
)
def test_lines_are_read_as_the_server_reads_them(line, words):
    assert split_line(line) == words


@pytest.mark.parametrize("line", ['requirepass "a', "requirepass 'a", 'requirepass "a"b', 'requirepass a"b'])
def test_lines_with_open_quotes_are_refused(line):
    with pytest.raises(ValueError, match="quotes"):
        split_line(line)
