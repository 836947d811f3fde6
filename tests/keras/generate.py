"""Builds every case with real Keras and records its inputs, outputs and hashes.

Usage: generate.py [--only PATTERN]     PATTERN as in "conv/*transpose*"
       generate.py --index              only writes the manifest of what is there
       generate.py --module NAME        cases of another module than those in cases/

BURN_KERAS_FIXTURES is where they go, if not into tests/fixtures.
KERAS_BACKEND=tensorflow makes the cases that need it, and only those.
"""

import argparse
import importlib
import json
import sys
import traceback
from pathlib import Path

from harness import CASES, FIXTURES, entry, generate, path_of, selected
from judge import keras


def declare(module):
    """Imports the declarations of all cases, or those of one module."""
    modules = sorted((Path(__file__).parent / "cases").glob("*.py"))
    for name in [module] if module else [f"cases.{path.stem}" for path in modules]:
        importlib.import_module(name)


def write_manifest(entries):
    # Cases with another judge are made by scripts of their own.
    kept = (e for e in read_manifest() if e["name"] in CASES or "judge" in e)
    known = {e["name"]: e for e in kept} | entries
    document = {
        "keras": keras.__version__,
        "backend": "jax",
        "cases": [known[name] for name in sorted(known)],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (FIXTURES / "manifest.json").write_text(text, encoding="utf-8")


def read_manifest():
    path = FIXTURES / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="*", metavar="PATTERN")
    parser.add_argument("--index", action="store_true")
    parser.add_argument("--module")
    arguments = parser.parse_args()
    declare(arguments.module)
    cases = selected(arguments.only, None) if arguments.index else selected(arguments.only)
    entries, failed = {}, []
    for case in cases:
        try:
            entries[case.name] = entry(case, path_of(case)) if arguments.index else generate(case)
        except Exception:
            failed.append(case.name)
            print(f"{case.name}:\n{traceback.format_exc(limit=-3)}", file=sys.stderr)
    write_manifest(entries)
    print(f"{len(entries)} written, {len(failed)} failed", *failed, sep="\n  ")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
