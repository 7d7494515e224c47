"""daemon.json: nothing of it is lost, what is wrong is named by its place, a restart has a reason."""

from __future__ import annotations

import json

import pytest
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon import settings as daemon
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon.engine import Engine
from ansible_collections.celebrum.redis_hardening.plugins.module_utils._docker.daemon.settings import (
    ADDRESS,
    IP6TABLES,
    IPTABLES,
    LIVE_RESTORE,
    NETWORK_ADDRESS,
)
from hypothesis import given, strategies as st

OLD, NEW = (20, 10), (26, 1)
PATH = "/etc/docker/daemon.json"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from(["iptables", "log-opts", "hosts", "ip", "größe", "a b"]) | st.text(), values
)


def plan(document, flags=None, version=OLD, stale=False, live=None, where=None, **settings):
    return daemon.plan(document, daemon.wanted(settings, version), version, flags or {}, where, stale, live)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        # Python 3.13 names the comma, those before it the brace.
        ('{\n  "iptables": false,\n}\n', "line (3, column 1|2, column 20)"),
        ('{\n  "iptables": false\n  "icc": true\n}\n', "line 3, column 3"),
        ('{"a": 1\n "b": 2}', "line 2, column 2"),
        ("{", "line 1, column 2"),
        ("// comment\n{}", "line 1, column 1"),
        ('["iptables"]', "line 1, column 1"),
        ("\ufeff{}", "line 1, column 1"),
    ],
)
def test_broken_json_is_named_by_line_and_column(text, place):
    with pytest.raises(daemon.DaemonProblem, match=f"^{PATH}: {place}: .*left as it is"):
        daemon.parse(text, PATH)


def test_nothing_of_a_broken_file_is_quoted():
    with pytest.raises(daemon.DaemonProblem) as problem:
        daemon.parse('{"proxies": {"http-proxy": "http://ada:s3cret@proxy" "x"}}', PATH)
    assert "s3cret" not in str(problem.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"log-opts": {"tag": "s3cret"}, "log-opts": {"max-size": "9m"}}', "log-opts"),
        ('{"a": 1, "proxies": {"no-proxy": "x", "no-proxy": "x"}}', "no-proxy"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text, key):
    """The engine joins the first two; written again there would be only the last."""
    with pytest.raises(daemon.DaemonProblem, match=f'^{PATH}: "{key}" stands twice .*left as it is') as problem:
        daemon.parse(text, PATH)
    assert "s3cret" not in str(problem.value)


def test_absurdly_nested_json_is_refused():
    with pytest.raises(daemon.DaemonProblem):
        daemon.parse('{"a":' + "[" * 200_000, PATH)


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_an_empty_document(text):
    assert daemon.parse(text, PATH) == {}


@given(documents, st.booleans(), st.sampled_from([None, True, False]), st.sampled_from([OLD, NEW, (28, 0)]))
def test_merging_keeps_all_else_and_is_stable(document, iptables, live_restore, version):
    before = json.dumps(document)
    result = plan(document, version=version, iptables=iptables, live_restore=live_restore)
    assert json.dumps(document) == before
    text = daemon.render(result.document, before)
    after = daemon.parse(text, PATH)
    ours = {"iptables", "live-restore"}
    assert {key: value for key, value in after.items() if key not in ours} == {
        key: value for key, value in document.items() if key not in ours
    }
    assert [key for key in after if key in document] == list(document)
    again = plan(after, version=version, iptables=iptables, live_restore=live_restore)
    assert (again.changed, again.restart, again.reload) == ([], [], [])


@pytest.mark.parametrize("indent", ["\t", "    ", "  "])
def test_indentation_is_kept(indent):
    before = json.dumps({"a": {"b": 1}}, indent=indent) + "\n"
    assert daemon.render(json.loads(before), before) == before


def test_defaults_need_no_file():
    result = plan({}, iptables=True, ip6tables=False, ip="0.0.0.0", live_restore=False)
    assert (result.document, result.changed, result.restart, result.reload) == ({}, [], [], [])


