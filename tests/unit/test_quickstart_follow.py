"""How molecule/quickstart reads a document: its blocks, and whether what was printed is what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location(
    "follow", Path(__file__).parents[2] / "molecule" / "quickstart" / "follow.py"
)
follow = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(follow)

DOCUMENT = """\
# Title

```yaml
# a/b.yml
x: 1
```

Words.

    indented, and below no block

```sh
one
two
```

    first
        second

    third

More words, and a block below which nothing is indented.

```sh
three
```
"""


def test_blocks():
    assert list(follow.blocks(DOCUMENT)) == [
        ("yaml", "# a/b.yml\nx: 1", ""),
        ("sh", "one\ntwo", "first\n    second\n\nthird"),
        ("sh", "three", ""),
    ]


OUTPUT = "TASK [a]\nok: [cache1]\ncache1   : ok=18  changed=8  failed=0\n\nlast\n"


@pytest.mark.parametrize(
    ("expected", "is_so"),
    [
        ("cache1 : ok=... changed=... failed=0", True),
        ("cache1 : ok=... changed=... failed=0 ...", False),
        ("cache1 : ok=... changed=... failed=1", False),
        ("TASK [a]\nok: [cache1]", True),
        ("TASK [a]\nlast", False),
        ("TASK [a]\n...\nlast", True),
        ("last\n...\nTASK [a]", False),
        ("ok: [cache", False),
        ("failed=0\n\nlast", False),
    ],
)
def test_what_is_printed(expected, is_so):
    assert follow.says(OUTPUT, expected) == is_so
