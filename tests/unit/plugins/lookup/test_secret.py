"""The lookup secret."""

from __future__ import annotations

import base64
import multiprocessing
import os
import stat

import pytest
from ansible.errors import AnsibleError
from ansible_collections.celebrum.redis_hardening.plugins.lookup import secret
from ansible_collections.celebrum.redis_hardening.plugins.lookup.secret import LookupModule

PRIVATE = "correct-horse-battery-staple"


@pytest.fixture
def lookup():
    plugin = LookupModule()
    plugin.set_options = lambda **options: None  # needs the plugin loader; there are no options
    return lambda *paths, **variables: plugin.run([str(path) for path in paths], variables)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_secret_is_made_and_stays(lookup, tmp_path):
    old_mask = os.umask(0)
    try:
        path = tmp_path / "credentials" / "h1" / "admin"
        (first,) = lookup(path)
    finally:
        os.umask(old_mask)
    assert len(base64.b64decode(first, validate=True)) == 32
    assert lookup(path) == [first]
    assert path.read_text() == first + "\n"
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert (tmp_path / "credentials" / ".gitignore").read_text() == "*\n"
    assert sorted(item.name for item in (tmp_path / "credentials").rglob("*")) == [".gitignore", "admin", "h1"]
    assert not (tmp_path / ".gitignore").exists()


def test_a_second_host_has_the_same_top(lookup, tmp_path):
    (tmp_path / ".gitignore").write_text("*.retry\n")
    lookup(tmp_path / "credentials" / "h1" / "admin", tmp_path / "credentials" / "h2" / "admin")
    assert sorted(str(item.relative_to(tmp_path)) for item in tmp_path.rglob(".gitignore")) == [
        ".gitignore",
        "credentials/.gitignore",
    ]


def test_every_secret_is_another(lookup, tmp_path):
    assert len(set(lookup(*[tmp_path / str(number) for number in range(20)]))) == 20


def test_folders_that_were_there_stay_as_they_are(lookup, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o755)
    lookup(folder / "admin")
    assert mode(folder) == 0o755
    assert not (folder / ".gitignore").exists()


def test_check_mode_writes_nothing(lookup, tmp_path):
    path = tmp_path / "credentials" / "admin"
    (one,), (other,) = lookup(path, ansible_check_mode=True), lookup(path, ansible_check_mode=True)
    assert len(base64.b64decode(one)) == 32
    assert one != other
    assert list(tmp_path.iterdir()) == []


def test_check_mode_reads_what_is_there(lookup, tmp_path):
    path = tmp_path / "admin"
    (made,) = lookup(path)
    assert lookup(path, ansible_check_mode=True) == [made]


@pytest.mark.parametrize("content", [PRIVATE, PRIVATE + "\n", PRIVATE + "\r\n"])
def test_an_own_secret_is_returned_without_its_line_end(lookup, tmp_path, content):
    path = tmp_path / "admin"
    path.touch(0o600)
    path.write_text(content)
    assert lookup(path) == [PRIVATE]


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o620, 0o602, 0o644])
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_others_can_read_or_write_is_refused(lookup, tmp_path, rights, check_mode):
    path = tmp_path / "the admin"
    path.write_text(PRIVATE)
    path.chmod(rights)
    with pytest.raises(AnsibleError, match=r"chmod 0600 '.*/the admin'") as caught:
        lookup(path, ansible_check_mode=check_mode)
    assert PRIVATE not in str(caught.value)
    assert mode(path) == rights


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo-" + PRIVATE.encode(), "several lines"),
        (b"\xff" + PRIVATE.encode(), "UTF-8"),
        (PRIVATE.encode() * 1000, "more than 4096 bytes"),
    ],
)
def test_what_is_no_secret_is_refused(lookup, tmp_path, content, words):
    path = tmp_path / "admin"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(AnsibleError, match=words) as caught:
        lookup(path)
    assert str(path) in str(caught.value)
    assert PRIVATE not in str(caught.value)
    assert path.read_bytes() == content


