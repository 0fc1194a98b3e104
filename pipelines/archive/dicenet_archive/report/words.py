# SPDX-License-Identifier: LGPL-2.1-or-later
"""Numbers as people read them. page.js has the same for what it shows."""

import decimal


def clock(seconds):
    """0:03, 1:02:03"""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def amount(seconds):
    """1.5 s, 12 s, 3.5 min, 2.4 h"""
    if seconds < 60:
        return fixed(seconds, 1 if 0 < seconds < 10 else 0) + " s"
    return fixed(seconds / 60, 1) + " min" if seconds < 3600 else fixed(seconds / 3600, 1) + " h"


def fixed(number, digits):
    """Halves are rounded up, as in JavaScript."""
    return f"{decimal.Decimal(number).quantize(decimal.Decimal(1).scaleb(-digits), decimal.ROUND_HALF_UP):,}"


def count(number, what):
    """1 recording, 2,000 recordings"""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def day_and_time(time):
    return time.strftime("%Y-%m-%d %H:%M") if time else "unknown"
