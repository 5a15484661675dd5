"""Writes variants of Python files as lines of JSON, for a test of digests: python3 python_variants.py SEED COUNT FOLDER…

Each line: `path`, `tokens` (null if Python's own tokenizer does not split the file in the same way), and `texts`, each
with a number for its syntax tree: equal numbers are equal trees; -1 is no tree.
"""

import ast
import io
import json
import os
import random
import sys
import tokenize

LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
ENDS = {tokenize.NEWLINE: 0, tokenize.INDENT: 1, tokenize.DEDENT: -1}


def tokens_of(text):
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def plain(tokens):
    if any(one.type == tokenize.ERRORTOKEN or tokenize.tok_name[one.type].startswith("FSTRING") for one in tokens):
        return None
    return [ENDS.get(one.type, one.string) for one in tokens if one.type not in LAYOUT]


def rows_of(text):
    """Returns the lines as the tokenizer counts them: a form feed ends none."""
    return [f"{line}\n" for line in text.split("\n")]


def offset_of(lines, place):
    return lines[place[0] - 1] + place[1]


def relaid(text, tokens, draw):
    """Returns the text with more comments, blank lines, spaces and broken lines, which change no tree."""
    lines = [0]
    for line in rows_of(text):
        lines.append(lines[-1] + len(line))
    edits, depth, inside = [], 0, 0
    for before, one in zip(tokens, tokens[1:]):
        name = tokenize.tok_name[before.type]
        inside += (name == "FSTRING_START") - (name == "FSTRING_END")
        if before.type == tokenize.OP and not inside:
            depth += (before.string in "([{") - (before.string in ")]}")
        if inside or draw.random() > 0.05 or before.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING):
            continue
        at, wide = offset_of(lines, before.end), draw.choice(["", " ", "    ", "\t"])
        if before.type in (tokenize.NEWLINE, tokenize.NL):
            if before.string:
                edits.append((at, draw.choice(["\n", "   \n", f"{wide}# a 'comment\n", "#\n\n# (\n", "\f\n"])))
        elif one.type in (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            if one.type != tokenize.COMMENT and one.string:
                edits.append((at, f"{wide}# a {{comment \\\\ \"\"\""))
        elif before.type not in (tokenize.COMMENT,) and one.type not in (tokenize.INDENT, tokenize.DEDENT):
            breaks = [" ", "  ", " \\\n  ", "\\\n"]
            edits.append((at, draw.choice(["\n", " # b\n\n  ", *breaks] if depth else breaks)))
    for at, more in sorted(edits, reverse=True):
        text = text[:at] + more + text[at:]
    return text


def reindented(text, tokens, draw):
    """Returns the text with another width of each block."""
    width, lines, level, starts = draw.choice(["  ", "\t", "     "]), text.split("\n"), 0, True
    for one in tokens:
        level += ENDS.get(one.type, 0)
        if one.type in (*ENDS, tokenize.NL, tokenize.COMMENT, tokenize.ENCODING, tokenize.ENDMARKER):
            starts = starts or one.type == tokenize.NEWLINE
        elif starts:
            row = one.start[0] - 1
            lines[row], starts = width * level + lines[row].lstrip(" \t\f"), False
    return "\n".join(lines)


def changed(text, tokens, draw):
    """Returns the text with something else in one place: mostly another program, or none."""
    at = draw.randrange(len(text) + 1)
    how = draw.randrange(6)
    if how == 0:
        return text[:at] + draw.choice("\n\t #'\"\\(){}[]:;.,=+-xf0") + text[at:]
    if how == 1:
        return text[:at] + text[at + draw.randint(1, 3) :]
    if how == 2:
        lines = text.split("\n")
        row = draw.randrange(len(lines))
        lines[row] = draw.choice(["", "  ", "    ", "\t"]) + draw.choice([lines[row].lstrip(), lines[row]])
        return "\n".join(lines)
    if how == 3:
        lines = text.split("\n")
        row = draw.randrange(len(lines))
        return "\n".join(lines[:row] + lines[row + 1 :])
    one, rows = draw.choice(tokens), rows_of(text)
    start = sum(map(len, rows[: one.start[0] - 1])) + one.start[1]
    end = sum(map(len, rows[: one.end[0] - 1])) + one.end[1]
    other = draw.choice(tokens).string if how == 4 else draw.choice(["", "1.", "not ", "a", "-", "f'{a}'", "0x1f"])
    return text[:start] + other + text[end:]


def main(seed, count, folders):
    draw = random.Random(seed)
    paths = sorted(
        os.path.join(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names if name.endswith(".py")
    )
    for path in draw.sample(paths, min(count, len(paths))):
        try:
            text = open(path, encoding="utf-8", newline="").read()
            if len(text) > 60_000 or "\r" in text:
                continue
            tokens, trees = tokens_of(text), {}
            ast.parse(text)
        except (SyntaxError, ValueError, tokenize.TokenError, RecursionError):
            continue
        texts = []
        for make in [lambda *_: text, *[relaid] * 2, reindented, *[changed] * 6]:
            other = make(text, tokens, draw)
            try:
                tree = trees.setdefault(ast.dump(ast.parse(other)), len(trees))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                tree = -1
            if make in (relaid, reindented) and tree != 0:
                raise AssertionError(f"{path}: {make.__name__} has changed the tree")
            texts.append([other, tree])
        print(json.dumps({"path": path, "tokens": plain(tokens), "texts": texts}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
