#!/usr/bin/python3
"""What promtool does not check of the alert rules and the dashboard: alerts_test.py SOURCE SIGNET.

Each alert says how bad it is and names a command that mends it; commands of the command line (SIGNET) exist; each
alert is tried where it fires and where it does not. The dashboard is one that Grafana 9 and later read.
"""
import json
import os
import re
import subprocess
import sys
import unittest

import yaml

SOURCE, SIGNET = sys.argv[1:3]
PROMETHEUS = os.path.join(SOURCE, "tools", "prometheus")


def load(name):
    with open(os.path.join(PROMETHEUS, name), encoding="utf-8") as file:
        return yaml.safe_load(file)


RULES = [rule for group in load("signet.rules.yml")["groups"] for rule in group["rules"]]


def commands(text):
    return [command.split() for command in re.findall(r"'((?:signet|systemctl|journalctl) [^']*)'", text)]


class Alerts(unittest.TestCase):
    def test_each_says_how_bad_it_is_and_what_mends_it(self):
        self.assertGreater(len(RULES), 20)
        for rule in RULES:
            with self.subTest(rule["alert"]):
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                self.assertTrue(rule["annotations"]["summary"])
                self.assertTrue(commands(rule["annotations"]["description"]), "it names no command")

    def test_commands_exist(self):
        wanted = {tuple(command[1:3]) for rule in RULES for command in commands(rule["annotations"]["description"])
                  if command[0] == "signet"}
        self.assertGreater(len(wanted), 10)
        for words in sorted(wanted):
            with self.subTest(" ".join(words)):
                self.assertIn("signet " + " ".join(words), self.usage(words))
        self.assertNotIn("signet no such", self.usage(("no", "such")))

    @staticmethod
    def usage(words):
        run = subprocess.run([SIGNET, *words, "--help"], capture_output=True, text=True, check=False)
        return run.stdout

    def test_each_is_tried_where_it_fires_and_where_it_does_not(self):
        tried = [case for test in load("signet.rules.test.yml")["tests"] for case in test["alert_rule_test"]]
        for fires in (True, False):
            names = {case["alertname"] for case in tried if bool(case["exp_alerts"]) == fires}
            self.assertEqual(names, {rule["alert"] for rule in RULES})

    def test_names_are_different(self):
        names = [rule["alert"] for rule in RULES]
        self.assertEqual(len(names), len(set(names)))


class Dashboard(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(SOURCE, "tools", "grafana", "signet.json"), encoding="utf-8") as file:
            self.board = json.load(file)

    def test_it_is_of_grafana_9_and_takes_any_data_source(self):
        self.assertGreaterEqual(self.board["schemaVersion"], 36)
        self.assertLessEqual(self.board["schemaVersion"], 38)
        self.assertEqual(self.board["templating"]["list"][0]["type"], "datasource")
        ids = [panel["id"] for panel in self.board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in self.board["panels"]:
            if panel["type"] == "row":
                continue
            with self.subTest(panel["title"]):
                self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                self.assertTrue(panel["targets"])
                for target in panel["targets"]:
                    self.assertEqual(target["datasource"]["uid"], "${datasource}")
                    self.assertTrue(target["expr"])

    def test_its_expressions_are_good(self):
        rules = [{"record": "panel:x%d" % i, "expr": target["expr"]} for i, target in enumerate(
            target for panel in self.board["panels"] for target in panel.get("targets", []))]
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"), "signet-dashboard-%d.yml" % os.getpid())
        try:
            with open(path, "w", encoding="utf-8") as file:
                yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            run = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        finally:
            os.remove(path)

    def test_panels_do_not_cover_each_other(self):
        taken = {}
        for panel in self.board["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, "%s over %s" % (panel["title"], taken.get((x, y))))
                    taken[x, y] = panel["title"]


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
