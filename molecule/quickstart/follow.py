"""Do what a document says: follow.py DOCUMENT TRANSCRIPT app1=CONTAINER PLACEHOLDER=VALUE...

Fenced blocks are worked off in their order, in an empty directory and with an empty home. A block whose first line is a
comment with a file's name becomes that file; a block of sh is run as it is printed, on the controller or, where its
first line says so, in the container. What is indented below a block must be what it prints: `...` is anything, also as
a line.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 900
CHECKOUT = Path(__file__).resolve().parents[2]
KEY = CHECKOUT / ".lab" / "ssh" / "id_ed25519"
# What a user has in ~/.ssh. Host keys are made anew with each droplet.
SSH = (
    "#!/bin/sh\n"
    f"exec /usr/bin/ssh -i {KEY} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    ' "$@"\n'
)
# Blocks are parts of one session: what one of them exports is there in the next.
SCRIPT = 'set -eo pipefail; cd "$HOME"; [ ! -f .session ] || . ./.session\n%s\nexport -p > .session\n'


def blocks(text):
    """Yield (kind, content, expected) for each fenced block; expected is what is indented directly below it, or ''."""
    lines = iter(text.splitlines())
    kind, content, expected = None, [], []
    for line in lines:
        if line.startswith("```"):
            if kind:
                yield kind, "\n".join(content), "\n".join(expected).strip("\n")
            kind, content, expected = line[3:], [], []
            for inner in lines:
                if inner == "```":
                    break
                content.append(inner)
        elif kind and line.startswith("    "):
            expected.append(line[4:])
        elif kind and not line:
            expected.append("")
        elif kind:
            yield kind, "\n".join(content), "\n".join(expected).strip("\n")
            kind = None
    if kind:
        yield kind, "\n".join(content), "\n".join(expected).strip("\n")


def says(output, expected):
    """Return whether these lines are in the output one after the other. How many blanks there are does not matter."""
    pattern = ""
    for line in expected.splitlines():
        words = re.escape(" ".join(line.split())).replace(r"\.\.\.", ".*")
        pattern += "(?:.*\n)*?" if words == ".*" else f"{words}\n"
    plain = "".join(" ".join(line.split()) + "\n" for line in output.splitlines())
    return re.search("^" + pattern, plain, re.MULTILINE) is not None


class Session:
    """The controller and app1, in the state that the blocks so far have left them in."""

    def __init__(self, home, container):
        self.home, self.container, self.password = home, container, ""
        tools = home.parent / "bin"
        tools.mkdir()
        (tools / "ssh").write_text(SSH)
        (tools / "ssh").chmod(0o755)
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {"PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}

    def file(self, first, content):
        name, _comma, where = first.lstrip("# ").partition(", on ")
        if where:
            self._in_container(f"cat > {name}", content + "\n", terminal=False)
            return f"(a file on {where})\n"
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
        return "(a file)\n"

    def run(self, content):
        if content.startswith("# on app1"):
            # It asks for the password that was shown before.
            return self._in_container(SCRIPT % content, self.password + "\n" if "read -r" in content else "")
        output = self._call(["bash", "-c", SCRIPT % content], "", env=self.environment)
        shown = re.search(r"^vault_\w+: (\S+)$", output, re.MULTILINE)
        self.password = shown.group(1) if shown else self.password
        return output

    def _in_container(self, script, typed, terminal=True):
        environment = ["--env", f"SCRIPT={script}", "--workdir", "/root"]
        # On a terminal, because redis-cli prints otherwise without one.
        command = ["script", "-qec", 'bash -c "$SCRIPT"', "/dev/null"] if terminal else ["bash", "-c", script]
        return self._call(["docker", "exec", "-i", *environment, self.container, *command], typed).replace("\r", "")

    def _call(self, command, typed, **options):
        done = subprocess.run(
            command,
            input=typed,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            cwd=self.home,
            **options,
        )
        if done.returncode:
            sys.exit(f"ended with {done.returncode}:\n{done.stdout}")
        return done.stdout


def main(document, transcript, container, *placeholders):
    text = Path(document).read_text(encoding="utf-8")
    for placeholder in [*placeholders, f"~/redis_hardening={CHECKOUT}"]:
        here, value = placeholder.split("=", 1)
        if here not in text:
            sys.exit(f"{document} does not name {here}")
        text = re.sub(re.escape(here) + r"(?!\d)", value, text)
    # Short, because Ansible's sockets are below it.
    with tempfile.TemporaryDirectory(prefix="quickstart-") as folder, open(transcript, "w", encoding="utf-8") as log:
        home = Path(folder, "home")
        home.mkdir()
        session = Session(home, container.partition("=")[2])
        for kind, content, expected in blocks(text):
            log.write(f"\n$ {content}\n")
            log.flush()
            first, _newline, _rest = content.partition("\n")
            output = session.run(content) if kind == "sh" else session.file(first, content)
            log.write(output)
            if expected and not says(output, expected):
                sys.exit(f"{content}\n\ndoes not print\n\n{expected}\n\nbut\n\n{output}")


if __name__ == "__main__":
    main(*sys.argv[1:])
