# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is raised where nothing may be changed."""

from __future__ import annotations


class Refused(Exception):
    """The request can't be carried out, and nothing was changed; the text says why and what to set.

    passing: a little later the servers may say something else.
    """

    def __init__(self, text: object, passing: bool = False):
        super().__init__(text)
        self.passing = passing


class HostProblem(Exception):
    """The host can't do what is asked of it; the text says why."""
