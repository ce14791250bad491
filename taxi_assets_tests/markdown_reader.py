"""Reads the project's Markdown: code, prose, tables and folder trees."""

import re


def blocks(text: str) -> str:
    """The lines of code blocks, fenced or indented."""
    fenced, lines = False, []
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line)
    return "\n".join(lines)


def prose(text: str) -> str:
    """The lines outside code blocks."""
    without_fenced = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join(line for line in without_fenced.splitlines() if not line.startswith("    "))


def spans(text: str) -> list[str]:
    """The texts between backticks, also across a line break."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def code(text: str) -> str:
    return "\n".join([blocks(text), *spans(text)])


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading."""
    match = re.search(rf"^\| {re.escape(header)} \|.*\n\|[-:| ]+\|\n((?:\|.*\n?)*)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in match[1].splitlines()] if match else []


def sentences(text: str) -> list[str]:
    """The sentences of paragraphs, lists and tables; each span of code is one word."""
    text = re.sub(r"^\|[-:| ]+\|$|^#+ .*$", "", prose(text), flags=re.MULTILINE)
    text = re.sub(r"`[^`]+`", "code", re.sub(r"\]\([^)]*\)", "]", text))
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\|)| \| ", text)
    return [sentence for part in parts for sentence in re.split(r"(?<=[.:;!?])\s+", " ".join(part.split()))]


def tree(text: str, root: str) -> set[str]:
    """The paths of the folder tree that begins with this folder."""
    match = re.search(rf"^```text\n({re.escape(root)}.*?)^```$", text, re.MULTILINE | re.DOTALL)
    parents: list[str] = []
    found = set()
    for line in match[1].splitlines() if match else ():
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [line.split()[0].rstrip("/")]
        found.add("/".join(parents))
    return found


def headings(text: str) -> set[str]:
    """The headings as links write them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
