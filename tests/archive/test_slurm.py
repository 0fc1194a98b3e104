#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
import sys

sys.exit(77)
