# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks on folders of recordings: docs/archive.md."""
