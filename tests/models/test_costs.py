#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/paper_costs.py: all rows exist, equal the count while the numpy reference runs, and are close to
the paper's."""

import json
import os
import unittest

import common

SCRIPT = os.path.join("evaluation", "paper_costs.py")
# The paper rounds, to one digit in Table VI, and does not state the widths in Table I.
MARGIN = 0.1
# No width in the paper results in this row: s = 1.5 is nearest.
FARTHER = {("I", "ShuffleNetv2, DiCE unit", 122): 0.12}
ROWS = {"I": 9, "IV": 7, "VI": 4, "Fig. 9": 18}


class Costs(common.TestCase):
    def test_flatten(self):
        process = common.run_script(SCRIPT, "--json")
        self.assertEqual(process.returncode, 0, process.stderr)
        rows = json.loads(process.stdout)
        found = [row["table"] for row in rows]
        self.assertEqual({table: found.count(table) for table in found}, ROWS)
        for row in rows:
            with self.subTest(f"{row['table']}: {row['what']}, {row['paper']} M"):
                self.check(row)

    def check(self, row):
        net = common.network_of(row["task"], row["scale"], row["classes"], row["backbone"])
        count = common.costs.count(net, row["side"], row["side"])
        self.assertAlmostEqual(row["ours"], common.costs.multiply_adds(count)["total"] / 1e6)
        margin = FARTHER.get((row["table"], row["what"], row["paper"]), 0.001 if row["table"] == "Fig. 9" else MARGIN)
        self.assertLess(abs(row["ours"] / row["paper"] - 1), margin)

    def test_table(self):
        process = common.run_script(SCRIPT)
        self.assertEqual(process.returncode, 0, process.stderr)
        lines = process.stdout.splitlines()
        self.assertEqual(len(lines), 1 + sum(ROWS.values()))
        line = next(line for line in lines if "DiCENet, s = 0.2" in line)
        self.assertEqual(line.split()[-5:], ["0.2", "14", "14.90", "+6.4", "%"])

    def test_no_program(self):
        self.assert_failed(common.run_script(SCRIPT, env={"PATH": self.folder}), "dicenet", "meson devenv")


if __name__ == "__main__":
    unittest.main()
