# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of a recording's pipeline, and what its messages say."""

import re

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402, after the version is chosen

from .errors import UsageError  # noqa: E402

# What decodebin does not open: sound and text are not looked at, and a playlist would fetch what it names.
PLAYLISTS = ("application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml", "application/sdp", "text/uri-list",
             "application/smil", "application/xspf+xml")  # fmt: skip
LEFT_ALONE = ("audio/", "text/", "subpicture/", "closedcaption/", "application/x-ssa", "application/x-ass",
              "application/x-subtitle", *PLAYLISTS)  # fmt: skip
I420 = "video/x-raw, format=(string)I420"
FORM = re.compile(r"(?:width|height|pixel-aspect-ratio|colorimetry|chroma-site)=[^,;]+")
HELP = {
    "dicenet": "build the plugin, or install it and see that GST_PLUGIN_PATH leads to it",
    "x264enc": "--annotated needs it: install gstreamer1.0-plugins-ugly",
}


class Failure(Exception):
    """Why a recording has no results, in plain words."""


class OutOfRoom(Exception):
    """Nothing more can be written."""


def make(name, **properties):
    element = Gst.ElementFactory.make(name)
    if element is None:
        what = next((text for start, text in HELP.items() if name.startswith(start)), None)
        raise UsageError(
            f"there is no element {name}: {what or 'install GStreamer plugins: base, good, bad and libav'}"
        )
    for key, value in properties.items():
        element.set_property(key.replace("_", "-"), value)
    return element


def set_from_text(element, name, text):
    """Sets a property as gst-launch-1.0 would; UsageError where it takes no such value."""
    kind = element.get_factory().get_name()
    found = element.find_property(name)
    if found is None or not found.flags & 2:  # writable
        raise UsageError(f"{kind} has no property '{name}': gst-inspect-1.0 {kind} tells what there is")
    if hasattr(found, "minimum"):
        check_number(kind, name, text, found)
    elif hasattr(found, "enum_class"):
        names = [value.value_nick for value in members(element, name)]
        if text not in names:
            raise UsageError(f"{kind}: {name} must be one of {', '.join(names)}, not '{text}'")
    elif found.value_type.name == "gboolean" and text not in ("true", "false"):
        raise UsageError(f"{kind}: {name} must be true or false, not '{text}'")
    Gst.util_set_object_arg(element, name, text)


def members(element, name):
    """Of an enumeration: that of the value, as PyGObject tells it differently of properties since 3.50."""
    kind = type(element.get_property(name))
    return kind.__enum_values__.values() if hasattr(kind, "__enum_values__") else list(kind)


def check_number(kind, name, text, found):
    whole = found.value_type.name not in ("gdouble", "gfloat")
    form = r"[-+]?[0-9]{1,20}" if whole else r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?"
    if not re.fullmatch(form, text) or not found.minimum <= float(text) <= found.maximum:
        what = "whole number" if whole else "number"
        raise UsageError(f"{kind}: {name} must be a {what} from {found.minimum:g} to {found.maximum:g}, not '{text}'")


def make_network(network, settings, threads):
    """A network's element with its properties."""
    element = make(network["element"], model=network["model"], threads=threads)
    if element.find_property("inference-interval"):
        element.set_property("inference-interval", settings["interval"])
    if network["threshold"] is not None:
        set_from_text(element, "threshold", repr(network["threshold"]))
    for name, text in network["properties"].items():
        set_from_text(element, name, text)
    return element


def make_networks(settings, threads):
    """The elements that find, follow and count, in their order."""
    elements = [make_network(network, settings, threads) for network in settings["networks"]]
    if settings["tracking"]:
        elements.append(make("dicenettrack"))
    if settings["lines"] or settings["zones"]:
        elements.append(make("dicenetcount", lines=settings["lines"], zones=settings["zones"]))
    return elements


def chain(pipeline, *elements):
    """Adds elements and links them one after the other."""
    for element in elements:
        pipeline.add(element)
    for one, next_one in zip(elements, elements[1:]):
        if not one.link(next_one):
            raise Failure(f"{one.get_factory().get_name()} and {next_one.get_factory().get_name()} don't go together")


