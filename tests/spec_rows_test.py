#!/usr/bin/env python3
"""Checks that every requirement named here is cited by a test.

A comment of a test says what it proves: "SPEC C4: …", "SPEC C8, K1", "ABUSE 37", "ABUSE 58-63". Rows are those of the
specification and of the list of bad input. A row that nobody cites is a promise that nobody keeps.

Run with the root of the project as argument; without one, the reading of citations is tried.
"""
import pathlib
import re
import sys
import unittest

ROWS = ["B1", "B3", "B4", "C1", "C2", "C3", "C4", "C5", "C5a", "C6", "C8", "C9", "C10", "K1", "K2", "M1", "M2", "M3", "M4", "R1", "R2", "R3", "R4", "S1",
        "S2", "S3", "S4", "S5", "X1", "X2", "X3"]
# Of the list of bad input: uploads, trust stores, CSRs, the import tool, OCSP, mail.
ABUSE = [*range(1, 52), *range(53, 70), 99, *range(102, 114), 118]

COMMENT = re.compile(r"^\s*(?://|#)\s?(.*)$")
SPEC_CITATION = re.compile(r"\bSPEC ([A-Z]\d+[a-z]?(?:(?:, | and )[A-Z]\d+[a-z]?)*)")
ABUSE_CITATION = re.compile(r"\bABUSE (\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*)")


def rows_in(text):
    """The rows that a text cites: names of the specification, numbers of the list of bad input."""
    rows = set()
    for citation in SPEC_CITATION.findall(text):
        rows.update(re.findall(r"[A-Z]\d+[a-z]?", citation))
    for citation in ABUSE_CITATION.findall(text):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", citation):
            rows.update(range(int(first), int(last or first) + 1))
    return rows


def cited(text):
    """The rows that the comments of a source file cite."""
    comments = (COMMENT.match(line) for line in text.splitlines())
    return rows_in(" ".join(match.group(1) for match in comments if match))


def is_test(path):
    return path.is_file() and re.search(r"_test\.(cc|py)$", path.name) and path.name != "spec_rows_test.py"


def check(root):
    found = set()
    for path in sorted((root / "tests").rglob("*")):
        if is_test(path):
            found |= cited(path.read_text(encoding="utf-8"))
    missing = [f"SPEC {row}" for row in ROWS if row not in found]
    missing += [f"ABUSE {number}" for number in ABUSE if number not in found]
    return [f"{row} is cited by no test" for row in missing]


class Citations(unittest.TestCase):
    def test_a_row_is_itself_alone(self):
        self.assertEqual({"C5a"}, cited("// SPEC C5a: sorted.\n"))
        self.assertEqual({"C1"}, cited("// SPEC C1.\n"))
        self.assertEqual({"C10"}, cited("  # SPEC C10\n"))

    def test_several_rows_are_listed(self):
        self.assertEqual({"C8", "K1", "X2"}, cited("// (SPEC C8, K1 and X2).\n"))
        self.assertEqual({"C6", 50}, cited("// SPEC C6: of a chain. ABUSE 50: the\n// root is shown.\n"))

    def test_numbers_come_in_ranges(self):
        self.assertEqual({1, 5, 6, 7, 36}, cited("// ABUSE 1, 5-7 and 36.\n"))

    def test_a_list_may_go_on_in_the_next_line(self):
        self.assertEqual({"C1", "C2"}, cited("// SPEC C1,\n// C2: both.\n"))

    def test_code_cites_nothing(self):
        self.assertEqual(set(), cited('EXPECT_EQ(word, "SPEC C1");\nTEST(Abuse, A37_Wins) {}\n'))
        self.assertEqual(set(), cited("// SPEC 1.3 and ABUSE of trust\n"))


def main():
    if len(sys.argv) < 2:
        unittest.main()
    problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or f"{len(ROWS)} rows and {len(ABUSE)} kinds of bad input have their test")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
