# Copyright: Celebrum Redis Hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which versions have the known security fixes, and how versions compare.

Debian puts fixes into old versions, so redis_version says nothing there: 7.0.15 is both the first and the last of
Debian 12. What counts is the package's revision.
"""

from __future__ import annotations

import re

REDIS_12, REDIS_13, VALKEY_13 = "redis in Debian 12", "redis in Debian 13", "valkey in Debian 13"

# Packages whose revisions are understood: source package, form of its version. Ubuntu and packages.redis.io number
# differently; comparing theirs with Debian's would pass versions without any fix.
DEBIAN = {
    REDIS_12: ("redis", re.compile(r"5:7\.0\.\d+-\d+~deb12u\d+")),
    REDIS_13: ("redis", re.compile(r"5:8\.0\.\d+-\d+(\+deb13u\d+)?")),
    VALKEY_13: ("valkey", re.compile(r"8\.1\.\d+\+dfsg\d*-\d+(\.\d+)?(\+deb13u\d+)?")),
}

# debian: the first revision with the fix, None where the fault was never in. upstream: the first release of each branch
# of Redis with the fix; later branches have it. since: the first branch with the fault.
FIXES = (
    dict(
        cves=("CVE-2025-21605",),
        debian={REDIS_12: "5:7.0.15-1~deb12u4", REDIS_13: None, VALKEY_13: None},
        upstream={"6.2": "6.2.18", "7.2": "7.2.8", "7.4": "7.4.3"},
    ),
    dict(
        cves=("CVE-2025-32023", "CVE-2025-48367"),
        debian={REDIS_12: "5:7.0.15-1~deb12u5", REDIS_13: "5:8.0.2-2", VALKEY_13: "8.1.1+dfsg1-3"},
        upstream={"6.2": "6.2.19", "7.2": "7.2.10", "7.4": "7.4.5", "8.0": "8.0.3"},
    ),
    dict(
        cves=("CVE-2025-49844", "CVE-2025-46817", "CVE-2025-46818", "CVE-2025-46819"),
        debian={REDIS_12: "5:7.0.15-1~deb12u6", REDIS_13: "5:8.0.2-3+deb13u1", VALKEY_13: "8.1.1+dfsg1-3+deb13u1"},
        upstream={"6.2": "6.2.20", "7.2": "7.2.11", "7.4": "7.4.6", "8.0": "8.0.4", "8.2": "8.2.2"},
    ),
    dict(
        cves=("CVE-2025-67733",),
        debian={REDIS_12: "5:7.0.15-1~deb12u7", REDIS_13: "5:8.0.2-3+deb13u2", VALKEY_13: "8.1.1+dfsg1-3+deb13u2"},
        upstream={"7.2": "7.2.13", "7.4": "7.4.8", "8.0": "8.0.6", "8.2": "8.2.5"},
    ),
    dict(
        cves=("CVE-2026-25243", "CVE-2026-23631"),
        debian={REDIS_12: "5:7.0.15-1~deb12u8", REDIS_13: "5:8.0.2-3+deb13u3", VALKEY_13: "8.1.1+dfsg1-3+deb13u3"},
        upstream={"7.4": "7.4.9", "8.2": "8.2.6", "8.4": "8.4.3", "8.6": "8.6.3"},
    ),
    dict(
        cves=("CVE-2026-23479",),
        debian={REDIS_12: None, REDIS_13: "5:8.0.2-3+deb13u3", VALKEY_13: "8.1.1+dfsg1-3+deb13u3"},
        upstream={"7.4": "7.4.9", "8.2": "8.2.6", "8.4": "8.4.3", "8.6": "8.6.3"},
        since="7.2",
    ),
    dict(
        # Valkey has a number of its own for the same fault: CVE-2026-56684.
        cves=("CVE-2026-81934",),
        debian={REDIS_12: "5:7.0.15-1~deb12u10", REDIS_13: "5:8.0.2-3+deb13u3", VALKEY_13: "8.1.1+dfsg1-3+deb13u3"},
        upstream={"6.2": "6.2.24", "7.4": "7.4.11", "8.2": "8.2.9"},
    ),
)


def compare(left, right):
    """Return -1, 0 or 1 as dpkg does: is the Debian version `left` earlier than, the same as or later than `right`."""
    mine, other = _key(left), _key(right)
    return (mine > other) - (mine < other)


def _key(version):
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return int(epoch), _parts(upstream), _parts(revision)


def _parts(text):
    """Return text and numbers in turn. The end of the text stands between '~', which is first, and everything else."""
    found = []
    for letters, digits in re.findall(r"(\D*)(\d*)", text):
        found.append((tuple(map(_weight, letters)) + (0,), int(digits or 0)))
    return found


def _weight(character):
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def assess(fix, kind, release, package=None):
    """Return (status, expected, actual) of one entry of FIXES.

    kind: redis or valkey. release: the version that the server names. package: {name, version, source} of Debian's
    package that the server runs from, None when it runs from none.
    """
    if package is None:
        if kind != "redis":
            return "error", "the fix", "%s %s from no Debian package; its releases are not known here" % (kind, release)
        return _assess_release(fix, release, "redis %s, from no Debian package" % release)
    actual = "%s %s" % (package["name"], package["version"])
    for suite, (source, form) in DEBIAN.items():
        if package["source"] == source and form.fullmatch(package["version"]):
            floor = fix["debian"][suite]
            if floor is None:
                return "pass", "%s never had the fault" % suite, actual
            met = compare(package["version"], floor) >= 0
            return "pass" if met else "fail", "%s %s or later" % (package["name"], floor), actual
    status, expected, _actual = (
        _assess_release(fix, release, actual) if kind == "redis" else ("fail", "the fix", actual)
    )
    if status == "fail":
        # Whoever built it may have put the fix into an older release.
        return "error", expected, actual + ", which is not one of Debian's revisions: look into its changelog"
    return status, expected, actual


def _assess_release(fix, release, actual):
    numbers = _numbers(release)
    if numbers[:2] < _numbers(fix.get("since", "0.0")):
        return "pass", "fault not in releases before %s" % fix["since"], actual
    branch = ".".join(map(str, numbers[:2]))
    floor = fix["upstream"].get(branch)
    if floor:
        return "pass" if numbers >= _numbers(floor) else "fail", "redis %s or later" % floor, actual
    newest = max(fix["upstream"], key=_numbers)
    expected = "redis %s or later" % fix["upstream"][newest]
    return "pass" if numbers > _numbers(newest) else "fail", expected, actual


def _numbers(version):
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