def test_folders_pipes_and_dangling_links_are_refused(lookup, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(AnsibleError, match=str(tmp_path / name)):
            lookup(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


def test_an_own_link_is_followed(lookup, tmp_path):
    (made,) = lookup(tmp_path / "admin")
    (tmp_path / "link").symlink_to(tmp_path / "admin")
    assert lookup(tmp_path / "link") == [made]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to another user")
def test_another_users_link_is_refused(lookup, tmp_path):
    lookup(tmp_path / "admin")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "admin")
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(AnsibleError, match="another user: remove it with: rm "):
        lookup(link)


@pytest.fixture
def planted(tmp_path):
    """A directory with a secret of ours, two levels deep; what is planted is nobody's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    (tmp_path / "top" / "h1").mkdir(parents=True)
    path = tmp_path / "top" / "h1" / "admin"
    secret.create(str(path), PRIVATE)
    return path


def give(path, mode=None):
    os.chown(path, 65534, 65534, follow_symlinks=False)
    if mode is not None:
        path.chmod(mode)


def refused(lookup, path, words, **variables):
    for check_mode in (True, False):
        with pytest.raises(AnsibleError, match=words) as caught:
            lookup(path, ansible_check_mode=check_mode, **variables)
        assert PRIVATE not in str(caught.value)


def test_another_users_file_is_refused(lookup, planted):
    give(planted)
    refused(lookup, planted, r"h1/admin belongs to another user \(65534\).*chown 0 ")


def test_another_users_file_in_a_sticky_folder_is_refused(lookup, planted):
    planted.parent.chmod(0o1777)
    assert lookup(planted) == [PRIVATE]
    give(planted)
    refused(lookup, planted, "h1/admin belongs to another user")


def test_another_users_folder_is_refused_however_far_up(lookup, planted):
    for folder in (planted.parent, planted.parent.parent):
        give(folder)
        refused(lookup, planted, "%s belongs to another user" % folder)
        refused(lookup, folder / "new" / "secret", "%s belongs to another user" % folder)
        assert not (folder / "new").exists()
        os.chown(folder, 0, 0)


@pytest.mark.parametrize("rights", [0o777, 0o757])
def test_a_folder_that_all_can_write_is_refused_however_far_up(lookup, planted, rights):
    for folder in (planted.parent, planted.parent.parent):
        folder.chmod(rights)
        refused(lookup, planted, "%s can be written by others .*chmod go-w %s" % (folder, folder))
        refused(lookup, folder / "new", "%s can be written by others" % folder)
        assert not (folder / "new").exists()
        folder.chmod(0o1777)
        assert lookup(planted) == [PRIVATE]
        folder.chmod(0o700)


def test_a_group_with_others_must_not_write_the_secrets_own_folder(lookup, planted, monkeypatch):
    planted.parent.chmod(0o770)
    os.chown(planted.parent, 0, 65534)
    refused(lookup, planted, "h1 can be written by others")
    os.chown(planted.parent, 0, 0)
    monkeypatch.setattr(secret.grp, "getgrgid", lambda group: type("Group", (), {"gr_mem": ["root"]}))
    monkeypatch.setattr(secret.pwd, "getpwall", list)
    assert lookup(planted) == [PRIVATE]
    monkeypatch.setattr(secret.grp, "getgrgid", lambda group: type("Group", (), {"gr_mem": ["root", "mallory"]}))
    refused(lookup, planted, "h1 can be written by others")


def test_links_are_looked_at_wherever_they_stand_and_lead(lookup, planted, tmp_path):
    (tmp_path / "way").symlink_to("top/h1")
    assert lookup(tmp_path / "way" / "admin") == [PRIVATE]
    give(tmp_path / "way")
    refused(lookup, tmp_path / "way" / "admin", "way is a symbolic link of another user")
    (tmp_path / "ours").symlink_to(planted.parent / ".." / "h1")
    assert lookup(tmp_path / "ours" / "admin") == [PRIVATE]
    give(planted.parent)
    refused(lookup, tmp_path / "ours" / "admin", "h1 belongs to another user")
    (tmp_path / "round").symlink_to("round")
    refused(lookup, tmp_path / "round", "can't be used")


def test_a_second_name_in_a_folder_that_all_can_write_is_refused(lookup, planted, tmp_path, monkeypatch):
    monkeypatch.setattr(secret.time, "sleep", lambda seconds: None)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    os.link(planted, shared / "admin")
    refused(lookup, shared / "admin", "hard link")
    assert lookup(planted) == [PRIVATE]


def test_who_owns_the_inventory_may_own_secrets(lookup, planted, tmp_path):
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    give(inventory)
    give(planted)
    assert lookup(planted, inventory_dir=str(inventory)) == [PRIVATE]
    os.chown(planted, 65533, 65533)
    refused(lookup, planted, "belongs to another user", inventory_dir=str(inventory))


@pytest.mark.parametrize("term", [1.1, 504, True, None, ["a"]])
def test_a_path_is_text(term):
    plugin = LookupModule()
    plugin.set_options = lambda **options: None
    with pytest.raises(AnsibleError, match="must be text"):
        plugin.run([term], {"ansible_check_mode": True})


def test_a_folder_that_can_not_be_made_is_named(lookup, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AnsibleError, match="file/admin can't be used"):
        lookup(tmp_path / "file" / "admin")


def race(barrier, path, results):
    barrier.wait()
    secret.create(path, secret.new_secret())
    results.put(secret.read(path))


def test_forks_agree(tmp_path):
    forks = multiprocessing.get_context("fork")
    for attempt in range(10):
        path = str(tmp_path / str(attempt) / "h1" / "admin")
        barrier, results = forks.Barrier(6), forks.Queue()
        processes = [forks.Process(target=race, args=(barrier, path, results)) for _number in range(6)]
        for process in processes:
            process.start()
        values = [results.get(timeout=10) for _process in processes]
        for process in processes:
            process.join()
        assert len(set(values)) == 1
        # A fork that comes between the making of the two directories may take the inner one for the topmost.
        assert set(os.listdir(os.path.dirname(path))) - {".gitignore"} == {"admin"}
        assert sorted(os.listdir(tmp_path / str(attempt))) == [".gitignore", "h1"]


def test_the_loser_of_a_race_keeps_the_winners_secret(tmp_path, monkeypatch):
    """Whatever lies between looking and writing: what is there first stays."""
    path = tmp_path / "admin"
    secret.create(str(path), "winner")
    secret.create(str(path), "loser")
    assert secret.read(str(path)) == "winner"
    assert os.listdir(tmp_path) == ["admin"]
