"""Counts the cases in JUnit files, by label, and ends with the line that says how it went: summary.py FILE...

A file is ctest's (one entry per binary; cmocka's own counts are read from its output) or pytest's."""
import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

CMOCKA = re.compile(r"\[\s*(PASSED|FAILED|SKIPPED)\s*\] (\d+) test\(s\)")


def cases_of(entry):
    """Passed, failed and skipped cases of one entry."""
    verdict = "passed"
    if entry.find("skipped") is not None or entry.get("status") in ("notrun", "disabled"):
        verdict = "skipped"
    elif entry.find("failure") is not None or entry.find("error") is not None:
        verdict = "failed"
    counts = Counter()
    for word, number in CMOCKA.findall(entry.findtext("system-out") or ""):
        counts[word.lower()] += int(number)
    if verdict == "failed" and not counts["failed"]:
        counts["failed"] = 1  # ended by a sanitizer, a signal or the clock
    return counts if counts else Counter({verdict: 1})


def main(paths):
    totals, failures = Counter(), []
    for path in paths:
        counts = Counter()
        for entry in xml.parse(path).getroot().iter("testcase"):
            cases = cases_of(entry)
            counts += cases
            if cases["failed"]:
                failures.append(f"{Path(path).stem}: {entry.get('classname', '')} {entry.get('name')}")
        print(f"{Path(path).stem:20} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped")
        totals += counts
    for failure in failures:
        print(f"FAILED {failure}")
    end = f"{totals['passed']} passed, {totals['failed']} failed"
    print(end + (f", {totals['skipped']} skipped" if totals["skipped"] else ""))
    return 1 if totals["failed"] or not totals["passed"] else 0


sys.exit(main(sys.argv[1:]))
