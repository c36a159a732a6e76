#!/usr/bin/env python3
"""Writes the manual page from the program's own help:

    qwen-all-in-one --experimental-dump-help | manual.py VERSION DATE > qwen-all-in-one.1

The format is swift-argument-parser's description of a command line (serializationVersion 0)."""

import json
import sys

FILES = [
    ("/etc/default/qwen-all-in-one", "The service's model, roles and options."),
    ("/etc/qwen-all-in-one/roles/", "The roles; `systemctl reload qwen-all-in-one` reads them again."),
    ("/etc/nginx/sites-available/qwen-all-in-one", "The web server's site; /etc/nginx/qwen-all-in-one/ has its parts."),
    ("/usr/share/qwen-all-in-one/", "A small model to start with, and the web pages."),
    ("/var/lib/qwen-all-in-one/", "What the model was at its first start; each start is compared with it."),
]


def escaped(text: str) -> str:
    """Text as roff takes it literally: backslashes, minus signs, and a control character at a line's start."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def paragraphs(text: str) -> list[str]:
    """A discussion: its paragraphs; a line that begins with "Example:" keeps its breaks."""
    lines = []
    for block in text.strip().split("\n\n"):
        lines.append(".PP")
        lines += [escaped(block)] if not block.startswith("Example") else [".nf", escaped(block), ".fi"]
    return lines


def dashed(name: dict) -> str:
    return ("-" if name["kind"] == "short" else "--") + name["name"]


def shown(arguments: list[dict]) -> list[dict]:
    """Each command has --help, the whole program --version: said once, with the program."""
    return [one for one in arguments if one["shouldDisplay"] and one["valueName"] not in ("help", "version")]


def usage(argument: dict) -> str:
    value = f"\\fI{escaped(argument['valueName'])}\\fR"
    if argument["kind"] == "positional":
        text = value
    else:
        name = f"\\fB{escaped(dashed(argument['preferredName']))}\\fR"
        text = name if argument["kind"] == "flag" else f"{name} {value}"
    text += " ..." if argument["isRepeating"] else ""
    return f"[{text}]" if argument["isOptional"] else text


def item(argument: dict) -> list[str]:
    if argument["kind"] == "positional":
        term = f"\\fI{escaped(argument['valueName'])}\\fR"
    else:
        term = ", ".join(f"\\fB{escaped(dashed(name))}\\fR" for name in argument["names"])
        term += "" if argument["kind"] == "flag" else f" \\fI{escaped(argument['valueName'])}\\fR"
    text = argument.get("abstract", "")
    remarks = []
    if values := argument.get("allValues"):
        remarks.append("one of " + ", ".join(values))
    if (default := argument.get("defaultValue")) is not None and argument["kind"] != "flag":
        remarks.append(f"default: {default}")
    return [".TP", term, escaped(text + (f" ({'; '.join(remarks)})" if remarks else ""))]


def section(command: dict, above: list[str]) -> list[str]:
    """A subcommand and those below it, each with its usage, what it does, and its arguments."""
    words = [*above, command["commandName"]]
    lines = []
    if below := command.get("subcommands"):
        for one in below:
            lines += section(one, words)
        return lines
    arguments = shown(command["arguments"])
    positional = [one for one in arguments if one["kind"] == "positional"]
    named = [one for one in arguments if one["kind"] != "positional"]
    required = [usage(one) for one in named if not one["isOptional"]]
    options = ["[\\fIoptions\\fR]"] if any(one["isOptional"] for one in named) else []
    lines += [f".SS {escaped(' '.join(words[1:]))}", escaped(command["abstract"]), ".PP"]
    lines += [" ".join([f"\\fB{escaped(' '.join(words))}\\fR", *required, *options, *map(usage, positional)])]
    lines += paragraphs(command["discussion"]) if command.get("discussion") else []
    for one in positional + named:
        lines += item(one)
    return lines


def page(program: dict, version: str, date: str) -> str:
    name = program["commandName"]
    lines = [f'.TH {escaped(name.upper())} 1 "{date}" "{escaped(name)} {version}" "User Commands"']
    lines += [".SH NAME", f"{escaped(name)} \\- {escaped(program['abstract'].rstrip('.'))}"]
    lines += [".SH SYNOPSIS", f"\\fB{escaped(name)}\\fR \\fIcommand\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]"]
    lines += [".PP", f"\\fB{escaped(name)}\\fR [\\fIcommand\\fR] \\fB\\-\\-help\\fR | \\fB\\-\\-version\\fR"]
    lines += [".SH DESCRIPTION", *paragraphs(program["discussion"])[1:]]
    lines += [".SH COMMANDS"]
    for command in program["subcommands"]:
        if command["commandName"] != "help" and command["shouldDisplay"]:
            lines += section(command, [name])
    lines += [".SH FILES"]
    for path, text in FILES:
        lines += [".TP", f"\\fI{escaped(path)}\\fR", escaped(text)]
    lines += [".SH EXIT STATUS", "0, or 1 with a line that says what was wrong and what to do; 64 for a wrong command line."]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 3:
        raise SystemExit("manual.py: give a version and a date, and the program's description on standard input.")
    description = json.load(sys.stdin)
    if description.get("serializationVersion") != 0:
        raise SystemExit("manual.py: the description is of another format than swift-argument-parser's version 0.")
    sys.stdout.write(page(description["command"], sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    main()
