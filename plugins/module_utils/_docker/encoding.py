# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of files that may begin with a byte order mark, as editors on Windows leave it, and Docker reads it."""

from __future__ import annotations

import codecs

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(content, errors="strict"):
    """Return the text without the mark, which says how it is encoded; without one it is UTF-8."""
    return content.decode(next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8"), errors)
