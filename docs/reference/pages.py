#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes Markdown for gi-docgen: a page for each element, and the guides of docs/ with links that work there.

    pages.py SOURCES OUTPUT [--plugin FILE...] [GUIDE.md...]

An element's page is the `SECTION:element-NAME` comment of the source file that implements it, with what the plugin itself
says of pads, properties and signals. SOURCES is the project's gst/, whose comments are read; OUTPUT a folder.
"""

import argparse
import html
import os
import re
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GObject, Gst
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

SECTION = re.compile(r"/\*\*\n \* SECTION:element-(\w+)\n(.*?)\n \*/", re.DOTALL)
WHEN = {
    "playing": "can change while playing",
    "paused": "can change up to PAUSED",
    "ready": "can change in NULL and READY",
}
OURS = "GstDicenet"  # what the names of our types begin with
WIDTH = 80  # of command lines
BASE = "https://gstreamer.freedesktop.org/documentation/base/{}.html"
NUMBERS = {"gint": "integer", "guint": "integer", "gint64": "integer", "guint64": "integer"}
NUMBERS |= {"gfloat": "number", "gdouble": "number"}
TYPES = NUMBERS | {"gboolean": "boolean", "gchararray": "string"}
LARGEST = 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1


# Elements


def comments(folder):
    """The comments of the elements below a folder, as {name: text}."""
    found = {}
    for place, _, files in os.walk(folder):
        for name in sorted(files):
            if name.endswith(".c"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    for element, text in SECTION.findall(file.read()):
                        found[element] = re.sub(r"^ \*( |$)", "", text, flags=re.MULTILINE)
    return found


def prose(comment, elements):
    """Markdown of a comment: of the fields before the text, see_also becomes links."""
    fields, _, text = comment.partition("\n\n")
    text = re.sub(r"\|\[\n(.*?)\n\]\|", command, text, flags=re.DOTALL)
    text = re.sub(r"#(?:Gst\w+:)?(\w[\w-]*)", r"`\1`", text)
    also = re.search(r"^@see_also: (.*)$", fields, re.MULTILINE)
    names = [name for name in also.group(1).split(", ") if name in elements] if also else []
    return text + ("\n\nSee also: " + ", ".join(f"[{n}]({n}.html)" for n in names) if names else "")


def command(match):
    """A command line, one element in each line if it is long."""
    line = " ".join(match.group(1).split())
    return "```sh\n" + (line if len(line) <= WIDTH else line.replace(" ! ", " \\\n    ! ")) + "\n```"


def cell(text):
    return html.escape(str(text), quote=False).replace("|", "\\|").replace("\n", " ")


def row(*cells):
    return "| " + " | ".join(cells) + " |\n"


def type_of(prop):
    kind = TYPES.get(prop.value_type.name)
    if not kind:
        return "" if is_enum(prop) else f"`{prop.value_type.name}`"
    if prop.value_type.name not in NUMBERS:
        return kind
    unbounded = prop.maximum in LARGEST or prop.maximum > 1e300
    return f"{kind}, " + (f"from {prop.minimum:g} on" if unbounded else f"{prop.minimum:g} to {prop.maximum:g}")


def is_enum(prop):
    return GObject.type_is_a(prop.value_type, GObject.TYPE_ENUM)


def members(element, prop):
    """Of an enumeration: that of the value, as PyGObject tells it differently of properties since 3.50."""
    kind = type(element.get_property(prop.name))
    return kind.__enum_values__.values() if hasattr(kind, "__enum_values__") else list(kind)


def default_of(element, prop):
    if not prop.flags & GObject.ParamFlags.READABLE or prop.value_type.name not in TYPES:
        return f"`{element.get_property(prop.name).value_nick}`" if is_enum(prop) else ""
    value = element.get_property(prop.name)
    return "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else format_number(value)}`"


def format_number(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def when(prop):
    if not prop.flags & GObject.ParamFlags.WRITABLE:
        return "read only"
    flags = {"playing": Gst.PARAM_MUTABLE_PLAYING, "paused": Gst.PARAM_MUTABLE_PAUSED, "ready": Gst.PARAM_MUTABLE_READY}
    return next((WHEN[state] for state, flag in flags.items() if prop.flags & flag), WHEN["playing"])


def properties(element):
    text = "\n## Properties\n\n"
    own = [p for p in element.list_properties() if p.owner_type.name.startswith(OURS)]
    for prop in sorted(own, key=lambda p: p.name):
        default = default_of(element, prop)
        about = [type_of(prop), f"default {default}" if default else "", when(prop)]
        text += f"`{prop.name}` ({'; '.join(filter(None, about))})\n:   {html.escape(prop.blurb, quote=False)}.\n\n"
        for value in members(element, prop) if is_enum(prop) else []:
            text += f"    - `{value.value_nick}`: {value.value_name}\n"
        text += "\n"
    base = element.__gtype__
    while base.name.startswith(OURS):
        base = base.parent
    return text + f"And those of [{base.name}]({BASE.format(base.name.lower())}).\n"


def signals(element):
    text, kind = "", element.__gtype__
    while kind.name.startswith(OURS):
        for name in GObject.signal_list_names(kind):
            query = GObject.signal_query(name, kind)
            given = ", ".join(f"`{t.name}`" for t in query.param_types)
            action = " (an action: emit it)" if query.signal_flags & GObject.SignalFlags.ACTION else ""
            text += f"- `{name}` ({given}), returns `{query.return_type.name}`{action}\n"
        kind = kind.parent
    return "\n## Signals\n\n" + text if text else ""


def pads(factory):
    text = "\n## Pads\n\n"
    for pad in sorted(factory.get_static_pad_templates(), key=lambda pad: pad.name_template, reverse=True):
        caps = pad.get_caps()
        lines = [
            line for i in range(caps.get_size()) for line in media_type(caps.get_structure(i), caps.get_features(i))
        ]
        text += f"`{pad.name_template}` ({pad.presence.value_nick}):\n\n```\n" + "\n".join(lines) + "\n```\n\n"
    return text


def media_type(structure, features):
    memory = features.to_string()
    yield structure.get_name() + ("" if memory == "memory:SystemMemory" else f"({memory})")
    for i in range(structure.n_fields()):
        name = structure.nth_field_name(i)
        field = re.search(rf"[, ]{name}=\([\w:-]+\)([{{[].*?[]}}]|[^,;]+)", structure.to_string())
        yield f"    {name}: {field.group(1)}"


def element_page(name, comment, elements):
    factory = Gst.ElementFactory.find(name)
    if factory is None:
        return None
    element = factory.create(None)
    kind = factory.get_metadata("klass")
    text = f"Title: {name}\n\n# {name}\n\n*{kind}, plugin {factory.get_plugin_name()}*\n\n{prose(comment, elements)}\n"
    return text + properties(element) + signals(element) + pads(factory)


def index(elements):
    text = "Title: Elements\n\n# Elements\n\n" + row("Element", "What it does") + row("---", "---")
    for name in elements:
        text += row(f"[{name}]({name}.html)", cell(Gst.ElementFactory.find(name).get_metadata("description")))
    return text


# Guides


def guide_page(path, pages):
    """A guide with links to other pages of the reference; what lies outside of it is no link."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    title = re.match(r"# (.*)\n", text)
    if not title:
        raise SystemExit(f"error: {path}: expected a title ('# ...') in the first line")

    def link(match):
        shown, target, anchor = match.groups()
        base = os.path.basename(target)
        if target.startswith(("http:", "https:", "#")) or not target:
            return match.group(0)
        if match.group(0).startswith("!"):
            return f"![{shown}]({base})"
        return f"[{shown}]({base.removesuffix('.md')}.html{anchor or ''})" if base in pages else shown

    text = re.sub(r"!?\[([^][]*)\]\(([^()#\s]*)(#[^()\s]*)?\)", link, text)
    return f"Title: {title.group(1)}\n\n{text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources")
    parser.add_argument("output")
    parser.add_argument("--plugin", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--guides", nargs="+", default=[], metavar="GUIDE")
    arguments = parser.parse_args()
    Gst.init(None)
    for path in arguments.plugin:
        Gst.Registry.get().add_plugin(Gst.Plugin.load_file(path))
    about = comments(arguments.sources)
    elements = sorted(name for name in about if Gst.ElementFactory.find(name))
    pages = {f"{name}.md": element_page(name, about[name], elements) for name in elements}
    pages["elements.md"] = index(elements)
    guides = {os.path.basename(path) for path in arguments.guides} | set(pages)
    for path in arguments.guides:
        pages[os.path.basename(path)] = guide_page(path, guides)
    os.makedirs(arguments.output, exist_ok=True)
    for name, text in pages.items():
        with open(os.path.join(arguments.output, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
