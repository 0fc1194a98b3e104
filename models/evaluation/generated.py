# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents that contain hand-written text and generated blocks. Each block is between two lines:

<!-- generated: NAME -->
...
<!-- end -->
"""

import os
import re

import outfile
from errors import ModelError

BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"


def fill(path, blocks):
    """Replaces the blocks in a document by `blocks` (name -> markdown). Creates the document if it does not exist."""
    text = "\n\n".join(_block(name, "") for name in blocks) + "\n"
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except UnicodeDecodeError:
            raise ModelError(f"{path}: expected a text with places for figures, found something else") from None
    for name, content in blocks.items():
        place = f"{re.escape(BEGIN.format(name))}.*?{END}"
        text, count = re.subn(place, lambda _: _block(name, content.strip()), text, flags=re.DOTALL)
        if count != 1:
            raise ModelError(
                f"{path}: expected one place for {name}, a line {BEGIN.format(name)} and a line {END}, found "
                f"{count or 'none'}"
            )
    with outfile.open_whole(path, "w", encoding="utf-8") as file:
        file.write(text)


def _block(name, content):
    return f"{BEGIN.format(name)}\n\n{content}\n\n{END}"


def table(heads, rows, left=1):
    """A Markdown table; the first `left` columns are text, the others numbers."""
    rule = ["---" if i < left else "---:" for i in range(len(heads))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [heads, rule, *rows])
