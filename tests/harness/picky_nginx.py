"""An nginx that refuses what a test wants refused: compile leaves nothing in a plan of which nginx is known to.

A tree for $SERIN_NGINX: this machine's nginx and its modules, with a program in front that refuses a configuration in
whose files a word stands, as nginx would: file and line, exit code 1. It is asked by `nginx -t` only.
"""

import pathlib

from localnginx import nginx
from localnginx.tree import Tree

_PROGRAM = """#!/bin/sh
# $1… as nginx takes them; files that the configuration includes are searched, too.
prefix= configuration= testing=
for argument in "$@"; do
  case "$before" in -p) prefix=$argument ;; -c) configuration=$argument ;; esac
  case "$argument" in -t) testing=1 ;; esac
  before=$argument
done
if [ -n "$testing" ]; then
  case "$configuration" in /*) ;; *) configuration=$prefix/$configuration ;; esac
  for file in "$configuration" $(sed -n 's/^ *include  *"\\{0,1\\}\\([^";]*\\)"\\{0,1\\};.*/\\1/p' "$configuration"); do
    case "$file" in /*) ;; *) file=${configuration%/*}/$file ;; esac
    [ -f "$file" ] || continue
    line=$(grep -n -m1 -- 'WORD' "$file" | cut -d: -f1)
    [ -z "$line" ] && continue
    echo "nginx: [emerg] a word that this test refuses in $file:$line" >&2
    echo "nginx: configuration file $configuration test failed" >&2
    exit 1
  done
fi
exec NGINX "$@"
"""


def make(folder: pathlib.Path, word: str) -> pathlib.Path:
    """The tree's root. `word`: a text without what grep and the shell take for something else."""
    root = nginx.find()
    assert root is not None
    real = Tree(root).program("nginx")
    assert real is not None
    for name in ("usr/lib", "usr/share"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(root / name)
    program = folder / "usr" / "sbin" / "nginx"
    program.parent.mkdir()
    program.write_text(_PROGRAM.replace("WORD", word).replace("NGINX", str(real)))
    program.chmod(0o755)
    return folder