def upright():
    """Pictures as people see them: whole ones, and turned as telephones say (pipelines/common.sh does the same)."""
    deinterlace = make("deinterlace")
    Gst.util_set_object_arg(deinterlace, "mode", "auto-strict")
    Gst.util_set_object_arg(deinterlace, "fields", "top")
    return [make("videoconvert"), deinterlace, make("videoconvert"), flip()]


def flip():
    element = make("videoflip")
    Gst.util_set_object_arg(element, "video-direction", "auto")
    return element


def make_decoder(threads):
    """A decodebin for the picture only, whose decoders don't take the other workers' processors."""
    decoder = make("decodebin")
    decoder.connect("deep-element-added", lambda _bin, _inner, element: set_threads(element, threads))
    return decoder


def name_of(caps):
    return "" if caps.is_any() or caps.is_empty() else caps.get_structure(0).get_name()


def is_playlist(caps):
    return name_of(caps).startswith(PLAYLISTS)


def goes_on(caps):
    """Whether decodebin is to look into a stream."""
    name = name_of(caps)
    # Decoders of GIF before GStreamer 1.24 repeat the first frame for ever.
    endless = name.endswith("gif") and Gst.version()[1] < 24
    return not name.startswith(LEFT_ALONE) and not endless


def set_threads(element, threads):
    for name in "max-threads", "threads", "n-threads":
        found = element.find_property(name)
        if found is not None and found.flags & 2 and found.value_type.name in ("gint", "guint"):
            element.set_property(name, max(found.minimum, min(threads, found.maximum)))


def make_encoder():
    """A file that every player shows. All pictures get the first one's form, with even sides."""
    encoder = make("x264enc", threads=1, quantizer=20)
    for name, text in {"speed-preset": "veryfast", "tune": "zerolatency", "pass": "qual"}.items():
        Gst.util_set_object_arg(encoder, name, text)
    scale, box = make("videoconvertscale", add_borders=True), make("videobox")
    keep = make("capsfilter", caps=Gst.Caps.from_string(I420))
    keep.get_static_pad("sink").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, keep_form, (keep, box))
    return [scale, keep, box, encoder, make("h264parse"), make("matroskamux")]


def keep_form(_pad, info, elements):
    """Fixes what a container can't change on the way, at that of the first frame."""
    event = info.get_event()
    keep, box = elements
    if event.type == Gst.EventType.CAPS and keep.get_property("caps").to_string() == I420:
        caps = event.parse_caps()
        structure = caps.get_structure(0)
        keep.set_property("caps", Gst.Caps.from_string(", ".join([I420, *FORM.findall(caps.to_string())])))
        box.set_property("right", -(structure.get_value("width") % 2))
        box.set_property("bottom", -(structure.get_value("height") % 2))
    return Gst.PadProbeReturn.OK


def drain(bus, warn, tags=None):
    """Reads all that a pipeline said, and returns whether it has ended. Warnings go to `warn`, tags to `tags`. Failure, or
    OutOfRoom, with its first error: elements before the one that failed say only that the stream stopped."""
    first, ended = None, False
    wanted = Gst.MessageType.ERROR | Gst.MessageType.WARNING | Gst.MessageType.TAG | Gst.MessageType.EOS
    while message := bus.pop_filtered(wanted):
        if message.type == Gst.MessageType.TAG:
            if tags is not None:
                tags(message.parse_tag())
        elif message.type == Gst.MessageType.WARNING:
            warn(message.parse_warning().gerror.message)
        elif message.type == Gst.MessageType.EOS:
            ended = True
        else:
            error = message.parse_error().gerror
            if first is None or first.message.startswith("Internal data stream error"):
                first = error
    if first is None:
        return ended
    if first.matches(Gst.ResourceError.quark(), Gst.ResourceError.NO_SPACE_LEFT):
        raise OutOfRoom(first.message)
    raise Failure(first.message)


def started_at(tags):
    """When a recording began, if its tags say so, as 2026-11-30T03:27:04Z; else None."""
    known, when = tags.get_date_time(Gst.TAG_DATE_TIME)
    if not known or not when.has_time() or not when.has_second() or when.get_year() < 1980:
        return None  # a clock that was never set says 1904 or 1970
    time = when.to_g_date_time()
    return time.to_utc().format("%Y-%m-%dT%H:%M:%SZ") if time else None


def describe(error):
    """A GLib.Error's text."""
    return error.message if isinstance(error, GLib.Error) else str(error)