def test_ip6tables_is_on_by_default_since_27():
    assert plan({}, version=(26, 1), ip6tables=False).changed == []
    assert plan({}, version=(27, 0), ip6tables=False).changed == [IP6TABLES]


def test_the_guide_s_setting_is_taken_back():
    result = plan({"iptables": False, "log-driver": "local"}, iptables=True)
    assert result.document == {"iptables": True, "log-driver": "local"}
    assert result.changed == [IPTABLES]
    assert result.restart == ["iptables is false"]


def test_text_is_no_boolean():
    assert plan({"iptables": "false"}, iptables=False).changed == [IPTABLES]
    assert plan({"iptables": 0}, iptables=False).changed == [IPTABLES]


def test_networks_made_later_get_the_address_too_where_the_engine_knows_how():
    assert plan({}, version=(20, 10), ip="127.0.0.1").changed == [ADDRESS]
    result = plan({"default-network-opts": {"bridge": {"x": "1"}}}, version=(24, 0), ip="127.0.0.1")
    assert result.changed == [ADDRESS, NETWORK_ADDRESS]
    assert result.document["default-network-opts"]["bridge"] == {"x": "1", NETWORK_ADDRESS[-1]: "127.0.0.1"}


def test_a_value_in_the_way_is_refused():
    with pytest.raises(daemon.DaemonProblem, match="default-network-opts must be an object"):
        plan({"default-network-opts": 7}, version=NEW, ip="127.0.0.1")


@pytest.mark.parametrize("address", ["localhost", "127.0.0", "::1", "127.0.0.1/8", ""])
def test_what_is_no_ipv4_address_is_refused(address):
    with pytest.raises(daemon.DaemonProblem, match="settings.ip"):
        daemon.wanted({"ip": address}, OLD)


def test_live_restore_needs_a_reload_only():
    result = plan({}, live_restore=True)
    assert (result.changed, result.restart, result.reload) == ([LIVE_RESTORE], [], ["live-restore is false"])


def test_what_the_engine_does_counts_for_live_restore():
    assert plan({"live-restore": True}, live={LIVE_RESTORE: False}, live_restore=True).reload
    result = plan({}, live={LIVE_RESTORE: True}, live_restore=True)
    assert (result.changed, result.reload) == ([LIVE_RESTORE], [])


@pytest.mark.parametrize(
    ("document", "stale", "live", "restarts"),
    [
        # The file was right before the engine was started.
        ({"iptables": False}, False, True, False),
        # Edited since, and the engine still makes rules: the run that was interrupted, or somebody's hand.
        ({"iptables": False}, True, True, True),
        # Edited since, perhaps elsewhere: the engine makes none, so there is nothing to restart for.
        ({"iptables": False}, True, False, False),
        # Edited since to something else, which the engine never did.
        ({"iptables": True}, True, False, False),
        ({"iptables": True}, False, False, True),
        # The line was removed, and the engine still goes by it.
        ({}, True, True, True),
    ],
)
def test_restart_only_if_the_engine_does_otherwise(document, stale, live, restarts):
    result = plan(document, stale=stale, live={IPTABLES: live}, iptables=False)
    assert bool(result.restart) == restarts
    assert bool(result.changed) == (document.get("iptables", True) is not False)


def test_what_cannot_be_asked_is_restarted_for_only_if_the_file_speaks_of_it():
    assert plan({}, stale=True, ip6tables=False).restart == []
    assert plan({"ip6tables": False}, stale=True, ip6tables=False).restart == ["ip6tables is not known"]


def test_a_flag_that_says_the_same_is_enough():
    for flag in ("false", "0", "F"):
        result = plan({}, {"iptables": flag}, iptables=False)
        assert (result.changed, result.restart, result.problems) == ([], [], [])
    assert plan({}, {"ip": "127.0.0.1"}, ip="127.0.0.1").problems == []


