#!/usr/bin/env python3
"""Checks the dependency rule of the folders over every #include line.

    platform < hsm < keystore < services < rpc < tools

A folder includes itself, platform and its neighbour below. Of folders further below it includes
types only: a header without a .cc of the same name beside it. tools sees everything (it is the
composition root); tests see everything but are held to the rules about libraries. Each foreign
library is seen by one folder.

Run with the root of the project as argument; without one, the rule is tried on small made-up trees.
"""
import pathlib
import re
import sys
import tempfile
import unittest

FOLDERS = ["platform", "hsm", "keystore", "services", "rpc", "tools"]

# Library headers by prefix, and the places (path prefixes) that may see them.
LIBRARIES = [
    # Benches measure the bare token and the bare HTTP library, to compare with.
    (("libp11.h", "pkcs11.h", "p11-kit/"), ("hsm/", "tools/bench/", "tests/")),
    (("SQLiteCpp/", "sqlite3.h"), ("keystore/", "tests/")),
    (("boost/beast",), ("rpc/", "tools/bench/", "tests/")),
    (("curl/",), ("platform/",)),
    (("systemd/",), ("platform/unit_",)),
    # Slow: one file per executable.
    (("CLI/",), ("tools/cli/parser.cc", "tools/signetd.cc", "tools/signet_keyd.cc")),
    (("libsmartcols",), ("tools/cli/",)),
    (("kainjow/",), ("services/servers.cc", "services/monitor/digest.cc")),
]
# keystore/x509 is pure: time, policy and trust are arguments.
PURE = "keystore/x509/"
PURE_ALLOWED = ("keystore/x509/", "platform/", "hsm/key_types.h")
PURE_REFUSED = ("platform/files.h",)

# (file, include): reason. What stands here is an exception that somebody decided on.
EXCEPTIONS = {}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def sources(root):
    for folder in FOLDERS + ["tests"]:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc") and path.is_file():
                yield path


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def types_only(root, header):
    return not (root / header).with_suffix(".cc").exists()


def folder_problem(root, name, header):
    """What is wrong with the file `name` including the project's `header`, or None."""
    source, target = name.split("/")[0], header.split("/")[0]
    if not (root / header).is_file():
        return "no such file (includes go from the root)"
    if name.startswith(PURE) and (
        not header.startswith(PURE_ALLOWED) or header.startswith(PURE_REFUSED)
    ):
        return "keystore/x509 sees neither token, store nor files"
    if target == "tests":
        return None if source == "tests" else "only tests include tests"
    if source in ("tests", "tools") or target in (source, "platform"):
        return None
    distance = FOLDERS.index(source) - FOLDERS.index(target)
    if distance < 0:
        return f"{source} lies below {target}"
    if distance > 1 and not types_only(root, header):
        return f"of {target} {source} may include types only, and this header has a .cc"
    return None


def library_problem(name, header):
    for prefixes, places in LIBRARIES:
        if header.startswith(prefixes) and not name.startswith(places):
            return f"seen by {', '.join(places)} only"
    return None


def check(root):
    problems, used = [], set()
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        for number, quoted, header in includes(path):
            ours = quoted or header.split("/")[0] in FOLDERS
            problem = folder_problem(root, name, header) if ours else library_problem(name, header)
            if problem and (name, header) in EXCEPTIONS:
                used.add((name, header))
            elif problem:
                problems.append(f"{name}:{number}: {header}: {problem}")
    problems += [f"the exception {pair} is not needed" for pair in EXCEPTIONS.keys() - used]
    return problems


class Rule(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return check(root)

    def test_neighbour_and_platform_are_fine(self):
        self.assertEqual([], self.problems({
            "platform/error.h": "", "hsm/token.h": '#include "platform/error.h"\n', "hsm/token.cc": "",
            "keystore/a.cc": '#include "hsm/token.h"\n#include "platform/error.h"\n'}))

    def test_upwards_is_refused(self):
        self.assertEqual(1, len(self.problems({
            "keystore/a.h": "", "hsm/token.cc": '#include "keystore/a.h"\n'})))

    def test_behaviour_of_a_folder_further_below_is_refused(self):
        files = {"hsm/token.h": "", "services/a.cc": '#include "hsm/token.h"\n'}
        self.assertEqual([], self.problems(files))
        self.assertEqual(1, len(self.problems({**files, "hsm/token.cc": ""})))

    def test_libraries_stay_in_their_folder(self):
        self.assertEqual(3, len(self.problems({
            "keystore/a.cc": "#include <libp11.h>\n", "services/b.cc": "# include <SQLiteCpp/Database.h>\n",
            "rpc/c.cc": "#include <boost/beast/http.hpp>\n", "tools/d.cc": "#include <curl/curl.h>\n"})))

    def test_one_file_of_an_executable_sees_cli11(self):
        self.assertEqual(1, len(self.problems({
            "tools/cli/parser.cc": "#include <CLI/CLI.hpp>\n",
            "tools/cli/run.cc": "#include <CLI/App.hpp>\n"})))

    def test_x509_is_pure(self):
        self.assertEqual(3, len(self.problems({
            "hsm/key_types.h": "", "hsm/token.h": "", "keystore/store/store.h": "", "platform/files.h": "",
            "keystore/x509/a.cc": '#include "hsm/key_types.h"\n#include "hsm/token.h"\n'
                                  '#include "keystore/store/store.h"\n#include "platform/files.h"\n'})))

    def test_includes_go_from_the_root(self):
        self.assertEqual(1, len(self.problems({"hsm/a.h": "", "hsm/b.cc": '#include "a.h"\n'})))


def main():
    if len(sys.argv) < 2:
        unittest.main()
    problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "the dependency rule holds")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