def test_a_flag_that_says_otherwise_is_refused_by_name_and_place():
    result = plan({}, {"iptables": ""}, where={"iptables": "/etc/default/docker"}, iptables=False)
    assert result.document == {}
    assert len(result.problems) == 1
    assert "--iptables=true (/etc/default/docker)" in result.problems[0]


def test_a_flag_beside_the_file_is_refused_even_if_both_agree():
    result = plan({"iptables": False}, {"iptables": "false"}, where={"iptables": "/x"}, iptables=False)
    assert "with both it does not start" in result.problems[0]
    assert "(/x)" in result.problems[0]


@pytest.mark.parametrize(
    ("document", "flags", "word"),
    [
        ({"icc": False}, {}, "icc"),
        ({}, {"icc": "false"}, "icc"),
        ({"userland-proxy": False}, {}, "userland-proxy"),
        ({}, {"userland-proxy": "0"}, "userland-proxy"),
    ],
)
def test_what_goes_ill_with_iptables_off_is_refused(document, flags, word):
    assert any(word in problem for problem in plan(document, flags, iptables=False).problems)
    assert plan(document, flags, iptables=True).problems == []


def test_a_bare_switch_is_on():
    assert plan({}, {"icc": "", "userland-proxy": ""}, iptables=False).problems == []


def test_nftables_is_seen_in_file_and_flags():
    assert daemon.uses_nftables({"firewall-backend": "nftables"}, {})
    assert daemon.uses_nftables({}, {"firewall-backend": "nftables"})
    assert not daemon.uses_nftables({"firewall-backend": "iptables"}, {})
    assert not daemon.uses_nftables({}, {})


def test_a_diff_has_nothing_but_our_settings():
    document = {"proxies": {"http-proxy": "http://ada:s3cret@proxy"}, "iptables": False}
    places = daemon.wanted({"iptables": False, "ip": None}, NEW)
    assert json.loads(daemon.excerpt(document, places)) == {"iptables": False}
    assert daemon.excerpt({"debug": True}, places) == ""


def test_logins_in_urls_are_masked():
    assert daemon.without_logins("from http://ada:s3cret@proxy:3128/x") == "from http://***@proxy:3128/x"


@pytest.mark.parametrize(
    ("text", "version"),
    [("Docker version 20.10.24+dfsg1, build 5d6db84", (20, 10)), ("26.1.5", (26, 1)), ("29.0.0-rc.1", (29, 0))],
)
def test_versions(text, version):
    assert daemon.version_of(text) == version


def test_a_version_that_is_none_is_refused():
    with pytest.raises(daemon.DaemonProblem):
        daemon.version_of("dockerd, dev build")


def engine(tmp_path, content, version):
    """Return an Engine whose file has this content, without asking systemd for one."""
    one = object.__new__(Engine)
    one.path, one.version = str(tmp_path / "daemon.json"), version
    (tmp_path / "daemon.json").write_bytes(content)
    return one


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read_as_docker_23_does(tmp_path, encoding):
    text = '{"log-driver": "größe"}'
    content = text.encode(encoding)
    assert daemon.parse(engine(tmp_path, content, (23, 0)).read(), PATH) == {"log-driver": "größe"}
    big = b"\xfe\xff" + text.encode("utf-16-be")
    assert engine(tmp_path, big, (28, 0)).read() == text


def test_a_byte_order_mark_is_refused_where_the_engine_refuses_it(tmp_path):
    with pytest.raises(daemon.DaemonProblem, match="line 1, column 1"):
        daemon.parse(engine(tmp_path, b"\xef\xbb\xbf{}", (20, 10)).read(), PATH)
    with pytest.raises(daemon.DaemonProblem, match="byte 0 is not UTF-8"):
        engine(tmp_path, "{}".encode("utf-16"), (20, 10)).read()
    with pytest.raises(daemon.DaemonProblem, match="byte 1 is not UTF-8"):
        engine(tmp_path, b"{\xff}", (28, 0)).read()
